package io.github.vcentergateway;

import static java.util.concurrent.TimeUnit.MILLISECONDS;
import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertFalse;
import static org.junit.jupiter.api.Assertions.assertNull;
import static org.junit.jupiter.api.Assertions.assertThrows;
import static org.junit.jupiter.api.Assertions.assertTrue;

import com.google.protobuf.Any;
import com.google.rpc.Code;
import com.google.rpc.ErrorInfo;
import com.google.rpc.RequestInfo;
import io.github.vcentergateway.vcenter.gateway.v1.GatewayServiceGrpc;
import io.github.vcentergateway.vcenter.gateway.v1.GatewayState;
import io.github.vcentergateway.vcenter.gateway.v1.Heartbeat;
import io.github.vcentergateway.vcenter.gateway.v1.Reason;
import io.github.vcentergateway.vcenter.gateway.v1.WatchGatewayRequest;
import io.github.vcentergateway.vcenter.gateway.v1.WatchGatewayResponse;
import io.grpc.InsecureChannelCredentials;
import io.grpc.InsecureServerCredentials;
import io.grpc.Status;
import io.grpc.StatusException;
import io.grpc.StatusRuntimeException;
import io.grpc.protobuf.StatusProto;
import io.grpc.stub.ClientCallStreamObserver;
import io.grpc.stub.ClientResponseObserver;
import java.io.IOException;
import java.time.Duration;
import java.util.Iterator;
import java.util.List;
import java.util.Map;
import java.util.Set;
import java.util.concurrent.BlockingQueue;
import java.util.concurrent.ConcurrentLinkedQueue;
import java.util.concurrent.LinkedBlockingQueue;
import org.junit.jupiter.api.AfterEach;
import org.junit.jupiter.api.BeforeEach;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.Timeout;

