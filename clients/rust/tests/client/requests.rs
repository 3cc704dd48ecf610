use std::time::Duration;

use tokio::{
    runtime::Runtime,
    sync::mpsc::{UnboundedReceiver, UnboundedSender, unbounded_channel},
    task::JoinHandle,
};
use tonic::{Code, Request, Status, Streaming, codegen::tokio_stream::wrappers::UnboundedReceiverStream};
use tonic_types::{ErrorDetails, StatusExt as _};
use vcenter_gateway_client::{
    Credentials, Gateway, VCenterError,
    vcenter::gateway::v1::{
        GuestServiceClient, Reason, RunProgramRequest, RunProgramResponse, UploadFileRequest, UploadFileResponse,
        run_program_request, run_program_response, upload_file_request,
    },
};

use crate::server::{FakeGateway, Stream, stream};

fn chunk(content: &str) -> UploadFileRequest {
    let message = upload_file_request::Message::Chunk(content.into());
    UploadFileRequest { message: Some(message) }
}

fn input(content: &str) -> RunProgramRequest {
    let message = run_program_request::Message::Input(content.into());
    RunProgramRequest { message: Some(message) }
}

fn output(content: &str) -> RunProgramResponse {
    let event = run_program_response::Event::Output(content.into());
    RunProgramResponse { event: Some(event) }
}

/// A gateway, and the answers that it has begun, for the test to end.
async fn answering() -> (FakeGateway, UnboundedReceiver<Stream>) {
    let (begun, answers) = unbounded_channel();
    let server = FakeGateway::start(move |_| {
        let (answer, response) = stream();
        begun.send(answer).ok()?;
        response
    })
    .await;
    (server, answers)
}

type Upload = JoinHandle<Result<UploadFileResponse, Status>>;

/// Begins to upload what is sent, with as much time as is given.
fn upload(gateway: &Gateway, time: Option<Duration>) -> (UnboundedSender<UploadFileRequest>, Upload) {
    let (sender, requests) = unbounded_channel();
    let mut client = GuestServiceClient::new(gateway.clone());
    let mut request = Request::new(UnboundedReceiverStream::new(requests));
    if let Some(time) = time {
        request.set_timeout(time);
    }
    let call = tokio::spawn(async move { client.upload_file(request).await.map(tonic::Response::into_inner) });
    (sender, call)
}

/// Runs a program whose input is what is sent.
async fn run(gateway: &Gateway) -> (UnboundedSender<RunProgramRequest>, Streaming<RunProgramResponse>) {
    let (sender, requests) = unbounded_channel();
    let mut client = GuestServiceClient::new(gateway.clone());
    let opened = client.run_program(UnboundedReceiverStream::new(requests)).await;
    (sender, opened.unwrap().into_inner())
}

#[tokio::test]
async fn requests_are_sent_one_by_one_and_answered_once() {
    let (server, mut answers) = answering().await;
    let (sender, call) = upload(&server.client().connect().await.unwrap(), None);
    let mut requests = server.requests().await;
    for request in [chunk("first"), chunk("second")] {
        // The next one is sent only when this one has arrived.
        sender.send(request.clone()).unwrap();
        assert_eq!(requests.next().await.unwrap(), Some(request));
    }
    drop(sender);
    assert_eq!(requests.next::<UploadFileRequest>().await.unwrap(), None);
    let answer = answers.recv().await.unwrap();
    let response = UploadFileResponse {
        size: Some(11),
        ..Default::default()
    };
    answer.send(&response);
    answer.end(Status::ok(""));
    assert_eq!(call.await.unwrap().unwrap(), response);
}

#[tokio::test]
async fn requests_and_messages_alternate() {
    let (server, mut answers) = answering().await;
    let (sender, mut messages) = run(&server.client().connect().await.unwrap()).await;
    let mut requests = server.requests().await;
    let answer = answers.recv().await.unwrap();
    for text in ["first", "second"] {
        sender.send(input(text)).unwrap();
        assert_eq!(requests.next().await.unwrap(), Some(input(text)));
        answer.send(&output(text));
        assert_eq!(messages.message().await.unwrap(), Some(output(text)));
    }
    drop(sender);
    assert_eq!(requests.next::<RunProgramRequest>().await.unwrap(), None);
    answer.end(Status::ok(""));
    assert_eq!(messages.message().await.unwrap(), None);
}

