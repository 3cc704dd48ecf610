#include "outcome.h"

#include <google/rpc/error_details.pb.h>
#include <google/rpc/status.pb.h>
#include <gtest/gtest.h>

#include <future>
#include <stdexcept>
#include <string>

#include "calls.h"
#include "fake_gateway.h"
#include "vcenter_gateway/connect.h"
#include "vcenter_gateway/error.h"

namespace vcenter_gateway {
namespace {

using grpc::StatusCode;

bool MayHaveExecuted(const grpc::Status& status) { return Error::FromStatus(status).may_have_executed; }

template <class Detail>
grpc::Status Unavailable(const Detail& detail) {
  google::rpc::Status rich;
  rich.set_code(StatusCode::UNAVAILABLE);
  rich.add_details()->PackFrom(detail);
  return {StatusCode::UNAVAILABLE, "", rich.SerializeAsString()};
}

TEST(Outcome, OfAChangeIsUncertainWhereTheGatewayDidNotSayIt) {
  FakeGateway gateway;
  ConnectOptions options;
  options.service_config.clear();
  const auto channel = Connect(gateway.Target(), options);
  for (int number = StatusCode::CANCELLED; number <= StatusCode::UNAUTHENTICATED; ++number) {
    const auto code = static_cast<StatusCode>(number);
    const bool uncertain = code == StatusCode::CANCELLED || code == StatusCode::UNKNOWN ||
                           code == StatusCode::DEADLINE_EXCEEDED || code == StatusCode::INTERNAL ||
                           code == StatusCode::UNAVAILABLE;
    gateway.FailNext({code, "x"});
    const grpc::Status changed = Write(channel);
    EXPECT_EQ(changed.error_code(), code);
    EXPECT_EQ(changed.error_message(), "x");
    EXPECT_EQ(MayHaveExecuted(changed), uncertain) << CodeName(code);
    gateway.FailNext({code, "x"});
    EXPECT_FALSE(MayHaveExecuted(Read(channel))) << CodeName(code);
  }
}

TEST(Outcome, IsWhatTheGatewaySays) {
  google::rpc::ErrorInfo info;
  info.set_reason("VCENTER_UNREACHABLE");
  EXPECT_FALSE(MayHaveExecuted(CompleteOutcome(Unavailable(info))));
}

TEST(Outcome, LeavesOtherDetails) {
  google::rpc::RequestInfo request;
  request.set_request_id("req-1");
  const Error error = Error::FromStatus(CompleteOutcome(Unavailable(request)));
  EXPECT_EQ(error.request_id, "req-1");
  EXPECT_TRUE(error.may_have_executed);
}

TEST(Outcome, OfAChangeWithoutAnAnswerIsUncertain) {
  FakeGateway gateway;
  gateway.Hold();
  ConnectOptions options;
  options.default_deadline = std::chrono::seconds(2);
  auto change = std::async(std::launch::async, [&] { return Write(Connect(gateway.Target(), options)); });
  gateway.WaitForCalls(1);
  const grpc::Status status = change.get();
  EXPECT_EQ(status.error_code(), StatusCode::DEADLINE_EXCEEDED);
  EXPECT_TRUE(MayHaveExecuted(status));
}

TEST(Outcome, OfAChangeThatWasNotSentIsCertain) {
  for (const bool round_robin : {true, false}) {
    ConnectOptions options;
    if (!round_robin) options.service_config.clear();
    const grpc::Status status = Write(Connect("127.0.0.1:1", options));
    EXPECT_EQ(status.error_code(), StatusCode::UNAVAILABLE);
    EXPECT_FALSE(MayHaveExecuted(status)) << status.error_message();
  }
}

TEST(Outcome, OfAChangeToANameThatIsNotKnownIsCertain) {
  const grpc::Status status = Write(Connect("gateway.invalid:50051"));
  EXPECT_EQ(status.error_code(), StatusCode::UNAVAILABLE);
  EXPECT_FALSE(MayHaveExecuted(status)) << status.error_message();
}

TEST(Outcome, OfAChangeWithoutATokenIsCertain) {
  FakeGateway gateway;
  ConnectOptions options;
  options.credentials = Credentials::Bearer([]() -> std::string { throw std::runtime_error("the file is gone"); });
  EXPECT_FALSE(MayHaveExecuted(Write(Connect(gateway.Target(), options))));
  EXPECT_EQ(gateway.Calls(), 0);
}

TEST(MayChange, IsReadOffTheContract) {
  EXPECT_TRUE(MayChange("/vcenter.vm.hardware.v1.CdromService/ConnectCdrom"));
  EXPECT_FALSE(MayChange("/vcenter.vm.hardware.v1.CdromService/ListCdroms"));
  EXPECT_FALSE(MayChange("/vcenter.gateway.v1.GatewayService/WatchGateway"));
  EXPECT_FALSE(MayChange("/grpc.health.v1.Health/Check"));
  EXPECT_TRUE(MayChange("/of.a.later.Release/Method"));
}

}  // namespace
}  // namespace vcenter_gateway
