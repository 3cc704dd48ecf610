/// The secret side of credentials, for the ways of sending them.
#pragma once

#include <grpc/grpc_security_constants.h>
#include <grpcpp/security/credentials.h>

#include <functional>
#include <memory>
#include <string>
#include <string_view>
#include <utility>

#include "vcenter_gateway/credentials.h"

namespace vcenter_gateway {

/// Begins the message of a call that has no token to send.
constexpr char kNoToken[] = "there is no token: ";

/// Metadata of an ErrorInfo: "true" where a call may have changed something although it failed.
constexpr char kMayHaveExecuted[] = "may_have_executed";

/// One entry in the metadata of calls.
struct Metadata {
  explicit Metadata(const Credentials& credentials) : key(credentials.key_), value(credentials.value_) {}
  Metadata(std::string name, std::function<std::string()> source) : key(std::move(name)), value(std::move(source)) {}

  std::string key;
  /// Throws what can have any reason when there is no value.
  std::function<std::string()> value;
};

/// Throws std::invalid_argument for a text that no metadata can carry, or that is empty.
void RequireVisible(const char* what, std::string_view text);

/// Call credentials that gRPC sends over channels of at least the given security.
std::shared_ptr<grpc::CallCredentials> CallCredentialsFor(const Credentials& credentials, grpc_security_level security);

}  // namespace vcenter_gateway
