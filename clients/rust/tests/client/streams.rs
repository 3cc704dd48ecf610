use std::{sync::Mutex, time::Duration};

use http::Response;
use tokio::{
    runtime::Runtime,
    sync::mpsc::{UnboundedReceiver, unbounded_channel},
};
use tonic::{Code, Request, Status, Streaming, body::Body};
use tonic_types::{ErrorDetails, StatusExt as _};
use vcenter_gateway_client::{
    Credentials, Gateway, VCenterError,
    vcenter::gateway::v1::{
        GatewayServiceClient, GatewayState, Heartbeat, Reason, WatchGatewayRequest, WatchGatewayResponse,
        watch_gateway_response::Event,
    },
};

use crate::server::{FakeGateway, Stream, failed, stream};

const LARGEST: usize = 32 << 20;

fn state(cause: &str) -> WatchGatewayResponse {
    WatchGatewayResponse {
        event: Some(Event::State(GatewayState {
            circuit_cause: Some(cause.into()),
            ..Default::default()
        })),
    }
}

fn heartbeat() -> WatchGatewayResponse {
    WatchGatewayResponse {
        event: Some(Event::Heartbeat(Heartbeat::default())),
    }
}

fn stopping() -> Status {
    let mut details = ErrorDetails::with_error_info("GATEWAY_STOPPING", "vcenter-gateway", []);
    details.set_request_info("r-1", "");
    Status::with_error_details(Code::Unavailable, "this replica stops", details)
}

/// A gateway that opens every stream, and those that it opened, for the test to feed.
async fn opening() -> (FakeGateway, UnboundedReceiver<Stream>) {
    let (opened, streams) = unbounded_channel();
    let server = FakeGateway::start(move |_| {
        let (stream, response) = stream();
        opened.send(stream).ok()?;
        response
    })
    .await;
    (server, streams)
}

async fn watch(gateway: &Gateway) -> Result<Streaming<WatchGatewayResponse>, Status> {
    let request = WatchGatewayRequest::default();
    let opened = GatewayServiceClient::new(gateway.clone())
        .watch_gateway(request)
        .await?;
    Ok(opened.into_inner())
}

#[tokio::test]
async fn messages_arrive_one_by_one() {
    let (server, mut streams) = opening().await;
    let mut states = watch(&server.client().connect().await.unwrap()).await.unwrap();
    let stream = streams.recv().await.unwrap();
    for message in [state("first"), heartbeat(), state("second")] {
        // The next one is sent only when this one has arrived.
        stream.send(&message);
        assert_eq!(states.message().await.unwrap(), Some(message));
    }
    stream.end(Status::ok(""));
    assert_eq!(states.message().await.unwrap(), None);
}

#[tokio::test]
async fn each_stream_carries_the_token_of_its_moment() {
    let (server, _streams) = opening().await;
    let tokens = Mutex::new(vec!["second", "first"]);
    let credentials = Credentials::bearer_from(move || Ok(tokens.lock().unwrap().pop().unwrap_or_default().into()));
    let gateway = server.client().credentials(credentials).connect().await.unwrap();
    for _ in 0..2 {
        watch(&gateway).await.unwrap();
    }
    // There is no third.
    assert_eq!(watch(&gateway).await.unwrap_err().code(), Code::Unauthenticated);
    let calls = server.calls();
    let sent: Vec<_> = calls.iter().map(|call| &call["authorization"]).collect();
    assert_eq!(sent, ["Bearer first", "Bearer second"]);
}

#[tokio::test]
async fn a_stream_has_no_deadline_unless_it_is_given_one() {
    let (server, mut streams) = opening().await;
    let hasty = server.client().default_deadline(Duration::ZERO);
    let gateway = hasty.connect().await.unwrap();
    let mut states = watch(&gateway).await.unwrap();
    let stream = streams.recv().await.unwrap();
    assert!(!server.calls()[0].contains_key("grpc-timeout"));
    stream.send(&heartbeat());
    assert_eq!(states.message().await.unwrap(), Some(heartbeat()));

    let mut request = Request::new(WatchGatewayRequest::default());
    request.set_timeout(Duration::from_secs(2));
    let mut client = GatewayServiceClient::new(gateway);
    let mut states = client.watch_gateway(request).await.unwrap().into_inner();
    let stream = streams.recv().await.unwrap();
    assert!(server.calls()[1].contains_key("grpc-timeout"));
    stream.send(&heartbeat());
    assert_eq!(states.message().await.unwrap(), Some(heartbeat()));
    assert_eq!(states.message().await.unwrap_err().code(), Code::DeadlineExceeded);
    // The server learns of it, although the stream is still held.
    stream.cancelled().await;
}

