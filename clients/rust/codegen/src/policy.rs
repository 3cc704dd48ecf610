//! What the service config says about retries, and which rpcs stream, as constants.

use std::{error::Error, fmt::Write, time::Duration};

use heck::ToUpperCamelCase;
use serde::Deserialize;

use crate::{HEADER, stubs::Rpc};

/// The codes that a service config may name: all but `OK`.
const CODES: [&str; 16] = [
    "CANCELLED",
    "UNKNOWN",
    "INVALID_ARGUMENT",
    "DEADLINE_EXCEEDED",
    "NOT_FOUND",
    "ALREADY_EXISTS",
    "PERMISSION_DENIED",
    "RESOURCE_EXHAUSTED",
    "FAILED_PRECONDITION",
    "ABORTED",
    "OUT_OF_RANGE",
    "UNIMPLEMENTED",
    "INTERNAL",
    "UNAVAILABLE",
    "DATA_LOSS",
    "UNAUTHENTICATED",
];

#[derive(Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
struct ServiceConfig {
    load_balancing_config: serde_json::Value,
    /// Not for this client: tonic's channels watch no health.
    #[serde(rename = "healthCheckConfig")]
    _health_check_config: serde_json::Value,
    method_config: Vec<MethodConfig>,
    retry_throttling: RetryThrottling,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
struct MethodConfig {
    name: Vec<Name>,
    retry_policy: RetryPolicy,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Name {
    service: String,
    method: String,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
struct RetryPolicy {
    max_attempts: u32,
    initial_backoff: String,
    max_backoff: String,
    backoff_multiplier: f64,
    retryable_status_codes: Vec<String>,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
struct RetryThrottling {
    max_tokens: f64,
    token_ratio: f64,
}

/// The constants that the crate's retry module includes. Fails for a config that says more than they can.
pub(crate) fn generate(service_config: &str, rpcs: &[Rpc]) -> Result<String, Box<dyn Error>> {
    let config: ServiceConfig = serde_json::from_str(service_config)?;
    if config.load_balancing_config != serde_json::json!([{"round_robin": {}}]) {
        return Err("the client balances round robin, and nothing else".into());
    }
    let [method] = config.method_config.as_slice() else {
        return Err("the client knows one retry policy".into());
    };
    let policy = &method.retry_policy;
    let codes = policy.retryable_status_codes.iter().map(|code| {
        CODES
            .contains(&code.as_str())
            .then(|| format!("Code::{}", code.to_upper_camel_case()))
            .ok_or_else(|| format!("gRPC has no code {code}"))
    });
    let codes = codes.collect::<Result<Vec<_>, _>>()?;

    let mut repeatable: Vec<String> = method
        .name
        .iter()
        .map(|name| format!("/{}/{}", name.service, name.method))
        .collect();
    repeatable.sort();
    let paths = |streams: fn(&Rpc) -> bool| -> Vec<String> {
        let rpcs = rpcs.iter().filter(|rpc| streams(rpc));
        rpcs.map(|rpc| format!("/{}", rpc.name)).collect()
    };

    let mut code = HEADER.to_owned();
    write_paths(
        &mut code,
        "REPEATABLE",
        "Paths of the rpcs that only read and may be repeated, sorted.",
        &repeatable,
    )?;
    write_paths(
        &mut code,
        "STREAMS",
        "Paths of the rpcs that stream, in one direction or in both, sorted.",
        &paths(|rpc| rpc.client_streams || rpc.server_streams),
    )?;
    write_paths(
        &mut code,
        "UPLOADS",
        "Paths of the rpcs that take a stream of requests, sorted.",
        &paths(|rpc| rpc.client_streams),
    )?;
    writeln!(code, "/// The codes after which an rpc that only reads is repeated.")?;
    writeln!(
        code,
        "const RETRYABLE: [Code; {}] = [{}];",
        codes.len(),
        codes.join(", ")
    )?;
    writeln!(code, "const MAX_ATTEMPTS: u32 = {};", policy.max_attempts)?;
    writeln!(
        code,
        "const INITIAL_BACKOFF: Duration = {};",
        duration(&policy.initial_backoff)?
    )?;
    writeln!(
        code,
        "const MAX_BACKOFF: Duration = {};",
        duration(&policy.max_backoff)?
    )?;
    writeln!(code, "const BACKOFF_MULTIPLIER: f64 = {:?};", policy.backoff_multiplier)?;
    writeln!(
        code,
        "const MAX_TOKENS: f64 = {:?};",
        config.retry_throttling.max_tokens
    )?;
    writeln!(
        code,
        "const TOKEN_RATIO: f64 = {:?};",
        config.retry_throttling.token_ratio
    )?;
    Ok(code)
}

fn write_paths(code: &mut String, name: &str, comment: &str, paths: &[String]) -> std::fmt::Result {
    writeln!(code, "/// {comment}\nconst {name}: [&str; {}] = [", paths.len())?;
    for path in paths {
        writeln!(code, "    {path:?},")?;
    }
    writeln!(code, "];\n")
}

/// A duration of protobuf's JSON form, `"0.2s"`, as Rust code.
fn duration(text: &str) -> Result<String, Box<dyn Error>> {
    let seconds: f64 = text.strip_suffix('s').ok_or("a duration ends in s")?.parse()?;
    Ok(format!(
        "Duration::from_millis({})",
        Duration::try_from_secs_f64(seconds)?.as_millis()
    ))
}
