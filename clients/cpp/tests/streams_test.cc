#include <gmock/gmock.h>
#include <google/rpc/error_details.pb.h>
#include <google/rpc/status.pb.h>
#include <grpcpp/client_context.h>
#include <gtest/gtest.h>

#include <chrono>
#include <future>
#include <memory>
#include <mutex>
#include <stdexcept>
#include <string>
#include <utility>

#include "fake_gateway.h"
#include "vcenter_gateway/connect.h"
#include "vcenter_gateway/error.h"

namespace vcenter_gateway {
namespace {

using grpc::StatusCode;
using std::chrono::milliseconds;
using std::chrono::system_clock;
using vcenter::gateway::v1::GatewayService;
using vcenter::gateway::v1::REASON_GATEWAY_STOPPING;
using vcenter::gateway::v1::WatchGatewayResponse;

constexpr std::size_t kLargest = std::size_t{32} << 20U;

WatchGatewayResponse State(const std::string& cause) {
  WatchGatewayResponse message;
  message.mutable_state()->set_circuit_cause(cause);
  return message;
}

WatchGatewayResponse Heartbeat() {
  WatchGatewayResponse message;
  message.mutable_heartbeat();
  return message;
}

grpc::Status Stopping() {
  google::rpc::ErrorInfo info;
  info.set_reason("GATEWAY_STOPPING");
  info.set_domain("vcenter-gateway");
  google::rpc::RequestInfo request;
  request.set_request_id("req-1");
  google::rpc::Status rich;
  rich.set_code(StatusCode::UNAVAILABLE);
  rich.add_details()->PackFrom(info);
  rich.add_details()->PackFrom(request);
  return {StatusCode::UNAVAILABLE, "this replica stops", rich.SerializeAsString()};
}

void ExpectStopping(const grpc::Status& status) {
  const Error error = Error::FromStatus(status);
  EXPECT_EQ(error.code, StatusCode::UNAVAILABLE);
  EXPECT_EQ(error.reason, "GATEWAY_STOPPING");
  EXPECT_EQ(error.gateway_reason, REASON_GATEWAY_STOPPING);
  EXPECT_EQ(error.request_id, "req-1");
  EXPECT_FALSE(error.may_have_executed);
}

/// A stream as the client sees it.
struct Watch {
  explicit Watch(const std::shared_ptr<grpc::Channel>& channel)
      : reader(GatewayService::NewStub(channel)->WatchGateway(&context, {})) {}

  Watch(const std::shared_ptr<grpc::Channel>& channel, milliseconds timeout) {
    context.set_deadline(system_clock::now() + timeout);
    reader = GatewayService::NewStub(channel)->WatchGateway(&context, {});
  }

  /// The serialized message that comes next; throws when the stream ends.
  std::string Next() {
    WatchGatewayResponse message;
    if (!reader->Read(&message)) throw std::runtime_error("the stream ended");
    return message.SerializeAsString();
  }

  /// How the stream ended.
  grpc::Status End() {
    WatchGatewayResponse message;
    EXPECT_FALSE(reader->Read(&message));
    return reader->Finish();
  }

