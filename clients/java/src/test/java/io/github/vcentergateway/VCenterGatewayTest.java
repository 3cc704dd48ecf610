package io.github.vcentergateway;

import static java.util.concurrent.TimeUnit.SECONDS;
import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertFalse;
import static org.junit.jupiter.api.Assertions.assertNull;
import static org.junit.jupiter.api.Assertions.assertThrows;
import static org.junit.jupiter.api.Assertions.assertTrue;

import io.github.vcentergateway.vcenter.v1.ListVmsRequest;
import io.github.vcentergateway.vcenter.v1.VmServiceGrpc;
import io.github.vcentergateway.vcenter.vm.hardware.v1.CdromServiceGrpc;
import io.github.vcentergateway.vcenter.vm.hardware.v1.CreateCdromRequest;
import io.grpc.ChannelCredentials;
import io.grpc.Context;
import io.grpc.InsecureChannelCredentials;
import io.grpc.InsecureServerCredentials;
import io.grpc.Status;
import io.grpc.StatusRuntimeException;
import io.grpc.TlsChannelCredentials;
import io.grpc.TlsServerCredentials;
import io.grpc.testing.TlsTesting;
import java.io.IOException;
import java.time.Duration;
import java.util.List;
import java.util.Map;
import java.util.concurrent.Executors;
import java.util.concurrent.ScheduledExecutorService;
import org.junit.jupiter.api.AfterEach;
import org.junit.jupiter.api.BeforeEach;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.Timeout;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.ValueSource;

