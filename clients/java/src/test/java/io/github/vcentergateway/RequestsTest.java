package io.github.vcentergateway;

import static java.util.concurrent.TimeUnit.MILLISECONDS;
import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertFalse;
import static org.junit.jupiter.api.Assertions.assertNull;
import static org.junit.jupiter.api.Assertions.assertThrows;
import static org.junit.jupiter.api.Assertions.assertTrue;

import com.google.protobuf.Any;
import com.google.protobuf.ByteString;
import com.google.rpc.Code;
import com.google.rpc.ErrorInfo;
import io.github.vcentergateway.vcenter.gateway.v1.GuestServiceGrpc;
import io.github.vcentergateway.vcenter.gateway.v1.Reason;
import io.github.vcentergateway.vcenter.gateway.v1.RunProgramRequest;
import io.github.vcentergateway.vcenter.gateway.v1.RunProgramResponse;
import io.github.vcentergateway.vcenter.gateway.v1.UploadFileRequest;
import io.github.vcentergateway.vcenter.gateway.v1.UploadFileResponse;
import io.grpc.InsecureChannelCredentials;
import io.grpc.InsecureServerCredentials;
import io.grpc.Status;
import io.grpc.StatusException;
import io.grpc.protobuf.StatusProto;
import io.grpc.stub.BlockingClientCall;
import java.io.IOException;
import java.time.Duration;
import java.util.List;
import java.util.Optional;
import java.util.Set;
import org.junit.jupiter.api.AfterEach;
import org.junit.jupiter.api.BeforeEach;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.Timeout;

/** Calls with a stream of requests. */
@Timeout(60)
class RequestsTest {
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

  private static BlockingClientCall<UploadFileRequest, UploadFileResponse> upload(
      VCenterGateway gateway) {
    return GuestServiceGrpc.newBlockingV2Stub(gateway).uploadFile();
  }

  private static BlockingClientCall<RunProgramRequest, RunProgramResponse> run(
      VCenterGateway gateway) {
    return GuestServiceGrpc.newBlockingV2Stub(gateway).runProgram();
  }

  private static UploadFileRequest chunk(String content) {
    return UploadFileRequest.newBuilder().setChunk(ByteString.copyFromUtf8(content)).build();
  }

  private static RunProgramRequest input(String content) {
    return RunProgramRequest.newBuilder().setInput(ByteString.copyFromUtf8(content)).build();
  }

  /** What a call fails with, now. */
  private static VCenterException failure(BlockingClientCall<?, ?> call) {
    return VCenterException.from(assertThrows(StatusException.class, call::read));
  }

  @Test
  void requestsArriveOneByOneAndAreAnsweredOnce() throws Exception {
    try (VCenterGateway gateway = builder().connect()) {
      BlockingClientCall<UploadFileRequest, UploadFileResponse> call = upload(gateway);
      FakeGateway.Dialog<UploadFileRequest, UploadFileResponse> dialog = server.uploads.take();
      for (UploadFileRequest request : List.of(chunk("first"), chunk("second"))) {
        // The next one is sent only when this one has arrived.
        assertTrue(call.write(request));
        assertEquals(Optional.of(request), dialog.requests.take());
      }
      call.halfClose();
      assertEquals(Optional.empty(), dialog.requests.take());
      UploadFileResponse response = UploadFileResponse.newBuilder().setSize(11).build();
      dialog.observer.onNext(response);
      dialog.observer.onCompleted();
      assertEquals(response, call.read());
      assertNull(call.read());
    }
  }

  @Test
  void requestsAndMessagesAlternate() throws Exception {
    try (VCenterGateway gateway = builder().connect()) {
      BlockingClientCall<RunProgramRequest, RunProgramResponse> call = run(gateway);
      FakeGateway.Dialog<RunProgramRequest, RunProgramResponse> dialog = server.programs.take();
      for (String text : List.of("first", "second")) {
        assertTrue(call.write(input(text)));
        ByteString arrived = dialog.requests.take().orElseThrow().getInput();
        dialog.observer.onNext(RunProgramResponse.newBuilder().setOutput(arrived).build());
        assertEquals(text, call.read().getOutput().toStringUtf8());
      }
      call.halfClose();
      assertEquals(Optional.empty(), dialog.requests.take());
      dialog.observer.onCompleted();
      assertNull(call.read());
    }
  }

