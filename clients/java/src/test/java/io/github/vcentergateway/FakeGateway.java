package io.github.vcentergateway;

import static java.util.concurrent.TimeUnit.MILLISECONDS;

import io.github.vcentergateway.vcenter.gateway.v1.GatewayServiceGrpc;
import io.github.vcentergateway.vcenter.gateway.v1.GuestServiceGrpc;
import io.github.vcentergateway.vcenter.gateway.v1.RunProgramRequest;
import io.github.vcentergateway.vcenter.gateway.v1.RunProgramResponse;
import io.github.vcentergateway.vcenter.gateway.v1.UploadFileRequest;
import io.github.vcentergateway.vcenter.gateway.v1.UploadFileResponse;
import io.github.vcentergateway.vcenter.gateway.v1.WatchGatewayRequest;
import io.github.vcentergateway.vcenter.gateway.v1.WatchGatewayResponse;
import io.github.vcentergateway.vcenter.v1.ListVmsRequest;
import io.github.vcentergateway.vcenter.v1.ListVmsResponse;
import io.github.vcentergateway.vcenter.v1.VmServiceGrpc;
import io.github.vcentergateway.vcenter.vm.hardware.v1.CdromServiceGrpc;
import io.github.vcentergateway.vcenter.vm.hardware.v1.CreateCdromRequest;
import io.github.vcentergateway.vcenter.vm.hardware.v1.CreateCdromResponse;
import io.grpc.Context;
import io.grpc.Grpc;
import io.grpc.Metadata;
import io.grpc.Server;
import io.grpc.ServerCall;
import io.grpc.ServerCallHandler;
import io.grpc.ServerCredentials;
import io.grpc.ServerInterceptor;
import io.grpc.ServerInterceptors;
import io.grpc.StatusRuntimeException;
import io.grpc.health.v1.HealthCheckResponse.ServingStatus;
import io.grpc.protobuf.services.HealthStatusManager;
import io.grpc.stub.ServerCallStreamObserver;
import io.grpc.stub.StreamObserver;
import java.io.IOException;
import java.time.Duration;
import java.util.List;
import java.util.Optional;
import java.util.Queue;
import java.util.concurrent.BlockingQueue;
import java.util.concurrent.ConcurrentLinkedQueue;
import java.util.concurrent.CopyOnWriteArrayList;
import java.util.concurrent.CountDownLatch;
import java.util.concurrent.LinkedBlockingQueue;
import java.util.logging.Level;
import java.util.logging.Logger;

/** A gRPC server on a port of its own, which notes the calls that arrive. */
final class FakeGateway implements AutoCloseable {
  // What gRPC says of calls that tests let fail. Loggers that nobody holds forget their level.
  private static final Logger GRPC = Logger.getLogger("io.grpc");

  static {
    GRPC.setLevel(Level.SEVERE);
  }

  /** What the next calls fail with; calls succeed when there is nothing more. */
  final Queue<StatusRuntimeException> failures = new ConcurrentLinkedQueue<>();

  /** Metadata of the calls so far. */
  final List<Metadata> calls = new CopyOnWriteArrayList<>();

  /** Time that each of them had left when it arrived. */
  final List<Optional<Duration>> deadlines = new CopyOnWriteArrayList<>();

  /** The streams that were opened, for the test to feed. */
  final BlockingQueue<Stream> streams = new LinkedBlockingQueue<>();

  /** The calls of {@code UploadFile} so far, for the test to answer. */
  final BlockingQueue<Dialog<UploadFileRequest, UploadFileResponse>> uploads =
      new LinkedBlockingQueue<>();

  /** The calls of {@code RunProgram} so far, likewise. */
  final BlockingQueue<Dialog<RunProgramRequest, RunProgramResponse>> programs =
      new LinkedBlockingQueue<>();

  /** Whether calls get no answer. */
  volatile boolean silent;

  private final HealthStatusManager health = new HealthStatusManager();
  private final Server server;

  FakeGateway(ServerCredentials security) throws IOException {
    health.setStatus("clients", ServingStatus.SERVING);
    server =
        Grpc.newServerBuilderForPort(0, security)
            .addService(ServerInterceptors.intercept(new VmService(), new Recorder()))
            .addService(ServerInterceptors.intercept(new CdromService(), new Recorder()))
            .addService(ServerInterceptors.intercept(new GatewayService(), new Recorder()))
            .addService(ServerInterceptors.intercept(new GuestService(), new Recorder()))
            .addService(health.getHealthService())
            .build()
            .start();
  }

