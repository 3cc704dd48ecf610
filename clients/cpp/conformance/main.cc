// Makes the calls of the conformance cases, one for each line of standard input: see clients/conformance/README.md.
#include <google/protobuf/descriptor.h>
#include <google/protobuf/message.h>
#include <google/protobuf/struct.pb.h>
#include <google/protobuf/util/json_util.h>
#include <grpcpp/client_context.h>
#include <grpcpp/completion_queue.h>
#include <grpcpp/generic/generic_stub.h>
#include <vcenter_gateway/connect.h>
#include <vcenter_gateway/error.h>

#include <chrono>
#include <cstdlib>
#include <exception>
#include <future>
#include <iostream>
#include <memory>
#include <stdexcept>
#include <string>
#include <utility>
#include <vector>

#include "vcenter/v1/vm_service.grpc.pb.h"  // Any service's header: it teaches gRPC to send protobuf's messages.

namespace pb = google::protobuf;

namespace {

std::string Environment(const char* name) {
  const char* value = std::getenv(name);
  if (value == nullptr) throw std::runtime_error(std::string(name) + " is not set");
  return value;
}

std::string ToJson(const pb::Message& message) {
  std::string json;
  if (const auto status = pb::util::MessageToJsonString(message, &json); !status.ok()) {
    throw std::runtime_error(status.ToString());
  }
  return json;
}

void FromJson(const std::string& json, pb::Message* message) {
  if (const auto status = pb::util::JsonStringToMessage(json, message); !status.ok()) {
    throw std::runtime_error(status.ToString());
  }
}

std::unique_ptr<pb::Message> New(const pb::Descriptor* type) {
  return std::unique_ptr<pb::Message>(pb::MessageFactory::generated_factory()->GetPrototype(type)->New());
}

// The method that is called package.Service/Method.
const pb::MethodDescriptor* FindMethod(std::string name) {
  if (const auto slash = name.find('/'); slash != std::string::npos) name[slash] = '.';
  const auto* method = pb::DescriptorPool::generated_pool()->FindMethodByName(name);
  if (method == nullptr) throw std::runtime_error("there is no rpc " + name);
  return method;
}

pb::Value String(const std::string& text) {
  pb::Value value;
  value.set_string_value(text);
  return value;
}

pb::Struct Describe(const vcenter_gateway::Error& error) {
  pb::Struct answer;
  auto& fields = *answer.mutable_fields();
  fields["code"] = String(std::string(vcenter_gateway::CodeName(error.code)));
  fields["reason"] = String(error.reason);
  fields["gateway_reason"] = String(vcenter::gateway::v1::Reason_Name(error.gateway_reason));
  fields["error_type"] = String(vapi::std::errors::v1::ErrorType_Name(error.type));
  fields["message"] = String(error.message);
  auto* messages = fields["messages"].mutable_list_value();
  for (const auto& message : error.messages) {
    auto& entry = *messages->add_values()->mutable_struct_value()->mutable_fields();
    entry["id"] = String(message.id());
    entry["default_message"] = String(message.default_message());
    auto* args = entry["args"].mutable_list_value();
    for (const auto& arg : message.args()) *args->add_values() = String(arg);
  }
  auto* violations = fields["violations"].mutable_list_value();
  for (const auto& violation : error.violations) {
    auto& entry = *violations->add_values()->mutable_struct_value()->mutable_fields();
    entry["field"] = String(violation.field);
    entry["description"] = String(violation.description);
  }
  fields["retry_delay"].set_null_value(pb::NULL_VALUE);
  if (error.retry_delay) {
    fields["retry_delay"].set_number_value(std::chrono::duration<double>(*error.retry_delay).count());
  }
  fields["may_have_executed"].set_bool_value(error.may_have_executed);
  fields["request_id"] = String(error.request_id);
  auto& metadata = *fields["metadata"].mutable_struct_value()->mutable_fields();
  for (const auto& [key, value] : error.metadata) metadata[key] = String(value);
  fields["data"].set_null_value(pb::NULL_VALUE);
  if (error.data) *fields["data"].mutable_struct_value() = *error.data;
  return answer;
}

/// A call in progress: its requests and the messages that answer it.
struct Call {
  explicit Call(const std::string& line) {
    FromJson(line, &fields);
    const auto* method = FindMethod(Field("rpc").string_value());
    name = "/" + method->service()->full_name() + "/" + method->name();
    response = New(method->output_type());
    if (Has("requests")) {
      for (const auto& request : Field("requests").list_value().values()) Add(method->input_type(), request);
    } else {
      Add(method->input_type(), Field("request"));
    }
  }

