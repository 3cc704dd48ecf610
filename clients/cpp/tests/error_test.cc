#include "vcenter_gateway/error.h"

#include <gmock/gmock.h>
#include <google/rpc/error_details.pb.h>
#include <google/rpc/status.pb.h>
#include <gtest/gtest.h>

#include <chrono>
#include <sstream>
#include <tuple>
#include <utility>

#include "vcenter/vm/guest/v1/processes_service.pb.h"

namespace vcenter_gateway {
namespace {

using ::testing::ElementsAre;
using ::testing::IsEmpty;
using ::testing::SizeIs;
using ::vapi::std::errors::v1::ERROR_TYPE_ALREADY_IN_DESIRED_STATE;
using ::vapi::std::errors::v1::ERROR_TYPE_UNSPECIFIED;
using ::vcenter::gateway::v1::REASON_REQUEST_INVALID;
using ::vcenter::gateway::v1::REASON_TOO_MANY_STREAMS;
using ::vcenter::gateway::v1::REASON_UNSPECIFIED;
using VapiError = ::vapi::std::errors::v1::Error;
using ::vcenter::vm::guest::v1::ProcessErrorDetails;

constexpr char kText[] = "It is connected.";

/// A status as the gateway sends it, with these details.
template <class... Details>
grpc::Status StatusWith(const Details&... details) {
  google::rpc::Status rich;
  rich.set_code(grpc::StatusCode::FAILED_PRECONDITION);
  rich.set_message(kText);
  (rich.add_details()->PackFrom(details), ...);
  return {grpc::StatusCode::FAILED_PRECONDITION, kText, rich.SerializeAsString()};
}

google::rpc::ErrorInfo Info(const std::string& reason) {
  google::rpc::ErrorInfo info;
  info.set_reason(reason);
  info.set_domain("vcenter.vmware.com");
  return info;
}

TEST(Error, HasAllThatAStatusSays) {
  auto info = Info("ALREADY_IN_DESIRED_STATE");
  (*info.mutable_metadata())["may_have_executed"] = "true";
  VapiError vapi;
  vapi.set_error_type(ERROR_TYPE_ALREADY_IN_DESIRED_STATE);
  auto* message = vapi.add_messages();
  message->set_id("com.vmware.connected");
  message->set_default_message(kText);
  message->add_args("16000");
  (*vapi.mutable_data()->mutable_fields())["pid"].set_number_value(7);
  google::rpc::BadRequest request;
  auto* violation = request.add_field_violations();
  violation->set_field("spec.size_mib");
  violation->set_description("is too small");
  google::rpc::RetryInfo retry;
  retry.mutable_retry_delay()->set_seconds(1);
  retry.mutable_retry_delay()->set_nanos(500'000'000);
  google::rpc::RequestInfo id;
  id.set_request_id("req-1");
  ProcessErrorDetails process;
  process.set_pid(7);

  const Error error = Error::FromStatus(StatusWith(info, vapi, request, retry, id, process));

  EXPECT_EQ(error.code, grpc::StatusCode::FAILED_PRECONDITION);
  EXPECT_EQ(error.message, kText);
  EXPECT_EQ(error.reason, "ALREADY_IN_DESIRED_STATE");
  EXPECT_EQ(error.domain, "vcenter.vmware.com");
  EXPECT_EQ(error.gateway_reason, REASON_UNSPECIFIED);
  EXPECT_THAT(error.metadata, ElementsAre(std::pair("may_have_executed", "true")));
  EXPECT_EQ(error.type, ERROR_TYPE_ALREADY_IN_DESIRED_STATE);
  ASSERT_THAT(error.messages, SizeIs(1));
  EXPECT_EQ(error.messages[0].id(), "com.vmware.connected");
  EXPECT_EQ(error.messages[0].default_message(), kText);
  EXPECT_THAT(error.messages[0].args(), ElementsAre("16000"));
  ASSERT_THAT(error.violations, SizeIs(1));
  EXPECT_EQ(error.violations[0].field, "spec.size_mib");
  EXPECT_EQ(error.violations[0].description, "is too small");
  EXPECT_EQ(error.retry_delay, std::chrono::milliseconds(1500));
  EXPECT_TRUE(error.may_have_executed);
  EXPECT_EQ(error.request_id, "req-1");
  ASSERT_TRUE(error.data);
  EXPECT_EQ(error.data->fields().at("pid").number_value(), 7);
  EXPECT_THAT(error.details, SizeIs(6));
  ASSERT_TRUE(error.Detail<ProcessErrorDetails>());
  EXPECT_EQ(error.Detail<ProcessErrorDetails>()->pid(), 7);
  EXPECT_FALSE(error.Detail<google::rpc::Help>());
  EXPECT_STREQ(error.what(), "FAILED_PRECONDITION: ALREADY_IN_DESIRED_STATE: It is connected. (request req-1)");
}

class WithoutDetails : public ::testing::TestWithParam<std::pair<const char*, std::string>> {};

TEST_P(WithoutDetails, TheStatusItselfRemains) {
  const Error error =
      Error::FromStatus(grpc::Status(grpc::StatusCode::UNAVAILABLE, "no connection", GetParam().second));
  EXPECT_EQ(error.code, grpc::StatusCode::UNAVAILABLE);
  EXPECT_EQ(error.message, "no connection");
  EXPECT_EQ(error.reason, "");
  EXPECT_EQ(error.type, ERROR_TYPE_UNSPECIFIED);
  EXPECT_THAT(error.messages, IsEmpty());
  EXPECT_THAT(error.violations, IsEmpty());
  EXPECT_FALSE(error.retry_delay);
  EXPECT_FALSE(error.may_have_executed);
  EXPECT_EQ(error.request_id, "");
  EXPECT_FALSE(error.data);
  EXPECT_THAT(error.details, IsEmpty());
  EXPECT_STREQ(error.what(), "UNAVAILABLE: no connection");
}

INSTANTIATE_TEST_SUITE_P(Error, WithoutDetails,
                         ::testing::Values(std::pair("Nothing", std::string()),
                                           std::pair("Garbage", std::string("\xff\xff\x00garbage", 10))),
                         [](const auto& info) { return info.param.first; });

TEST(Error, DetailsThatCannotBeReadAreSkipped) {
  google::rpc::Status rich;
  auto* garbage = rich.add_details();
  garbage->set_type_url("type.googleapis.com/google.rpc.ErrorInfo");
  garbage->set_value("\xff\xff");
  auto* unknown = rich.add_details();
  unknown->set_type_url("type.googleapis.com/some.other.Thing");
  unknown->set_value("\x0a\x01x");
  rich.add_details()->PackFrom(Info("NOT_FOUND"));

  const Error error = Error::FromStatus({grpc::StatusCode::NOT_FOUND, "no such machine", rich.SerializeAsString()});

  EXPECT_EQ(error.reason, "NOT_FOUND");
  EXPECT_THAT(error.details, SizeIs(3));
}

TEST(Error, ATypeThatThisVersionDoesNotKnowIsUnspecified) {
  VapiError vapi;
  vapi.set_error_type(static_cast<ErrorType>(999));
  const Error error = Error::FromStatus(StatusWith(Info("BRAND_NEW"), vapi));
  EXPECT_EQ(error.type, ERROR_TYPE_UNSPECIFIED);
  EXPECT_EQ(error.reason, "BRAND_NEW");
}

TEST(Error, AReasonOfTheGatewaysOwnIsTyped) {
  const std::tuple<const char*, const char*, GatewayReason> cases[] = {
      {"vcenter-gateway", "REQUEST_INVALID", REASON_REQUEST_INVALID},
      {"vcenter-gateway", "TOO_MANY_STREAMS", REASON_TOO_MANY_STREAMS},
      {"vcenter-gateway", "OF_A_LATER_RELEASE", REASON_UNSPECIFIED},
      {"vcenter-gateway", "", REASON_UNSPECIFIED},
      {"vcenter.vmware.com", "REQUEST_INVALID", REASON_UNSPECIFIED},
      {"", "REQUEST_INVALID", REASON_UNSPECIFIED},
  };
  for (const auto& [domain, reason, expected] : cases) {
    auto info = Info(reason);
    info.set_domain(domain);
    const Error error = Error::FromStatus(StatusWith(info));
    EXPECT_EQ(error.gateway_reason, expected) << domain << " " << reason;
    EXPECT_EQ(error.reason, reason);
  }
}

TEST(Error, NothingOfAnUnreadableDetailIsLeft) {
  google::rpc::Status rich;
  auto* cut = rich.add_details();
  cut->PackFrom(Info("CUT"));
  cut->mutable_value()->append("\x22\x7f");
  const Error error = Error::FromStatus({grpc::StatusCode::INTERNAL, "", rich.SerializeAsString()});
  EXPECT_EQ(error.reason, "");
  EXPECT_STREQ(error.what(), "INTERNAL");
}

TEST(Error, CanBeThrownAndPrinted) {
  try {
    throw Error::FromStatus(StatusWith(Info("RESOURCE_BUSY")));
  } catch (const std::runtime_error& error) {
    EXPECT_STREQ(error.what(), "FAILED_PRECONDITION: RESOURCE_BUSY: It is connected.");
  }
  std::ostringstream stream;
  stream << Error::FromStatus(StatusWith());
  EXPECT_EQ(stream.str(), "FAILED_PRECONDITION: It is connected.");
}

TEST(CodeName, IsTheNameInTheSpecification) {
  EXPECT_EQ(CodeName(grpc::StatusCode::OK), "OK");
  EXPECT_EQ(CodeName(grpc::StatusCode::CANCELLED), "CANCELLED");
  EXPECT_EQ(CodeName(grpc::StatusCode::DATA_LOSS), "DATA_LOSS");
  EXPECT_EQ(CodeName(grpc::StatusCode::UNAUTHENTICATED), "UNAUTHENTICATED");
  EXPECT_EQ(CodeName(static_cast<grpc::StatusCode>(99)), "UNKNOWN");
  EXPECT_EQ(CodeName(static_cast<grpc::StatusCode>(-1)), "UNKNOWN");
}

}  // namespace
}  // namespace vcenter_gateway
