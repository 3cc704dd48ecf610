/// What becomes of a call that the gateway did not answer.
#pragma once

#include <grpcpp/support/client_interceptor.h>
#include <grpcpp/support/status.h>

#include <memory>

namespace vcenter_gateway {

/// Completes the status of calls that may have changed something although the gateway did not answer: it then says so
/// as the gateway does, in a `google.rpc.ErrorInfo`, where `Error` reads it. Only here is it known which rpc was
/// called.
std::unique_ptr<grpc::experimental::ClientInterceptorFactoryInterface> CompleteOutcomes();

/// The status of a call that may change something, completed where the gateway did not send it.
grpc::Status CompleteOutcome(const grpc::Status& status);

/// Whether an rpc, `/package.Service/Method`, may change something.
bool MayChange(const char* method);

}  // namespace vcenter_gateway
