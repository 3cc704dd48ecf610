package io.github.vcentergateway;

import static java.nio.charset.StandardCharsets.UTF_8;

import io.grpc.CallCredentials;
import io.grpc.Grpc;
import io.grpc.Metadata;
import io.grpc.SecurityLevel;
import io.grpc.Status;
import java.net.InetSocketAddress;
import java.net.SocketAddress;
import java.util.Base64;
import java.util.Objects;
import java.util.concurrent.Executor;
import java.util.function.Supplier;

/**
 * Says to the gateway who calls.
 *
 * <p>Given to {@link VCenterGateway.Builder#credentials}, they go with every call; given to a
 * stub's {@code withCallCredentials}, they go with the calls of that stub, in place of the others.
 *
 * <p>They leave this machine only over TLS: a call that would send them elsewhere in plain text
 * fails with {@code UNAUTHENTICATED} before anything is sent. What is secret in them cannot be read
 * back and is never printed.
 */
public final class GatewayCredentials extends CallCredentials {
  private static final Metadata.Key<String> SESSION = key("vmware-api-session-id");
  private static final Metadata.Key<String> AUTHORIZATION = key("authorization");

  private final String kind;
  private final Metadata.Key<String> key;
  private final Supplier<String> value;
  private final boolean plaintextAllowed;

  private GatewayCredentials(
      String kind, Metadata.Key<String> key, Supplier<String> value, boolean plaintextAllowed) {
    this.kind = kind;
    this.key = key;
    this.value = value;
    this.plaintextAllowed = plaintextAllowed;
  }

  /**
   * A session of vCenter's that the caller has opened and keeps open.
   *
   * @param id the session's id
   * @throws IllegalArgumentException if no session can have this id
   */
  public static GatewayCredentials session(String id) {
    requireVisible("a session id", id);
    return new GatewayCredentials("session", SESSION, () -> id, false);
  }

  /**
   * A user's name and password, for which the gateway keeps a session.
   *
   * @param user the name, for instance {@code administrator@vsphere.local}
   * @param password the password
   * @throws IllegalArgumentException if the name is empty or contains a colon
   */
  public static GatewayCredentials basic(String user, String password) {
    if (user.isEmpty() || user.indexOf(':') >= 0) {
      throw new IllegalArgumentException("a user name is not empty and contains no colon");
    }
    String pair = Base64.getEncoder().encodeToString((user + ":" + password).getBytes(UTF_8));
    return new GatewayCredentials("basic", AUTHORIZATION, () -> "Basic " + pair, false);
  }

  /**
   * A token or JWT, for a gateway that has a login of its own.
   *
   * @param token the token; white space around it does not belong to it
   * @throws IllegalArgumentException if this cannot be a token
   */
  public static GatewayCredentials bearer(String token) {
    String value = bearerValue(token);
    return new GatewayCredentials("bearer", AUTHORIZATION, () -> value, false);
  }

  /**
   * A token or JWT that is renewed.
   *
   * @param token is asked for it with each call, on the channel's executor. When it throws, the
   *     call fails with {@code UNAUTHENTICATED} and is not sent
   */
  public static GatewayCredentials bearer(Supplier<String> token) {
    Objects.requireNonNull(token, "token");
    return new GatewayCredentials("bearer", AUTHORIZATION, () -> bearerValue(token.get()), false);
  }

  /**
   * The same credentials, which may also go to other machines in plain text, where anyone on the
   * way can read them. Only for networks that encrypt on their own.
   */
  public GatewayCredentials allowingPlaintext() {
    return new GatewayCredentials(kind, key, value, true);
  }

  boolean isPlaintextAllowed() {
    return plaintextAllowed;
  }

  @Override
  public void applyRequestMetadata(RequestInfo call, Executor executor, MetadataApplier applier) {
    SocketAddress peer = call.getTransportAttrs().get(Grpc.TRANSPORT_ATTR_REMOTE_ADDR);
    if (call.getSecurityLevel() != SecurityLevel.PRIVACY_AND_INTEGRITY
        && !plaintextAllowed
        && !isLocal(peer)) {
      applier.fail(
          Status.UNAUTHENTICATED.withDescription(
              "credentials are not sent in plain text to another machine: " + peer));
      return;
    }
    executor.execute(() -> apply(applier));
  }

  private void apply(MetadataApplier applier) {
    Metadata headers = new Metadata();
    try {
      headers.put(key, value.get());
    } catch (RuntimeException e) {
      applier.fail(
          Status.UNAUTHENTICATED
              .withDescription("there is no token: " + e.getMessage())
              .withCause(e));
      return;
    }
    applier.apply(headers);
  }

  /** Tells what kind of credentials these are. */
  @Override
  public String toString() {
    return "GatewayCredentials(" + kind + ")";
  }

  private static String bearerValue(String token) {
    String trimmed = token.trim();
    requireVisible("a token", trimmed);
    return "Bearer " + trimmed;
  }

  /** Throws an IllegalArgumentException for a text that no metadata can carry, or that is empty. */
  static void requireVisible(String what, String text) {
    if (text.isEmpty() || !text.chars().allMatch(c -> c > ' ' && c <= '~')) {
      throw new IllegalArgumentException(what + " consists of visible ASCII characters");
    }
  }

  /** Sockets that are not of the internet are of this machine. */
  private static boolean isLocal(SocketAddress peer) {
    if (peer instanceof InetSocketAddress) {
      InetSocketAddress address = (InetSocketAddress) peer;
      return !address.isUnresolved() && address.getAddress().isLoopbackAddress();
    }
    return peer != null;
  }

  private static Metadata.Key<String> key(String name) {
    return Metadata.Key.of(name, Metadata.ASCII_STRING_MARSHALLER);
  }
}
