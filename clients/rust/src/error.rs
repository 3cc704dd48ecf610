//! What vCenter and the gateway say about a failed call, as one typed value.

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

/// Domain of the reasons that are the gateway's own.
const GATEWAY: &str = "vcenter-gateway";

/// What the gateway calls it when a call may have changed something.
pub(crate) const MAY_HAVE_EXECUTED: &str = "may_have_executed";

/// Why a call failed: everything that its status says, typed.
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
/// Made from any [`tonic::Status`], by `?` as well. Where a status has no details, or details that cannot be read, the
/// values that they would hold are empty.
#[derive(Clone, PartialEq)]
pub struct VCenterError(Box<Parts>);

/// Apart, so that results do not grow.
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

/// A mistake in a request.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub struct FieldViolation {
    /// Path of the field, for instance `spec.size_mib`.
    pub field: String,
    /// What is wrong with it.
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

    /// vCenter's error type verbatim, or a reason of the gateway's own. Empty when neither of them answered.
    pub fn reason(&self) -> &str {
        &self.0.info.reason
    }

    /// The reason of an error that the gateway itself reports; `Unspecified` when vCenter reported the error, when the
    /// reason is one of a later release, and when neither of them answered. [`reason`](Self::reason) has the text.
    ///
    /// A client that does not know a reason should go by the [`code`](Self::code).
    pub fn gateway_reason(&self) -> Reason {
        if self.domain() != GATEWAY {
            return Reason::Unspecified;
        }
        Reason::from_str_name(&format!("REASON_{}", self.reason())).unwrap_or_default()
    }

    /// Who reports the error: `vcenter.vmware.com` or `vcenter-gateway`. Empty when neither of them answered.
    pub fn domain(&self) -> &str {
        &self.0.info.domain
    }

    /// Further facts about the failed call, for instance its `operation` in vCenter and the `http_status` of the answer.
    pub fn metadata(&self) -> &HashMap<String, String> {
        &self.0.info.metadata
    }

    /// vCenter's error type; `Unspecified` when vCenter sent none, or one of a later release.
    pub fn error_type(&self) -> ErrorType {
        self.0.error.error_type()
    }

    /// The message of the status.
    pub fn message(&self) -> &str {
        &self.0.message
    }

    /// vCenter's messages, the outermost cause first.
    pub fn messages(&self) -> &[LocalizableMessage] {
        &self.0.error.messages
    }

    /// The mistakes in the request.
    pub fn violations(&self) -> &[FieldViolation] {
        &self.0.violations
    }

    /// How long to wait before another try, where waiting helps.
    pub fn retry_delay(&self) -> Option<Duration> {
        self.0.retry_delay
    }

    /// Whether the call may have changed something although it failed: look at the machine before you repeat it.
    ///
    /// The gateway says so for calls that it sent to vCenter. Where the gateway did not answer, it is true for every call
    /// that may change something, unless it certainly was not sent. It is never true for a call that only reads.
    pub fn may_have_executed(&self) -> bool {
        self.0
            .info
            .metadata
            .get(MAY_HAVE_EXECUTED)
            .is_some_and(|value| value == "true")
    }

    /// The id of the request, which is in the logs of the gateway and of vCenter.
    pub fn request_id(&self) -> &str {
        &self.0.request_id
    }

    /// Further facts from vCenter, of a structure that depends on the operation.
    pub fn data(&self) -> Option<&Struct> {
        self.0.error.data.as_ref()
    }

    /// A detail of another type, for instance [`ProcessErrorDetails`], where the status has one.
    ///
    /// [`ProcessErrorDetails`]: crate::vcenter::vm::guest::v1::ProcessErrorDetails
    pub fn detail<M: Message + Name + Default>(&self) -> Option<M> {
        detail(&self.0.details, &M::full_name())
    }
}

/// The first detail of a type that can be read.
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
    /// What vCenter and the gateway say about the failed call.
    fn vcenter_error(&self) -> VCenterError;
}

impl StatusExt for Status {
    fn vcenter_error(&self) -> VCenterError {
        self.into()
    }
}