class VCenterGatewayTest {
  private static final ChannelCredentials PLAINTEXT = InsecureChannelCredentials.create();
  private static final GatewayCredentials BASIC = GatewayCredentials.basic("user", "password");

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
    return VCenterGateway.newBuilder(server.target(), PLAINTEXT);
  }

  private static void read(VCenterGateway gateway) {
    VmServiceGrpc.newBlockingStub(gateway).listVms(ListVmsRequest.getDefaultInstance());
  }

  private static void write(VCenterGateway gateway) {
    CdromServiceGrpc.newBlockingStub(gateway).createCdrom(CreateCdromRequest.getDefaultInstance());
  }

  private static void assertAbout(Duration expected, Duration actual) {
    assertTrue(
        actual.compareTo(expected) <= 0 && actual.compareTo(expected.minusSeconds(10)) > 0,
        () -> actual + " is not about " + expected);
  }

  @Test
  @Timeout(30)
  void aReplicaThatIsAboutToStopIsLeft() {
    try (VCenterGateway gateway = builder().connect()) {
      write(gateway);
      server.sendClientsAway();
      StatusRuntimeException failure = null;
      while (failure == null) {
        try {
          write(gateway);
        } catch (StatusRuntimeException e) {
          failure = e;
        }
      }
      // The server would have taken the call, but it is the only one.
      assertEquals(Status.Code.UNAVAILABLE, failure.getStatus().getCode());
    }
  }

  @Test
  void credentialsGoWithEveryCall() {
    try (VCenterGateway gateway = builder().credentials(BASIC).connect()) {
      read(gateway);
      assertEquals("Basic dXNlcjpwYXNzd29yZA==", server.lastCall("authorization"));
      assertNull(server.lastCall("vmware-api-session-id"));
      write(gateway);
      assertEquals("Basic dXNlcjpwYXNzd29yZA==", server.lastCall("authorization"));
    }
  }

  @Test
  void credentialsOfAStubReplaceThoseOfTheConnection() {
    try (VCenterGateway gateway = builder().credentials(BASIC).connect()) {
      VmServiceGrpc.newBlockingStub(gateway)
          .withCallCredentials(GatewayCredentials.session("s-1"))
          .listVms(ListVmsRequest.getDefaultInstance());
      assertEquals("s-1", server.lastCall("vmware-api-session-id"));
      assertNull(server.lastCall("authorization"));
    }
  }

  @Test
  void thereNeedNotBeCredentials() {
    try (VCenterGateway gateway = builder().connect()) {
      read(gateway);
      assertNull(server.lastCall("authorization"));
    }
  }

  @ParameterizedTest
  @ValueSource(
      strings = {
        "gateway.example.com:50051",
        "192.0.2.1:50051",
        "[2001:db8::1]:50051",
        "dns:///gateway.example.com:50051",
        "dns://127.0.0.1/gateway.example.com:50051",
        "localhost.example.com:50051",
        "127.0.0.1.example.com:50051",
        "xds:///localhost",
      })
  void credentialsAreNotSentToAnotherMachineInPlaintext(String target) {
    VCenterGateway.Builder builder =
        VCenterGateway.newBuilder(target, PLAINTEXT).credentials(BASIC);
    Exception refusal = assertThrows(IllegalArgumentException.class, builder::connect);
    assertTrue(refusal.getMessage().contains(target), refusal::getMessage);
    assertFalse(refusal.getMessage().contains("dXNlcjpwYXNzd29yZA"), refusal::getMessage);
  }

  @ParameterizedTest
  @ValueSource(
      strings = {
        "localhost:50051",
        "LOCALHOST",
        "127.0.0.1:50051",
        "127.1.2.3",
        "[::1]:50051",
        "dns:///localhost:50051",
        "dns://192.0.2.1/localhost:50051",
      })
  void credentialsAreSentToThisMachineInPlaintext(String target) {
    VCenterGateway.newBuilder(target, PLAINTEXT).credentials(BASIC).connect().close();
  }

  @Test
  void credentialsThatMayBeReadGoAnywhere() {
    VCenterGateway.newBuilder("gateway.example.com:50051", PLAINTEXT)
        .credentials(BASIC.allowingPlaintext())
        .connect()
        .close();
  }

  @Test
  void credentialsGoAnywhereOverTls() {
    VCenterGateway.newBuilder("gateway.example.com:443", TlsChannelCredentials.create())
        .credentials(BASIC)
        .connect()
        .close();
  }

  @Test
  void tlsTrustsAnAuthorityAndShowsACertificate() throws IOException {
    try (FakeGateway tls =
            new FakeGateway(
                TlsServerCredentials.newBuilder()
                    .keyManager(
                        TlsTesting.loadCert("server1.pem"), TlsTesting.loadCert("server1.key"))
                    .trustManager(TlsTesting.loadCert("ca.pem"))
                    .clientAuth(TlsServerCredentials.ClientAuth.REQUIRE)
                    .build());
        VCenterGateway gateway =
            VCenterGateway.newBuilder(
                    tls.target(),
                    TlsChannelCredentials.newBuilder()
                        .trustManager(TlsTesting.loadCert("ca.pem"))
                        .keyManager(
                            TlsTesting.loadCert("client.pem"), TlsTesting.loadCert("client.key"))
                        .build())
                .credentials(BASIC)
                .configureChannel(channel -> channel.overrideAuthority("foo.test.google.fr"))
                .connect()) {
      read(gateway);
      assertEquals("Basic dXNlcjpwYXNzd29yZA==", tls.lastCall("authorization"));
    }
  }

  @Test
  void callsWithoutADeadlineGetOne() {
    try (VCenterGateway gateway = builder().connect()) {
      read(gateway);
      assertAbout(Duration.ofSeconds(60), server.deadlines.get(0).orElseThrow());
    }
  }

  @Test
  void aDeadlineOfTheStubIsKept() {
    try (VCenterGateway gateway = builder().connect()) {
      VmServiceGrpc.newBlockingStub(gateway)
          .withDeadlineAfter(300, SECONDS)
          .listVms(ListVmsRequest.getDefaultInstance());
      assertAbout(Duration.ofSeconds(300), server.deadlines.get(0).orElseThrow());
    }
  }

  @Test
  void aDeadlineOfTheContextIsKept() {
    ScheduledExecutorService timer = Executors.newSingleThreadScheduledExecutor();
    try (VCenterGateway gateway = builder().connect();
        Context.CancellableContext context =
            Context.current().withDeadlineAfter(300, SECONDS, timer)) {
      context.run(() -> read(gateway));
      assertAbout(Duration.ofSeconds(300), server.deadlines.get(0).orElseThrow());
    } finally {
      timer.shutdownNow();
    }
  }

  @Test
  void theDefaultDeadlineCanBeSwitchedOff() {
    try (VCenterGateway gateway = builder().defaultDeadline(Duration.ZERO).connect()) {
      read(gateway);
      assertTrue(server.deadlines.get(0).isEmpty());
    }
  }

  @Test
  void aReadIsRepeatedWhileTheGatewayIsUnavailable() {
    server.failures.addAll(List.of(unavailable(), unavailable()));
    try (VCenterGateway gateway = builder().credentials(BASIC).connect()) {
      read(gateway);
      assertEquals(3, server.calls.size());
      assertEquals("Basic dXNlcjpwYXNzd29yZA==", server.lastCall("authorization"));
    }
  }

  @Test
  void aWriteIsNotRepeated() {
    server.failures.add(unavailable());
    try (VCenterGateway gateway = builder().connect()) {
      assertThrows(StatusRuntimeException.class, () -> write(gateway));
      assertEquals(1, server.calls.size());
    }
  }

  @Test
  void aReadThatFailsOtherwiseIsNotRepeated() {
    server.failures.add(Status.INTERNAL.asRuntimeException());
    try (VCenterGateway gateway = builder().connect()) {
      assertThrows(StatusRuntimeException.class, () -> read(gateway));
      assertEquals(1, server.calls.size());
    }
  }

  @Test
  void theServiceConfigCanBeReplaced() {
    server.failures.add(unavailable());
    try (VCenterGateway gateway = builder().serviceConfig(Map.of()).connect()) {
      assertThrows(StatusRuntimeException.class, () -> read(gateway));
      assertEquals(1, server.calls.size());
    }
  }

  private static StatusRuntimeException unavailable() {
    return Status.UNAVAILABLE.asRuntimeException();
  }

  @Test
  void settingsThatMakeNoSenseAreRefused() {
    assertThrows(
        IllegalArgumentException.class, () -> builder().defaultDeadline(Duration.ofSeconds(-1)));
    assertThrows(
        IllegalArgumentException.class, () -> builder().keepAliveTime(Duration.ofSeconds(29)));
  }

  @Test
  void secretsAreNotPrinted() {
    try (VCenterGateway gateway = builder().credentials(BASIC).connect()) {
      assertEquals("VCenterGateway(" + server.target() + ")", gateway.toString());
    }
  }

  @Test
  void closingEndsTheConnection() {
    VCenterGateway gateway = builder().connect();
    read(gateway);
    gateway.close();
    assertTrue(gateway.getManagedChannel().isTerminated());
  }
}
