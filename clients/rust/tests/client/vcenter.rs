use tonic::{Request, codegen::tokio_stream, metadata::MetadataMap};
use vcenter_gateway_client::{
    ConnectError, Gateway,
    vcenter::{
        gateway::v1::{
            GatewayServiceClient, GuestServiceClient, RunProgramRequest, UploadFileRequest, UploadFileResponse,
            WatchGatewayRequest,
        },
        v1::{ListVmsRequest, ListVmsResponse, VmServiceClient},
    },
};

use crate::server::{FakeGateway, ok};

/// A request for another vCenter.
fn for_west<T>(message: T) -> Request<T> {
    let mut metadata = MetadataMap::new();
    metadata.insert("x-vcenter", "west".parse().unwrap());
    Request::from_parts(metadata, Default::default(), message)
}

/// The vCenters that the calls so far named.
fn named(server: &FakeGateway) -> Vec<String> {
    let calls = server.calls();
    let values = calls.iter().flat_map(|call| call.get_all("x-vcenter"));
    values.map(|value| value.to_str().unwrap().to_owned()).collect()
}

#[tokio::test]
async fn calls_name_the_vcenter_of_the_connection_unless_they_name_another() {
    let server = FakeGateway::start(|_| ok(&ListVmsResponse::default())).await;
    let gateway = server.client().vcenter("east").connect().await.unwrap();
    let mut vms = VmServiceClient::new(gateway);
    vms.list_vms(ListVmsRequest::default()).await.unwrap();
    vms.list_vms(for_west(ListVmsRequest::default())).await.unwrap();
    assert_eq!(named(&server), ["east", "west"]);
}

#[tokio::test]
async fn so_do_streams_of_each_kind() {
    let server = FakeGateway::start(|_| ok(&UploadFileResponse::default())).await;
    let gateway = server.client().vcenter("east").connect_lazy().unwrap();
    let mut states = GatewayServiceClient::new(gateway.clone());
    states.watch_gateway(WatchGatewayRequest::default()).await.unwrap();
    states
        .watch_gateway(for_west(WatchGatewayRequest::default()))
        .await
        .unwrap();
    let mut guests = GuestServiceClient::new(gateway);
    let chunks = || tokio_stream::iter([UploadFileRequest::default()]);
    guests.upload_file(chunks()).await.unwrap();
    guests.upload_file(for_west(chunks())).await.unwrap();
    let inputs = || tokio_stream::iter([RunProgramRequest::default()]);
    guests.run_program(inputs()).await.unwrap();
    guests.run_program(for_west(inputs())).await.unwrap();
    assert_eq!(named(&server), ["east", "west", "east", "west", "east", "west"]);
}

#[tokio::test]
async fn a_connection_without_one_names_none() {
    let server = FakeGateway::start(|_| ok(&ListVmsResponse::default())).await;
    let mut vms = VmServiceClient::new(server.client().connect().await.unwrap());
    vms.list_vms(ListVmsRequest::default()).await.unwrap();
    assert!(named(&server).is_empty());
    assert_eq!(server.calls().len(), 1);
}

#[tokio::test]
async fn a_name_that_cannot_be_sent_is_refused() {
    for name in ["", "east west", "east\n", "öst"] {
        let builder = Gateway::builder("127.0.0.1:1").vcenter(name);
        let refused = builder.clone().connect().await.unwrap_err();
        assert!(matches!(refused, ConnectError::InvalidVCenter), "{name:?}: {refused}");
        let refused = builder.connect_lazy().unwrap_err();
        assert!(matches!(refused, ConnectError::InvalidVCenter), "{name:?}: {refused}");
    }
}
