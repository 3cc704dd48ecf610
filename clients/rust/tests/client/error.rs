use std::{collections::HashMap, time::Duration};

use prost::{Message, Name};
use prost_types::{Any, Struct, Value, value::Kind};
use tonic::{Code, Status};
use tonic_types::pb;
use vcenter_gateway_client::{
    StatusExt, VCenterError,
    vapi::std::{
        errors::v1::{Error, ErrorType},
        v1::LocalizableMessage,
    },
    vcenter::{
        gateway::v1::Reason,
        v1::{ListVmsRequest, VmServiceClient},
        vm::guest::v1::ProcessErrorDetails,
    },
};

use crate::server::{FakeGateway, failed};

fn any(name: &str, message: &impl Message) -> Any {
    Any {
        type_url: format!("type.googleapis.com/{name}"),
        value: message.encode_to_vec(),
    }
}

fn status(details: Vec<Any>) -> Status {
    let details = pb::Status {
        details,
        ..Default::default()
    };
    Status::with_details(
        Code::FailedPrecondition,
        "the CD-ROM is connected",
        details.encode_to_vec().into(),
    )
}

fn data() -> Struct {
    let value = Value {
        kind: Some(Kind::StringValue("POWERED_ON".into())),
    };
    Struct {
        fields: [("state".to_owned(), value)].into(),
    }
}

fn error() -> Error {
    Error {
        error_type: Some(ErrorType::AlreadyInDesiredState.into()),
        messages: vec![LocalizableMessage {
            id: Some("vm.connected".into()),
            default_message: Some("Device 16000 is connected".into()),
            args: vec!["16000".into()],
            ..Default::default()
        }],
        data: Some(data()),
        challenge: None,
    }
}

fn info() -> pb::ErrorInfo {
    pb::ErrorInfo {
        reason: "ALREADY_IN_DESIRED_STATE".into(),
        domain: "vcenter.vmware.com".into(),
        metadata: HashMap::from([("may_have_executed".into(), "true".into())]),
    }
}

fn details() -> Vec<Any> {
    let violations = pb::BadRequest {
        field_violations: vec![pb::bad_request::FieldViolation {
            field: "spec.size_mib".into(),
            description: "is required".into(),
            ..Default::default()
        }],
    };
    let retry = pb::RetryInfo {
        retry_delay: Some(prost_types::Duration {
            seconds: 1,
            nanos: 500_000_000,
        }),
    };
    let request = pb::RequestInfo {
        request_id: "r-1".into(),
        serving_data: String::new(),
    };
    vec![
        any("google.rpc.ErrorInfo", &info()),
        any(&Error::full_name(), &error()),
        any("google.rpc.BadRequest", &violations),
        any("google.rpc.RetryInfo", &retry),
        any("google.rpc.RequestInfo", &request),
        any(&ProcessErrorDetails::full_name(), &ProcessErrorDetails::default()),
    ]
}

fn assert_complete(error: &VCenterError) {
    assert_eq!(error.code(), Code::FailedPrecondition);
    assert_eq!(error.reason(), "ALREADY_IN_DESIRED_STATE");
    assert_eq!(error.domain(), "vcenter.vmware.com");
    assert_eq!(error.metadata(), &info().metadata);
    assert_eq!(error.error_type(), ErrorType::AlreadyInDesiredState);
    assert_eq!(error.message(), "the CD-ROM is connected");
    assert_eq!(error.messages(), self::error().messages);
    assert_eq!(error.violations().len(), 1);
    assert_eq!(error.violations()[0].field, "spec.size_mib");
    assert_eq!(error.violations()[0].description, "is required");
    assert_eq!(error.retry_delay(), Some(Duration::from_millis(1500)));
    assert!(error.may_have_executed());
    assert_eq!(error.request_id(), "r-1");
    assert_eq!(error.data(), Some(&data()));
    assert_eq!(error.detail(), Some(ProcessErrorDetails::default()));
    assert_eq!(
        error.to_string(),
        "FailedPrecondition (ALREADY_IN_DESIRED_STATE): the CD-ROM is connected"
    );
}