#[tokio::test]
async fn a_stream_of_requests_carries_the_credentials_and_has_no_deadline() {
    let (server, mut answers) = answering().await;
    let hasty = server.client().default_deadline(Duration::ZERO);
    let gateway = hasty.credentials(Credentials::session("own")).connect().await.unwrap();
    let (_sender, call) = upload(&gateway, None);
    let answer = answers.recv().await.unwrap();
    answer.send(&UploadFileResponse::default());
    answer.end(Status::ok(""));
    call.await.unwrap().unwrap();
    let call = &server.calls()[0];
    assert_eq!(call["vmware-api-session-id"], "own");
    assert!(!call.contains_key("grpc-timeout"));
}

#[tokio::test]
async fn a_deadline_of_its_own_ends_it_at_both_ends() {
    let (server, mut answers) = answering().await;
    let gateway = server.client().connect().await.unwrap();
    let (_sender, call) = upload(&gateway, Some(Duration::from_millis(200)));
    let answer = answers.recv().await.unwrap();
    let error = VCenterError::from(call.await.unwrap().unwrap_err());
    assert_eq!(
        (error.code(), error.may_have_executed()),
        (Code::DeadlineExceeded, true)
    );
    answer.cancelled().await;
    let cancelled = server.requests().await.next::<UploadFileRequest>().await;
    assert_eq!(cancelled.unwrap_err().code(), Code::Cancelled);
}

#[tokio::test]
async fn dropping_the_messages_cancels_requests_that_would_go_on() {
    let (server, mut answers) = answering().await;
    let (sender, messages) = run(&server.client().connect().await.unwrap()).await;
    let mut requests = server.requests().await;
    sender.send(input("first")).unwrap();
    assert_eq!(requests.next().await.unwrap(), Some(input("first")));
    drop(messages);
    answers.recv().await.unwrap().cancelled().await;
    let cancelled = requests.next::<RunProgramRequest>().await;
    assert_eq!(cancelled.unwrap_err().code(), Code::Cancelled);
    // Nobody waits for more of them.
    sender.closed().await;
}

#[tokio::test]
async fn dropping_a_call_that_was_not_answered_cancels_its_requests() {
    let server = FakeGateway::start(|_| None).await;
    let (sender, call) = upload(&server.client().connect().await.unwrap(), None);
    let mut requests = server.requests().await;
    sender.send(chunk("first")).unwrap();
    assert_eq!(requests.next().await.unwrap(), Some(chunk("first")));
    call.abort();
    let cancelled = requests.next::<UploadFileRequest>().await;
    assert_eq!(cancelled.unwrap_err().code(), Code::Cancelled);
    sender.closed().await;
}

#[tokio::test]
async fn an_error_ends_it_while_requests_go_on_and_it_is_sent_once() {
    let (server, mut answers) = answering().await;
    let (sender, call) = upload(&server.client().connect().await.unwrap(), None);
    sender.send(chunk("first")).unwrap();
    let details = ErrorDetails::with_error_info("GATEWAY_STOPPING", "vcenter-gateway", []);
    let status = Status::with_error_details(Code::Unavailable, "this replica stops", details);
    answers.recv().await.unwrap().end(status);
    let error = VCenterError::from(call.await.unwrap().unwrap_err());
    assert_eq!(error.code(), Code::Unavailable);
    assert_eq!(error.gateway_reason(), Reason::GatewayStopping);
    assert!(!error.may_have_executed());
    assert_eq!(server.calls().len(), 1);
}

#[tokio::test]
async fn a_lost_connection_leaves_open_what_became_of_it() {
    let runtime = Runtime::new().unwrap();
    let (server, mut answers) = runtime.spawn(answering()).await.unwrap();
    let (_sender, call) = upload(&server.client().connect().await.unwrap(), None);
    answers.recv().await.unwrap();
    runtime.shutdown_background();
    let error = VCenterError::from(call.await.unwrap().unwrap_err());
    assert_eq!(
        (error.code(), error.may_have_executed()),
        (Code::Unavailable, true),
        "{error}"
    );
}

#[tokio::test]
async fn a_gateway_that_comes_back_gets_all_requests_of_the_next_call() {
    let (server, mut answers) = answering().await;
    let gateway = server.client().connect().await.unwrap();
    let address = server.address;
    server.stop().await;
    let (sender, call) = upload(&gateway, None);
    sender.send(chunk("first")).unwrap();
    let error = VCenterError::from(call.await.unwrap().unwrap_err());
    assert_eq!(error.code(), Code::Unavailable, "{error}");

    // The first attempt of this call may meet the connection that is gone, and sends nothing.
    let server = FakeGateway::start_with(tonic::transport::Server::builder(), address, |_| None).await;
    let (sender, call) = upload(&gateway, None);
    sender.send(chunk("second")).unwrap();
    let mut requests = server.requests().await;
    assert_eq!(requests.next().await.unwrap(), Some(chunk("second")));
    assert!(answers.try_recv().is_err());
    call.abort();
}
