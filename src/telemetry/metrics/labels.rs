//! The values labels can have besides the names of rooms and origins: closed lists, so that no request makes a series.

/// A label whose values are a closed list.
pub trait Label: Copy + 'static {
    /// Every value, in order of its index.
    const ALL: &'static [Self];
    /// The value as it stands in the label.
    fn name(self) -> &'static str;
    /// Where it stands in [`Self::ALL`].
    fn index(self) -> usize;
}

macro_rules! labels {
    ($(#[doc = $doc:literal])* $type:ident { $(#[doc = $help:literal] $value:ident = $name:literal,)+ }) => {
        $(#[doc = $doc])*
        #[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
        pub enum $type {
            $(#[doc = $help] $value,)+
        }

        impl Label for $type {
            const ALL: &'static [Self] = &[$(Self::$value,)+];

            fn name(self) -> &'static str {
                match self {
                    $(Self::$value => $name,)+
                }
            }

            fn index(self) -> usize {
                self as usize
            }
        }
    };
}

labels! {
    /// What was done with a request.
    Decision {
        /// Went to the origin with a pass.
        Forward = "forward",
        /// Went to the origin without needing one.
        Bypass = "bypass",
        /// A CORS preflight went to the origin.
        Preflight = "preflight",
        /// A navigation got a page of ours.
        Page = "page",
        /// What is not a navigation got problem+json.
        Problem = "problem",
        /// A visitor asked how it stands.
        Status = "status",
        /// An app joined the line.
        Join = "join",
        /// A visitor asked to enter.
        Enter = "enter",
        /// A visitor asked for a longer turn.
        More = "more",
        /// A visitor took its place back to this device.
        Here = "here",
        /// A visitor gave up its place, or finished.
        Leave = "leave",
        /// Somebody asked how the room stands.
        Public = "public",
        /// A place was carried to another device: code, link and search.
        Carry = "carry",
        /// Told to come again over TLS.
        Redirect = "redirect",
        /// A request for our own fixed files.
        Asset = "asset",
        /// Too many requests from one ticket or one client.
        Limited = "limited",
        /// The request could not be understood or answered.
        Error = "error",
    }
}

labels! {
    /// The class of a response's status.
    Class {
        /// 100 to 199.
        Informational = "1xx",
        /// 200 to 299.
        Success = "2xx",
        /// 300 to 399.
        Redirection = "3xx",
        /// 400 to 499.
        ClientError = "4xx",
        /// 500 and above.
        ServerError = "5xx",
    }
}

impl Class {
    /// The class of a status code.
    #[must_use]
    pub fn of(status: u16) -> Self {
        match status / 100 {
            0 | 1 => Self::Informational,
            2 => Self::Success,
            3 => Self::Redirection,
            4 => Self::ClientError,
            _ => Self::ServerError,
        }
    }
}

labels! {
    /// Why a connection or a request was turned away before a room saw it: one value for each bound.
    Turned {
        /// As many connections are open as are allowed.
        Connections = "connections",
        /// As many connections are open from one client address as are allowed.
        Client = "client",
        /// As many newcomers joined from one network as are allowed.
        Joins = "joins",
        /// The TLS handshake failed.
        Handshake = "handshake",
        /// The TLS handshake took too long.
        HandshakeTimeout = "handshake-timeout",
        /// Nothing came on a new connection in its time.
        Silent = "silent",
        /// The PROXY protocol header was missing, malformed or late.
        ProxyProtocol = "proxy-protocol",
        /// The request's head took too long.
        HeadTimeout = "head-timeout",
        /// The request's head is too large.
        HeadSize = "head-size",
        /// The request's body is too large.
        BodySize = "body-size",
        /// The request's body came too slowly.
        BodyTimeout = "body-timeout",
        /// The response was taken too slowly.
        SendTimeout = "send-timeout",
        /// The connection was to end, and its client did not let it.
        Lingering = "lingering",
        /// Too much waited in memory for clients that did not take it.
        Unsent = "unsent",
        /// The request is ambiguous or not HTTP.
        Malformed = "malformed",
        /// Too many frames of HTTP/2 that ask for work and lead nowhere.
        Flood = "flood",
        /// As many requests are in flight as are allowed.
        InFlight = "in-flight",
        /// As many requests are being held as are allowed.
        Held = "held",
        /// As many upgraded connections are open as are allowed.
        Upgrades = "upgrades",
        /// Anteroom is draining.
        Draining = "draining",
    }
}

labels! {
    /// What failed at the origin.
    OriginFailure {
        /// No connection.
        Connect = "connect",
        /// No connection within its time.
        ConnectTimeout = "connect-timeout",
        /// The TLS handshake failed.
        Handshake = "handshake",
        /// The connection ended before the response.
        Closed = "closed",
        /// No response within its time.
        Timeout = "timeout",
        /// The response was not HTTP, or its head too large.
        Protocol = "protocol",
        /// The body ended before its time.
        Body = "body",
        /// As many requests are in flight to it as are allowed.
        Full = "full",
        /// An upgrade was not carried through.
        Upgrade = "upgrade",
        /// It answered with a status of 500 or above.
        Status = "status",
    }
}

labels! {
    /// Why a request was sent to the origin a second time, or was not.
    Repeat {
        /// Nothing of it had been sent.
        Unsent = "unsent",
        /// It had been sent, and repeating it is safe.
        Safe = "safe",
        /// As many were repeated as may be.
        OverBudget = "over-budget",
    }
}

labels! {
    /// What one visitor had too much of.
    Limit {
        /// Requests at once.
        InFlight = "in-flight",
        /// Requests in a time.
        Rate = "rate",
        /// Not the visitor: too many visitors to know what each has; it went through uncounted.
        Untracked = "untracked",
    }
}

labels! {
    /// Why something shown as a ticket or a pass was not believed.
    Unbelieved {
        /// It is not the text of one.
        Malformed = "malformed",
        /// Signed with a key this replica does not have.
        UnknownKey = "unknown-key",
        /// The signature is wrong.
        Forged = "forged",
        /// It is of another room.
        WrongRoom = "wrong-room",
    }
}
