import com.google.protobuf.ByteString;
import io.github.vcentergateway.GatewayCredentials;
import io.github.vcentergateway.VCenterException;
import io.github.vcentergateway.VCenterGateway;
import io.github.vcentergateway.vcenter.gateway.v1.GuestServiceGrpc;
import io.github.vcentergateway.vcenter.gateway.v1.ProgramStart;
import io.github.vcentergateway.vcenter.gateway.v1.RunProgramRequest;
import io.github.vcentergateway.vcenter.gateway.v1.RunProgramResponse;
import io.github.vcentergateway.vcenter.gateway.v1.UpdateAnnotationRequest;
import io.github.vcentergateway.vcenter.gateway.v1.VmChange;
import io.github.vcentergateway.vcenter.gateway.v1.VmSettingsServiceGrpc;
import io.github.vcentergateway.vcenter.gateway.v1.VmState;
import io.github.vcentergateway.vcenter.gateway.v1.WatchServiceGrpc;
import io.github.vcentergateway.vcenter.gateway.v1.WatchVmsRequest;
import io.github.vcentergateway.vcenter.gateway.v1.WatchVmsResponse;
import io.github.vcentergateway.vcenter.gateway.v1.WatchVmsResponse.EventCase;
import io.github.vcentergateway.vcenter.vm.guest.v1.Credentials;
import io.github.vcentergateway.vcenter.vm.guest.v1.CredentialsType;
import io.grpc.InsecureChannelCredentials;
import io.grpc.Status;
import io.grpc.StatusException;
import io.grpc.StatusRuntimeException;
import io.grpc.stub.BlockingClientCall;

/**
 * Runs a program in a guest, then watches the virtual machines and continues after a break.
 *
 * <p>The gateway is $GATEWAY_TARGET, 127.0.0.1:50051 by default; user and password are
 * $GATEWAY_USER and $GATEWAY_PASSWORD. The user in the guest is $GUEST_USER with $GUEST_PASSWORD,
 * by default those of the simulator.
 */
public final class Streams {
  private static final String VM = "vm-1001";

  private Streams() {}

  public static void main(String[] arguments) throws InterruptedException {
    String target = environment("GATEWAY_TARGET", "127.0.0.1:50051");
    String user = System.getenv("GATEWAY_USER");
    VCenterGateway.Builder builder =
        VCenterGateway.newBuilder(target, InsecureChannelCredentials.create());
    if (user != null) {
      builder.credentials(GatewayCredentials.basic(user, System.getenv("GATEWAY_PASSWORD")));
    }
    try (VCenterGateway gateway = builder.connect()) {
      System.out.println("exit code " + run(gateway));

      String token = watch(gateway, "", EventCase.SYNCED);
      UpdateAnnotationRequest.Builder change = UpdateAnnotationRequest.newBuilder().setVm(VM);
      change.setAnnotation("changed while nobody watched");
      VmSettingsServiceGrpc.newBlockingStub(gateway).updateAnnotation(change.build());
      watch(gateway, token, EventCase.CHANGED);
      change.clearAnnotation();
      VmSettingsServiceGrpc.newBlockingStub(gateway).updateAnnotation(change.build());
    } catch (StatusException | StatusRuntimeException e) {
      System.err.println(VCenterException.from(e).getMessage());
      System.exit(1);
    }
  }

  private static String environment(String name, String otherwise) {
    return System.getenv().getOrDefault(name, otherwise);
  }

  private static Credentials guestCredentials() {
    return Credentials.newBuilder()
        .setInteractiveSession(false)
        .setType(CredentialsType.CREDENTIALS_TYPE_USERNAME_PASSWORD)
        .setUserName(environment("GUEST_USER", "root"))
        .setPassword(environment("GUEST_PASSWORD", "VMware1!"))
        .build();
  }

  /** Runs a program and returns its exit code. */
  private static long run(VCenterGateway gateway) throws InterruptedException, StatusException {
    // [docs: run]
    ProgramStart start =
        ProgramStart.newBuilder()
            .setVm(VM)
            .setCredentials(guestCredentials())
            .setShellCommand("hostname && wc -l")
            .build();
    BlockingClientCall<RunProgramRequest, RunProgramResponse> program =
        GuestServiceGrpc.newBlockingV2Stub(gateway).runProgram();
    program.write(RunProgramRequest.newBuilder().setStart(start).build());
    ByteString input = ByteString.copyFromUtf8("one\ntwo\n");
    program.write(RunProgramRequest.newBuilder().setInput(input).build());
    program.halfClose();
    long exitCode = 0;
    while (program.hasNext()) {
      RunProgramResponse message = program.read();
      System.out.print(message.getOutput().toStringUtf8());
      System.err.print(message.getErrorOutput().toStringUtf8());
      if (message.hasExited()) {
        exitCode = message.getExited().getExitCode();
      }
    }
    return exitCode;
    // [docs: end]
  }

  /**
   * Prints the machines or, with a token, what has changed since. Returns the token of the first
   * event of the kind `until`.
   */
  private static String watch(VCenterGateway gateway, String token, EventCase until)
      throws InterruptedException {
    // [docs: watch]
    while (true) {
      BlockingClientCall<?, WatchVmsResponse> stream =
          WatchServiceGrpc.newBlockingV2Stub(gateway)
              .watchVms(WatchVmsRequest.newBuilder().setResumeToken(token).build());
      try {
        while (stream.hasNext()) {
          WatchVmsResponse message = stream.read();
          token = message.getResumeToken();
          if (message.getStarted().getReset()) {
            System.out.println("all machines:");
          }
          for (VmState vm : message.getAdded().getVmsList()) {
            System.out.println(vm.getVm() + "  " + vm.getName() + "  " + vm.getPowerState());
          }
          for (VmChange change : message.getChanged().getChangesList()) {
            System.out.println(
                change.getVm().getVm() + " changed: " + change.getChanged().getPathsList());
          }
          for (String gone : message.getRemoved().getVmsList()) {
            System.out.println(gone + " is gone");
          }
          if (message.getEventCase() == until) {
            return token;
          }
        }
      } catch (StatusException e) {
        VCenterException error = VCenterException.from(e);
        if (error.getCode() != Status.Code.UNAVAILABLE) {
          throw error;
        }
        Thread.sleep(1000); // The connection broke, or the replica stops: continue.
      } finally {
        stream.cancel("no longer needed", null);
      }
    }
    // [docs: end]
  }
}
