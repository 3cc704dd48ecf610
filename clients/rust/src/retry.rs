//! Which calls are retried, when and how often: what `service_config.json` defines for gRPC's other clients. All
//! numbers are generated from it.

use std::{
    sync::{Mutex, PoisonError},
    time::Duration,
};

use http::HeaderMap;
use tonic::Code;

include!("generated/policy.rs");

/// Jitter of a backoff, so that clients do not all retry at the same time.
const JITTER: f64 = 0.2;

/// Whether the rpc with this path is read-only, so that it can be retried.
pub(crate) fn is_repeatable(path: &str) -> bool {
    REPEATABLE.binary_search(&path).is_ok()
}

/// Whether the rpc with this path can change something.
pub(crate) fn may_change(path: &str) -> bool {
    // gRPC's own services, health and reflection, are not in the contract and only read.
    !is_repeatable(path) && !path.starts_with("/grpc.")
}

/// Whether the rpc with this path streams, in one direction or in both.
pub(crate) fn is_stream(path: &str) -> bool {
    // The gateway serves gRPC's health checks beside its contract.
    path == "/grpc.health.v1.Health/Watch" || STREAMS.binary_search(&path).is_ok()
}

/// Whether the rpc with this path accepts a stream of requests.
pub(crate) fn is_upload(path: &str) -> bool {
    UPLOADS.binary_search(&path).is_ok()
}

/// Limits how many calls are retried while most of them fail, so that retries do not amplify an outage.
#[derive(Debug)]
pub(crate) struct Throttle(Mutex<f64>);

impl Throttle {
    pub(crate) fn new() -> Self {
        Self(Mutex::new(MAX_TOKENS))
    }

    /// Counts a successful call.
    fn succeeded(&self) {
        let mut tokens = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        *tokens = (*tokens + TOKEN_RATIO).min(MAX_TOKENS);
    }

    /// Counts a failed call. Returns whether it can be retried.
    fn failed(&self) -> bool {
        let mut tokens = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        *tokens = (*tokens - 1.0).max(0.0);
        *tokens > MAX_TOKENS / 2.0
    }
}

/// The attempts of one call.
#[derive(Debug)]
pub(crate) struct Attempts<'a> {
    /// `None` if the call is sent once.
    throttle: Option<&'a Throttle>,
    made: u32,
    backoff: Duration,
}

impl<'a> Attempts<'a> {
    /// A new call of the rpc with this path; without a throttle, it is always sent once.
    pub(crate) fn new(path: &str, throttle: Option<&'a Throttle>) -> Self {
        Self {
            throttle: throttle.filter(|_| is_repeatable(path)),
            made: 0,
            backoff: INITIAL_BACKOFF,
        }
    }

    /// Number of attempts made.
    pub(crate) fn made(&self) -> u32 {
        self.made
    }

    /// How long to wait before the next attempt, after one that ended with this code. `None` if no other attempt is
    /// allowed.
    pub(crate) fn next(&mut self, code: Code, pushback: Pushback) -> Option<Duration> {
        self.made += 1;
        let throttle = self.throttle?;
        if !RETRYABLE.contains(&code) {
            match pushback {
                Pushback::Never => _ = throttle.failed(),
                _ => throttle.succeeded(),
            }
            return None;
        }
        if !throttle.failed() || self.made >= MAX_ATTEMPTS {
            return None;
        }
        match pushback {
            Pushback::Never => None,
            Pushback::After(pause) => {
                self.backoff = INITIAL_BACKOFF;
                Some(pause)
            }
            Pushback::None => {
                let pause = self.backoff.mul_f64(1.0 - JITTER + 2.0 * JITTER * fastrand::f64());
                self.backoff = self.backoff.mul_f64(BACKOFF_MULTIPLIER).min(MAX_BACKOFF);
                Some(pause)
            }
        }
    }
}

/// What the gateway says about retrying the call.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Pushback {
    None,
    After(Duration),
    Never,
}

