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

use http::{HeaderMap, HeaderValue, Request, Response, StatusCode, Uri, request::Parts};
use http_body_util::{BodyExt, Full};
use tokio::time::{Instant, sleep, timeout_at};
use tonic::{Code, Status, body::Body, transport::Endpoint};
use tower_service::Service;

#[cfg(feature = "_tls")]
use crate::tls::Tls;
use crate::{
    answer::Streamed,
    backends::{Backends, Failure, MakeEndpoint},
    credentials::{Credentials, Header, visible},
    deadline,
    outgoing::Outgoing,
    retry::{self, Attempts, Pushback, Throttle},
    target::Target,
    verdict::{self, Verdict},
};

const CONNECT_TIMEOUT: Duration = Duration::from_secs(10);
const KEEPALIVE: Duration = Duration::from_secs(30);
const KEEPALIVE_TIMEOUT: Duration = Duration::from_secs(20);
const DEFAULT_DEADLINE: Duration = Duration::from_secs(60);
const GRPC_STATUS: &str = "grpc-status";
/// The metadata that selects the vCenter if an address serves several.
const VCENTER: &str = "x-vcenter";
/// Longer deadlines are treated as no deadline.
const LONGEST_DEADLINE: Duration = Duration::from_secs(365 * 24 * 3600);

/// A connection to the gateway, for the stubs of all services. Clones share it and are cheap.
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
/// In addition to a plain channel:
///
/// - Each call carries the credentials, unless its own metadata contains some.
/// - Each call names the vCenter of the connection, where it has one, unless its own metadata names another.
/// - A call without a deadline gets one. A stream, in either direction, does not.
/// - Reads are retried on `UNAVAILABLE`, within the deadline. A read-only stream is retried until the gateway has
///   opened it. Calls that change something and streams of requests are sent once.
/// - Calls are load-balanced across the addresses of the target's name. The name is resolved every 30 seconds, and
///   unreachable addresses are skipped.
#[derive(Clone)]
pub struct Gateway {
    shared: Arc<Shared>,
    credentials: Option<Header>,
}

struct Shared {
    target: Arc<str>,
    backends: Arc<Backends>,
    carries_secrets: bool,
    vcenter: Option<HeaderValue>,
    default_deadline: Duration,
    throttle: Option<Throttle>,
}

impl Gateway {
    /// Returns a builder for a connection to `target`, a `host:port`. By default, the connection is in plain text,
    /// without credentials.
    pub fn builder(target: impl Into<String>) -> Builder {
        Builder {
            target: target.into(),
            #[cfg(feature = "_tls")]
            tls: None,
            credentials: None,
            credentials_in_plaintext: false,
            vcenter: None,
            default_deadline: DEFAULT_DEADLINE,
            retries: true,
        }
    }

    /// The same connection with another identity.
    ///
    /// Fails like [`Builder::connect`] if the credentials cannot be sent.
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
        if let Some(vcenter) = &self.shared.vcenter {
            parts.headers.entry(VCENTER).or_insert_with(|| vcenter.clone());
        }
        let path = parts.uri.path();
        let verdict = Verdict::new(Arc::clone(&self.shared.target), path);
        let default = (!retry::is_stream(path)).then_some(self.shared.default_deadline);
        let deadline = deadline::read(&parts.headers)
            .or(default)
            .map(|time| Instant::now() + time.min(LONGEST_DEADLINE));
        let answer = async {
            let requests = Outgoing::new(body, retry::is_upload(parts.uri.path())).await?;
            self.shared.send(parts, Arc::new(requests), deadline, &verdict).await
        };
        match deadline {
            Some(deadline) => timeout_at(deadline, answer)
                .await
                .unwrap_or_else(|_| Err(verdict.out_of_time())),
            None => answer.await,
        }
    }
}

impl Shared {
    /// Sends a call, and retries it if the policy allows.
    async fn send(
        &self,
        mut parts: Parts,
        requests: Arc<Outgoing>,
        deadline: Option<Instant>,
        verdict: &Verdict,
    ) -> Result<Response<Body>, Status> {
        let throttle = self.throttle.as_ref().filter(|_| requests.is_whole());
        let mut attempts = Attempts::new(parts.uri.path(), throttle);
        loop {
            if let Some(deadline) = deadline {
                deadline::write(&mut parts.headers, deadline.saturating_duration_since(Instant::now()));
            }
            let attempt = self.attempt(&parts, &requests, deadline, verdict).await;
            let Some(pause) = attempts.next(attempt.code, attempt.pushback) else {
                return attempt.answer;
            };
            sleep(pause).await;
            parts
                .headers
                .insert("grpc-previous-rpc-attempts", attempts.made().into());
        }
    }

