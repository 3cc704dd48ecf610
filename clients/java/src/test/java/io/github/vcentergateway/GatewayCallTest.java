package io.github.vcentergateway;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertFalse;
import static org.junit.jupiter.api.Assertions.assertSame;
import static org.junit.jupiter.api.Assertions.assertThrows;
import static org.junit.jupiter.api.Assertions.assertTrue;

import com.google.protobuf.Any;
import com.google.rpc.ErrorInfo;
import com.google.rpc.RequestInfo;
import io.github.vcentergateway.vcenter.v1.ListVmsRequest;
import io.github.vcentergateway.vcenter.v1.VmServiceGrpc;
import io.github.vcentergateway.vcenter.vm.hardware.v1.CdromServiceGrpc;
import io.github.vcentergateway.vcenter.vm.hardware.v1.CreateCdromRequest;
import io.grpc.CallOptions;
import io.grpc.Channel;
import io.grpc.ClientCall;
import io.grpc.ClientInterceptor;
import io.grpc.ClientStreamTracer;
import io.grpc.InsecureChannelCredentials;
import io.grpc.InsecureServerCredentials;
import io.grpc.Metadata;
import io.grpc.MethodDescriptor;
import io.grpc.Status;
import io.grpc.StatusRuntimeException;
import io.grpc.TlsChannelCredentials;
import io.grpc.TlsServerCredentials;
import io.grpc.health.v1.HealthCheckRequest;
import io.grpc.health.v1.HealthGrpc;
import io.grpc.protobuf.StatusProto;
import io.grpc.testing.TlsTesting;
import java.io.IOException;
import java.nio.channels.ClosedChannelException;
import java.time.Duration;
import java.util.EnumSet;
import java.util.List;
import java.util.Map;
import java.util.Set;
import java.util.concurrent.ExecutionException;
import java.util.concurrent.Future;
import java.util.concurrent.atomic.AtomicInteger;
import org.junit.jupiter.api.AfterEach;
import org.junit.jupiter.api.BeforeEach;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.Timeout;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.EnumSource;

@Timeout(60)
class GatewayCallTest {
  private static final Set<Status.Code> UNCERTAIN =
      EnumSet.of(
          Status.Code.CANCELLED,
          Status.Code.UNKNOWN,
          Status.Code.DEADLINE_EXCEEDED,
          Status.Code.INTERNAL,
          Status.Code.UNAVAILABLE);

  private FakeGateway server;

  @BeforeEach
  void start() throws IOException {
    server = new FakeGateway(InsecureServerCredentials.create());
  }

  @AfterEach
  void stop() {
    server.close();
  }

  private VCenterGateway.Builder builder() {
    return VCenterGateway.newBuilder(server.target(), InsecureChannelCredentials.create())
        .serviceConfig(Map.of());
  }

  private static VCenterException read(VCenterGateway gateway) {
    return VCenterException.from(
        assertThrows(
            StatusRuntimeException.class,
            () ->
                VmServiceGrpc.newBlockingStub(gateway)
                    .listVms(ListVmsRequest.getDefaultInstance())));
  }

  private static VCenterException change(VCenterGateway gateway) {
    return VCenterException.from(
        assertThrows(
            StatusRuntimeException.class,
            () ->
                CdromServiceGrpc.newBlockingStub(gateway)
                    .createCdrom(CreateCdromRequest.getDefaultInstance())));
  }

  @ParameterizedTest
  @EnumSource(mode = EnumSource.Mode.EXCLUDE, names = "OK")
  void aStatusThatTheGatewayDidNotSendLeavesOpenWhetherAChangeWasMade(Status.Code code) {
    try (VCenterGateway gateway = builder().connect()) {
      server.failures.add(code.toStatus().asRuntimeException());
      VCenterException changed = change(gateway);
      assertEquals(code, changed.getCode());
      assertEquals(UNCERTAIN.contains(code), changed.mayHaveExecuted());
      assertEquals("", changed.getReason());
      server.failures.add(code.toStatus().asRuntimeException());
      assertFalse(read(gateway).mayHaveExecuted());
    }
  }

  @Test
  void theGatewaysOwnWordStands() {
    try (VCenterGateway gateway = builder().connect()) {
      server.failures.add(unavailable(Any.pack(ErrorInfo.newBuilder().setReason("X").build())));
      assertFalse(change(gateway).mayHaveExecuted());
    }
  }

