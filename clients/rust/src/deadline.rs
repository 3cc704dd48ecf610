//! The header in which gRPC sends the remaining time.

use std::time::Duration;

use http::{HeaderMap, HeaderName, HeaderValue};

const GRPC_TIMEOUT: HeaderName = HeaderName::from_static("grpc-timeout");

/// The timeout that the caller sets for the call; `None` if it sets none.
pub(crate) fn read(headers: &HeaderMap) -> Option<Duration> {
    let text = headers.get(GRPC_TIMEOUT)?.to_str().ok()?;
    let unit = text.chars().last()?;
    let amount: u64 = text.strip_suffix(unit)?.parse().ok()?;
    Some(match unit {
        'H' => Duration::from_secs(amount * 3600),
        'M' => Duration::from_secs(amount * 60),
        'S' => Duration::from_secs(amount),
        'm' => Duration::from_millis(amount),
        'u' => Duration::from_micros(amount),
        'n' => Duration::from_nanos(amount),
        _ => return None,
    })
}

/// Formats the remaining time in the finest unit that can represent it.
pub(crate) fn write(headers: &mut HeaderMap, left: Duration) {
    const EIGHT_DIGITS: u128 = 99_999_999;
    let (amount, unit) = [(left.as_micros(), 'u'), (left.as_millis(), 'm')]
        .into_iter()
        .find(|(amount, _)| *amount <= EIGHT_DIGITS)
        .unwrap_or((u128::from(left.as_secs()).min(EIGHT_DIGITS), 'S'));
    if let Ok(value) = HeaderValue::from_str(&format!("{amount}{unit}")) {
        headers.insert(GRPC_TIMEOUT, value);
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use http::HeaderMap;

    use super::{GRPC_TIMEOUT, read, write};

    #[test]
    fn time_is_written_in_the_finest_unit_that_has_room() {
        for (left, written) in [
            (Duration::from_millis(250), "250000u"),
            (Duration::from_secs(60), "60000000u"),
            (Duration::from_secs(3600), "3600000m"),
            (Duration::from_secs(200_000), "200000S"),
            (Duration::MAX, "99999999S"),
        ] {
            let mut headers = HeaderMap::new();
            write(&mut headers, left);
            assert_eq!(headers[GRPC_TIMEOUT], written);
        }
    }

    #[test]
    fn time_is_read_in_every_unit() {
        for (text, expected) in [
            ("2H", Some(Duration::from_secs(7200))),
            ("3M", Some(Duration::from_secs(180))),
            ("4S", Some(Duration::from_secs(4))),
            ("5m", Some(Duration::from_millis(5))),
            ("6u", Some(Duration::from_micros(6))),
            ("7n", Some(Duration::from_nanos(7))),
            ("8", None),
            ("m", None),
            ("-1S", None),
        ] {
            let mut headers = HeaderMap::new();
            headers.insert(GRPC_TIMEOUT, text.parse().unwrap());
            assert_eq!(read(&headers), expected, "{text}");
        }
        assert_eq!(read(&HeaderMap::new()), None);
    }
}
