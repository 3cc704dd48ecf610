package io.github.vcentergateway;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertThrows;

import io.github.vcentergateway.vcenter.gateway.v1.GatewayServiceGrpc;
import io.github.vcentergateway.vcenter.gateway.v1.GuestServiceGrpc;
import io.github.vcentergateway.vcenter.gateway.v1.RunProgramRequest;
import io.github.vcentergateway.vcenter.gateway.v1.RunProgramResponse;
import io.github.vcentergateway.vcenter.gateway.v1.UploadFileRequest;
import io.github.vcentergateway.vcenter.gateway.v1.UploadFileResponse;
import io.github.vcentergateway.vcenter.gateway.v1.WatchGatewayRequest;
import io.github.vcentergateway.vcenter.v1.ListVmsRequest;
import io.github.vcentergateway.vcenter.v1.VmServiceGrpc;
import io.github.vcentergateway.vcenter.vm.hardware.v1.CdromServiceGrpc;
import io.github.vcentergateway.vcenter.vm.hardware.v1.CreateCdromRequest;
import io.grpc.Channel;
import io.grpc.ClientInterceptors;
import io.grpc.InsecureChannelCredentials;
import io.grpc.InsecureServerCredentials;
import io.grpc.Metadata;
import io.grpc.stub.MetadataUtils;
import io.grpc.stub.StreamObserver;
import java.io.IOException;
import java.util.ArrayList;
import java.util.List;
import java.util.concurrent.CompletableFuture;
import org.junit.jupiter.api.AfterEach;
import org.junit.jupiter.api.BeforeEach;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.Timeout;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.ValueSource;

@Timeout(60)
class VCenterTest {
  private static final Metadata.Key<String> KEY =
      Metadata.Key.of("x-vcenter", Metadata.ASCII_STRING_MARSHALLER);

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

  /** Makes a read, a change, and a stream of each kind. */
  private void callAll(Channel channel) throws Exception {
    VmServiceGrpc.newBlockingStub(channel).listVms(ListVmsRequest.getDefaultInstance());
    CdromServiceGrpc.newBlockingStub(channel).createCdrom(CreateCdromRequest.getDefaultInstance());
    var states =
        GatewayServiceGrpc.newBlockingStub(channel)
            .watchGateway(WatchGatewayRequest.getDefaultInstance());
    server.streams.take().observer.onCompleted();
    states.forEachRemaining(state -> {});
    Ended<UploadFileResponse> uploaded = new Ended<>();
    StreamObserver<UploadFileRequest> upload =
        GuestServiceGrpc.newStub(channel).uploadFile(uploaded);
    upload.onNext(UploadFileRequest.getDefaultInstance());
    FakeGateway.Dialog<UploadFileRequest, UploadFileResponse> served = server.uploads.take();
    served.observer.onNext(UploadFileResponse.getDefaultInstance());
    served.observer.onCompleted();
    uploaded.get();
    Ended<RunProgramResponse> ran = new Ended<>();
    StreamObserver<RunProgramRequest> run = GuestServiceGrpc.newStub(channel).runProgram(ran);
    run.onNext(RunProgramRequest.getDefaultInstance());
    server.programs.take().observer.onCompleted();
    ran.get();
  }

  /** The vCenters that the calls so far named. */
  private List<String> named() {
    List<String> names = new ArrayList<>();
    for (Metadata call : server.calls) {
      Iterable<String> values = call.getAll(KEY);
      if (values != null) {
        values.forEach(names::add);
      }
    }
    return names;
  }

  @Test
  void callsAndStreamsOfEachKindNameTheVCenterOfTheConnection() throws Exception {
    try (VCenterGateway gateway = builder().vcenter("east").connect()) {
      callAll(gateway);
    }
    assertEquals(List.of("east", "east", "east", "east", "east"), named());
  }

  @Test
  void aCallMayNameAnother() throws Exception {
    Metadata own = new Metadata();
    own.put(KEY, "west");
    try (VCenterGateway gateway = builder().vcenter("east").connect()) {
      callAll(
          ClientInterceptors.intercept(gateway, MetadataUtils.newAttachHeadersInterceptor(own)));
    }
    assertEquals(List.of("west", "west", "west", "west", "west"), named());
  }

  @Test
  void aConnectionWithoutOneNamesNone() throws Exception {
    try (VCenterGateway gateway = builder().connect()) {
      callAll(gateway);
    }
    assertEquals(List.of(), named());
    assertEquals(5, server.calls.size());
  }

  @ParameterizedTest
  @ValueSource(strings = {"", "east west", "east\n", "öst"})
  void aNameThatCannotBeSentIsRefused(String name) {
    assertThrows(IllegalArgumentException.class, () -> builder().vcenter(name));
  }

  /** Whether a call has ended, and how. */
  private static final class Ended<T> extends CompletableFuture<Void> implements StreamObserver<T> {
    @Override
    public void onNext(T message) {}

    @Override
    public void onError(Throwable failure) {
      completeExceptionally(failure);
    }

    @Override
    public void onCompleted() {
      complete(null);
    }
  }
}
