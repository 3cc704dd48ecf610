package io.github.vcentergateway;

import static java.nio.charset.StandardCharsets.UTF_8;
import static java.util.concurrent.TimeUnit.MILLISECONDS;
import static java.util.concurrent.TimeUnit.NANOSECONDS;

import com.google.gson.Gson;
import com.google.gson.reflect.TypeToken;
import io.grpc.CallCredentials;
import io.grpc.CallOptions;
import io.grpc.Channel;
import io.grpc.ChannelCredentials;
import io.grpc.ClientCall;
import io.grpc.Context;
import io.grpc.Grpc;
import io.grpc.InsecureChannelCredentials;
import io.grpc.ManagedChannel;
import io.grpc.ManagedChannelBuilder;
import io.grpc.MethodDescriptor;
import java.io.IOException;
import java.io.InputStreamReader;
import java.io.Reader;
import java.io.UncheckedIOException;
import java.time.Duration;
import java.util.Map;
import java.util.Objects;
import java.util.function.Consumer;

/**
 * A connection to the gateway, and a channel for the stubs of all services.
 *
 * <pre>{@code
 * try (VCenterGateway gateway =
 *     VCenterGateway.newBuilder("gateway.example.com:443", TlsChannelCredentials.create())
 *         .credentials(GatewayCredentials.basic("administrator@vsphere.local", password))
 *         .connect()) {
 *   VmServiceGrpc.newBlockingStub(gateway).listVms(ListVmsRequest.getDefaultInstance());
 * }
 * }</pre>
 *
 * <p>Connects with the first call and reconnects automatically. Read-only calls are retried up to
 * three times while the gateway is unavailable, and read-only streams until they are open; calls
 * that change something are never retried. Create one connection, share it between all threads, and
 * keep it as long as the program runs.
 */
public final class VCenterGateway extends Channel implements AutoCloseable {
  private static final Duration SHORTEST_KEEP_ALIVE_TIME = Duration.ofSeconds(30);
  private static final Duration KEEP_ALIVE_TIMEOUT = Duration.ofSeconds(20);
  private static final Duration CLOSE_TIMEOUT = Duration.ofSeconds(5);
  // The gateway's default limit; gRPC's default is 4 MiB.
  private static final int LARGEST_RESPONSE = 32 << 20;

  private final ManagedChannel channel;
  private final CallCredentials credentials;
  private final String vcenter;
  private final Duration defaultDeadline;

  private VCenterGateway(
      ManagedChannel channel,
      CallCredentials credentials,
      String vcenter,
      Duration defaultDeadline) {
    this.channel = channel;
    this.credentials = credentials;
    this.vcenter = vcenter;
    this.defaultDeadline = defaultDeadline;
  }

  /**
   * Returns a builder for a connection to the gateway.
   *
   * <p>{@code TlsChannelCredentials.create()} trusts the system's CA certificates; its builder
   * accepts your own CA with {@code trustManager} and a client certificate with {@code keyManager}.
   * {@code InsecureChannelCredentials.create()} is plain text.
   *
   * @param target gRPC target name of the gateway: {@code host:port}, {@code dns:///host:port},
   *     {@code unix:path}
   * @param security TLS or plain text
   */
  public static Builder newBuilder(String target, ChannelCredentials security) {
    return new Builder(target, security);
  }

  /**
   * gRPC's service config for the gateway: round robin across all addresses, with health checks to
   * stop using a replica in time before it shuts down. Read-only calls are retried up to three
   * times while the gateway is unavailable.
   */
  public static Map<String, ?> defaultServiceConfig() {
    try (Reader json =
        new InputStreamReader(
            VCenterGateway.class.getResourceAsStream("service_config.json"), UTF_8)) {
      return new Gson().fromJson(json, new TypeToken<Map<String, Object>>() {});
    } catch (IOException e) {
      throw new UncheckedIOException(e);
    }
  }

  /**
   * Starts a call. Adds the credentials, the vCenter, and the default deadline to a call without
   * its own, unless it streams in one direction or both.
   */
  @Override
  public <RequestT, ResponseT> ClientCall<RequestT, ResponseT> newCall(
      MethodDescriptor<RequestT, ResponseT> method, CallOptions options) {
    if (credentials != null && options.getCredentials() == null) {
      options = options.withCallCredentials(credentials);
    }
    if (!defaultDeadline.isZero()
        && method.getType() == MethodDescriptor.MethodType.UNARY
        && options.getDeadline() == null
        && Context.current().getDeadline() == null) {
      options = options.withDeadlineAfter(defaultDeadline.toNanos(), NANOSECONDS);
    }
    return GatewayCall.on(channel, method, options, vcenter);
  }

  @Override
  public String authority() {
    return channel.authority();
  }

