//! Any bytes as headers: cookies, who a request is from, what it accepts.

use std::net::SocketAddr;

use http::HeaderMap;
use http::HeaderName;
use http::HeaderValue;
use http::Method;
use http::Version;
use http::header;

use crate::message::Client;
use crate::message::Forwarding;
use crate::message::ForwardingHeader;
use crate::message::Peer;
use crate::message::TrustedProxies;
use crate::message::accept as accepting;
use crate::message::cookies as reading;
use crate::message::headers::clean_request;
use crate::message::told::Teller;

/// Each line as a header of this name, as far as it can be one.
fn lines(bytes: &[u8], name: &HeaderName) -> HeaderMap {
    let mut headers = HeaderMap::new();
    for line in bytes.split(|byte| *byte == b'\n') {
        if let Ok(value) = HeaderValue::from_bytes(line) {
            headers.append(name, value);
        }
    }
    headers
}

fn owned(headers: &HeaderMap) -> Vec<(Vec<u8>, Vec<u8>)> {
    let pairs = reading::pairs(headers);
    pairs
        .map(|(name, value)| (name.to_vec(), value.to_vec()))
        .collect()
}

/// Lines of `Cookie`: no pair is taken for two or from nowhere, and what goes to the origin is all but ours.
pub(crate) fn cookies(bytes: &[u8]) {
    let mut headers = lines(bytes, &header::COOKIE);
    let held = owned(&headers);
    assert!(held.len() <= reading::PAIRS_MAX);
    for (name, value) in &held {
        assert!(!name.contains(&b'=') && !name.contains(&b';') && !value.contains(&b';'));
        let first = held.iter().find(|(other, _)| other == name);
        if let (Ok(text), Some((_, first))) = (std::str::from_utf8(name), first) {
            assert_eq!(reading::find(&headers, text), Some(first.as_slice()));
        }
    }
    let pieces: usize = headers
        .get_all(header::COOKIE)
        .iter()
        .map(|line| 1 + line.as_bytes().iter().filter(|byte| **byte == b';').count())
        .sum();
    clean_request(&mut headers);
    let kept = owned(&headers);
    assert!(
        kept.iter().all(|(name, _)| !reading::is_ours(name)),
        "one of ours is passed on"
    );
    if pieces <= reading::PAIRS_MAX {
        let theirs = held.into_iter().filter(|(name, _)| !reading::is_ours(name));
        assert!(theirs.eq(kept), "another's is not passed on as it was");
    }
}

/// Lines of a forwarding header: from a stranger they are nothing, and what we tell of the client reads back.
pub(crate) fn forwarded(bytes: &[u8]) {
    let nets = || vec![ipnet::IpNet::V4(TRUSTED_NET)];
    let peer = |addr: [u8; 4]| Peer {
        addr: SocketAddr::from((addr, 1)),
        tls: false,
        redirected: false,
    };
    let mut headers = lines(bytes, &header::FORWARDED);
    for (name, value) in ["x-forwarded-for", "x-forwarded-proto", "x-forwarded-host"]
        .into_iter()
        .zip(bytes.split(|byte| *byte == b'\n'))
    {
        if let Ok(value) = HeaderValue::from_bytes(value) {
            headers.append(name, value);
        }
    }
    for kind in [ForwardingHeader::XForwarded, ForwardingHeader::Forwarded] {
        let trusted = TrustedProxies::new(nets(), kind);
        let stranger = Client {
            ip: [192, 0, 2, 1].into(),
            port: 1,
            https: false,
            host: None,
        };
        assert_eq!(trusted.client(peer([192, 0, 2, 1]), &headers), stranger);
        let client = trusted.client(peer([10, 0, 0, 1]), &headers);
        assert_eq!(client.ip, client.ip.to_canonical());
        let mut told = HeaderMap::new();
        told.insert(header::HOST, HeaderValue::from_static("portal.example"));
        Teller::new(Forwarding::default()).tell(&mut told, &client, Version::HTTP_11);
        let host = client
            .host
            .clone()
            .or_else(|| told.get(header::HOST).cloned());
        let heard = trusted.client(peer([10, 0, 0, 2]), &told);
        // Ports are not told.
        let port = 0;
        let expected = Client {
            host,
            port,
            ..client
        };
        assert_eq!(heard, expected, "by {kind:?}");
    }
}

/// Whose forwarding headers are believed.
const TRUSTED_NET: ipnet::Ipv4Net =
    ipnet::Ipv4Net::new_assert(std::net::Ipv4Addr::new(10, 0, 0, 0), 8);

/// Lines as `Accept` and as all that tells a page from a guess: a guess is never a page, and nothing but `GET` is one.
pub(crate) fn accept(bytes: &[u8]) {
    let mut headers = lines(bytes, &header::ACCEPT);
    let is_named = accepting::accepts(&headers, "text/html");
    let is_mentioned = bytes
        .windows(9)
        .any(|some| some.eq_ignore_ascii_case(b"text/html"));
    assert!(is_mentioned || !is_named, "named from nowhere");
    for (name, value) in ["sec-fetch-mode", "sec-fetch-site", "purpose", "origin"]
        .into_iter()
        .zip(bytes.split(|byte| *byte == b'\n'))
    {
        if let Ok(value) = HeaderValue::from_bytes(value) {
            headers.append(name, value);
        }
    }
    let is_page = accepting::is_navigation(&Method::GET, &headers);
    assert!(!(is_page && accepting::is_speculative(&headers)));
    assert!(!accepting::is_navigation(&Method::POST, &headers));
    let same = accepting::is_same_origin(&headers, "portal.example", true);
    let site = headers.get("sec-fetch-site");
    let is_own_site = site.is_some_and(|site| site == "same-origin" || site == "none");
    if site.is_some() {
        assert_eq!(same, is_own_site);
    }
}
