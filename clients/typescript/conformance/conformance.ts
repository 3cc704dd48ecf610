// The conformance runner: makes the calls that its standard input names, and writes what came back.
import { createInterface } from "node:readline";
import { fromJson, type JsonValue, type Message, toJson } from "@bufbuild/protobuf";
import { Credentials, connect, status, type VCenterError, vcenterError } from "vcenter-gateway-client";
import { registry } from "vcenter-gateway-client/registry";
import { ErrorTypeSchema } from "vcenter-gateway-client/vapi/std/errors/v1";

const { GATEWAY_TARGET = "", GATEWAY_USER = "", GATEWAY_PASSWORD = "" } = process.env;
const gateway = connect(GATEWAY_TARGET, {
  credentials: Credentials.basic(GATEWAY_USER, GATEWAY_PASSWORD),
  allowPlaintextCredentials: true,
});

for await (const line of createInterface({ input: process.stdin })) {
  const { rpc, request } = JSON.parse(line);
  process.stdout.write(`${JSON.stringify(await answer(rpc, request))}\n`);
}
gateway.close();

async function answer(rpc: string, request: JsonValue) {
  const [serviceName = "", name] = rpc.split("/");
  const service = registry.getService(serviceName);
  const method = service?.methods.find((method) => method.name === name);
  if (!service || !method) {
    throw new Error(`no rpc ${rpc}`);
  }
  const client: Record<string, (request: Message) => Promise<Message>> = gateway.client(service);
  try {
    const response = await client[method.localName]?.(fromJson(method.input, request, { registry }));
    return { response: response && toJson(method.output, response, { registry }) };
  } catch (error) {
    const failure = vcenterError(error);
    if (!failure) {
      throw error;
    }
    return { error: described(failure) };
  }
}

function described(error: VCenterError) {
  return {
    code: status[error.code],
    reason: error.reason,
    error_type: ErrorTypeSchema.value[error.errorType]?.name,
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
