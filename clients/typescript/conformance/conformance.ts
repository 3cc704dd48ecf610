// The conformance runner: makes the calls that its standard input names, and writes what came back.
import { createInterface } from "node:readline";
import { createRegistry, fromJson, type JsonObject, type JsonValue, type Message, toJson } from "@bufbuild/protobuf";
import {
  type CallOptions,
  Credentials,
  connect,
  status,
  type VCenterError,
  vcenterError,
} from "vcenter-gateway-client";
import { registry } from "vcenter-gateway-client/registry";
import { ErrorTypeSchema } from "vcenter-gateway-client/vapi/std/errors/v1";
import { ReasonSchema } from "vcenter-gateway-client/vcenter/gateway/v1";
import { health } from "./health.js";

const all = createRegistry(registry, health);

const { GATEWAY_TARGET = "", GATEWAY_USER = "", GATEWAY_PASSWORD = "" } = process.env;
const gateway = connect(GATEWAY_TARGET, {
  credentials: Credentials.basic(GATEWAY_USER, GATEWAY_PASSWORD),
  allowPlaintextCredentials: true,
});

for await (const line of createInterface({ input: process.stdin })) {
  await answer(JSON.parse(line));
}
gateway.close();

interface Case {
  readonly rpc: string;
  readonly request: JsonValue;
  readonly requests?: readonly JsonValue[];
  readonly stream?: boolean;
  readonly cancel_after?: number;
}

async function answer({ rpc, request, requests, stream = false, cancel_after }: Case): Promise<void> {
  const [serviceName = "", name] = rpc.split("/");
  const service = all.getService(serviceName);
  const method = service?.methods.find((method) => method.name === name);
  if (!service || !method) {
    throw new Error(`no rpc ${rpc}`);
  }
  const write = (kind: string, content: JsonValue) => process.stdout.write(`${JSON.stringify({ [kind]: content })}\n`);
  const show = (kind: string, message: Message) => write(kind, toJson(method.output, message, { registry: all }));
  const client = gateway.client(service) as Record<string, (sent: unknown, options: CallOptions) => unknown>;
  const cancellation = new AbortController();
  const read = (request: JsonValue) => fromJson(method.input, request, { registry: all });
  try {
    const called = client[method.localName]?.(requests?.map(read) ?? read(request), { signal: cancellation.signal });
    if (!stream) {
      show("response", await (called as Promise<Message>));
      return;
    }
    let messages = 0;
    for await (const message of called as AsyncIterable<Message>) {
      show("message", message);
      messages += 1;
      if (messages === cancel_after) {
        cancellation.abort();
      }
    }
    write("end", {});
  } catch (error) {
    const failure = vcenterError(error);
    if (!failure) {
      throw error;
    }
    write("error", described(failure));
  }
}

function described(error: VCenterError): JsonObject {
  return {
    code: status[error.code] ?? "",
    reason: error.reason,
    gateway_reason: ReasonSchema.value[error.gatewayReason]?.name ?? "",
    error_type: ErrorTypeSchema.value[error.errorType]?.name ?? "",
    message: error.message,
    messages: error.messages.map(({ id = "", defaultMessage = "", args }) => ({
      id,
      default_message: defaultMessage,
      args,
    })),
    violations: error.violations.map(({ field, description }) => ({ field, description })),
    retry_delay: error.retryDelayMs === undefined ? null : error.retryDelayMs / 1000,
    may_have_executed: error.mayHaveExecuted,
    request_id: error.requestId,
    data: error.data ?? null,
  };
}
