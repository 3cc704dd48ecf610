//! The body of a response that arrives message by message.

use std::{
    future::Future,
    pin::Pin,
    sync::Arc,
    task::{Context, Poll},
};

use http_body::Frame;
use tokio::time::{Instant, Sleep, sleep_until};
use tonic::{
    Status,
    body::Body,
    codegen::{Body as HttpBody, Bytes},
};

use crate::{backends::Failure, outgoing::Outgoing, verdict::Verdict};

/// Forwards what arrives, and adds what no server sends: the end of a stream whose connection is lost or whose deadline
/// is exceeded. Dropping it cancels the call.
pub(crate) struct Streamed {
    body: Body,
    /// Held until the call ends, so that it can be canceled in both directions.
    requests: Option<Arc<Outgoing>>,
    verdict: Verdict,
    deadline: Option<Pin<Box<Sleep>>>,
    ended: bool,
}

impl Streamed {
    pub(crate) fn new(body: Body, requests: Arc<Outgoing>, verdict: Verdict, deadline: Option<Instant>) -> Self {
        Self {
            body,
            requests: Some(requests),
            verdict,
            deadline: deadline.map(|deadline| Box::pin(sleep_until(deadline))),
            ended: false,
        }
    }

    fn is_out_of_time(&mut self, context: &mut Context<'_>) -> bool {
        let deadline = self.deadline.as_mut();
        deadline.is_some_and(|deadline| deadline.as_mut().poll(context).is_ready())
    }
}

impl HttpBody for Streamed {
    type Data = Bytes;
    type Error = Status;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Self::Data>, Self::Error>>> {
        if self.ended {
            return Poll::Ready(None);
        }
        let end = match Pin::new(&mut self.body).poll_frame(context) {
            _ if self.is_out_of_time(context) => self.verdict.out_of_time(),
            Poll::Pending => return Poll::Pending,
            Poll::Ready(Some(Ok(mut frame))) => {
                if let Some(trailers) = frame.trailers_mut() {
                    self.verdict.complete(trailers);
                    self.ended = true;
                    self.requests = None;
                }
                return Poll::Ready(Some(Ok(frame)));
            }
            Poll::Ready(Some(Err(status))) => self.verdict.failed(Failure {
                sent: true,
                error: status.into(),
            }),
            Poll::Ready(None) => self.verdict.cut_off(),
        };
        self.ended = true;
        // Lets go of the connection's stream, which tells the server.
        self.body = Body::empty();
        self.requests = None;
        Poll::Ready(Some(Err(end)))
    }
}