  @Test
  void otherDetailsAreKept() {
    try (VCenterGateway gateway = builder().connect()) {
      server.failures.add(
          unavailable(Any.pack(RequestInfo.newBuilder().setRequestId("r-1").build())));
      VCenterException error = change(gateway);
      assertTrue(error.mayHaveExecuted());
      assertEquals("r-1", error.getRequestId());
    }
  }

  private static StatusRuntimeException unavailable(Any detail) {
    return StatusProto.toStatusRuntimeException(
        com.google.rpc.Status.newBuilder()
            .setCode(com.google.rpc.Code.UNAVAILABLE_VALUE)
            .addDetails(detail)
            .build());
  }

  @Test
  void aChangeWithoutAnAnswerMayHaveRun() {
    server.silent = true;
    try (VCenterGateway gateway = builder().connect()) {
      Future<?> change =
          CdromServiceGrpc.newFutureStub(gateway)
              .createCdrom(CreateCdromRequest.getDefaultInstance());
      while (server.calls.isEmpty()) {
        Thread.onSpinWait();
      }
      server.close();
      VCenterException error =
          VCenterException.from(assertThrows(ExecutionException.class, change::get));
      // The server says that it cancels the call, if that comes before the end of the connection.
      assertTrue(UNCERTAIN.contains(error.getCode()), error::getMessage);
      assertTrue(error.mayHaveExecuted());
    }
  }

  @Test
  void aLostConnectionIsUnavailableHoweverGrpcNoticedIt() {
    Throwable lost = new RuntimeException(new ClosedChannelException());
    Status status = Status.UNKNOWN.withDescription("channel closed").withCause(lost);
    Status corrected = GatewayCall.unavailableIfLost(status);
    assertEquals(Status.Code.UNAVAILABLE, corrected.getCode());
    assertEquals("channel closed", corrected.getDescription());
    assertSame(lost, corrected.getCause());
    for (Status other : List.of(Status.UNKNOWN, Status.INTERNAL.withCause(lost), Status.OK)) {
      assertSame(other, GatewayCall.unavailableIfLost(other));
    }
  }

  @Test
  void aChangeThatWasNotSentDidNotRun() {
    try (VCenterGateway gateway = builder().connect()) {
      server.close();
      VCenterException error = change(gateway);
      assertEquals(Status.Code.UNAVAILABLE, error.getCode());
      assertFalse(error.mayHaveExecuted());
    }
  }

  @Test
  void healthChecksChangeNothing() {
    try (VCenterGateway gateway = builder().defaultDeadline(Duration.ofSeconds(30)).connect()) {
      HealthCheckRequest unknown = HealthCheckRequest.newBuilder().setService("unknown").build();
      Exception failure =
          assertThrows(
              StatusRuntimeException.class,
              () -> HealthGrpc.newBlockingStub(gateway).check(unknown));
      assertFalse(VCenterException.from(failure).mayHaveExecuted());
    }
  }

  @Test
  void aCertificateThatIsNotTrustedIsReportedAfterOneAttempt() throws Exception {
    try (FakeGateway tls =
            new FakeGateway(
                TlsServerCredentials.create(
                    TlsTesting.loadCert("server1.pem"), TlsTesting.loadCert("server1.key")));
        VCenterGateway gateway =
            VCenterGateway.newBuilder(tls.target(), TlsChannelCredentials.create()).connect()) {
      AtomicInteger attempts = new AtomicInteger();
      VCenterException error =
          VCenterException.from(
              assertThrows(
                  StatusRuntimeException.class,
                  () ->
                      VmServiceGrpc.newBlockingStub(gateway)
                          .withInterceptors(counting(attempts))
                          .listVms(ListVmsRequest.getDefaultInstance())));
      assertEquals(Status.Code.UNAVAILABLE, error.getCode());
      assertEquals(1, attempts.get());
    }
  }

  /** Counts the attempts that gRPC makes for a call. */
  private static ClientInterceptor counting(AtomicInteger attempts) {
    ClientStreamTracer.Factory factory =
        new ClientStreamTracer.Factory() {
          @Override
          public ClientStreamTracer newClientStreamTracer(
              ClientStreamTracer.StreamInfo info, Metadata headers) {
            attempts.incrementAndGet();
            return new ClientStreamTracer() {};
          }
        };
    return new ClientInterceptor() {
      @Override
      public <A, B> ClientCall<A, B> interceptCall(
          MethodDescriptor<A, B> method, CallOptions options, Channel next) {
        return next.newCall(method, options.withStreamTracerFactory(factory));
      }
    };
  }
}
