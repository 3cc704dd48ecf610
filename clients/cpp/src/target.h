/// What the name of a target says about the way to it.
#pragma once

#include <string>

namespace vcenter_gateway {

/// How far away a target is.
enum class Reach {
  kRemote,    ///< Another machine, or unknown.
  kLoopback,  ///< This machine, over TCP.
  kUnix,      ///< This machine, over a Unix domain socket.
};

/// Reads the reach off a target's name, without asking any resolver.
Reach ReachOf(const std::string& target);

}  // namespace vcenter_gateway
