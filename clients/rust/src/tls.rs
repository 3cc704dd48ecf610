//! Certificates to trust and to present.

use std::{fmt, fs, io, path::Path};

use tonic::transport::{Certificate, ClientTlsConfig, Identity};

/// TLS settings for the connection to the gateway.
///
/// ```no_run
/// # fn main() -> std::io::Result<()> {
/// use vcenter_gateway_client::Tls;
///
/// let tls = Tls::ca_file("ca.pem")?.identity_files("client.pem", "client.key")?;
/// # Ok(())
/// # }
/// ```
#[derive(Clone)]
pub struct Tls {
    config: ClientTlsConfig,
    server_name: Option<String>,
}

impl Tls {
    /// Trusts the system's CA certificates.
    pub fn system() -> Self {
        Self::new(ClientTlsConfig::new().with_native_roots())
    }

    /// Trusts only the CA certificates in a PEM file. Fails if the file cannot be read.
    pub fn ca_file(path: impl AsRef<Path>) -> io::Result<Self> {
        Ok(Self::ca_pem(fs::read(path)?))
    }

    /// Trusts only the CA certificates in a PEM text.
    pub fn ca_pem(pem: impl AsRef<[u8]>) -> Self {
        Self::new(ClientTlsConfig::new().ca_certificate(Certificate::from_pem(pem)))
    }

    /// Presents a client certificate (mTLS) from PEM files. Fails if a file cannot be read.
    pub fn identity_files(self, certificate: impl AsRef<Path>, key: impl AsRef<Path>) -> io::Result<Self> {
        Ok(self.identity_pem(fs::read(certificate)?, fs::read(key)?))
    }

    /// Presents a client certificate (mTLS) from PEM texts.
    pub fn identity_pem(mut self, certificate: impl AsRef<[u8]>, key: impl AsRef<[u8]>) -> Self {
        self.config = self.config.identity(Identity::from_pem(certificate, key));
        self
    }

    /// Expects this name in the gateway's certificate instead of the target's host.
    pub fn server_name(mut self, name: impl Into<String>) -> Self {
        self.server_name = Some(name.into());
        self
    }

    fn new(config: ClientTlsConfig) -> Self {
        Self {
            config,
            server_name: None,
        }
    }

    /// What the transport needs to connect to `host`.
    pub(crate) fn config_for(&self, host: &str) -> ClientTlsConfig {
        self.config
            .clone()
            .domain_name(self.server_name.as_deref().unwrap_or(host))
    }
}

impl fmt::Debug for Tls {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        // The configuration holds the private key.
        formatter
            .debug_struct("Tls")
            .field("server_name", &self.server_name)
            .finish_non_exhaustive()
    }
}
