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
#include "vcenter/gateway/v1/guest_service.grpc.pb.h"
#include "vcenter/vm/hardware/v1/cdrom_service.grpc.pb.h"

namespace vcenter_gateway {

/// One call that the test and the client talk through: its reactor waits for what the test does.
template <typename Base>
class Conversation : public Base {
 public:
  explicit Conversation(std::chrono::system_clock::time_point deadline) : deadline_(deadline) {}

  std::chrono::system_clock::time_point Deadline() const { return deadline_; }

  void End(const grpc::Status& status) {
    const std::lock_guard lock(mutex_);
    if (!std::exchange(ended_, true)) this->Finish(status);
  }

  void WaitForCancel() { cancelled_.get_future().wait(); }

  void OnCancel() override {
    cancelled_.set_value();
    End(grpc::Status::CANCELLED);
  }

  void OnDone() override {}

 private:
  const std::chrono::system_clock::time_point deadline_;
  std::mutex mutex_;
  bool ended_ = false;
  std::promise<void> cancelled_;
};

/// A call that sends messages.
template <typename Base, typename Response>
class Sending : public Base {
 public:
  using Base::Base;

  /// Sends a message, and returns when gRPC has taken it.
  void Send(const Response& message) {
    written_ = {};
    this->StartWrite(&message);
    written_.get_future().wait();
  }

  void OnWriteDone(bool /*ok*/) override { written_.set_value(); }

 private:
  std::promise<void> written_;
};

/// A call that receives requests.
template <typename Base, typename Request>
class Receiving : public Base {
 public:
  using Base::Base;

  /// Waits for the next request; false when there are no more.
  bool Read(Request* request) {
    read_ = {};
    this->StartRead(request);
    return read_.get_future().get();
  }

  void OnReadDone(bool ok) override { read_.set_value(ok); }

 private:
  std::promise<bool> read_;
};

/// A stream that is open until the test ends it, or the client cancels it.
using Stream = Sending<Conversation<grpc::ServerWriteReactor<vcenter::gateway::v1::WatchGatewayResponse>>,
                       vcenter::gateway::v1::WatchGatewayResponse>;

/// A call that streams in both directions.
using Dialog = Receiving<Sending<Conversation<grpc::ServerBidiReactor<vcenter::gateway::v1::RunProgramRequest,
                                                                      vcenter::gateway::v1::RunProgramResponse>>,
                                 vcenter::gateway::v1::RunProgramResponse>,
                         vcenter::gateway::v1::RunProgramRequest>;

/// A call with a stream of requests.
class Uploaded final : public Receiving<Conversation<grpc::ServerReadReactor<vcenter::gateway::v1::UploadFileRequest>>,
                                        vcenter::gateway::v1::UploadFileRequest> {
 public:
  Uploaded(std::chrono::system_clock::time_point deadline, vcenter::gateway::v1::UploadFileResponse* response)
      : Receiving(deadline), response_(response) {}

  vcenter::gateway::v1::UploadFileResponse& Response() { return *response_; }

 private:
  vcenter::gateway::v1::UploadFileResponse* response_;
};

/// A real server with real services: a read, `ListCdroms`, a write, `ConnectCdrom`, and a stream of each kind,
/// `WatchGateway`, `UploadFile` and `RunProgram`.
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
    builder.RegisterService(&guest_);
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
  Stream& NextStream() { return Next(opened_); }

  /// Waits until a further file is uploaded.
  Uploaded& NextUpload() { return Next(uploads_); }

  /// Waits until a further program is run.
  Dialog& NextProgram() { return Next(programs_); }

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
      return gateway_.Begin(*context, gateway_.opened_, std::make_unique<Stream>(context->deadline()));
    }

   private:
    FakeGateway& gateway_;
  };

  class Guest final : public vcenter::gateway::v1::GuestService::CallbackService {
   public:
    explicit Guest(FakeGateway& gateway) : gateway_(gateway) {}

    Uploaded* UploadFile(grpc::CallbackServerContext* context,
                         vcenter::gateway::v1::UploadFileResponse* response) override {
      return gateway_.Begin(*context, gateway_.uploads_, std::make_unique<Uploaded>(context->deadline(), response));
    }

    Dialog* RunProgram(grpc::CallbackServerContext* context) override {
      return gateway_.Begin(*context, gateway_.programs_, std::make_unique<Dialog>(context->deadline()));
    }

   private:
    FakeGateway& gateway_;
  };

  /// The calls of one kind: all that have been, and those that no test has asked for yet.
  template <typename Call>
  struct Begun {
    std::list<std::unique_ptr<Call>> all;
    std::deque<Call*> next;
  };

  template <typename Call>
  Call* Begin(const grpc::CallbackServerContext& context, Begun<Call>& begun, std::unique_ptr<Call> call) {
    const std::lock_guard lock(mutex_);
    Call* reactor = begun.all.emplace_back(std::move(call)).get();
    if (const grpc::Status status = Record(context); !status.ok()) {
      reactor->End(status);
    } else {
      begun.next.push_back(reactor);
    }
    return reactor;
  }

  template <typename Call>
  Call& Next(Begun<Call>& begun) {
    std::unique_lock lock(mutex_);
    changed_.wait(lock, [&] { return !begun.next.empty(); });
    Call& call = *begun.next.front();
    begun.next.pop_front();
    return call;
  }

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
  Begun<Stream> opened_;
  Begun<Uploaded> uploads_;
  Begun<Dialog> programs_;
  Watching watching_{*this};
  Guest guest_{*this};
  int calls_ = 0;
  bool held_ = false;
  int port_ = 0;
  std::unique_ptr<grpc::Server> server_;
};

}  // namespace vcenter_gateway
