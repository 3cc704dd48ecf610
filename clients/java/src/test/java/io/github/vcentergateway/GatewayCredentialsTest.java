package io.github.vcentergateway;

import static java.nio.charset.StandardCharsets.UTF_8;
import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertFalse;
import static org.junit.jupiter.api.Assertions.assertNull;
import static org.junit.jupiter.api.Assertions.assertThrows;
import static org.junit.jupiter.api.Assertions.assertTrue;

import io.github.vcentergateway.vcenter.v1.VmServiceGrpc;
import io.grpc.Attributes;
import io.grpc.CallCredentials;
import io.grpc.CallOptions;
import io.grpc.Grpc;
import io.grpc.Metadata;
import io.grpc.MethodDescriptor;
import io.grpc.SecurityLevel;
import io.grpc.Status;
import java.net.InetSocketAddress;
import java.net.SocketAddress;
import java.util.Base64;
import java.util.Iterator;
import java.util.List;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.ValueSource;

class GatewayCredentialsTest {
  private static final SocketAddress REMOTE = new InetSocketAddress("192.0.2.1", 50051);
  private static final SocketAddress LOOPBACK = new InetSocketAddress("127.0.0.1", 50051);

  private static Applied apply(
      GatewayCredentials credentials, SecurityLevel security, SocketAddress peer) {
    Applied applied = new Applied();
    credentials.applyRequestMetadata(new Call(security, peer), Runnable::run, applied);
    return applied;
  }

  @Test
  void basicCredentialsAreUserAndPasswordInUtf8() {
    Applied applied =
        apply(GatewayCredentials.basic("jürgen", "ge:heim"), SecurityLevel.NONE, LOOPBACK);
    String value = applied.get("authorization");
    assertTrue(value.startsWith("Basic "), value);
    assertEquals(
        "jürgen:ge:heim", new String(Base64.getDecoder().decode(value.substring(6)), UTF_8));
  }

  @Test
  void aSessionIsItsId() {
    Applied applied = apply(GatewayCredentials.session("s-1"), SecurityLevel.NONE, LOOPBACK);
    assertEquals("s-1", applied.get("vmware-api-session-id"));
  }

  @Test
  void aTokenIsWhatIsBetweenTheSpaces() {
    Applied applied = apply(GatewayCredentials.bearer("a.b-c\n"), SecurityLevel.NONE, LOOPBACK);
    assertEquals("Bearer a.b-c", applied.get("authorization"));
  }

  @Test
  void aTokenThatIsRenewedIsAskedForWithEachCall() {
    Iterator<String> tokens = List.of("first\n", "second\n").iterator();
    GatewayCredentials credentials = GatewayCredentials.bearer(tokens::next);
    for (String expected : List.of("Bearer first", "Bearer second")) {
      assertEquals(expected, apply(credentials, SecurityLevel.NONE, LOOPBACK).get("authorization"));
    }
  }

  @ParameterizedTest
  @ValueSource(strings = {"", " ", "s-1 s-2", "s-1\ns-2", "s-1ü"})
  void whatIsNoTokenIsRefusedAndNotPrinted(String token) {
    IllegalArgumentException refusal =
        assertThrows(IllegalArgumentException.class, () -> GatewayCredentials.bearer(token));
    assertFalse(refusal.toString().contains("s-1"), refusal::toString);
    Applied applied = apply(GatewayCredentials.bearer(() -> token), SecurityLevel.NONE, LOOPBACK);
    assertNull(applied.headers);
    assertEquals(Status.Code.UNAUTHENTICATED, applied.failure.getCode());
    assertFalse(applied.failure.toString().contains("s-1"), applied.failure::toString);
  }

  @Test
  void aCallWithoutATokenFails() {
    GatewayCredentials credentials =
        GatewayCredentials.bearer(
            () -> {
              throw new IllegalStateException("the file is missing");
            });
    Applied applied = apply(credentials, SecurityLevel.NONE, LOOPBACK);
    assertNull(applied.headers);
    assertEquals(Status.Code.UNAUTHENTICATED, applied.failure.getCode());
    assertTrue(applied.failure.getDescription().contains("the file is missing"));
  }

  @Test
  void nothingSecretLeavesTheMachineInPlaintext() {
    Applied applied = apply(GatewayCredentials.session("s-1"), SecurityLevel.NONE, REMOTE);
    assertNull(applied.headers);
    assertEquals(Status.Code.UNAUTHENTICATED, applied.failure.getCode());
    assertFalse(applied.failure.toString().contains("s-1"), applied.failure::toString);
  }

  @Test
  void anAddressThatIsNotKnownIsNotOfThisMachine() {
    assertNull(apply(GatewayCredentials.session("s-1"), SecurityLevel.NONE, null).headers);
  }

  @Test
  void tlsMakesItSafe() {
    GatewayCredentials credentials = GatewayCredentials.session("s-1");
    Applied applied = apply(credentials, SecurityLevel.PRIVACY_AND_INTEGRITY, REMOTE);
    assertEquals("s-1", applied.get("vmware-api-session-id"));
  }

  @Test
  void plaintextCanBeAllowed() {
    GatewayCredentials credentials = GatewayCredentials.session("s-1").allowingPlaintext();
    Applied applied = apply(credentials, SecurityLevel.NONE, REMOTE);
    assertEquals("s-1", applied.get("vmware-api-session-id"));
  }

  @ParameterizedTest
  @ValueSource(strings = {"", "a b", "a\nb", "ü"})
  void whatIsNoSessionIdIsRefused(String id) {
    assertThrows(IllegalArgumentException.class, () -> GatewayCredentials.session(id));
  }

  @ParameterizedTest
  @ValueSource(strings = {"", "a:b"})
  void whatIsNoUserNameIsRefused(String user) {
    assertThrows(IllegalArgumentException.class, () -> GatewayCredentials.basic(user, "secret"));
  }

  @Test
  void secretsAreNotPrinted() {
    assertEquals("GatewayCredentials(session)", GatewayCredentials.session("s-1").toString());
    assertEquals("GatewayCredentials(basic)", GatewayCredentials.basic("user", "pw").toString());
    assertEquals("GatewayCredentials(bearer)", GatewayCredentials.bearer("t-1").toString());
  }

  /** A call on a connection to an address. */
  private static final class Call extends CallCredentials.RequestInfo {
    private final SecurityLevel security;
    private final SocketAddress peer;

    Call(SecurityLevel security, SocketAddress peer) {
      this.security = security;
      this.peer = peer;
    }

    @Override
    public MethodDescriptor<?, ?> getMethodDescriptor() {
      return VmServiceGrpc.getListVmsMethod();
    }

    @Override
    public CallOptions getCallOptions() {
      return CallOptions.DEFAULT;
    }

    @Override
    public SecurityLevel getSecurityLevel() {
      return security;
    }

    @Override
    public String getAuthority() {
      return "gateway.example.com";
    }

    @Override
    public Attributes getTransportAttrs() {
      return peer == null
          ? Attributes.EMPTY
          : Attributes.newBuilder().set(Grpc.TRANSPORT_ATTR_REMOTE_ADDR, peer).build();
    }
  }

  /** What became of the call. */
  private static final class Applied extends CallCredentials.MetadataApplier {
    private Metadata headers;
    private Status failure;

    String get(String key) {
      return headers.get(Metadata.Key.of(key, Metadata.ASCII_STRING_MARSHALLER));
    }

    @Override
    public void apply(Metadata headers) {
      this.headers = headers;
    }

    @Override
    public void fail(Status status) {
      this.failure = status;
    }
  }
}
