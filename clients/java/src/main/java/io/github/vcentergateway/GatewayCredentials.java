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
 * The caller's identity.
 *
 * <p>With {@link VCenterGateway.Builder#credentials}, they apply to every call. With a stub's
 * {@code withCallCredentials}, they replace these for the calls of that stub.
 *
 * <p>They leave the local machine only over TLS: a call that would send them elsewhere in plain
 * text fails with {@code UNAUTHENTICATED} before anything is sent. Secrets in them cannot be read
 * back and are never printed.
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
   * An existing vCenter session, which the caller keeps open.
   *
   * @param id the session's ID
   * @throws IllegalArgumentException if this is not a valid session ID
   */
  public static GatewayCredentials session(String id) {
    requireVisible("a session id", id);
    return new GatewayCredentials("session", SESSION, () -> id, false);
  }

  /**
   * The username and password of a vCenter user, for whom the gateway keeps a session.
   *
   * @param user the name, for example {@code administrator@vsphere.local}
   * @param password the password
   * @throws IllegalArgumentException if the name is empty or contains a colon
   */
  public static GatewayCredentials basic(String user, String password) {
    if (user.isEmpty() || user.indexOf(':') >= 0) {
      throw new IllegalArgumentException("the username must not be empty or contain a colon");
    }
    String pair = Base64.getEncoder().encodeToString((user + ":" + password).getBytes(UTF_8));
    return new GatewayCredentials("basic", AUTHORIZATION, () -> "Basic " + pair, false);
  }

  /**
   * A token or JWT, for a gateway that has its own service account.
   *
   * @param token the token; whitespace around it is ignored
   * @throws IllegalArgumentException if this is not a valid token
   */
  public static GatewayCredentials bearer(String token) {
    String value = bearerValue(token);
    return new GatewayCredentials("bearer", AUTHORIZATION, () -> value, false);
  }

  /**
   * A token or JWT that rotates.
   *
   * @param token called for each rpc, on the channel's executor. If it throws an exception, the
   *     call fails with {@code UNAUTHENTICATED} and is not sent
   */
  public static GatewayCredentials bearer(Supplier<String> token) {
    Objects.requireNonNull(token, "token");
    return new GatewayCredentials("bearer", AUTHORIZATION, () -> bearerValue(token.get()), false);
  }

  /**
   * The same credentials, which can also be sent to other machines in plain text, where anyone on
   * the network path can read them. Only for networks that are themselves encrypted.
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
              "credentials cannot be sent in plain text to another machine: " + peer));
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

  /** Returns the type of the credentials. */
  @Override
  public String toString() {
    return "GatewayCredentials(" + kind + ")";
  }

  private static String bearerValue(String token) {
    String trimmed = token.trim();
    requireVisible("a token", trimmed);
    return "Bearer " + trimmed;
  }

  /** Throws an IllegalArgumentException if the text is empty or not valid in metadata. */
  static void requireVisible(String what, String text) {
    if (text.isEmpty() || !text.chars().allMatch(c -> c > ' ' && c <= '~')) {
      throw new IllegalArgumentException(what + " must consist of visible ASCII characters");
    }
  }

  /** Sockets that are not internet sockets are on the local machine. */
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
