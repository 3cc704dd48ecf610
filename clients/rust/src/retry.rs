//! Which calls are repeated, when and how often: what `service_config.json` says for gRPC's other clients.

use std::{
    sync::{Mutex, PoisonError},
    time::Duration,
};

use http::HeaderMap;
use tonic::Code;

include!("generated/policy.rs");

/// How far a backoff may deviate from its value, so that clients do not come back all at once.
const JITTER: f64 = 0.2;

/// Whether the rpc with this path only reads.
pub(crate) fn is_repeatable(path: &str) -> bool {
    REPEATABLE.binary_search(&path).is_ok()
}

/// Limits how many calls are repeated while most of them fail, so that an outage is not multiplied.
#[derive(Debug)]
pub(crate) struct Throttle(Mutex<f64>);

impl Throttle {
    pub(crate) fn new() -> Self {
        Self(Mutex::new(MAX_TOKENS))
    }

    /// Counts a call that did not fail.
    fn succeeded(&self) {
        let mut tokens = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        *tokens = (*tokens + TOKEN_RATIO).min(MAX_TOKENS);
    }

    /// Counts a failed call. Returns whether it may be repeated.
    fn failed(&self) -> bool {
        let mut tokens = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        *tokens = (*tokens - 1.0).max(0.0);
        *tokens > MAX_TOKENS / 2.0
    }
}

/// The attempts of one call.
#[derive(Debug)]
pub(crate) struct Attempts<'a> {
    /// `None` where the call is sent once.
    throttle: Option<&'a Throttle>,
    made: u32,
    backoff: Duration,
}

impl<'a> Attempts<'a> {
    /// A new call of the rpc with this path; without a throttle it is sent once in any case.
    pub(crate) fn new(path: &str, throttle: Option<&'a Throttle>) -> Self {
        Self {
            throttle: throttle.filter(|_| is_repeatable(path)),
            made: 0,
            backoff: INITIAL_BACKOFF,
        }
    }

    /// How many attempts were made.
    pub(crate) fn made(&self) -> u32 {
        self.made
    }

    /// How long to wait before the next attempt, after one that ended with this code and metadata. `None` when there
    /// must not be another.
    pub(crate) fn next(&mut self, code: Code, metadata: &HeaderMap) -> Option<Duration> {
        self.made += 1;
        let throttle = self.throttle?;
        let pushback = Pushback::of(metadata);
        if code != Code::Unavailable {
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

/// What the gateway says about repeating the call.
enum Pushback {
    None,
    After(Duration),
    Never,
}

impl Pushback {
    fn of(metadata: &HeaderMap) -> Self {
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

    use super::{Attempts, MAX_ATTEMPTS, REPEATABLE, Throttle};

    const READ: &str = "/vcenter.v1.VmService/ListVms";

    fn pushback(value: &str) -> HeaderMap {
        HeaderMap::from_iter([("grpc-retry-pushback-ms".parse().unwrap(), value.parse().unwrap())])
    }

    #[test]
    fn the_table_can_be_searched() {
        assert!(REPEATABLE.is_sorted());
        assert!(REPEATABLE.contains(&READ));
    }

    #[test]
    fn a_read_is_repeated_with_growing_pauses_until_the_attempts_are_used_up() {
        let throttle = Throttle::new();
        let mut attempts = Attempts::new(READ, Some(&throttle));
        for expected in [200.0, 400.0, 800.0] {
            let pause = attempts
                .next(Code::Unavailable, &HeaderMap::new())
                .unwrap()
                .as_secs_f64()
                * 1000.0;
            assert!(
                (expected * 0.8..=expected * 1.2).contains(&pause),
                "{pause} for {expected}"
            );
        }
        assert_eq!(attempts.next(Code::Unavailable, &HeaderMap::new()), None);
        assert_eq!(attempts.made(), MAX_ATTEMPTS);
    }

    #[test]
    fn other_codes_end_the_call() {
        for code in [
            Code::Ok,
            Code::Aborted,
            Code::DeadlineExceeded,
            Code::Internal,
            Code::Unknown,
        ] {
            assert_eq!(
                Attempts::new(READ, Some(&Throttle::new())).next(code, &HeaderMap::new()),
                None,
                "{code:?}"
            );
        }
    }

    #[test]
    fn a_write_is_sent_once() {
        let path = "/vcenter.vm.v1.PowerService/StartVm";
        let throttle = Throttle::new();
        assert_eq!(
            Attempts::new(path, Some(&throttle)).next(Code::Unavailable, &pushback("0")),
            None
        );
    }

    #[test]
    fn the_gateway_may_say_when_to_come_back_or_not_to() {
        let throttle = Throttle::new();
        let mut attempts = Attempts::new(READ, Some(&throttle));
        assert_eq!(
            attempts.next(Code::Unavailable, &pushback("7")),
            Some(Duration::from_millis(7))
        );
        assert_eq!(attempts.next(Code::Unavailable, &pushback("-1")), None);
        assert_eq!(attempts.next(Code::Unavailable, &pushback("soon")), None);
    }

    #[test]
    fn during_an_outage_calls_are_no_longer_repeated() {
        let throttle = Throttle::new();
        let repeated = || {
            Attempts::new(READ, Some(&throttle))
                .next(Code::Unavailable, &HeaderMap::new())
                .is_some()
        };
        assert_eq!((0..30).filter(|_| repeated()).count(), 9);
        for _ in 0..200 {
            throttle.succeeded();
        }
        assert!(repeated());
    }
}
