package io.github.vcentergateway;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertFalse;
import static org.junit.jupiter.api.Assertions.assertSame;
import static org.junit.jupiter.api.Assertions.assertTrue;

import com.google.protobuf.Any;
import com.google.protobuf.ByteString;
import com.google.protobuf.Struct;
import com.google.protobuf.Value;
import com.google.rpc.BadRequest;
import com.google.rpc.Code;
import com.google.rpc.ErrorInfo;
import com.google.rpc.RequestInfo;
import com.google.rpc.RetryInfo;
import io.github.vcentergateway.vapi.std.errors.v1.Error;
import io.github.vcentergateway.vapi.std.errors.v1.ErrorType;
import io.github.vcentergateway.vapi.std.v1.LocalizableMessage;
import io.github.vcentergateway.vcenter.gateway.v1.Reason;
import io.github.vcentergateway.vcenter.v1.ListVmsRequest;
import io.github.vcentergateway.vcenter.v1.VmServiceGrpc;
import io.github.vcentergateway.vcenter.vm.guest.v1.ProcessErrorDetails;
import io.grpc.InsecureChannelCredentials;
import io.grpc.InsecureServerCredentials;
import io.grpc.Metadata;
import io.grpc.Status;
import io.grpc.StatusRuntimeException;
import io.grpc.protobuf.StatusProto;
import java.time.Duration;
import java.util.List;
import java.util.Map;
import java.util.Optional;
import java.util.concurrent.ExecutionException;
import org.junit.jupiter.api.Assertions;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.CsvSource;

class VCenterExceptionTest {
  private static final ErrorInfo INFO =
      ErrorInfo.newBuilder()
          .setReason("ALREADY_IN_DESIRED_STATE")
          .setDomain("vcenter.vmware.com")
          .putMetadata("may_have_executed", "true")
          .build();
  private static final LocalizableMessage MESSAGE =
      LocalizableMessage.newBuilder()
          .setId("com.vmware.api.vcenter.vm.device.already_connected")
          .setDefaultMessage("Device 16000 is connected.")
          .addArgs("16000")
          .build();
  private static final Error ERROR =
      Error.newBuilder()
          .setErrorType(ErrorType.ERROR_TYPE_ALREADY_IN_DESIRED_STATE)
          .addMessages(MESSAGE)
          .setData(
              Struct.newBuilder().putFields("pid", Value.newBuilder().setNumberValue(42).build()))
          .build();
  private static final BadRequest.FieldViolation VIOLATION =
      BadRequest.FieldViolation.newBuilder()
          .setField("spec.size_mib")
          .setDescription("is required")
          .build();
  private static final RetryInfo RETRY =
      RetryInfo.newBuilder()
          .setRetryDelay(
              com.google.protobuf.Duration.newBuilder().setSeconds(1).setNanos(500_000_000))
          .build();
  private static final ProcessErrorDetails PROCESS =
      ProcessErrorDetails.newBuilder().setPid(42).build();

  private static StatusRuntimeException failure(Any... details) {
    return StatusProto.toStatusRuntimeException(
        com.google.rpc.Status.newBuilder()
            .setCode(Code.FAILED_PRECONDITION_VALUE)
            .setMessage("Device 16000 is connected.")
            .addAllDetails(List.of(details))
            .build());
  }

  private static StatusRuntimeException complete() {
    return failure(
        Any.pack(INFO),
        Any.pack(ERROR),
        Any.pack(BadRequest.newBuilder().addFieldViolations(VIOLATION).build()),
        Any.pack(RETRY),
        Any.pack(RequestInfo.newBuilder().setRequestId("677dd615").build()),
        Any.pack(PROCESS));
  }

  private static void assertComplete(VCenterException error) {
    assertEquals(Status.Code.FAILED_PRECONDITION, error.getCode());
    assertEquals("Device 16000 is connected.", error.getDescription());
    assertEquals("ALREADY_IN_DESIRED_STATE", error.getReason());
    assertEquals("vcenter.vmware.com", error.getDomain());
    assertEquals(Map.of("may_have_executed", "true"), error.getMetadata());
    assertEquals(Reason.REASON_UNSPECIFIED, error.getGatewayReason());
    assertEquals(ErrorType.ERROR_TYPE_ALREADY_IN_DESIRED_STATE, error.getErrorType());
    assertEquals(List.of(MESSAGE), error.getMessages());
    assertEquals(List.of(VIOLATION), error.getFieldViolations());
    assertEquals(Optional.of(Duration.ofMillis(1500)), error.getRetryDelay());
    assertTrue(error.mayHaveExecuted());
    assertEquals("677dd615", error.getRequestId());
    assertEquals(42, error.getData().orElseThrow().getFieldsOrThrow("pid").getNumberValue());
    assertEquals(Optional.of(PROCESS), error.getDetail(ProcessErrorDetails.class));
    assertEquals(6, error.getDetails().size());
    assertEquals(
        "FAILED_PRECONDITION ALREADY_IN_DESIRED_STATE: Device 16000 is connected."
            + " (request 677dd615)",
        error.getMessage());
  }

  private static void assertEmpty(VCenterException error) {
    assertEquals("", error.getReason());
    assertEquals("", error.getDomain());
    assertEquals(Map.of(), error.getMetadata());
    assertEquals(Reason.REASON_UNSPECIFIED, error.getGatewayReason());
    assertEquals(ErrorType.ERROR_TYPE_UNSPECIFIED, error.getErrorType());
    assertEquals(List.of(), error.getMessages());
    assertEquals(List.of(), error.getFieldViolations());
    assertEquals(Optional.empty(), error.getRetryDelay());
    assertFalse(error.mayHaveExecuted());
    assertEquals("", error.getRequestId());
    assertEquals(Optional.empty(), error.getData());
    assertEquals(Optional.empty(), error.getDetail(ProcessErrorDetails.class));
  }

