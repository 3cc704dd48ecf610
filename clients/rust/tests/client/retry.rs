use std::time::{Duration, Instant};

use http::Response;
use tokio::runtime::Runtime;
use tonic::{Code, Request, Status, body::Body};
use vcenter_gateway_client::{
    Gateway, StatusExt,
    vcenter::{
        v1::{ListVmsRequest, ListVmsResponse, VmServiceClient},
        vm::v1::{PowerServiceClient, StartVmRequest, StartVmResponse},
    },
};

use crate::server::{FakeGateway, failed, failed_late, ok};

fn unavailable() -> Status {
    Status::unavailable("vCenter restarts")
}

/// The same with the gateway's word on repeating the call.
fn pushback(milliseconds: &str) -> Status {
    let mut status = unavailable();
    status
        .metadata_mut()
        .insert("grpc-retry-pushback-ms", milliseconds.parse().unwrap());
    status
}

/// Makes one call that reads; returns how it ended, and how often it arrived.
async fn read(answer: impl Fn(usize) -> Option<Response<Body>> + Send + Sync + 'static) -> (Code, usize) {
    let server = FakeGateway::start(answer).await;
    let mut vms = VmServiceClient::new(server.client().connect().await.unwrap());
    let code = match vms.list_vms(ListVmsRequest::default()).await {
        Ok(_) => Code::Ok,
        Err(status) => status.code(),
    };
    (code, server.calls().len())
}

#[tokio::test]
async fn a_read_is_repeated_until_it_succeeds() {
    for fail in [failed, failed_late] {
        let (code, attempts) = read(move |number| match number {
            0 | 1 => fail(unavailable()),
            _ => ok(&ListVmsResponse::default()),
        })
        .await;
        assert_eq!((code, attempts), (Code::Ok, 3));
    }
}

#[tokio::test]
async fn a_read_is_repeated_three_times_at_most() {
    assert_eq!(read(|_| failed(pushback("0"))).await, (Code::Unavailable, 4));
}

#[tokio::test]
async fn other_codes_are_not_repeated() {
    assert_eq!(read(|_| failed(Status::aborted("busy"))).await, (Code::Aborted, 1));
}

#[tokio::test]
async fn the_gateway_can_forbid_it() {
    assert_eq!(read(|_| failed(pushback("-1"))).await, (Code::Unavailable, 1));
}

#[tokio::test]
async fn a_proxy_that_does_not_reach_the_gateway_is_tried_again() {
    let bad_gateway = || Response::builder().status(502).body(Body::empty()).unwrap();
    let (code, attempts) = read(move |number| match number {
        0 => Some(bad_gateway()),
        _ => ok(&ListVmsResponse::default()),
    })
    .await;
    assert_eq!((code, attempts), (Code::Ok, 2));
}

#[tokio::test]
async fn each_attempt_says_how_many_were_before_and_how_much_time_is_left() {
    let server = FakeGateway::start(|number| match number {
        0 => failed(pushback("50")),
        _ => ok(&ListVmsResponse::default()),
    })
    .await;
    let mut vms = VmServiceClient::new(server.client().connect().await.unwrap());
    vms.list_vms(ListVmsRequest::default()).await.unwrap();

    let calls = server.calls();
    assert!(!calls[0].contains_key("grpc-previous-rpc-attempts"));
    assert_eq!(calls[1]["grpc-previous-rpc-attempts"], "1");
    assert_ne!(calls[0]["grpc-timeout"], calls[1]["grpc-timeout"]);
}

#[tokio::test]
async fn a_write_is_sent_once() {
    let server = FakeGateway::start(|number| match number {
        0 => failed(unavailable()),
        _ => ok(&StartVmResponse::default()),
    })
    .await;
    let mut power = PowerServiceClient::new(server.client().connect().await.unwrap());
    let request = StartVmRequest { vm: "vm-1001".into() };
    let status = power.start_vm(request).await.unwrap_err();
    assert_eq!(
        (status.code(), status.message()),
        (Code::Unavailable, "vCenter restarts")
    );
    // The gateway would have said more.
    assert!(status.vcenter_error().may_have_executed());
    assert_eq!(server.calls().len(), 1);
}