  /**
   * The underlying channel, for watching its state. Calls made directly on it have neither the
   * credentials nor the vCenter nor the default deadline, and {@link
   * VCenterException#mayHaveExecuted} is not accurate if the connection to the gateway is lost.
   */
  public ManagedChannel getManagedChannel() {
    return channel;
  }

  /** Closes the connection. Calls in flight have five seconds to end before they are canceled. */
  @Override
  public void close() {
    channel.shutdown();
    try {
      channel.awaitTermination(CLOSE_TIMEOUT.toMillis(), MILLISECONDS);
    } catch (InterruptedException e) {
      Thread.currentThread().interrupt();
    } finally {
      channel.shutdownNow();
    }
  }

  /** Returns the target of the connection. */
  @Override
  public String toString() {
    return "VCenterGateway(" + authority() + ")";
  }

  /** Options of a connection. */
  public static final class Builder {
    private final String target;
    private final ChannelCredentials security;
    private GatewayCredentials credentials;
    private String vcenter;
    private Duration defaultDeadline = Duration.ofSeconds(60);
    private Duration keepAliveTime = Duration.ofSeconds(60);
    private Map<String, ?> serviceConfig = defaultServiceConfig();
    private Consumer<ManagedChannelBuilder<?>> configuration = channel -> {};

    private Builder(String target, ChannelCredentials security) {
      this.target = Objects.requireNonNull(target, "target");
      this.security = Objects.requireNonNull(security, "security");
    }

    /**
     * Identity for all calls. Defaults to none.
     *
     * @see io.grpc.stub.AbstractStub#withCallCredentials
     */
    public Builder credentials(GatewayCredentials credentials) {
      this.credentials = credentials;
      return this;
    }

    /**
     * The vCenter for all calls, if one address serves several. Defaults to none.
     *
     * <p>A call can select another one with its metadata {@code x-vcenter}.
     *
     * @throws IllegalArgumentException if the name is not valid
     * @see io.grpc.stub.MetadataUtils#newAttachHeadersInterceptor
     */
    public Builder vcenter(String name) {
      GatewayCredentials.requireVisible("the name of a vCenter", name);
      this.vcenter = name;
      return this;
    }

    /**
     * Deadline for calls without their own. Defaults to 60 seconds; zero means no deadline. Does
     * not apply to streams.
     *
     * <p>A deadline of the stub or the current {@link Context} takes precedence, whether it is
     * shorter or longer.
     *
     * @throws IllegalArgumentException if it is negative
     */
    public Builder defaultDeadline(Duration deadline) {
      if (deadline.isNegative()) {
        throw new IllegalArgumentException("the deadline must not be negative: " + deadline);
      }
      this.defaultDeadline = deadline;
      return this;
    }

    /**
     * How long a connection with calls in flight is idle before it is probed. Defaults to 60
     * seconds.
     *
     * @throws IllegalArgumentException if it is less than 30 seconds
     */
    public Builder keepAliveTime(Duration time) {
      if (time.compareTo(SHORTEST_KEEP_ALIVE_TIME) < 0) {
        throw new IllegalArgumentException(
            "the keepalive time must be at least 30 seconds: " + time);
      }
      this.keepAliveTime = time;
      return this;
    }

    /**
     * gRPC's service config. Defaults to {@link VCenterGateway#defaultServiceConfig}.
     *
     * @see ManagedChannelBuilder#defaultServiceConfig
     */
    public Builder serviceConfig(Map<String, ?> serviceConfig) {
      this.serviceConfig = Objects.requireNonNull(serviceConfig, "serviceConfig");
      return this;
    }

    /**
     * Additional gRPC settings, for example interceptors, an executor or the maximum message size.
     * They take precedence over the settings above.
     */
    public Builder configureChannel(Consumer<ManagedChannelBuilder<?>> configuration) {
      this.configuration = this.configuration.andThen(configuration);
      return this;
    }

    /**
     * Creates the connection. It connects with the first call.
     *
     * @throws IllegalArgumentException if the target is not valid, or the credentials would be sent
     *     to another machine in plain text
     * @see GatewayCredentials#allowingPlaintext
     */
    public VCenterGateway connect() {
      if (credentials != null
          && !credentials.isPlaintextAllowed()
          && security.withoutBearerTokens() instanceof InsecureChannelCredentials
          && !Target.isLocal(target)) {
        throw new IllegalArgumentException(
            "credentials cannot be sent in plain text to another machine: " + target);
      }
      ManagedChannelBuilder<?> channel =
          Grpc.newChannelBuilder(target, security)
              .maxInboundMessageSize(LARGEST_RESPONSE)
              .defaultServiceConfig(serviceConfig)
              .enableRetry()
              .keepAliveTime(keepAliveTime.toMillis(), MILLISECONDS)
              .keepAliveTimeout(KEEP_ALIVE_TIMEOUT.toMillis(), MILLISECONDS);
      configuration.accept(channel);
      return new VCenterGateway(channel.build(), credentials, vcenter, defaultDeadline);
    }
  }
}
