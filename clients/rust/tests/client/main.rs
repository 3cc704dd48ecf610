//! The client against real gRPC servers in this process.

mod credentials;
mod deadline;
mod error;
mod redaction;
mod requests;
mod retry;
mod server;
mod streams;
#[cfg(feature = "tls-ring")]
mod tls;
mod vcenter;
