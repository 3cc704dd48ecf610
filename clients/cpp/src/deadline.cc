#include "deadline.h"

#include <grpcpp/alarm.h>
#include <grpcpp/client_context.h>

#include <mutex>

namespace vcenter_gateway {
namespace {

using grpc::experimental::InterceptionHookPoints;
using grpc::experimental::InterceptorBatchMethods;
using std::chrono::system_clock;

/// What the call's thread and the alarm's have in common.
class Watch {
 public:
  explicit Watch(grpc::ClientContext* context) : context_(context) {}

  void Expire() {
    const std::lock_guard lock(mutex_);
    if (context_ == nullptr) return;
    expired_ = true;
    context_->TryCancel();
  }

  /// The call is over, and its context may go. Returns whether the time was up before.
  bool Stop() {
    const std::lock_guard lock(mutex_);
    context_ = nullptr;
    return expired_;
  }

 private:
  std::recursive_mutex mutex_;  // Cancelling a call can finish it in the same thread.
  grpc::ClientContext* context_;
  bool expired_ = false;
};

class Interceptor final : public grpc::experimental::Interceptor {
 public:
  Interceptor(grpc::ClientContext* context, std::chrono::milliseconds deadline)
      : watch_(std::make_shared<Watch>(context)), deadline_(deadline) {}

  Interceptor(const Interceptor&) = delete;
  Interceptor& operator=(const Interceptor&) = delete;

  ~Interceptor() override { watch_->Stop(); }

  void Intercept(InterceptorBatchMethods* methods) override {
    if (methods->QueryInterceptionHookPoint(InterceptionHookPoints::PRE_SEND_INITIAL_METADATA)) {
      alarm_.Set(system_clock::now() + deadline_, [watch = watch_](bool due) {
        if (due) watch->Expire();
      });
    }
    if (methods->QueryInterceptionHookPoint(InterceptionHookPoints::POST_RECV_STATUS)) {
      alarm_.Cancel();
      grpc::Status* status = methods->GetRecvStatus();
      if (watch_->Stop() && status->error_code() == grpc::StatusCode::CANCELLED) {
        *status = grpc::Status(grpc::StatusCode::DEADLINE_EXCEEDED, "Deadline Exceeded");
      }
    }
    methods->Proceed();
  }

 private:
  std::shared_ptr<Watch> watch_;
  std::chrono::milliseconds deadline_;
  grpc::Alarm alarm_;
};

class Factory final : public grpc::experimental::ClientInterceptorFactoryInterface {
 public:
  explicit Factory(std::chrono::milliseconds deadline) : deadline_(deadline) {}

  grpc::experimental::Interceptor* CreateClientInterceptor(grpc::experimental::ClientRpcInfo* info) override {
    // A stream lasts as long as its caller wants.
    if (info->type() != grpc::experimental::ClientRpcInfo::Type::UNARY) return nullptr;
    grpc::ClientContext* context = info->client_context();
    return context->deadline() == system_clock::time_point::max() ? new Interceptor(context, deadline_) : nullptr;
  }

 private:
  std::chrono::milliseconds deadline_;
};

}  // namespace

std::unique_ptr<grpc::experimental::ClientInterceptorFactoryInterface> DefaultDeadline(
    std::chrono::milliseconds deadline) {
  return std::make_unique<Factory>(deadline);
}

}  // namespace vcenter_gateway