impl Pushback {
    pub(crate) fn of(metadata: &HeaderMap) -> Self {
        let Some(value) = metadata.get("grpc-retry-pushback-ms") else {
            return Self::None;
        };
        match value.to_str().ok().and_then(|text| text.parse().ok()) {
            Some(milliseconds) => Self::After(Duration::from_millis(milliseconds)),
            // A negative number, or nothing that can be understood.
            None => Self::Never,
        }
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use http::HeaderMap;
    use tonic::Code;

    use super::{
        Attempts, BACKOFF_MULTIPLIER, INITIAL_BACKOFF, JITTER, MAX_ATTEMPTS, MAX_BACKOFF, MAX_TOKENS, Pushback,
        REPEATABLE, RETRYABLE, STREAMS, TOKEN_RATIO, Throttle, UPLOADS, is_repeatable, is_stream, is_upload,
    };

    const READ: &str = "/vcenter.v1.VmService/ListVms";

    fn pushback(value: &str) -> Pushback {
        let name = "grpc-retry-pushback-ms".parse().unwrap();
        Pushback::of(&HeaderMap::from_iter([(name, value.parse().unwrap())]))
    }

    #[test]
    fn the_tables_can_be_searched() {
        assert!(REPEATABLE.is_sorted());
        assert!(REPEATABLE.contains(&READ));
        assert!(STREAMS.is_sorted());
        assert!(UPLOADS.is_sorted());
    }

    #[test]
    fn the_contract_says_which_rpcs_stream() {
        assert!(is_stream("/vcenter.gateway.v1.GatewayService/WatchGateway"));
        assert!(is_stream("/grpc.health.v1.Health/Watch"));
        assert!(!is_stream(READ));
        assert!(is_upload("/vcenter.gateway.v1.GuestService/RunProgram"));
        assert!(is_upload("/vcenter.gateway.v1.GuestService/UploadFile"));
        assert!(!is_upload("/vcenter.gateway.v1.GuestService/DownloadFile"));
        assert!(UPLOADS.iter().all(|path| is_stream(path)));
    }

    #[test]
    fn a_stream_of_requests_is_sent_once() {
        // What was sent of it is gone.
        assert!(UPLOADS.iter().all(|path| !is_repeatable(path)));
    }

    #[test]
    fn a_read_is_repeated_with_growing_pauses_until_the_attempts_are_used_up() {
        let throttle = Throttle::new();
        let mut attempts = Attempts::new(READ, Some(&throttle));
        let mut expected = INITIAL_BACKOFF;
        for _ in 1..MAX_ATTEMPTS {
            let pause = attempts.next(RETRYABLE[0], Pushback::None).unwrap();
            let bounds = expected.mul_f64(1.0 - JITTER)..=expected.mul_f64(1.0 + JITTER);
            assert!(bounds.contains(&pause), "{pause:?} for {expected:?}");
            expected = expected.mul_f64(BACKOFF_MULTIPLIER).min(MAX_BACKOFF);
        }
        assert_eq!(attempts.next(RETRYABLE[0], Pushback::None), None);
        assert_eq!(attempts.made(), MAX_ATTEMPTS);
    }

    #[test]
    fn other_codes_end_the_call() {
        for code in (0..=16).map(Code::from_i32).filter(|code| !RETRYABLE.contains(code)) {
            let throttle = Throttle::new();
            let mut attempts = Attempts::new(READ, Some(&throttle));
            assert_eq!(attempts.next(code, Pushback::None), None, "{code:?}");
        }
    }

    #[test]
    fn a_write_is_sent_once() {
        let path = "/vcenter.vm.v1.PowerService/StartVm";
        let throttle = Throttle::new();
        let mut attempts = Attempts::new(path, Some(&throttle));
        assert_eq!(attempts.next(RETRYABLE[0], pushback("0")), None);
    }

    #[test]
    fn the_gateway_may_say_when_to_come_back_or_not_to() {
        let throttle = Throttle::new();
        let mut attempts = Attempts::new(READ, Some(&throttle));
        assert_eq!(
            attempts.next(RETRYABLE[0], pushback("7")),
            Some(Duration::from_millis(7))
        );
        assert_eq!(attempts.next(RETRYABLE[0], pushback("-1")), None);
        assert_eq!(attempts.next(RETRYABLE[0], pushback("soon")), None);
    }

    #[test]
    fn during_an_outage_calls_are_no_longer_repeated() {
        let throttle = Throttle::new();
        let repeated = || {
            Attempts::new(READ, Some(&throttle))
                .next(RETRYABLE[0], Pushback::None)
                .is_some()
        };
        let mut failures = 1.0;
        while repeated() {
            failures += 1.0;
        }
        assert!(MAX_TOKENS - failures <= MAX_TOKENS / 2.0, "{failures}");
        assert!(MAX_TOKENS - (failures - 1.0) > MAX_TOKENS / 2.0, "{failures}");
        for _ in 0..(MAX_TOKENS / TOKEN_RATIO).ceil() as u32 {
            throttle.succeeded();
        }
        assert!(repeated());
    }
}
