#![doc = include_str!("../README.md")]

mod answer;
mod backends;
mod credentials;
mod deadline;
mod error;
mod gateway;
mod outgoing;
mod redact;
mod retry;
mod target;
#[cfg(feature = "_tls")]
mod tls;
mod verdict;

#[rustfmt::skip]
#[allow(clippy::all, missing_docs)]
mod generated;

pub use credentials::Credentials;
pub use error::{FieldViolation, StatusExt, VCenterError};
pub use gateway::{Builder, ConnectError, Gateway};
#[cfg(feature = "_tls")]
pub use tls::Tls;

/// The services with their messages, one module for each package of the contract.
pub use generated::*;

// Their types are part of this crate's interface.
pub use {prost_types, tonic, tonic_types};
