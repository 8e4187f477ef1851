//! Headers on their way through: what ends here, and what is ours.
//!
//! Nearly every message has nothing to remove, so names are looked through once, and nothing else is looked for.

use http::HeaderMap;
use http::HeaderName;
use http::HeaderValue;
use http::header;

use crate::message::cookies;
use crate::message::pieces::pieces;

/// `Anteroom-Visitor`: tells the origin which visitor is asking.
pub const VISITOR: HeaderName = HeaderName::from_static("anteroom-visitor");
/// `Anteroom-Command`: what the origin wants done.
pub const COMMAND: HeaderName = HeaderName::from_static("anteroom-command");
/// `Anteroom-Stock`: how much the origin has left.
pub const STOCK: HeaderName = HeaderName::from_static("anteroom-stock");

const KEEP_ALIVE: HeaderName = HeaderName::from_static("keep-alive");
const PROXY_CONNECTION: HeaderName = HeaderName::from_static("proxy-connection");
const HTTP2_SETTINGS: HeaderName = HeaderName::from_static("http2-settings");

/// Never in trailers (RFC 9110 §6.5.1): what frames, routes, changes or authenticates a message, or says how to read
/// its content.
const NOT_IN_TRAILERS: [HeaderName; 24] = [
    header::AUTHORIZATION,
    header::CACHE_CONTROL,
    header::CONTENT_ENCODING,
    header::CONTENT_LENGTH,
    header::CONTENT_RANGE,
    header::CONTENT_TYPE,
    header::COOKIE,
    header::EXPECT,
    header::HOST,
    header::IF_MATCH,
    header::IF_MODIFIED_SINCE,
    header::IF_NONE_MATCH,
    header::IF_RANGE,
    header::IF_UNMODIFIED_SINCE,
    header::LOCATION,
    header::MAX_FORWARDS,
    header::ORIGIN,
    header::PRAGMA,
    header::RANGE,
    header::SET_COOKIE,
    header::TRAILER,
    header::VARY,
    header::VIA,
    header::WWW_AUTHENTICATE,
];

/// What of a message's headers is not for the other side.
#[derive(Debug, Clone, Copy, Default)]
struct Found {
    connection: bool,
    /// Hop-by-hop headers besides `Connection` (RFC 9110 §7.6.1).
    hop: bool,
    te: bool,
    cookie: bool,
    length: bool,
    /// Requests: what claims to come from us, or to tell where a request comes from.
    claim: bool,
    /// Responses: `Anteroom-…` and `Alt-Svc`.
    order: bool,
    alt_svc: bool,
}

/// What an origin says to us, taken out of its response; as it was sent.
#[derive(Debug, Default, PartialEq, Eq)]
pub struct Orders {
    /// `Anteroom-Command`.
    pub command: Option<HeaderValue>,
    /// `Anteroom-Stock`.
    pub stock: Option<HeaderValue>,
}

impl Found {
    fn among(headers: &HeaderMap) -> Self {
        let mut found = Self::default();
        for name in headers.keys() {
            match *name {
                header::CONNECTION => found.connection = true,
                header::COOKIE => found.cookie = true,
                header::CONTENT_LENGTH => found.length = true,
                header::ALT_SVC => found.alt_svc = true,
                header::FORWARDED => found.claim = true,
                header::TE => {
                    found.te = true;
                    found.hop = true;
                }
                header::TRANSFER_ENCODING
                | header::UPGRADE
                | header::PROXY_AUTHENTICATE
                | header::PROXY_AUTHORIZATION => found.hop = true,
                _ => found.see(name.as_str().as_bytes()),
            }
        }
        found
    }

    /// Names without a constant of their own.
    fn see(&mut self, name: &[u8]) {
        self.claim |= name.contains(&b'_') && is_claim(name);
        match name.first() {
            Some(b'a') => self.order |= begins_with(name, b"anteroom-"),
            Some(b'x') => {
                self.claim |= begins_with(name, b"x-forwarded-") || begins_with(name, b"x-real-ip");
            }
            Some(b'h') => self.hop |= name == b"http2-settings",
            Some(b'k') => self.hop |= name == b"keep-alive",
            Some(b'p') => {
                self.hop |= name == b"proxy-connection";
                self.claim |= name == b"proxy";
            }
            _ => {}
        }
    }
}

