//! The connection that all stubs share.

use std::{
    error::Error,
    fmt,
    future::Future,
    pin::Pin,
    sync::Arc,
    task::{Context, Poll},
    time::Duration,
};

use http::{HeaderMap, HeaderValue, Request, Response, Uri, request::Parts};
use http_body_util::{BodyExt, Collected, Full};
use tokio::time::{Instant, sleep, timeout_at};
use tonic::{Code, Status, body::Body, codegen::Bytes, transport::Endpoint};
use tonic_types::{ErrorDetails, StatusExt};
use tower_service::Service;

#[cfg(feature = "_tls")]
use crate::tls::Tls;
use crate::{
    backends::{Backends, Failure, MakeEndpoint},
    credentials::{Credentials, Header},
    deadline,
    error::{MAY_HAVE_EXECUTED, chain},
    retry::{self, Attempts, Throttle},
    target::Target,
};

const CONNECT_TIMEOUT: Duration = Duration::from_secs(10);
const KEEPALIVE: Duration = Duration::from_secs(30);
const KEEPALIVE_TIMEOUT: Duration = Duration::from_secs(20);
const DEFAULT_DEADLINE: Duration = Duration::from_secs(60);
/// Longer deadlines are none.
const LONGEST_DEADLINE: Duration = Duration::from_secs(365 * 24 * 3600);

/// A connection to the gateway, for the stubs of all services. Clones share it and cost nothing.
///
/// ```no_run
/// # async fn example() -> Result<(), Box<dyn std::error::Error>> {
/// use vcenter_gateway_client::{Credentials, Gateway, vcenter::v1::VmServiceClient};
///
/// let gateway = Gateway::builder("127.0.0.1:50051")
///     .credentials(Credentials::basic("administrator@vsphere.local", "VMware1!"))
///     .connect()
///     .await?;
/// let mut vms = VmServiceClient::new(gateway.clone());
/// # Ok(())
/// # }
/// ```
///
/// What it adds to a plain channel:
///
/// - Each call carries the credentials, unless its own metadata has some.
/// - A call without a deadline gets one.
/// - Reads are repeated on `UNAVAILABLE`, up to four attempts in all within the deadline. Calls that change something
///   are sent once.
/// - The addresses of the target's name take turns. The name is resolved anew every 30 seconds, and an address that
///   cannot be reached is left out.
#[derive(Clone)]
pub struct Gateway {
    shared: Arc<Shared>,
    credentials: Option<Header>,
}

struct Shared {
    target: Target,
    backends: Arc<Backends>,
    carries_secrets: bool,
    default_deadline: Duration,
    throttle: Option<Throttle>,
}

impl Gateway {
    /// Describes a connection to `target`, a `host:port`: in plain text, without credentials.
    pub fn builder(target: impl Into<String>) -> Builder {
        Builder {
            target: target.into(),
            #[cfg(feature = "_tls")]
            tls: None,
            credentials: None,
            credentials_in_plaintext: false,
            default_deadline: DEFAULT_DEADLINE,
            retries: true,
        }
    }

    /// The same connection for another caller.
    ///
    /// Fails as [`Builder::connect`] does when the credentials cannot be sent.
    pub fn with_credentials(&self, credentials: &Credentials) -> Result<Self, ConnectError> {
        Ok(Self {
            shared: Arc::clone(&self.shared),
            credentials: Some(sendable(credentials, self.shared.carries_secrets)?),
        })
    }

    async fn send(self, request: Request<Body>) -> Result<Response<Body>, Status> {
        let (mut parts, body) = request.into_parts();
        if let Some(credentials) = &self.credentials {
            credentials.attach(&mut parts.headers)?;
        }
        let time = deadline::read(&parts.headers).unwrap_or(self.shared.default_deadline);
        let deadline = Instant::now() + time.min(LONGEST_DEADLINE);
        let reads = retry::is_repeatable(parts.uri.path());
        timeout_at(deadline, async {
            let body = body.collect().await?.to_bytes();
            self.shared.send(parts, body, deadline).await
        })
        .await
        .unwrap_or_else(|_| Err(out_of_time(reads)))
    }
}

impl Shared {
    /// Sends a call, and sends it again where the policy allows it.
    async fn send(&self, mut parts: Parts, body: Bytes, deadline: Instant) -> Result<Response<Body>, Status> {
        let mut attempts = Attempts::new(parts.uri.path(), self.throttle.as_ref());
        loop {
            deadline::write(&mut parts.headers, deadline.saturating_duration_since(Instant::now()));
            let answer = self.attempt(&parts, &body).await;
            let (code, metadata) = match &answer {
                Ok(response) => outcome(response),
                Err(status) => (status.code(), &HeaderMap::new()),
            };
            let Some(pause) = attempts.next(code, metadata) else {
                return answer.map(|response| response.map(Body::new));
            };
            sleep(pause).await;
            parts
                .headers
                .insert("grpc-previous-rpc-attempts", attempts.made().into());
        }
    }

