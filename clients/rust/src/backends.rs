//! The addresses that the gateway's name resolves to, and a connection to each.
//!
//! Calls are load-balanced across the connected addresses. An address that refuses connections is skipped until it
//! accepts them again; a call that could not be sent to it is sent to the next one, which is safe for all calls.

use std::{
    error::Error,
    net::SocketAddr,
    sync::{
        Arc, Mutex, MutexGuard, PoisonError, Weak,
        atomic::{AtomicBool, AtomicUsize, Ordering},
    },
    time::Duration,
};

use http::{Request, Response};
use tokio::{task::JoinSet, time::sleep};
use tonic::{
    body::Body,
    transport::{Channel, Endpoint},
};
use tower_service::Service;

use crate::{error::chain, target::Target};

/// How often a name is resolved.
const REFRESH: Duration = Duration::from_secs(30);
/// Initial and maximum backoff for reconnecting to an address that refuses connections; the backoff doubles.
const RECONNECT: (Duration, Duration) = (Duration::from_secs(1), Duration::from_secs(60));

/// Creates the endpoint of an address.
pub(crate) type MakeEndpoint = Box<dyn Fn(SocketAddr) -> Result<Endpoint, tonic::transport::Error> + Send + Sync>;

/// All addresses of a target.
pub(crate) struct Backends {
    target: Target,
    make_endpoint: MakeEndpoint,
    list: Mutex<Arc<[Arc<Backend>]>>,
    turn: AtomicUsize,
}

impl Backends {
    /// Resolves the target and connects. Fails when no address accepts a connection.
    pub(crate) async fn connect(
        target: Target,
        make_endpoint: MakeEndpoint,
    ) -> Result<Arc<Self>, Box<dyn Error + Send + Sync>> {
        let addresses = target.resolve().await?;
        let backends = Self::connect_lazy(target, make_endpoint);
        let mut connecting = backends.update(&addresses)?;
        let mut error: Box<dyn Error + Send + Sync> = "the name has no addresses".into();
        while let Some(connected) = connecting.join_next().await {
            match connected? {
                Ok(()) => {
                    // The others go on in the background.
                    connecting.detach_all();
                    return Ok(backends);
                }
                Err(failed) => error = failed.into(),
            }
        }
        Err(error)
    }

    /// Resolves the target and connects with the first call. Requires a Tokio runtime.
    pub(crate) fn connect_lazy(target: Target, make_endpoint: MakeEndpoint) -> Arc<Self> {
        let backends = Arc::new(Self::new(target, make_endpoint));
        if backends.target.is_name() {
            tokio::spawn(refresh(Arc::downgrade(&backends)));
        }
        backends
    }

    fn new(target: Target, make_endpoint: MakeEndpoint) -> Self {
        Self {
            target,
            make_endpoint,
            list: Mutex::new(Arc::new([])),
            turn: AtomicUsize::new(0),
        }
    }

    /// The addresses, which are resolved now if they have not been yet.
    async fn addresses(&self) -> Result<Arc<[Arc<Backend>]>, Box<dyn Error + Send + Sync>> {
        let known = Arc::clone(&lock(&self.list));
        if !known.is_empty() {
            return Ok(known);
        }
        self.update(&self.target.resolve().await?)?.detach_all();
        Ok(Arc::clone(&lock(&self.list)))
    }

    /// Updates the addresses, and starts to connect to new ones.
    fn update(
        &self,
        addresses: &[SocketAddr],
    ) -> Result<JoinSet<Result<(), tonic::transport::Error>>, tonic::transport::Error> {
        let mut current = lock(&self.list);
        let mut connecting = JoinSet::new();
        let mut list = Vec::with_capacity(addresses.len());
        for &address in addresses {
            if let Some(backend) = current.iter().find(|backend| backend.address == address) {
                list.push(Arc::clone(backend));
                continue;
            }
            let backend = Arc::new(Backend::new(address, (self.make_endpoint)(address)?));
            list.push(Arc::clone(&backend));
            connecting.spawn(async move {
                let connected = backend.connect().await;
                if connected.is_err() {
                    backend.keep_connecting();
                }
                connected
            });
        }
        *current = list.into();
        Ok(connecting)
    }