/// Removes from a request what is for one connection only, what is for us, and what claims to tell where it is from.
///
/// Whether the client takes trailers, which is for one connection as well, is returned.
///
/// `Host` and `Content-Length` stay even when `Connection` nominates them: they are for all recipients, and a request
/// without them is another request.
pub fn clean_request(headers: &mut HeaderMap) -> bool {
    let found = Found::among(headers);
    let takes_trailers = found.te && names_trailers(headers);
    remove_hop_by_hop(headers, found);
    if found.claim || found.order {
        let claims = |name: &&HeaderName| is_claim(name.as_str().as_bytes());
        while let Some(name) = headers.keys().find(claims).cloned() {
            headers.remove(name);
        }
    }
    if found.length {
        plain_length(headers);
    }
    if found.cookie {
        remove_our_cookies(headers);
    }
    takes_trailers
}

/// Removes from a request's trailers what may not be there, and what only we say.
///
/// Whoever merges trailers into the headers must not take a client's for ours.
pub fn clean_trailers(trailers: &mut HeaderMap) {
    clean_request(trailers);
    // The library takes it for a part of a name in HTTP/2, and HTTP/1.1 does not (RFC 9113 §8.2).
    let quoted = |name: &&HeaderName| name.as_str().contains('"');
    while let Some(name) = trailers.keys().find(quoted).cloned() {
        trailers.remove(name);
    }
    for name in NOT_IN_TRAILERS {
        trailers.remove(name);
    }
}

/// Removes from a response's trailers what may not be there, and what is for us.
pub fn clean_response_trailers(trailers: &mut HeaderMap) {
    clean_response(trailers);
    for name in NOT_IN_TRAILERS {
        trailers.remove(name);
    }
}

/// Whether a response's length is told once and in one way (RFC 9112 §6.3), in which case it is brought to one
/// spelling. Anything else might end elsewhere for the client, or for a cache on the way.
pub fn is_framed_plainly(headers: &mut HeaderMap) -> bool {
    let mut codings = headers.get_all(header::TRANSFER_ENCODING).iter();
    let (coding, more_codings) = (codings.next(), codings.next().is_some());
    let mut lengths = headers.get_all(header::CONTENT_LENGTH).iter();
    let (length, more_lengths) = (lengths.next(), lengths.next().is_some());
    if more_codings || more_lengths || (coding.is_some() && length.is_some()) {
        return false;
    }
    if let Some(coding) = coding {
        return coding.as_bytes().eq_ignore_ascii_case(b"chunked");
    }
    let Some(length) = length.map(HeaderValue::as_bytes) else {
        return true;
    };
    if length.is_empty() || !length.iter().all(u8::is_ascii_digit) {
        return false;
    }
    if length.len() > 1 && length.first() == Some(&b'0') {
        plain_length(headers);
    }
    true
}

/// Leading zeros go: there are readers that take them for octal.
fn plain_length(headers: &mut HeaderMap) {
    let Some(length) = headers.get_mut(header::CONTENT_LENGTH) else {
        return;
    };
    let digits = length.as_bytes();
    if digits.len() < 2 || digits.first() != Some(&b'0') {
        return;
    }
    let text = std::str::from_utf8(digits).ok();
    if let Some(number) = text.and_then(|text| text.parse::<u64>().ok()) {
        *length = HeaderValue::from(number);
    }
}

/// Removes from a response what is for one connection only, `Alt-Svc` (which would lead clients past us), and what
/// the origin says to us, which is returned.
pub fn clean_response(headers: &mut HeaderMap) -> Orders {
    let found = Found::among(headers);
    remove_hop_by_hop(headers, found);
    if found.alt_svc {
        headers.remove(header::ALT_SVC);
    }
    if !found.order {
        return Orders::default();
    }
    Orders {
        command: headers.remove(COMMAND),
        stock: headers.remove(STOCK),
    }
}

