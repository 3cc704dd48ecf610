import assert from "node:assert/strict";
import { test } from "node:test";
import { inspect } from "node:util";
import { Credentials, connect, status, vcenterError } from "vcenter-gateway-client";
import { VmService } from "vcenter-gateway-client/vcenter/v1";
import { serve } from "./server.js";

const secrets = ["s3cret", Buffer.from("me:s3cret").toString("base64")];

/** Everything that common ways of printing show of a value. */
function printed(value: unknown): string {
  const deep = { depth: Number.POSITIVE_INFINITY, showHidden: true };
  return [inspect(value), inspect(value, deep), String(value), JSON.stringify(value)].join("\n");
}

function assertSecretFree(text: string) {
  for (const secret of secrets) {
    assert.ok(!text.includes(secret), text);
  }
}

for (const target of [
  "127.0.0.1:1",
  "127.9.9.9:1",
  "localhost:1",
  "[::1]:1",
  "dns:///localhost:1",
  "ipv4:127.0.0.1:1,127.0.0.2:1",
  "ipv6:[::1]:1",
  "unix:/run/gateway.sock",
  "localhost",
]) {
  test(`credentials go to ${target} in plain text`, () => {
    connect(target, { credentials: Credentials.session("s3cret") }).close();
  });
}

for (const target of [
  "gateway.example.com:1",
  "10.0.0.1:1",
  "[fe80::1]:1",
  "dns:///gateway:1",
  "dns://10.0.0.1/localhost:1",
  "ipv4:127.0.0.1:1,10.0.0.1:1",
  "localhost.example.com:1",
  "127.0.0.1.example.com:1",
  "0.0.0.0:1",
  "unknown:127.0.0.1",
  "",
]) {
  test(`credentials do not go to ${target || "an empty target"} in plain text`, () => {
    const credentials = Credentials.basic("me", "s3cret");
    const refusal = (error: Error) => {
      assertSecretFree(printed(error));
      return error instanceof TypeError;
    };
    assert.throws(() => connect(target, { credentials }), refusal);
    if (target) {
      assert.throws(() => connect(target).withCredentials(credentials), refusal);
      connect(target, { credentials, allowPlaintextCredentials: true }).close();
      connect(target, { credentials, tls: true }).withCredentials(credentials).close();
    }
  });
}

test("credentials are attached to every call", async () => {
  const seen: unknown[] = [];
  await using server = await serve(VmService, {
    listVms(_request, call) {
      seen.push([call.metadata.get("authorization"), call.metadata.get("vmware-api-session-id")]);
      return {};
    },
  });
  using gateway = connect(server.target, { credentials: Credentials.basic("me", "pässword") });
  await gateway.client(VmService).listVms({});
  await gateway.withCredentials(Credentials.session("abc")).client(VmService).listVms({});
  await gateway.withCredentials(Credentials.bearer("a.b-c\n")).client(VmService).listVms({});
  using anonymous = connect(server.target);
  await anonymous.client(VmService).listVms({});
  assert.deepEqual(seen, [
    [[`Basic ${Buffer.from("me:pässword").toString("base64")}`], []],
    [[], ["abc"]],
    [["Bearer a.b-c"], []],
    [[], []],
  ]);
});

test("a token from a function is asked for with each call, and a call without one is not sent", async () => {
  const seen: unknown[] = [];
  await using server = await serve(VmService, {
    listVms(_request, call) {
      seen.push(...call.metadata.get("authorization"));
      return {};
    },
  });
  const tokens = ["first\n", "second\n", "", "s3cret s3cret"];
  const credentials = Credentials.bearer(async () => tokens.shift() ?? Promise.reject(new Error("no such file")));
  using gateway = connect(server.target, { credentials });
  const vms = gateway.client(VmService);
  await vms.listVms({});
  await vms.listVms({});
  for (const reason of [/printable/, /printable/, /no such file/]) {
    await assert.rejects(vms.listVms({}), (error) => {
      assertSecretFree(printed(error));
      assert.equal(vcenterError(error)?.code, status.UNAUTHENTICATED);
      assert.match(String(error), reason);
      return true;
    });
  }
  assert.deepEqual(seen, ["Bearer first", "Bearer second"]);
});

test("secrets are not printed", async () => {
  await using server = await serve(VmService, {
    listVms() {
      throw { code: status.UNAUTHENTICATED, details: "no" };
    },
  });
  for (const credentials of [
    Credentials.basic("me", "s3cret"),
    Credentials.session("s3cret"),
    Credentials.bearer("s3cret"),
    Credentials.bearer(() => "s3cret"),
  ]) {
    assert.match(printed(credentials), /\*\*\*/);
    assertSecretFree(printed(credentials));
    assertSecretFree(inspect(credentials.toCallCredentials(), { depth: 9, showHidden: true }));
    using gateway = connect(server.target, { credentials });
    assertSecretFree(printed(gateway));
    await assert.rejects(gateway.client(VmService).listVms({}), (error) => {
      assertSecretFree(printed(error));
      return true;
    });
  }
});

for (const [what, make] of [
  ["a user with a colon", () => Credentials.basic("me:you", "s3cret")],
  ["an empty session id", () => Credentials.session("")],
  ["an empty user name", () => Credentials.basic("", "s3cret")],
  ["an empty token", () => Credentials.bearer(" ")],
  ["a token of two words", () => Credentials.bearer("s3cret s3cret")],
  ["a session id that no header can carry", () => Credentials.session("s3cret\n")],
] as const) {
  test(`${what} is refused without naming it`, () => {
    assert.throws(make, (error: Error) => {
      assertSecretFree(printed(error));
      return error instanceof TypeError;
    });
  });
}

test("what is meant for this machine passes no proxy", async () => {
  await using server = await serve(VmService, { listVms: () => ({}) });
  process.env.grpc_proxy = "http://127.0.0.1:1";
  try {
    using gateway = connect(server.target, { credentials: Credentials.session("s3cret") });
    await gateway.client(VmService).listVms({});
  } finally {
    delete process.env.grpc_proxy;
  }
});
