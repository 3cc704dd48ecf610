//! What the service config says about repeating calls, as constants.

use std::{error::Error, fmt::Write, time::Duration};

use serde::Deserialize;

use crate::HEADER;

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
pub(crate) fn generate(service_config: &str) -> Result<String, Box<dyn Error>> {
    let config: ServiceConfig = serde_json::from_str(service_config)?;
    if config.load_balancing_config != serde_json::json!([{"round_robin": {}}]) {
        return Err("the client balances round robin, and nothing else".into());
    }
    let [method] = config.method_config.as_slice() else {
        return Err("the client knows one retry policy".into());
    };
    let policy = &method.retry_policy;
    if policy.retryable_status_codes != ["UNAVAILABLE"] {
        return Err("the client repeats calls on UNAVAILABLE, and nothing else".into());
    }

    let mut rpcs: Vec<String> = method
        .name
        .iter()
        .map(|name| format!("/{}/{}", name.service, name.method))
        .collect();
    rpcs.sort();
    let mut code = HEADER.to_owned();
    writeln!(code, "/// Paths of the rpcs that may be repeated, sorted.")?;
    writeln!(code, "const REPEATABLE: [&str; {}] = [", rpcs.len())?;
    for rpc in rpcs {
        writeln!(code, "    {rpc:?},")?;
    }
    writeln!(code, "];\n")?;
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

/// A duration of protobuf's JSON form, `"0.2s"`, as Rust code.
fn duration(text: &str) -> Result<String, Box<dyn Error>> {
    let seconds: f64 = text.strip_suffix('s').ok_or("a duration ends in s")?.parse()?;
    Ok(format!(
        "Duration::from_millis({})",
        Duration::try_from_secs_f64(seconds)?.as_millis()
    ))
}
