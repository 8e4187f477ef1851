//! Why a request could not be forwarded, and whose doing it was.

use std::error::Error as StdError;

use crate::message::Fault;
use crate::message::Refusal;

/// A request that could not be forwarded.
#[derive(Debug, thiserror::Error)]
#[error("{kind}")]
pub struct OriginError {
    /// What happened.
    pub kind: OriginErrorKind,
    /// Whether the origin may have seen the request: it must then not be sent again unless that is safe.
    pub was_sent: bool,
    /// What caused it.
    #[source]
    pub source: Option<Box<dyn StdError + Send + Sync>>,
}

/// What can go wrong on the way to the origin and back.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, thiserror::Error)]
pub enum OriginErrorKind {
    /// No server of the origin could be connected to.
    #[error("cannot connect to the origin")]
    Connect,
    /// No server of the origin accepted a connection in time.
    #[error("connecting to the origin took too long")]
    ConnectTimeout,
    /// No response began in time.
    #[error("the origin did not answer in time")]
    ResponseTimeout,
    /// The origin closed or broke the connection, or did not speak HTTP.
    #[error("the origin broke off")]
    Broken,
    /// As much is in flight as this origin may get, and none of it ended in time.
    #[error("the origin has no room")]
    Busy,
    /// The client broke off its request body, or sent an invalid one.
    #[error("the client broke off its request")]
    ClientBody,
    /// The client stopped sending its request body for longer than it may.
    #[error("the client did not send its request in time")]
    ClientTimeout,
    /// The client's request body is larger than it may be.
    #[error("the client's request is too large")]
    BodyTooLarge,
    /// `CONNECT`: we are not a tunnel.
    #[error("connect is not offered")]
    ConnectMethod,
    /// An upgrade of HTTP/1.1, and the origin speaks HTTP/2 only.
    #[error("the origin upgrades no connections")]
    Upgrade,
    /// The request's host cannot be told in HTTP/2.
    #[error("the host cannot be told to the origin")]
    Host,
}

impl OriginErrorKind {
    /// Whether the client, and not the origin, is the cause.
    #[must_use]
    pub fn is_client(self) -> bool {
        matches!(
            self,
            Self::ClientBody
                | Self::ClientTimeout
                | Self::BodyTooLarge
                | Self::ConnectMethod
                | Self::Upgrade
                | Self::Host
        )
    }

    /// The name used in logs and metrics.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Self::Connect => "connect",
            Self::ConnectTimeout => "connect-timeout",
            Self::ResponseTimeout => "response-timeout",
            Self::Broken => "broken",
            Self::Busy => "busy",
            Self::ClientBody => "client-body",
            Self::ClientTimeout => "client-timeout",
            Self::BodyTooLarge => "body-too-large",
            Self::ConnectMethod => "connect-method",
            Self::Upgrade => "upgrade",
            Self::Host => "host",
        }
    }
}

impl OriginError {
    /// The same, of a request that the origin may have seen already when it was sent before.
    pub(super) fn after(mut self, was_sent: bool) -> Self {
        self.was_sent |= was_sent;
        self
    }

    /// What caused it, down to the first cause, in words; empty where the kind says all.
    #[must_use]
    pub fn cause(&self) -> String {
        let mut text = String::new();
        let mut next = self.source.as_deref().map(|source| source as &dyn StdError);
        while let Some(error) = next {
            let said = error.to_string();
            // Some say their cause's words as their own.
            if !text.ends_with(&said) {
                let colon = if text.is_empty() { "" } else { ": " };
                text.push_str(colon);
                text.push_str(&said);
            }
            next = error.source();
        }
        text
    }
}

impl From<OriginErrorKind> for OriginError {
    fn from(kind: OriginErrorKind) -> Self {
        Self {
            kind,
            was_sent: false,
            source: None,
        }
    }
}

impl From<&OriginError> for Fault {
    fn from(error: &OriginError) -> Self {
        match error.kind {
            OriginErrorKind::Connect
            | OriginErrorKind::ConnectTimeout
            | OriginErrorKind::Broken => Self::OriginDown,
            OriginErrorKind::ResponseTimeout => Self::OriginSlow,
            OriginErrorKind::Busy => Self::OriginBusy,
            OriginErrorKind::ClientBody => Self::ClientGone,
            OriginErrorKind::ClientTimeout => Self::ClientSlow,
            OriginErrorKind::BodyTooLarge => Self::TooLarge,
            OriginErrorKind::ConnectMethod => Self::Refused(Refusal::Connect),
            OriginErrorKind::Upgrade => Self::Refused(Refusal::Upgrade),
            OriginErrorKind::Host => Self::Refused(Refusal::HostInvalid),
        }
    }
}
