//! A gRPC server that answers as a test tells it to.

use std::{
    convert::Infallible,
    net::SocketAddr,
    sync::{Arc, Mutex},
};

use http::{HeaderMap, Request, Response};
use http_body::Frame;
use http_body_util::{BodyExt, Full, StreamBody};
use prost::Message;
use tokio::{
    net::TcpListener,
    sync::{
        mpsc::{UnboundedReceiver, UnboundedSender, unbounded_channel},
        oneshot,
    },
    task::JoinHandle,
};
use tonic::{
    Status,
    body::Body,
    codegen::{Bytes, tokio_stream::wrappers::UnboundedReceiverStream},
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
    requests: tokio::sync::Mutex<UnboundedReceiver<Requests>>,
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
        let (called, requests) = unbounded_channel();
        let service = service_fn({
            let calls = Arc::clone(&calls);
            move |request: Request<Body>| {
                let number = {
                    let mut calls = calls.lock().unwrap();
                    calls.push(request.headers().clone());
                    calls.len() - 1
                };
                _ = called.send(Requests::new(request.into_body()));
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
            requests: requests.into(),
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

    /// The requests of the next call, which may be yet to come.
    pub async fn requests(&self) -> Requests {
        self.requests.lock().await.recv().await.unwrap()
    }

    /// The metadata of the calls so far.
    pub fn calls(&self) -> Vec<HeaderMap> {
        self.calls.lock().unwrap().clone()
    }
}

/// The requests of a call, as they arrive.
pub struct Requests {
    body: Body,
    unread: Vec<u8>,
}

impl Requests {
    fn new(body: Body) -> Self {
        Self {
            body,
            unread: Vec::new(),
        }
    }

    /// The next one. `None` after the last, and an error where the client has cancelled the call.
    pub async fn next<M: Message + Default>(&mut self) -> Result<Option<M>, Status> {
        const HEAD: usize = 5;
        loop {
            if let Some((head, rest)) = self.unread.split_at_checked(HEAD) {
                let length = u32::from_be_bytes(head[1..].try_into().unwrap()) as usize;
                if let Some((message, rest)) = rest.split_at_checked(length) {
                    let message = M::decode(message).unwrap();
                    self.unread = rest.to_vec();
                    return Ok(Some(message));
                }
            }
            match self.body.frame().await {
                Some(frame) => self.unread.extend(frame?.into_data().unwrap()),
                None => return Ok(None),
            }
        }
    }
}

/// An answer with a message.
pub fn ok(message: &impl Message) -> Option<Response<Body>> {
    Some(answer(framed(message), Status::ok("")))
}

fn framed(message: &impl Message) -> Vec<u8> {
    let mut frame = vec![0];
    frame.extend(u32::try_from(message.encoded_len()).unwrap().to_be_bytes());
    frame.extend(message.encode_to_vec());
    frame
}

/// An answer without a message, whose status is in the headers.
pub fn failed(status: Status) -> Option<Response<Body>> {
    Some(status.into_http())
}

/// An answer without a message, whose status follows the headers.
pub fn failed_late(status: Status) -> Option<Response<Body>> {
    Some(answer(Vec::new(), status))
}

/// A stream that was opened, for the test to say what it sends. Dropping it ends the stream without a status.
#[derive(Debug)]
pub struct Stream(UnboundedSender<Result<Frame<Bytes>, Status>>);

impl Stream {
    pub fn send(&self, message: &impl Message) {
        _ = self.0.send(Ok(Frame::data(framed(message).into())));
    }

    pub fn end(self, status: Status) {
        _ = self.0.send(Ok(Frame::trailers(trailers(&status))));
    }

    /// Waits until the client has cancelled the call.
    pub async fn cancelled(&self) {
        self.0.closed().await;
    }
}

/// A stream and the answer that carries it.
pub fn stream() -> (Stream, Option<Response<Body>>) {
    let (sender, frames) = unbounded_channel();
    let body = StreamBody::new(UnboundedReceiverStream::new(frames));
    (Stream(sender), Some(response(Body::new(body))))
}

fn answer(body: Vec<u8>, status: Status) -> Response<Body> {
    let trailers = trailers(&status);
    let body = Full::new(Bytes::from(body)).with_trailers(async move { Some(Ok(trailers)) });
    response(Body::new(body))
}

fn trailers(status: &Status) -> HeaderMap {
    let mut trailers = HeaderMap::new();
    status.add_header(&mut trailers).unwrap();
    trailers
}

fn response(body: Body) -> Response<Body> {
    let response = Response::builder().header("content-type", "application/grpc");
    response.body(body).unwrap()
}
