//! The caller's identity, as metadata of each call.

use std::{fmt, io, sync::Arc};

use base64::{Engine, prelude::BASE64_STANDARD};
use http::{
    HeaderMap, HeaderName, HeaderValue,
    header::{AUTHORIZATION, InvalidHeaderValue},
};
use tonic::Status;

use crate::redact::Redacted;

const SESSION_ID: HeaderName = HeaderName::from_static("vmware-api-session-id");

/// The caller's identity. Sent with each call, and never printed.
#[derive(Clone)]
pub struct Credentials(Kind);

#[derive(Clone)]
enum Kind {
    Basic { user: String, password: String },
    Session(String),
    Bearer(String),
    Renewed(Token),
}

/// Returns the current token.
type Token = Arc<dyn Fn() -> io::Result<String> + Send + Sync>;

impl Credentials {
    /// A vCenter user. The gateway logs in as this user and keeps the session.
    pub fn basic(user: impl Into<String>, password: impl Into<String>) -> Self {
        Self(Kind::Basic {
            user: user.into(),
            password: password.into(),
        })
    }

    /// An existing vCenter session of the caller.
    pub fn session(id: impl Into<String>) -> Self {
        Self(Kind::Session(id.into()))
    }

    /// A token or JWT, for a gateway that has its own service account. Whitespace around it is ignored.
    pub fn bearer(token: impl Into<String>) -> Self {
        Self(Kind::Bearer(token.into()))
    }

    /// A token that rotates: the function is called for each rpc, and should be fast.
    ///
    /// ```
    /// # use vcenter_gateway_client::Credentials;
    /// Credentials::bearer_from(|| std::fs::read_to_string("/var/run/secrets/tokens/gateway"));
    /// ```
    ///
    /// If it fails, the call fails with `UNAUTHENTICATED` and is not sent.
    pub fn bearer_from(token: impl Fn() -> io::Result<String> + Send + Sync + 'static) -> Self {
        Self(Kind::Renewed(Arc::new(token)))
    }

    /// The form in which they are sent; `None` if they cannot be sent.
    pub(crate) fn header(&self) -> Option<Header> {
        match &self.0 {
            Kind::Basic { user, .. } if user.is_empty() || user.contains(':') => None,
            Kind::Basic { user, password } => {
                let pair = BASE64_STANDARD.encode(format!("{user}:{password}"));
                Some(Header::Fixed(AUTHORIZATION, sensitive(&format!("Basic {pair}")).ok()?))
            }
            Kind::Session(id) if is_visible(id) => Some(Header::Fixed(SESSION_ID, sensitive(id).ok()?)),
            Kind::Session(_) => None,
            Kind::Bearer(token) => Some(Header::Fixed(AUTHORIZATION, bearer(token)?)),
            Kind::Renewed(token) => Some(Header::Renewed(Arc::clone(token))),
        }
    }
}

impl fmt::Debug for Credentials {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.debug_tuple("Credentials").field(&Redacted).finish()
    }
}

/// Credentials in the form in which they are sent.
#[derive(Clone)]
pub(crate) enum Header {
    Fixed(HeaderName, HeaderValue),
    Renewed(Token),
}

impl Header {
    /// Adds the credentials, unless the call has its own. Fails if there is no token.
    pub(crate) fn attach(&self, headers: &mut HeaderMap) -> Result<(), Status> {
        if headers.contains_key(AUTHORIZATION) || headers.contains_key(SESSION_ID) {
            return Ok(());
        }
        let (name, value) = match self {
            Self::Fixed(name, value) => (name.clone(), value.clone()),
            Self::Renewed(token) => {
                let token = token().map_err(|error| no_token(&error.to_string()))?;
                let value =
                    bearer(&token).ok_or_else(|| no_token("it is empty or contains characters that cannot be sent"))?;
                (AUTHORIZATION, value)
            }
        };
        headers.insert(name, value);
        Ok(())
    }
}

fn no_token(why: &str) -> Status {
    Status::unauthenticated(format!("there is no token: {why}"))
}

fn bearer(token: &str) -> Option<HeaderValue> {
    let token = token.trim();
    is_visible(token)
        .then(|| sensitive(&format!("Bearer {token}")).ok())
        .flatten()
}

/// A text as metadata; `None` where it is empty or has characters other than printable ASCII.
pub(crate) fn visible(text: &str) -> Option<HeaderValue> {
    is_visible(text).then(|| HeaderValue::from_str(text).ok()).flatten()
}

fn is_visible(text: &str) -> bool {
    !text.is_empty() && text.bytes().all(|byte| byte.is_ascii_graphic())
}

fn sensitive(text: &str) -> Result<HeaderValue, InvalidHeaderValue> {
    let mut value = HeaderValue::from_str(text)?;
    value.set_sensitive(true);
    Ok(value)
}
