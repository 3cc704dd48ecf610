#include "vcenter_gateway/connect.h"

#include <grpcpp/create_channel.h>
#include <grpcpp/support/client_interceptor.h>

#include <algorithm>
#include <cerrno>
#include <exception>
#include <fstream>
#include <iterator>
#include <stdexcept>
#include <string_view>
#include <system_error>
#include <utility>
#include <vector>

#include "constants.h"
#include "deadline.h"
#include "metadata.h"
#include "outcome.h"
#include "target.h"

namespace vcenter_gateway {
namespace {

using Factory = grpc::experimental::ClientInterceptorFactoryInterface;
using grpc::experimental::InterceptionHookPoints;

constexpr std::chrono::seconds kShortestKeepalive(30);
constexpr std::chrono::milliseconds kKeepaliveTimeout = std::chrono::seconds(20);

/// Bytes; the gateway sends this much by default, and gRPC would take 4 MiB.
constexpr int kLargestResponse = 32 << 20;

/// Whether an argument is set.
bool Has(const grpc::ChannelArguments& arguments, std::string_view key) {
  const grpc_channel_args set = arguments.c_channel_args();
  return std::any_of(set.args, set.args + set.num_args,
                     [key](const grpc_arg& argument) { return argument.key == key; });
}

/// The content of a file, nothing when it has no name.
std::string ReadFile(const std::string& name) {
  if (name.empty()) return "";
  errno = 0;
  std::ifstream file(name, std::ios::binary);
  std::string content{std::istreambuf_iterator<char>(file), {}};
  if (!file) throw std::system_error(errno != 0 ? errno : EIO, std::generic_category(), name);
  return content;
}

std::shared_ptr<grpc::ChannelCredentials> TlsCredentials(const Tls& tls) {
  if (tls.certificate_file.empty() != tls.key_file.empty()) {
    throw std::invalid_argument("the client certificate and its key require each other: set both");
  }
  grpc::SslCredentialsOptions ssl;
  ssl.pem_root_certs = ReadFile(tls.ca_file);
  ssl.pem_cert_chain = ReadFile(tls.certificate_file);
  ssl.pem_private_key = ReadFile(tls.key_file);
  return grpc::SslCredentials(ssl);
}

/// Adds metadata to calls that do not have it: the vCenter, and an identity on a channel on which gRPC itself refuses
/// to send one.
class Adding final : public Factory {
 public:
  explicit Adding(Metadata metadata) : metadata_(std::move(metadata)) {}

  grpc::experimental::Interceptor* CreateClientInterceptor(grpc::experimental::ClientRpcInfo* /*info*/) override {
    return new Interceptor(metadata_);
  }

 private:
  class Interceptor final : public grpc::experimental::Interceptor {
   public:
    explicit Interceptor(const Metadata& metadata) : metadata_(metadata) {}

    void Intercept(grpc::experimental::InterceptorBatchMethods* methods) override {
      if (methods->QueryInterceptionHookPoint(InterceptionHookPoints::PRE_SEND_INITIAL_METADATA)) {
        try {
          auto* const sent = methods->GetSendInitialMetadata();
          if (sent->count(metadata_.key) == 0) sent->emplace(metadata_.key, metadata_.value());
        } catch (const std::exception&) {
          // An interceptor cannot fail a call. Without an identity, the gateway refuses it as UNAUTHENTICATED.
        }
      }
      methods->Proceed();
    }

   private:
    const Metadata& metadata_;
  };

  const Metadata metadata_;
};

}  // namespace

std::shared_ptr<grpc::Channel> Connect(const std::string& target, const ConnectOptions& options) {
  if (options.keepalive_time < kShortestKeepalive) {
    throw std::invalid_argument("keepalive_time must be at least 30 seconds");
  }
  grpc::ChannelArguments arguments = options.arguments;
  arguments.SetUserAgentPrefix(kUserAgent);
  if (!Has(arguments, GRPC_ARG_MAX_RECEIVE_MESSAGE_LENGTH)) arguments.SetMaxReceiveMessageSize(kLargestResponse);
  arguments.SetInt(GRPC_ARG_KEEPALIVE_TIME_MS, static_cast<int>(options.keepalive_time.count()));
  arguments.SetInt(GRPC_ARG_KEEPALIVE_TIMEOUT_MS, static_cast<int>(kKeepaliveTimeout.count()));
  // Without this, the probing ends after two probes while a long call waits for its answer.
  arguments.SetInt(GRPC_ARG_HTTP2_MAX_PINGS_WITHOUT_DATA, 0);
  if (!options.service_config.empty()) arguments.SetServiceConfigJSON(options.service_config);

  // What a call ends with passes them from the last to the first.
  std::vector<std::unique_ptr<Factory>> interceptors;
  interceptors.push_back(CompleteOutcomes());
  if (options.default_deadline > std::chrono::milliseconds::zero()) {
    interceptors.push_back(DefaultDeadline(options.default_deadline));
  }

  if (options.vcenter) {
    RequireVisible("the name of a vCenter", *options.vcenter);
    interceptors.push_back(
        std::make_unique<Adding>(Metadata("x-vcenter", [vcenter = *options.vcenter] { return vcenter; })));
  }

  std::shared_ptr<grpc::ChannelCredentials> channel;
  std::shared_ptr<grpc::CallCredentials> calls;
  const Reach reach = ReachOf(target);
  if (options.tls) {
    channel = TlsCredentials(*options.tls);
    if (options.credentials) calls = options.credentials->ForCall();
    if (!options.tls->server_name.empty()) arguments.SetSslTargetNameOverride(options.tls->server_name);
  } else if (!options.credentials) {
    channel = grpc::InsecureChannelCredentials();
  } else if (options.allow_plaintext_credentials) {
    channel = grpc::InsecureChannelCredentials();
    interceptors.push_back(std::make_unique<Adding>(Metadata(*options.credentials)));
  } else if (reach != Reach::kRemote) {
    // These look at the peer's address as well: a localhost that is none gets no credentials, nor does a proxy.
    channel = grpc::experimental::LocalCredentials(reach == Reach::kUnix ? UDS : LOCAL_TCP);
    calls = CallCredentialsFor(*options.credentials, GRPC_SECURITY_NONE);
    arguments.SetInt(GRPC_ARG_ENABLE_HTTP_PROXY, 0);
  } else {
    throw std::invalid_argument("credentials require TLS to " + target +
                                ", or allow_plaintext_credentials if the network itself is encrypted");
  }
  if (calls) channel = grpc::CompositeChannelCredentials(channel, calls);
  return grpc::experimental::CreateCustomChannelWithInterceptors(target, channel, arguments, std::move(interceptors));
}

}  // namespace vcenter_gateway
