//! How a call ended, if the gateway itself does not report it.
//!
//! A call that changes something may have done so although there was no response. Its status then reports this in the
//! same way as the gateway does, in the metadata of a `google.rpc.ErrorInfo`, so that only `VCenterError` has to read
//! it.

use std::{io, sync::Arc};

use http::{HeaderMap, StatusCode};
use prost::Message;
use prost_types::Any;
use tonic::{Code, Status, codegen::Bytes};
use tonic_types::pb;

use crate::{
    backends::Failure,
    error::{ERROR_INFO, MAY_HAVE_EXECUTED, chain, detail},
    retry,
};

/// Codes that a call ends with if the connection between the client and the gateway fails.
const UNCERTAIN: [Code; 5] = [
    Code::Cancelled,
    Code::Unknown,
    Code::DeadlineExceeded,
    Code::Internal,
    Code::Unavailable,
];

/// Describes the end of one call.
#[derive(Clone)]
pub(crate) struct Verdict {
    gateway: Arc<str>,
    may_change: bool,
}

impl Verdict {
    /// For a call of the rpc with this path, to the gateway of this name.
    pub(crate) fn new(gateway: Arc<str>, path: &str) -> Self {
        Self {
            gateway,
            may_change: retry::may_change(path),
        }
    }

    /// The status of a call without a response from the gateway.
    pub(crate) fn failed(&self, failure: Failure) -> Status {
        let mut text = String::new();
        for cause in chain(&*failure.error).map(ToString::to_string) {
            // Some errors show their cause, others leave that to who prints them.
            if text.is_empty() {
                text = cause;
            } else if !text.contains(&cause) {
                text = format!("{text}: {cause}");
            }
        }
        if !failure.sent {
            return Status::unavailable(format!("cannot connect to {}: {text}", self.gateway));
        }
        if chain(&*failure.error).any(|cause| cause.is::<tonic::TimeoutExpired>()) {
            return self.out_of_time();
        }
        match Status::from_error(failure.error).code() {
            // What tonic has no code for is a connection that broke.
            Code::Unknown | Code::Cancelled => self.lost(&text),
            code => self.unanswered(code, text),
        }
    }

    /// The status of a call whose deadline was exceeded.
    pub(crate) fn out_of_time(&self) -> Status {
        let text = "the gateway did not answer before the deadline of the call";
        self.unanswered(Code::DeadlineExceeded, text.to_owned())
    }

    /// The status of a call whose response ended without a status.
    pub(crate) fn cut_off(&self) -> Status {
        self.lost("the answer ended without a status")
    }

    /// The status of a call with a response from something that does not support gRPC, such as a proxy.
    pub(crate) fn not_grpc(&self, status: StatusCode) -> Status {
        // The table of gRPC's specification.
        let code = match status.as_u16() {
            400 => Code::Internal,
            401 => Code::Unauthenticated,
            403 => Code::PermissionDenied,
            404 => Code::Unimplemented,
            429 | 502 | 503 | 504 => Code::Unavailable,
            _ => Code::Unknown,
        };
        self.unanswered(code, format!("HTTP {status} in place of an answer of {}", self.gateway))
    }

    /// Completes a received status that the gateway did not send.
    pub(crate) fn complete(&self, metadata: &mut HeaderMap) {
        let Some(status) = Status::from_header_map(metadata) else {
            return;
        };
        let completed = self.marked(&status).add_header(metadata);
        debug_assert!(completed.is_ok(), "what was read can be written");
    }

    fn lost(&self, text: &str) -> Status {
        let text = format!("the connection to {} was lost: {text}", self.gateway);
        self.unanswered(Code::Unavailable, text)
    }

    fn unanswered(&self, code: Code, message: String) -> Status {
        self.marked(&Status::new(code, message))
    }

