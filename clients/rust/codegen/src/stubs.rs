//! The messages and the stubs of the services.

use std::{cell::RefCell, error::Error, fmt::Write, fs, path::Path, rc::Rc};

use heck::ToSnakeCase;
use prost_build::{Config, Service, ServiceGenerator};
use prost_types::FileDescriptorSet;

use crate::{HEADER, redact::Secret};

/// Writes one file a package, and `mod.rs` that puts them together. Returns a line for each rpc, for the conformance
/// runner.
pub(crate) fn generate(protos: FileDescriptorSet, secrets: &[Secret], target: &Path) -> Result<String, Box<dyn Error>> {
    let calls = Rc::new(RefCell::new(Vec::new()));
    let mut packages: Vec<String> = protos.file.iter().map(|file| file.package().to_owned()).collect();
    packages.retain(|package| package != "google.protobuf");
    packages.sort();
    packages.dedup();

    Config::new()
        .out_dir(target)
        .btree_map(["."])
        .enable_type_names()
        .skip_debug(secrets.iter().map(|secret| secret.path.as_str()))
        .service_generator(Box::new(Stubs {
            tonic: tonic_prost_build::configure()
                .build_server(false)
                .build_transport(false)
                .service_generator(),
            calls: Rc::clone(&calls),
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

    let mut calls = calls.take();
    calls.sort();
    Ok(format!("{HEADER}calls! {{\n{}}}\n", calls.concat()))
}

/// tonic's stubs, each client named in the module of its package as well.
struct Stubs {
    tonic: Box<dyn ServiceGenerator>,
    calls: Rc<RefCell<Vec<String>>>,
}

impl ServiceGenerator for Stubs {
    fn generate(&mut self, service: Service, buffer: &mut String) {
        let client = format!("{}Client", service.name);
        let module = client.to_snake_case();
        let path = service.package.replace('.', "::");
        for method in &service.methods {
            // The client keeps whole requests in order to repeat them.
            assert!(
                !method.client_streaming && !method.server_streaming,
                "{} streams",
                method.proto_name
            );
            let rpc = format!("{}.{}/{}", service.package, service.proto_name, method.proto_name);
            let line = format!("    \"{rpc}\" => {path}::{client}<_>, {};\n", method.name);
            self.calls.borrow_mut().push(line);
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

/// Formats code, and takes back the escapes that prost puts into code spans of comments as well.
fn format(code: &str) -> Result<String, Box<dyn Error>> {
    let formatted = prettyplease::unparse(&syn::parse_file(code)?);
    let lines = formatted.lines().map(|line| {
        if !line.trim_start().starts_with("///") {
            return line.to_owned();
        }
        let spans: Vec<String> = line
            .split('`')
            .enumerate()
            .map(|(index, span)| match index % 2 {
                0 => span.to_owned(),
                _ => span.replace("\\[", "[").replace("\\]", "]"),
            })
            .collect();
        spans.join("`")
    });
    Ok(HEADER.to_owned() + &lines.collect::<Vec<_>>().join("\n") + "\n")
}