  @Test
  void allDetailsAreRead() {
    assertComplete(VCenterException.from(complete()));
  }

  @Test
  void detailsArriveOverTheWire() throws Exception {
    try (FakeGateway server = new FakeGateway(InsecureServerCredentials.create());
        VCenterGateway gateway =
            VCenterGateway.newBuilder(server.target(), InsecureChannelCredentials.create())
                .connect()) {
      ListVmsRequest request = ListVmsRequest.getDefaultInstance();
      server.failures.addAll(List.of(complete(), complete(), complete()));

      Exception blocking =
          Assertions.assertThrows(
              StatusRuntimeException.class,
              () -> VmServiceGrpc.newBlockingStub(gateway).listVms(request));
      assertComplete(VCenterException.from(blocking));

      Exception checked =
          Assertions.assertThrows(
              io.grpc.StatusException.class,
              () -> VmServiceGrpc.newBlockingV2Stub(gateway).listVms(request));
      assertComplete(VCenterException.from(checked));

      Exception future =
          Assertions.assertThrows(
              ExecutionException.class,
              () -> VmServiceGrpc.newFutureStub(gateway).listVms(request).get());
      assertComplete(VCenterException.from(future));
    }
  }

  @Test
  void aStatusNeedsNoDetails() {
    VCenterException error =
        VCenterException.from(Status.UNAVAILABLE.withDescription("refused").asRuntimeException());
    assertEquals(Status.Code.UNAVAILABLE, error.getCode());
    assertEquals("UNAVAILABLE: refused", error.getMessage());
    assertEmpty(error);
  }

  @Test
  void aStatusNeedsNoDescription() {
    VCenterException error = VCenterException.from(Status.CANCELLED.asRuntimeException());
    assertEquals("", error.getDescription());
    assertEquals("CANCELLED", error.getMessage());
  }

  @Test
  void trailersThatAreNoStatusAreIgnored() {
    Metadata trailers = new Metadata();
    trailers.put(
        Metadata.Key.of("grpc-status-details-bin", Metadata.BINARY_BYTE_MARSHALLER),
        new byte[] {(byte) 0xff, (byte) 0xff});
    VCenterException error = VCenterException.from(Status.ABORTED.asRuntimeException(trailers));
    assertEquals(Status.Code.ABORTED, error.getCode());
    assertEmpty(error);
  }

  @Test
  void detailsOfAnotherCodeAreIgnored() {
    Metadata trailers = Status.trailersFromThrowable(complete());
    assertEmpty(VCenterException.from(Status.ABORTED.asRuntimeException(trailers)));
  }

  @Test
  void detailsThatAreUnknownOrUnreadableAreIgnored() {
    Any unknown = Any.newBuilder().setTypeUrl("type.googleapis.com/x.Y").build();
    Any unreadable =
        Any.pack(ERROR).toBuilder().setValue(ByteString.copyFromUtf8("garbage")).build();
    VCenterException error =
        VCenterException.from(failure(unknown, unreadable, Any.newBuilder().build()));
    assertEmpty(error);
    assertEquals(3, error.getDetails().size());
    VCenterException other = VCenterException.from(failure(unknown, unreadable, Any.pack(INFO)));
    assertEquals("ALREADY_IN_DESIRED_STATE", other.getReason());
  }

  @Test
  void anErrorTypeOfANewerContractIsUnspecified() {
    Any newer = Any.pack(Error.newBuilder().setErrorTypeValue(4711).addMessages(MESSAGE).build());
    VCenterException error = VCenterException.from(failure(newer));
    assertEquals(ErrorType.ERROR_TYPE_UNSPECIFIED, error.getErrorType());
    assertEquals(List.of(MESSAGE), error.getMessages());
  }

  @ParameterizedTest
  @CsvSource({
    "vcenter-gateway, REQUEST_INVALID, REASON_REQUEST_INVALID",
    "vcenter-gateway, TOO_MANY_STREAMS, REASON_TOO_MANY_STREAMS",
    "vcenter-gateway, UNSPECIFIED, REASON_UNSPECIFIED",
    "vcenter-gateway, OF_A_LATER_RELEASE, REASON_UNSPECIFIED",
    "vcenter-gateway, '', REASON_UNSPECIFIED",
    "vcenter.vmware.com, REQUEST_INVALID, REASON_UNSPECIFIED",
    "'', REQUEST_INVALID, REASON_UNSPECIFIED",
  })
  void aReasonOfTheGatewaysOwnIsTyped(String domain, String reason, Reason expected) {
    ErrorInfo info = ErrorInfo.newBuilder().setDomain(domain).setReason(reason).build();
    VCenterException error = VCenterException.from(failure(Any.pack(info)));
    assertEquals(expected, error.getGatewayReason());
    assertEquals(reason, error.getReason());
  }

  @Test
  void otherFailuresAreUnknown() {
    IllegalStateException failure = new IllegalStateException("bug");
    VCenterException error = VCenterException.from(failure);
    assertEquals(Status.Code.UNKNOWN, error.getCode());
    assertSame(failure, error.getCause());
    assertEmpty(error);
  }

  @Test
  void itIsAnExceptionOfGrpcWithItsCause() {
    StatusRuntimeException failure = complete();
    VCenterException error = VCenterException.from(failure);
    assertSame(failure, error.getCause());
    assertEquals(Status.Code.FAILED_PRECONDITION, Status.fromThrowable(error).getCode());
    assertSame(error, VCenterException.from(error));
    assertComplete(VCenterException.from(new RuntimeException(error)));
  }
}
