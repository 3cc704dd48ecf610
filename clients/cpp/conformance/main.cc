// Makes the calls of the conformance cases, one for each line of standard input: see clients/conformance/README.md.
#include <google/protobuf/descriptor.h>
#include <google/protobuf/message.h>
#include <google/protobuf/struct.pb.h>
#include <google/protobuf/util/json_util.h>
#include <grpcpp/client_context.h>
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
  fields["data"].set_null_value(pb::NULL_VALUE);
  if (error.data) *fields["data"].mutable_struct_value() = *error.data;
  return answer;
}

std::string Answer(const std::shared_ptr<grpc::Channel>& channel, const std::string& line) {
  pb::Struct call;
  FromJson(line, &call);
  const auto* method = FindMethod(call.fields().at("rpc").string_value());
  const auto request = New(method->input_type());
  const auto response = New(method->output_type());
  FromJson(ToJson(call.fields().at("request")), request.get());

  grpc::ClientContext context;
  std::promise<grpc::Status> done;
  grpc::TemplatedGenericStub<pb::Message, pb::Message>(channel).UnaryCall(
      &context, "/" + method->service()->full_name() + "/" + method->name(), {}, request.get(), response.get(),
      [&done](grpc::Status status) { done.set_value(std::move(status)); });
  const grpc::Status status = done.get_future().get();

  if (status.ok()) return "{\"response\": " + ToJson(*response) + "}";
  return "{\"error\": " + ToJson(Describe(vcenter_gateway::Error::FromStatus(status))) + "}";
}

}  // namespace

int main() {
  try {
    vcenter_gateway::ConnectOptions options;
    options.credentials =
        vcenter_gateway::Credentials::Basic(Environment("GATEWAY_USER"), Environment("GATEWAY_PASSWORD"));
    options.allow_plaintext_credentials = true;
    const auto channel = vcenter_gateway::Connect(Environment("GATEWAY_TARGET"), options);
    for (std::string line; std::getline(std::cin, line);) std::cout << Answer(channel, line) << std::endl;
  } catch (const std::exception& error) {
    std::cerr << error.what() << "\n";
    return 1;
  }
}
