// Shows the state of vCenter as the gateway sees it, until it is interrupted.
//
// The gateway is $GATEWAY_TARGET, 127.0.0.1:50051 by default; user and password are $GATEWAY_USER and
// $GATEWAY_PASSWORD.
#include <grpcpp/client_context.h>
#include <vcenter_gateway/connect.h>
#include <vcenter_gateway/error.h>

#include <cstdlib>
#include <exception>
#include <iostream>
#include <memory>
#include <string>

#include "vcenter/gateway/v1/gateway_service.grpc.pb.h"

namespace watching = vcenter::gateway::v1;

namespace {

std::string Environment(const char* name, const char* otherwise) {
  const char* value = std::getenv(name);
  return value != nullptr ? value : otherwise;
}

// Returns when another replica serves in place of this one. Throws vcenter_gateway::Error when it fails.
void Watch(watching::GatewayService::Stub& gateway) {
  grpc::ClientContext context;
  const auto messages = gateway.WatchGateway(&context, watching::WatchGatewayRequest());
  watching::WatchGatewayResponse message;
  while (messages->Read(&message)) {
    if (message.has_state()) {  // else it is a heartbeat
      std::cout << watching::CircuitState_Name(message.state().circuit()) << std::endl;
    }
  }
  const grpc::Status status = messages->Finish();
  const auto error = vcenter_gateway::Error::FromStatus(status);
  if (!status.ok() && error.gateway_reason != watching::REASON_GATEWAY_STOPPING) throw error;
}

}  // namespace

int main() {
  try {
    vcenter_gateway::ConnectOptions options;
    if (const std::string user = Environment("GATEWAY_USER", ""); !user.empty()) {
      options.credentials = vcenter_gateway::Credentials::Basic(user, Environment("GATEWAY_PASSWORD", ""));
    }
    watching::GatewayService::Stub gateway(
        vcenter_gateway::Connect(Environment("GATEWAY_TARGET", "127.0.0.1:50051"), options));
    while (true) Watch(gateway);
  } catch (const std::exception& error) {
    std::cerr << error.what() << "\n";
    return 1;
  }
}
