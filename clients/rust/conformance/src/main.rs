//! Makes the calls that it reads from its standard input, and writes what came back: see clients/conformance/README.md.

use std::{
    env,
    error::Error,
    io::{self, Write},
    pin::Pin,
    slice,
};

use prost_reflect::{DescriptorPool, DynamicMessage, MethodDescriptor, prost::Message};
use serde_json::{Value, json};
use tonic_health::pb::{FILE_DESCRIPTOR_SET as HEALTH, health_client::HealthClient};
use vcenter_gateway_client::{
    Credentials, Gateway, VCenterError,
    tonic::{
        Request, Response, Status, Streaming,
        codegen::tokio_stream::{self, Stream, StreamExt},
    },
};

type Result<T> = std::result::Result<T, Box<dyn Error>>;
type Messages = Pin<Box<dyn Stream<Item = std::result::Result<DynamicMessage, Status>>>>;

/// Makes a function that calls rpcs of one kind, each through its own stub, with its own messages.
macro_rules! function {
    ($function:ident, $input:ident, $output:ident, $($rpc:literal => $client:ty, $method:ident;)*) => {
        async fn $function(
            gateway: Gateway,
            rpc: &str,
            requests: &[DynamicMessage],
            message: DynamicMessage,
        ) -> Result<std::result::Result<Messages, Status>> {
            let answered = match rpc {
                $($rpc => <$client>::new(gateway).$method($input!(requests)).await.map(|answer| $output(answer, message)),)*
                _ => return Err(format!("{rpc} is not one of {}", stringify!($function)).into()),
            };
            Ok(answered)
        }
    };
}

/// What a rpc takes that has one request.
macro_rules! one {
    ($requests:ident) => {
        Request::new($requests[0].transcode_to()?)
    };
}

/// What a rpc takes that has a stream of them.
macro_rules! many {
    ($requests:ident) => {{
        let requests: std::result::Result<Vec<_>, _> = $requests.iter().map(DynamicMessage::transcode_to).collect();
        Request::new(tokio_stream::iter(requests?))
    }};
}

/// The only message of an answer.
fn single<M: Message>(answer: Response<M>, described: DynamicMessage) -> Messages {
    Box::pin(tokio_stream::once(Ok(transcoded(&answer.into_inner(), described))))
}

/// The messages of an answer, as they arrive.
fn several<M: Message + 'static>(answer: Response<Streaming<M>>, described: DynamicMessage) -> Messages {
    let messages = answer.into_inner();
    Box::pin(messages.map(move |message| Ok(transcoded(&message?, described.clone()))))
}

fn transcoded(message: &impl Message, mut described: DynamicMessage) -> DynamicMessage {
    described
        .transcode_from(message)
        .expect("the descriptors fit the stubs");
    described
}

macro_rules! calls { ($($rows:tt)*) => { function!(call, one, single, $($rows)*); }; }
macro_rules! uploads { ($($rows:tt)*) => { function!(upload, many, single, $($rows)*); }; }
macro_rules! dialogs { ($($rows:tt)*) => { function!(dialog, many, several, $($rows)*); }; }
macro_rules! streams { ($($rows:tt)*) => {
    function!(open, one, several, $($rows)* "grpc.health.v1.Health/Watch" => HealthClient<_>, watch;);
}; }
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
        let several = asked["requests"].as_array();
        let requests = several.map_or_else(|| slice::from_ref(&asked["request"]), Vec::as_slice);
        let requests: std::result::Result<Vec<_>, _> = requests
            .iter()
            .map(|request| DynamicMessage::deserialize(method.input(), request))
            .collect();
        let (gateway, requests, message) = (gateway.clone(), &requests?, DynamicMessage::new(method.output()));
        let streams = asked["stream"] == true;
        let opened = match (several.is_some(), streams) {
            (false, false) => call(gateway, rpc, requests, message).await?,
            (false, true) => open(gateway, rpc, requests, message).await?,
            (true, false) => upload(gateway, rpc, requests, message).await?,
            (true, true) => dialog(gateway, rpc, requests, message).await?,
        };
        let answered = match opened {
            Err(status) => Err(status),
            Ok(messages) if streams => stream(messages, asked["cancel_after"].as_u64())
                .await?
                .map(|()| json!({ "end": {} })),
            Ok(mut messages) => {
                let response = messages.next().await.ok_or("there is no response")?;
                response.map(|response| json!({ "response": response }))
            }
        };
        write(&match answered {
            Ok(answer) => answer,
            Err(status) => json!({ "error": describe(&pool, &status.into())? }),
        })?;
    }
    Ok(())
}

/// Writes the messages of a stream as they arrive; returns how it ended.
async fn stream(mut messages: Messages, cancel_after: Option<u64>) -> Result<std::result::Result<(), Status>> {
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
