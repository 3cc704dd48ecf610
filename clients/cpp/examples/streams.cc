// Runs a program in a guest, then watches the virtual machines and continues after a break.
//
// The gateway is $GATEWAY_TARGET, 127.0.0.1:50051 by default; user and password are $GATEWAY_USER and
// $GATEWAY_PASSWORD. The user in the guest is $GUEST_USER with $GUEST_PASSWORD, by default those of the simulator.
#include <grpcpp/client_context.h>
#include <vcenter_gateway/connect.h>
#include <vcenter_gateway/error.h>

#include <chrono>
#include <cstdint>
#include <cstdlib>
#include <exception>
#include <iostream>
#include <memory>
#include <string>
#include <thread>

#include "vcenter/gateway/v1/guest_service.grpc.pb.h"
#include "vcenter/gateway/v1/vm_settings_service.grpc.pb.h"
#include "vcenter/gateway/v1/watch_service.grpc.pb.h"

namespace live = vcenter::gateway::v1;
namespace guest = vcenter::vm::guest::v1;

namespace {

constexpr char kVm[] = "vm-1001";

std::string Environment(const char* name, const char* otherwise) {
  const char* value = std::getenv(name);
  return value != nullptr ? value : otherwise;
}

guest::Credentials GuestCredentials() {
  guest::Credentials credentials;
  credentials.set_interactive_session(false);
  credentials.set_type(guest::CREDENTIALS_TYPE_USERNAME_PASSWORD);
  credentials.set_user_name(Environment("GUEST_USER", "root"));
  credentials.set_password(Environment("GUEST_PASSWORD", "VMware1!"));
  return credentials;
}

// Runs a program and returns its exit code. Throws vcenter_gateway::Error when the call fails.
std::int64_t RunProgram(const std::shared_ptr<grpc::Channel>& channel) {
  // [docs: run]
  live::RunProgramRequest start;
  start.mutable_start()->set_vm(kVm);
  *start.mutable_start()->mutable_credentials() = GuestCredentials();
  start.mutable_start()->set_shell_command("hostname && wc -l");
  live::RunProgramRequest input;
  input.set_input("one\ntwo\n");

  live::GuestService::Stub guests(channel);
  grpc::ClientContext context;
  const auto program = guests.RunProgram(&context);
  if (program->Write(start) && program->Write(input)) program->WritesDone();
  live::RunProgramResponse message;
  std::int64_t exit_code = 0;
  while (program->Read(&message)) {
    std::cout << message.output();
    std::cerr << message.error_output();
    if (message.has_exited()) exit_code = message.exited().exit_code();
  }
  const grpc::Status status = program->Finish();
  if (!status.ok()) throw vcenter_gateway::Error::FromStatus(status);
  return exit_code;
  // [docs: end]
}

// Prints the machines or, with a token, what has changed since. Returns the token of the first event of the kind
// `until`. Throws vcenter_gateway::Error when the call fails.
std::string Watch(const std::shared_ptr<grpc::Channel>& channel, std::string token,
                  live::WatchVmsResponse::EventCase until) {
  // [docs: watch]
  live::WatchService::Stub watching(channel);
  while (true) {
    grpc::ClientContext context;
    live::WatchVmsRequest request;
    request.set_resume_token(token);
    const auto stream = watching.WatchVms(&context, request);
    live::WatchVmsResponse message;
    while (stream->Read(&message)) {
      token = message.resume_token();
      if (message.started().reset()) std::cout << "all machines:\n";
      for (const auto& vm : message.added().vms()) {
        std::cout << vm.vm() << "  " << vm.name() << "  " << vcenter::vm::v1::PowerState_Name(vm.power_state()) << "\n";
      }
      for (const auto& change : message.changed().changes()) {
        std::cout << change.vm().vm() << " changed:";
        for (const auto& path : change.changed().paths()) std::cout << " " << path;
        std::cout << "\n";
      }
      for (const auto& gone : message.removed().vms()) std::cout << gone << " is gone\n";
      if (message.event_case() == until) {
        context.TryCancel();
        return token;
      }
    }
    const grpc::Status status = stream->Finish();
    if (!status.ok() && status.error_code() != grpc::StatusCode::UNAVAILABLE) {
      throw vcenter_gateway::Error::FromStatus(status);
    }
    // The connection broke, or the replica is stopping: continue after the last message.
    std::this_thread::sleep_for(std::chrono::seconds(1));
  }
  // [docs: end]
}

void Annotate(const std::shared_ptr<grpc::Channel>& channel, const std::string& annotation) {
  live::VmSettingsService::Stub settings(channel);
  grpc::ClientContext context;
  live::UpdateAnnotationRequest request;
  request.set_vm(kVm);
  request.set_annotation(annotation);
  live::UpdateAnnotationResponse response;
  const grpc::Status status = settings.UpdateAnnotation(&context, request, &response);
  if (!status.ok()) throw vcenter_gateway::Error::FromStatus(status);
}

}  // namespace

int main() {
  try {
    vcenter_gateway::ConnectOptions options;
    if (const std::string user = Environment("GATEWAY_USER", ""); !user.empty()) {
      options.credentials = vcenter_gateway::Credentials::Basic(user, Environment("GATEWAY_PASSWORD", ""));
    }
    const auto channel = vcenter_gateway::Connect(Environment("GATEWAY_TARGET", "127.0.0.1:50051"), options);
    std::cout << "exit code " << RunProgram(channel) << "\n";
    const std::string token = Watch(channel, "", live::WatchVmsResponse::kSynced);
    Annotate(channel, "changed while nobody watched");
    Watch(channel, token, live::WatchVmsResponse::kChanged);
    Annotate(channel, "");
  } catch (const std::exception& error) {
    std::cerr << error.what() << "\n";
    return 1;
  }
}