#[test]
fn everything_that_the_status_says_is_there() {
    assert_complete(&VCenterError::from(&status(details())));
    assert_complete(&status(details()).vcenter_error());
}

#[tokio::test]
async fn it_is_when_it_came_over_the_network_as_well() {
    let server = FakeGateway::start(|_| failed(status(details()))).await;
    let mut vms = VmServiceClient::new(server.client().connect().await.unwrap());
    let call = async || -> Result<(), VCenterError> {
        vms.list_vms(ListVmsRequest::default()).await?;
        Ok(())
    };
    assert_complete(&{ call }().await.unwrap_err());
}

#[test]
fn a_status_without_details_has_its_code_and_message() {
    for details in [Status::not_found("gone"), status(Vec::new()), Status::unimplemented("")] {
        let error = VCenterError::from(&details);
        assert_eq!((error.code(), error.message()), (details.code(), details.message()));
        assert_eq!((error.reason(), error.request_id()), ("", ""));
        assert_eq!(error.error_type(), ErrorType::Unspecified);
        assert!(error.messages().is_empty() && error.violations().is_empty());
        assert_eq!((error.retry_delay(), error.data()), (None, None));
        assert!(!error.may_have_executed());
    }
    assert_eq!(
        VCenterError::from(Status::not_found("gone")).to_string(),
        "NotFound: gone"
    );
}

#[test]
fn details_that_cannot_be_read_are_left_out() {
    let garbage = Status::with_details(Code::Internal, "broken", vec![0xff; 40].into());
    let error = VCenterError::from(&garbage);
    assert_eq!(
        (error.code(), error.message(), error.reason()),
        (Code::Internal, "broken", "")
    );

    let mut details = details();
    details[1].value = vec![0xff; 40];
    details.insert(0, any("example.Unknown", &info()));
    details.insert(
        0,
        Any {
            type_url: String::new(),
            value: vec![0xff],
        },
    );
    let error = status(details).vcenter_error();
    assert_eq!(error.reason(), "ALREADY_IN_DESIRED_STATE");
    assert_eq!(error.error_type(), ErrorType::Unspecified);
    assert_eq!(error.request_id(), "r-1");
}

#[test]
fn an_error_type_of_a_later_release_is_unspecified_and_keeps_its_name() {
    let newer = Error {
        error_type: Some(4711),
        ..error()
    };
    let info = pb::ErrorInfo {
        reason: "BRAND_NEW".into(),
        ..info()
    };
    let details = vec![any("google.rpc.ErrorInfo", &info), any(&Error::full_name(), &newer)];
    let error = status(details).vcenter_error();
    assert_eq!(
        (error.error_type(), error.reason()),
        (ErrorType::Unspecified, "BRAND_NEW")
    );
}

#[test]
fn a_negative_delay_is_none() {
    let retry = pb::RetryInfo {
        retry_delay: Some(prost_types::Duration { seconds: -1, nanos: 0 }),
    };
    let error = status(vec![any("google.rpc.RetryInfo", &retry)]).vcenter_error();
    assert_eq!(error.retry_delay(), None);
}

#[test]
fn a_reason_of_the_gateways_own_is_typed() {
    for (domain, reason, expected) in [
        ("vcenter-gateway", "REQUEST_INVALID", Reason::RequestInvalid),
        ("vcenter-gateway", "TOO_MANY_STREAMS", Reason::TooManyStreams),
        ("vcenter-gateway", "OF_A_LATER_RELEASE", Reason::Unspecified),
        ("vcenter-gateway", "", Reason::Unspecified),
        ("vcenter.vmware.com", "REQUEST_INVALID", Reason::Unspecified),
        ("", "REQUEST_INVALID", Reason::Unspecified),
    ] {
        let info = pb::ErrorInfo {
            reason: reason.into(),
            domain: domain.into(),
            ..info()
        };
        let error = status(vec![any("google.rpc.ErrorInfo", &info)]).vcenter_error();
        assert_eq!((error.gateway_reason(), error.reason()), (expected, reason));
    }
    assert_eq!(
        Status::unavailable("").vcenter_error().gateway_reason(),
        Reason::Unspecified
    );
}
