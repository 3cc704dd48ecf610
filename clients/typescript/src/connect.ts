import {
  create,
  type DescMessage,
  type DescMethod,
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
import {
  type ChannelCredentials,
  Client,
  type ClientOptions,
  type ClientReadableStream,
  type ClientUnaryCall,
  credentials,
  type CallOptions as GrpcCallOptions,
  Metadata,
  type requestCallback,
} from "@grpc/grpc-js";
import { balancerName } from "./balancer.js";
import { type Credentials, requirePrintable } from "./credentials.js";
import { serviceConfig } from "./gen/service_config.js";
import { isLoopback } from "./loopback.js";
import { type Requests, Running } from "./running.js";

/** Certificates and keys, each as the contents of a PEM file. */
export interface TlsOptions {
  /** CA certificates to trust instead of those that Node.js trusts. */
  readonly ca?: string | Uint8Array | undefined;
  /** Client certificate and its intermediate certificates. */
  readonly cert?: string | Uint8Array | undefined;
  /** Private key of `cert`. */
  readonly key?: string | Uint8Array | undefined;
}

/** Options of a connection. */
export interface ConnectOptions {
  /**
   * Encryption: `true` trusts the CA certificates that Node.js trusts (see its `NODE_EXTRA_CA_CERTS` and
   * `--use-system-ca`). Plain text by default.
   */
  readonly tls?: boolean | TlsOptions | undefined;
  /** Credentials of the caller. Not needed if the gateway identifies callers by their certificates. */
  readonly credentials?: Credentials | undefined;
  /**
   * The vCenter for all calls and streams, if one address serves several. A call can select another one with its
   * metadata `x-vcenter`.
   */
  readonly vcenter?: string | undefined;
  /** Allows sending credentials in plain text to another machine, where anyone on the network path can read them. */
  readonly allowPlaintextCredentials?: boolean | undefined;
  /** Default timeout of calls in milliseconds. Defaults to 60000. Streams, in either direction, have no timeout. */
  readonly timeoutMs?: number | undefined;
  /** Additional grpc-js options: channel arguments and interceptors. They take precedence over this package's own. */
  readonly grpc?: ClientOptions | undefined;
}

/** Options of a call. */
export interface CallOptions {
  /** Timeout of the call, including all retries, in milliseconds. `Infinity` is allowed. */
  readonly timeoutMs?: number | undefined;
  /** Cancels the call or the stream, including calls to vCenter. It then fails with the code `CANCELLED`. */
  readonly signal?: AbortSignal | undefined;
  /** Additional metadata to send. */
  readonly metadata?: Metadata | undefined;
}

/**
 * The rpcs of a service as functions that return promises, or the messages of a stream as they arrive. Failures throw a
 * `VCenterError`.
 *
 * A stream opens when the iteration starts. It lasts until the gateway or the iteration ends it, for example with
 * `break`, which cancels the stream at the gateway. A stream of requests is read as fast as the gateway accepts them.
 * If it throws an error, the client cancels the call and rethrows the error.
 */
export type ServiceClient<Service extends DescService> = {
  readonly [Name in keyof Service["method"]]: Rpc<Service["method"][Name]>;
};

type Rpc<Method> =
  Method extends DescMethodUnary<infer Input, infer Output>
    ? (request: MessageInitShape<Input>, options?: CallOptions) => Promise<MessageShape<Output>>
    : Method extends DescMethodServerStreaming<infer Input, infer Output>
      ? (request: MessageInitShape<Input>, options?: CallOptions) => Messages<Output>
      : Method extends DescMethodClientStreaming<infer Input, infer Output>
        ? (requests: Requests<Input>, options?: CallOptions) => Promise<MessageShape<Output>>
        : Method extends DescMethodBiDiStreaming<infer Input, infer Output>
          ? (requests: Requests<Input>, options?: CallOptions) => Messages<Output>
          : never;

type Messages<Output extends DescMessage> = AsyncGenerator<MessageShape<Output>, void, undefined>;

/**
 * Creates a client for the gateway at `target`: `host:port`, or any other grpc-js target. Connects with the first call.
 *
 * Reads are retried if the gateway is unreachable; calls that change something are sent once.
 *
 * @throws TypeError if credentials would be sent to another machine in plain text, or if `vcenter` is not valid.
 */
export function connect(target: string, options: ConnectOptions = {}): Gateway {
  const { vcenter, timeoutMs = 60_000, allowPlaintextCredentials = false } = options;
  const local = isLoopback(target);
  const safe = Boolean(options.tls) || local || allowPlaintextCredentials;
  if (options.credentials) {
    requireSafe(target, safe);
  }
  if (vcenter !== undefined) {
    requirePrintable("the name of a vCenter", vcenter);
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
  return new Gateway({ target, client, vcenter, timeoutMs, safe }, options.credentials);
}

interface Channel {
  readonly target: string;
  readonly client: Client;
  readonly vcenter: string | undefined;
  readonly timeoutMs: number;
  /** Whether credentials can be sent. */
  readonly safe: boolean;
}

/** A client for a gateway, created by `connect`. */
export class Gateway {
  /** Target of the gateway. */
  readonly target: string;

  readonly #channel: Channel;
  readonly #credentials: Credentials | undefined;

  /** @internal */
  constructor(channel: Channel, credentials: Credentials | undefined) {
    this.target = channel.target;
    this.#channel = channel;
    this.#credentials = credentials;
  }

  /** The client of a service, for example of `CdromService`. Clients are cheap and share the connection. */
  client<Service extends DescService>(service: Service): ServiceClient<Service> {
    const rpcs: Record<string, unknown> = {};
    for (const method of service.methods) {
      rpcs[method.localName] = this.#rpc(method);
    }
    return rpcs as ServiceClient<Service>;
  }

  /**
   * The same gateway over the same connection, with another identity.
   *
   * @throws TypeError if the credentials would be sent to another machine in plain text.
   */
  withCredentials(credentials: Credentials): Gateway {
    requireSafe(this.target, this.#channel.safe);
    return new Gateway(this.#channel, credentials);
  }

  /** Closes the connection, including for the clients that `withCredentials` returned. */
  close(): void {
    this.#channel.client.close();
  }

  /** The same as `close()`. */
  [Symbol.dispose](): void {
    this.close();
  }

  #rpc(method: DescMethod) {
    type Init = MessageInitShape<typeof method.input>;
    type Inits = Requests<typeof method.input>;
    const { client, timeoutMs } = this.#channel;
    const serialize = (request: Init) => Buffer.from(toBinary(method.input, create(method.input, request)));
    const deserialize = (bytes: Buffer) => fromBinary(method.output, bytes);
    const rpc = [`/${method.parent.typeName}/${method.name}`, serialize, deserialize] as const;
    switch (method.methodKind) {
      case "unary":
        return (request: Init, options?: CallOptions) =>
          this.#call(method, options, timeoutMs, (settings, _running, done) =>
            client.makeUnaryRequest(...rpc, request, ...settings, done),
          );
      case "client_streaming":
        return (requests: Inits, options?: CallOptions) =>
          this.#call(method, options, Number.POSITIVE_INFINITY, (settings, running, done) => {
            const call = client.makeClientStreamRequest(...rpc, ...settings, done);
            running.send(requests, call);
            return call;
          });
      case "server_streaming":
        return (request: Init, options?: CallOptions) =>
          this.#stream(method, options, (settings) => client.makeServerStreamRequest(...rpc, request, ...settings));
      case "bidi_streaming":
        return (requests: Inits, options?: CallOptions) =>
          this.#stream(method, options, (settings, running) => {
            const call = client.makeBidiStreamRequest(...rpc, ...settings);
            running.send(requests, call);
            return call;
          });
    }
  }

  /** Makes a call that has one response. */
  async #call<Response>(
    method: DescMethod,
    { timeoutMs, signal, metadata }: CallOptions = {},
    defaultTimeoutMs: number,
    begin: (settings: Settings, running: Running, done: requestCallback<Response>) => ClientUnaryCall,
  ): Promise<Response> {
    const running = new Running(this.#channel.client, method, signal);
    const settings = this.#settings(timeoutMs ?? defaultTimeoutMs, metadata);
    try {
      return await new Promise((resolve, reject) => {
        running.start(() =>
          begin(settings, running, (error, response) => (response ? resolve(response) : reject(error))),
        );
      });
    } catch (error) {
      throw running.failure(error);
    } finally {
      running.end();
    }
  }

  /** Makes a call that has a stream of responses. */
  async *#stream<Response>(
    method: DescMethod,
    { timeoutMs = Number.POSITIVE_INFINITY, signal, metadata }: CallOptions = {},
    begin: (settings: Settings, running: Running) => ClientReadableStream<Response>,
  ): AsyncGenerator<Response, void, undefined> {
    const running = new Running(this.#channel.client, method, signal);
    try {
      const stream = running.start(() => begin(this.#settings(timeoutMs, metadata), running));
      // Cancelled at the end, it fails once more, when nobody listens.
      stream.on("error", () => {});
      yield* stream;
    } catch (error) {
      throw running.failure(error);
    } finally {
      running.end();
      running.cancel();
    }
  }

  #settings(timeoutMs: number, own = new Metadata()): Settings {
    const { vcenter } = this.#channel;
    let metadata = own;
    if (vcenter !== undefined && own.get("x-vcenter").length === 0) {
      metadata = own.clone();
      metadata.set("x-vcenter", vcenter);
    }
    const callCredentials = this.#credentials?.toCallCredentials();
    return [metadata, { deadline: Date.now() + timeoutMs, ...(callCredentials && { credentials: callCredentials }) }];
  }
}

/** Options of a call for grpc-js. */
type Settings = readonly [Metadata, GrpcCallOptions];

function requireSafe(target: string, safe: boolean): void {
  if (!safe) {
    throw new TypeError(`"${target}" may be another machine: use TLS, or set allowPlaintextCredentials`);
  }
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
