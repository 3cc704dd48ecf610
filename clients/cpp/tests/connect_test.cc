#include "vcenter_gateway/connect.h"

#include <gmock/gmock.h>
#include <grpcpp/security/server_credentials.h>
#include <gtest/gtest.h>

#include <chrono>
#include <fstream>
#include <iterator>
#include <memory>
#include <stdexcept>
#include <string>
#include <system_error>

#include "calls.h"
#include "fake_gateway.h"

namespace vcenter_gateway {
namespace {

using ::testing::HasSubstr;
using ::testing::StartsWith;

const grpc::Status kUnavailable(grpc::StatusCode::UNAVAILABLE, "try again");

std::string Content(const std::string& name) {
  std::ifstream file(name);
  return {std::istreambuf_iterator<char>(file), {}};
}

std::shared_ptr<grpc::ServerCredentials> ServerTls(grpc_ssl_client_certificate_request_type clients) {
  grpc::SslServerCredentialsOptions options(clients);
  options.pem_root_certs = Content(CERTIFICATE);
  options.pem_key_cert_pairs.push_back({Content(KEY), Content(CERTIFICATE)});
  return grpc::SslServerCredentials(options);
}

TEST(ServiceConfig, RepeatsAReadWhileTheGatewayIsUnavailable) {
  FakeGateway gateway;
  gateway.FailNext(kUnavailable);
  gateway.FailNext(kUnavailable);
  EXPECT_TRUE(Read(Connect(gateway.Target())).ok());
  EXPECT_EQ(gateway.Calls(), 3);
}

TEST(ServiceConfig, NeverRepeatsAWrite) {
  FakeGateway gateway;
  gateway.FailNext(kUnavailable);
  EXPECT_EQ(Write(Connect(gateway.Target())).error_code(), grpc::StatusCode::UNAVAILABLE);
  EXPECT_EQ(gateway.Calls(), 1);
}

TEST(ServiceConfig, RepeatsNothingAfterOtherFailures) {
  FakeGateway gateway;
  gateway.FailNext(grpc::Status(grpc::StatusCode::INTERNAL, "broken"));
  EXPECT_EQ(Read(Connect(gateway.Target())).error_code(), grpc::StatusCode::INTERNAL);
  EXPECT_EQ(gateway.Calls(), 1);
}

TEST(ServiceConfig, BalancesInTurn) {
  FakeGateway gateway;
  const auto channel = Connect(gateway.Target());
  ASSERT_TRUE(Read(channel).ok());
  EXPECT_EQ(channel->GetLoadBalancingPolicyName(), "round_robin");
}

TEST(ServiceConfig, CanBeLeftOut) {
  FakeGateway gateway;
  gateway.FailNext(kUnavailable);
  ConnectOptions options;
  options.service_config.clear();
  EXPECT_EQ(Read(Connect(gateway.Target(), options)).error_code(), grpc::StatusCode::UNAVAILABLE);
  EXPECT_EQ(gateway.Calls(), 1);
}

TEST(Connect, NamesItselfToTheGateway) {
  FakeGateway gateway;
  ASSERT_TRUE(Read(Connect(gateway.Target())).ok());
  EXPECT_THAT(gateway.Metadata("user-agent"), StartsWith("vcenter-gateway-client-cpp/"));
}

TEST(Connect, TakesFurtherSettingsOfGrpc) {
  FakeGateway gateway;
  ConnectOptions options;
  // More than what gRPC itself sends to watch the gateway's health.
  options.arguments.SetMaxSendMessageSize(64);
  grpc::ClientContext context;
  vcenter::vm::hardware::v1::ListCdromsRequest request;
  request.set_vm(std::string(65, '1'));
  vcenter::vm::hardware::v1::ListCdromsResponse response;
  const auto stub = CdromService::NewStub(Connect(gateway.Target(), options));
  EXPECT_EQ(stub->ListCdroms(&context, request, &response).error_code(), grpc::StatusCode::RESOURCE_EXHAUSTED);
}

TEST(Connect, RefusesToProbeTooOften) {
  ConnectOptions options;
  options.keepalive_time = std::chrono::seconds(29);
  EXPECT_THROW(Connect("localhost:1", options), std::invalid_argument);
}

TEST(Tls, TrustsTheCaInAFile) {
  FakeGateway gateway("127.0.0.1:0", ServerTls(GRPC_SSL_DONT_REQUEST_CLIENT_CERTIFICATE));
  ConnectOptions options;
  options.tls = Tls{CERTIFICATE, "", "", ""};
  options.credentials = Credentials::Session("session-1");
  ASSERT_TRUE(Read(Connect(gateway.Target("localhost"), options)).ok());
  EXPECT_EQ(gateway.Metadata("vmware-api-session-id"), "session-1");
}

TEST(Tls, LetsEachCallHaveItsOwnIdentity) {
  FakeGateway gateway("127.0.0.1:0", ServerTls(GRPC_SSL_DONT_REQUEST_CLIENT_CERTIFICATE));
  ConnectOptions options;
  options.tls = Tls{CERTIFICATE, "", "", ""};
  grpc::ClientContext context;
  context.set_credentials(Credentials::Session("session-2").ForCall());
  ASSERT_TRUE(Read(Connect(gateway.Target("localhost"), options), context).ok());
  EXPECT_EQ(gateway.Metadata("vmware-api-session-id"), "session-2");
}

TEST(Tls, TrustsNobodyElse) {
  FakeGateway gateway("127.0.0.1:0", ServerTls(GRPC_SSL_DONT_REQUEST_CLIENT_CERTIFICATE));
  ConnectOptions options;
  options.tls.emplace();
  options.service_config.clear();
  EXPECT_EQ(Read(Connect(gateway.Target("localhost"), options)).error_code(), grpc::StatusCode::UNAVAILABLE);
  EXPECT_EQ(gateway.Calls(), 0);
}

TEST(Tls, ChecksTheNameInTheCertificate) {
  FakeGateway gateway("127.0.0.1:0", ServerTls(GRPC_SSL_DONT_REQUEST_CLIENT_CERTIFICATE));
  ConnectOptions options;
  options.tls = Tls{CERTIFICATE, "", "", ""};
  options.service_config.clear();
  EXPECT_EQ(Read(Connect(gateway.Target(), options)).error_code(), grpc::StatusCode::UNAVAILABLE);
  options.tls->server_name = "gateway.example";
  EXPECT_TRUE(Read(Connect(gateway.Target(), options)).ok());
}

TEST(Tls, ShowsTheCertificateOfTheClient) {
  FakeGateway gateway("127.0.0.1:0", ServerTls(GRPC_SSL_REQUEST_AND_REQUIRE_CLIENT_CERTIFICATE_AND_VERIFY));
  ConnectOptions options;
  options.tls = Tls{CERTIFICATE, "", "", ""};
  options.service_config.clear();
  EXPECT_EQ(Read(Connect(gateway.Target("localhost"), options)).error_code(), grpc::StatusCode::UNAVAILABLE);
  options.tls = Tls{CERTIFICATE, CERTIFICATE, KEY, ""};
  EXPECT_TRUE(Read(Connect(gateway.Target("localhost"), options)).ok());
}

TEST(Tls, NeedsFilesThatExist) {
  ConnectOptions options;
  options.tls = Tls{"/no/such/file.pem", "", "", ""};
  try {
    Connect("localhost:1", options);
    FAIL() << "connected";
  } catch (const std::system_error& error) {
    EXPECT_EQ(error.code(), std::errc::no_such_file_or_directory);
    EXPECT_THAT(error.what(), HasSubstr("/no/such/file.pem"));
  }
}

TEST(Tls, NeedsCertificateAndKeyTogether) {
  ConnectOptions options;
  options.tls = Tls{"", CERTIFICATE, "", ""};
  EXPECT_THROW(Connect("localhost:1", options), std::invalid_argument);
}

}  // namespace
}  // namespace vcenter_gateway
