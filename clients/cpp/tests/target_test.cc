#include "target.h"

#include <gtest/gtest.h>

namespace vcenter_gateway {
namespace {

TEST(ReachOf, IsLoopbackForNamesThatCanBeNothingElse) {
  for (const char* target :
       {"localhost", "localhost:50051", "[::1]", "127.0.0.1:50051", "127.1.2.3:1", "[::1]:50051", "dns:localhost:50051",
        "dns:///127.0.0.1:50051", "ipv4:127.0.0.1:50051", "ipv6:[::1]:50051"}) {
    EXPECT_EQ(ReachOf(target), Reach::kLoopback) << target;
  }
}

TEST(ReachOf, IsUnixForSockets) {
  EXPECT_EQ(ReachOf("unix:/run/gateway.sock"), Reach::kUnix);
  EXPECT_EQ(ReachOf("unix:///run/gateway.sock"), Reach::kUnix);
  EXPECT_EQ(ReachOf("unix-abstract:gateway"), Reach::kUnix);
}

TEST(ReachOf, IsRemoteForAllElse) {
  for (const char* target :
       {"", "gateway.example:443", "10.0.0.1:50051", "[::2]:50051", "127.example.com:443", "127.0.0.1.example.com:443",
        "localhost.example.com:443", "localhost@example.com:443", "dns://8.8.8.8/localhost:50051",
        "ipv4:127.0.0.1:1,10.0.0.1:1", "xds:///localhost", "localhost:1@example.com:443"}) {
    EXPECT_EQ(ReachOf(target), Reach::kRemote) << target;
  }
}

}  // namespace
}  // namespace vcenter_gateway
