#include "vcenter_gateway/credentials.h"

#include <absl/strings/escaping.h>

#include <algorithm>
#include <exception>
#include <functional>
#include <map>
#include <stdexcept>
#include <utility>

#include "metadata.h"

namespace vcenter_gateway {
namespace {

constexpr char kSession[] = "vmware-api-session-id";
constexpr char kAuthorization[] = "authorization";

class Plugin final : public grpc::MetadataCredentialsPlugin {
 public:
  explicit Plugin(const Credentials& credentials) : metadata_(credentials) {}

  bool IsBlocking() const override { return false; }
  const char* GetType() const override { return "vcenter"; }
  grpc::string DebugString() override { return "vCenter credentials"; }

  grpc::Status GetMetadata(grpc::string_ref /*service_url*/, grpc::string_ref /*method_name*/,
                           const grpc::AuthContext& /*channel_auth_context*/,
                           std::multimap<grpc::string, grpc::string>* metadata) override {
    try {
      metadata->emplace(metadata_.key, metadata_.value());
    } catch (const std::exception& error) {
      return {grpc::StatusCode::UNAUTHENTICATED, std::string(kNoToken) + error.what()};
    }
    return grpc::Status::OK;
  }

 private:
  const Metadata metadata_;
};

std::string BearerValue(std::string_view token) {
  constexpr char kWhiteSpace[] = " \t\r\n";
  token.remove_prefix(std::min(token.find_first_not_of(kWhiteSpace), token.size()));
  token = token.substr(0, token.find_last_not_of(kWhiteSpace) + 1);
  RequireVisible("a token", token);
  return std::string("Bearer ").append(token);
}

/// The same value for each call.
std::function<std::string()> Fixed(std::string value) {
  return [value = std::move(value)] { return value; };
}

}  // namespace

void RequireVisible(const char* what, std::string_view text) {
  const auto visible = [](char c) { return c > ' ' && c <= '~'; };
  if (text.empty() || !std::all_of(text.begin(), text.end(), visible)) {
    throw std::invalid_argument(std::string(what) + " must consist of visible ASCII characters");
  }
}

Credentials Credentials::Session(std::string_view id) {
  RequireVisible("a session id", id);
  return {"session", kSession, Fixed(std::string(id))};
}

Credentials Credentials::Bearer(std::string_view token) {
  return {"bearer", kAuthorization, Fixed(BearerValue(token))};
}

Credentials Credentials::Bearer(std::function<std::string()> token) {
  return {"bearer", kAuthorization, [token = std::move(token)] { return BearerValue(token()); }};
}

Credentials Credentials::Basic(std::string_view user, std::string_view password) {
  if (user.empty() || user.find(':') != std::string_view::npos) {
    throw std::invalid_argument("the username must not be empty or contain a colon");
  }
  const std::string pair = std::string(user).append(":").append(password);
  return {"basic", kAuthorization, Fixed("Basic " + absl::Base64Escape(pair))};
}

std::shared_ptr<grpc::CallCredentials> Credentials::ForCall() const {
  return CallCredentialsFor(*this, GRPC_PRIVACY_AND_INTEGRITY);
}

std::ostream& operator<<(std::ostream& stream, const Credentials& credentials) {
  return stream << "Credentials(" << credentials.kind_ << ")";
}

std::shared_ptr<grpc::CallCredentials> CallCredentialsFor(const Credentials& credentials,
                                                          grpc_security_level security) {
  return grpc::experimental::MetadataCredentialsFromPlugin(std::make_unique<Plugin>(credentials), security);
}

}  // namespace vcenter_gateway
