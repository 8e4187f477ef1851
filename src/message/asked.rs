//! One request as the handler of a worker gets it, and the faults it may answer with.

use std::any::Any;
use std::cell::Cell;
use std::cell::RefCell;
use std::future::Future;
use std::net::IpAddr;
use std::rc::Rc;
use std::time::Duration;
use std::time::Instant;

use http::HeaderMap;
use http::HeaderValue;
use http::Method;
use http::Request;
use http::Response;
use http::StatusCode;
use http::Version;
use hyper::body::Incoming;

use crate::message::body::Body;
use crate::message::bound::Ended;
use crate::message::peer::Peer;
use crate::message::target::PathError;

/// One request, checked for form (RFC 9112) and brought to one shape whatever version it came in.
///
/// The URI is in origin-form (path and query only, or `*`), `Host` is there exactly once (save for an HTTP/1.0
/// request that sent none) and cookie crumbs of HTTP/2 are joined (RFC 9113 §8.2.3).
#[derive(Debug)]
pub struct Asked {
    /// The request. Its version is the one the client spoke.
    pub request: Request<Incoming>,
    /// The other end of the connection.
    pub peer: Peer,
    /// What the handler leaves here is in the log.
    pub note: Rc<Note>,
}

/// What a handler tells the log about a request.
#[derive(Debug, Default)]
pub struct Note {
    /// The room the request belongs to.
    pub room: RefCell<Option<Rc<str>>>,
    /// What was decided about it.
    pub decision: Cell<Option<&'static str>>,
    /// Dropped when the response has ended.
    pub held: RefCell<Option<Box<dyn Any>>>,
    /// Dropped when nothing of the request is left: after the end of what its connection was upgraded to.
    pub kept: RefCell<Option<Box<dyn Any>>>,
}

/// A request that is over, for the log. Neither cookies nor the query are in it.
#[derive(Debug)]
pub struct Record<'a> {
    /// The other end of the connection.
    pub peer: Peer,
    /// The request's method.
    pub method: &'a Method,
    /// The request's path, as it was sent.
    pub path: &'a str,
    /// The version the client spoke.
    pub version: Version,
    /// The status of the answer; `None` when the client left before there was one.
    pub status: Option<StatusCode>,
    /// Bytes of the answer's body that were taken to be sent.
    pub body_bytes: u64,
    /// Whether the body was sent to its end.
    pub is_complete: bool,
    /// When the last byte of the answer was sent.
    pub finished: Instant,
    /// From the request's head until then.
    pub duration: Duration,
    /// What the handler left.
    pub note: &'a Note,
}

/// What answers requests on one worker.
pub trait Handler: 'static {
    /// Answers a request that needs to wait for nothing, which is what most requests are while many wait; what it
    /// leaves goes to [`Handler::handle`].
    fn at_once(&self, _asked: &Asked) -> Option<Response<Body>> {
        None
    }

    /// Answers one request, or says why not; [`Handler::rescue`] then writes the answer.
    fn handle(
        self: Rc<Self>,
        asked: Asked,
    ) -> impl Future<Output = Result<Response<Body>, Fault>> + 'static;

    /// Writes the calm answer to a request that failed. The status is the server's to set.
    fn rescue(&self, trouble: &Trouble<'_>) -> Response<Body>;

    /// Has the last word on the headers of every answer, whoever wrote it.
    fn dress(&self, _peer: Peer, _headers: &mut HeaderMap) {}

    /// Told of every connection that was accepted; [`Handler::closed`] follows.
    fn opened(&self) {}

    /// Told of every connection that is no more.
    fn closed(&self) {}

    /// Told of every connection that ended before its first request could be read.
    fn unheard(&self, _why: Unheard) {}
    /// How many connections there may be at once from this client address; `None` where there is no limit.
    fn connections_max_from(&self, _ip: IpAddr) -> Option<usize> {
        None
    }

    /// Told of every connection, or response, that was ended at a bound.
    fn ended(&self, _why: Ended) {}

    /// Told now and then how many bytes wait in memory for clients of this worker over HTTP/2.
    fn holds(&self, _bytes: u64) {}

    /// Told of every connection that was ended for asking too often for what leads nowhere.
    fn flooded(&self) {}

    /// Told of every connection that is taken apart because it is idle; [`Handler::woke`] follows, before
    /// [`Handler::closed`].
    fn parked(&self) {}

    /// Told of every such connection that is put together again, or is no more.
    fn woke(&self) {}

    /// Told of every request once it is over, whatever became of it.
    fn log(&self, _record: &Record<'_>) {}
}

/// Why a connection ended before its first request could be read.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Unheard {
    /// The PROXY protocol header it had to begin with was missing, malformed or late.
    ProxyProtocol,
    /// The TLS handshake failed.
    Handshake,
    /// The TLS handshake took too long.
    HandshakeTimeout,
}

