//! What a call sends: its whole request, or a stream of requests.

use std::{
    pin::Pin,
    sync::{Arc, Mutex, PoisonError},
    task::{Context, Poll},
};

use http_body::{Body as HttpBody, Frame};
use http_body_util::{BodyExt, Full};
use tonic::{Status, body::Body, codegen::Bytes};

/// The body of a request, of which each attempt gets one.
pub(crate) enum Outgoing {
    /// Can be sent any number of times.
    Whole(Bytes),
    /// Goes out as it comes: a second attempt continues where the first one stopped, so only one that sent nothing may be
    /// followed by another.
    Streamed(Shared),
}

impl Outgoing {
    /// Reads the whole body, unless it `streams`.
    pub(crate) async fn of(body: Body, streams: bool) -> Result<Self, Status> {
        Ok(if streams {
            Self::Streamed(Shared(Arc::new(Mutex::new(body))))
        } else {
            Self::Whole(body.collect().await?.to_bytes())
        })
    }

    /// The body for one attempt.
    pub(crate) fn body(&self) -> Body {
        match self {
            Self::Whole(bytes) => Body::new(Full::new(bytes.clone())),
            Self::Streamed(shared) => Body::new(shared.clone()),
        }
    }
}

/// A body that several attempts share.
#[derive(Clone)]
pub(crate) struct Shared(Arc<Mutex<Body>>);

impl HttpBody for Shared {
    type Data = Bytes;
    type Error = Status;

    fn poll_frame(
        self: Pin<&mut Self>,
        context: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Self::Data>, Self::Error>>> {
        let mut body = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        Pin::new(&mut *body).poll_frame(context)
    }
}
