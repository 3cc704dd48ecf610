use std::time::Duration;

use http::HeaderMap;
use tonic::{Code, Request};
use vcenter_gateway_client::{
    StatusExt,
    vcenter::{
        v1::{ListVmsRequest, ListVmsResponse, VmServiceClient},
        vm::v1::{PowerServiceClient, StartVmRequest},
    },
};

use crate::server::{FakeGateway, ok};

/// The time that a call said it had, in seconds.
fn seconds(call: &HeaderMap) -> f64 {
    let text = call["grpc-timeout"].to_str().unwrap();
    text.strip_suffix('u').unwrap().parse::<f64>().unwrap() / 1e6
}

#[tokio::test]
async fn a_call_without_a_deadline_gets_the_default() {
    let server = FakeGateway::start(|_| ok(&ListVmsResponse::default())).await;
    let mut vms = VmServiceClient::new(server.client().connect().await.unwrap());
    vms.list_vms(ListVmsRequest::default()).await.unwrap();
    let given = seconds(&server.calls()[0]);
    assert!((59.0..=60.0).contains(&given), "{given}");
}

#[tokio::test]
async fn the_deadline_of_a_call_is_its_own() {
    let server = FakeGateway::start(|_| ok(&ListVmsResponse::default())).await;
    let mut vms = VmServiceClient::new(server.client().connect().await.unwrap());
    let mut request = Request::new(ListVmsRequest::default());
    request.set_timeout(Duration::from_secs(90));
    vms.list_vms(request).await.unwrap();
    let given = seconds(&server.calls()[0]);
    assert!((89.0..=90.0).contains(&given), "{given}");
}

#[tokio::test]
async fn a_call_that_gets_no_answer_ends_at_its_deadline() {
    let server = FakeGateway::start(|_| None).await;
    let gateway = server
        .client()
        .default_deadline(Duration::from_millis(100))
        .connect()
        .await
        .unwrap();
    let status = VmServiceClient::new(gateway)
        .list_vms(ListVmsRequest::default())
        .await
        .unwrap_err();
    assert_eq!(status.code(), Code::DeadlineExceeded);
    assert!(!status.vcenter_error().may_have_executed());
    assert_eq!(server.calls().len(), 1);
}

#[tokio::test]
async fn one_that_changes_something_may_have_run_all_the_same() {
    let server = FakeGateway::start(|_| None).await;
    let mut power = PowerServiceClient::new(server.client().connect().await.unwrap());
    let mut request = Request::new(StartVmRequest { vm: "vm-1001".into() });
    request.set_timeout(Duration::from_millis(100));
    let error = power.start_vm(request).await.unwrap_err().vcenter_error();
    assert_eq!(error.code(), Code::DeadlineExceeded);
    assert!(error.may_have_executed());
}
