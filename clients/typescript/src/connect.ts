import {
  create,
  type DescMethod,
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
  credentials,
  Metadata,
  type ServiceError,
  status,
} from "@grpc/grpc-js";
import type { Credentials } from "./credentials.js";
import { vcenterError } from "./errors.js";
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
  /** Time for a call that has none of its own, in milliseconds. 60000 by default. */
  readonly timeoutMs?: number | undefined;
  /** Further options of grpc-js: channel arguments and interceptors. They take precedence over this package's own. */
  readonly grpc?: ClientOptions | undefined;
}

/** How to make one call. */
export interface CallOptions {
  /** Time for the call with all its retries, in milliseconds. `Infinity` is allowed. */
  readonly timeoutMs?: number | undefined;
  /** Cancels the call, as far as to vCenter. The call then fails with the code `CANCELLED`. */
  readonly signal?: AbortSignal | undefined;
  /** Further metadata to send. */
  readonly metadata?: Metadata | undefined;
}

/** The rpcs of a service as functions that return promises. They are rejected with a `VCenterError`. */
export type ServiceClient<Service extends DescService> = {
  readonly [Name in keyof Service["method"]]: Service["method"][Name] extends DescMethodUnary<infer Input, infer Output>
    ? (request: MessageInitShape<Input>, options?: CallOptions) => Promise<MessageShape<Output>>
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
    "grpc.service_config": JSON.stringify(serviceConfig),
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
    const methods = service.methods.filter(isUnary);
    return Object.fromEntries(
      methods.map((method) => [
        method.localName,
        (request: MessageInitShape<typeof method.input>, options?: CallOptions) => this.#call(method, request, options),
      ]),
    ) as ServiceClient<Service>;
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
    const path = `/${method.parent.typeName}/${method.name}`;
    const message = Buffer.from(toBinary(method.input, create(method.input, request)));
    const callCredentials = this.#credentials?.toCallCredentials();
    let cancel = () => {};
    try {
      if (signal?.aborted) {
        throw cancelled();
      }
      return await new Promise((resolve, reject) => {
        const call = client.makeUnaryRequest(
          path,
          (bytes: Buffer) => bytes,
          (bytes: Buffer) => fromBinary(method.output, bytes),
          message,
          metadata,
          { deadline: Date.now() + timeoutMs, ...(callCredentials && { credentials: callCredentials }) },
          (error, response) => (response ? resolve(response) : reject(error)),
        );
        cancel = () => call.cancel();
        signal?.addEventListener("abort", cancel);
      });
    } catch (error) {
      throw vcenterError(error) ?? error;
    } finally {
      signal?.removeEventListener("abort", cancel);
    }
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