  @Test
  void aStreamOfRequestsCarriesTheCredentialsAndHasNoDeadline() throws Exception {
    try (VCenterGateway gateway =
        builder()
            .credentials(GatewayCredentials.session("own"))
            .defaultDeadline(Duration.ofNanos(1))
            .connect()) {
      BlockingClientCall<UploadFileRequest, UploadFileResponse> call = upload(gateway);
      FakeGateway.Dialog<UploadFileRequest, UploadFileResponse> dialog = server.uploads.take();
      assertEquals("own", server.lastCall("vmware-api-session-id"));
      dialog.observer.onNext(UploadFileResponse.getDefaultInstance());
      dialog.observer.onCompleted();
      assertEquals(UploadFileResponse.getDefaultInstance(), call.read());

      BlockingClientCall<RunProgramRequest, RunProgramResponse> program = run(gateway);
      server.programs.take().observer.onCompleted();
      assertEquals("own", server.lastCall("vmware-api-session-id"));
      assertNull(program.read());
      assertEquals(List.of(Optional.empty(), Optional.empty()), server.deadlines);
    }
  }

  @Test
  void aDeadlineOfItsOwnEndsItAtBothEnds() throws Exception {
    try (VCenterGateway gateway = builder().connect()) {
      BlockingClientCall<UploadFileRequest, UploadFileResponse> call =
          GuestServiceGrpc.newBlockingV2Stub(gateway)
              .withDeadlineAfter(1000, MILLISECONDS)
              .uploadFile();
      FakeGateway.Dialog<UploadFileRequest, UploadFileResponse> dialog = server.uploads.take();
      VCenterException error = failure(call);
      assertEquals(Status.Code.DEADLINE_EXCEEDED, error.getCode());
      assertTrue(error.mayHaveExecuted());
      dialog.cancelled.await();
    }
  }

  @Test
  void anErrorEndsItWhileRequestsGoOnAndItIsSentOnce() throws Exception {
    try (VCenterGateway gateway = builder().connect()) {
      BlockingClientCall<UploadFileRequest, UploadFileResponse> call = upload(gateway);
      assertTrue(call.write(chunk("first")));
      ErrorInfo info =
          ErrorInfo.newBuilder().setReason("GATEWAY_STOPPING").setDomain("vcenter-gateway").build();
      server
          .uploads
          .take()
          .observer
          .onError(
              StatusProto.toStatusRuntimeException(
                  com.google.rpc.Status.newBuilder()
                      .setCode(Code.UNAVAILABLE_VALUE)
                      .addDetails(Any.pack(info))
                      .build()));
      VCenterException error = failure(call);
      assertEquals(Status.Code.UNAVAILABLE, error.getCode());
      assertEquals(Reason.REASON_GATEWAY_STOPPING, error.getGatewayReason());
      assertFalse(error.mayHaveExecuted());
      assertEquals(1, server.calls.size());
    }
  }

  @Test
  void cancellingReachesTheServer() throws Exception {
    try (VCenterGateway gateway = builder().connect()) {
      BlockingClientCall<RunProgramRequest, RunProgramResponse> call = run(gateway);
      FakeGateway.Dialog<RunProgramRequest, RunProgramResponse> dialog = server.programs.take();
      call.cancel("no longer needed", null);
      VCenterException error = failure(call);
      assertEquals(Status.Code.CANCELLED, error.getCode());
      assertTrue(error.mayHaveExecuted());
      dialog.cancelled.await();
    }
  }

  @Test
  void aLostConnectionLeavesOpenWhatBecameOfIt() throws Exception {
    try (VCenterGateway gateway = builder().connect()) {
      BlockingClientCall<UploadFileRequest, UploadFileResponse> call = upload(gateway);
      server.uploads.take();
      server.close();
      VCenterException error = failure(call);
      // The server says that it cancels the call, if that comes before the end of the connection.
      assertTrue(
          Set.of(Status.Code.UNAVAILABLE, Status.Code.CANCELLED).contains(error.getCode()),
          error::getMessage);
      assertTrue(error.mayHaveExecuted());
    }
  }
}
