import { type DescMessage, fromBinary, type JsonObject, type MessageShape } from "@bufbuild/protobuf";
import { type Any, anyUnpack, durationMs } from "@bufbuild/protobuf/wkt";
import type { Metadata, ServiceError, status } from "@grpc/grpc-js";
import {
  type BadRequest_FieldViolation,
  BadRequestSchema,
  ErrorInfoSchema,
  RequestInfoSchema,
  RetryInfoSchema,
  StatusSchema,
} from "./gen/google/rpc/index.js";
import { ErrorSchema, ErrorType, ErrorTypeSchema } from "./gen/vapi/std/errors/v1/index.js";
import type { LocalizableMessage } from "./gen/vapi/std/v1/index.js";

/**
 * A failed call, with everything that vCenter and the gateway say about it. `message` is the message of the gRPC status,
 * `cause` the error of grpc-js.
 */
export class VCenterError extends Error {
  static {
    VCenterError.prototype.name = "VCenterError";
  }

  readonly #details: readonly Any[];

  /** The gRPC code: how to react. */
  readonly code: status;

  /**
   * vCenter's error type verbatim, `HTTP_<status>`, or a reason of the gateway's own such as `REQUEST_INVALID`. Empty
   * when the gateway did not answer.
   */
  readonly reason: string;

  /** vCenter's error type: what happened. `UNSPECIFIED` when there is none, or one that this version does not know. */
  readonly errorType: ErrorType;

  /** vCenter's messages, the outermost cause first. */
  readonly messages: readonly LocalizableMessage[];

  /** What is wrong with the request, each with the path of its field. */
  readonly violations: readonly BadRequest_FieldViolation[];

  /** How long to wait before another try, in milliseconds. Unset when nothing is known about that. */
  readonly retryDelayMs: number | undefined;

  /**
   * Whether the gateway sent a call that changes something and got no readable answer. Look at the machine before you
   * repeat it. False also when the gateway itself did not answer, as `reason` then shows.
   */
  readonly mayHaveExecuted: boolean;

  /** Identifies the request in the logs of gateway and vCenter. Empty when the gateway did not answer. */
  readonly requestId: string;

  /** Further facts about the error, of a structure that depends on the operation. */
  readonly data: JsonObject | undefined;

  /** Reads an error of grpc-js. Details that are missing, unknown or unreadable leave their properties empty. */
  constructor(error: ServiceError) {
    super(error.details, { cause: error });
    this.#details = statusDetails(error.metadata);
    const info = this.detail(ErrorInfoSchema);
    const reported = this.detail(ErrorSchema);
    const delay = this.detail(RetryInfoSchema)?.retryDelay;
    this.code = error.code;
    this.reason = info?.reason ?? "";
    this.errorType = known(reported?.errorType);
    this.messages = reported?.messages ?? [];
    this.violations = this.detail(BadRequestSchema)?.fieldViolations ?? [];
    this.retryDelayMs = delay && durationMs(delay);
    this.mayHaveExecuted = info?.metadata.may_have_executed === "true";
    this.requestId = this.detail(RequestInfoSchema)?.requestId ?? "";
    this.data = reported?.data;
  }

  /** The first detail of the status that is a message of this type, for instance a `ProcessErrorDetailsSchema`. */
  detail<Desc extends DescMessage>(schema: Desc): MessageShape<Desc> | undefined {
    for (const detail of this.#details) {
      const message = readable(() => anyUnpack(detail, schema));
      if (message) {
        return message;
      }
    }
    return undefined;
  }
}

/**
 * The typed form of whatever a call of any gRPC client on grpc-js was rejected with; undefined when it is not the
 * failure of a call.
 *
 * ```ts
 * if (vcenterError(error)?.errorType !== ErrorType.ALREADY_IN_DESIRED_STATE) throw error;
 * ```
 */
export function vcenterError(error: unknown): VCenterError | undefined {
  if (error instanceof VCenterError) {
    return error;
  }
  return isServiceError(error) ? new VCenterError(error) : undefined;
}

function isServiceError(error: unknown): error is ServiceError {
  return error instanceof Error && "code" in error && typeof error.code === "number" && "details" in error;
}

function known(errorType: ErrorType | undefined): ErrorType {
  return errorType !== undefined && errorType in ErrorTypeSchema.value ? errorType : ErrorType.UNSPECIFIED;
}

function statusDetails(metadata: Metadata | undefined): readonly Any[] {
  const [encoded] = metadata?.get("grpc-status-details-bin") ?? [];
  const status = encoded instanceof Uint8Array && readable(() => fromBinary(StatusSchema, encoded));
  return status ? status.details : [];
}

/** What `read` returns, or undefined when that is garbage. An error must not hide behind another one. */
function readable<T>(read: () => T): T | undefined {
  try {
    return read();
  } catch {
    return undefined;
  }
}
