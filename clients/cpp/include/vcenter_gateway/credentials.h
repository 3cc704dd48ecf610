/// @file
/// The caller's identity.
#pragma once

#include <grpcpp/security/credentials.h>

#include <functional>
#include <memory>
#include <ostream>
#include <string>
#include <string_view>
#include <utility>

namespace vcenter_gateway {

/// The identity of calls. Its secrets cannot be read back or printed.
class Credentials {
 public:
  /// An existing vCenter session, which the caller keeps open.
  ///
  /// Throws std::invalid_argument if this is not a valid session ID.
  static Credentials Session(std::string_view id);

  /// The username and password of a vCenter user, for whom the gateway keeps a session.
  ///
  /// Throws std::invalid_argument if the name is empty or contains a colon.
  static Credentials Basic(std::string_view user, std::string_view password);

  /// A token or JWT, for a gateway that has its own service account.
  ///
  /// Whitespace around it is ignored. Throws std::invalid_argument if this is not a valid token.
  static Credentials Bearer(std::string_view token);

  /// A token that rotates: the function is called for each rpc, possibly by many threads concurrently.
  ///
  /// If it throws an exception or does not return a valid token, the call is not sent and fails with UNAVAILABLE, the
  /// code that gRPC uses. If `allow_plaintext_credentials` is set, the call is sent without credentials, and the
  /// gateway rejects it.
  static Credentials Bearer(std::function<std::string()> token);

  /// The same for the calls of one `grpc::ClientContext`, see its `set_credentials`: several identities can share a
  /// channel that has none. Works only with TLS.
  std::shared_ptr<grpc::CallCredentials> ForCall() const;

  /// Writes the type of the credentials.
  friend std::ostream& operator<<(std::ostream& stream, const Credentials& credentials);

 private:
  friend struct Metadata;

  Credentials(std::string kind, std::string key, std::function<std::string()> value)
      : kind_(std::move(kind)), key_(std::move(key)), value_(std::move(value)) {}

  std::string kind_;
  std::string key_;
  std::function<std::string()> value_;
};

}  // namespace vcenter_gateway
