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
 * All that a failed call says.
 *
 * <p>Stubs throw gRPC's own exceptions; {@link #from} reads them:
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
 * <p>Parts that the call did not report are empty, never null. {@link #getMessage} is the code, the
 * reason, the description and the request id in one line.
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
   * Reads what a call failed with, be it an exception of a stub, one that wraps it, such as a
   * future's {@link java.util.concurrent.ExecutionException}, or any other.
   *
   * <p>Always returns something: details that are missing or cannot be read leave those parts empty
   * that are read from them, and a failure that is not gRPC's has the code {@code UNKNOWN}.
   *
   * @param failure what was thrown; it becomes the cause
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
   * What happened: vCenter's name of the error type, {@code HTTP_<status>}, or a reason of the
   * gateway's own such as {@code REQUEST_INVALID}. Empty when the error is not from the gateway,
   * for instance when it cannot be reached.
   */
  public String getReason() {
    return info.getReason();
  }

  /**
   * The reason of an error that the gateway itself reports. {@code REASON_UNSPECIFIED} when vCenter
   * reported the error, when the gateway is newer than this client and gives a reason that it does
   * not know, and when neither of them answered; {@link #getReason} has the text. A program that
   * does not know a reason should go by {@link #getCode}.
   */
  public Reason getGatewayReason() {
    EnumValueDescriptor value =
        Reason.getDescriptor().findValueByName("REASON_" + info.getReason());
    return value == null || !info.getDomain().equals(GATEWAY)
        ? Reason.REASON_UNSPECIFIED
        : Reason.valueOf(value);
  }

  /**
   * Further facts about the failed call, for instance its {@code operation} in vCenter and the
   * {@code http_status} of the answer.
   */
  public Map<String, String> getMetadata() {
    return info.getMetadataMap();
  }

  /**
   * {@code vcenter.vmware.com} when vCenter reported the error, {@code vcenter-gateway} when the
   * gateway did.
   */
  public String getDomain() {
    return info.getDomain();
  }

  /**
   * Kind of vCenter error. {@code ERROR_TYPE_UNSPECIFIED} when vCenter sent none, or one that this
   * version does not know; {@link #getReason} then has its name.
   */
  public ErrorType getErrorType() {
    ErrorType type = error.getErrorType();
    return type == ErrorType.UNRECOGNIZED ? ErrorType.ERROR_TYPE_UNSPECIFIED : type;
  }

  /** vCenter's messages, the outermost cause first. */
  public List<LocalizableMessage> getMessages() {
    return error.getMessagesList();
  }

  /** What is wrong with the request: the path of each field, and the mistake in it. */
  public List<BadRequest.FieldViolation> getFieldViolations() {
    return getDetail(BadRequest.class).map(BadRequest::getFieldViolationsList).orElse(List.of());
  }

  /** How long to wait before the call is worth repeating. */
  public Optional<Duration> getRetryDelay() {
    return getDetail(RetryInfo.class)
        .map(RetryInfo::getRetryDelay)
        .map(delay -> Duration.ofSeconds(delay.getSeconds(), delay.getNanos()));
  }

  /**
   * Whether the operation may have run although the call failed: look at the machine before you
   * repeat it.
   *
   * <p>The gateway says so for calls that it sent to vCenter. When the gateway did not answer, this
   * is true for every call that may change something, unless it certainly was not sent. It is never
   * true for a call that only reads.
   */
  public boolean mayHaveExecuted() {
    return "true".equals(info.getMetadataMap().get(MAY_HAVE_EXECUTED));
  }

  /** Identifies the call in the gateway's log. */
  public String getRequestId() {
    return getDetail(RequestInfo.class).map(RequestInfo::getRequestId).orElse("");
  }

  /** Further facts, of a structure that depends on the operation. */
  public Optional<Struct> getData() {
    return error.hasData() ? Optional.of(error.getData()) : Optional.empty();
  }

  /** All details of the status as they came, including those that have a method of their own. */
  public List<Any> getDetails() {
    return details;
  }

  /**
   * The first detail of a type, for instance {@code ProcessErrorDetails}.
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