    /// Sends a request to the next address, or to the one after it if that is unreachable.
    pub(crate) async fn send(&self, mut request: impl FnMut() -> Request<Body>) -> Result<Response<Body>, Failure> {
        let list = match self.addresses().await {
            Ok(list) => list,
            Err(error) => return Err(Failure { sent: false, error }),
        };
        let turn = self.turn.fetch_add(1, Ordering::Relaxed);
        let in_turn = || list.iter().cycle().skip(turn % list.len().max(1)).take(list.len());

        let mut failure = None;
        for backend in in_turn().filter(|backend| backend.is_up()) {
            match backend.send(request()).await {
                Err(failed) if !failed.sent => failure = Some(failed),
                other => return other,
            }
        }
        // Where none is up there is nothing to lose by trying.
        match (failure, in_turn().next()) {
            (Some(failure), _) => Err(failure),
            (None, Some(backend)) => backend.send(request()).await,
            (None, None) => Err(Failure {
                sent: false,
                error: "the name has no addresses".into(),
            }),
        }
    }
}

/// Resolves the name periodically while its addresses are in use.
async fn refresh(backends: Weak<Backends>) {
    loop {
        sleep(REFRESH).await;
        let Some(backends) = backends.upgrade() else { return };
        // While the resolver fails, or knows no address, the last ones are the best there are.
        if let Ok(addresses) = backends.target.resolve().await
            && !addresses.is_empty()
            && let Ok(mut connecting) = backends.update(&addresses)
        {
            connecting.detach_all();
        }
    }
}

/// Why there is no response.
pub(crate) struct Failure {
    /// Whether the request may have reached the gateway.
    pub(crate) sent: bool,
    /// What happened.
    pub(crate) error: Box<dyn Error + Send + Sync>,
}

/// One address.
struct Backend {
    address: SocketAddr,
    endpoint: Endpoint,
    channel: Mutex<Channel>,
    up: AtomicBool,
}

impl Backend {
    fn new(address: SocketAddr, endpoint: Endpoint) -> Self {
        Self {
            address,
            channel: Mutex::new(endpoint.connect_lazy()),
            endpoint,
            up: AtomicBool::new(false),
        }
    }

    fn is_up(&self) -> bool {
        self.up.load(Ordering::Relaxed)
    }

    async fn connect(&self) -> Result<(), tonic::transport::Error> {
        let channel = self.endpoint.connect().await?;
        *lock(&self.channel) = channel;
        self.up.store(true, Ordering::Relaxed);
        Ok(())
    }

    /// Connects in the background, and retries until it succeeds or the connection is no longer needed.
    fn keep_connecting(self: &Arc<Self>) {
        let backend = Arc::downgrade(self);
        tokio::spawn(async move {
            let (mut pause, longest) = RECONNECT;
            loop {
                sleep(pause).await;
                let Some(backend) = backend.upgrade() else { return };
                if backend.is_up() || backend.connect().await.is_ok() {
                    return;
                }
                pause = (pause * 2).min(longest);
            }
        });
    }

    async fn send(self: &Arc<Self>, request: Request<Body>) -> Result<Response<Body>, Failure> {
        let mut channel = lock(&self.channel).clone();
        let answer = async {
            std::future::poll_fn(|context| channel.poll_ready(context)).await?;
            channel.call(request).await
        };
        match answer.await {
            Ok(response) => {
                self.up.store(true, Ordering::Relaxed);
                Ok(response)
            }
            Err(error) => {
                // Otherwise there was a connection, and nobody knows how far the request came.
                let sent = !chain(&error).any(|cause| cause.is::<tonic::ConnectError>());
                if !sent && self.up.swap(false, Ordering::Relaxed) {
                    self.keep_connecting();
                }
                Err(Failure {
                    sent,
                    error: error.into(),
                })
            }
        }
    }
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

#[cfg(test)]
mod tests {
    use std::{convert::Infallible, net::SocketAddr, sync::Arc, time::Duration};

    use http::{Request, Response};
    use tokio::{net::TcpListener, sync::oneshot, task::JoinHandle, time::sleep};
    use tonic::{
        body::Body,
        transport::{Endpoint, Server, server::TcpIncoming},
    };
    use tower::service_fn;

    use super::Backends;

