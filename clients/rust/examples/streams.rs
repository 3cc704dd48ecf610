//! Runs a program in a guest, then watches the virtual machines and continues after a break.
//!
//! The gateway is `$GATEWAY_TARGET`, else `127.0.0.1:50051`; the user is `$GATEWAY_USER` with `$GATEWAY_PASSWORD`, and
//! the user in the guest is `$GUEST_USER` with `$GUEST_PASSWORD`, by default those of the simulator.

use std::{env, error::Error, time::Duration};

use vcenter_gateway_client::{
    Credentials, Gateway, VCenterError,
    tonic::{Code, codegen::tokio_stream},
    vcenter::{
        gateway::v1::{
            GuestServiceClient, ProgramStart, RunProgramRequest, UpdateAnnotationRequest, VmSettingsServiceClient,
            WatchServiceClient, WatchVmsRequest, program_start::Program, run_program_request::Message,
            run_program_response::Event as Output, watch_vms_response::Event,
        },
        vm::guest::v1::{Credentials as GuestCredentials, CredentialsType},
    },
};

const VM: &str = "vm-1001";

#[tokio::main]
async fn main() -> Result<(), Box<dyn Error>> {
    let target = env::var("GATEWAY_TARGET").unwrap_or_else(|_| "127.0.0.1:50051".to_owned());
    let mut gateway = Gateway::builder(target);
    if let (Ok(user), Ok(password)) = (env::var("GATEWAY_USER"), env::var("GATEWAY_PASSWORD")) {
        gateway = gateway.credentials(Credentials::basic(user, password));
    }
    let gateway = gateway.connect().await?;

    println!("exit code {}", run(&gateway).await?);
    let token = watch(&gateway, String::new(), |event| matches!(event, Event::Synced(_))).await?;
    annotate(&gateway, "changed while nobody watched").await?;
    watch(&gateway, token, |event| matches!(event, Event::Changed(_))).await?;
    annotate(&gateway, "").await?;
    Ok(())
}

async fn annotate(gateway: &Gateway, annotation: &str) -> Result<(), VCenterError> {
    let request = UpdateAnnotationRequest {
        vm: VM.to_owned(),
        annotation: annotation.to_owned(),
        ..Default::default()
    };
    VmSettingsServiceClient::new(gateway.clone())
        .update_annotation(request)
        .await?;
    Ok(())
}

fn guest_credentials() -> GuestCredentials {
    GuestCredentials {
        interactive_session: Some(false),
        r#type: Some(CredentialsType::UsernamePassword.into()),
        user_name: Some(env::var("GUEST_USER").unwrap_or_else(|_| "root".to_owned())),
        password: Some(env::var("GUEST_PASSWORD").unwrap_or_else(|_| "VMware1!".to_owned())),
        ..Default::default()
    }
}

/// Runs a program and returns its exit code.
async fn run(gateway: &Gateway) -> Result<i64, VCenterError> {
    // [docs: run]
    let start = ProgramStart {
        vm: VM.to_owned(),
        credentials: Some(guest_credentials()),
        program: Some(Program::ShellCommand("hostname && wc -l".to_owned())),
        ..Default::default()
    };
    let requests = [Message::Start(start), Message::Input(b"one\ntwo\n".to_vec())]
        .map(|message| RunProgramRequest { message: Some(message) });
    let mut guests = GuestServiceClient::new(gateway.clone());
    let mut messages = guests.run_program(tokio_stream::iter(requests)).await?.into_inner();
    let mut exit_code = 0;
    while let Some(message) = messages.message().await? {
        match message.event {
            Some(Output::Output(output)) => print!("{}", String::from_utf8_lossy(&output)),
            Some(Output::ErrorOutput(output)) => eprint!("{}", String::from_utf8_lossy(&output)),
            Some(Output::Exited(exited)) => exit_code = exited.exit_code(),
            _ => {}
        }
    }
    Ok(exit_code)
    // [docs: end]
}

/// Prints the machines or, with a token, what has changed since. Returns the token of the event that is the last one.
async fn watch(gateway: &Gateway, mut token: String, last: fn(&Event) -> bool) -> Result<String, VCenterError> {
    // [docs: watch]
    let mut watching = WatchServiceClient::new(gateway.clone());
    loop {
        let request = WatchVmsRequest {
            resume_token: Some(token.clone()),
            ..Default::default()
        };
        let mut stream = watching.watch_vms(request).await?.into_inner();
        loop {
            let message = match stream.message().await.map_err(VCenterError::from) {
                Ok(Some(message)) => message,
                // The connection broke, or the replica is stopping: continue after the last message.
                Err(error) if error.code() == Code::Unavailable => break,
                Ok(None) => break,
                Err(error) => return Err(error),
            };
            token = message.resume_token.unwrap_or_default();
            let Some(event) = message.event else { continue };
            match &event {
                Event::Started(started) if started.reset() => println!("all machines:"),
                Event::Added(added) => {
                    for vm in &added.vms {
                        println!("{} {} {:?}", vm.vm(), vm.name(), vm.power_state());
                    }
                }
                Event::Changed(changed) => {
                    for change in &changed.changes {
                        let (vm, mask) = (change.vm.clone(), change.changed.clone());
                        let fields = mask.unwrap_or_default().paths.join(", ");
                        println!("{} changed: {fields}", vm.unwrap_or_default().vm());
                    }
                }
                Event::Removed(removed) => println!("gone: {}", removed.vms.join(", ")),
                _ => {}
            }
            if last(&event) {
                return Ok(token);
            }
        }
        tokio::time::sleep(Duration::from_secs(1)).await;
    }
    // [docs: end]
}
