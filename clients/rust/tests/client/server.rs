//! A gRPC server that answers as a test tells it to.

use std::{
    convert::Infallible,
    net::SocketAddr,
    sync::{Arc, Mutex},
};

use http::{HeaderMap, Request, Response};
use http_body_util::{BodyExt, Full};
use prost::Message;
use tokio::{net::TcpListener, sync::oneshot, task::JoinHandle};
use tonic::{
    Status,
    body::Body,
    codegen::Bytes,
    transport::{Server, server::TcpIncoming},
};
use tower::service_fn;
use vcenter_gateway_client::{Builder, Gateway};

/// Decides how the call with this number, counted from 0, is answered; `None` for never.
type Answer = dyn Fn(usize) -> Option<Response<Body>> + Send + Sync;

/// Runs until it is dropped.
pub struct FakeGateway {
    pub address: SocketAddr,
    calls: Arc<Mutex<Vec<HeaderMap>>>,
    serving: JoinHandle<()>,
    shutdown: oneshot::Sender<()>,
}

impl FakeGateway {
    pub async fn start(answer: impl Fn(usize) -> Option<Response<Body>> + Send + Sync + 'static) -> Self {
        Self::start_with(Server::builder(), "127.0.0.1:0".parse().unwrap(), answer).await
    }

    pub async fn start_with(
        server: Server,
        address: SocketAddr,
        answer: impl Fn(usize) -> Option<Response<Body>> + Send + Sync + 'static,
    ) -> Self {
        let listener = TcpListener::bind(address).await.unwrap();
        let address = listener.local_addr().unwrap();
        let calls = Arc::new(Mutex::new(Vec::new()));
        let answer: Arc<Answer> = Arc::new(answer);
        let service = service_fn({
            let calls = Arc::clone(&calls);
            move |request: Request<Body>| {
                let number = {
                    let mut calls = calls.lock().unwrap();
                    calls.push(request.headers().clone());
                    calls.len() - 1
                };
                let answer = Arc::clone(&answer);
                async move {
                    match answer(number) {
                        Some(response) => Ok::<_, Infallible>(response),
                        None => std::future::pending().await,
                    }
                }
            }
        });
        let (shutdown, stopped) = oneshot::channel::<()>();
        let serving = tokio::spawn(async move {
            server
                .serve_with_incoming_shutdown(service, TcpIncoming::from(listener), async {
                    _ = stopped.await;
                })
                .await
                .unwrap();
        });
        Self {
            address,
            calls,
            serving,
            shutdown,
        }
    }

    /// Closes all connections. Dropping the server does that too, but in the background.
    pub async fn stop(self) {
        drop(self.shutdown);
        self.serving.await.unwrap();
    }

    /// A connection to this server, to be described further.
    pub fn client(&self) -> Builder {
        Gateway::builder(self.address.to_string())
    }

    /// The metadata of the calls so far.
    pub fn calls(&self) -> Vec<HeaderMap> {
        self.calls.lock().unwrap().clone()
    }
}

/// An answer with a message.
pub fn ok(message: &impl Message) -> Option<Response<Body>> {
    let mut frame = vec![0];
    frame.extend(u32::try_from(message.encoded_len()).unwrap().to_be_bytes());
    frame.extend(message.encode_to_vec());
    Some(answer(frame, Status::ok("")))
}

/// An answer without a message, whose status is in the headers.
pub fn failed(status: Status) -> Option<Response<Body>> {
    Some(status.into_http())
}

/// An answer without a message, whose status follows the headers.
pub fn failed_late(status: Status) -> Option<Response<Body>> {
    Some(answer(Vec::new(), status))
}

fn answer(body: Vec<u8>, status: Status) -> Response<Body> {
    let mut trailers = HeaderMap::new();
    status.add_header(&mut trailers).unwrap();
    let body = Full::new(Bytes::from(body)).with_trailers(async move { Some(Ok(trailers)) });
    Response::builder()
        .header("content-type", "application/grpc")
        .body(Body::new(body))
        .unwrap()
}