fn assert_stopping(error: &VCenterError) {
    assert_eq!(error.code(), Code::Unavailable);
    assert_eq!(error.reason(), "GATEWAY_STOPPING");
    assert_eq!(error.gateway_reason(), Reason::GatewayStopping);
    assert_eq!(error.request_id(), "r-1");
    assert!(!error.may_have_executed());
}

#[tokio::test]
async fn an_error_before_the_first_message_is_typed() {
    let server = FakeGateway::start(|_| failed(stopping())).await;
    let gateway = server.client().without_retries().connect().await.unwrap();
    assert_stopping(&watch(&gateway).await.unwrap_err().into());
}

#[tokio::test]
async fn an_error_in_the_middle_is_typed_and_does_not_open_the_stream_again() {
    let (server, mut streams) = opening().await;
    let mut states = watch(&server.client().connect().await.unwrap()).await.unwrap();
    let stream = streams.recv().await.unwrap();
    stream.send(&state("first"));
    assert_eq!(states.message().await.unwrap(), Some(state("first")));
    stream.end(stopping());
    assert_stopping(&states.message().await.unwrap_err().into());
    assert_eq!(server.calls().len(), 1);
}

#[tokio::test]
async fn a_stream_that_could_not_be_opened_is_opened_again() {
    let server = FakeGateway::start(|number| match number {
        0 => failed(stopping()),
        _ => {
            let (stream, response) = stream();
            stream.send(&heartbeat());
            response
        }
    })
    .await;
    let mut states = watch(&server.client().connect().await.unwrap()).await.unwrap();
    assert_eq!(states.message().await.unwrap(), Some(heartbeat()));
    assert_eq!(server.calls().len(), 2);
}

#[tokio::test]
async fn dropping_the_stream_cancels_it() {
    let (server, mut streams) = opening().await;
    let mut states = watch(&server.client().connect().await.unwrap()).await.unwrap();
    let stream = streams.recv().await.unwrap();
    stream.send(&heartbeat());
    states.message().await.unwrap();
    drop(states);
    stream.cancelled().await;
}

#[tokio::test]
async fn a_message_may_have_32_mib() {
    let (server, mut streams) = opening().await;
    let gateway = server.client().connect().await.unwrap();
    let overhead = prost::Message::encoded_len(&state(&"x".repeat(LARGEST))) - LARGEST;
    for (size, accepted) in [(LARGEST - 1, true), (LARGEST, true), (LARGEST + 1, false)] {
        let mut states = watch(&gateway).await.unwrap();
        let message = state(&"x".repeat(size - overhead));
        streams.recv().await.unwrap().send(&message);
        match states.message().await {
            Ok(received) => assert!(accepted && received == Some(message), "{size}"),
            Err(status) => assert_eq!((accepted, status.code()), (false, Code::OutOfRange), "{size}"),
        }
    }
}

#[tokio::test]
async fn a_lost_connection_ends_a_stream_that_reads_and_nothing_was_executed() {
    let runtime = Runtime::new().unwrap();
    let (server, mut streams) = runtime.spawn(opening()).await.unwrap();
    let mut states = watch(&server.client().connect().await.unwrap()).await.unwrap();
    let stream = streams.recv().await.unwrap();
    stream.send(&heartbeat());
    states.message().await.unwrap();
    runtime.shutdown_background();
    let error = VCenterError::from(states.message().await.unwrap_err());
    assert_eq!(error.code(), Code::Unavailable, "{error}");
    assert_eq!(error.gateway_reason(), Reason::Unspecified);
    assert!(!error.may_have_executed());
}

#[tokio::test]
async fn a_stream_that_ends_without_a_status_was_cut_off() {
    let (server, mut streams) = opening().await;
    let mut states = watch(&server.client().connect().await.unwrap()).await.unwrap();
    drop(streams.recv().await.unwrap());
    let status = states.message().await.unwrap_err();
    assert_eq!(status.code(), Code::Unavailable, "{status}");
}

#[tokio::test]
async fn what_is_not_grpc_is_no_stream() {
    let server = FakeGateway::start(|_| Some(Response::builder().status(403).body(Body::empty()).unwrap())).await;
    let status = watch(&server.client().connect().await.unwrap()).await.unwrap_err();
    assert_eq!(status.code(), Code::PermissionDenied);
}
