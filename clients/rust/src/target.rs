//! The address of the gateway as users write it.

use std::{
    fmt,
    net::{IpAddr, SocketAddr},
    str::FromStr,
};

use http::uri::Authority;

/// Host and port of the gateway.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Target {
    pub(crate) host: String,
    pub(crate) port: u16,
}

impl Target {
    /// Whether data that is sent there certainly stays on the local machine.
    pub(crate) fn is_loopback(&self) -> bool {
        match self.host.parse::<IpAddr>() {
            Ok(ip) => ip.to_canonical().is_loopback(),
            Err(_) => self.host.eq_ignore_ascii_case("localhost"),
        }
    }

    /// Whether the host is a name, whose addresses can change.
    pub(crate) fn is_name(&self) -> bool {
        self.host.parse::<IpAddr>().is_err()
    }

    /// The addresses of the host. Those of `localhost` are always on the local machine, regardless of the resolver.
    pub(crate) async fn resolve(&self) -> std::io::Result<Vec<SocketAddr>> {
        let mut addresses: Vec<SocketAddr> = tokio::net::lookup_host((self.host.as_str(), self.port))
            .await?
            .collect();
        if self.is_loopback() {
            addresses.retain(|address| address.ip().to_canonical().is_loopback());
        }
        addresses.sort();
        addresses.dedup();
        Ok(addresses)
    }
}

impl FromStr for Target {
    type Err = &'static str;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let text = text.strip_prefix("dns:///").unwrap_or(text);
        // A user and a password before the host would end up in logs.
        let authority: Authority = match text.parse() {
            Ok(authority) if !text.contains('@') => authority,
            _ => return Err("the target must be host:port, for instance gateway.example.com:50051"),
        };
        let port = authority
            .port_u16()
            .ok_or("the target has no port; the gateway's is usually 50051")?;
        let host = authority
            .host()
            .trim_start_matches('[')
            .trim_end_matches(']')
            .to_owned();
        Ok(Self { host, port })
    }
}

impl fmt::Display for Target {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        if self.host.contains(':') {
            write!(formatter, "[{}]:{}", self.host, self.port)
        } else {
            write!(formatter, "{}:{}", self.host, self.port)
        }
    }
}

#[cfg(test)]
mod tests {
    use super::Target;

    #[test]
    fn a_target_is_a_host_and_a_port() {
        for (text, host, shown) in [
            ("127.0.0.1:50051", "127.0.0.1", "127.0.0.1:50051"),
            ("[::1]:50051", "::1", "[::1]:50051"),
            (
                "dns:///gateway.example.com:50051",
                "gateway.example.com",
                "gateway.example.com:50051",
            ),
        ] {
            let target: Target = text.parse().unwrap();
            assert_eq!((target.host.as_str(), target.port), (host, 50051));
            assert_eq!(target.to_string(), shown);
        }
    }

    #[test]
    fn anything_else_is_not() {
        for text in [
            "",
            "gateway",
            "gateway:",
            "http://gateway:50051",
            "user:password@gateway:50051",
            "gateway:99999",
        ] {
            assert!(text.parse::<Target>().is_err(), "{text}");
        }
    }

    #[test]
    fn loopback_is_what_cannot_leave_the_machine() {
        for (text, expected) in [
            ("localhost:1", true),
            ("LOCALHOST:1", true),
            ("127.0.0.1:1", true),
            ("127.9.9.9:1", true),
            ("[::1]:1", true),
            ("[::ffff:127.0.0.1]:1", true),
            ("localhost.example.com:1", false),
            ("0.0.0.0:1", false),
            ("10.0.0.1:1", false),
            ("[fe80::1]:1", false),
        ] {
            assert_eq!(text.parse::<Target>().unwrap().is_loopback(), expected, "{text}");
        }
    }
}
