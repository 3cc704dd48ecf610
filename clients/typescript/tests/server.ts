/** A gRPC server in this process, of which a test decides what it answers. */
import {
  create,
  type DescMethodBiDiStreaming,
  type DescMethodClientStreaming,
  type DescMethodServerStreaming,
  type DescMethodUnary,
  type DescService,
  fromBinary,
  type MessageInitShape,
  type MessageShape,
  toBinary,
} from "@bufbuild/protobuf";
import { type Any, AnySchema } from "@bufbuild/protobuf/wkt";
import {
  Metadata,
  Server,
  ServerCredentials,
  type ServerDuplexStream,
  type ServerReadableStream,
  type ServerUnaryCall,
  type ServerWritableStream,
  type ServiceDefinition,
  type StatusObject,
  type sendUnaryData,
  type UntypedServiceImplementation,
} from "@grpc/grpc-js";
import type { status } from "vcenter-gateway-client";
import { StatusSchema } from "vcenter-gateway-client/google/rpc";

/** A call as the server sees it. */
export type Call = ServerUnaryCall<unknown, unknown>;

/** A stream as the server sees it. */
export type Stream = ServerWritableStream<unknown, unknown>;

/** A call with a stream of requests as the server sees it. */
export type Upload = ServerReadableStream<unknown, unknown>;

/** A call that streams in both directions as the server sees it. */
export type Dialog = ServerDuplexStream<unknown, unknown>;

/** What answers the rpcs of a service. What it throws is sent as the status. */
export type Handlers<Service extends DescService> = {
  [Name in keyof Service["method"]]?: Handler<Service["method"][Name]>;
};

type Handler<Method> =
  Method extends DescMethodUnary<infer Input, infer Output>
    ? (request: MessageShape<Input>, call: Call) => MessageInitShape<Output> | Promise<MessageInitShape<Output>>
    : Method extends DescMethodServerStreaming<infer Input, infer Output>
      ? (request: MessageShape<Input>, call: Stream) => AsyncIterable<MessageInitShape<Output>>
      : Method extends DescMethodClientStreaming<infer Input, infer Output>
        ? (requests: AsyncIterable<MessageShape<Input>>, call: Upload) => Promise<MessageInitShape<Output>>
        : Method extends DescMethodBiDiStreaming<infer Input, infer Output>
          ? (requests: AsyncIterable<MessageShape<Input>>, call: Dialog) => AsyncIterable<MessageInitShape<Output>>
          : never;

export interface RunningServer {
  readonly target: string;
  [Symbol.asyncDispose](): Promise<void>;
}

/** Serves a service on a free port of the loopback address until the result is disposed of. */
export async function serve<Service extends DescService>(
  service: Service,
  handlers: Handlers<Service>,
  credentials = ServerCredentials.createInsecure(),
): Promise<RunningServer> {
  const server = new Server({ "grpc.max_send_message_length": -1 });
  const definition: Record<string, ServiceDefinition[string]> = {};
  const implementation: UntypedServiceImplementation = {};
  for (const method of service.methods) {
    const handler = handlers[method.localName] as unknown as ((request: unknown, call: unknown) => unknown) | undefined;
    if (handler) {
      type Init = MessageInitShape<typeof method.output>;
      const requestStream = method.methodKind === "client_streaming" || method.methodKind === "bidi_streaming";
      const responseStream = method.methodKind === "server_streaming" || method.methodKind === "bidi_streaming";
      definition[method.localName] = {
        path: `/${service.typeName}/${method.name}`,
        requestStream,
        responseStream,
        requestDeserialize: (bytes: Buffer) => fromBinary(method.input, bytes),
        requestSerialize: (bytes: Buffer) => bytes,
        responseDeserialize: (bytes: Buffer) => bytes,
        responseSerialize: (message) => Buffer.from(toBinary(method.output, message)),
      };
      // The iteration must not end the call with the requests.
      const requests = (call: Call | Stream | Upload | Dialog) =>
        "iterator" in call ? call.iterator({ destroyOnReturn: false }) : call.request;
      const answer = async (call: Call | Upload, callback: sendUnaryData<unknown>) => {
        try {
          callback(null, create(method.output, (await handler(requests(call), call)) as Init));
        } catch (error) {
          callback(error as StatusObject);
        }
      };
      const stream = async (call: Stream | Dialog) => {
        try {
          for await (const message of handler(requests(call), call) as AsyncIterable<Init>) {
            call.write(create(method.output, message));
          }
          call.end();
        } catch (error) {
          call.emit("error", error);
        }
      };
      implementation[method.localName] = responseStream ? stream : answer;
    }
  }
  server.addService(definition, implementation);
  const port = await new Promise<number>((resolve, reject) => {
    server.bindAsync("127.0.0.1:0", credentials, (error, bound) => (error ? reject(error) : resolve(bound)));
  });
  return {
    target: `127.0.0.1:${port}`,
    async [Symbol.asyncDispose]() {
      server.forceShutdown();
    },
  };
}

/** A status for a handler to throw, with details as the gateway attaches them. */
export function failure(code: status, message: string, ...details: Any[]): StatusObject {
  const encoded = toBinary(StatusSchema, create(StatusSchema, { code, message, details }));
  return failureWith(code, message, encoded);
}

/** A status for a handler to throw, with any bytes in the place of the details. */
export function failureWith(code: status, message: string, details: Uint8Array): StatusObject {
  const metadata = new Metadata();
  metadata.set("grpc-status-details-bin", Buffer.from(details));
  return { code, details: message, metadata };
}

/** A detail of a type that nobody knows. */
export const unknownDetail = create(AnySchema, {
  typeUrl: "type.googleapis.com/vcenter.v99.Unknown",
  value: Uint8Array.of(8, 1),
});