  bool Has(const std::string& key) const { return fields.fields().count(key) != 0; }

  const pb::Value& Field(const std::string& key) const { return fields.fields().at(key); }

  void Add(const pb::Descriptor* type, const pb::Value& request) {
    requests.push_back(New(type));
    FromJson(ToJson(request), requests.back().get());
  }

  pb::Struct fields;
  std::string name;
  std::vector<std::unique_ptr<pb::Message>> requests;
  std::unique_ptr<pb::Message> response;
};

void Write(const std::string& key, const std::string& json) {
  std::cout << "{\"" << key << "\": " << json << "}" << std::endl;
}

grpc::Status Unary(const std::shared_ptr<grpc::Channel>& channel, Call& call) {
  grpc::ClientContext context;
  std::promise<grpc::Status> done;
  grpc::TemplatedGenericStub<pb::Message, pb::Message>(channel).UnaryCall(
      &context, call.name, {}, call.requests[0].get(), call.response.get(),
      [&done](grpc::Status status) { done.set_value(std::move(status)); });
  return done.get_future().get();
}

/// Sends all requests and writes the messages as they arrive, or the only one; returns how the call ended.
grpc::Status Stream(const std::shared_ptr<grpc::Channel>& channel, Call& call) {
  const double last = call.Has("cancel_after") ? call.Field("cancel_after").number_value() : 0;
  grpc::ClientContext context;
  grpc::CompletionQueue queue;
  // Waits until the operation that was begun last is done; returns whether it succeeded.
  const auto done = [&queue] {
    void* tag = nullptr;
    bool ok = false;
    return queue.Next(&tag, &ok) && ok;
  };
  const auto stream =
      grpc::TemplatedGenericStub<pb::Message, pb::Message>(channel).PrepareCall(&context, call.name, &queue);
  stream->StartCall(nullptr);
  if (done()) {
    for (const auto& request : call.requests) {
      stream->Write(*request, nullptr);
      if (!done()) break;  // The call has ended.
    }
    stream->WritesDone(nullptr);
    done();
    for (double arrived = 1; stream->Read(call.response.get(), nullptr), done(); ++arrived) {
      if (call.Has("stream")) Write("message", ToJson(*call.response));
      if (arrived == last) context.TryCancel();
    }
  }
  grpc::Status status;
  stream->Finish(&status, nullptr);
  done();
  return status;
}

void Answer(const std::shared_ptr<grpc::Channel>& channel, const std::string& line) {
  Call call(line);
  const bool stream = call.Has("stream");
  const grpc::Status status = stream || call.Has("requests") ? Stream(channel, call) : Unary(channel, call);
  if (!status.ok()) {
    Write("error", ToJson(Describe(vcenter_gateway::Error::FromStatus(status))));
  } else if (stream) {
    Write("end", "{}");
  } else {
    Write("response", ToJson(*call.response));
  }
}

}  // namespace

int main() {
  try {
    vcenter_gateway::ConnectOptions options;
    options.credentials =
        vcenter_gateway::Credentials::Basic(Environment("GATEWAY_USER"), Environment("GATEWAY_PASSWORD"));
    options.allow_plaintext_credentials = true;
    const auto channel = vcenter_gateway::Connect(Environment("GATEWAY_TARGET"), options);
    for (std::string line; std::getline(std::cin, line);) Answer(channel, line);
  } catch (const std::exception& error) {
    std::cerr << error.what() << "\n";
    return 1;
  }
}
