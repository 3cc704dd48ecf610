/// @file
/// Typed errors.
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

/// vCenter error type, with values such as `vapi::std::errors::v1::ERROR_TYPE_NOT_FOUND`.
using ErrorType = ::vapi::std::errors::v1::ErrorType;

/// Reason of an error that the gateway itself reports, with values such as
/// `vcenter::gateway::v1::REASON_REQUEST_INVALID`.
using GatewayReason = ::vcenter::gateway::v1::Reason;

/// A human-readable message from vCenter: `id()`, `default_message()` in English, and its `args()`.
using Message = ::vapi::std::v1::LocalizableMessage;

/// An error in a request.
struct FieldViolation {
  std::string field;        ///< Path of the field, for instance `spec.size_mib`.
  std::string description;  ///< What is wrong with it.
};

/// Everything that is known about a failed call.
///
/// You can inspect it as a value or throw it as an exception:
///
///     if (!status.ok()) throw vcenter_gateway::Error::FromStatus(status);
///
/// `what()` returns the code, reason, message and request ID in one line.
struct Error : std::runtime_error {
  /// Converts a status with all its details.
  ///
  /// Works with any status. If details are missing or unreadable, the corresponding fields are empty.
  static Error FromStatus(const grpc::Status& status);

  /// How to react.
  grpc::StatusCode code = grpc::StatusCode::OK;

  /// Text of the status, in English.
  std::string message;

  /// What happened: vCenter's name of the error type, `HTTP_<status>`, or the gateway's own reason, such as
  /// `REQUEST_INVALID`. Empty if the error is not from the gateway, for example because it is unreachable.
  std::string reason;

  /// The reason of an error that the gateway itself reports. `REASON_UNSPECIFIED` if vCenter reported the error, if the
  /// reason is unknown to this version, or if neither responded; for the text, see `reason`. A program that does not
  /// recognize a reason should rely on the code.
  GatewayReason gateway_reason = ::vcenter::gateway::v1::REASON_UNSPECIFIED;

  /// Additional data about the failed call, for example its `operation` in vCenter and the `http_status` of the
  /// response.
  std::map<std::string, std::string> metadata;

  /// `vcenter.vmware.com` if vCenter reported the error, `vcenter-gateway` if the gateway did.
  std::string domain;

  /// vCenter error type. `ERROR_TYPE_UNSPECIFIED` if vCenter sent none, or one that is unknown to this version;
  /// `reason` then contains its name.
  ErrorType type = ::vapi::std::errors::v1::ERROR_TYPE_UNSPECIFIED;

  /// vCenter's messages, outermost cause first.
  std::vector<Message> messages;

  /// The errors in the request.
  std::vector<FieldViolation> violations;

  /// How long to wait before a retry.
  std::optional<std::chrono::nanoseconds> retry_delay;

  /// Whether the operation may have been executed although the call failed: check the machine's state before you retry.
  ///
  /// The gateway reports this for calls that it sent to vCenter. If the gateway did not respond, this is true for every
  /// call that can change something, unless gRPC reports that it was not sent. It is never true for a read-only call.
  /// Requires the channel of `Connect`.
  bool may_have_executed = false;

  /// Identifies the call in the gateway's log.
  std::string request_id;

  /// Additional data. Its structure depends on the operation.
  std::optional<google::protobuf::Struct> data;

  /// All details of the status, unchanged, including those in the fields above.
  std::vector<google::protobuf::Any> details;

  /// The first detail of a type, for example `vcenter::vm::guest::v1::ProcessErrorDetails`, or none if there is none.
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

/// Name of a gRPC code, for example `FAILED_PRECONDITION`, or `UNKNOWN` if the number is not a gRPC code.
std::string_view CodeName(grpc::StatusCode code);

}  // namespace vcenter_gateway
