#include "target.h"

#include <string_view>

namespace vcenter_gateway {
namespace {

bool StartsWith(std::string_view text, std::string_view prefix) { return text.substr(0, prefix.size()) == prefix; }

/// Whether a host can only be this machine. A name that merely begins like an address, 127.example.com, is not.
bool IsLoopback(std::string_view host) {
  return host == "localhost" || host == "[::1]" ||
         (StartsWith(host, "127.") && host.find_first_not_of("0123456789.") == std::string_view::npos);
}

}  // namespace

Reach ReachOf(const std::string& target) {
  std::string_view host = target;
  if (StartsWith(host, "unix:") || StartsWith(host, "unix-abstract:")) return Reach::kUnix;
  for (const std::string_view scheme : {"dns:///", "dns:", "ipv4:", "ipv6:"}) {
    if (StartsWith(host, scheme)) {
      host.remove_prefix(scheme.size());
      break;
    }
  }
  // A colon inside the brackets of an IPv6 address is not that of a port.
  if (const auto end = host.find_last_of(":]"); end != std::string_view::npos && host[end] == ':') {
    host = host.substr(0, end);
  }
  return IsLoopback(host) ? Reach::kLoopback : Reach::kRemote;
}

}  // namespace vcenter_gateway
