// Adds a CD-ROM device to a virtual machine, connects it twice, and removes it.
import { Credentials, connect, ErrorType, vcenterError } from "vcenter-gateway-client";
import { VmService } from "vcenter-gateway-client/vcenter/v1";
import { CdromBackingType, CdromHostBusAdapterType, CdromService } from "vcenter-gateway-client/vcenter/vm/hardware/v1";
import { PowerState } from "vcenter-gateway-client/vcenter/vm/v1";

// [docs: connect]
const { GATEWAY_TARGET = "127.0.0.1:50051", GATEWAY_USER, GATEWAY_PASSWORD } = process.env;
const credentials = GATEWAY_USER ? Credentials.basic(GATEWAY_USER, GATEWAY_PASSWORD ?? "") : undefined;

const gateway = connect(GATEWAY_TARGET, { credentials });
// [docs: end]
const cdroms = gateway.client(CdromService);
const vm = "vm-1001";

// [docs: list]
const { vms } = await gateway.client(VmService).listVms({});
for (const { vm: id, name, powerState = PowerState.UNSPECIFIED, memorySizeMib } of vms) {
  console.log(`${id}  ${name}  ${PowerState[powerState]}  ${memorySizeMib} MiB`);
}
// [docs: end]

// [docs: create]
const { cdrom = "" } = await cdroms.createCdrom({
  vm,
  spec: { type: CdromHostBusAdapterType.SATA, backing: { type: CdromBackingType.CLIENT_DEVICE } },
});
// [docs: end]
console.log(`added the CD-ROM device ${cdrom}`);
try {
  await connectCdrom();
  await connectCdrom();
  await cdroms.disconnectCdrom({ vm, cdrom });
} finally {
  await cdroms.deleteCdrom({ vm, cdrom });
  console.log("removed it");
  gateway.close();
}

async function connectCdrom(): Promise<void> {
  // [docs: error]
  try {
    await cdroms.connectCdrom({ vm, cdrom });
    console.log("connected it");
  } catch (error) {
    if (vcenterError(error)?.errorType !== ErrorType.ALREADY_IN_DESIRED_STATE) {
      throw error;
    }
    console.log("already connected");
  }
  // [docs: end]
}
