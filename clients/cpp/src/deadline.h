/// A deadline for calls that have none.
#pragma once

#include <grpcpp/support/client_interceptor.h>

#include <chrono>
#include <memory>

namespace vcenter_gateway {

/// Ends calls without a deadline of their own with DEADLINE_EXCEEDED when they have taken this long. Leaves streams
/// alone.
///
/// An interceptor sees a call only after its deadline was fixed, so that this has to count the time on its own.
std::unique_ptr<grpc::experimental::ClientInterceptorFactoryInterface> DefaultDeadline(
    std::chrono::milliseconds deadline);

}  // namespace vcenter_gateway
