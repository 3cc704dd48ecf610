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

/** If gRPC itself ends a call with one of these, it is unknown whether the gateway received the call. */
const undecided: ReadonlySet<status> = new Set([
  status.UNAVAILABLE,
  status.DEADLINE_EXCEEDED,
  status.CANCELLED,
  status.UNKNOWN,
  status.INTERNAL,
]);

/**
 * A failed call, with everything that vCenter and the gateway report about it. `message` is the message of the gRPC
 * status, and `cause` is grpc-js's error.
 */
export class VCenterError extends Error {
  static {
    VCenterError.prototype.name = "VCenterError";
  }

  readonly #details: readonly Any[];

  /** The gRPC code: how to react. */
  readonly code: status;

  /**
   * vCenter's error type verbatim, `HTTP_<status>`, or the gateway's own reason, such as `REQUEST_INVALID`. Empty if
   * the gateway did not respond.
   */
  readonly reason: string;

  /**
   * The gateway's own reason. `UNSPECIFIED` if vCenter reported the error, if the gateway did not respond, or if the
   * reason is unknown to this version; see `reason` in this case.
   */
  readonly gatewayReason: Reason;

  /** vCenter's error type: what happened. `UNSPECIFIED` if there is none, or one that is unknown to this version. */
  readonly errorType: ErrorType;

  /** vCenter's messages, outermost cause first. */
  readonly messages: readonly LocalizableMessage[];

  /** The errors in the request, each with the path of its field. */
  readonly violations: readonly BadRequest_FieldViolation[];

  /** How long to wait before a retry, in milliseconds. Unset if unknown. */
  readonly retryDelayMs: number | undefined;

  /**
   * Whether a call that changes something was sent and has no readable response: check the machine's state before you
   * retry. The gateway reports this. If the gateway did not respond because the connection was lost or the deadline was
   * exceeded, this is true unless the call is read-only or could not be sent.
   */
  readonly mayHaveExecuted: boolean;

  /** Identifies the request in the logs of the gateway and vCenter. Empty if the gateway did not respond. */
  readonly requestId: string;

  /** Where the error occurred: `operation` (the REST call) and `http_status`. Empty if the gateway did not respond. */
  readonly metadata: Readonly<Record<string, string>>;

  /** Additional data about the error. Its structure depends on the operation. */
  readonly data: JsonObject | undefined;

  /**
   * Converts a grpc-js error. Properties for missing, unknown or unreadable details are empty.
   *
   * @param mayChange Whether the call was sent and can change something. Assumed if the failed call is unknown.
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

  /** The first detail of the status that is a message of this type, for example `ProcessErrorDetailsSchema`. */
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
 * The typed form of the error of a call by any gRPC client on grpc-js; undefined if the error is not a failed call.
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

/** Whether this is a failed call as reported by grpc-js. */
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

/** The result of `read`, or undefined if it throws: one error must not hide another. */
function readable<T>(read: () => T): T | undefined {
  try {
    return read();
  } catch {
    return undefined;
  }
}