    /// Sends a call once, and reads the whole answer.
    async fn attempt(&self, parts: &Parts, body: &Bytes) -> Result<Response<Collected<Bytes>>, Status> {
        let request = || Request::from_parts(parts.clone(), Body::new(Full::new(body.clone())));
        let answer = async {
            let (head, body) = self.backends.send(request).await?.into_parts();
            let body = body.collect().await.map_err(|status| Failure {
                sent: true,
                error: status.into(),
            })?;
            Ok(Response::from_parts(head, body))
        };
        let reads = retry::is_repeatable(parts.uri.path());
        answer.await.map_err(|failure| self.status(failure, reads))
    }

    /// The status of a call to which the gateway gave no answer.
    fn status(&self, failure: Failure, reads: bool) -> Status {
        let mut text = String::new();
        for cause in chain(&*failure.error).map(ToString::to_string) {
            // Some errors show their cause, others leave that to who prints them.
            if text.is_empty() {
                text = cause;
            } else if !text.contains(&cause) {
                text = format!("{text}: {cause}");
            }
        }
        if !failure.sent {
            return Status::unavailable(format!("cannot connect to {}: {text}", self.target));
        }
        if chain(&*failure.error).any(|cause| cause.is::<tonic::TimeoutExpired>()) {
            return out_of_time(reads);
        }
        match Status::from_error(failure.error).code() {
            // What tonic has no code for is a connection that broke.
            Code::Unknown | Code::Cancelled => {
                let text = format!("the connection to {} was lost: {text}", self.target);
                unanswered(Code::Unavailable, text, reads)
            }
            code => unanswered(code, text, reads),
        }
    }
}

/// How a call ended: its code, and the metadata in which that is written.
fn outcome(response: &Response<Collected<Bytes>>) -> (Code, &HeaderMap) {
    let metadata = response.body().trailers().unwrap_or(response.headers());
    let code = match (metadata.get("grpc-status"), response.status().as_u16()) {
        (Some(status), _) => Code::from_bytes(status.as_bytes()),
        // A proxy in between that cannot reach the gateway.
        (None, 429 | 502 | 503 | 504) => Code::Unavailable,
        (None, _) => Code::Unknown,
    };
    (code, metadata)
}

fn out_of_time(reads: bool) -> Status {
    let text = "the gateway did not answer before the deadline of the call";
    unanswered(Code::DeadlineExceeded, text.to_owned(), reads)
}

/// The status of a call that was sent, and to which no answer came. It says in the gateway's own way when the call may
/// have changed something.
fn unanswered(code: Code, message: String, reads: bool) -> Status {
    if reads {
        return Status::new(code, message);
    }
    let metadata = [(MAY_HAVE_EXECUTED.to_owned(), "true".to_owned())];
    Status::with_error_details(code, message, ErrorDetails::with_error_info("", "", metadata))
}

impl Service<Request<Body>> for Gateway {
    type Response = Response<Body>;
    type Error = Status;
    type Future = Pin<Box<dyn Future<Output = Result<Self::Response, Status>> + Send>>;

    fn poll_ready(&mut self, _: &mut Context<'_>) -> Poll<Result<(), Status>> {
        Poll::Ready(Ok(()))
    }

    fn call(&mut self, request: Request<Body>) -> Self::Future {
        Box::pin(self.clone().send(request))
    }
}

impl fmt::Debug for Gateway {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter
            .debug_struct("Gateway")
            .field("target", &self.shared.target.to_string())
            .finish_non_exhaustive()
    }
}

/// Describes a connection to the gateway; made by [`Gateway::builder`].
#[derive(Clone, Debug)]
#[must_use = "nothing happens before `connect`"]
pub struct Builder {
    target: String,
    #[cfg(feature = "_tls")]
    tls: Option<Tls>,
    credentials: Option<Credentials>,
    credentials_in_plaintext: bool,
    default_deadline: Duration,
    retries: bool,
}

impl Builder {
    /// Encrypts the connection.
    #[cfg(feature = "_tls")]
    pub fn tls(mut self, tls: Tls) -> Self {
        self.tls = Some(tls);
        self
    }

    /// Sends these with each call.
    pub fn credentials(mut self, credentials: Credentials) -> Self {
        self.credentials = Some(credentials);
        self
    }

