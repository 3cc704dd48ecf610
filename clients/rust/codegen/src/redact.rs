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
    /// The implementation of `Debug`, in the form that prost's own has; and that of its oneofs, which prost leaves out with
    /// it.
    pub(crate) fn debug(&self) -> String {
        let name = self.message.name().to_upper_camel_case();
        let (choices, plain): (Vec<_>, Vec<_>) = self.message.field.iter().partition(|field| is_choice(field));
        let mut fields = String::new();
        for field in plain {
            let (label, ident) = names(field.name());
            let value = if self.fields.contains(field.name()) {
                hidden(field, &ident)
            } else if field.r#type() == Type::Enum && field.proto3_optional() {
                format!("self.{ident}.map(|_| self.{ident}())")
            } else {
                format!("self.{ident}")
            };
            write!(fields, ".field({label:?}, &{value})").expect("a String takes everything");
        }
        let mut choosing = String::new();
        for (index, oneof) in self.message.oneof_decl.iter().enumerate() {
            let cases: Vec<_> = choices
                .iter()
                .filter(|field| usize::try_from(field.oneof_index()) == Ok(index))
                .collect();
            // The oneof of a field that is optional is none.
            if !cases.is_empty() {
                let (label, ident) = names(oneof.name());
                write!(fields, ".field({label:?}, &self.{ident})").expect("a String takes everything");
                choosing.push_str(&self.debug_of(oneof.name(), &cases));
            }
        }
        format!(
            "impl ::core::fmt::Debug for {name} {{
                fn fmt(&self, formatter: &mut ::core::fmt::Formatter<'_>) -> ::core::fmt::Result {{
                    formatter.debug_struct({name:?}){fields}.finish()
                }}
            }}
            {choosing}"
        )
    }

    /// The implementation of `Debug` for a oneof with these cases.
    fn debug_of(&self, oneof: &str, cases: &[&&FieldDescriptorProto]) -> String {
        let module = self.message.name().to_snake_case();
        let name = oneof.to_upper_camel_case();
        let mut arms = String::new();
        for case in cases {
            let variant = case.name().to_upper_camel_case();
            let (bound, shown) = match self.fields.contains(case.name()) {
                true => ("_", "&crate::redact::Redacted"),
                false => ("value", "value"),
            };
            write!(
                arms,
                "Self::{variant}({bound}) => formatter.debug_tuple({variant:?}).field({shown}).finish(),"
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

/// Whether a field is one of several of a oneof.
fn is_choice(field: &FieldDescriptorProto) -> bool {
    field.oneof_index.is_some() && !field.proto3_optional()
}

/// The name of a field as it is shown, and as it is written in code.
fn names(field: &str) -> (String, String) {
    let label = field.to_snake_case();
    let ident = match syn::parse_str::<syn::Ident>(&label) {
        Ok(_) => label.clone(),
        Err(_) => format!("r#{label}"),
    };
    (label, ident)
}

/// Shows that a secret field has a value, where that can be told, and not which.
fn hidden(field: &FieldDescriptorProto, ident: &str) -> String {
    let redacted = "crate::redact::Redacted";
    if field.label() == Label::Repeated {
        // Lists and maps.
        format!("self.{ident}.iter().map(|_| {redacted}).collect::<::std::vec::Vec<_>>()")
    } else if field.proto3_optional() || field.r#type() == Type::Message {
        format!("self.{ident}.as_ref().map(|_| {redacted})")
    } else {
        redacted.to_owned()
    }
}
