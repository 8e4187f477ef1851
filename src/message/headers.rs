//! Headers on their way through: what ends here, what is ours, and what the origin is told about the client.

use std::net::IpAddr;

use http::HeaderMap;
use http::HeaderName;
use http::HeaderValue;
use http::Version;
use http::header;

use crate::message::cookies;
use crate::message::forwarded::X_FORWARDED_FOR;
use crate::message::forwarded::X_FORWARDED_HOST;
use crate::message::forwarded::X_FORWARDED_PROTO;
use crate::message::peer::Client;

/// `Anteroom-Visitor`: tells the origin which visitor is asking.
pub const VISITOR: HeaderName = HeaderName::from_static("anteroom-visitor");
/// `Anteroom-Command`: what the origin wants done.
pub const COMMAND: HeaderName = HeaderName::from_static("anteroom-command");
/// `Anteroom-Stock`: how much the origin has left.
pub const STOCK: HeaderName = HeaderName::from_static("anteroom-stock");

const KEEP_ALIVE: HeaderName = HeaderName::from_static("keep-alive");
const PROXY_CONNECTION: HeaderName = HeaderName::from_static("proxy-connection");
const PSEUDONYM: HeaderValue = HeaderValue::from_static("1.1 anteroom");
const PSEUDONYM_10: HeaderValue = HeaderValue::from_static("1.0 anteroom");
const PSEUDONYM_20: HeaderValue = HeaderValue::from_static("2.0 anteroom");

/// Which headers tell the origin about the client. What a client itself put there is removed in any case.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Forwarding {
    /// `X-Forwarded-For`, `X-Forwarded-Proto`, `X-Forwarded-Host`.
    pub x_forwarded: bool,
    /// `Forwarded` (RFC 7239).
    pub forwarded: bool,
    /// `Via` (RFC 9110 §7.6.3).
    pub via: bool,
}

impl Default for Forwarding {
    fn default() -> Self {
        Self {
            x_forwarded: true,
            forwarded: true,
            via: true,
        }
    }
}

