#include <grpcpp/alarm.h>
#include <grpcpp/client_context.h>
#include <grpcpp/completion_queue.h>
#include <gtest/gtest.h>

#include <chrono>
#include <future>
#include <memory>

#include "calls.h"
#include "fake_gateway.h"
#include "vcenter_gateway/connect.h"

namespace vcenter_gateway {
namespace {

using grpc::StatusCode;
using std::chrono::milliseconds;
using vcenter::vm::hardware::v1::ListCdromsRequest;
using vcenter::vm::hardware::v1::ListCdromsResponse;

class DefaultDeadline : public ::testing::Test {
 protected:
  DefaultDeadline() { gateway_.Hold(); }

  std::shared_ptr<grpc::Channel> Channel(milliseconds deadline) const {
    ConnectOptions options;
    options.default_deadline = deadline;
    return Connect(gateway_.Target(), options);
  }

  FakeGateway gateway_;
};

TEST_F(DefaultDeadline, IsAMinute) { EXPECT_EQ(ConnectOptions().default_deadline, std::chrono::minutes(1)); }

TEST_F(DefaultDeadline, EndsABlockingCall) {
  const grpc::Status status = Read(Channel(milliseconds(100)));
  EXPECT_EQ(status.error_code(), StatusCode::DEADLINE_EXCEEDED);
  EXPECT_EQ(status.error_message(), "Deadline Exceeded");
}

TEST_F(DefaultDeadline, EndsAnAsynchronousCall) {
  const auto stub = CdromService::NewStub(Channel(milliseconds(100)));
  grpc::ClientContext context;
  grpc::CompletionQueue queue;
  ListCdromsResponse response;
  grpc::Status status;
  const auto call = stub->AsyncListCdroms(&context, ListCdromsRequest(), &queue);
  call->Finish(&response, &status, nullptr);
  void* tag = nullptr;
  bool ok = false;
  ASSERT_TRUE(queue.Next(&tag, &ok));
  EXPECT_EQ(status.error_code(), StatusCode::DEADLINE_EXCEEDED);
}

TEST_F(DefaultDeadline, EndsACallWithACallback) {
  const auto stub = CdromService::NewStub(Channel(milliseconds(100)));
  grpc::ClientContext context;
  const ListCdromsRequest request;
  ListCdromsResponse response;
  std::promise<grpc::Status> done;
  stub->async()->ListCdroms(&context, &request, &response, [&](const grpc::Status& status) { done.set_value(status); });
  EXPECT_EQ(done.get_future().get().error_code(), StatusCode::DEADLINE_EXCEEDED);
}

TEST_F(DefaultDeadline, EndsACallThatNobodyAnswers) {
  ConnectOptions options;
  options.default_deadline = milliseconds(100);
  grpc::ClientContext context;
  context.set_wait_for_ready(true);
  EXPECT_EQ(Read(Connect("127.0.0.1:1", options), context).error_code(), StatusCode::DEADLINE_EXCEEDED);
}

TEST_F(DefaultDeadline, LeavesACallItsOwn) {
  const auto channel = Channel(milliseconds(100));
  auto longer = std::async(std::launch::async, [&] {
    grpc::ClientContext context;
    context.set_deadline(std::chrono::system_clock::now() + std::chrono::minutes(1));
    return Read(channel, context);
  });
  gateway_.WaitForCalls(1);
  EXPECT_EQ(Read(channel).error_code(), StatusCode::DEADLINE_EXCEEDED);
  gateway_.Release();
  EXPECT_TRUE(longer.get().ok());
}

TEST_F(DefaultDeadline, CanBeSwitchedOff) {
  auto endless = std::async(std::launch::async, [&] { return Read(Channel(milliseconds(0))); });
  gateway_.WaitForCalls(1);
  EXPECT_EQ(Read(Channel(milliseconds(100))).error_code(), StatusCode::DEADLINE_EXCEEDED);
  gateway_.Release();
  EXPECT_TRUE(endless.get().ok());
}

TEST_F(DefaultDeadline, DoesNotHideThatTheCallerCancelled) {
  const auto channel = Channel(std::chrono::minutes(1));
  grpc::ClientContext context;
  auto call = std::async(std::launch::async, [&] { return Read(channel, context); });
  gateway_.WaitForCalls(1);
  context.TryCancel();
  EXPECT_EQ(call.get().error_code(), StatusCode::CANCELLED);
}

TEST_F(DefaultDeadline, DoesNotTouchCallsThatAreInTime) {
  gateway_.Release();
  const auto channel = Channel(std::chrono::minutes(1));
  for (int i = 0; i < 100; ++i) EXPECT_TRUE(Read(channel).ok());
}

TEST_F(DefaultDeadline, MayComeAtAnyMoment) {
  gateway_.Release();
  const auto channel = Channel(milliseconds(1));
  for (int i = 0; i < 300; ++i) {
    const StatusCode code = Read(channel).error_code();
    EXPECT_TRUE(code == StatusCode::OK || code == StatusCode::DEADLINE_EXCEEDED) << code;
  }
}

}  // namespace
}  // namespace vcenter_gateway
