//! Who the caller is, as metadata of each call.

use std::fmt;

use base64::{Engine, prelude::BASE64_STANDARD};
use http::{
    HeaderMap, HeaderName, HeaderValue,
    header::{AUTHORIZATION, InvalidHeaderValue},
};

use crate::redact::Redacted;

const SESSION_ID: HeaderName = HeaderName::from_static("vmware-api-session-id");

/// Who the caller is. Sent with each call, and never printed.
#[derive(Clone)]
pub struct Credentials {
    name: HeaderName,
    value: String,
}

impl Credentials {
    /// A user of vCenter. The gateway logs in and keeps the session.
    pub fn basic(user: impl AsRef<str>, password: impl AsRef<str>) -> Self {
        let pair = BASE64_STANDARD.encode(format!("{}:{}", user.as_ref(), password.as_ref()));
        Self {
            name: AUTHORIZATION,
            value: format!("Basic {pair}"),
        }
    }

    /// A session of vCenter that the caller opened.
    pub fn session(id: impl Into<String>) -> Self {
        Self {
            name: SESSION_ID,
            value: id.into(),
        }
    }

    /// A token for a gateway that holds the login to vCenter itself.
    pub fn bearer(token: impl AsRef<str>) -> Self {
        Self {
            name: AUTHORIZATION,
            value: format!("Bearer {}", token.as_ref()),
        }
    }

    /// The header to send. Fails where an id or token has characters that cannot be in one.
    pub(crate) fn header(&self) -> Result<Header, InvalidHeaderValue> {
        let mut value = HeaderValue::from_str(&self.value)?;
        value.set_sensitive(true);
        Ok(Header {
            name: self.name.clone(),
            value,
        })
    }
}

impl fmt::Debug for Credentials {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.debug_tuple("Credentials").field(&Redacted).finish()
    }
}

/// Credentials in the form in which they are sent.
#[derive(Clone)]
pub(crate) struct Header {
    name: HeaderName,
    value: HeaderValue,
}

impl Header {
    /// Adds the credentials, unless the caller gave some for this one call.
    pub(crate) fn attach(&self, headers: &mut HeaderMap) {
        if !headers.contains_key(AUTHORIZATION) && !headers.contains_key(SESSION_ID) {
            headers.insert(self.name.clone(), self.value.clone());
        }
    }
}