  grpc::ClientContext context;
  std::unique_ptr<grpc::ClientReader<WatchGatewayResponse>> reader;
};

TEST(Streams, ArriveMessageByMessage) {
  FakeGateway gateway;
  Watch watch(Connect(gateway.Target()));
  auto& stream = gateway.NextStream();
  for (const auto& message : {State("first"), Heartbeat(), State("second")}) {
    // The next one is sent only when this one has arrived.
    stream.Send(message);
    EXPECT_EQ(watch.Next(), message.SerializeAsString());
  }
  stream.End(grpc::Status::OK);
  EXPECT_TRUE(watch.End().ok());
}

TEST(Streams, CarryTheTokenOfTheirMoment) {
  for (const bool allow_plaintext : {false, true}) {
    FakeGateway gateway;
    // The health checks of the connection ask for tokens as well, so that they cannot be counted.
    std::mutex mutex;
    std::string token;
    ConnectOptions options;
    options.credentials = Credentials::Bearer([&] {
      const std::lock_guard lock(mutex);
      return token;
    });
    options.allow_plaintext_credentials = allow_plaintext;
    const auto channel = Connect(gateway.Target(), options);
    for (const std::string next : {"token-1", "token-2"}) {
      {
        const std::lock_guard lock(mutex);
        token = next;
      }
      Watch watch(channel);
      gateway.NextStream().End(grpc::Status::OK);
      EXPECT_TRUE(watch.End().ok());
      EXPECT_EQ(gateway.Metadata("authorization"), "Bearer " + next);
    }
  }
}

TEST(Streams, HaveNoDeadlineUnlessTheyAreGivenOne) {
  FakeGateway gateway;
  ConnectOptions options;
  options.default_deadline = milliseconds(1);
  const auto channel = Connect(gateway.Target(), options);

  Watch endless(channel);
  auto& stream = gateway.NextStream();
  EXPECT_EQ(stream.Deadline(), system_clock::time_point::max());
  stream.Send(Heartbeat());
  EXPECT_EQ(endless.Next(), Heartbeat().SerializeAsString());

  Watch timed(channel, milliseconds(2000));
  auto& other = gateway.NextStream();
  EXPECT_NE(other.Deadline(), system_clock::time_point::max());
  EXPECT_EQ(timed.End().error_code(), StatusCode::DEADLINE_EXCEEDED);
  other.WaitForCancel();

  stream.Send(Heartbeat());
  EXPECT_EQ(endless.Next(), Heartbeat().SerializeAsString());
  stream.End(grpc::Status::OK);
  EXPECT_TRUE(endless.End().ok());
}

TEST(Streams, EndWithATypedErrorBeforeTheFirstMessage) {
  FakeGateway gateway;
  ConnectOptions options;
  options.service_config.clear();
  gateway.FailNext(Stopping());
  Watch watch(Connect(gateway.Target(), options));
  ExpectStopping(watch.End());
}

TEST(Streams, EndWithATypedErrorInTheMiddleAndAreNotOpenedAgain) {
  FakeGateway gateway;
  Watch watch(Connect(gateway.Target()));
  auto& stream = gateway.NextStream();
  stream.Send(Heartbeat());
  EXPECT_EQ(watch.Next(), Heartbeat().SerializeAsString());
  stream.End(Stopping());
  ExpectStopping(watch.End());
  EXPECT_EQ(gateway.Calls(), 1);
}

TEST(Streams, ThatCouldNotBeOpenedAreOpenedAgain) {
  FakeGateway gateway;
  gateway.FailNext(Stopping());
  Watch watch(Connect(gateway.Target()));
  // A blocking stream makes progress while somebody reads it.
  const auto served = std::async(std::launch::async, [&] {
    auto& stream = gateway.NextStream();
    stream.Send(Heartbeat());
    stream.End(grpc::Status::OK);
  });
  EXPECT_EQ(watch.Next(), Heartbeat().SerializeAsString());
  EXPECT_TRUE(watch.End().ok());
  EXPECT_EQ(gateway.Calls(), 2);
}

TEST(Streams, CanBeCancelled) {
  FakeGateway gateway;
  Watch watch(Connect(gateway.Target()));
  auto& stream = gateway.NextStream();
  stream.Send(Heartbeat());
  EXPECT_EQ(watch.Next(), Heartbeat().SerializeAsString());
  watch.context.TryCancel();
  stream.WaitForCancel();
  EXPECT_EQ(watch.End().error_code(), StatusCode::CANCELLED);
}

TEST(Streams, HaveMessagesOf32MiB) {
  FakeGateway gateway;
  const auto channel = Connect(gateway.Target());
  const std::size_t overhead = State(std::string(kLargest, 'x')).ByteSizeLong() - kLargest;
  for (const auto& [size, expected] : {std::pair(kLargest - 1, StatusCode::OK), std::pair(kLargest, StatusCode::OK),
                                       std::pair(kLargest + 1, StatusCode::RESOURCE_EXHAUSTED)}) {
    Watch watch(channel);
    // Sending takes until the client has read.
    const auto served = std::async(std::launch::async, [&gateway, message = State(std::string(size - overhead, 'x'))] {
      auto& stream = gateway.NextStream();
      stream.Send(message);
      stream.End(grpc::Status::OK);
    });
    if (expected == StatusCode::OK) EXPECT_EQ(watch.Next().size(), size);
    EXPECT_EQ(watch.End().error_code(), expected);
  }
}

}  // namespace
}  // namespace vcenter_gateway