/// Removes what belongs to one connection only (RFC 9110 §7.6.1), whatever `Connection` nominates included.
///
/// `Host` and `Content-Length` stay even when nominated: they are for all recipients, and a request without them is
/// another request.
pub fn remove_hop_by_hop(headers: &mut HeaderMap) {
    let (mut connection, mut rest) = (false, false);
    for name in headers.keys() {
        match *name {
            header::CONNECTION => connection = true,
            header::TE
            | header::TRANSFER_ENCODING
            | header::UPGRADE
            | header::PROXY_AUTHENTICATE
            | header::PROXY_AUTHORIZATION => rest = true,
            _ => rest |= *name == KEEP_ALIVE || *name == PROXY_CONNECTION,
        }
    }
    if connection {
        remove_nominated(headers);
    }
    if rest {
        for name in [
            header::TE,
            header::TRANSFER_ENCODING,
            header::UPGRADE,
            header::PROXY_AUTHENTICATE,
            header::PROXY_AUTHORIZATION,
            KEEP_ALIVE,
            PROXY_CONNECTION,
        ] {
            headers.remove(name);
        }
    }
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
pub fn remove_our_cookies(headers: &mut HeaderMap) {
    let has_ours = |line: &HeaderValue| pieces(line).any(is_our_piece);
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

fn pieces(line: &HeaderValue) -> impl Iterator<Item = &[u8]> {
    line.as_bytes().split(|byte| *byte == b';')
}

fn is_our_piece(piece: &[u8]) -> bool {
    cookies::split(piece).is_some_and(|(name, _)| cookies::is_ours(name))
}

fn without_ours(line: &HeaderValue) -> Option<HeaderValue> {
    let mut kept = Vec::with_capacity(line.len());
    for piece in pieces(line).filter(|piece| !is_our_piece(piece)) {
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

/// Removes every `Anteroom-…` header and everything that claims to tell where a request comes from, also when
/// spelled with underscores, which CGI-like origins cannot tell from hyphens.
pub fn remove_claims(headers: &mut HeaderMap) {
    while let Some(name) = headers.keys().find(|name| is_claim(name)).cloned() {
        headers.remove(name);
    }
}

fn is_claim(name: &HeaderName) -> bool {
    let name = name.as_str().as_bytes();
    let begins_with = |prefix: &[u8]| {
        name.len() >= prefix.len()
            && name
                .iter()
                .zip(prefix)
                .all(|(byte, want)| byte == want || (*byte == b'_' && *want == b'-'))
    };
    match name.first() {
        Some(b'a') => begins_with(b"anteroom-"),
        Some(b'f') => name == b"forwarded",
        Some(b'x') => begins_with(b"x-forwarded-") || begins_with(b"x-real-ip"),
        _ => false,
    }
}

/// Tells the origin about the client. [`remove_claims`] came first.
pub fn set_forwarding(
    headers: &mut HeaderMap,
    client: &Client,
    version: Version,
    forwarding: Forwarding,
) {
    let host = client
        .host
        .as_ref()
        .or_else(|| headers.get(header::HOST))
        .cloned();
    if forwarding.forwarded
        && let Ok(value) = HeaderValue::try_from(forwarded_element(client, host.as_ref()))
    {
        headers.insert(header::FORWARDED, value);
    }
    if forwarding.x_forwarded {
        if let Ok(value) = HeaderValue::try_from(client.ip.to_string()) {
            headers.insert(X_FORWARDED_FOR, value);
        }
        let proto = HeaderValue::from_static(if client.https { "https" } else { "http" });
        headers.insert(X_FORWARDED_PROTO, proto);
        if let Some(host) = host {
            headers.insert(X_FORWARDED_HOST, host);
        }
    }
    if forwarding.via {
        headers.append(header::VIA, pseudonym(version));
    }
}

/// RFC 7239 §4: `for`, `host` and `proto` of the hop before us. IPv6 addresses and hosts with a port are quoted.
fn forwarded_element(client: &Client, host: Option<&HeaderValue>) -> String {
    let mut element = match client.ip {
        IpAddr::V4(ip) => format!("for={ip}"),
        IpAddr::V6(ip) => format!("for=\"[{ip}]\""),
    };
    if let Some(host) = host.and_then(|host| host.to_str().ok())
        && !host.contains(['"', '\\'])
    {
        element.push_str(";host=\"");
        element.push_str(host);
        element.push('"');
    }
    element.push_str(if client.https {
        ";proto=https"
    } else {
        ";proto=http"
    });
    element
}

fn pseudonym(version: Version) -> HeaderValue {
    match version {
        Version::HTTP_10 => PSEUDONYM_10,
        Version::HTTP_2 => PSEUDONYM_20,
        _ => PSEUDONYM,
    }
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
        remove_hop_by_hop(&mut map);
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
            remove_our_cookies(&mut map);
            assert_eq!(
                map.get("cookie").map(|line| line.to_str().unwrap()),
                after,
                "{before}"
            );
        }
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
        ]);
        remove_claims(&mut map);
        assert_eq!(names(&map), ["anteroomy", "x-forward"]);
    }

    #[test]
    fn the_origin_is_told_who_asks_in_every_dialect() {
        let client = Client {
            ip: "2001:db8::1".parse().unwrap(),
            https: true,
            host: None,
        };
        let mut map = headers(&[("host", "a.example:8443"), ("via", "1.0 edge")]);
        set_forwarding(&mut map, &client, Version::HTTP_2, Forwarding::default());
        assert_eq!(
            map["forwarded"],
            "for=\"[2001:db8::1]\";host=\"a.example:8443\";proto=https"
        );
        assert_eq!(map["x-forwarded-for"], "2001:db8::1");
        assert_eq!(map["x-forwarded-proto"], "https");
        assert_eq!(map["x-forwarded-host"], "a.example:8443");
        let via: Vec<_> = map.get_all("via").iter().collect();
        assert_eq!(via, ["1.0 edge", "2.0 anteroom"]);
    }
}