@Timeout(60)
class StreamsTest {
  private static final int LARGEST = 32 << 20;
  private static final WatchGatewayRequest REQUEST = WatchGatewayRequest.getDefaultInstance();
  private static final WatchGatewayResponse HEARTBEAT =
      WatchGatewayResponse.newBuilder().setHeartbeat(Heartbeat.getDefaultInstance()).build();

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
    return VCenterGateway.newBuilder(server.target(), InsecureChannelCredentials.create());
  }

  /** A stream as the client sees it. */
  private static final class Watch
      implements ClientResponseObserver<WatchGatewayRequest, WatchGatewayResponse> {
    private final BlockingQueue<Object> arrived = new LinkedBlockingQueue<>();
    private ClientCallStreamObserver<WatchGatewayRequest> call;

    Watch(GatewayServiceGrpc.GatewayServiceStub stub) {
      stub.watchGateway(REQUEST, this);
    }

    Watch(VCenterGateway gateway) {
      this(GatewayServiceGrpc.newStub(gateway));
    }

    /** The next message; null when the stream has ended well. */
    WatchGatewayResponse read() throws Exception {
      Object next = arrived.take();
      if (next instanceof StatusRuntimeException) {
        throw (StatusRuntimeException) next;
      }
      return next == this ? null : (WatchGatewayResponse) next;
    }

    /** What the stream fails with, now. */
    VCenterException failure() {
      return VCenterException.from(assertThrows(StatusRuntimeException.class, this::read));
    }

    void cancel() {
      call.cancel("seen enough", null);
    }

    @Override
    public void beforeStart(ClientCallStreamObserver<WatchGatewayRequest> call) {
      this.call = call;
    }

    @Override
    public void onNext(WatchGatewayResponse message) {
      arrived.add(message);
    }

    @Override
    public void onError(Throwable failure) {
      arrived.add(failure);
    }

    @Override
    public void onCompleted() {
      arrived.add(this);
    }
  }

  private static WatchGatewayResponse state(String cause) {
    return WatchGatewayResponse.newBuilder()
        .setState(GatewayState.newBuilder().setCircuitCause(cause))
        .build();
  }

  private static StatusRuntimeException stopping() {
    return StatusProto.toStatusRuntimeException(
        com.google.rpc.Status.newBuilder()
            .setCode(Code.UNAVAILABLE_VALUE)
            .setMessage("this replica stops")
            .addDetails(
                Any.pack(
                    ErrorInfo.newBuilder()
                        .setReason("GATEWAY_STOPPING")
                        .setDomain("vcenter-gateway")
                        .build()))
            .addDetails(Any.pack(RequestInfo.newBuilder().setRequestId("677dd615").build()))
            .build());
  }

  private static void assertStopping(Throwable failure) {
    VCenterException error = VCenterException.from(failure);
    assertEquals(Status.Code.UNAVAILABLE, error.getCode());
    assertEquals("GATEWAY_STOPPING", error.getReason());
    assertEquals(Reason.REASON_GATEWAY_STOPPING, error.getGatewayReason());
    assertEquals("677dd615", error.getRequestId());
    assertFalse(error.mayHaveExecuted());
  }

  @Test
  void messagesArriveOneByOne() throws Exception {
    try (VCenterGateway gateway = builder().connect()) {
      Watch states = new Watch(gateway);
      FakeGateway.Stream stream = server.streams.take();
      for (WatchGatewayResponse message : List.of(state("first"), HEARTBEAT, state("second"))) {
        // The next one is sent only when this one has arrived.
        stream.observer.onNext(message);
        assertEquals(message, states.read());
      }
      stream.observer.onCompleted();
      assertNull(states.read());
    }
  }

  @Test
  void eachStreamCarriesTheTokenOfItsMoment() throws Exception {
    ConcurrentLinkedQueue<String> tokens = new ConcurrentLinkedQueue<>(List.of("first", "second"));
    try (VCenterGateway gateway =
        builder().credentials(GatewayCredentials.bearer(tokens::remove)).connect()) {
      for (String token : List.of("first", "second")) {
        new Watch(gateway);
        server.streams.take();
        assertEquals("Bearer " + token, server.lastCall("authorization"));
      }
      assertEquals(Status.Code.UNAUTHENTICATED, new Watch(gateway).failure().getCode());
    }
  }

  @Test
  void aStreamHasNoDeadlineUnlessItIsGivenOne() throws Exception {
    try (VCenterGateway gateway = builder().defaultDeadline(Duration.ofNanos(1)).connect()) {
      Watch states = new Watch(gateway);
      server.streams.take().observer.onNext(HEARTBEAT);
      assertEquals(HEARTBEAT, states.read());
      assertTrue(server.deadlines.get(0).isEmpty());

      Watch timed =
          new Watch(GatewayServiceGrpc.newStub(gateway).withDeadlineAfter(2000, MILLISECONDS));
      FakeGateway.Stream stream = server.streams.take();
      stream.observer.onNext(HEARTBEAT);
      assertEquals(HEARTBEAT, timed.read());
      assertEquals(Status.Code.DEADLINE_EXCEEDED, timed.failure().getCode());
      stream.cancelled.await();
    }
  }

  @Test
  void anErrorBeforeTheFirstMessageIsTyped() {
    try (VCenterGateway gateway = builder().connect()) {
      server.failures.addAll(List.of(stopping(), stopping(), stopping(), stopping()));
      assertStopping(new Watch(gateway).failure());
      assertEquals(4, server.calls.size());
    }
  }

  @Test
  void theBlockingStubThrowsHowTheStreamEnded() {
    try (VCenterGateway gateway = builder().serviceConfig(Map.of()).connect()) {
      server.failures.add(stopping());
      assertStopping(
          assertThrows(
              StatusException.class,
              GatewayServiceGrpc.newBlockingV2Stub(gateway).watchGateway(REQUEST)::hasNext));
    }
  }

  @Test
  void anErrorInTheMiddleIsTypedAndDoesNotOpenTheStreamAgain() throws Exception {
    try (VCenterGateway gateway = builder().connect()) {
      Iterator<WatchGatewayResponse> states =
          GatewayServiceGrpc.newBlockingStub(gateway).watchGateway(REQUEST);
      FakeGateway.Stream stream = server.streams.take();
      stream.observer.onNext(HEARTBEAT);
      assertEquals(HEARTBEAT, states.next());
      stream.observer.onError(stopping());
      assertStopping(assertThrows(StatusRuntimeException.class, states::hasNext));
      assertEquals(1, server.calls.size());
    }
  }

  @Test
  void aStreamThatCouldNotBeOpenedIsOpenedAgain() throws Exception {
    try (VCenterGateway gateway = builder().connect()) {
      server.failures.add(stopping());
      Watch states = new Watch(gateway);
      server.streams.take().observer.onNext(HEARTBEAT);
      assertEquals(HEARTBEAT, states.read());
      assertEquals(2, server.calls.size());
    }
  }

  @Test
  void cancellingAStreamReachesTheServer() throws Exception {
    try (VCenterGateway gateway = builder().connect()) {
      Watch states = new Watch(gateway);
      FakeGateway.Stream stream = server.streams.take();
      stream.observer.onNext(HEARTBEAT);
      assertEquals(HEARTBEAT, states.read());
      states.cancel();
      stream.cancelled.await();
      assertEquals(Status.Code.CANCELLED, states.failure().getCode());
    }
  }

  @Test
  void aMessageMayHave32Mib() throws Exception {
    int overhead = state("x".repeat(LARGEST)).getSerializedSize() - LARGEST;
    try (VCenterGateway gateway = builder().connect()) {
      for (int size : List.of(LARGEST - 1, LARGEST)) {
        Watch states = new Watch(gateway);
        server.streams.take().observer.onNext(state("x".repeat(size - overhead)));
        assertEquals(size, states.read().getSerializedSize());
        states.cancel();
      }
      Watch states = new Watch(gateway);
      server.streams.take().observer.onNext(state("x".repeat(LARGEST + 1 - overhead)));
      assertEquals(Status.Code.RESOURCE_EXHAUSTED, states.failure().getCode());
    }
  }

  @Test
  void aLostConnectionEndsAStreamAndNothingWasExecuted() throws Exception {
    try (VCenterGateway gateway = builder().connect()) {
      Watch states = new Watch(gateway);
      server.streams.take().observer.onNext(HEARTBEAT);
      assertEquals(HEARTBEAT, states.read());
      server.close();
      VCenterException error = states.failure();
      // The server says that it cancels the call, if that comes before the end of the connection.
      assertTrue(
          Set.of(Status.Code.UNAVAILABLE, Status.Code.CANCELLED).contains(error.getCode()),
          error::getMessage);
      assertEquals(Reason.REASON_UNSPECIFIED, error.getGatewayReason());
      assertFalse(error.mayHaveExecuted());
    }
  }
}
