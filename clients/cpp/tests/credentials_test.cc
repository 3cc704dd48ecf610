#include "vcenter_gateway/credentials.h"

#include <gmock/gmock.h>
#include <grpcpp/client_context.h>
#include <gtest/gtest.h>

#include <stdexcept>
#include <string>

#include "calls.h"
#include "fake_gateway.h"
#include "vcenter_gateway/connect.h"
#include "vcenter_gateway/error.h"

namespace vcenter_gateway {
namespace {

using ::testing::HasSubstr;
using ::testing::Not;

constexpr char kSecret[] = "Secret-1";
// Base64 of user:Secret-1.
constexpr char kBasic[] = "Basic dXNlcjpTZWNyZXQtMQ==";
// Nobody connects to it.
constexpr char kRemote[] = "gateway.example:443";

ConnectOptions With(const Credentials& credentials) {
  ConnectOptions options;
  options.credentials = credentials;
  return options;
}

TEST(Credentials, GoWithEachCallOnLoopback) {
  FakeGateway gateway;
  const auto channel = Connect(gateway.Target(), With(Credentials::Basic("user", kSecret)));
  ASSERT_TRUE(Write(channel).ok());
  EXPECT_EQ(gateway.Metadata("authorization"), kBasic);
  ASSERT_TRUE(Read(channel).ok());
  EXPECT_EQ(gateway.Metadata("authorization"), kBasic);
}

TEST(Credentials, GoToLocalhostByName) {
  FakeGateway gateway;
  ASSERT_TRUE(Read(Connect(gateway.Target("localhost"), With(Credentials::Session(kSecret)))).ok());
  EXPECT_EQ(gateway.Metadata("vmware-api-session-id"), kSecret);
}

TEST(Credentials, GoThroughAUnixSocket) {
  const std::string address = "unix:" + ::testing::TempDir() + "vcenter-gateway-test.sock";
  FakeGateway gateway(address);
  ASSERT_TRUE(Read(Connect(address, With(Credentials::Session(kSecret)))).ok());
  EXPECT_EQ(gateway.Metadata("vmware-api-session-id"), kSecret);
}

TEST(Credentials, MayBeAToken) {
  FakeGateway gateway;
  ASSERT_TRUE(Read(Connect(gateway.Target(), With(Credentials::Bearer("a.b-c\n")))).ok());
  EXPECT_EQ(gateway.Metadata("authorization"), "Bearer a.b-c");
}

TEST(Credentials, MayBeATokenThatIsAskedForWithEachCall) {
  for (const bool anywhere : {false, true}) {
    FakeGateway gateway;
    std::string token;
    auto options =
        With(Credentials::Bearer([&token] { return token.empty() ? throw std::runtime_error("none") : token; }));
    options.allow_plaintext_credentials = anywhere;
    const auto channel = Connect(gateway.Target(), options);
    for (const char* next : {"first", "second"}) {
      token = std::string(next) + "\n";
      ASSERT_TRUE(Read(channel).ok());
      EXPECT_EQ(gateway.Metadata("authorization"), std::string("Bearer ") + next);
    }
    for (const char* unusable : {"", " ", "Secret-1 Secret-1"}) {
      token = unusable;
      const grpc::Status status = Write(channel);
      EXPECT_THAT(status.error_message(), Not(HasSubstr(kSecret)));
      if (anywhere) {
        EXPECT_EQ(gateway.Metadata("authorization"), "");
      } else {
        EXPECT_EQ(status.error_code(), grpc::StatusCode::UNAVAILABLE);
        EXPECT_THAT(status.error_message(), HasSubstr("there is no token"));
        EXPECT_EQ(gateway.Calls(), 2);
      }
    }
  }
}

TEST(Credentials, AreRefusedInPlainTextToAnotherMachine) {
  try {
    Connect(kRemote, With(Credentials::Basic("user", kSecret)));
    FAIL() << "connected";
  } catch (const std::invalid_argument& error) {
    EXPECT_THAT(error.what(), HasSubstr(kRemote));
    EXPECT_THAT(error.what(), Not(HasSubstr(kSecret)));
  }
}

TEST(Credentials, GoInPlainTextWhereItIsAllowed) {
  FakeGateway gateway;
  auto options = With(Credentials::Basic("user", kSecret));
  options.allow_plaintext_credentials = true;
  ASSERT_TRUE(Read(Connect(gateway.Target(), options)).ok());
  EXPECT_EQ(gateway.Metadata("authorization"), kBasic);
  EXPECT_NO_THROW(Connect(kRemote, options));
}

TEST(Credentials, OfOneCallNeedTls) {
  FakeGateway gateway;
  grpc::ClientContext context;
  context.set_credentials(Credentials::Session(kSecret).ForCall());
  EXPECT_FALSE(Read(Connect(gateway.Target()), context).ok());
  EXPECT_EQ(gateway.Calls(), 0);
}

TEST(Credentials, AreNotNeeded) {
  FakeGateway gateway;
  ASSERT_TRUE(Read(Connect(gateway.Target())).ok());
  EXPECT_EQ(gateway.Metadata("authorization"), "");
  EXPECT_NO_THROW(Connect(kRemote));
}

TEST(Credentials, AreNotPrinted) {
  EXPECT_EQ(::testing::PrintToString(Credentials::Session(kSecret)), "Credentials(session)");
  EXPECT_EQ(::testing::PrintToString(Credentials::Basic("user", kSecret)), "Credentials(basic)");
  EXPECT_EQ(::testing::PrintToString(Credentials::Bearer(kSecret)), "Credentials(bearer)");
  EXPECT_THAT(Credentials::Session(kSecret).ForCall()->DebugString(), Not(HasSubstr(kSecret)));
}

TEST(Credentials, AreNotInErrors) {
  FakeGateway gateway;
  gateway.FailNext(grpc::Status(grpc::StatusCode::PERMISSION_DENIED, "no"));
  const auto channel = Connect(gateway.Target(), With(Credentials::Session(kSecret)));
  EXPECT_THAT(Error::FromStatus(Write(channel)).what(), Not(HasSubstr(kSecret)));
}

TEST(Credentials, ThatCannotBeSentAreRefusedWithoutShowingThem) {
  EXPECT_THROW(Credentials::Session(""), std::invalid_argument);
  EXPECT_THROW(Credentials::Bearer(" "), std::invalid_argument);
  EXPECT_THROW(Credentials::Basic("", kSecret), std::invalid_argument);
  EXPECT_THROW(Credentials::Basic("us:er", kSecret), std::invalid_argument);
  try {
    Credentials::Session("Secret-1\n");
    FAIL() << "accepted";
  } catch (const std::invalid_argument& error) {
    EXPECT_THAT(error.what(), Not(HasSubstr(kSecret)));
  }
}

}  // namespace
}  // namespace vcenter_gateway
