import { once } from "node:events";
import type { Writable } from "node:stream";
import type { DescMessage, DescMethod, MessageInitShape } from "@bufbuild/protobuf";
import { MethodOptions_IdempotencyLevel } from "@bufbuild/protobuf/wkt";
import { type Client, Metadata, type ServiceError, status } from "@grpc/grpc-js";
import { isServiceError, VCenterError } from "./errors.js";

/** A stream of requests: an array, or an async generator that yields them on demand. */
export type Requests<Input extends DescMessage> =
  | Iterable<MessageInitShape<Input>>
  | AsyncIterable<MessageInitShape<Input>>;

/** What all grpc-js calls have in common while they run. */
interface Call {
  cancel(): void;
  getPeer(): string;
}

/** A running call of any type: what cancels it, what it sends, and its error. */
export class Running {
  readonly #client: Client;
  readonly #method: DescMethod;
  readonly #signal: AbortSignal | undefined;
  readonly #ended = new AbortController();
  #call: Call | undefined;
  #thrown: { readonly error: unknown } | undefined;

  constructor(client: Client, method: DescMethod, signal: AbortSignal | undefined) {
    this.#client = client;
    this.#method = method;
    this.#signal = signal;
  }

  /** Starts the call, unless it has already been canceled. */
  start<Begun extends Call>(begin: () => Begun): Begun {
    if (this.#signal?.aborted) {
      throw cancelled();
    }
    const call = begin();
    this.#call = call;
    this.#signal?.addEventListener("abort", this.cancel);
    return call;
  }

  readonly cancel = (): void => {
    this.#call?.cancel();
  };

  /** Sends a stream of requests while the call runs. An error that the stream throws cancels the call. */
  send<Request>(requests: Iterable<Request> | AsyncIterable<Request>, call: Writable): void {
    this.#write(requests, call).catch((error: unknown) => {
      if (!this.#ended.signal.aborted) {
        this.#thrown ??= { error };
        this.cancel();
      }
    });
  }

  async #write<Request>(requests: Iterable<Request> | AsyncIterable<Request>, call: Writable): Promise<void> {
    const { signal } = this.#ended;
    for await (const request of requests) {
      if (signal.aborted) {
        return;
      }
      if (!call.write(request)) {
        await once(call, "drain", { signal });
      }
    }
    call.end();
  }

  /** The error to throw for the call's rejection. */
  failure(rejected: unknown): unknown {
    const error = this.#thrown ? this.#thrown.error : rejected;
    return isServiceError(error) ? new VCenterError(error, this.#wasSent() && !isReadOnly(this.#method)) : error;
  }

  /** Must be called when the call has ended. */
  end(): void {
    this.#signal?.removeEventListener("abort", this.cancel);
    this.#ended.abort();
  }

  /** Whether the call may have left the local machine. If it did not, grpc-js reports the target as the peer. */
  #wasSent(): boolean {
    return this.#call !== undefined && this.#call.getPeer() !== this.#client.getChannel().getTarget();
  }
}

/** Whether an rpc is read-only. Those of gRPC's own services are; others declare it in their protos. */
function isReadOnly(method: DescMethod): boolean {
  return (
    method.idempotency === MethodOptions_IdempotencyLevel.NO_SIDE_EFFECTS || method.parent.typeName.startsWith("grpc.")
  );
}

/** The error that grpc-js reports for a call that is canceled while it runs. */
function cancelled(): ServiceError {
  const details = { code: status.CANCELLED, details: "Cancelled on client", metadata: new Metadata() };
  return Object.assign(new Error(`${status.CANCELLED} CANCELLED: ${details.details}`), details);
}
