/// @file
/// The way to the gateway.
#pragma once

#include <grpcpp/channel.h>
#include <grpcpp/support/channel_arguments.h>

#include <chrono>
#include <memory>
#include <optional>
#include <string>

#include "vcenter_gateway/credentials.h"

namespace vcenter_gateway {

/// How to speak TLS. All names are those of files in PEM form.
struct Tls {
  std::string ca_file;           ///< Whom to trust. The system's roots when empty.
  std::string certificate_file;  ///< Certificate chain of the client. None is shown when empty.
  std::string key_file;          ///< Private key of the client's certificate.
  std::string server_name;       ///< Name in the gateway's certificate, where it is not that of the target.
};

/// gRPC's service config for the gateway in JSON: round robin over all addresses, of which those that are about to stop
/// are left in time; and calls that only read are repeated up to three times while the gateway is unavailable,
/// streams until they are open. Calls that change something are never repeated.
const std::string& DefaultServiceConfig();

/// How to connect.
struct ConnectOptions {
  /// TLS; plain text when unset.
  std::optional<Tls> tls;

  /// Identity for all calls; none when unset.
  std::optional<Credentials> credentials;

  /// Lets credentials travel in plain text to another machine, where anyone on the way can read them. Only for
  /// networks that encrypt on their own.
  bool allow_plaintext_credentials = false;

  /// The vCenter that serves all calls and streams, where one address serves several; none when unset.
  ///
  /// A context that has the metadata `x-vcenter` selects another one.
  std::optional<std::string> vcenter;

  /// Deadline for calls whose context has none; zero or less for no such deadline. Does not apply to streams.
  ///
  /// Contexts with a deadline of their own keep it, be it shorter or longer.
  std::chrono::milliseconds default_deadline = std::chrono::seconds(60);

  /// How long a connection with calls in flight is silent before it is probed, at least 30 seconds.
  std::chrono::milliseconds keepalive_time = std::chrono::seconds(60);

  /// gRPC's service config in JSON; none when empty.
  std::string service_config = DefaultServiceConfig();

  /// Further settings of gRPC, for instance the largest answer, 32 MiB unless set. The settings above win.
  grpc::ChannelArguments arguments;
};

/// A channel to the gateway, for the stubs of all services. Connects with the first call, and anew when needed.
///
/// `target` is a name as gRPC takes it: `host:port`, `dns:///host:port`, `unix:path`. A channel is safe to use from
/// many threads and should live as long as the program.
///
/// Throws std::invalid_argument when credentials would travel in plain text to another machine, when the name of the
/// vCenter cannot be sent, or when the options contradict themselves, and std::system_error when a file cannot be read.
std::shared_ptr<grpc::Channel> Connect(const std::string& target, const ConnectOptions& options = {});

}  // namespace vcenter_gateway
