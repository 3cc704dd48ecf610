package io.github.vcentergateway;

import com.google.protobuf.Any;
import com.google.rpc.ErrorInfo;
import io.grpc.CallOptions;
import io.grpc.Channel;
import io.grpc.ClientCall;
import io.grpc.ClientStreamTracer;
import io.grpc.ForwardingClientCall.SimpleForwardingClientCall;
import io.grpc.ForwardingClientCallListener.SimpleForwardingClientCallListener;
import io.grpc.Metadata;
import io.grpc.MethodDescriptor;
import io.grpc.Status;
import io.grpc.protobuf.ProtoUtils;
import io.grpc.protobuf.StatusProto;
import java.io.IOException;
import java.security.GeneralSecurityException;
import java.util.EnumSet;
import java.util.Objects;
import java.util.Set;
import java.util.stream.Stream;

/**
 * A call that completes its status if the gateway did not send it.
 *
 * <p>A call that changes something may have done so although there was no response. Its trailers
 * then report this in the same way as the gateway does, in an {@code ErrorInfo}, so that {@link
 * VCenterException} reads both in one place. Only this class knows which method was called, and
 * whether anything was sent.
 *
 * <p>If the certificate is not trusted, the call fails immediately: gRPC would otherwise retry as
 * often as the service config allows, without success.
 */
final class GatewayCall<RequestT, ResponseT>
    extends SimpleForwardingClientCall<RequestT, ResponseT> {
  /** Codes that a call ends with if the connection to the gateway fails. */
  private static final Set<Status.Code> UNCERTAIN =
      EnumSet.of(
          Status.Code.CANCELLED,
          Status.Code.UNKNOWN,
          Status.Code.DEADLINE_EXCEEDED,
          Status.Code.INTERNAL,
          Status.Code.UNAVAILABLE);

  private static final Metadata.Key<com.google.rpc.Status> DETAILS =
      Metadata.Key.of(
          "grpc-status-details-bin",
          ProtoUtils.metadataMarshaller(com.google.rpc.Status.getDefaultInstance()));

  private static final Metadata.Key<String> VCENTER =
      Metadata.Key.of("x-vcenter", Metadata.ASCII_STRING_MARSHALLER);

  private final boolean mayChange;
  private final String vcenter;
  private final Attempts attempts;

  private GatewayCall(
      ClientCall<RequestT, ResponseT> call, boolean mayChange, String vcenter, Attempts attempts) {
    super(call);
    this.mayChange = mayChange;
    this.vcenter = vcenter;
    this.attempts = attempts;
    attempts.call = call;
  }

  /** Starts a call on a channel, for a vCenter unless it is null. */
  static <RequestT, ResponseT> ClientCall<RequestT, ResponseT> on(
      Channel channel,
      MethodDescriptor<RequestT, ResponseT> method,
      CallOptions options,
      String vcenter) {
    Attempts attempts = new Attempts();
    // gRPC's own services, health and reflection, are not in the contract and are read-only.
    boolean mayChange = !method.isSafe() && !method.getFullMethodName().startsWith("grpc.");
    return new GatewayCall<>(
        channel.newCall(method, options.withStreamTracerFactory(attempts)),
        mayChange,
        vcenter,
        attempts);
  }

  @Override
  public void start(Listener<ResponseT> listener, Metadata headers) {
    if (vcenter != null && !headers.containsKey(VCENTER)) {
      headers.put(VCENTER, vcenter);
    }
    super.start(
        new SimpleForwardingClientCallListener<>(listener) {
          @Override
          public void onClose(Status closed, Metadata trailers) {
            Status refused = attempts.refused;
            if (refused != null) {
              super.onClose(refused, trailers);
            } else {
              Status status = unavailableIfLost(closed);
              super.onClose(status, complete(status, trailers));
            }
          }
        },
        headers);
  }

  /**
   * Corrects the code of a call whose connection was lost. It is {@code UNKNOWN} if gRPC detected
   * the loss while writing, and {@code UNAVAILABLE} if it detected the loss while reading.
   */
  static Status unavailableIfLost(Status status) {
    boolean lost =
        status.getCode() == Status.Code.UNKNOWN
            && causes(status.getCause()).anyMatch(IOException.class::isInstance);
    return lost
        ? Status.UNAVAILABLE.withDescription(status.getDescription()).withCause(status.getCause())
        : status;
  }

  private static Stream<Throwable> causes(Throwable failure) {
    return Stream.iterate(failure, Objects::nonNull, Throwable::getCause);
  }

  private Metadata complete(Status status, Metadata trailers) {
    if (!mayChange || !attempts.sent || !UNCERTAIN.contains(status.getCode())) {
      return trailers;
    }
    com.google.rpc.Status.Builder details = details(status, trailers).toBuilder();
    if (details.getDetailsList().stream().anyMatch(detail -> detail.is(ErrorInfo.class))) {
      return trailers;
    }
    details.addDetails(
        Any.pack(
            ErrorInfo.newBuilder()
                .putMetadata(VCenterException.MAY_HAVE_EXECUTED, "true")
                .build()));
    Metadata completed = new Metadata();
    completed.merge(trailers);
    completed.discardAll(DETAILS);
    completed.put(DETAILS, details.build());
    return completed;
  }

  private static com.google.rpc.Status details(Status status, Metadata trailers) {
    try {
      return StatusProto.fromStatusAndTrailers(status, trailers);
    } catch (IllegalArgumentException e) { // not a google.rpc.Status, or that of another code
      return StatusProto.fromStatusAndTrailers(status, new Metadata());
    }
  }

  /** Traces the attempts of a call; there are several if gRPC retries it. */
  private static final class Attempts extends ClientStreamTracer.Factory {
    volatile boolean sent;
    volatile Status refused;
    ClientCall<?, ?> call;

    @Override
    public ClientStreamTracer newClientStreamTracer(
        ClientStreamTracer.StreamInfo info, Metadata headers) {
      return new ClientStreamTracer() {
        @Override
        public void outboundHeaders() {
          sent = true;
        }

        @Override
        public void streamClosed(Status status) {
          // Thrown for all problems with certificates.
          if (causes(status.getCause()).anyMatch(GeneralSecurityException.class::isInstance)) {
            refused = status;
            // Canceling is the only way to prevent gRPC from making another attempt.
            call.cancel("the gateway's certificate is not trusted", status.getCause());
          }
        }
      };
    }
  }
}