#[tokio::test]
async fn retries_can_be_switched_off() {
    let server = FakeGateway::start(|_| failed(unavailable())).await;
    let mut vms = VmServiceClient::new(server.client().without_retries().connect().await.unwrap());
    vms.list_vms(ListVmsRequest::default()).await.unwrap_err();
    assert_eq!(server.calls().len(), 1);
}

#[tokio::test]
async fn the_deadline_ends_the_waiting_between_attempts() {
    let server = FakeGateway::start(|_| failed(pushback("60000"))).await;
    let mut vms = VmServiceClient::new(server.client().connect().await.unwrap());
    let mut request = Request::new(ListVmsRequest::default());
    request.set_timeout(Duration::from_millis(200));
    let started = Instant::now();
    let status = vms.list_vms(request).await.unwrap_err();
    assert_eq!(status.code(), Code::DeadlineExceeded);
    assert!(started.elapsed() < Duration::from_secs(10));
}

#[tokio::test]
async fn a_gateway_that_went_away_is_unavailable_and_one_that_comes_back_is_found() {
    let server = FakeGateway::start(|_| ok(&StartVmResponse::default())).await;
    let address = server.address;
    let mut power = PowerServiceClient::new(server.client().connect().await.unwrap());
    let request = || StartVmRequest { vm: "vm-1001".into() };
    power.start_vm(request()).await.unwrap();

    server.stop().await;
    let status = power.start_vm(request()).await.unwrap_err();
    assert_eq!(status.code(), Code::Unavailable, "{status:?}");
    assert!(!status.vcenter_error().may_have_executed());

    let server = FakeGateway::start_with(Default::default(), address, |_| ok(&StartVmResponse::default())).await;
    power.start_vm(request()).await.unwrap();
    assert_eq!(server.calls().len(), 1);
}

#[tokio::test]
async fn a_write_whose_connection_broke_may_have_run() {
    let runtime = Runtime::new().unwrap();
    let server = runtime.spawn(FakeGateway::start(|_| None)).await.unwrap();
    let mut power = PowerServiceClient::new(server.client().connect().await.unwrap());
    let crash = async {
        while server.calls().is_empty() {
            tokio::task::yield_now().await;
        }
        runtime.shutdown_background();
    };
    let request = StartVmRequest { vm: "vm-1001".into() };
    let (answer, ()) = tokio::join!(power.start_vm(request), crash);
    let error = answer.unwrap_err().vcenter_error();
    assert_eq!(error.code(), Code::Unavailable, "{error}");
    assert!(error.may_have_executed());
}

#[tokio::test]
async fn a_gateway_that_is_not_there_yet_is_found_by_a_later_call() {
    let server = FakeGateway::start(|_| None).await;
    let address = server.address;
    server.stop().await;
    let gateway = Gateway::builder(format!("localhost:{}", address.port()));
    let mut power = PowerServiceClient::new(gateway.connect_lazy().unwrap());
    let request = || StartVmRequest { vm: "vm-1001".into() };
    let error = power.start_vm(request()).await.unwrap_err().vcenter_error();
    assert_eq!(error.code(), Code::Unavailable, "{error}");
    assert!(!error.may_have_executed());

    let server = FakeGateway::start_with(Default::default(), address, |_| ok(&StartVmResponse::default())).await;
    power.start_vm(request()).await.unwrap();
    assert_eq!(server.calls().len(), 1);
}

#[tokio::test]
async fn a_name_that_is_not_known_is_no_reason_to_fail_early() {
    let gateway = Gateway::builder("gateway.invalid:50051").without_retries();
    let mut power = PowerServiceClient::new(gateway.connect_lazy().unwrap());
    let status = power.start_vm(StartVmRequest::default()).await.unwrap_err();
    assert_eq!(status.code(), Code::Unavailable, "{status}");
    assert!(!status.vcenter_error().may_have_executed());
}
