import assert from "node:assert/strict";
import { EventEmitter, once } from "node:events";
import { test } from "node:test";
import { create, type MessageInitShape } from "@bufbuild/protobuf";
import { anyPack } from "@bufbuild/protobuf/wkt";
import { Credentials, connect, Reason, status, VCenterError } from "vcenter-gateway-client";
import { ErrorInfoSchema } from "vcenter-gateway-client/google/rpc";
import {
  GuestService,
  type RunProgramRequestSchema,
  type RunProgramResponseSchema,
  type UploadFileRequestSchema,
} from "vcenter-gateway-client/vcenter/gateway/v1";
import { type Dialog, failure, serve, type Upload } from "./server.js";

const chunk = (content: string): MessageInitShape<typeof UploadFileRequestSchema> => ({
  message: { case: "chunk", value: Buffer.from(content) },
});
const input = (content: string): MessageInitShape<typeof RunProgramRequestSchema> => ({
  message: { case: "input", value: Buffer.from(content) },
});
const output = (value: Uint8Array): MessageInitShape<typeof RunProgramResponseSchema> => ({
  event: { case: "output", value },
});

/** What a call is rejected with. */
async function errorOf(call: Promise<unknown>): Promise<VCenterError> {
  try {
    await call;
  } catch (error) {
    assert.ok(error instanceof VCenterError, String(error));
    return error;
  }
  return assert.fail("the call succeeded");
}

/** Reads a stream to its end. */
async function drain(messages: AsyncIterable<unknown>): Promise<number> {
  let arrived = 0;
  for await (const _ of messages) {
    arrived += 1;
  }
  return arrived;
}

test("each request arrives before the next is sent, and one response answers them", async () => {
  const events = new EventEmitter();
  await using server = await serve(GuestService, {
    async uploadFile(requests) {
      let size = 0n;
      for await (const { message } of requests) {
        size += BigInt(message.case === "chunk" ? message.value.length : 0);
        events.emit("arrived");
      }
      return { size };
    },
  });
  using gateway = connect(server.target);
  async function* requests() {
    for (const content of ["first", "second"]) {
      const arrived = once(events, "arrived");
      yield chunk(content);
      await arrived;
    }
  }
  assert.equal((await gateway.client(GuestService).uploadFile(requests())).size, 11n);
});

test("requests and messages alternate", async () => {
  await using server = await serve(GuestService, {
    async *runProgram(requests) {
      for await (const { message } of requests) {
        yield output(message.case === "input" ? message.value : new Uint8Array());
      }
    },
  });
  using gateway = connect(server.target);
  const events = new EventEmitter();
  async function* requests() {
    for (const content of ["first", "second"]) {
      const answered = once(events, "answered");
      yield input(content);
      await answered;
    }
  }
  const contents: string[] = [];
  for await (const { event } of gateway.client(GuestService).runProgram(requests())) {
    contents.push(event.case === "output" ? Buffer.from(event.value).toString() : "");
    events.emit("answered");
  }
  assert.deepEqual(contents, ["first", "second"]);
});

test("streams of requests carry the credentials and have no deadline but their own", async () => {
  const calls: unknown[] = [];
  await using server = await serve(GuestService, {
    async uploadFile(requests, call) {
      calls.push(call.metadata.get("vmware-api-session-id")[0], call.getDeadline());
      await drain(requests);
      return {};
    },
    async *runProgram(requests, call) {
      calls.push(call.metadata.get("vmware-api-session-id")[0], call.getDeadline());
      await drain(requests);
      yield {};
    },
  });
  using gateway = connect(server.target, { timeoutMs: 30_000, credentials: Credentials.session("own") });
  const guest = gateway.client(GuestService);
  await guest.uploadFile([chunk("all")]);
  await drain(guest.runProgram([input("all")]));
  assert.deepEqual(calls, ["own", Number.POSITIVE_INFINITY, "own", Number.POSITIVE_INFINITY]);
  async function* endless() {
    yield chunk("first");
    await new Promise(() => {});
  }
  const error = await errorOf(guest.uploadFile(endless(), { timeoutMs: 200 }));
  assert.deepEqual([error.code, error.mayHaveExecuted], [status.DEADLINE_EXCEEDED, true]);
});

