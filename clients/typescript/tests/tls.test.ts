import assert from "node:assert/strict";
import { execFileSync } from "node:child_process";
import { mkdtempSync, readFileSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { after, test } from "node:test";
import { ServerCredentials, type ServiceError } from "@grpc/grpc-js";
import { Credentials, connect, status, type TlsOptions, VCenterError, vcenterError } from "vcenter-gateway-client";
import { VmService } from "vcenter-gateway-client/vcenter/v1";
import { type RunningServer, serve } from "./server.js";

const folder = mkdtempSync(join(tmpdir(), "vcenter-gateway-client-"));
after(() => rmSync(folder, { recursive: true }));

/** A certificate for this machine, which is its own authority. */
function certificate(name: string): { readonly cert: Buffer; readonly key: Buffer } {
  const [cert, key] = [join(folder, `${name}.crt`), join(folder, `${name}.key`)];
  const subject = ["-subj", `/CN=${name}`, "-addext", "subjectAltName=DNS:localhost"];
  const curve = ["-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:prime256v1", "-nodes"];
  execFileSync("openssl", ["req", "-x509", ...curve, "-keyout", key, "-out", cert, ...subject], { stdio: "ignore" });
  return { cert: readFileSync(cert), key: readFileSync(key) };
}

const server = certificate("server");
const client = certificate("client");

/** Serves with TLS, and to callers with a certificate only where `clientCa` is given. Tells callers their authorization. */
function serveTls(clientCa: Buffer | null): Promise<RunningServer> {
  const pair = { private_key: server.key, cert_chain: server.cert };
  return serve(
    VmService,
    { listVms: (_request, call) => ({ vms: [{ name: String(call.metadata.get("vmware-api-session-id")) }] }) },
    ServerCredentials.createSsl(clientCa, [pair], clientCa !== null),
  );
}

/** What a call with these options says about the caller. */
async function caller(target: string, tls: true | TlsOptions): Promise<string | undefined> {
  const grpc = { "grpc.ssl_target_name_override": "localhost" };
  using gateway = connect(target, { tls, credentials: Credentials.session("s3cret"), grpc });
  const { vms } = await gateway.client(VmService).listVms({});
  return vms[0]?.name;
}

function unavailable(error: unknown): boolean {
  return vcenterError(error)?.code === status.UNAVAILABLE;
}

test("a gateway whose authority is trusted gets the credentials", async () => {
  await using running = await serveTls(null);
  assert.equal(await caller(running.target, { ca: server.cert }), "s3cret");
});

test("a gateway whose authority is not trusted gets no call", async () => {
  await using running = await serveTls(null);
  await assert.rejects(caller(running.target, true), unavailable);
});

test("a gateway that asks for a certificate gets it", async () => {
  await using running = await serveTls(client.cert);
  assert.equal(await caller(running.target, { ca: server.cert.toString(), ...client }), "s3cret");
  await assert.rejects(caller(running.target, { ca: server.cert }), unavailable);
});

test("a read is not repeated while the certificate is not trusted", async () => {
  const listVms = { service: "vcenter.v1.VmService", method: "ListVms" };
  const retryPolicy = {
    maxAttempts: 2,
    initialBackoff: "3600s",
    maxBackoff: "3600s",
    backoffMultiplier: 1,
    retryableStatusCodes: ["UNAVAILABLE"],
  };
  // A second attempt would come after the time of the call.
  const serviceConfig = {
    loadBalancingConfig: [{ vcenter_gateway_round_robin: {} }],
    methodConfig: [{ name: [listVms], retryPolicy }],
  };
  const grpc = { "grpc.service_config": JSON.stringify(serviceConfig) };
  await using running = await serveTls(null);
  using untrusted = connect(running.target, { tls: true, grpc, timeoutMs: 30_000 });
  const error = await untrusted.client(VmService).listVms({}).catch(vcenterError);
  assert.ok(error instanceof VCenterError);
  assert.equal(error.code, status.UNAVAILABLE);
  assert.match(error.message, /certificate/);
  // By default as well: this is how the balancer forbids it.
  using usual = connect(running.target, { tls: true });
  const again = await usual.client(VmService).listVms({}).catch(vcenterError);
  assert.ok(again instanceof VCenterError);
  assert.deepEqual((again.cause as ServiceError).metadata.get("grpc-retry-pushback-ms"), ["-1"]);
  using unreachable = connect("127.0.0.1:1", { grpc, timeoutMs: 1000 });
  await assert.rejects(
    unreachable.client(VmService).listVms({}),
    (error) => vcenterError(error)?.code === status.DEADLINE_EXCEEDED,
  );
});
