#include "vcenter_gateway/credentials.h"

#include <absl/strings/escaping.h>

#include <algorithm>
#include <map>
#include <stdexcept>

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
    metadata->emplace(metadata_.key, metadata_.value);
    return grpc::Status::OK;
  }

 private:
  const Metadata metadata_;
};

}  // namespace

Credentials Credentials::Session(std::string_view id) {
  const auto visible = [](char c) { return c > ' ' && c <= '~'; };
  if (id.empty() || !std::all_of(id.begin(), id.end(), visible)) {
    throw std::invalid_argument("a session id consists of visible ASCII characters");
  }
  return Credentials(kSession, std::string(id));
}

Credentials Credentials::Basic(std::string_view user, std::string_view password) {
  if (user.empty() || user.find(':') != std::string_view::npos) {
    throw std::invalid_argument("a user name is not empty and has no colon");
  }
  const std::string pair = std::string(user).append(":").append(password);
  return Credentials(kAuthorization, "Basic " + absl::Base64Escape(pair));
}

std::shared_ptr<grpc::CallCredentials> Credentials::ForCall() const {
  return CallCredentialsFor(*this, GRPC_PRIVACY_AND_INTEGRITY);
}

std::ostream& operator<<(std::ostream& stream, const Credentials& credentials) {
  return stream << (credentials.key_ == kSession ? "Credentials(session)" : "Credentials(basic)");
}

std::shared_ptr<grpc::CallCredentials> CallCredentialsFor(const Credentials& credentials,
                                                          grpc_security_level security) {
  return grpc::experimental::MetadataCredentialsFromPlugin(std::make_unique<Plugin>(credentials), security);
}

}  // namespace vcenter_gateway
