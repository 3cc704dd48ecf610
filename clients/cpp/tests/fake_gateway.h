/// A gateway in this process that does as it is told.
#pragma once

#include <grpcpp/security/server_credentials.h>
#include <grpcpp/server.h>
#include <grpcpp/server_builder.h>
#include <grpcpp/server_context.h>

#include <chrono>
#include <condition_variable>
#include <deque>
#include <future>
#include <list>
#include <map>
#include <memory>
#include <mutex>
#include <string>
#include <utility>

#include "vcenter/gateway/v1/gateway_service.grpc.pb.h"
#include "vcenter/vm/hardware/v1/cdrom_service.grpc.pb.h"

namespace vcenter_gateway {

/// A stream that is open until the test ends it, or the client cancels it.
class Stream final : public grpc::ServerWriteReactor<vcenter::gateway::v1::WatchGatewayResponse> {
 public:
  explicit Stream(std::chrono::system_clock::time_point deadline) : deadline_(deadline) {}

  std::chrono::system_clock::time_point Deadline() const { return deadline_; }

  /// Sends a message, and returns when gRPC has taken it.
  void Send(const vcenter::gateway::v1::WatchGatewayResponse& message) {
    written_ = {};
    StartWrite(&message);
    written_.get_future().wait();
  }

  void End(const grpc::Status& status) {
    const std::lock_guard lock(mutex_);
    if (!std::exchange(ended_, true)) Finish(status);
  }

  void WaitForCancel() { cancelled_.get_future().wait(); }

  void OnWriteDone(bool /*ok*/) override { written_.set_value(); }

  void OnCancel() override {
    cancelled_.set_value();
    End(grpc::Status::CANCELLED);
  }

  void OnDone() override {}

 private:
  const std::chrono::system_clock::time_point deadline_;
  std::mutex mutex_;
  bool ended_ = false;
  std::promise<void> written_;
  std::promise<void> cancelled_;
};

/// A real server with two real services: a read, `ListCdroms`, a write, `ConnectCdrom`, and a stream, `WatchGateway`.
class FakeGateway final : public vcenter::vm::hardware::v1::CdromService::Service {
 public:
  /// Starts it. `address` is where to listen; a TCP port 0 is a free one.
  explicit FakeGateway(
      const std::string& address = "127.0.0.1:0",
      const std::shared_ptr<grpc::ServerCredentials>& credentials = grpc::InsecureServerCredentials()) {
    grpc::ServerBuilder builder;
    builder.AddListeningPort(address, credentials, &port_);
    builder.RegisterService(this);
    builder.RegisterService(&watching_);
    server_ = builder.BuildAndStart();
  }

  ~FakeGateway() override {
    Release();
    server_->Shutdown(std::chrono::system_clock::now());
  }

  FakeGateway(const FakeGateway&) = delete;
  FakeGateway& operator=(const FakeGateway&) = delete;

  std::string Target(const std::string& host = "127.0.0.1") const { return host + ":" + std::to_string(port_); }

  /// The next call fails like this.
  void FailNext(const grpc::Status& status) {
    const std::lock_guard lock(mutex_);
    failures_.push_back(status);
  }

  /// Calls have no answer from now on.
  void Hold() {
    const std::lock_guard lock(mutex_);
    held_ = true;
  }

  /// Calls have an answer again, those that wait as well.
  void Release() {
    const std::lock_guard lock(mutex_);
    held_ = false;
    changed_.notify_all();
  }

  /// Waits until this many calls have arrived.
  void WaitForCalls(int calls) {
    std::unique_lock lock(mutex_);
    changed_.wait(lock, [&] { return calls_ >= calls; });
  }

  /// Waits until a further stream is open.
  Stream& NextStream() {
    std::unique_lock lock(mutex_);
    changed_.wait(lock, [&] { return !opened_.empty(); });
    Stream& stream = *opened_.front();
    opened_.pop_front();
    return stream;
  }

  int Calls() const {
    const std::lock_guard lock(mutex_);
    return calls_;
  }

  /// What the last call had in its metadata under a key, empty for nothing.
  std::string Metadata(const std::string& key) const {
    const std::lock_guard lock(mutex_);
    const auto found = metadata_.find(key);
    return found != metadata_.end() ? found->second : "";
  }

  grpc::Status ListCdroms(grpc::ServerContext* context, const vcenter::vm::hardware::v1::ListCdromsRequest*,
                          vcenter::vm::hardware::v1::ListCdromsResponse*) override {
    return Answer(*context);
  }

  grpc::Status ConnectCdrom(grpc::ServerContext* context, const vcenter::vm::hardware::v1::ConnectCdromRequest*,
                            vcenter::vm::hardware::v1::ConnectCdromResponse*) override {
    return Answer(*context);
  }

 private:
  class Watching final : public vcenter::gateway::v1::GatewayService::CallbackService {
   public:
    explicit Watching(FakeGateway& gateway) : gateway_(gateway) {}

    Stream* WatchGateway(grpc::CallbackServerContext* context,
                         const vcenter::gateway::v1::WatchGatewayRequest* /*request*/) override {
      const std::lock_guard lock(gateway_.mutex_);
      auto& stream = gateway_.streams_.emplace_back(context->deadline());
      if (const grpc::Status status = gateway_.Record(*context); !status.ok()) {
        stream.End(status);
      } else {
        gateway_.opened_.push_back(&stream);
      }
      return &stream;
    }

   private:
    FakeGateway& gateway_;
  };

  grpc::Status Answer(const grpc::ServerContext& context) {
    std::unique_lock lock(mutex_);
    const grpc::Status status = Record(context);
    changed_.wait(lock, [this] { return !held_; });
    return status;
  }

  /// Notes a call. Returns what it is to fail with.
  grpc::Status Record(const grpc::ServerContextBase& context) {
    ++calls_;
    metadata_.clear();
    for (const auto& [key, value] : context.client_metadata()) {
      metadata_.emplace(std::string(key.data(), key.size()), std::string(value.data(), value.size()));
    }
    changed_.notify_all();
    if (failures_.empty()) return grpc::Status::OK;
    grpc::Status status = std::move(failures_.front());
    failures_.pop_front();
    return status;
  }

  mutable std::mutex mutex_;
  std::condition_variable changed_;
  std::deque<grpc::Status> failures_;
  std::map<std::string, std::string> metadata_;
  std::list<Stream> streams_;
  std::deque<Stream*> opened_;
  Watching watching_{*this};
  int calls_ = 0;
  bool held_ = false;
  int port_ = 0;
  std::unique_ptr<grpc::Server> server_;
};

}  // namespace vcenter_gateway
