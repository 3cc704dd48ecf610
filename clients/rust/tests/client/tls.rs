use std::sync::{
    Arc,
    atomic::{AtomicUsize, Ordering},
};

use rcgen::{BasicConstraints, CertificateParams, CertifiedIssuer, IsCa, KeyPair};
use tokio::{
    io::copy_bidirectional,
    net::{TcpListener, TcpStream},
};
use tonic::{
    Code,
    transport::{Certificate, Identity, Server, ServerTlsConfig},
};
use vcenter_gateway_client::{
    ConnectError, Credentials, Gateway, Tls,
    vcenter::v1::{ListVmsRequest, ListVmsResponse, VmServiceClient},
};

use crate::server::{FakeGateway, ok};

/// An authority, and a certificate for a name that it signed.
struct Pki {
    authority: CertifiedIssuer<'static, KeyPair>,
    certificate: String,
    key: String,
}

impl Pki {
    fn new(name: &str) -> Self {
        let mut params = CertificateParams::new([]).unwrap();
        params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
        let authority = CertifiedIssuer::self_signed(params, KeyPair::generate().unwrap()).unwrap();
        let key = KeyPair::generate().unwrap();
        let params = CertificateParams::new([name.to_owned()]).unwrap();
        let certificate = params.signed_by(&key, &authority).unwrap();
        Self {
            authority,
            certificate: certificate.pem(),
            key: key.serialize_pem(),
        }
    }

    fn ca(&self) -> String {
        self.authority.pem()
    }

    async fn serve(&self, config: ServerTlsConfig) -> FakeGateway {
        let config = config.identity(Identity::from_pem(&self.certificate, &self.key));
        let server = Server::builder().tls_config(config).unwrap();
        let address = "127.0.0.1:0".parse().unwrap();
        FakeGateway::start_with(server, address, |_| ok(&ListVmsResponse::default())).await
    }
}

async fn list(gateway: Gateway) -> Result<(), tonic::Status> {
    VmServiceClient::new(gateway)
        .list_vms(ListVmsRequest::default())
        .await?;
    Ok(())
}

#[tokio::test]
async fn a_gateway_with_a_certificate_of_the_given_authority_is_trusted() {
    let pki = Pki::new("localhost");
    let server = pki.serve(ServerTlsConfig::new()).await;
    let gateway = Gateway::builder(format!("localhost:{}", server.address.port()))
        .tls(Tls::ca_pem(pki.ca()))
        .credentials(Credentials::session("s-1"))
        .connect()
        .await
        .unwrap();
    list(gateway).await.unwrap();
    assert_eq!(server.calls()[0]["vmware-api-session-id"], "s-1");
}

#[tokio::test]
async fn its_name_can_differ_from_the_targets() {
    let pki = Pki::new("gateway.example.com");
    let server = pki.serve(ServerTlsConfig::new()).await;
    let named = Tls::ca_pem(pki.ca()).server_name("gateway.example.com");
    list(server.client().tls(named).connect().await.unwrap()).await.unwrap();

    let refused = server.client().tls(Tls::ca_pem(pki.ca())).connect().await.unwrap_err();
    assert!(matches!(refused, ConnectError::Unreachable { .. }));
}

#[tokio::test]
async fn other_certificates_are_not_trusted() {
    let server = Pki::new("127.0.0.1").serve(ServerTlsConfig::new()).await;
    for tls in [Tls::ca_pem(Pki::new("127.0.0.1").ca()), Tls::system()] {
        let refused = server.client().tls(tls).connect().await.unwrap_err();
        assert!(matches!(refused, ConnectError::Unreachable { .. }));
    }
    assert!(server.calls().is_empty());
}

#[tokio::test]
async fn a_client_can_show_a_certificate() {
    let pki = Pki::new("127.0.0.1");
    let asking = ServerTlsConfig::new().client_ca_root(Certificate::from_pem(pki.ca()));
    let server = pki.serve(asking).await;
    let tls = Tls::ca_pem(pki.ca()).identity_pem(&pki.certificate, &pki.key);
    assert!(!format!("{tls:?}").contains("PRIVATE"));
    list(server.client().tls(tls).connect().await.unwrap()).await.unwrap();

    // The refusal comes after the handshake, with the first call at the latest.
    let anonymous = server.client().tls(Tls::ca_pem(pki.ca())).connect().await;
    if let Ok(gateway) = anonymous {
        list(gateway).await.unwrap_err();
    }
    assert_eq!(server.calls().len(), 1);
}

#[test]
fn a_file_that_cannot_be_read_is_an_error() {
    assert!(Tls::ca_file("no/such/file.pem").is_err());
    assert!(
        Tls::system()
            .identity_files("no/such/file.pem", "no/such/file.key")
            .is_err()
    );
}

#[tokio::test]
async fn a_certificate_that_is_not_trusted_is_reported_after_one_attempt() {
    let (trusted, other) = (Pki::new("127.0.0.1"), Pki::new("127.0.0.1"));
    let server = trusted.serve(ServerTlsConfig::new()).await;
    let address = server.address;
    let gateway = server.client().tls(Tls::ca_pem(trusted.ca())).connect().await.unwrap();
    server.stop().await;

    let listener = TcpListener::bind(address).await.unwrap();
    let server = other.serve(ServerTlsConfig::new()).await;
    let connections = Arc::new(AtomicUsize::new(0));
    tokio::spawn({
        let connections = Arc::clone(&connections);
        async move {
            while let Ok((mut client, _)) = listener.accept().await {
                connections.fetch_add(1, Ordering::Relaxed);
                let mut server = TcpStream::connect(server.address).await.unwrap();
                tokio::spawn(async move { copy_bidirectional(&mut client, &mut server).await });
            }
        }
    });
    let status = list(gateway).await.unwrap_err();
    assert_eq!(connections.load(Ordering::Relaxed), 1);
    assert_eq!(status.code(), Code::Unavailable);
    assert!(status.message().contains("certificate"), "{status}");
}
