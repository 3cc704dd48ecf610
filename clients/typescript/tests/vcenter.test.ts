import assert from "node:assert/strict";
import { test } from "node:test";
import { Metadata } from "@grpc/grpc-js";
import { type CallOptions, Credentials, connect } from "vcenter-gateway-client";
import { GatewayService, GuestService } from "vcenter-gateway-client/vcenter/gateway/v1";
import { VmService } from "vcenter-gateway-client/vcenter/v1";
import { serve } from "./server.js";

/** Metadata of one entry. */
function entry(key: string, value: string): CallOptions {
  const metadata = new Metadata();
  metadata.set(key, value);
  return { metadata };
}

async function drain(messages: AsyncIterable<unknown>): Promise<void> {
  for await (const _ of messages) {
  }
}

/** Makes a call as it is, one with other metadata, and one for another vCenter. */
async function callThrice(call: (options?: CallOptions) => Promise<unknown>): Promise<void> {
  await call();
  const other = entry("other", "metadata");
  await call(other);
  assert.deepEqual(other.metadata?.get("x-vcenter"), [], "the caller's metadata was changed");
  await call(entry("x-vcenter", "west"));
}

test("calls and streams of each kind name the vCenter of the connection, unless they name another one", async () => {
  const seen: unknown[] = [];
  const note = (call: { metadata: Metadata }) => seen.push(...call.metadata.get("x-vcenter"));
  await using vms = await serve(VmService, {
    listVms(_request, call) {
      note(call);
      return {};
    },
  });
  await using states = await serve(GatewayService, {
    async *watchGateway(_request, call) {
      note(call);
      yield {};
    },
  });
  await using guests = await serve(GuestService, {
    async uploadFile(_requests, call) {
      note(call);
      return {};
    },
    async *runProgram(_requests, call) {
      note(call);
      yield {};
    },
  });
  const options = { vcenter: "east", credentials: Credentials.session("own") };
  using toVms = connect(vms.target, options);
  using toStates = connect(states.target, options);
  using toGuests = connect(guests.target, options);
  const another = toVms.withCredentials(Credentials.session("other"));
  for (const call of [
    (own?: CallOptions) => toVms.client(VmService).listVms({}, own),
    (own?: CallOptions) => another.client(VmService).listVms({}, own),
    (own?: CallOptions) => drain(toStates.client(GatewayService).watchGateway({}, own)),
    (own?: CallOptions) => toGuests.client(GuestService).uploadFile([], own),
    (own?: CallOptions) => drain(toGuests.client(GuestService).runProgram([], own)),
  ]) {
    seen.length = 0;
    await callThrice(call);
    assert.deepEqual(seen, ["east", "east", "west"]);
  }
  seen.length = 0;
  using nowhere = connect(vms.target);
  await nowhere.client(VmService).listVms({});
  assert.deepEqual(seen, []);
});

for (const name of ["", "east west", "east\n", "öst"]) {
  test(`a vCenter named ${JSON.stringify(name)} is refused`, () => {
    assert.throws(() => connect("127.0.0.1:1", { vcenter: name }), TypeError);
  });
}
