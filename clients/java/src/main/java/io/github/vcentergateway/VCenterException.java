package io.github.vcentergateway;

import com.google.protobuf.Any;
import com.google.protobuf.Descriptors.EnumValueDescriptor;
import com.google.protobuf.InvalidProtocolBufferException;
import com.google.protobuf.Message;
import com.google.protobuf.Struct;
import com.google.rpc.BadRequest;
import com.google.rpc.ErrorInfo;
import com.google.rpc.RequestInfo;
import com.google.rpc.RetryInfo;
import io.github.vcentergateway.vapi.std.errors.v1.Error;
import io.github.vcentergateway.vapi.std.errors.v1.ErrorType;
import io.github.vcentergateway.vapi.std.v1.LocalizableMessage;
import io.github.vcentergateway.vcenter.gateway.v1.Reason;
import io.grpc.Metadata;
import io.grpc.Status;
import io.grpc.StatusRuntimeException;
import io.grpc.protobuf.StatusProto;
import java.time.Duration;
import java.util.List;
import java.util.Map;
import java.util.Optional;

/**
 * Everything that is known about a failed call.
 *
 * <p>Stubs throw gRPC's own exceptions; {@link #from} converts them:
 *
 * <pre>{@code
 * try {
 *   cdroms.connectCdrom(request);
 * } catch (StatusRuntimeException e) {
 *   VCenterException error = VCenterException.from(e);
 *   if (error.getErrorType() != ErrorType.ERROR_TYPE_ALREADY_IN_DESIRED_STATE) {
 *     throw error;
 *   }
 * }
 * }</pre>
 *
 * <p>Parts that the call did not report are empty, never null. {@link #getMessage} returns the
 * code, reason, description and request ID in one line.
 */
@SuppressWarnings("serial") // like its superclass it is an exception, but not made to be serialized
public final class VCenterException extends StatusRuntimeException {
  static final String MAY_HAVE_EXECUTED = "may_have_executed";
  private static final String GATEWAY = "vcenter-gateway";

  private final List<Any> details;
  private final ErrorInfo info;
  private final Error error;

  private VCenterException(Status status, Metadata trailers, List<Any> details) {
    super(status, trailers);
    this.details = details;
    this.info = getDetail(ErrorInfo.class).orElse(ErrorInfo.getDefaultInstance());
    this.error = getDetail(Error.class).orElse(Error.getDefaultInstance());
  }

  /**
   * Converts the exception of a failed call: an exception of a stub, one that wraps it, such as a
   * future's {@link java.util.concurrent.ExecutionException}, or any other.
   *
   * <p>Never returns null: if details are missing or unreadable, the corresponding parts are empty,
   * and a failure that is not from gRPC has the code {@code UNKNOWN}.
   *
   * @param failure the exception; it becomes the cause
   */
  public static VCenterException from(Throwable failure) {
    if (failure instanceof VCenterException) {
      return (VCenterException) failure;
    }
    Status status = Status.fromThrowable(failure);
    Metadata trailers = Status.trailersFromThrowable(failure);
    return new VCenterException(status.withCause(failure), trailers, details(status, trailers));
  }

  private static List<Any> details(Status status, Metadata trailers) {
    try {
      return StatusProto.fromStatusAndTrailers(status, trailers).getDetailsList();
    } catch (IllegalArgumentException e) { // not a google.rpc.Status, or that of another code
      return List.of();
    }
  }

  /** How to react. */
  public Status.Code getCode() {
    return getStatus().getCode();
  }

  /** Text of the status, in English. */
  public String getDescription() {
    String description = getStatus().getDescription();
    return description == null ? "" : description;
  }

  /**
   * What happened: vCenter's name of the error type, {@code HTTP_<status>}, or the gateway's own
   * reason, such as {@code REQUEST_INVALID}. Empty if the error is not from the gateway, for
   * example because it is unreachable.
   */
  public String getReason() {
    return info.getReason();
  }

