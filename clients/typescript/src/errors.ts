import { type DescMessage, fromBinary, type JsonObject, type MessageShape } from "@bufbuild/protobuf";
import { type Any, anyUnpack, durationMs } from "@bufbuild/protobuf/wkt";
import { type Metadata, type ServiceError, status } from "@grpc/grpc-js";
import {
  type BadRequest_FieldViolation,
  BadRequestSchema,
  type ErrorInfo,
  ErrorInfoSchema,
  RequestInfoSchema,
  RetryInfoSchema,
  StatusSchema,
} from "./gen/google/rpc/index.js";
import { ErrorSchema, ErrorType, ErrorTypeSchema } from "./gen/vapi/std/errors/v1/index.js";
import type { LocalizableMessage } from "./gen/vapi/std/v1/index.js";
import { Reason, ReasonSchema } from "./gen/vcenter/gateway/v1/index.js";

/** The domain of the gateway's own reasons. */
const gatewayDomain = "vcenter-gateway";

/** When gRPC itself ends a call with one of these, nobody knows whether the gateway got it. */
const undecided: ReadonlySet<status> = new Set([
  status.UNAVAILABLE,
  status.DEADLINE_EXCEEDED,
  status.CANCELLED,
  status.UNKNOWN,
  status.INTERNAL,
]);

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

  /**
   * The gateway's own reason. `UNSPECIFIED` when vCenter reported the error, when the gateway did not answer, and for a
   * reason that this version does not know: `reason` has it then.
   */
  readonly gatewayReason: Reason;

  /** vCenter's error type: what happened. `UNSPECIFIED` when there is none, or one that this version does not know. */
  readonly errorType: ErrorType;

  /** vCenter's messages, the outermost cause first. */
  readonly messages: readonly LocalizableMessage[];

  /** What is wrong with the request, each with the path of its field. */
  readonly violations: readonly BadRequest_FieldViolation[];

  /** How long to wait before another try, in milliseconds. Unset when nothing is known about that. */
  readonly retryDelayMs: number | undefined;

  /**
   * Whether a call that changes something was sent and got no readable answer. Look at the machine before you repeat it.
   * The gateway says so. When it did not answer, because the connection broke or the time was up, this is true unless the
   * call only reads or could not be sent.
   */
  readonly mayHaveExecuted: boolean;

  /** Identifies the request in the logs of gateway and vCenter. Empty when the gateway did not answer. */
  readonly requestId: string;

  /** Where it happened: `operation`, the REST call, and `http_status`. Empty when the gateway did not answer. */
  readonly metadata: Readonly<Record<string, string>>;

  /** Further facts about the error, of a structure that depends on the operation. */
  readonly data: JsonObject | undefined;

  /**
   * Reads an error of grpc-js. Details that are missing, unknown or unreadable leave their properties empty.
   *
   * @param mayChange Whether the call was sent and may change something. Assumed when it is not known which call failed.
   */
  constructor(error: ServiceError, mayChange = true) {
    super(error.details, { cause: error });
    this.#details = statusDetails(error.metadata);
    const info = this.detail(ErrorInfoSchema);
    const reported = this.detail(ErrorSchema);
    const delay = this.detail(RetryInfoSchema)?.retryDelay;
    this.code = error.code;
    this.reason = info?.reason ?? "";
    this.gatewayReason = gatewayReason(info);
    this.errorType = known(reported?.errorType);
    this.messages = reported?.messages ?? [];
    this.violations = this.detail(BadRequestSchema)?.fieldViolations ?? [];
    this.retryDelayMs = delay && durationMs(delay);
    this.mayHaveExecuted = info ? info.metadata.may_have_executed === "true" : mayChange && undecided.has(error.code);
    this.requestId = this.detail(RequestInfoSchema)?.requestId ?? "";
    this.metadata = info?.metadata ?? {};
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

/** Whether this is how grpc-js reports the failure of a call. */
export function isServiceError(error: unknown): error is ServiceError {
  return error instanceof Error && "code" in error && typeof error.code === "number" && "details" in error;
}

function gatewayReason(info: ErrorInfo | undefined): Reason {
  const own =
    info?.domain === gatewayDomain && ReasonSchema.values.find(({ name }) => name === `REASON_${info.reason}`);
  return own ? own.number : Reason.UNSPECIFIED;
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
