/// A gateway in this process that does as it is told.
#pragma once

#include <grpcpp/security/server_credentials.h>
#include <grpcpp/server.h>
#include <grpcpp/server_builder.h>
#include <grpcpp/server_context.h>

#include <condition_variable>
#include <deque>
#include <map>
#include <memory>
#include <mutex>
#include <string>
#include <utility>

#include "vcenter/vm/hardware/v1/cdrom_service.grpc.pb.h"

namespace vcenter_gateway {

/// A real server with one real service: a read, `ListCdroms`, and a write, `ConnectCdrom`.
class FakeGateway final : public vcenter::vm::hardware::v1::CdromService::Service {
 public:
  /// Starts it. `address` is where to listen; a TCP port 0 is a free one.
  explicit FakeGateway(
      const std::string& address = "127.0.0.1:0",
      const std::shared_ptr<grpc::ServerCredentials>& credentials = grpc::InsecureServerCredentials()) {
    grpc::ServerBuilder builder;
    builder.AddListeningPort(address, credentials, &port_);
    builder.RegisterService(this);
    server_ = builder.BuildAndStart();
  }

  ~FakeGateway() override {
    Release();
    server_->Shutdown();
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
  grpc::Status Answer(const grpc::ServerContext& context) {
    std::unique_lock lock(mutex_);
    ++calls_;
    metadata_.clear();
    for (const auto& [key, value] : context.client_metadata()) {
      metadata_.emplace(std::string(key.data(), key.size()), std::string(value.data(), value.size()));
    }
    changed_.notify_all();
    changed_.wait(lock, [this] { return !held_; });
    if (failures_.empty()) return grpc::Status::OK;
    grpc::Status status = std::move(failures_.front());
    failures_.pop_front();
    return status;
  }

  mutable std::mutex mutex_;
  std::condition_variable changed_;
  std::deque<grpc::Status> failures_;
  std::map<std::string, std::string> metadata_;
  int calls_ = 0;
  bool held_ = false;
  int port_ = 0;
  std::unique_ptr<grpc::Server> server_;
};

}  // namespace vcenter_gateway