    /// The status, marked if the call may have changed something.
    fn marked(&self, status: &Status) -> Status {
        let mut details = pb::Status::decode(status.details()).unwrap_or_default();
        let from_gateway = detail::<pb::ErrorInfo>(&details.details, ERROR_INFO).is_some();
        if !self.may_change || from_gateway || !UNCERTAIN.contains(&status.code()) {
            return status.clone();
        }
        let info = pb::ErrorInfo {
            metadata: [(MAY_HAVE_EXECUTED.to_owned(), "true".to_owned())].into(),
            ..Default::default()
        };
        details.code = status.code().into();
        details.message = status.message().to_owned();
        details.details.push(Any {
            type_url: format!("type.googleapis.com/{ERROR_INFO}"),
            value: info.encode_to_vec(),
        });
        Status::with_details_and_metadata(
            status.code(),
            status.message(),
            Bytes::from(details.encode_to_vec()),
            status.metadata().clone(),
        )
    }
}

/// Whether another attempt to connect would fail in the same way: the gateway's certificate is not trusted, or the
/// gateway does not use TLS.
pub(crate) fn is_permanent(failure: &Failure) -> bool {
    !failure.sent
        && chain(&*failure.error).any(|cause| {
            // How rustls reports everything that goes wrong in a handshake, apart from a connection that breaks.
            cause
                .downcast_ref::<io::Error>()
                .is_some_and(|error| error.kind() == io::ErrorKind::InvalidData)
        })
}

#[cfg(test)]
mod tests {
    use http::{HeaderMap, StatusCode};
    use tonic::{Code, Status};
    use tonic_types::{ErrorDetails, StatusExt as _};

    use super::Verdict;
    use crate::VCenterError;

    const READ: &str = "/vcenter.v1.VmService/ListVms";
    const CHANGE: &str = "/vcenter.vm.v1.PowerService/StartVm";

    /// Whether a call that ended with this status may have changed something.
    fn may_have_executed(path: &str, status: &Status) -> bool {
        let mut metadata = HeaderMap::new();
        status.add_header(&mut metadata).unwrap();
        Verdict::new("gateway".into(), path).complete(&mut metadata);
        let completed = Status::from_header_map(&metadata).unwrap();
        assert_eq!(
            (completed.code(), completed.message()),
            (status.code(), status.message())
        );
        VCenterError::from(completed).may_have_executed()
    }

    #[test]
    fn a_status_that_the_gateway_did_not_send_leaves_open_whether_a_change_was_made() {
        for number in 0..=16 {
            let code = Code::from_i32(number);
            let uncertain = matches!(
                code,
                Code::Cancelled | Code::Unknown | Code::DeadlineExceeded | Code::Internal | Code::Unavailable
            );
            assert_eq!(
                may_have_executed(CHANGE, &Status::new(code, "x")),
                uncertain,
                "{code:?}"
            );
            for path in [READ, "/grpc.health.v1.Health/Watch"] {
                assert!(!may_have_executed(path, &Status::new(code, "x")), "{code:?}");
            }
        }
    }

    #[test]
    fn the_gateways_own_word_stands() {
        let details = ErrorDetails::with_error_info("VCENTER_UNREACHABLE", "vcenter-gateway", []);
        let status = Status::with_error_details(Code::Unavailable, "no route", details);
        assert!(!may_have_executed(CHANGE, &status));
    }

    #[test]
    fn other_details_are_kept() {
        let details = ErrorDetails::with_request_info("r-1", "");
        let status = Status::with_error_details(Code::Unavailable, "no route", details);
        let mut metadata = HeaderMap::new();
        status.add_header(&mut metadata).unwrap();
        metadata.insert("x-proxy", "p-1".parse().unwrap());
        Verdict::new("gateway".into(), CHANGE).complete(&mut metadata);
        let error = VCenterError::from(Status::from_header_map(&metadata).unwrap());
        assert_eq!((error.request_id(), error.may_have_executed()), ("r-1", true));
        assert_eq!(metadata["x-proxy"], "p-1");
    }

    #[test]
    fn http_has_codes_of_its_own() {
        let verdict = Verdict::new("gateway".into(), CHANGE);
        for (status, code, executed) in [
            (400, Code::Internal, true),
            (401, Code::Unauthenticated, false),
            (403, Code::PermissionDenied, false),
            (404, Code::Unimplemented, false),
            (500, Code::Unknown, true),
            (503, Code::Unavailable, true),
        ] {
            let error = VCenterError::from(verdict.not_grpc(StatusCode::from_u16(status).unwrap()));
            assert_eq!((error.code(), error.may_have_executed()), (code, executed), "{status}");
        }
    }
}