/// A failed request, as far as it matters for telling its sender.
#[derive(Debug)]
pub struct Trouble<'a> {
    /// What went wrong.
    pub fault: &'a Fault,
    /// The status the answer will have.
    pub status: StatusCode,
    /// The request's method.
    pub method: &'a Method,
    /// Whether a person is looking at the answer (see [`crate::message::accept::is_navigation`]).
    pub is_navigation: bool,
    /// The `Accept-Language` of the request.
    pub languages: Option<&'a HeaderValue>,
}

/// Why a request got no answer of its own. `server::rescue` alone maps these to status codes.
#[derive(Debug, thiserror::Error)]
pub enum Fault {
    /// The request is malformed or ambiguous (the client's doing).
    #[error("request refused: {0}")]
    Refused(#[from] Refusal),
    /// Too much is in flight already.
    #[error("too many requests in flight")]
    Overloaded,
    /// The origin has no room within the time a request may wait for it.
    #[error("the origin is busy")]
    OriginBusy,
    /// The origin cannot be reached, or broke off.
    #[error("the origin cannot be reached")]
    OriginDown,
    /// The origin did not answer in time.
    #[error("the origin did not answer in time")]
    OriginSlow,
    /// The client broke off while sending; there is nobody to answer.
    #[error("the client broke off")]
    ClientGone,
    /// The client was too slow to send its body.
    #[error("the client did not send its body in time")]
    ClientSlow,
    /// The client's body is larger than it may be.
    #[error("the request's body is too large")]
    TooLarge,
    /// A defect of ours, told by a panic.
    #[error("the handler panicked")]
    Panicked,
}

/// What is wrong with a request that is never forwarded.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum Refusal {
    /// RFC 9112 §3.2: HTTP/1.1 requires `Host`.
    #[error("no host")]
    HostMissing,
    /// RFC 9112 §3.2: more than one `Host`.
    #[error("several hosts")]
    HostRepeated,
    /// RFC 9110 §7.2: not a host and an optional port; or `Host` and `:authority` disagree.
    #[error("invalid host")]
    HostInvalid,
    /// RFC 9112 §6.1 and §6.3: both `Content-Length` and `Transfer-Encoding`, or several of one.
    #[error("two lengths")]
    LengthAmbiguous,
    /// RFC 9110 §8.6: `Content-Length` is no number, or not that of the body's bytes.
    #[error("invalid length")]
    LengthInvalid,
    /// RFC 9112 §2.2: a line ends with LF alone.
    #[error("bare line feed")]
    LineEnd,
    /// RFC 9112 §6.1: a transfer coding other than a single `chunked`.
    #[error("unsupported transfer coding")]
    CodingUnsupported,
    /// RFC 9110 §9.3.6: we are not a tunnel.
    #[error("connect is not offered")]
    Connect,
    /// RFC 9113 §8.6: HTTP/2, which is all that the origin speaks, upgrades no connections.
    #[error("upgrades are not offered")]
    Upgrade,
    /// RFC 9112 §3.2: the request target's form does not fit the method.
    #[error("invalid request target")]
    TargetInvalid,
    /// RFC 9113 §8.2: a field's name is no token.
    #[error("invalid field name")]
    NameInvalid,
    /// RFC 9110 §9.3.8: `TRACE` has no body.
    #[error("trace with a body")]
    TraceBody,
    /// RFC 9110 §10.1.1: an expectation other than `100-continue`.
    #[error("unknown expectation")]
    Expectation,
    /// RFC 9110 §7.6.2: `Max-Forwards` is no number.
    #[error("invalid max-forwards")]
    MaxForwards,
    /// The path could be read in two ways.
    #[error("ambiguous path: {0}")]
    Path(#[from] PathError),
}
