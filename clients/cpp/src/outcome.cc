#include "outcome.h"

#include <google/protobuf/descriptor.h>
#include <google/protobuf/descriptor.pb.h>

#include <algorithm>
#include <array>
#include <string>
#include <string_view>

#include "google/rpc/error_details.pb.h"
#include "google/rpc/status.pb.h"
#include "metadata.h"

namespace vcenter_gateway {
namespace {

using grpc::experimental::InterceptionHookPoints;

/// Whether a call ends with this code when something breaks between the client and the gateway.
bool IsUncertain(grpc::StatusCode code) {
  switch (code) {
    case grpc::StatusCode::CANCELLED:
    case grpc::StatusCode::UNKNOWN:
    case grpc::StatusCode::DEADLINE_EXCEEDED:
    case grpc::StatusCode::INTERNAL:
    case grpc::StatusCode::UNAVAILABLE:
      return true;
    default:
      return false;
  }
}

/// Whether gRPC says that it did not send the call. It does so by text alone; a text that is not known here leaves open
/// whether the call was sent.
bool WasNotSent(const std::string& message) {
  constexpr std::array<std::string_view, 4> kTexts = {
      "failed to connect to all addresses",
      "connections to all backends failing",
      "DNS resolution failed",
      kNoToken,
  };
  return std::any_of(kTexts.begin(), kTexts.end(),
                     [&](std::string_view text) { return message.find(text) != std::string::npos; });
}

class Interceptor final : public grpc::experimental::Interceptor {
 public:
  void Intercept(grpc::experimental::InterceptorBatchMethods* methods) override {
    if (methods->QueryInterceptionHookPoint(InterceptionHookPoints::POST_RECV_STATUS)) {
      grpc::Status* status = methods->GetRecvStatus();
      *status = CompleteOutcome(*status);
    }
    methods->Proceed();
  }
};

class Factory final : public grpc::experimental::ClientInterceptorFactoryInterface {
 public:
  grpc::experimental::Interceptor* CreateClientInterceptor(grpc::experimental::ClientRpcInfo* info) override {
    return MayChange(info->method()) ? new Interceptor : nullptr;
  }
};

}  // namespace

std::unique_ptr<grpc::experimental::ClientInterceptorFactoryInterface> CompleteOutcomes() {
  return std::make_unique<Factory>();
}

grpc::Status CompleteOutcome(const grpc::Status& status) {
  if (!IsUncertain(status.error_code()) || WasNotSent(status.error_message())) return status;
  google::rpc::Status rich;
  if (!rich.ParseFromString(status.error_details())) rich.Clear();
  const auto& details = rich.details();
  if (std::any_of(details.begin(), details.end(),
                  [](const auto& detail) { return detail.template Is<google::rpc::ErrorInfo>(); })) {
    return status;
  }
  google::rpc::ErrorInfo info;
  (*info.mutable_metadata())[kMayHaveExecuted] = "true";
  rich.set_code(status.error_code());
  rich.set_message(status.error_message());
  rich.add_details()->PackFrom(info);
  return {status.error_code(), status.error_message(), rich.SerializeAsString()};
}

bool MayChange(const char* method) {
  std::string name(method);
  // gRPC's own services, health and reflection, are not in the contract and only read.
  if (name.rfind("/grpc.", 0) == 0) return false;
  name.erase(0, 1);
  std::replace(name.begin(), name.end(), '/', '.');
  const auto* described = google::protobuf::DescriptorPool::generated_pool()->FindMethodByName(name);
  return described == nullptr ||
         described->options().idempotency_level() != google::protobuf::MethodOptions::NO_SIDE_EFFECTS;
}

}  // namespace vcenter_gateway