  /**
   * The reason of an error that the gateway itself reports. {@code REASON_UNSPECIFIED} if vCenter
   * reported the error, if the reason is unknown because the gateway is newer than this client, or
   * if neither responded; for the text, see {@link #getReason}. A program that does not recognize a
   * reason should rely on {@link #getCode}.
   */
  public Reason getGatewayReason() {
    EnumValueDescriptor value =
        Reason.getDescriptor().findValueByName("REASON_" + info.getReason());
    return value == null || !info.getDomain().equals(GATEWAY)
        ? Reason.REASON_UNSPECIFIED
        : Reason.valueOf(value);
  }

  /**
   * Additional data about the failed call, for example its {@code operation} in vCenter and the
   * {@code http_status} of the response.
   */
  public Map<String, String> getMetadata() {
    return info.getMetadataMap();
  }

  /**
   * {@code vcenter.vmware.com} if vCenter reported the error, {@code vcenter-gateway} if the
   * gateway did.
   */
  public String getDomain() {
    return info.getDomain();
  }

  /**
   * vCenter error type. {@code ERROR_TYPE_UNSPECIFIED} if vCenter sent none, or one that is unknown
   * to this version; {@link #getReason} then returns its name.
   */
  public ErrorType getErrorType() {
    ErrorType type = error.getErrorType();
    return type == ErrorType.UNRECOGNIZED ? ErrorType.ERROR_TYPE_UNSPECIFIED : type;
  }

  /** vCenter's messages, outermost cause first. */
  public List<LocalizableMessage> getMessages() {
    return error.getMessagesList();
  }

  /** The errors in the request: the path of each field, and its error. */
  public List<BadRequest.FieldViolation> getFieldViolations() {
    return getDetail(BadRequest.class).map(BadRequest::getFieldViolationsList).orElse(List.of());
  }

  /** How long to wait before a retry. */
  public Optional<Duration> getRetryDelay() {
    return getDetail(RetryInfo.class)
        .map(RetryInfo::getRetryDelay)
        .map(delay -> Duration.ofSeconds(delay.getSeconds(), delay.getNanos()));
  }

  /**
   * Whether the operation may have been executed although the call failed: check the machine's
   * state before you retry.
   *
   * <p>The gateway reports this for calls that it sent to vCenter. If the gateway did not respond,
   * this is true for every call that can change something, unless the call was certainly not sent.
   * It is never true for a read-only call.
   */
  public boolean mayHaveExecuted() {
    return "true".equals(info.getMetadataMap().get(MAY_HAVE_EXECUTED));
  }

  /** Identifies the call in the gateway's log. */
  public String getRequestId() {
    return getDetail(RequestInfo.class).map(RequestInfo::getRequestId).orElse("");
  }

  /** Additional data. Its structure depends on the operation. */
  public Optional<Struct> getData() {
    return error.hasData() ? Optional.of(error.getData()) : Optional.empty();
  }

  /** All details of the status, unchanged, including those with their own method. */
  public List<Any> getDetails() {
    return details;
  }

  /**
   * The first detail of a type, for example {@code ProcessErrorDetails}.
   *
   * @param type the generated class
   */
  public <T extends Message> Optional<T> getDetail(Class<T> type) {
    for (Any detail : details) {
      if (detail.is(type)) {
        try {
          return Optional.of(detail.unpack(type));
        } catch (InvalidProtocolBufferException e) {
          continue; // unreadable is like absent
        }
      }
    }
    return Optional.empty();
  }

  @Override
  public String getMessage() {
    StringBuilder message = new StringBuilder(getCode().name());
    if (!getReason().isEmpty()) {
      message.append(' ').append(getReason());
    }
    if (!getDescription().isEmpty()) {
      message.append(": ").append(getDescription());
    }
    if (!getRequestId().isEmpty()) {
      message.append(" (request ").append(getRequestId()).append(')');
    }
    return message.toString();
  }
}
