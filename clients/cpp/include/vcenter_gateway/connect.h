/// @file
/// Connections to the gateway.
#pragma once

#include <grpcpp/channel.h>
#include <grpcpp/support/channel_arguments.h>

#include <chrono>
#include <memory>
#include <optional>
#include <string>

#include "vcenter_gateway/credentials.h"

namespace vcenter_gateway {

/// TLS settings. All names are those of files in PEM format.
struct Tls {
  std::string ca_file;           ///< Whom to trust. The system's roots when empty.
  std::string certificate_file;  ///< Certificate chain of the client. None is shown when empty.
  std::string key_file;          ///< Private key of the client's certificate.
  std::string server_name;       ///< Name in the gateway's certificate, where it is not that of the target.
};

/// gRPC's service config for the gateway in JSON: round robin across all addresses, with health checks to stop using a
/// replica in time before it shuts down. Read-only calls are retried up to three times while the gateway is
/// unavailable, and read-only streams until they are open. Calls that change something are never retried.
const std::string& DefaultServiceConfig();

/// Options of a connection.
struct ConnectOptions {
  /// TLS settings; plain text if unset.
  std::optional<Tls> tls;

  /// Identity for all calls; none if unset.
  std::optional<Credentials> credentials;

  /// Allows sending credentials in plain text to another machine, where anyone on the network path can read them. Only
  /// for networks that are themselves encrypted.
  bool allow_plaintext_credentials = false;

  /// The vCenter for all calls and streams, if one address serves several; none if unset.
  ///
  /// A context with the metadata `x-vcenter` selects another one.
  std::optional<std::string> vcenter;

  /// Deadline for calls whose context has none; zero or less for no default deadline. Does not apply to streams.
  ///
  /// A context's own deadline takes precedence, whether it is shorter or longer.
  std::chrono::milliseconds default_deadline = std::chrono::seconds(60);

  /// How long a connection with calls in flight is idle before it is probed, at least 30 seconds.
  std::chrono::milliseconds keepalive_time = std::chrono::seconds(60);

  /// gRPC's service config in JSON; none if empty.
  std::string service_config = DefaultServiceConfig();

  /// Additional gRPC channel arguments, for example the maximum response size, which defaults to 32 MiB. The settings
  /// above take precedence.
  grpc::ChannelArguments arguments;
};

/// Creates a channel to the gateway for the stubs of all services. It connects with the first call and reconnects
/// automatically.
///
/// `target` is a gRPC target name: `host:port`, `dns:///host:port`, `unix:path`. Threads can share a channel, and it
/// should live as long as the program.
///
/// Throws std::invalid_argument if credentials would be sent in plain text to another machine, if the name of the
/// vCenter is not valid, or if the options are contradictory, and std::system_error if a file cannot be read.
std::shared_ptr<grpc::Channel> Connect(const std::string& target, const ConnectOptions& options = {});

}  // namespace vcenter_gateway