    /// Sends credentials to other machines in plain text too, where everybody on the way can read them.
    pub fn dangerously_send_credentials_in_plaintext(mut self) -> Self {
        self.credentials_in_plaintext = true;
        self
    }

    /// How long a call may take that has no deadline of its own. 60 seconds unless set.
    pub fn default_deadline(mut self, deadline: Duration) -> Self {
        self.default_deadline = deadline;
        self
    }

    /// Sends each call once, reads as well.
    pub fn without_retries(mut self) -> Self {
        self.retries = false;
        self
    }

    /// Connects, and returns as soon as one of the target's addresses answers. Needs a Tokio runtime.
    ///
    /// Fails when none does, and when the credentials cannot be sent. It is the connection that is tried: whether
    /// vCenter accepts the credentials shows with the first call.
    pub async fn connect(self) -> Result<Gateway, ConnectError> {
        let target: Target = self.target.parse().map_err(ConnectError::InvalidTarget)?;
        let carries_secrets = self.is_encrypted() || self.credentials_in_plaintext || target.is_loopback();
        let credentials = match &self.credentials {
            Some(credentials) => Some(sendable(credentials, carries_secrets)?),
            None => None,
        };
        let backends = Backends::connect(target.clone(), self.endpoints(&target))
            .await
            .map_err(|source| ConnectError::Unreachable {
                target: target.to_string(),
                source,
            })?;
        Ok(Gateway {
            shared: Arc::new(Shared {
                target,
                backends,
                carries_secrets,
                default_deadline: self.default_deadline,
                throttle: self.retries.then(Throttle::new),
            }),
            credentials,
        })
    }

    fn is_encrypted(&self) -> bool {
        #[cfg(feature = "_tls")]
        return self.tls.is_some();
        #[cfg(not(feature = "_tls"))]
        false
    }

    fn endpoints(&self, target: &Target) -> MakeEndpoint {
        let scheme = if self.is_encrypted() { "https" } else { "http" };
        let origin = format!("{scheme}://{target}");
        #[cfg(feature = "_tls")]
        let tls = self.tls.as_ref().map(|tls| tls.config_for(&target.host));
        Box::new(move |address| {
            let endpoint = Endpoint::from_shared(format!("{scheme}://{address}"))?
                .user_agent(HeaderValue::from_static(concat!(
                    "vcenter-gateway-client-rust/",
                    env!("CARGO_PKG_VERSION")
                )))?
                .connect_timeout(CONNECT_TIMEOUT)
                .http2_keep_alive_interval(KEEPALIVE)
                .keep_alive_timeout(KEEPALIVE_TIMEOUT)
                .keep_alive_while_idle(true);
            let endpoint = match origin.parse::<Uri>() {
                Ok(origin) => endpoint.origin(origin),
                Err(_) => endpoint,
            };
            #[cfg(feature = "_tls")]
            let endpoint = match &tls {
                Some(tls) => endpoint.tls_config(tls.clone())?,
                None => endpoint,
            };
            Ok(endpoint)
        })
    }
}

/// The credentials as they are sent, where they may be.
fn sendable(credentials: &Credentials, carries_secrets: bool) -> Result<Header, ConnectError> {
    if !carries_secrets {
        return Err(ConnectError::CredentialsInPlaintext);
    }
    credentials.header().ok_or(ConnectError::InvalidCredentials)
}

/// Why there is no connection.
#[derive(Debug)]
#[non_exhaustive]
pub enum ConnectError {
    /// The target is not a `host:port`.
    InvalidTarget(&'static str),
    /// A user name is empty or contains a colon, or a session id or token is empty or has characters that cannot be sent.
    InvalidCredentials,
    /// The credentials would go over the network in plain text.
    CredentialsInPlaintext,
    /// The name is not known, no address accepts a connection, or the certificates do not fit.
    #[non_exhaustive]
    Unreachable {
        /// The target.
        target: String,
        /// What happened with its last address.
        source: Box<dyn Error + Send + Sync>,
    },
}

impl fmt::Display for ConnectError {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::InvalidTarget(problem) => formatter.write_str(problem),
            Self::InvalidCredentials => {
                formatter.write_str("the user name, session id or token is empty or has characters that cannot be sent")
            }
            Self::CredentialsInPlaintext => formatter.write_str(
                "credentials are not sent to another machine in plain text: use TLS, \
                 or allow it with dangerously_send_credentials_in_plaintext",
            ),
            Self::Unreachable { target, .. } => write!(formatter, "cannot connect to {target}"),
        }
    }
}

impl Error for ConnectError {
    fn source(&self) -> Option<&(dyn Error + 'static)> {
        match self {
            Self::Unreachable { source, .. } => Some(source.as_ref()),
            _ => None,
        }
    }
}