fn remove_hop_by_hop(headers: &mut HeaderMap, found: Found) {
    if found.connection {
        remove_nominated(headers);
    }
    if found.hop {
        for name in [
            header::TE,
            header::TRANSFER_ENCODING,
            header::UPGRADE,
            header::PROXY_AUTHENTICATE,
            header::PROXY_AUTHORIZATION,
            KEEP_ALIVE,
            PROXY_CONNECTION,
            HTTP2_SETTINGS,
        ] {
            headers.remove(name);
        }
    }
}

/// Whether `TE` names trailers; any other coding in it ends with us.
fn names_trailers(headers: &HeaderMap) -> bool {
    headers.get_all(header::TE).iter().any(|line| {
        line.as_bytes()
            .split(|byte| *byte == b',')
            .any(|coding| coding.trim_ascii().eq_ignore_ascii_case(b"trailers"))
    })
}

fn remove_nominated(headers: &mut HeaderMap) {
    let header::Entry::Occupied(entry) = headers.entry(header::CONNECTION) else {
        return;
    };
    let (_, lines) = entry.remove_entry_mult();
    let lines: Vec<HeaderValue> = lines.collect();
    for line in lines {
        for token in line.as_bytes().split(|byte| *byte == b',') {
            let token = token.trim_ascii();
            let usual =
                token.eq_ignore_ascii_case(b"keep-alive") || token.eq_ignore_ascii_case(b"close");
            if usual {
                headers.remove(KEEP_ALIVE);
            } else if let Ok(name) = HeaderName::from_bytes(token)
                && name != header::HOST
                && name != header::CONTENT_LENGTH
            {
                headers.remove(name);
            }
        }
    }
}

/// Removes our cookies from every `Cookie` line and leaves the others byte for byte; a line left empty goes.
fn remove_our_cookies(headers: &mut HeaderMap) {
    let has_ours = |line: &HeaderValue| pieces(line.as_bytes(), b';').any(is_our_piece);
    if !headers.get_all(header::COOKIE).iter().any(has_ours) {
        return;
    }
    let header::Entry::Occupied(entry) = headers.entry(header::COOKIE) else {
        return;
    };
    let (_, lines) = entry.remove_entry_mult();
    let kept: Vec<HeaderValue> = lines.filter_map(|line| without_ours(&line)).collect();
    for line in kept {
        headers.append(header::COOKIE, line);
    }
}

fn is_our_piece(piece: &[u8]) -> bool {
    cookies::split(piece).is_some_and(|(name, _)| cookies::is_ours(name))
}

fn without_ours(line: &HeaderValue) -> Option<HeaderValue> {
    let mut kept = Vec::with_capacity(line.len());
    for piece in pieces(line.as_bytes(), b';').filter(|piece| !is_our_piece(piece)) {
        if kept.is_empty() {
            kept.extend_from_slice(piece.trim_ascii_start());
        } else {
            kept.push(b';');
            kept.extend_from_slice(piece);
        }
    }
    if kept.trim_ascii().is_empty() {
        return None;
    }
    let mut value = HeaderValue::from_maybe_shared(bytes::Bytes::from(kept)).ok()?;
    value.set_sensitive(line.is_sensitive());
    Some(value)
}

/// Whether a request's header claims to be ours, or to tell where the request comes from, also when spelled with
/// underscores, which CGI-like origins cannot tell from hyphens. `Proxy` is among them: such origins take it for where
/// to send their own requests (`HTTP_PROXY`, RFC 3875 §4.1.18). So is what frames a request, spelled in that way.
fn is_claim(name: &[u8]) -> bool {
    const SPELLED: [&[u8]; 4] = [
        b"content-length",
        b"transfer-encoding",
        b"proxy-authorization",
        b"max-forwards",
    ];
    let is = |other: &&[u8]| name.len() == other.len() && begins_with(name, other);
    name == b"forwarded"
        || name == b"proxy"
        || begins_with(name, b"anteroom-")
        || begins_with(name, b"x-forwarded-")
        || begins_with(name, b"x-real-ip")
        || (name.contains(&b'_') && SPELLED.iter().any(is))
}

