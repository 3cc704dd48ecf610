/// @file
/// Errors that a program can act upon.
#pragma once

#include <google/protobuf/any.pb.h>
#include <google/protobuf/struct.pb.h>
#include <grpcpp/support/status.h>

#include <chrono>
#include <map>
#include <optional>
#include <ostream>
#include <stdexcept>
#include <string>
#include <string_view>
#include <vector>

#include "vapi/std/errors/v1/error.pb.h"
#include "vapi/std/v1/localization.pb.h"
#include "vcenter/gateway/v1/reason.pb.h"

namespace vcenter_gateway {

/// Kind of vCenter error, with values such as `vapi::std::errors::v1::ERROR_TYPE_NOT_FOUND`.
using ErrorType = ::vapi::std::errors::v1::ErrorType;

/// Reason of an error that the gateway itself reports, with values such as
/// `vcenter::gateway::v1::REASON_REQUEST_INVALID`.
using GatewayReason = ::vcenter::gateway::v1::Reason;

/// What vCenter says to a person: `id()`, `default_message()` in English, and its `args()`.
using Message = ::vapi::std::v1::LocalizableMessage;

/// One mistake in a request.
struct FieldViolation {
  std::string field;        ///< Path of the field, for instance `spec.size_mib`.
  std::string description;  ///< What is wrong with it.
};

/// All that a failed call says.
///
/// A value to look at, and an exception for those who like to throw it:
///
///     if (!status.ok()) throw vcenter_gateway::Error::FromStatus(status);
///
/// `what()` is the code, the reason, the message and the request id in one line.
struct Error : std::runtime_error {
  /// Reads a status with all its details.
  ///
  /// Works with any status: one without details, or with details that cannot be read, leaves the fields empty that are
  /// read from them.
  static Error FromStatus(const grpc::Status& status);

  /// How to react.
  grpc::StatusCode code = grpc::StatusCode::OK;

  /// Text of the status, in English.
  std::string message;

  /// What happened: vCenter's name of the error type, `HTTP_<status>`, or a reason of the gateway's own such as
  /// `REQUEST_INVALID`. Empty when the error is not from the gateway, for instance when it cannot be reached.
  std::string reason;

  /// The reason of an error that the gateway itself reports. `REASON_UNSPECIFIED` when vCenter reported the error, when
  /// this version does not know the reason, and when neither of them answered; `reason` has the text. A program that
  /// does not know a reason should go by the code.
  GatewayReason gateway_reason = ::vcenter::gateway::v1::REASON_UNSPECIFIED;

  /// Further facts about the failed call, for instance its `operation` in vCenter and the `http_status` of the answer.
  std::map<std::string, std::string> metadata;

  /// `vcenter.vmware.com` when vCenter reported the error, `vcenter-gateway` when the gateway did.
  std::string domain;

  /// Kind of vCenter error. `ERROR_TYPE_UNSPECIFIED` when vCenter sent none, or one that this version does not know;
  /// `reason` then has its name.
  ErrorType type = ::vapi::std::errors::v1::ERROR_TYPE_UNSPECIFIED;

  /// vCenter's messages, the outermost cause first.
  std::vector<Message> messages;

  /// What is wrong with the request.
  std::vector<FieldViolation> violations;

  /// How long to wait before the call is worth repeating.
  std::optional<std::chrono::nanoseconds> retry_delay;

  /// Whether the operation may have run, although the call failed: look at the machine before repeating it.
  ///
  /// The gateway says so for calls that it sent to vCenter. When the gateway did not answer, this is true for every
  /// call that may change something, unless gRPC says that it was not sent. It is never true for a call that only
  /// reads. Needs the channel of `Connect`.
  bool may_have_executed = false;

  /// Identifies the call in the gateway's log.
  std::string request_id;

  /// Further facts, of a structure that depends on the operation.
  std::optional<google::protobuf::Struct> data;

  /// All details of the status as they came, including those read above.
  std::vector<google::protobuf::Any> details;

  /// The first detail of a type, for instance `vcenter::vm::guest::v1::ProcessErrorDetails`; none when there is none.
  template <class T>
  std::optional<T> Detail() const {
    T detail;
    for (const google::protobuf::Any& any : details) {
      if (any.Is<T>() && any.UnpackTo(&detail)) return detail;
    }
    return std::nullopt;
  }

 private:
  explicit Error(const std::string& what) : std::runtime_error(what) {}
};

/// Writes `error.what()`.
std::ostream& operator<<(std::ostream& stream, const Error& error);

/// Name of a gRPC code, for instance `FAILED_PRECONDITION`; `UNKNOWN` for a number that is none.
std::string_view CodeName(grpc::StatusCode code);

}  // namespace vcenter_gateway
