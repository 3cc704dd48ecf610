/// The two calls of the tests.
#pragma once

#include <grpcpp/channel.h>
#include <grpcpp/client_context.h>

#include <memory>

#include "vcenter/vm/hardware/v1/cdrom_service.grpc.pb.h"

namespace vcenter_gateway {

using vcenter::vm::hardware::v1::CdromService;

/// A call that only reads.
inline grpc::Status Read(const std::shared_ptr<grpc::Channel>& channel, grpc::ClientContext& context) {
  vcenter::vm::hardware::v1::ListCdromsResponse response;
  return CdromService::NewStub(channel)->ListCdroms(&context, {}, &response);
}

inline grpc::Status Read(const std::shared_ptr<grpc::Channel>& channel) {
  grpc::ClientContext context;
  return Read(channel, context);
}

/// A call that changes something.
inline grpc::Status Write(const std::shared_ptr<grpc::Channel>& channel) {
  grpc::ClientContext context;
  vcenter::vm::hardware::v1::ConnectCdromResponse response;
  return CdromService::NewStub(channel)->ConnectCdrom(&context, {}, &response);
}

}  // namespace vcenter_gateway
