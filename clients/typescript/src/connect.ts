import {
  create,
  type DescMessage,
  type DescMethod,
  type DescMethodServerStreaming,
  type DescMethodUnary,
  type DescService,
  fromBinary,
  type MessageInitShape,
  type MessageShape,
  toBinary,
} from "@bufbuild/protobuf";
import { MethodOptions_IdempotencyLevel } from "@bufbuild/protobuf/wkt";
import {
  type ChannelCredentials,
  Client,
  type ClientOptions,
  credentials,
  type CallOptions as GrpcCallOptions,
  Metadata,
  type ServiceError,
  status,
} from "@grpc/grpc-js";
import { balancerName } from "./balancer.js";
import type { Credentials } from "./credentials.js";
import { isServiceError, VCenterError } from "./errors.js";
import { serviceConfig } from "./gen/service_config.js";
import { isLoopback } from "./loopback.js";

/** Certificates and keys, each as the content of a PEM file. */
export interface TlsOptions {
  /** Authorities to trust in place of those that Node.js trusts. */
  readonly ca?: string | Uint8Array | undefined;
  /** Certificate by which the client proves who it is, and those that lead to its authority. */
  readonly cert?: string | Uint8Array | undefined;
  /** Private key of `cert`. */
  readonly key?: string | Uint8Array | undefined;
}

/** How to reach the gateway. */
export interface ConnectOptions {
  /**
   * Encryption: `true` trusts the authorities that Node.js trusts (see its `NODE_EXTRA_CA_CERTS` and
   * `--use-system-ca`). Plain text by default.
   */
  readonly tls?: boolean | TlsOptions | undefined;
  /** Who makes the calls. Not needed when the gateway tells callers by their certificates. */
  readonly credentials?: Credentials | undefined;
  /** Sends the credentials in plain text to another machine as well, where anyone on the way can read them. */
  readonly allowPlaintextCredentials?: boolean | undefined;
  /** Time for a call that has none of its own, in milliseconds. 60000 by default. Streams have none. */
  readonly timeoutMs?: number | undefined;
  /** Further options of grpc-js: channel arguments and interceptors. They take precedence over this package's own. */
  readonly grpc?: ClientOptions | undefined;
}

/** How to make one call. */
export interface CallOptions {
  /** Time for the call with all its retries, in milliseconds. `Infinity` is allowed. */
  readonly timeoutMs?: number | undefined;
  /** Cancels the call or the stream, as far as to vCenter. It then fails with the code `CANCELLED`. */
  readonly signal?: AbortSignal | undefined;
  /** Further metadata to send. */
  readonly metadata?: Metadata | undefined;
}

/**
 * The rpcs of a service as functions that return promises, or the messages of a stream as they arrive. What fails throws
 * a `VCenterError`.
 *
 * A stream is opened when the iteration begins. It lasts until the gateway ends it, or until the iteration does, for
 * instance by `break`: the gateway is then told.
 */
export type ServiceClient<Service extends DescService> = {
  readonly [Name in keyof Service["method"]]: Service["method"][Name] extends DescMethodUnary<infer Input, infer Output>
    ? (request: MessageInitShape<Input>, options?: CallOptions) => Promise<MessageShape<Output>>
    : Service["method"][Name] extends DescMethodServerStreaming<infer Input, infer Output>
      ? (
          request: MessageInitShape<Input>,
          options?: CallOptions,
        ) => AsyncGenerator<MessageShape<Output>, void, undefined>
      : never;
};

/**
 * Prepares calls to the gateway at `target`: `host:port`, or any other target of grpc-js. Connects with the first call.
 *
 * Reads are repeated when the gateway cannot be reached; calls that change something are sent once.
 *
 * @throws TypeError when credentials would go to another machine in plain text.
 */
export function connect(target: string, options: ConnectOptions = {}): Gateway {
  const { timeoutMs = 60_000, allowPlaintextCredentials = false } = options;
  const local = isLoopback(target);
  const safe = Boolean(options.tls) || local || allowPlaintextCredentials;
  if (options.credentials) {
    requireSafe(target, safe);
  }
  const client = new Client(target, channelCredentials(options.tls ?? false), {
    "grpc.service_config": JSON.stringify({ ...serviceConfig, loadBalancingConfig: [{ [balancerName]: {} }] }),
    "grpc.service_config_disable_resolution": 1,
    "grpc.keepalive_time_ms": 60_000,
    "grpc.keepalive_timeout_ms": 20_000,
    // The gateway sends this much by default; gRPC would take 4 MiB.
    "grpc.max_receive_message_length": 32 << 20,
    // What is meant for this machine should not pass a proxy.
    ...(local && { "grpc.enable_http_proxy": 0 }),
    ...options.grpc,
  });
  return new Gateway({ target, client, timeoutMs, safe }, options.credentials);
}

interface Channel {
  readonly target: string;
  readonly client: Client;
  readonly timeoutMs: number;
  /** Whether credentials may be sent. */
  readonly safe: boolean;
}

/** A gateway, as `connect` prepares it. */
export class Gateway {
  /** Where the gateway is. */
  readonly target: string;

  readonly #channel: Channel;
  readonly #credentials: Credentials | undefined;

  /** @internal */
  constructor(channel: Channel, credentials: Credentials | undefined) {
    this.target = channel.target;
    this.#channel = channel;
    this.#credentials = credentials;
  }

  /** The client of a service, for instance of `CdromService`. Costs little; all of them share the connection. */
  client<Service extends DescService>(service: Service): ServiceClient<Service> {
    const rpcs: Record<string, unknown> = {};
    for (const method of service.methods) {
      if (isUnary(method)) {
        rpcs[method.localName] = (request: MessageInitShape<typeof method.input>, options?: CallOptions) =>
          this.#call(method, request, options);
      } else if (isStreaming(method)) {
        rpcs[method.localName] = (request: MessageInitShape<typeof method.input>, options?: CallOptions) =>
          this.#stream(method, request, options);
      }
    }
    return rpcs as ServiceClient<Service>;
  }

