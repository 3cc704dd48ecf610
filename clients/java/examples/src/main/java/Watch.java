import io.github.vcentergateway.GatewayCredentials;
import io.github.vcentergateway.VCenterException;
import io.github.vcentergateway.VCenterGateway;
import io.github.vcentergateway.vcenter.gateway.v1.GatewayServiceGrpc;
import io.github.vcentergateway.vcenter.gateway.v1.Reason;
import io.github.vcentergateway.vcenter.gateway.v1.WatchGatewayRequest;
import io.github.vcentergateway.vcenter.gateway.v1.WatchGatewayResponse;
import io.grpc.InsecureChannelCredentials;
import io.grpc.StatusException;
import io.grpc.stub.BlockingClientCall;

/**
 * Shows the state of vCenter as the gateway sees it, until it is interrupted.
 *
 * <p>The gateway is $GATEWAY_TARGET, 127.0.0.1:50051 by default; user and password are
 * $GATEWAY_USER and $GATEWAY_PASSWORD.
 */
public final class Watch {
  private Watch() {}

  public static void main(String[] arguments) throws InterruptedException {
    String target = System.getenv().getOrDefault("GATEWAY_TARGET", "127.0.0.1:50051");
    String user = System.getenv("GATEWAY_USER");
    VCenterGateway.Builder builder =
        VCenterGateway.newBuilder(target, InsecureChannelCredentials.create());
    if (user != null) {
      builder.credentials(GatewayCredentials.basic(user, System.getenv("GATEWAY_PASSWORD")));
    }
    try (VCenterGateway gateway = builder.connect()) {
      while (true) {
        watch(gateway);
      }
    } catch (VCenterException e) {
      System.err.println(e.getMessage());
      System.exit(1);
    }
  }

  /** Returns when another replica serves in place of this one. */
  private static void watch(VCenterGateway gateway) throws InterruptedException {
    BlockingClientCall<?, WatchGatewayResponse> messages =
        GatewayServiceGrpc.newBlockingV2Stub(gateway)
            .watchGateway(WatchGatewayRequest.getDefaultInstance());
    try {
      while (messages.hasNext()) {
        WatchGatewayResponse message = messages.read();
        if (message.hasState()) { // else it is a heartbeat
          System.out.println("circuit: " + message.getState().getCircuit());
        }
      }
    } catch (StatusException e) {
      VCenterException error = VCenterException.from(e);
      if (error.getGatewayReason() != Reason.REASON_GATEWAY_STOPPING) {
        throw error;
      }
    } finally {
      messages.cancel("no longer needed", null);
    }
  }
}
