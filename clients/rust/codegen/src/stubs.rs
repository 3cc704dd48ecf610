//! The messages and the stubs of the services.

use std::{cell::RefCell, error::Error, fmt::Write, fs, path::Path, rc::Rc};

use heck::ToSnakeCase;
use prost_build::{Config, Service, ServiceGenerator};
use prost_types::FileDescriptorSet;

use crate::{HEADER, redact::Secret};

/// An rpc and the function of the stub that calls it.
#[derive(PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct Rpc {
    /// `package.Service/Method`.
    pub(crate) name: String,
    /// Whether the client sends a stream of requests.
    pub(crate) client_streams: bool,
    /// Whether the server answers with a stream.
    pub(crate) server_streams: bool,
    /// Rust path of the client.
    client: String,
    /// Name of the client's function.
    function: String,
}

/// Writes one file a package, and `mod.rs` that puts them together. Returns all rpcs, sorted by name.
pub(crate) fn generate(
    protos: FileDescriptorSet,
    secrets: &[Secret],
    target: &Path,
) -> Result<Vec<Rpc>, Box<dyn Error>> {
    let rpcs = Rc::new(RefCell::new(Vec::new()));
    let mut packages: Vec<String> = protos.file.iter().map(|file| file.package().to_owned()).collect();
    packages.retain(|package| package != "google.protobuf");
    packages.sort();
    packages.dedup();

    Config::new()
        .out_dir(target)
        .btree_map(["."])
        .enable_type_names()
        .extern_path(".google.rpc", "::tonic_types::pb")
        .skip_debug(secrets.iter().map(|secret| secret.path.as_str()))
        .service_generator(Box::new(Stubs {
            tonic: tonic_prost_build::configure()
                .build_server(false)
                .build_transport(false)
                .service_generator(),
            rpcs: Rc::clone(&rpcs),
        }))
        .compile_fds(protos)?;

    for package in &packages {
        let path = target.join(format!("{package}.rs"));
        let mut code = fs::read_to_string(&path)?;
        for secret in secrets.iter().filter(|secret| secret.package == *package) {
            code.push_str(&secret.debug());
        }
        fs::write(path, format(&code)?)?;
    }
    fs::write(target.join("mod.rs"), modules(&packages)?)?;

    let mut rpcs = rpcs.take();
    rpcs.sort();
    Ok(rpcs)
}

/// A line for each rpc, for the conformance runner: a list for each way of streaming.
pub(crate) fn calls(rpcs: &[Rpc]) -> String {
    let mut code = HEADER.to_owned();
    for (list, client_streams, server_streams) in [
        ("calls", false, false),
        ("streams", false, true),
        ("uploads", true, false),
        ("dialogs", true, true),
    ] {
        let lines: String = rpcs
            .iter()
            .filter(|rpc| (rpc.client_streams, rpc.server_streams) == (client_streams, server_streams))
            .map(|rpc| format!("    {:?} => {}, {};\n", rpc.name, rpc.client, rpc.function))
            .collect();
        code.push_str(&format!("{list}! {{\n{lines}}}\n"));
    }
    code
}

/// tonic's stubs, each client named in the module of its package as well.
struct Stubs {
    tonic: Box<dyn ServiceGenerator>,
    rpcs: Rc<RefCell<Vec<Rpc>>>,
}

impl ServiceGenerator for Stubs {
    fn generate(&mut self, service: Service, buffer: &mut String) {
        let client = format!("{}Client", service.name);
        let module = client.to_snake_case();
        let path = service.package.replace('.', "::");
        for method in &service.methods {
            self.rpcs.borrow_mut().push(Rpc {
                name: format!("{}.{}/{}", service.package, service.proto_name, method.proto_name),
                client_streams: method.client_streaming,
                server_streams: method.server_streaming,
                client: format!("vcenter_gateway_client::{path}::{client}<_>"),
                function: method.name.clone(),
            });
        }
        let mut stub = String::new();
        self.tonic.generate(service, &mut stub);
        buffer.push_str(&with_larger_answers(&stub));
        let line = format!("#[doc(inline)]\npub use {module}::{client};");
        writeln!(buffer, "{line}").expect("a String takes everything");
    }
}

/// Lets a stub take as much as the gateway sends by default. tonic has this limit in the stub and not in the connection.
fn with_larger_answers(stub: &str) -> String {
    const LIMIT: &str = ".max_decoding_message_size(32 << 20)";
    let mut changed = stub.to_owned();
    for new in [
        "tonic::client::Grpc::new(inner)",
        "tonic::client::Grpc::with_origin(inner, origin)",
    ] {
        assert_eq!(stub.matches(new).count(), 1, "{new} is not in the stub");
        changed = changed.replace(new, &format!("{new}{LIMIT}"));
    }
    changed.replace("Default: `4MB`", "Default: 32 MiB")
}

/// The modules, nested as the packages are.
fn modules(packages: &[String]) -> Result<String, Box<dyn Error>> {
    fn nest(packages: &[String], prefix: &str, code: &mut String) -> std::fmt::Result {
        let mut names: Vec<&str> = packages
            .iter()
            .filter_map(|package| package.strip_prefix(prefix)?.split('.').next())
            .collect();
        names.dedup();
        for name in names {
            let package = format!("{prefix}{name}");
            writeln!(code, "#[doc = \"The package `{package}`.\"]\npub mod {name} {{")?;
            if packages.contains(&package) {
                writeln!(code, "include!(\"{package}.rs\");")?;
            }
            nest(packages, &format!("{package}."), code)?;
            writeln!(code, "}}")?;
        }
        Ok(())
    }
    let mut code = String::new();
    nest(packages, "", &mut code)?;
    format(&code)
}

/// Formats code, and corrects its comments.
fn format(code: &str) -> Result<String, Box<dyn Error>> {
    let formatted = prettyplease::unparse(&syn::parse_file(code)?);
    let mut lines = Vec::new();
    // The indentation of a comment while its lines are an example.
    let mut example: Option<&str> = None;
    for line in formatted.lines() {
        let (indent, text) = line.split_at(line.len() - line.trim_start().len());
        let shown = text.strip_prefix("///     ");
        if let (Some(indent), None) = (example, shown) {
            lines.push(format!("{indent}/// ```"));
            example = None;
        }
        match (shown, text.starts_with("///")) {
            // rustdoc would take what is indented for Rust, and test it.
            (Some(shown), _) => {
                if example.is_none() {
                    lines.push(format!("{indent}/// ```json"));
                    example = Some(indent);
                }
                lines.push(format!("{indent}/// {}", shown.strip_prefix(' ').unwrap_or(shown)));
            }
            (None, true) => lines.push(format!("{indent}{}", without_escapes(text))),
            (None, false) => lines.push(line.to_owned()),
        }
    }
    Ok(HEADER.to_owned() + &lines.join("\n") + "\n")
}

/// Takes back the escapes that prost puts into code spans of comments as well.
fn without_escapes(comment: &str) -> String {
    let spans: Vec<String> = comment
        .split('`')
        .enumerate()
        .map(|(index, span)| match index % 2 {
            0 => span.to_owned(),
            _ => span.replace("\\[", "[").replace("\\]", "]"),
        })
        .collect();
    spans.join("`")
}
