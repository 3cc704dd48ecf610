//! What vCenter and the gateway report about a failed call, as one typed value.

use std::{collections::HashMap, error::Error, fmt, time::Duration};

use prost::{Message, Name};
use prost_types::{Any, Struct};
use tonic::{Code, Status};
use tonic_types::pb;

use crate::{
    vapi::std::{
        errors::v1::{Error as VapiError, ErrorType},
        v1::LocalizableMessage,
    },
    vcenter::gateway::v1::Reason,
};

/// Full name of the detail that says why a call failed.
pub(crate) const ERROR_INFO: &str = "google.rpc.ErrorInfo";

/// Domain of the gateway's own reasons.
const GATEWAY: &str = "vcenter-gateway";

/// Metadata key with which the gateway reports that a call may have changed something.
pub(crate) const MAY_HAVE_EXECUTED: &str = "may_have_executed";

/// Why a call failed: the typed contents of its status.
///
/// ```
/// use vcenter_gateway_client::{StatusExt, VCenterError, tonic, vapi::std::errors::v1::ErrorType};
///
/// fn connected(result: Result<(), tonic::Status>) -> Result<(), VCenterError> {
///     match result.map_err(VCenterError::from) {
///         Err(error) if error.error_type() == ErrorType::AlreadyInDesiredState => Ok(()),
///         other => other,
///     }
/// }
/// ```
///
/// Converts from any [`tonic::Status`], including with `?`. If a status has no details or unreadable ones, the
/// corresponding values are empty.
#[derive(Clone, PartialEq)]
pub struct VCenterError(Box<Parts>);

/// Boxed to keep results small.
#[derive(Clone, Debug, PartialEq)]
struct Parts {
    code: Code,
    message: String,
    info: pb::ErrorInfo,
    error: VapiError,
    violations: Vec<FieldViolation>,
    retry_delay: Option<Duration>,
    request_id: String,
    details: Vec<Any>,
}

/// An error in a request.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub struct FieldViolation {
    /// Path of the field, for example `spec.size_mib`.
    pub field: String,
    /// Description of the error.
    pub description: String,
}

impl From<pb::bad_request::FieldViolation> for FieldViolation {
    fn from(violation: pb::bad_request::FieldViolation) -> Self {
        Self {
            field: violation.field,
            description: violation.description,
        }
    }
}

impl VCenterError {
    /// The gRPC code, which says how to react.
    pub fn code(&self) -> Code {
        self.0.code
    }

    /// vCenter's error type verbatim, or the gateway's own reason. Empty if neither responded.
    pub fn reason(&self) -> &str {
        &self.0.info.reason
    }

    /// The reason of an error that the gateway itself reports; `Unspecified` if vCenter reported the error, if the
    /// reason is from a newer release, or if neither responded. For the text, see [`reason`](Self::reason).
    ///
    /// A client that does not recognize a reason should rely on the [`code`](Self::code).
    pub fn gateway_reason(&self) -> Reason {
        if self.domain() != GATEWAY {
            return Reason::Unspecified;
        }
        Reason::from_str_name(&format!("REASON_{}", self.reason())).unwrap_or_default()
    }

    /// Who reported the error: `vcenter.vmware.com` or `vcenter-gateway`. Empty if neither responded.
    pub fn domain(&self) -> &str {
        &self.0.info.domain
    }

    /// Additional data about the failed call, for example its `operation` in vCenter and the `http_status` of the
    /// response.
    pub fn metadata(&self) -> &HashMap<String, String> {
        &self.0.info.metadata
    }

    /// vCenter's error type; `Unspecified` if vCenter sent none, or one from a newer release.
    pub fn error_type(&self) -> ErrorType {
        self.0.error.error_type()
    }

    /// The message of the status.
    pub fn message(&self) -> &str {
        &self.0.message
    }

    /// vCenter's messages, outermost cause first.
    pub fn messages(&self) -> &[LocalizableMessage] {
        &self.0.error.messages
    }

    /// The errors in the request.
    pub fn violations(&self) -> &[FieldViolation] {
        &self.0.violations
    }

