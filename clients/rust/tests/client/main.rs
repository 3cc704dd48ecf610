//! The client against real gRPC servers in this process.

mod credentials;
mod deadline;
mod error;
mod redaction;
mod retry;
mod server;
#[cfg(feature = "tls-ring")]
mod tls;
