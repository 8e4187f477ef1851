//! What trusted proxies wrote about the client: `Forwarded` (RFC 7239) and its `X-Forwarded-*` forerunners.
//!
//! Lists are walked from the right, the end the nearest proxy wrote to, and no further than the first hop that is
//! not trusted; at most `HOPS_MAX` hops are looked at.

use std::net::IpAddr;
use std::net::SocketAddr;

use http::HeaderMap;
use http::HeaderName;
use http::HeaderValue;
use http::header;

use crate::message::peer::Client;
use crate::message::peer::TrustedProxies;

/// Hops looked at, counted from the nearest.
const HOPS_MAX: usize = 16;

/// `X-Forwarded-For`: the addresses a request came through.
pub const X_FORWARDED_FOR: HeaderName = HeaderName::from_static("x-forwarded-for");
/// `X-Forwarded-Proto`: the scheme the client used.
pub const X_FORWARDED_PROTO: HeaderName = HeaderName::from_static("x-forwarded-proto");
/// `X-Forwarded-Host`: the host the client asked for.
pub const X_FORWARDED_HOST: HeaderName = HeaderName::from_static("x-forwarded-host");

/// The client by `X-Forwarded-*`; `direct` when they say nothing readable.
pub(super) fn from_x_forwarded(
    trusted: &TrustedProxies,
    direct: Client,
    headers: &HeaderMap,
) -> Client {
    let mut client = direct;
    let mut hop = 0;
    for item in from_right(headers, &X_FORWARDED_FOR) {
        let Some(ip) = parse_node(item) else { break };
        client.ip = ip;
        client.port = 0;
        if !trusted.contains(ip) {
            break;
        }
        hop += 1;
    }
    if let Some(proto) = at_hop(headers, &X_FORWARDED_PROTO, hop) {
        client.https = proto.eq_ignore_ascii_case("https");
    }
    client.host = at_hop(headers, &X_FORWARDED_HOST, hop).and_then(host_value);
    client
}

/// The client by `Forwarded`; `direct` when it says nothing readable.
pub(super) fn from_forwarded(
    trusted: &TrustedProxies,
    direct: Client,
    headers: &HeaderMap,
) -> Client {
    let mut client = direct;
    for element in from_right(headers, &header::FORWARDED) {
        let Some(ip) = parameter(element, "for").and_then(parse_node) else {
            break;
        };
        client.ip = ip;
        client.port = 0;
        if let Some(proto) = parameter(element, "proto") {
            client.https = proto.eq_ignore_ascii_case("https");
        }
        client.host = parameter(element, "host").and_then(host_value);
        if !trusted.contains(ip) {
            break;
        }
    }
    client
}

/// The members of a list header from the last to the first, across lines, at most `HOPS_MAX`. A line that is not
/// visible ASCII ends the list.
fn from_right<'a>(headers: &'a HeaderMap, name: &HeaderName) -> impl Iterator<Item = &'a str> {
    headers
        .get_all(name)
        .iter()
        .rev()
        .map_while(|line| line.to_str().ok())
        .flat_map(members_from_right)
        .take(HOPS_MAX)
}

/// The comma-separated members of one line from the last to the first. Commas inside quotes do not separate.
fn members_from_right(line: &str) -> impl Iterator<Item = &str> {
    let mut rest = Some(line);
    std::iter::from_fn(move || {
        let text = rest?;
        let mut quoted = false;
        let comma = text.bytes().rposition(|byte| {
            quoted ^= byte == b'"';
            byte == b',' && !quoted
        });
        let (before, member) = match comma {
            Some(at) => (text.get(..at), text.get(at + 1..)),
            None => (None, Some(text)),
        };
        rest = before;
        member.map(str::trim)
    })
}

/// The member that belongs to the hop counted from the right; the only one, when there is only one.
fn at_hop<'a>(headers: &'a HeaderMap, name: &HeaderName, hop: usize) -> Option<&'a str> {
    let mut last = None;
    for (index, member) in from_right(headers, name).enumerate() {
        last = Some(member);
        if index == hop {
            break;
        }
    }
    last
}

/// A parameter of one `Forwarded` element, unquoted.
fn parameter<'a>(element: &'a str, name: &str) -> Option<&'a str> {
    element.split(';').find_map(|pair| {
        let (key, value) = pair.split_once('=')?;
        key.trim()
            .eq_ignore_ascii_case(name)
            .then(|| value.trim().trim_matches('"'))
    })
}

/// An address with or without a port, IPv6 in brackets or bare (RFC 7239 §6).
fn parse_node(text: &str) -> Option<IpAddr> {
    let text = text.trim().trim_matches('"');
    let ip = text
        .parse::<IpAddr>()
        .ok()
        .or_else(|| text.parse::<SocketAddr>().ok().map(|addr| addr.ip()))
        .or_else(|| text.strip_prefix('[')?.strip_suffix(']')?.parse().ok())?;
    Some(ip.to_canonical())
}

/// The host, if it is one.
fn host_value(text: &str) -> Option<HeaderValue> {
    text.parse::<http::uri::Authority>()
        .ok()
        .filter(|host| !host.as_str().contains('@'))?;
    HeaderValue::from_str(text).ok()
}
