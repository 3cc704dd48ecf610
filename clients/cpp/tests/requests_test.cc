#include <google/rpc/error_details.pb.h>
#include <google/rpc/status.pb.h>
#include <grpcpp/client_context.h>
#include <gtest/gtest.h>

#include <chrono>
#include <memory>
#include <string>

#include "fake_gateway.h"
#include "vcenter_gateway/connect.h"
#include "vcenter_gateway/error.h"

namespace vcenter_gateway {
namespace {

using grpc::StatusCode;
using std::chrono::milliseconds;
using std::chrono::system_clock;
using vcenter::gateway::v1::GuestService;
using vcenter::gateway::v1::REASON_GATEWAY_STOPPING;
using vcenter::gateway::v1::RunProgramRequest;
using vcenter::gateway::v1::RunProgramResponse;
using vcenter::gateway::v1::UploadFileRequest;
using vcenter::gateway::v1::UploadFileResponse;

UploadFileRequest Chunk(const std::string& content) {
  UploadFileRequest request;
  request.set_chunk(content);
  return request;
}

RunProgramRequest Input(const std::string& content) {
  RunProgramRequest request;
  request.set_input(content);
  return request;
}

/// A call with a stream of requests and one response, as the client sees it.
struct Upload {
  explicit Upload(const std::shared_ptr<grpc::Channel>& channel,
                  system_clock::time_point deadline = system_clock::time_point::max()) {
    context.set_deadline(deadline);
    writer = GuestService::NewStub(channel)->UploadFile(&context, &response);
  }

  /// How the call ended, when there is nothing more to send.
  grpc::Status End() {
    writer->WritesDone();
    return writer->Finish();
  }

  grpc::ClientContext context;
  UploadFileResponse response;
  std::unique_ptr<grpc::ClientWriter<UploadFileRequest>> writer;
};

/// A call that streams in both directions, as the client sees it.
struct Program {
  explicit Program(const std::shared_ptr<grpc::Channel>& channel)
      : stream(GuestService::NewStub(channel)->RunProgram(&context)) {}

  grpc::ClientContext context;
  std::unique_ptr<grpc::ClientReaderWriter<RunProgramRequest, RunProgramResponse>> stream;
};

TEST(Requests, ArriveOneByOneAndAreAnsweredOnce) {
  FakeGateway gateway;
  Upload upload(Connect(gateway.Target()));
  auto& served = gateway.NextUpload();
  for (const std::string content : {"first", "second"}) {
    // The next one is sent only when this one has arrived.
    ASSERT_TRUE(upload.writer->Write(Chunk(content)));
    UploadFileRequest arrived;
    ASSERT_TRUE(served.Read(&arrived));
    EXPECT_EQ(arrived.chunk(), content);
  }
  ASSERT_TRUE(upload.writer->WritesDone());
  UploadFileRequest none;
  EXPECT_FALSE(served.Read(&none));
  served.Response().set_size(11);
  served.End(grpc::Status::OK);
  EXPECT_TRUE(upload.writer->Finish().ok());
  EXPECT_EQ(upload.response.size(), 11);
}

TEST(Requests, AlternateWithMessages) {
  FakeGateway gateway;
  Program program(Connect(gateway.Target()));
  auto& served = gateway.NextProgram();
  for (const std::string content : {"first", "second"}) {
    ASSERT_TRUE(program.stream->Write(Input(content)));
    RunProgramRequest arrived;
    ASSERT_TRUE(served.Read(&arrived));
    RunProgramResponse answer;
    answer.set_output(arrived.input());
    served.Send(answer);
    RunProgramResponse message;
    ASSERT_TRUE(program.stream->Read(&message));
    EXPECT_EQ(message.output(), content);
  }
  ASSERT_TRUE(program.stream->WritesDone());
  served.End(grpc::Status::OK);
  RunProgramResponse none;
  EXPECT_FALSE(program.stream->Read(&none));
  EXPECT_TRUE(program.stream->Finish().ok());
}

TEST(Requests, CarryTheCredentialsAndHaveNoDeadline) {
  FakeGateway gateway;
  ConnectOptions options;
  options.credentials = Credentials::Session("own");
  options.default_deadline = milliseconds(1);
  const auto channel = Connect(gateway.Target(), options);

  Upload upload(channel);
  auto& uploaded = gateway.NextUpload();
  EXPECT_EQ(gateway.Metadata("vmware-api-session-id"), "own");
  EXPECT_EQ(uploaded.Deadline(), system_clock::time_point::max());
  uploaded.End(grpc::Status::OK);
  EXPECT_TRUE(upload.End().ok());

  Program program(channel);
  auto& run = gateway.NextProgram();
  EXPECT_EQ(gateway.Metadata("vmware-api-session-id"), "own");
  EXPECT_EQ(run.Deadline(), system_clock::time_point::max());
  run.End(grpc::Status::OK);
  RunProgramResponse none;
  EXPECT_FALSE(program.stream->Read(&none));
  EXPECT_TRUE(program.stream->Finish().ok());
}

TEST(Requests, EndAtTheirOwnDeadlineAndLeaveOpenWhatBecameOfThem) {
  FakeGateway gateway;
  Upload upload(Connect(gateway.Target()), system_clock::now() + milliseconds(2000));
  auto& served = gateway.NextUpload();
  const Error error = Error::FromStatus(upload.End());
  EXPECT_EQ(error.code, StatusCode::DEADLINE_EXCEEDED);
  EXPECT_TRUE(error.may_have_executed);
  served.WaitForCancel();
}

TEST(Requests, EndWithATypedErrorAndAreSentOnce) {
  FakeGateway gateway;
  google::rpc::ErrorInfo info;
  info.set_reason("GATEWAY_STOPPING");
  info.set_domain("vcenter-gateway");
  google::rpc::Status rich;
  rich.set_code(StatusCode::UNAVAILABLE);
  rich.add_details()->PackFrom(info);
  Upload upload(Connect(gateway.Target()));
  gateway.NextUpload().End({StatusCode::UNAVAILABLE, "this replica stops", rich.SerializeAsString()});
  while (upload.writer->Write(Chunk("more"))) {
  }
  const Error error = Error::FromStatus(upload.writer->Finish());
  EXPECT_EQ(error.code, StatusCode::UNAVAILABLE);
  EXPECT_EQ(error.gateway_reason, REASON_GATEWAY_STOPPING);
  EXPECT_FALSE(error.may_have_executed);
  EXPECT_EQ(gateway.Calls(), 1);
}

TEST(Requests, CanBeCancelledWhileTheyGoOn) {
  FakeGateway gateway;
  Program program(Connect(gateway.Target()));
  auto& served = gateway.NextProgram();
  ASSERT_TRUE(program.stream->Write(Input("first")));
  program.context.TryCancel();
  served.WaitForCancel();
  RunProgramResponse none;
  EXPECT_FALSE(program.stream->Read(&none));
  const Error error = Error::FromStatus(program.stream->Finish());
  EXPECT_EQ(error.code, StatusCode::CANCELLED);
  EXPECT_TRUE(error.may_have_executed);
}

}  // namespace
}  // namespace vcenter_gateway
