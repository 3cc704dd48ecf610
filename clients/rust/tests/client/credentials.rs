use std::{io, sync::Mutex};

use tonic::{Code, Request};
use vcenter_gateway_client::{
    ConnectError, Credentials, Gateway,
    vcenter::v1::{ListVmsRequest, ListVmsResponse, VmServiceClient},
};

use crate::server::{FakeGateway, ok};

const PASSWORD: &str = "VMware1!";

/// What one call with these credentials sends under a name.
async fn sent(credentials: Credentials, name: &str) -> String {
    let server = FakeGateway::start(|_| ok(&ListVmsResponse::default())).await;
    let gateway = server.client().credentials(credentials).connect().await.unwrap();
    VmServiceClient::new(gateway)
        .list_vms(ListVmsRequest::default())
        .await
        .unwrap();
    server.calls()[0][name].to_str().unwrap().to_owned()
}

#[tokio::test]
async fn each_call_carries_the_credentials() {
    let basic = Credentials::basic("administrator@vsphere.local", PASSWORD);
    assert_eq!(
        sent(basic, "authorization").await,
        "Basic YWRtaW5pc3RyYXRvckB2c3BoZXJlLmxvY2FsOlZNd2FyZTEh"
    );
    assert_eq!(sent(Credentials::session("s-1"), "vmware-api-session-id").await, "s-1");
    assert_eq!(sent(Credentials::bearer("t-1\n"), "authorization").await, "Bearer t-1");
}

#[tokio::test]
async fn a_token_that_is_renewed_is_asked_for_with_each_call() {
    let server = FakeGateway::start(|_| ok(&ListVmsResponse::default())).await;
    let tokens = Mutex::new(vec!["", "secret secret", "second\n", "first\n"]);
    let credentials = Credentials::bearer_from(move || {
        let next = tokens.lock().unwrap().pop();
        next.map(str::to_owned).ok_or_else(|| io::ErrorKind::NotFound.into())
    });
    let gateway = server.client().credentials(credentials).connect().await.unwrap();
    let mut vms = VmServiceClient::new(gateway);
    for _ in 0..2 {
        vms.list_vms(ListVmsRequest::default()).await.unwrap();
    }
    // Then there is none that can be sent, and at last none at all.
    for _ in 0..3 {
        let refused = vms.list_vms(ListVmsRequest::default()).await.unwrap_err();
        assert_eq!(refused.code(), Code::Unauthenticated);
        assert!(!format!("{refused} {refused:?}").contains("secret"));
    }
    let sent: Vec<_> = server
        .calls()
        .iter()
        .map(|call| call["authorization"].clone())
        .collect();
    assert_eq!(sent, ["Bearer first", "Bearer second"]);
}

#[tokio::test]
async fn the_metadata_of_a_call_goes_before_the_credentials_of_the_connection() {
    let server = FakeGateway::start(|_| ok(&ListVmsResponse::default())).await;
    let credentials = Credentials::basic("user", PASSWORD);
    let gateway = server.client().credentials(credentials).connect().await.unwrap();
    let mut request = Request::new(ListVmsRequest::default());
    request
        .metadata_mut()
        .insert("vmware-api-session-id", "s-2".parse().unwrap());
    VmServiceClient::new(gateway).list_vms(request).await.unwrap();

    let call = &server.calls()[0];
    assert_eq!(call["vmware-api-session-id"], "s-2");
    assert!(!call.contains_key("authorization"));
}

#[tokio::test]
async fn a_connection_can_be_shared_by_several_callers() {
    let server = FakeGateway::start(|_| ok(&ListVmsResponse::default())).await;
    let gateway = server.client().connect().await.unwrap();
    for id in ["s-1", "s-2"] {
        let own = gateway.with_credentials(&Credentials::session(id)).unwrap();
        VmServiceClient::new(own)
            .list_vms(ListVmsRequest::default())
            .await
            .unwrap();
    }
    let sent: Vec<_> = server
        .calls()
        .iter()
        .map(|call| call["vmware-api-session-id"].clone())
        .collect();
    assert_eq!(sent, ["s-1", "s-2"]);
}

#[tokio::test]
async fn credentials_are_not_sent_to_another_machine_in_plain_text() {
    for target in [
        "gateway.example.com:50051",
        "192.0.2.1:50051",
        "localhost.example.com:50051",
    ] {
        let refused = Gateway::builder(target)
            .credentials(Credentials::basic("user", PASSWORD))
            .connect()
            .await
            .unwrap_err();
        assert!(
            matches!(refused, ConnectError::CredentialsInPlaintext),
            "{target}: {refused}"
        );
    }
}

#[tokio::test]
async fn they_are_when_that_is_said_explicitly() {
    let attempt = Gateway::builder("gateway.invalid:50051")
        .credentials(Credentials::basic("user", PASSWORD))
        .dangerously_send_credentials_in_plaintext()
        .connect();
    assert!(matches!(attempt.await, Err(ConnectError::Unreachable { .. })));
}

#[tokio::test]
async fn credentials_that_cannot_be_sent_are_refused_without_being_shown() {
    for credentials in [
        Credentials::session("s-1\nsecret"),
        Credentials::session("s-1 secret"),
        Credentials::session(""),
        Credentials::bearer("t-1 secret"),
        Credentials::bearer(" "),
        Credentials::basic("", "secret"),
        Credentials::basic("us:er", "secret"),
    ] {
        let refused = Gateway::builder("127.0.0.1:1")
            .credentials(credentials)
            .connect()
            .await
            .unwrap_err();
        assert!(matches!(refused, ConnectError::InvalidCredentials));
        assert!(!format!("{refused} {refused:?}").contains("secret"));
    }
}

#[tokio::test]
async fn a_gateway_that_is_not_there_is_an_error_that_names_it() {
    let server = FakeGateway::start(|_| None).await;
    let address = server.address.to_string();
    server.stop().await;
    let error = Gateway::builder(&address).connect().await.unwrap_err();
    assert_eq!(error.to_string(), format!("cannot connect to {address}"));
}

#[tokio::test]
async fn nothing_that_is_printed_shows_them() {
    let server = FakeGateway::start(|_| ok(&ListVmsResponse::default())).await;
    for credentials in [
        Credentials::basic("user", PASSWORD),
        Credentials::session(PASSWORD),
        Credentials::bearer(PASSWORD),
    ] {
        let builder = server.client().credentials(credentials.clone());
        let gateway = builder.clone().connect().await.unwrap();
        let client = VmServiceClient::new(gateway.clone());
        let printed = format!("{credentials:?} {builder:?} {gateway:?} {client:?}");
        // The second is the first in base64, behind the user's name.
        for secret in [PASSWORD, "dXNlcjpWTXdhcmUxIQ"] {
            assert!(!printed.contains(secret), "{printed}");
        }
    }
}