    /// A server that responds to everything with its address.
    struct Answering {
        address: SocketAddr,
        shutdown: oneshot::Sender<()>,
        serving: JoinHandle<()>,
    }

    impl Answering {
        async fn stop(self) {
            drop(self.shutdown);
            self.serving.await.unwrap();
        }
    }

    async fn serve(address: SocketAddr) -> Answering {
        let listener = TcpListener::bind(address).await.unwrap();
        let address = listener.local_addr().unwrap();
        let (shutdown, stopped) = oneshot::channel::<()>();
        let service = service_fn(move |_: Request<Body>| async move {
            let response = Response::builder().header("address", address.to_string());
            Ok::<_, Infallible>(response.body(Body::empty()).unwrap())
        });
        let serving = tokio::spawn(async move {
            Server::builder()
                .serve_with_incoming_shutdown(service, TcpIncoming::from(listener), async { _ = stopped.await })
                .await
                .unwrap();
        });
        Answering {
            address,
            shutdown,
            serving,
        }
    }

    async fn serve_anywhere() -> Answering {
        serve("127.0.0.1:0".parse().unwrap()).await
    }

    async fn backends(addresses: &[SocketAddr]) -> Arc<Backends> {
        let backends = Arc::new(Backends::new(
            "localhost:1".parse().unwrap(),
            Box::new(|address| Endpoint::from_shared(format!("http://{address}"))),
        ));
        backends.update(addresses).unwrap().join_all().await;
        backends
    }

    /// Which address responds to the next call; `None` if none does.
    async fn answering(backends: &Backends) -> Option<SocketAddr> {
        let request = || Request::post("/").body(Body::empty()).unwrap();
        let response = backends.send(request).await.ok()?;
        Some(response.headers()["address"].to_str().unwrap().parse().unwrap())
    }

    #[tokio::test]
    async fn addresses_take_turns() {
        let (first, second) = (serve_anywhere().await, serve_anywhere().await);
        let backends = backends(&[first.address, second.address]).await;
        for expected in [first.address, second.address, first.address, second.address] {
            assert_eq!(answering(&backends).await, Some(expected));
        }
    }

    #[tokio::test]
    async fn an_address_that_cannot_be_reached_is_left_out() {
        let (first, second) = (serve_anywhere().await, serve_anywhere().await);
        let addresses = [first.address, second.address];
        first.stop().await;
        let backends = backends(&addresses).await;
        for _ in 0..4 {
            assert_eq!(answering(&backends).await, Some(second.address));
        }
    }

    #[tokio::test]
    async fn a_call_that_could_not_be_sent_goes_to_the_next_address() {
        let (first, second) = (serve_anywhere().await, serve_anywhere().await);
        let backends = backends(&[first.address, second.address]).await;
        assert_eq!(answering(&backends).await, Some(first.address));
        first.stop().await;
        for _ in 0..4 {
            assert_eq!(answering(&backends).await, Some(second.address));
        }
    }

    #[tokio::test]
    async fn an_address_that_comes_back_is_used_again() {
        let (first, second) = (serve_anywhere().await, serve_anywhere().await);
        let address = first.address;
        let backends = backends(&[address, second.address]).await;
        first.stop().await;
        for _ in 0..2 {
            assert_eq!(answering(&backends).await, Some(second.address));
        }
        let _first = serve(address).await;
        while answering(&backends).await != Some(address) {
            sleep(Duration::from_millis(10)).await;
        }
    }

    #[tokio::test]
    async fn new_addresses_are_used_and_old_ones_forgotten() {
        let (first, second) = (serve_anywhere().await, serve_anywhere().await);
        let backends = backends(&[first.address]).await;
        assert_eq!(answering(&backends).await, Some(first.address));
        backends.update(&[second.address]).unwrap().join_all().await;
        for _ in 0..2 {
            assert_eq!(answering(&backends).await, Some(second.address));
        }
    }

    #[tokio::test]
    async fn where_no_address_can_be_reached_a_call_tries_all_the_same() {
        let first = serve_anywhere().await;
        let address = first.address;
        let backends = backends(&[address]).await;
        first.stop().await;
        assert_eq!(answering(&backends).await, None);
        let _first = serve(address).await;
        assert_eq!(answering(&backends).await, Some(address));
    }
}
