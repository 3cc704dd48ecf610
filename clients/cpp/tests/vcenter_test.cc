#include <grpcpp/client_context.h>
#include <gtest/gtest.h>

#include <stdexcept>
#include <string>

#include "calls.h"
#include "fake_gateway.h"
#include "vcenter_gateway/connect.h"

namespace vcenter_gateway {
namespace {

using vcenter::gateway::v1::GatewayService;
using vcenter::gateway::v1::GuestService;

constexpr char kKey[] = "x-vcenter";

ConnectOptions For(const std::string& vcenter) {
  ConnectOptions options;
  options.vcenter = vcenter;
  return options;
}

TEST(VCenter, IsNamedByEachCallUnlessTheCallNamesAnother) {
  for (const bool anywhere : {false, true}) {
    FakeGateway gateway;
    ConnectOptions options = For("east");
    options.credentials = Credentials::Session("own");
    options.allow_plaintext_credentials = anywhere;
    const auto channel = Connect(gateway.Target(), options);
    ASSERT_TRUE(Read(channel).ok());
    EXPECT_EQ(gateway.Metadata(kKey), "east");
    EXPECT_EQ(gateway.Metadata("vmware-api-session-id"), "own");
    ASSERT_TRUE(Write(channel).ok());
    EXPECT_EQ(gateway.Metadata(kKey), "east");
    grpc::ClientContext context;
    context.AddMetadata(kKey, "west");
    ASSERT_TRUE(Read(channel, context).ok());
    EXPECT_EQ(gateway.Metadata(kKey), "west");
  }
}

TEST(VCenter, IsNamedByStreamsOfEachKind) {
  FakeGateway gateway;
  const auto channel = Connect(gateway.Target(), For("east"));
  for (const std::string own : {"", "west"}) {
    const std::string expected = own.empty() ? "east" : own;
    {
      grpc::ClientContext context;
      if (!own.empty()) context.AddMetadata(kKey, own);
      const auto reader = GatewayService::NewStub(channel)->WatchGateway(&context, {});
      gateway.NextStream().End(grpc::Status::OK);
      EXPECT_TRUE(reader->Finish().ok());
      EXPECT_EQ(gateway.Metadata(kKey), expected);
    }
    {
      grpc::ClientContext context;
      if (!own.empty()) context.AddMetadata(kKey, own);
      vcenter::gateway::v1::UploadFileResponse response;
      const auto writer = GuestService::NewStub(channel)->UploadFile(&context, &response);
      gateway.NextUpload().End(grpc::Status::OK);
      EXPECT_TRUE(writer->Finish().ok());
      EXPECT_EQ(gateway.Metadata(kKey), expected);
    }
    {
      grpc::ClientContext context;
      if (!own.empty()) context.AddMetadata(kKey, own);
      const auto stream = GuestService::NewStub(channel)->RunProgram(&context);
      gateway.NextProgram().End(grpc::Status::OK);
      EXPECT_TRUE(stream->Finish().ok());
      EXPECT_EQ(gateway.Metadata(kKey), expected);
    }
  }
}

TEST(VCenter, IsNotNamedByAConnectionWithoutOne) {
  FakeGateway gateway;
  ASSERT_TRUE(Read(Connect(gateway.Target())).ok());
  EXPECT_EQ(gateway.Metadata(kKey), "");
}

TEST(VCenter, IsRefusedWhereItsNameCannotBeSent) {
  for (const char* name : {"", "east west", "east\n", "\xc3\xb6st"}) {
    EXPECT_THROW(Connect("127.0.0.1:1", For(name)), std::invalid_argument) << name;
  }
}

}  // namespace
}  // namespace vcenter_gateway
