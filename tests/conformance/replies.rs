//! What the origin answers, on its way to the client: framing, interim answers, fields of one connection.

use crate::case::Case;
use crate::case::answered;

const BODY: &str = "RFC 9112 §6.3";

pub(crate) fn cases() -> Vec<Case> {
    let mut cases = [whole(), bodies()].concat();
    for (name, rfc, answer) in [
        ("a length and a coding", BODY, "both"),
        ("a coding and a length", BODY, "both-turned"),
        ("two lengths", BODY, "lengths"),
        ("the same length twice", BODY, "lengths-same"),
        ("a list of lengths", BODY, "lengths-list"),
        ("a signed length", "RFC 9110 §8.6", "length-sign"),
        ("a negative length", "RFC 9110 §8.6", "length-negative"),
        ("a length in hexadecimal", "RFC 9110 §8.6", "length-hex"),
        ("an empty length", "RFC 9110 §8.6", "length-empty"),
        ("a length too large", "RFC 9110 §8.6", "length-huge"),
        ("an unknown coding", "RFC 9112 §6.1", "gzip"),
        ("a coding under chunked", "RFC 9112 §6.1", "gzip-chunked"),
        ("chunked twice", "RFC 9112 §6.1", "chunked-twice"),
        ("two codings", "RFC 9112 §6.1", "codings"),
        ("a coding nobody knows", "RFC 9112 §6.1", "coding-bad"),
        ("a coding in HTTP/1.0", "RFC 9112 §6.1", "1.0-chunked"),
        ("a folded field", "RFC 9112 §5.2", "fold"),
        ("NUL in a value", "RFC 9110 §5.5", "nul"),
        ("a bare CR", "RFC 9112 §2.2", "bare-cr"),
        ("no HTTP", "RFC 9112 §4", "no-http"),
        ("nothing", "RFC 9112 §8", "nothing"),
        ("half a head", "RFC 9112 §8", "half-head"),
        ("a status of four digits", "RFC 9112 §4", "status-bad"),
        ("a status that is no number", "RFC 9112 §4", "status-text"),
        ("an unknown version", "RFC 9112 §2.3", "version-bad"),
        ("an upgrade nobody asked for", "RFC 9110 §7.8", "101"),
    ] {
        cases.push(answered(name, rfc, answer).bad_gateway());
    }
    let ws = "GET {t}a/101-h2c HTTP/1.1\r\nHost: a.example\r\nConnection: upgrade\r\n\
              Upgrade: websocket\r\n\r\n";
    let other = Case::new("an upgrade to another protocol", "RFC 9110 §7.8", ws);
    cases.push(other.bad_gateway());
    for (name, answer) in [
        ("a chunk that is none", "chunk-bad"),
        ("chunks that end early", "chunk-short"),
        ("a body that ends early", "short"),
    ] {
        cases.push(answered(name, "RFC 9112 §8", answer).broken());
    }
    cases
}

fn whole() -> Vec<Case> {
    let head = |name: &str, rfc, answer: &str| {
        let send = format!("HEAD {{t}}a/{answer} HTTP/1.1\r\nHost: a.example\r\n\r\n");
        Case::new(name, rfc, send)
    };
    let (no_content, not_modified) = ("RFC 9110 §15.3.5", "RFC 9110 §15.4.5");
    vec![
        answered("204", no_content, "204").status(204).reads(""),
        answered("204 with a length", no_content, "204-length")
            .status(204)
            .not_gets("content-length"),
        answered("204 with a coding", no_content, "204-chunked").status(204),
        answered("204 with a body", no_content, "204-body")
            .status(204)
            .reads(""),
        answered("205", "RFC 9110 §15.3.6", "205")
            .status(205)
            .reads(""),
        answered("304", not_modified, "304")
            .status(304)
            .gets("etag", "\"x\""),
        answered("304 with a length", not_modified, "304-length").status(304),
        answered("304 with a body", not_modified, "304-body")
            .status(304)
            .reads(""),
        head("HEAD with a length", "RFC 9110 §9.3.2", "head-length")
            .gets("content-length", "12345"),
        head("HEAD with a body", "RFC 9110 §9.3.2", "head-body").reads(""),
        head("HEAD of nothing", "RFC 9110 §9.3.2", "204").status(204),
        answered("more than was told", BODY, "extra").reads("ok"),
        answered("100 before", "RFC 9110 §15.2.1", "100").reads("ok"),
        answered("102 before", "RFC 9110 §15.2", "102").reads("ok"),
        answered("103 before", "RFC 8297 §2", "103").reads("ok"),
    ]
}

/// Answers with bodies and fields.
fn bodies() -> Vec<Case> {
    let trailers = |name: &str, answer: &str| {
        let send = format!(
            "GET {{t}}a/{answer} HTTP/1.1\r\nHost: a.example\r\nTE: trailers\r\nConnection: te\r\n\r\n"
        );
        Case::new(name, "RFC 9110 §6.5.1", send)
    };
    vec![
        answered("chunks", "RFC 9112 §7.1", "chunked").reads("ok"),
        answered("chunk extensions", "RFC 9112 §7.1.1", "chunked-extension").reads("ok"),
        trailers("a trailer", "trailers")
            .reads("ok")
            .gets("x-sum", "7"),
        trailers("trailers that may not be", "trailers-bad")
            .reads("ok")
            .gets("x-sum", "7")
            .not_gets("set-cookie")
            .not_gets("content-length")
            .not_gets("anteroom-command"),
        answered("an end by closing", BODY, "close").reads("ok"),
        answered("HTTP/1.0", "RFC 9112 §2.3", "1.0").reads("ok"),
        answered("HTTP/1.0 with a length", "RFC 9112 §2.3", "1.0-length").reads("ok"),
        answered("leading zeros of a length", "RFC 9110 §8.6", "length-zero")
            .reads("ok")
            .gets("content-length", "2"),
        answered("a space before the colon", "RFC 9112 §5.1", "space-colon")
            .reads("ok")
            .gets("content-length", "2"),
        answered("fields of one connection", "RFC 9110 §7.6.1", "hops")
            .reads("ok")
            .gets("x-kept", "1")
            .not_gets("x-hop")
            .not_gets("keep-alive")
            .not_gets("proxy-connection")
            .not_gets("proxy-authenticate")
            .not_gets("upgrade")
            .not_gets("alt-svc"),
        answered("an unknown status", "RFC 9110 §15", "unknown")
            .status(299)
            .reads("ok"),
        answered("no reason", "RFC 9112 §4", "reason").reads("ok"),
        answered("two cookies", "RFC 9110 §5.3", "cookies").gets("set-cookie", "a=1"),
        answered("a refusal", "RFC 9110 §15.5.4", "early")
            .status(403)
            .reads("no"),
    ]
}