test("an error ends the requests, which are not sent again", async () => {
  let calls = 0;
  await using server = await serve(GuestService, {
    async uploadFile() {
      calls += 1;
      const info = create(ErrorInfoSchema, { reason: "GATEWAY_STOPPING", domain: "vcenter-gateway" });
      throw failure(status.UNAVAILABLE, "this replica stops", anyPack(ErrorInfoSchema, info));
    },
  });
  using gateway = connect(server.target);
  let left = false;
  async function* endless() {
    try {
      for (;;) {
        yield chunk("more");
        await new Promise((resolve) => setImmediate(resolve));
      }
    } finally {
      left = true;
    }
  }
  const error = await errorOf(gateway.client(GuestService).uploadFile(endless()));
  assert.equal(error.code, status.UNAVAILABLE);
  assert.equal(error.gatewayReason, Reason.GATEWAY_STOPPING);
  assert.equal(error.mayHaveExecuted, false);
  assert.equal(calls, 1);
  while (!left) {
    await new Promise((resolve) => setImmediate(resolve));
  }
});

test("what the requests throw cancels the call and is thrown", async () => {
  const events = new EventEmitter();
  const opened = once(events, "opened") as Promise<[Upload]>;
  await using server = await serve(GuestService, {
    async uploadFile(requests, call) {
      events.emit("opened", call);
      await drain(requests);
      return {};
    },
    async *runProgram(requests, call) {
      events.emit("opened", call);
      await drain(requests);
      yield {};
    },
  });
  using gateway = connect(server.target);
  const broken = new Error("the disk is broken");
  async function* requests() {
    yield chunk("first");
    const [call] = await opened;
    events.emit("throwing", call);
    throw broken;
  }
  const throwing = once(events, "throwing") as Promise<[Upload]>;
  const upload = gateway.client(GuestService).uploadFile(requests());
  const [call] = await throwing;
  const cancelled = once(call, "cancelled");
  await assert.rejects(upload, (error) => error === broken);
  await cancelled;
  const program = gateway.client(GuestService).runProgram(
    (function* () {
      yield input("first");
      throw broken;
    })(),
  );
  await assert.rejects(drain(program), (error) => error === broken);
});

for (const [how, stop] of [
  ["an iteration that is left", (_controller: AbortController) => true],
  [
    "a signal",
    (controller: AbortController) => {
      controller.abort();
      return false;
    },
  ],
] as const) {
  test(`${how} ends a call whose requests would go on`, async () => {
    const events = new EventEmitter();
    const opened = once(events, "opened") as Promise<[Dialog]>;
    await using server = await serve(GuestService, {
      async *runProgram(_requests, call) {
        events.emit("opened", call);
        yield {};
        await once(call, "cancelled");
      },
    });
    using gateway = connect(server.target);
    async function* endless() {
      yield input("first");
      await new Promise(() => {});
    }
    const controller = new AbortController();
    const messages = gateway.client(GuestService).runProgram(endless(), { signal: controller.signal });
    const first = messages.next();
    const [call] = await opened;
    const cancelled = once(call, "cancelled");
    assert.equal((await first).done, false);
    if (stop(controller)) {
      await messages.return();
    } else {
      const error = await errorOf(drain(messages));
      assert.deepEqual([error.code, error.mayHaveExecuted], [status.CANCELLED, true]);
    }
    await cancelled;
  });
}

test("requests wait while the gateway reads none", async () => {
  const events = new EventEmitter();
  const reading = once(events, "read");
  await using server = await serve(GuestService, {
    async uploadFile(requests) {
      await reading;
      return { size: BigInt(await drain(requests)) };
    },
  });
  using gateway = connect(server.target);
  const size = 100;
  const content = "x".repeat(1 << 20);
  let made = 0;
  async function* requests() {
    while (made < size) {
      made += 1;
      yield chunk(content);
    }
  }
  const upload = gateway.client(GuestService).uploadFile(requests());
  let before = -1;
  while (before !== made) {
    before = made;
    await new Promise((resolve) => setTimeout(resolve, 200));
  }
  assert.ok(made < size / 2, `${made} requests wait in memory`);
  events.emit("read");
  assert.equal((await upload).size, BigInt(size));
});
