#include "vcenter_gateway/error.h"

#include <array>
#include <cstddef>

#include "google/rpc/error_details.pb.h"
#include "google/rpc/status.pb.h"
#include "metadata.h"

namespace vcenter_gateway {
namespace {

using ::vcenter::gateway::v1::Reason_Parse;

/// Domain of the reasons that are the gateway's own.
constexpr char kGateway[] = "vcenter-gateway";

/// The text of `Error::what()`.
std::string Describe(const grpc::Status& status, const std::string& reason, const std::string& request_id) {
  std::string text(CodeName(status.error_code()));
  if (!reason.empty()) text += ": " + reason;
  if (!status.error_message().empty()) text += ": " + status.error_message();
  if (!request_id.empty()) text += " (request " + request_id + ")";
  return text;
}

/// The first detail of a type that can be read, an empty one when there is none.
template <class T>
T FirstDetail(const google::rpc::Status& status) {
  T detail;
  for (const auto& any : status.details()) {
    if (any.Is<T>() && any.UnpackTo(&detail)) return detail;
  }
  return T();
}

std::chrono::nanoseconds ToChrono(const google::protobuf::Duration& duration) {
  return std::chrono::seconds(duration.seconds()) + std::chrono::nanoseconds(duration.nanos());
}

}  // namespace

Error Error::FromStatus(const grpc::Status& status) {
  google::rpc::Status rich;
  if (!rich.ParseFromString(status.error_details())) rich.Clear();
  const auto info = FirstDetail<google::rpc::ErrorInfo>(rich);
  const auto request = FirstDetail<google::rpc::RequestInfo>(rich);

  Error error(Describe(status, info.reason(), request.request_id()));
  error.details.assign(rich.details().begin(), rich.details().end());
  error.code = status.error_code();
  error.message = status.error_message();
  error.reason = info.reason();
  error.domain = info.domain();
  if (GatewayReason known; info.domain() == kGateway && Reason_Parse("REASON_" + info.reason(), &known)) {
    error.gateway_reason = known;
  }
  error.metadata.insert(info.metadata().begin(), info.metadata().end());
  error.request_id = request.request_id();
  const auto executed = error.metadata.find(kMayHaveExecuted);
  error.may_have_executed = executed != error.metadata.end() && executed->second == "true";
  const auto vapi = FirstDetail<::vapi::std::errors::v1::Error>(rich);
  if (::vapi::std::errors::v1::ErrorType_IsValid(vapi.error_type())) error.type = vapi.error_type();
  error.messages.assign(vapi.messages().begin(), vapi.messages().end());
  if (vapi.has_data()) error.data = vapi.data();
  const auto bad_request = FirstDetail<google::rpc::BadRequest>(rich);
  for (const auto& violation : bad_request.field_violations()) {
    error.violations.push_back({violation.field(), violation.description()});
  }
  const auto retry = FirstDetail<google::rpc::RetryInfo>(rich);
  if (retry.has_retry_delay()) error.retry_delay = ToChrono(retry.retry_delay());
  return error;
}

std::ostream& operator<<(std::ostream& stream, const Error& error) { return stream << error.what(); }

std::string_view CodeName(grpc::StatusCode code) {
  static constexpr std::array<std::string_view, 17> kNames = {
      "OK",        "CANCELLED",       "UNKNOWN",           "INVALID_ARGUMENT",   "DEADLINE_EXCEEDED",
      "NOT_FOUND", "ALREADY_EXISTS",  "PERMISSION_DENIED", "RESOURCE_EXHAUSTED", "FAILED_PRECONDITION",
      "ABORTED",   "OUT_OF_RANGE",    "UNIMPLEMENTED",     "INTERNAL",           "UNAVAILABLE",
      "DATA_LOSS", "UNAUTHENTICATED",
  };
  const auto number = static_cast<std::size_t>(code);
  return number < kNames.size() ? kNames[number] : kNames[grpc::StatusCode::UNKNOWN];
}

}  // namespace vcenter_gateway
