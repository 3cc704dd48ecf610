//! Makes the calls that it reads from its standard input, and writes what came back: see clients/conformance/README.md.

use std::{
    env,
    error::Error,
    io::{self, Write},
    pin::Pin,
};

use prost_reflect::{DescriptorPool, DynamicMessage, MethodDescriptor};
use serde_json::{Value, json};
use tonic_health::pb::{FILE_DESCRIPTOR_SET as HEALTH, health_client::HealthClient};
use vcenter_gateway_client::{
    Credentials, Gateway, VCenterError,
    tonic::{
        Request, Status,
        codegen::tokio_stream::{Stream, StreamExt},
    },
    vcenter,
};

type Result<T> = std::result::Result<T, Box<dyn Error>>;
type Messages = Pin<Box<dyn Stream<Item = std::result::Result<DynamicMessage, Status>>>>;

/// Makes a function that calls any rpc through its own stub, with its own messages.
macro_rules! calls {
    ($($rpc:literal => $client:ty, $method:ident;)*) => {
        async fn call(
            gateway: Gateway,
            rpc: &str,
            request: &DynamicMessage,
            mut response: DynamicMessage,
        ) -> Result<std::result::Result<DynamicMessage, Status>> {
            match rpc {
                $($rpc => {
                    let request = Request::new(request.transcode_to()?);
                    match <$client>::new(gateway).$method(request).await {
                        Ok(answer) => response.transcode_from(&answer.into_inner())?,
                        Err(status) => return Ok(Err(status)),
                    }
                })*
                _ => return Err(format!("there is no rpc {rpc}").into()),
            }
            Ok(Ok(response))
        }
    };
}

/// Makes a function that opens any stream through its own stub, with its own messages, or that of gRPC's health checks.
macro_rules! streams {
    ($($rpc:literal => $client:ty, $method:ident;)*) => {
        async fn open(
            gateway: Gateway,
            rpc: &str,
            request: &DynamicMessage,
            message: DynamicMessage,
        ) -> Result<std::result::Result<Messages, Status>> {
            match rpc {
                $($rpc => open!(<$client>::new(gateway), $method, request, message),)*
                "grpc.health.v1.Health/Watch" => open!(HealthClient::new(gateway), watch, request, message),
                _ => Err(format!("there is no stream {rpc}").into()),
            }
        }
    };
}

macro_rules! open {
    ($client:expr, $method:ident, $request:ident, $message:ident) => {{
        let opened = $client.$method(Request::new($request.transcode_to()?)).await;
        Ok(opened.map(|opened| -> Messages {
            Box::pin(opened.into_inner().map(move |received| {
                let mut message = $message.clone();
                message
                    .transcode_from(&received?)
                    .expect("the descriptors fit the stubs");
                Ok(message)
            }))
        }))
    }};
}
include!("calls.rs");

#[tokio::main]
async fn main() -> Result<()> {
    let mut pool = DescriptorPool::decode(include_bytes!("descriptors.binpb").as_slice())?;
    pool.decode_file_descriptor_set(HEALTH)?;
    let gateway = Gateway::builder(env::var("GATEWAY_TARGET")?)
        .credentials(Credentials::basic(
            env::var("GATEWAY_USER")?,
            env::var("GATEWAY_PASSWORD")?,
        ))
        .dangerously_send_credentials_in_plaintext()
        .connect_lazy()?;
    for line in io::stdin().lines() {
        let asked: Value = serde_json::from_str(&line?)?;
        let rpc = asked["rpc"].as_str().ok_or("a line has no rpc")?;
        let method = find(&pool, rpc)?;
        let request = DynamicMessage::deserialize(method.input(), &asked["request"])?;
        let response = DynamicMessage::new(method.output());
        let answered = if asked["stream"] == true {
            let opened = open(gateway.clone(), rpc, &request, response).await?;
            stream(opened, asked["cancel_after"].as_u64())
                .await?
                .map(|()| json!({ "end": {} }))
        } else {
            let answer = call(gateway.clone(), rpc, &request, response).await?;
            answer.map(|response| json!({ "response": response }))
        };
        write(&match answered {
            Ok(answer) => answer,
            Err(status) => json!({ "error": describe(&pool, &status.into())? }),
        })?;
    }
    Ok(())
}

/// Writes the messages of a stream as they arrive; returns how it ended.
async fn stream(
    opened: std::result::Result<Messages, Status>,
    cancel_after: Option<u64>,
) -> Result<std::result::Result<(), Status>> {
    let mut messages = match opened {
        Ok(messages) => messages,
        Err(status) => return Ok(Err(status)),
    };
    let mut arrived = 0;
    while let Some(message) = messages.next().await {
        match message {
            Ok(message) => write(&json!({ "message": message }))?,
            Err(status) => return Ok(Err(status)),
        }
        arrived += 1;
        if cancel_after == Some(arrived) {
            // To drop a stream is to cancel it, after which nobody is there to be told.
            drop(messages);
            return Ok(Err(Status::cancelled("the stream was dropped")));
        }
    }
    Ok(Ok(()))
}

fn write(answer: &Value) -> io::Result<()> {
    let mut output = io::stdout().lock();
    writeln!(output, "{answer}")?;
    output.flush()
}

fn find(pool: &DescriptorPool, rpc: &str) -> Result<MethodDescriptor> {
    let (service, method) = rpc.split_once('/').ok_or("an rpc is service/method")?;
    let service = pool.get_service_by_name(service).ok_or("there is no such service")?;
    let found = service.methods().find(|known| known.name() == method);
    found.ok_or_else(|| format!("there is no rpc {rpc}").into())
}

fn describe(pool: &DescriptorPool, error: &VCenterError) -> Result<Value> {
    let messages = error.messages().iter().map(|message| {
        json!({
            "id": message.id(),
            "default_message": message.default_message(),
            "args": message.args,
        })
    });
    let violations = error
        .violations()
        .iter()
        .map(|violation| json!({"field": violation.field, "description": violation.description}));
    let data = match error.data() {
        Some(data) => {
            let descriptor = pool.get_message_by_name("google.protobuf.Struct");
            let mut message = DynamicMessage::new(descriptor.ok_or("Struct is not described")?);
            message.transcode_from(data)?;
            serde_json::to_value(message)?
        }
        None => Value::Null,
    };
    Ok(json!({
        "code": upper_snake_case(&format!("{:?}", error.code())),
        "reason": error.reason(),
        "gateway_reason": error.gateway_reason().as_str_name(),
        "error_type": error.error_type().as_str_name(),
        "message": error.message(),
        "messages": messages.collect::<Vec<_>>(),
        "violations": violations.collect::<Vec<_>>(),
        "retry_delay": error.retry_delay().map(|delay| delay.as_secs_f64()),
        "may_have_executed": error.may_have_executed(),
        "request_id": error.request_id(),
        "data": data,
    }))
}

/// `FailedPrecondition` as `FAILED_PRECONDITION`.
fn upper_snake_case(name: &str) -> String {
    let mut text = String::new();
    for letter in name.chars() {
        if letter.is_uppercase() && !text.is_empty() {
            text.push('_');
        }
        text.extend(letter.to_uppercase());
    }
    text
}
