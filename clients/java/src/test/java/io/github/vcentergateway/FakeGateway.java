package io.github.vcentergateway;

import static java.util.concurrent.TimeUnit.MILLISECONDS;

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
import io.grpc.stub.StreamObserver;
import java.io.IOException;
import java.time.Duration;
import java.util.List;
import java.util.Optional;
import java.util.Queue;
import java.util.concurrent.ConcurrentLinkedQueue;
import java.util.concurrent.CopyOnWriteArrayList;

/** A gRPC server on a port of its own, which notes the calls that arrive. */
final class FakeGateway implements AutoCloseable {
  /** What the next calls fail with; calls succeed when there is nothing more. */
  final Queue<StatusRuntimeException> failures = new ConcurrentLinkedQueue<>();

  /** Metadata of the calls so far. */
  final List<Metadata> calls = new CopyOnWriteArrayList<>();

  /** Time that each of them had left when it arrived. */
  final List<Optional<Duration>> deadlines = new CopyOnWriteArrayList<>();

  private final HealthStatusManager health = new HealthStatusManager();
  private final Server server;

  FakeGateway(ServerCredentials security) throws IOException {
    health.setStatus("clients", ServingStatus.SERVING);
    server =
        Grpc.newServerBuilderForPort(0, security)
            .addService(ServerInterceptors.intercept(new VmService(), new Recorder()))
            .addService(ServerInterceptors.intercept(new CdromService(), new Recorder()))
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
