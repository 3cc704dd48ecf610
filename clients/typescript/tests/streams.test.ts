import assert from "node:assert/strict";
import { EventEmitter, once } from "node:events";
import { test } from "node:test";
import { create } from "@bufbuild/protobuf";
import { anyPack } from "@bufbuild/protobuf/wkt";
import { Credentials, connect, Reason, status, VCenterError } from "vcenter-gateway-client";
import { ErrorInfoSchema } from "vcenter-gateway-client/google/rpc";
import {
  GatewayService,
  type WatchGatewayResponse,
  WatchGatewayResponseSchema,
} from "vcenter-gateway-client/vcenter/gateway/v1";
import { failure, type Stream, serve } from "./server.js";

const maxBytes = 32 << 20;

type Messages = AsyncIterable<WatchGatewayResponse>;

/** Reads a stream to its end. */
async function drain(messages: Messages): Promise<number> {
  let arrived = 0;
  for await (const _ of messages) {
    arrived += 1;
  }
  return arrived;
}

/** What a stream throws. */
async function errorOf(messages: Messages): Promise<VCenterError> {
  try {
    await drain(messages);
  } catch (error) {
    assert.ok(error instanceof VCenterError, String(error));
    return error;
  }
  return assert.fail("the stream ended well");
}

test("each message arrives before the next is sent, and the end is one", async () => {
  const events = new EventEmitter();
  const arrived = once(events, "arrived");
  await using server = await serve(GatewayService, {
    async *watchGateway() {
      yield {};
      await arrived;
      yield {};
    },
  });
  using gateway = connect(server.target);
  let messages = 0;
  for await (const _ of gateway.client(GatewayService).watchGateway({})) {
    messages += 1;
    events.emit("arrived");
  }
  assert.equal(messages, 2);
});

test("a stream carries the credentials, and each asks for a token anew", async () => {
  const sent: unknown[] = [];
  await using server = await serve(GatewayService, {
    async *watchGateway(_request, call) {
      sent.push(call.metadata.get("authorization")[0] ?? call.metadata.get("vmware-api-session-id")[0]);
      yield {};
    },
  });
  let tokens = 0;
  using gateway = connect(server.target, {
    credentials: Credentials.bearer(() => {
      tokens += 1;
      return `token-${tokens}`;
    }),
  });
  await drain(gateway.client(GatewayService).watchGateway({}));
  await drain(gateway.client(GatewayService).watchGateway({}));
  await drain(gateway.withCredentials(Credentials.session("own")).client(GatewayService).watchGateway({}));
  assert.deepEqual(sent, ["Bearer token-1", "Bearer token-2", "own"]);
});

test("a stream for which there is no token is not opened", async () => {
  let calls = 0;
  await using server = await serve(GatewayService, {
    async *watchGateway() {
      calls += 1;
      yield {};
    },
  });
  const credentials = Credentials.bearer(() => Promise.reject(new Error("no file")));
  using gateway = connect(server.target, { credentials });
  const error = await errorOf(gateway.client(GatewayService).watchGateway({}));
  assert.deepEqual([error.code, error.mayHaveExecuted, calls], [status.UNAUTHENTICATED, false, 0]);
});

test("a stream has no deadline but its own", async () => {
  const deadlines: unknown[] = [];
  await using server = await serve(GatewayService, {
    async *watchGateway(_request, call) {
      deadlines.push(call.getDeadline());
      if (deadlines.length > 1) {
        await once(call, "cancelled");
      }
      yield {};
    },
  });
  using gateway = connect(server.target, { timeoutMs: 30_000 });
  await drain(gateway.client(GatewayService).watchGateway({}));
  assert.deepEqual(deadlines, [Number.POSITIVE_INFINITY]);
  const error = await errorOf(gateway.client(GatewayService).watchGateway({}, { timeoutMs: 200 }));
  assert.deepEqual([error.code, error.mayHaveExecuted], [status.DEADLINE_EXCEEDED, false]);
});

for (const before of [0, 1]) {
  test(`a stream throws the typed error after ${before} messages`, async () => {
    const info = create(ErrorInfoSchema, { reason: "GATEWAY_STOPPING", domain: "vcenter-gateway" });
    await using server = await serve(GatewayService, {
      async *watchGateway() {
        yield* Array(before).fill({});
        throw failure(status.RESOURCE_EXHAUSTED, "no more", anyPack(ErrorInfoSchema, info));
      },
    });
    using gateway = connect(server.target);
    let arrived = 0;
    await assert.rejects(
      async () => {
        for await (const _ of gateway.client(GatewayService).watchGateway({})) {
          arrived += 1;
        }
      },
      (error: VCenterError) => {
        assert.equal(error.code, status.RESOURCE_EXHAUSTED);
        assert.equal(error.message, "no more");
        assert.equal(error.gatewayReason, Reason.GATEWAY_STOPPING);
        return true;
      },
    );
    assert.equal(arrived, before);
  });
}

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
  test(`${how} ends the stream at the gateway`, async () => {
    const events = new EventEmitter();
    const opened = once(events, "opened") as Promise<[Stream]>;
    await using server = await serve(GatewayService, {
      async *watchGateway(_request, call) {
        events.emit("opened", call);
        yield {};
        await once(call, "cancelled");
      },
    });
    using gateway = connect(server.target);
    const controller = new AbortController();
    const stream = gateway.client(GatewayService).watchGateway({}, { signal: controller.signal });
    const first = stream.next();
    const [call] = await opened;
    const cancelled = once(call, "cancelled");
    assert.equal((await first).done, false);
    if (stop(controller)) {
      await stream.return();
    } else {
      const error = await errorOf(stream);
      assert.deepEqual([error.code, error.mayHaveExecuted], [status.CANCELLED, false]);
    }
    await cancelled;
  });
}

test("a stream that is cancelled from the start is not opened", async () => {
  using gateway = connect("127.0.0.1:1");
  const error = await errorOf(gateway.client(GatewayService).watchGateway({}, { signal: AbortSignal.abort() }));
  assert.equal(error.code, status.CANCELLED);
});

for (const [before, expected] of [
  [0, 4],
  [1, 1],
] as const) {
  test(`a stream that fails after ${before} messages is opened ${expected} times`, async () => {
    let calls = 0;
    await using server = await serve(GatewayService, {
      async *watchGateway() {
        calls += 1;
        yield* Array(before).fill({});
        throw { code: status.UNAVAILABLE, details: "down" };
      },
    });
    using gateway = connect(server.target);
    assert.equal((await errorOf(gateway.client(GatewayService).watchGateway({}))).code, status.UNAVAILABLE);
    assert.equal(calls, expected);
  });
}

for (const size of [maxBytes - 1, maxBytes, maxBytes + 1]) {
  test(`a message of ${size} bytes ${size > maxBytes ? "is refused" : "arrives"}`, async () => {
    // The tag of a field that clients do not know and the length of its content take five bytes.
    const [no, wireType] = [15, 2];
    const data = new Uint8Array(size - 1);
    data.set([0, 7, 14, 21].map((shift) => (((size - 5) >> shift) & 0x7f) | (shift < 21 ? 0x80 : 0)));
    await using server = await serve(GatewayService, {
      async *watchGateway() {
        yield Object.assign(create(WatchGatewayResponseSchema), { $unknown: [{ no, wireType, data }] });
      },
    });
    using gateway = connect(server.target);
    const messages = gateway.client(GatewayService).watchGateway({});
    if (size > maxBytes) {
      assert.equal((await errorOf(messages)).code, status.RESOURCE_EXHAUSTED);
    } else {
      assert.equal(await drain(messages), 1);
    }
  });
}
