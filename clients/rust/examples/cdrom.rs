//! Adds a CD-ROM device to a virtual machine, connects it, and removes it again.
//!
//! The gateway is `$GATEWAY_TARGET`, else `127.0.0.1:50051`; the user is `$GATEWAY_USER` with `$GATEWAY_PASSWORD`.

use std::{env, error::Error};

use vcenter_gateway_client::{
    Credentials, Gateway, VCenterError,
    vapi::std::errors::v1::ErrorType,
    vcenter::{
        v1::{ListVmsRequest, VmServiceClient},
        vm::hardware::v1::{
            CdromBackingSpec, CdromBackingType, CdromCreateSpec, CdromHostBusAdapterType, CdromServiceClient,
            ConnectCdromRequest, ConnectionState, CreateCdromRequest, DeleteCdromRequest, DisconnectCdromRequest,
            GetCdromRequest,
        },
    },
};

const VM: &str = "vm-1001";

#[tokio::main]
async fn main() -> Result<(), Box<dyn Error>> {
    // [docs: connect]
    let target = env::var("GATEWAY_TARGET").unwrap_or_else(|_| "127.0.0.1:50051".to_owned());
    let mut gateway = Gateway::builder(target);
    if let (Ok(user), Ok(password)) = (env::var("GATEWAY_USER"), env::var("GATEWAY_PASSWORD")) {
        gateway = gateway.credentials(Credentials::basic(user, password));
    }
    let gateway = gateway.connect().await?;
    // [docs: end]

    list_machines(&gateway).await?;

    let mut cdroms = CdromServiceClient::new(gateway);
    let cdrom = add(&mut cdroms).await?;
    println!("added CD-ROM {cdrom} to {VM}");
    let used = connect_twice(&mut cdroms, &cdrom).await;
    remove(&mut cdroms, &cdrom).await?;
    println!("removed it");
    Ok(used?)
}

async fn list_machines(gateway: &Gateway) -> Result<(), VCenterError> {
    // [docs: list]
    let mut machines = VmServiceClient::new(gateway.clone());
    let response = machines.list_vms(ListVmsRequest::default()).await?.into_inner();
    for machine in response.vms {
        println!("{} {} {:?}", machine.vm(), machine.name(), machine.power_state());
    }
    // [docs: end]
    Ok(())
}

async fn add(cdroms: &mut CdromServiceClient<Gateway>) -> Result<String, VCenterError> {
    // [docs: create]
    let spec = CdromCreateSpec {
        // IDE devices cannot be added while the machine runs.
        r#type: Some(CdromHostBusAdapterType::Sata.into()),
        backing: Some(CdromBackingSpec {
            r#type: Some(CdromBackingType::ClientDevice.into()),
            ..Default::default()
        }),
        ..Default::default()
    };
    let request = CreateCdromRequest {
        vm: VM.to_owned(),
        spec: Some(spec),
    };
    Ok(cdroms.create_cdrom(request).await?.into_inner().cdrom().to_owned())
    // [docs: end]
}

async fn connect_twice(cdroms: &mut CdromServiceClient<Gateway>, cdrom: &str) -> Result<(), VCenterError> {
    for _ in 0..2 {
        let request = ConnectCdromRequest {
            vm: VM.to_owned(),
            cdrom: cdrom.to_owned(),
        };
        // [docs: error]
        match cdroms.connect_cdrom(request).await.map_err(VCenterError::from) {
            Ok(_) => println!("connected it"),
            Err(error) if error.error_type() == ErrorType::AlreadyInDesiredState => {
                println!("already connected; vCenter reports: {}", error.message());
            }
            Err(error) => return Err(error),
        }
        // [docs: end]
    }
    Ok(())
}

async fn remove(cdroms: &mut CdromServiceClient<Gateway>, cdrom: &str) -> Result<(), VCenterError> {
    let (vm, cdrom) = (VM.to_owned(), cdrom.to_owned());
    let request = GetCdromRequest {
        vm: vm.clone(),
        cdrom: cdrom.clone(),
    };
    let info = cdroms.get_cdrom(request).await?.into_inner().cdrom.unwrap_or_default();
    if info.state() == ConnectionState::Connected {
        let request = DisconnectCdromRequest {
            vm: vm.clone(),
            cdrom: cdrom.clone(),
        };
        cdroms.disconnect_cdrom(request).await?;
    }
    cdroms.delete_cdrom(DeleteCdromRequest { vm, cdrom }).await?;
    Ok(())
}
