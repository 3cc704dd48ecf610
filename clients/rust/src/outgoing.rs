//! What a call sends: one request, which is kept for retries, or a stream of requests, which cannot be retried.

use std::{
    pin::Pin,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
    task::{Context, Poll, Waker},
};

use http_body::Frame;
use http_body_util::{BodyExt, Full};
use tonic::{
    Status,
    body::Body,
    codegen::{Body as HttpBody, Bytes},
};

/// The requests of one call. Dropping a stream of them cancels the call, unless it has ended.
pub(crate) enum Outgoing {
    Whole(Bytes),
    Stream(Stream),
}

impl Outgoing {
    /// Reads one request, or takes ownership of a stream of them.
    pub(crate) async fn new(body: Body, streams: bool) -> Result<Self, Status> {
        Ok(match streams {
            true => Self::Stream(Stream::new(body)),
            false => Self::Whole(body.collect().await?.to_bytes()),
        })
    }

    /// What an attempt sends. An attempt that failed before it sent anything leaves the stream to the next one.
    pub(crate) fn body(&self) -> Body {
        match self {
            Self::Whole(request) => Body::new(Full::new(request.clone())),
            Self::Stream(stream) => Body::new(Source(Arc::clone(&stream.0))),
        }
    }

    /// Whether it can be sent again.
    pub(crate) fn is_whole(&self) -> bool {
        matches!(self, Self::Whole(_))
    }
}

/// A stream of requests that is being sent.
///
/// The connection keeps sending after the caller drops the response, because HTTP/2 treats the two directions
/// separately.
pub(crate) struct Stream(Arc<Mutex<State>>);

struct State {
    /// Dropped when the call is canceled.
    body: Option<Body>,
    waker: Option<Waker>,
}

impl Stream {
    fn new(body: Body) -> Self {
        let body = Some(body);
        Self(Arc::new(Mutex::new(State { body, waker: None })))
    }
}

impl Drop for Stream {
    fn drop(&mut self) {
        let mut state = lock(&self.0);
        let unsent = state.body.take();
        let waker = state.waker.take();
        drop(state);
        // What the caller had to say may do anything when it is dropped.
        drop(unsent);
        if let Some(waker) = waker {
            waker.wake();
        }
    }
}

/// The body of an attempt.
struct Source(Arc<Mutex<State>>);

impl HttpBody for Source {
    type Data = Bytes;
    type Error = Status;

    fn poll_frame(
        self: Pin<&mut Self>,
        context: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Self::Data>, Self::Error>>> {
        let mut state = lock(&self.0);
        let Some(body) = &mut state.body else {
            // The connection passes the reason of the error on to the gateway.
            return Poll::Ready(Some(Err(Status::from_error(Box::new(h2::Error::from(
                h2::Reason::CANCEL,
            ))))));
        };
        let frame = Pin::new(body).poll_frame(context);
        if frame.is_pending() {
            state.waker = Some(context.waker().clone());
        }
        frame
    }
}

fn lock(state: &Mutex<State>) -> MutexGuard<'_, State> {
    state.lock().unwrap_or_else(PoisonError::into_inner)
}
