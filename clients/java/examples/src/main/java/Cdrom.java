import io.github.vcentergateway.GatewayCredentials;
import io.github.vcentergateway.VCenterException;
import io.github.vcentergateway.VCenterGateway;
import io.github.vcentergateway.vapi.std.errors.v1.ErrorType;
import io.github.vcentergateway.vcenter.v1.ListVmsRequest;
import io.github.vcentergateway.vcenter.v1.VmServiceGrpc;
import io.github.vcentergateway.vcenter.v1.VmSummary;
import io.github.vcentergateway.vcenter.vm.hardware.v1.CdromBackingSpec;
import io.github.vcentergateway.vcenter.vm.hardware.v1.CdromBackingType;
import io.github.vcentergateway.vcenter.vm.hardware.v1.CdromCreateSpec;
import io.github.vcentergateway.vcenter.vm.hardware.v1.CdromHostBusAdapterType;
import io.github.vcentergateway.vcenter.vm.hardware.v1.CdromServiceGrpc;
import io.github.vcentergateway.vcenter.vm.hardware.v1.CdromServiceGrpc.CdromServiceBlockingStub;
import io.github.vcentergateway.vcenter.vm.hardware.v1.ConnectCdromRequest;
import io.github.vcentergateway.vcenter.vm.hardware.v1.CreateCdromRequest;
import io.github.vcentergateway.vcenter.vm.hardware.v1.DeleteCdromRequest;
import io.github.vcentergateway.vcenter.vm.hardware.v1.DisconnectCdromRequest;
import io.grpc.InsecureChannelCredentials;
import io.grpc.StatusRuntimeException;

/**
 * Adds a CD-ROM drive to a virtual machine, connects it, and removes it.
 *
 * <p>The gateway is $GATEWAY_TARGET, 127.0.0.1:50051 by default; user and password are
 * $GATEWAY_USER and $GATEWAY_PASSWORD.
 */
public final class Cdrom {
  private static final String VM = "vm-1001";

  private Cdrom() {}

  public static void main(String[] arguments) {
    // [docs: connect]
    String target = System.getenv().getOrDefault("GATEWAY_TARGET", "127.0.0.1:50051");
    String user = System.getenv("GATEWAY_USER");
    VCenterGateway.Builder builder =
        VCenterGateway.newBuilder(target, InsecureChannelCredentials.create());
    if (user != null) {
      builder.credentials(GatewayCredentials.basic(user, System.getenv("GATEWAY_PASSWORD")));
    }
    try (VCenterGateway gateway = builder.connect()) {
      // [docs: end]
      run(gateway);
    } catch (StatusRuntimeException e) {
      System.err.println(VCenterException.from(e).getMessage());
      System.exit(1);
    }
  }

  private static void run(VCenterGateway gateway) {
    // [docs: list]
    ListVmsRequest all = ListVmsRequest.getDefaultInstance();
    for (VmSummary vm : VmServiceGrpc.newBlockingStub(gateway).listVms(all).getVmsList()) {
      System.out.println(vm.getVm() + "  " + vm.getName() + "  " + vm.getPowerState());
    }
    // [docs: end]

    CdromServiceBlockingStub cdroms = CdromServiceGrpc.newBlockingStub(gateway);
    // [docs: create]
    CdromCreateSpec spec =
        CdromCreateSpec.newBuilder()
            .setType(CdromHostBusAdapterType.CDROM_HOST_BUS_ADAPTER_TYPE_SATA)
            .setBacking(
                CdromBackingSpec.newBuilder()
                    .setType(CdromBackingType.CDROM_BACKING_TYPE_CLIENT_DEVICE))
            .build();
    String cdrom =
        cdroms
            .createCdrom(CreateCdromRequest.newBuilder().setVm(VM).setSpec(spec).build())
            .getCdrom();
    // [docs: end]
    System.out.println(cdrom + " is new");

    connect(cdroms, cdrom);
    connect(cdroms, cdrom);

    cdroms.disconnectCdrom(DisconnectCdromRequest.newBuilder().setVm(VM).setCdrom(cdrom).build());
    cdroms.deleteCdrom(DeleteCdromRequest.newBuilder().setVm(VM).setCdrom(cdrom).build());
    System.out.println(cdrom + " is removed");
  }

  private static void connect(CdromServiceBlockingStub cdroms, String cdrom) {
    // [docs: error]
    try {
      cdroms.connectCdrom(ConnectCdromRequest.newBuilder().setVm(VM).setCdrom(cdrom).build());
      System.out.println(cdrom + " is connected");
    } catch (StatusRuntimeException e) {
      VCenterException error = VCenterException.from(e);
      if (error.getErrorType() != ErrorType.ERROR_TYPE_ALREADY_IN_DESIRED_STATE) {
        throw error;
      }
      System.out.println(cdrom + " was already connected: " + error.getDescription());
    }
    // [docs: end]
  }
}