  String target() {
    return "127.0.0.1:" + server.getPort();
  }

  /** Tells clients to leave; calls are still taken. */
  void sendClientsAway() {
    health.setStatus("clients", ServingStatus.NOT_SERVING);
  }

  /** Value that the last call had for a key of its metadata. */
  String lastCall(String key) {
    return calls.get(calls.size() - 1).get(Metadata.Key.of(key, Metadata.ASCII_STRING_MARSHALLER));
  }

  @Override
  public void close() {
    server.shutdownNow();
  }

  private <T> void answer(T response, StreamObserver<T> caller) {
    StatusRuntimeException failure = failures.poll();
    if (silent) {
      return;
    }
    if (failure != null) {
      caller.onError(failure);
    } else {
      caller.onNext(response);
      caller.onCompleted();
    }
  }

  private final class VmService extends VmServiceGrpc.VmServiceImplBase {
    @Override
    public void listVms(ListVmsRequest request, StreamObserver<ListVmsResponse> caller) {
      answer(ListVmsResponse.getDefaultInstance(), caller);
    }
  }

  private final class CdromService extends CdromServiceGrpc.CdromServiceImplBase {
    @Override
    public void createCdrom(
        CreateCdromRequest request, StreamObserver<CreateCdromResponse> caller) {
      answer(CreateCdromResponse.getDefaultInstance(), caller);
    }
  }

  private final class GatewayService extends GatewayServiceGrpc.GatewayServiceImplBase {
    @Override
    public void watchGateway(
        WatchGatewayRequest request, StreamObserver<WatchGatewayResponse> caller) {
      StatusRuntimeException failure = failures.poll();
      if (failure != null) {
        caller.onError(failure);
      } else {
        streams.add(new Stream((ServerCallStreamObserver<WatchGatewayResponse>) caller));
      }
    }
  }

  private final class GuestService extends GuestServiceGrpc.GuestServiceImplBase {
    @Override
    public StreamObserver<UploadFileRequest> uploadFile(StreamObserver<UploadFileResponse> caller) {
      return begin(caller, uploads);
    }

    @Override
    public StreamObserver<RunProgramRequest> runProgram(StreamObserver<RunProgramResponse> caller) {
      return begin(caller, programs);
    }

    private <A, B> StreamObserver<A> begin(
        StreamObserver<B> caller, BlockingQueue<Dialog<A, B>> calls) {
      Dialog<A, B> dialog = new Dialog<>((ServerCallStreamObserver<B>) caller);
      calls.add(dialog);
      return dialog;
    }
  }

  /**
   * A call with a stream of requests. It lasts until the test ends it, or the client cancels it.
   */
  static final class Dialog<RequestT, ResponseT> implements StreamObserver<RequestT> {
    final StreamObserver<ResponseT> observer;
    final CountDownLatch cancelled = new CountDownLatch(1);

    /** The requests as they arrive. Nothing follows the last. */
    final BlockingQueue<Optional<RequestT>> requests = new LinkedBlockingQueue<>();

    private Dialog(ServerCallStreamObserver<ResponseT> caller) {
      observer = caller;
      caller.setOnCancelHandler(cancelled::countDown);
    }

    @Override
    public void onNext(RequestT request) {
      requests.add(Optional.of(request));
    }

    @Override
    public void onError(Throwable cancelled) {}

    @Override
    public void onCompleted() {
      requests.add(Optional.empty());
    }
  }

  /** A stream that is open until the test ends it, or the client cancels it. */
  static final class Stream {
    final StreamObserver<WatchGatewayResponse> observer;
    final CountDownLatch cancelled = new CountDownLatch(1);

    private Stream(ServerCallStreamObserver<WatchGatewayResponse> caller) {
      observer = caller;
      caller.setOnCancelHandler(cancelled::countDown);
    }
  }

  private final class Recorder implements ServerInterceptor {
    @Override
    public <A, B> ServerCall.Listener<A> interceptCall(
        ServerCall<A, B> call, Metadata headers, ServerCallHandler<A, B> next) {
      calls.add(headers);
      deadlines.add(
          Optional.ofNullable(Context.current().getDeadline())
              .map(deadline -> Duration.ofMillis(deadline.timeRemaining(MILLISECONDS))));
      return next.startCall(call, headers);
    }
  }
}
