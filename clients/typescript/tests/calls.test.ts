import assert from "node:assert/strict";
import { EventEmitter, once } from "node:events";
import { test } from "node:test";
import { Metadata } from "@grpc/grpc-js";
import { connect, status, vcenterError } from "vcenter-gateway-client";
import { VmService } from "vcenter-gateway-client/vcenter/v1";
import { BootService, CdromService, DiskService } from "vcenter-gateway-client/vcenter/vm/hardware/v1";
import { type Call, serve } from "./server.js";

function withCode(code: status) {
  return (error: unknown) => vcenterError(error)?.code === code;
}

test("a call without a time of its own has 60 seconds, or what connect was told", async () => {
  const seconds: number[] = [];
  await using server = await serve(VmService, {
    listVms(_request, call) {
      seconds.push((Number(call.getDeadline()) - Date.now()) / 1000);
      return {};
    },
  });
  using gateway = connect(server.target);
  await gateway.client(VmService).listVms({});
  await gateway.client(VmService).listVms({}, { timeoutMs: 7000 });
  using other = connect(server.target, { timeoutMs: 30_000 });
  await other.client(VmService).listVms({});
  for (const [index, expected] of [60, 7, 30].entries()) {
    const got = seconds[index] ?? 0;
    assert.ok(got > expected - 5 && got < expected + 0.5, `${got} instead of ${expected}`);
  }
});

test("a call whose time is up fails, and the server is told", async () => {
  const events = new EventEmitter();
  const cancelled = once(events, "cancelled");
  await using server = await serve(VmService, {
    listVms: () => ({}),
    async getVm(_request, call) {
      await once(call, "cancelled");
      events.emit("cancelled");
      return {};
    },
  });
  using gateway = connect(server.target);
  const vms = gateway.client(VmService);
  await vms.listVms({});
  await assert.rejects(vms.getVm({ vm: "vm-1" }, { timeoutMs: 500 }), withCode(status.DEADLINE_EXCEEDED));
  await cancelled;
});

test("a signal cancels a call", async () => {
  const events = new EventEmitter();
  const started = once(events, "started") as Promise<[Call]>;
  await using server = await serve(VmService, {
    listVms(_request, call) {
      events.emit("started", call);
      return new Promise(() => {});
    },
  });
  using gateway = connect(server.target);
  const controller = new AbortController();
  const rejected = assert.rejects(
    gateway.client(VmService).listVms({}, { signal: controller.signal }),
    withCode(status.CANCELLED),
  );
  const [call] = await started;
  const cancelled = once(call, "cancelled");
  controller.abort();
  await Promise.all([cancelled, rejected]);
});

test("a call that is cancelled from the start is not sent", async () => {
  let calls = 0;
  await using server = await serve(VmService, {
    listVms() {
      calls += 1;
      return {};
    },
  });
  using gateway = connect(server.target);
  const vms = gateway.client(VmService);
  await vms.listVms({});
  await assert.rejects(vms.listVms({}, { signal: AbortSignal.abort() }), withCode(status.CANCELLED));
  await vms.listVms({});
  assert.equal(calls, 2);
});

test("a read is repeated when the gateway is unavailable", async () => {
  let calls = 0;
  await using server = await serve(CdromService, {
    listCdroms() {
      calls += 1;
      if (calls < 3) {
        throw { code: status.UNAVAILABLE, details: "later" };
      }
      return { cdroms: [{ cdrom: "16000" }] };
    },
  });
  using gateway = connect(server.target);
  const { cdroms } = await gateway.client(CdromService).listCdroms({ vm: "vm-1" });
  assert.equal(cdroms[0]?.cdrom, "16000");
  assert.equal(calls, 3);
});

test("a read is not repeated after any other failure", async () => {
  let calls = 0;
  await using server = await serve(CdromService, {
    listCdroms() {
      calls += 1;
      throw { code: status.ABORTED, details: "busy" };
    },
  });
  using gateway = connect(server.target);
  await assert.rejects(gateway.client(CdromService).listCdroms({ vm: "vm-1" }), withCode(status.ABORTED));
  assert.equal(calls, 1);
});

test("a write is never repeated", async () => {
  let calls = 0;
  await using server = await serve(CdromService, {
    createCdrom() {
      calls += 1;
      throw { code: status.UNAVAILABLE, details: "later" };
    },
  });
  using gateway = connect(server.target);
  await assert.rejects(
    gateway.client(CdromService).createCdrom({ vm: "vm-1", spec: {} }),
    withCode(status.UNAVAILABLE),
  );
  assert.equal(calls, 1);
});

test("calls are spread over all addresses", async () => {
  const calls = [0, 0];
  const count = (index: 0 | 1) => ({
    listVms() {
      calls[index] = (calls[index] ?? 0) + 1;
      return {};
    },
  });
  await using first = await serve(VmService, count(0));
  await using second = await serve(VmService, count(1));
  using gateway = connect(`ipv4:${first.target},${second.target}`);
  const vms = gateway.client(VmService);
  const deadline = Date.now() + 10_000;
  while (calls.includes(0) && Date.now() < deadline) {
    await vms.listVms({});
  }
  assert.ok(!calls.includes(0), `calls: ${calls}`);
});

test("64-bit numbers keep every digit", async () => {
  await using server = await serve(DiskService, {
    getDisk: () => ({ disk: { capacity: 2n ** 63n - 1n } }),
  });
  using gateway = connect(server.target);
  const { disk } = await gateway.client(DiskService).getDisk({ vm: "vm-1", disk: "2000" });
  assert.equal(disk?.capacity, 9223372036854775807n);
});

test("what is unset stays apart from false and 0", async () => {
  await using server = await serve(BootService, {
    updateBoot({ spec }) {
      assert.equal(spec?.delay, 0n);
      assert.equal(spec?.enterSetupMode, false);
      assert.equal(spec?.efiLegacyBoot, undefined);
      assert.equal(spec?.retry, undefined);
      return {};
    },
  });
  using gateway = connect(server.target);
  await gateway.client(BootService).updateBoot({ vm: "vm-1", spec: { delay: 0n, enterSetupMode: false } });
});

test("metadata of the caller's is sent", async () => {
  await using server = await serve(VmService, {
    listVms: (_request, call) => ({ vms: [{ name: String(call.metadata.get("x-trace")[0]) }] }),
  });
  using gateway = connect(server.target);
  const metadata = new Metadata();
  metadata.set("x-trace", "t-1");
  const { vms } = await gateway.client(VmService).listVms({}, { metadata });
  assert.equal(vms[0]?.name, "t-1");
});

test("a gateway that was closed refuses calls", async () => {
  const gateway = connect("127.0.0.1:1");
  gateway.close();
  await assert.rejects(gateway.client(VmService).listVms({}), /shut down/);
});