    /// Sends a call once. Reads the whole response, or the headers of a stream.
    async fn attempt(
        &self,
        parts: &Parts,
        requests: &Arc<Outgoing>,
        deadline: Option<Instant>,
        verdict: &Verdict,
    ) -> Attempt {
        let request = || Request::from_parts(parts.clone(), requests.body());
        let (mut head, body) = match self.backends.send(request).await {
            Ok(response) => response.into_parts(),
            Err(failure) => {
                let pushback = match verdict::is_permanent(&failure) {
                    true => Pushback::Never,
                    false => Pushback::None,
                };
                return Attempt::failed(verdict.failed(failure), pushback);
            }
        };
        // A call that fails before it begins to answer has its status here, and the body is empty.
        if head.headers.contains_key(GRPC_STATUS) {
            verdict.complete(&mut head.headers);
            let (code, pushback) = outcome(&head.headers);
            return Attempt {
                code,
                pushback,
                answer: Ok(Response::from_parts(head, body)),
            };
        }
        if head.status != StatusCode::OK {
            return Attempt::failed(verdict.not_grpc(head.status), Pushback::of(&head.headers));
        }
        if retry::is_stream(parts.uri.path()) {
            let body = Body::new(Streamed::new(body, Arc::clone(requests), verdict.clone(), deadline));
            return Attempt {
                code: Code::Ok,
                pushback: Pushback::None,
                answer: Ok(Response::from_parts(head, body)),
            };
        }
        let body = match body.collect().await {
            Ok(body) => body,
            Err(status) => {
                let error = status.into();
                return Attempt::failed(verdict.failed(Failure { sent: true, error }), Pushback::None);
            }
        };
        let Some(mut trailers) = body
            .trailers()
            .filter(|trailers| trailers.contains_key(GRPC_STATUS))
            .cloned()
        else {
            return Attempt::failed(verdict.cut_off(), Pushback::None);
        };
        verdict.complete(&mut trailers);
        let (code, pushback) = outcome(&trailers);
        let body = Full::new(body.to_bytes()).with_trailers(async { Some(Ok(trailers)) });
        Attempt {
            code,
            pushback,
            answer: Ok(Response::from_parts(head, Body::new(body))),
        }
    }
}

/// Outcome of an attempt.
struct Attempt {
    code: Code,
    pushback: Pushback,
    answer: Result<Response<Body>, Status>,
}

impl Attempt {
    fn failed(status: Status, pushback: Pushback) -> Self {
        Self {
            code: status.code(),
            pushback,
            answer: Err(status),
        }
    }
}

/// The code in the metadata that a call ended with, and what it says about retries.
fn outcome(metadata: &HeaderMap) -> (Code, Pushback) {
    let code = metadata
        .get(GRPC_STATUS)
        .map_or(Code::Unknown, |status| Code::from_bytes(status.as_bytes()));
    (code, Pushback::of(metadata))
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
            .field("target", &self.shared.target)
            .finish_non_exhaustive()
    }
}

/// Configures a connection to the gateway. Created by [`Gateway::builder`].
#[derive(Clone, Debug)]
#[must_use = "nothing happens before `connect`"]
pub struct Builder {
    target: String,
    #[cfg(feature = "_tls")]
    tls: Option<Tls>,
    credentials: Option<Credentials>,
    credentials_in_plaintext: bool,
    vcenter: Option<String>,
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

    /// Sends these credentials with each call.
    pub fn credentials(mut self, credentials: Credentials) -> Self {
        self.credentials = Some(credentials);
        self
    }

    /// Allows sending credentials to other machines in plain text, where anyone on the network path can read them.
    pub fn dangerously_send_credentials_in_plaintext(mut self) -> Self {
        self.credentials_in_plaintext = true;
        self
    }