    /// How long to wait before a retry, if waiting helps.
    pub fn retry_delay(&self) -> Option<Duration> {
        self.0.retry_delay
    }

    /// Whether the call may have changed something although it failed: check the machine's state before you retry.
    ///
    /// The gateway reports this for calls that it sent to vCenter. If the gateway did not respond, it is true for every
    /// call that can change something, unless the call was certainly not sent. It is never true for a read-only call.
    pub fn may_have_executed(&self) -> bool {
        self.0
            .info
            .metadata
            .get(MAY_HAVE_EXECUTED)
            .is_some_and(|value| value == "true")
    }

    /// The ID of the request in the logs of the gateway and vCenter.
    pub fn request_id(&self) -> &str {
        &self.0.request_id
    }

    /// Additional data from vCenter. Its structure depends on the operation.
    pub fn data(&self) -> Option<&Struct> {
        self.0.error.data.as_ref()
    }

    /// A detail of another type, for example [`ProcessErrorDetails`], if the status has one.
    ///
    /// [`ProcessErrorDetails`]: crate::vcenter::vm::guest::v1::ProcessErrorDetails
    pub fn detail<M: Message + Name + Default>(&self) -> Option<M> {
        detail(&self.0.details, &M::full_name())
    }
}

/// The first readable detail of a type.
pub(crate) fn detail<M: Message + Default>(details: &[Any], full_name: &str) -> Option<M> {
    details
        .iter()
        .filter(|any| any.type_url.rsplit('/').next() == Some(full_name))
        .find_map(|any| M::decode(any.value.as_slice()).ok())
}

/// An error and all its causes.
pub(crate) fn chain<'a>(error: &'a (dyn Error + 'static)) -> impl Iterator<Item = &'a (dyn Error + 'static)> {
    std::iter::successors(Some(error), |&error| error.source())
}

impl From<&Status> for VCenterError {
    fn from(status: &Status) -> Self {
        // What cannot be read is no reason to lose the rest.
        let details = pb::Status::decode(status.details()).unwrap_or_default().details;
        let violations: pb::BadRequest = detail(&details, "google.rpc.BadRequest").unwrap_or_default();
        let retry: pb::RetryInfo = detail(&details, "google.rpc.RetryInfo").unwrap_or_default();
        let request: pb::RequestInfo = detail(&details, "google.rpc.RequestInfo").unwrap_or_default();
        Self(Box::new(Parts {
            code: status.code(),
            message: status.message().to_owned(),
            info: detail(&details, ERROR_INFO).unwrap_or_default(),
            error: detail(&details, &VapiError::full_name()).unwrap_or_default(),
            violations: violations
                .field_violations
                .into_iter()
                .map(FieldViolation::from)
                .collect(),
            retry_delay: retry.retry_delay.and_then(|delay| delay.try_into().ok()),
            request_id: request.request_id,
            details,
        }))
    }
}

impl From<Status> for VCenterError {
    fn from(status: Status) -> Self {
        Self::from(&status)
    }
}

impl fmt::Debug for VCenterError {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter
            .debug_struct("VCenterError")
            .field("code", &self.code())
            .field("domain", &self.domain())
            .field("reason", &self.reason())
            .field("metadata", &self.metadata())
            .field("error_type", &self.error_type())
            .field("message", &self.message())
            .field("messages", &self.messages())
            .field("violations", &self.violations())
            .field("retry_delay", &self.retry_delay())
            .field("may_have_executed", &self.may_have_executed())
            .field("request_id", &self.request_id())
            .field("data", &self.data())
            .finish()
    }
}

impl fmt::Display for VCenterError {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(formatter, "{:?}", self.code())?;
        if !self.reason().is_empty() {
            write!(formatter, " ({})", self.reason())?;
        }
        write!(formatter, ": {}", self.message())
    }
}

impl Error for VCenterError {}

/// Adds [`vcenter_error`](StatusExt::vcenter_error) to [`tonic::Status`].
pub trait StatusExt {
    /// What vCenter and the gateway report about the failed call.
    fn vcenter_error(&self) -> VCenterError;
}

impl StatusExt for Status {
    fn vcenter_error(&self) -> VCenterError {
        self.into()
    }
}
