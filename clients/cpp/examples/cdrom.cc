// Adds a CD-ROM drive to a virtual machine, connects it, and removes it.
//
// The gateway is $GATEWAY_TARGET, 127.0.0.1:50051 by default; user and password are $GATEWAY_USER and
// $GATEWAY_PASSWORD.
#include <grpcpp/client_context.h>
#include <vcenter_gateway/connect.h>
#include <vcenter_gateway/error.h>

#include <cstdlib>
#include <exception>
#include <iostream>
#include <string>

#include "vcenter/v1/vm_service.grpc.pb.h"
#include "vcenter/vm/hardware/v1/cdrom_service.grpc.pb.h"

namespace hardware = vcenter::vm::hardware::v1;
using vapi::std::errors::v1::ERROR_TYPE_ALREADY_IN_DESIRED_STATE;

namespace {

constexpr char kVm[] = "vm-1001";

std::string Environment(const char* name, const char* otherwise) {
  const char* value = std::getenv(name);
  return value != nullptr ? value : otherwise;
}

// Makes a call. Throws vcenter_gateway::Error when it fails.
template <class Stub, class Request, class Response>
Response Call(Stub& stub, grpc::Status (Stub::*method)(grpc::ClientContext*, const Request&, Response*),
              const Request& request) {
  grpc::ClientContext context;
  Response response;
  const grpc::Status status = (stub.*method)(&context, request, &response);
  if (!status.ok()) throw vcenter_gateway::Error::FromStatus(status);
  return response;
}

void Connect(hardware::CdromService::Stub& cdroms, const std::string& cdrom) {
  hardware::ConnectCdromRequest request;
  request.set_vm(kVm);
  request.set_cdrom(cdrom);
  // [docs: error]
  try {
    Call(cdroms, &hardware::CdromService::Stub::ConnectCdrom, request);
    std::cout << cdrom << " is connected\n";
  } catch (const vcenter_gateway::Error& error) {
    if (error.type != ERROR_TYPE_ALREADY_IN_DESIRED_STATE) throw;
    std::cout << cdrom << " was already connected: " << error.messages.at(0).default_message() << "\n";
  }
  // [docs: end]
}

void Run() {
  // [docs: connect]
  vcenter_gateway::ConnectOptions options;
  if (const std::string user = Environment("GATEWAY_USER", ""); !user.empty()) {
    options.credentials = vcenter_gateway::Credentials::Basic(user, Environment("GATEWAY_PASSWORD", ""));
  }
  const auto channel = vcenter_gateway::Connect(Environment("GATEWAY_TARGET", "127.0.0.1:50051"), options);
  // [docs: end]

  // [docs: list]
  vcenter::v1::VmService::Stub vms(channel);
  const auto list = Call(vms, &vcenter::v1::VmService::Stub::ListVms, vcenter::v1::ListVmsRequest());
  for (const auto& vm : list.vms()) {
    std::cout << vm.vm() << "  " << vm.name() << "  " << vcenter::vm::v1::PowerState_Name(vm.power_state()) << "\n";
  }
  // [docs: end]

  hardware::CdromService::Stub cdroms(channel);
  // [docs: create]
  hardware::CreateCdromRequest create;
  create.set_vm(kVm);
  create.mutable_spec()->set_type(hardware::CDROM_HOST_BUS_ADAPTER_TYPE_SATA);
  create.mutable_spec()->mutable_backing()->set_type(hardware::CDROM_BACKING_TYPE_CLIENT_DEVICE);
  const std::string cdrom = Call(cdroms, &hardware::CdromService::Stub::CreateCdrom, create).cdrom();
  // [docs: end]
  std::cout << cdrom << " is new\n";

  Connect(cdroms, cdrom);
  Connect(cdroms, cdrom);

  hardware::DisconnectCdromRequest disconnect;
  disconnect.set_vm(kVm);
  disconnect.set_cdrom(cdrom);
  Call(cdroms, &hardware::CdromService::Stub::DisconnectCdrom, disconnect);

  hardware::DeleteCdromRequest remove;
  remove.set_vm(kVm);
  remove.set_cdrom(cdrom);
  Call(cdroms, &hardware::CdromService::Stub::DeleteCdrom, remove);
  std::cout << cdrom << " is removed\n";
}

}  // namespace

int main() {
  try {
    Run();
  } catch (const std::exception& error) {
    std::cerr << error.what() << "\n";
    return 1;
  }
}