    /// The vCenter for all calls and streams, if one address serves several. A call can select another one with its
    /// metadata `x-vcenter`.
    pub fn vcenter(mut self, name: impl Into<String>) -> Self {
        self.vcenter = Some(name.into());
        self
    }

    /// Timeout of calls without their own deadline. Defaults to 60 seconds. Does not apply to streams.
    pub fn default_deadline(mut self, deadline: Duration) -> Self {
        self.default_deadline = deadline;
        self
    }

    /// Sends each call only once, including reads.
    pub fn without_retries(mut self) -> Self {
        self.retries = false;
        self
    }

    /// Connects, and returns as soon as one of the target's addresses responds. Requires a Tokio runtime.
    ///
    /// Fails if none does, or if the credentials or the name of the vCenter cannot be sent. This tests only the
    /// connection: whether vCenter accepts the credentials is known after the first call.
    pub async fn connect(self) -> Result<Gateway, ConnectError> {
        let target = self.parse_target()?;
        let credentials = self.sendable_credentials(&target)?;
        let vcenter = self.sendable_vcenter()?;
        let backends = Backends::connect(target.clone(), self.endpoints(&target)).await;
        let backends = backends.map_err(|source| ConnectError::Unreachable {
            target: target.to_string(),
            source,
        })?;
        Ok(self.gateway(&target, backends, credentials, vcenter))
    }

    /// Connects with the first call, which fails with `UNAVAILABLE` if the gateway is unreachable. For programs that
    /// can start before the gateway. Requires a Tokio runtime, like calls.
    ///
    /// Fails if the credentials or the name of the vCenter cannot be sent.
    pub fn connect_lazy(self) -> Result<Gateway, ConnectError> {
        let target = self.parse_target()?;
        let credentials = self.sendable_credentials(&target)?;
        let vcenter = self.sendable_vcenter()?;
        let backends = Backends::connect_lazy(target.clone(), self.endpoints(&target));
        Ok(self.gateway(&target, backends, credentials, vcenter))
    }

    fn parse_target(&self) -> Result<Target, ConnectError> {
        self.target.parse().map_err(ConnectError::InvalidTarget)
    }

    /// Whether credentials can be sent to the target.
    fn carries_secrets(&self, target: &Target) -> bool {
        self.is_encrypted() || self.credentials_in_plaintext || target.is_loopback()
    }

    fn sendable_credentials(&self, target: &Target) -> Result<Option<Header>, ConnectError> {
        let carries_secrets = self.carries_secrets(target);
        let credentials = self.credentials.as_ref();
        credentials
            .map(|credentials| sendable(credentials, carries_secrets))
            .transpose()
    }

    fn sendable_vcenter(&self) -> Result<Option<HeaderValue>, ConnectError> {
        let name = self.vcenter.as_deref();
        name.map(|name| visible(name).ok_or(ConnectError::InvalidVCenter))
            .transpose()
    }

    fn gateway(
        &self,
        target: &Target,
        backends: Arc<Backends>,
        credentials: Option<Header>,
        vcenter: Option<HeaderValue>,
    ) -> Gateway {
        Gateway {
            shared: Arc::new(Shared {
                target: target.to_string().into(),
                backends,
                carries_secrets: self.carries_secrets(target),
                vcenter,
                default_deadline: self.default_deadline,
                throttle: self.retries.then(Throttle::new),
            }),
            credentials,
        }
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

/// The credentials in the form in which they are sent, if they can be.
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
    /// A username is empty or contains a colon, or a session ID or token is empty or contains characters that cannot be
    /// sent.
    InvalidCredentials,
    /// The name of the vCenter is empty or contains characters that cannot be sent.
    InvalidVCenter,
    /// The credentials would be sent over the network in plain text.
    CredentialsInPlaintext,
    /// The name cannot be resolved, no address accepts a connection, or the certificates do not match.
    #[non_exhaustive]
    Unreachable {
        /// The target.
        target: String,
        /// The error of its last address.
        source: Box<dyn Error + Send + Sync>,
    },
}

impl fmt::Display for ConnectError {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::InvalidTarget(problem) => formatter.write_str(problem),
            Self::InvalidCredentials => {
                formatter.write_str("the username, session ID or token is empty or has characters that cannot be sent")
            }
            Self::InvalidVCenter => {
                formatter.write_str("the name of the vCenter is empty or contains characters that cannot be sent")
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
