//! `Debug` for the messages that hold secrets: fields marked `debug_redact` are shown as set or not, never their value.

use std::{collections::BTreeSet, fmt::Write};

use heck::{ToSnakeCase, ToUpperCamelCase};
use prost::Message;
use prost_types::{
    DescriptorProto, FieldDescriptorProto, FileDescriptorSet,
    field_descriptor_proto::{Label, Type},
};

/// The part of descriptors that says which fields are secret: prost-types does not know `debug_redact` yet.
mod descriptor {
    #[derive(Clone, PartialEq, prost::Message)]
    pub(super) struct Set {
        #[prost(message, repeated, tag = "1")]
        pub(super) files: Vec<File>,
    }

    #[derive(Clone, PartialEq, prost::Message)]
    pub(super) struct File {
        #[prost(string, tag = "2")]
        pub(super) package: String,
        #[prost(message, repeated, tag = "4")]
        pub(super) messages: Vec<Message>,
    }

    #[derive(Clone, PartialEq, prost::Message)]
    pub(super) struct Message {
        #[prost(string, tag = "1")]
        pub(super) name: String,
        #[prost(message, repeated, tag = "2")]
        pub(super) fields: Vec<Field>,
        #[prost(message, repeated, tag = "3")]
        pub(super) nested: Vec<Message>,
    }

    #[derive(Clone, PartialEq, prost::Message)]
    pub(super) struct Field {
        #[prost(string, tag = "1")]
        pub(super) name: String,
        #[prost(message, optional, tag = "8")]
        pub(super) options: Option<Options>,
    }

    #[derive(Clone, PartialEq, prost::Message)]
    pub(super) struct Options {
        #[prost(bool, tag = "16")]
        pub(super) debug_redact: bool,
    }
}

/// A message with at least one secret.
pub(crate) struct Secret {
    /// Package of the message.
    pub(crate) package: String,
    /// Full name of the message, with a dot before it.
    pub(crate) path: String,
    message: DescriptorProto,
    fields: BTreeSet<String>,
}

/// All messages that have a field marked `debug_redact`, from the same descriptors in both their forms.
pub(crate) fn messages_with_secrets(
    protos: &FileDescriptorSet,
    encoded: &[u8],
) -> Result<Vec<Secret>, prost::DecodeError> {
    let mut secrets = Vec::new();
    for file in descriptor::Set::decode(encoded)?.files {
        for message in file.messages {
            let of = |message: &descriptor::Message| -> BTreeSet<String> {
                let secret = |field: &&descriptor::Field| field.options.as_ref().is_some_and(|o| o.debug_redact);
                message
                    .fields
                    .iter()
                    .filter(secret)
                    .map(|field| field.name.clone())
                    .collect()
            };
            assert!(
                message.nested.iter().all(|nested| of(nested).is_empty()),
                "{}: secrets in nested messages are not foreseen",
                message.name
            );
            let fields = of(&message);
            let described = protos
                .file
                .iter()
                .filter(|known| known.package() == file.package)
                .flat_map(|known| &known.message_type)
                .find(|known| known.name() == message.name);
            if let (false, Some(described)) = (fields.is_empty(), described) {
                secrets.push(Secret {
                    path: format!(".{}.{}", file.package, message.name),
                    package: file.package.clone(),
                    message: described.clone(),
                    fields,
                });
            }
        }
    }
    Ok(secrets)
}

impl Secret {
    /// The implementation of `Debug`, in the form that prost's own has, for the message and for each of its oneofs.
    pub(crate) fn debug(&self) -> String {
        let name = self.message.name().to_upper_camel_case();
        let mut fields = String::new();
        let mut oneofs = String::new();
        let mut seen = BTreeSet::new();
        for field in &self.message.field {
            if let (Some(index), false) = (field.oneof_index, field.proto3_optional()) {
                if seen.insert(index) {
                    let index = usize::try_from(index).expect("protoc counts from 0");
                    let label = self.message.oneof_decl[index].name().to_snake_case();
                    write!(fields, ".field({label:?}, &self.{})", ident(&label)).expect("a String takes everything");
                    oneofs.push_str(&self.debug_oneof(index, &label));
                }
                continue;
            }
            let label = field.name().to_snake_case();
            let ident = ident(&label);
            let optional = field.proto3_optional() || field.r#type() == Type::Message;
            let value = match (self.fields.contains(field.name()), field.label(), optional) {
                (true, Label::Optional, true) => format!("self.{ident}.as_ref().map(|_| crate::redact::Redacted)"),
                // A list, a map, or a field without presence.
                (true, ..) => format!("(!self.{ident}.is_empty()).then_some(crate::redact::Redacted)"),
                (false, Label::Optional, true) if field.r#type() == Type::Enum => {
                    format!("self.{ident}.map(|_| self.{ident}())")
                }
                (false, Label::Repeated, _) if field.r#type() == Type::Enum => {
                    format!("self.{ident}().collect::<Vec<_>>()")
                }
                (false, ..) => format!("self.{ident}"),
            };
            write!(fields, ".field({label:?}, &{value})").expect("a String takes everything");
        }
        format!(
            "impl ::core::fmt::Debug for {name} {{
                fn fmt(&self, formatter: &mut ::core::fmt::Formatter<'_>) -> ::core::fmt::Result {{
                    formatter.debug_struct({name:?}){fields}.finish()
                }}
            }}
            {oneofs}"
        )
    }

    /// The same for a oneof: which of its fields is set, and the value unless it is secret.
    fn debug_oneof(&self, index: usize, label: &str) -> String {
        let module = self.message.name().to_snake_case();
        let name = label.to_upper_camel_case();
        let mut arms = String::new();
        let of_oneof = |field: &&FieldDescriptorProto| {
            !field.proto3_optional() && field.oneof_index.and_then(|of| usize::try_from(of).ok()) == Some(index)
        };
        for field in self.message.field.iter().filter(of_oneof) {
            let variant = field.name().to_upper_camel_case();
            let (pattern, value) = if self.fields.contains(field.name()) {
                ("_", "&crate::redact::Redacted")
            } else {
                ("value", "value")
            };
            write!(
                arms,
                "Self::{variant}({pattern}) => formatter.debug_tuple({variant:?}).field({value}).finish(),"
            )
            .expect("a String takes everything");
        }
        format!(
            "impl ::core::fmt::Debug for {module}::{name} {{
                fn fmt(&self, formatter: &mut ::core::fmt::Formatter<'_>) -> ::core::fmt::Result {{
                    match self {{ {arms} }}
                }}
            }}"
        )
    }
}

/// The name of a field in Rust.
fn ident(label: &str) -> String {
    if syn::parse_str::<syn::Ident>(label).is_ok() {
        label.to_owned()
    } else {
        format!("r#{label}")
    }
}