  /**
   * The same gateway over the same connection, with calls in the name of somebody else.
   *
   * @throws TypeError when the credentials would go to another machine in plain text.
   */
  withCredentials(credentials: Credentials): Gateway {
    requireSafe(this.target, this.#channel.safe);
    return new Gateway(this.#channel, credentials);
  }

  /** Closes the connection, also for what `withCredentials` returned. */
  close(): void {
    this.#channel.client.close();
  }

  /** The same as `close()`. */
  [Symbol.dispose](): void {
    this.close();
  }

  async #call(
    method: DescMethodUnary,
    request: MessageInitShape<typeof method.input>,
    { timeoutMs = this.#channel.timeoutMs, signal, metadata = new Metadata() }: CallOptions = {},
  ): Promise<MessageShape<typeof method.output>> {
    const { client } = this.#channel;
    let call: Running | undefined;
    const cancel = () => call?.cancel();
    try {
      requireNotAborted(signal);
      return await new Promise((resolve, reject) => {
        call = client.makeUnaryRequest(
          ...encoded(method, request),
          metadata,
          this.#options(timeoutMs),
          (error, response) => (response ? resolve(response) : reject(error)),
        );
        signal?.addEventListener("abort", cancel);
      });
    } catch (error) {
      throw typed(error, method, wasSent(client, call));
    } finally {
      signal?.removeEventListener("abort", cancel);
    }
  }

  async *#stream(
    method: DescMethodServerStreaming,
    request: MessageInitShape<typeof method.input>,
    { timeoutMs = Number.POSITIVE_INFINITY, signal, metadata = new Metadata() }: CallOptions = {},
  ): AsyncGenerator<MessageShape<typeof method.output>, void, undefined> {
    const { client } = this.#channel;
    let call: Running | undefined;
    const cancel = () => call?.cancel();
    try {
      requireNotAborted(signal);
      const stream = client.makeServerStreamRequest(...encoded(method, request), metadata, this.#options(timeoutMs));
      // Cancelled at the end, it fails once more, when nobody listens.
      stream.on("error", () => {});
      call = stream;
      signal?.addEventListener("abort", cancel);
      yield* stream;
    } catch (error) {
      throw typed(error, method, wasSent(client, call));
    } finally {
      signal?.removeEventListener("abort", cancel);
      cancel();
    }
  }

  #options(timeoutMs: number): GrpcCallOptions {
    const callCredentials = this.#credentials?.toCallCredentials();
    return { deadline: Date.now() + timeoutMs, ...(callCredentials && { credentials: callCredentials }) };
  }
}

/** What calls and streams of grpc-js have in common while they run. */
interface Running {
  cancel(): void;
  getPeer(): string;
}

/** What grpc-js needs to know about an rpc: its path, how to write and to read messages, and the request. */
function encoded<Input extends DescMessage, Output extends DescMessage>(
  method: DescMethodUnary<Input, Output> | DescMethodServerStreaming<Input, Output>,
  request: MessageInitShape<Input>,
) {
  return [
    `/${method.parent.typeName}/${method.name}`,
    (bytes: Buffer) => bytes,
    (bytes: Buffer) => fromBinary(method.output, bytes),
    Buffer.from(toBinary(method.input, create(method.input, request))),
  ] as const;
}

/** Whether a call that failed may have left this machine. grpc-js names the target as the peer of one that did not. */
function wasSent(client: Client, call: Running | undefined): boolean {
  return call !== undefined && call.getPeer() !== client.getChannel().getTarget();
}

/** What to throw for the failure of a call. */
function typed(error: unknown, method: DescMethodUnary | DescMethodServerStreaming, sent: boolean): unknown {
  return isServiceError(error) ? new VCenterError(error, sent && !isReadOnly(method)) : error;
}

/** Whether an rpc changes nothing. Those of gRPC's own services do not; others say so in their protos. */
function isReadOnly(method: DescMethodUnary | DescMethodServerStreaming): boolean {
  return (
    method.idempotency === MethodOptions_IdempotencyLevel.NO_SIDE_EFFECTS || method.parent.typeName.startsWith("grpc.")
  );
}

function requireNotAborted(signal: AbortSignal | undefined): void {
  if (signal?.aborted) {
    throw cancelled();
  }
}

function requireSafe(target: string, safe: boolean): void {
  if (!safe) {
    throw new TypeError(`"${target}" may be another machine: use TLS, or set allowPlaintextCredentials`);
  }
}

/** What grpc-js gives for a call that is cancelled while it runs. */
function cancelled(): ServiceError {
  const details = { code: status.CANCELLED, details: "Cancelled on client", metadata: new Metadata() };
  return Object.assign(new Error(`${status.CANCELLED} CANCELLED: ${details.details}`), details);
}

function isUnary(method: DescMethod): method is DescMethod & DescMethodUnary {
  return method.methodKind === "unary";
}

function isStreaming(method: DescMethod): method is DescMethod & DescMethodServerStreaming {
  return method.methodKind === "server_streaming";
}

function channelCredentials(tls: boolean | TlsOptions): ChannelCredentials {
  if (tls === false) {
    return credentials.createInsecure();
  }
  const { ca, cert, key } = tls === true ? {} : tls;
  return credentials.createSsl(pem(ca), pem(key), pem(cert));
}

function pem(content: string | Uint8Array | undefined): Buffer | null {
  return content === undefined ? null : Buffer.from(content);
}