/// Whether a name begins with this one, underscores taken for hyphens.
fn begins_with(name: &[u8], start: &[u8]) -> bool {
    name.len() >= start.len()
        && name
            .iter()
            .zip(start)
            .all(|(byte, want)| byte == want || (*byte == b'_' && *want == b'-'))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn headers(lines: &[(&str, &str)]) -> HeaderMap {
        let line = |(name, value): &(&str, &str)| {
            let name = HeaderName::from_bytes(name.as_bytes()).unwrap();
            (name, HeaderValue::from_str(value).unwrap())
        };
        lines.iter().map(line).collect()
    }

    fn names(headers: &HeaderMap) -> Vec<&str> {
        let mut names: Vec<_> = headers.keys().map(HeaderName::as_str).collect();
        names.sort_unstable();
        names
    }

    #[test]
    fn what_connection_nominates_goes_except_what_is_for_everybody() {
        let mut map = headers(&[
            ("host", "a"),
            ("content-length", "0"),
            ("connection", "close, X-A ,, host"),
            ("connection", "content-length, x-b, bad name"),
            ("x-a", "1"),
            ("x-a", "2"),
            ("x-b", "1"),
            ("x-c", "1"),
            ("te", "gzip"),
        ]);
        clean_request(&mut map);
        assert_eq!(names(&map), ["content-length", "host", "x-c"]);
    }

    #[test]
    fn other_cookies_stay_byte_for_byte() {
        for (before, after) in [
            ("a=1; anteroom-x=2; b=3", Some("a=1; b=3")),
            ("anteroom-x=2;  a=\"1;b\" ;c", Some("a=\"1;b\" ;c")),
            ("a=1;anteroom-x=2;", Some("a=1;")),
            ("__Host-anteroom-x=2; anteroom-x-pass=1", None),
            (
                "anteroom=1; xanteroom-a=1",
                Some("anteroom=1; xanteroom-a=1"),
            ),
            ("a=1", Some("a=1")),
        ] {
            let mut map = headers(&[("cookie", before)]);
            clean_request(&mut map);
            assert_eq!(
                map.get("cookie").map(|line| line.to_str().unwrap()),
                after,
                "{before}"
            );
        }
    }

    #[test]
    fn a_length_is_told_once_in_one_spelling() {
        let mut map = headers(&[("content-length", "007")]);
        clean_request(&mut map);
        assert_eq!(map["content-length"], "7");
        for (lines, is_plain) in [
            (&[][..], true),
            (&[("content-length", "00")], true),
            (&[("transfer-encoding", "Chunked")], true),
            (&[("content-length", "2"), ("content-length", "2")], false),
            (&[("content-length", "2, 2")], false),
            (
                &[("content-length", "2"), ("transfer-encoding", "chunked")],
                false,
            ),
            (
                &[
                    ("transfer-encoding", "chunked"),
                    ("transfer-encoding", "chunked"),
                ],
                false,
            ),
            (&[("transfer-encoding", "gzip, chunked")], false),
        ] {
            assert_eq!(
                is_framed_plainly(&mut headers(lines)),
                is_plain,
                "{lines:?}"
            );
        }
    }

    #[test]
    fn trailers_neither_frame_nor_route_nor_claim() {
        let mut map = headers(&[
            ("x-sum", "1"),
            ("content-length", "1"),
            ("content-type", "1"),
            ("anteroom-visitor", "1"),
            ("te", "1"),
        ]);
        let quoted = HeaderName::from_lowercase(b"x\"a").unwrap();
        map.insert(quoted, HeaderValue::from_static("1"));
        clean_trailers(&mut map);
        assert_eq!(names(&map), ["x-sum"]);
    }

    #[test]
    fn claims_go_however_they_are_spelled() {
        let mut map = headers(&[
            ("anteroom-visitor", "1"),
            ("anteroom_pass", "1"),
            ("x-forwarded-for", "1"),
            ("x_forwarded-host", "1"),
            ("x-real_ip", "1"),
            ("forwarded", "1"),
            ("x-forward", "1"),
            ("anteroomy", "1"),
            ("proxy", "1"),
            ("content_length", "1"),
            ("transfer_encoding", "1"),
            ("content_lengths", "1"),
        ]);
        clean_request(&mut map);
        assert_eq!(names(&map), ["anteroomy", "content_lengths", "x-forward"]);
    }
}
