/// @file
/// Who calls.
#pragma once

#include <grpcpp/security/credentials.h>

#include <functional>
#include <memory>
#include <ostream>
#include <string>
#include <string_view>
#include <utility>

namespace vcenter_gateway {

/// The identity with which calls are made. What is secret in it cannot be read back or printed.
class Credentials {
 public:
  /// A session of vCenter's that the caller has opened and keeps open.
  ///
  /// Throws std::invalid_argument for an id that no session can have.
  static Credentials Session(std::string_view id);

  /// A user's name and password, for which the gateway keeps a session.
  ///
  /// Throws std::invalid_argument for a name that is empty or contains a colon.
  static Credentials Basic(std::string_view user, std::string_view password);

  /// A token or JWT, for a gateway that has a login of its own.
  ///
  /// White space around it does not belong to it. Throws std::invalid_argument for what cannot be a token.
  static Credentials Bearer(std::string_view token);

  /// A token that is renewed: the function is asked for it with each call, by many threads at once.
  ///
  /// When it throws, or what it returns cannot be a token, the call is not sent and fails as UNAVAILABLE, which is what
  /// gRPC makes of it. Where `allow_plaintext_credentials` is set it is sent without, and the gateway refuses it.
  static Credentials Bearer(std::function<std::string()> token);

  /// The same for the calls of one `grpc::ClientContext`, see its `set_credentials`: several identities can share a
  /// channel that has none. Works with TLS only.
  std::shared_ptr<grpc::CallCredentials> ForCall() const;

  /// Writes what kind of credentials these are.
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
