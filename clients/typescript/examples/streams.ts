// Runs a program in a guest, then watches the virtual machines and continues after a break.
import { setTimeout } from "node:timers/promises";
import { Credentials, connect, type Requests, status, vcenterError } from "vcenter-gateway-client";
import {
  GuestService,
  type RunProgramRequestSchema,
  VmSettingsService,
  WatchService,
} from "vcenter-gateway-client/vcenter/gateway/v1";
import { CredentialsType } from "vcenter-gateway-client/vcenter/vm/guest/v1";
import { PowerState } from "vcenter-gateway-client/vcenter/vm/v1";

const { GATEWAY_TARGET = "127.0.0.1:50051", GATEWAY_USER, GATEWAY_PASSWORD } = process.env;
const { GUEST_USER = "root", GUEST_PASSWORD = "VMware1!" } = process.env;
const credentials = GATEWAY_USER ? Credentials.basic(GATEWAY_USER, GATEWAY_PASSWORD ?? "") : undefined;

const gateway = connect(GATEWAY_TARGET, { credentials });
const vm = "vm-1001";

try {
  console.log("exit code", await run());
  const token = await watch("", "synced");
  await gateway.client(VmSettingsService).updateAnnotation({ vm, annotation: "changed while nobody watched" });
  await watch(token, "changed");
  await gateway.client(VmSettingsService).updateAnnotation({ vm, annotation: "" });
} finally {
  gateway.close();
}

// Runs a program and returns its exit code.
async function run(): Promise<bigint> {
  const guest = {
    interactiveSession: false,
    type: CredentialsType.USERNAME_PASSWORD,
    userName: GUEST_USER,
    password: GUEST_PASSWORD,
  };
  // [docs: run]
  async function* requests(): Requests<typeof RunProgramRequestSchema> {
    const program = { case: "shellCommand", value: "hostname && wc -l" } as const;
    yield { message: { case: "start", value: { vm, credentials: guest, program } } };
    yield { message: { case: "input", value: Buffer.from("one\ntwo\n") } };
  }
  let exitCode = 0n;
  for await (const { event } of gateway.client(GuestService).runProgram(requests())) {
    if (event.case === "output") {
      process.stdout.write(event.value);
    } else if (event.case === "errorOutput") {
      process.stderr.write(event.value);
    } else if (event.case === "exited") {
      exitCode = event.value.exitCode ?? 0n;
    }
  }
  return exitCode;
  // [docs: end]
}

// Prints the machines or, with a token, what has changed since. Returns the token of the first event of a kind.
async function watch(token: string, until: "synced" | "changed"): Promise<string> {
  // [docs: watch]
  for (;;) {
    try {
      for await (const { event, resumeToken } of gateway.client(WatchService).watchVms({ resumeToken: token })) {
        token = resumeToken ?? "";
        if (event.case === "started" && event.value.reset) {
          console.log("all machines:");
        } else if (event.case === "added") {
          for (const { vm, name, powerState = PowerState.UNSPECIFIED } of event.value.vms) {
            console.log(vm, name, PowerState[powerState]);
          }
        } else if (event.case === "changed") {
          for (const { vm, changed } of event.value.changes) {
            console.log(vm?.vm, "changed:", changed?.paths.join(", "));
          }
        } else if (event.case === "removed") {
          console.log("gone:", event.value.vms.join(", "));
        }
        if (event.case === until) {
          return token;
        }
      }
    } catch (error) {
      if (vcenterError(error)?.code !== status.UNAVAILABLE) {
        throw error;
      }
      // The connection broke, or the replica is stopping: continue after the last message.
      await setTimeout(1000);
    }
  }
  // [docs: end]
}
