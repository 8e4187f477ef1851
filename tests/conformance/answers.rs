//! What the origin answers, by the name in the path: `/{id}/a/{name}`.

use std::io;
use std::io::Write;
use std::net::TcpStream;

use crate::wire::Message;

pub(crate) const BAD: &[u8] =
    b"HTTP/1.1 400 Bad Request\r\ncontent-length: 0\r\nconnection: close\r\n\r\n";

/// By name: the bytes, and whether the connection goes on afterwards.
const ANSWERS: &[(&str, &[u8], bool)] = &[
    ("204", b"HTTP/1.1 204 No Content\r\n\r\n", true),
    ("204-length", b"HTTP/1.1 204 No Content\r\ncontent-length: 5\r\n\r\n", true),
    ("204-chunked", b"HTTP/1.1 204 No Content\r\ntransfer-encoding: chunked\r\n\r\n", true),
    ("204-body", b"HTTP/1.1 204 No Content\r\ncontent-length: 51\r\n\r\nHTTP/1.1 200 OK\r\ncontent-length: 6\r\n\r\npoison", true),
    ("205", b"HTTP/1.1 205 Reset Content\r\ncontent-length: 0\r\n\r\n", true),
    ("304", b"HTTP/1.1 304 Not Modified\r\netag: \"x\"\r\n\r\n", true),
    ("304-length", b"HTTP/1.1 304 Not Modified\r\ncontent-length: 5\r\netag: \"x\"\r\n\r\n", true),
    ("304-body", b"HTTP/1.1 304 Not Modified\r\netag: \"x\"\r\n\r\nHTTP/1.1 200 OK\r\ncontent-length: 6\r\n\r\npoison", true),
    ("head-length", b"HTTP/1.1 200 OK\r\ncontent-length: 12345\r\netag: \"x\"\r\n\r\n", true),
    ("head-body", b"HTTP/1.1 200 OK\r\ncontent-length: 43\r\n\r\nHTTP/1.1 200 OK\r\ncontent-length: 6\r\n\r\npoison", true),
    ("extra", b"HTTP/1.1 200 OK\r\ncontent-length: 2\r\n\r\nokHTTP/1.1 200 OK\r\ncontent-length: 6\r\n\r\npoison", true),
    ("100", b"HTTP/1.1 100 Continue\r\n\r\nHTTP/1.1 200 OK\r\ncontent-length: 2\r\n\r\nok", true),
    ("102", b"HTTP/1.1 102 Processing\r\n\r\nHTTP/1.1 102 Processing\r\n\r\nHTTP/1.1 200 OK\r\ncontent-length: 2\r\n\r\nok", true),
    ("103", b"HTTP/1.1 103 Early Hints\r\nlink: </a.css>; rel=preload\r\n\r\nHTTP/1.1 200 OK\r\ncontent-length: 2\r\n\r\nok", true),
    ("101", b"HTTP/1.1 101 Switching Protocols\r\nconnection: upgrade\r\nupgrade: websocket\r\n\r\n", false),
    ("101-h2c", b"HTTP/1.1 101 Switching Protocols\r\nconnection: upgrade\r\nupgrade: h2c\r\n\r\n", false),
    ("chunked", b"HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n2\r\nok\r\n0\r\n\r\n", true),
    ("chunked-extension", b"HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n2;a=b;c=\"d\"\r\nok\r\n0;e\r\n\r\n", true),
    ("trailers", b"HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\ntrailer: x-sum\r\n\r\n2\r\nok\r\n0\r\nx-sum: 7\r\n\r\n", true),
    ("trailers-bad", b"HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\ntrailer: x-sum, content-length, set-cookie, anteroom-command, connection\r\n\r\n2\r\nok\r\n0\r\nx-sum: 7\r\ncontent-length: 9\r\nset-cookie: a=b\r\nanteroom-command: finish\r\nconnection: close\r\n\r\n", true),
    ("close", b"HTTP/1.1 200 OK\r\nconnection: close\r\n\r\nok", false),
    ("1.0", b"HTTP/1.0 200 OK\r\n\r\nok", false),
    ("1.0-length", b"HTTP/1.0 200 OK\r\ncontent-length: 2\r\n\r\nok", false),
    ("1.0-chunked", b"HTTP/1.0 200 OK\r\ntransfer-encoding: chunked\r\n\r\n2\r\nok\r\n0\r\n\r\n", false),
    ("both", b"HTTP/1.1 200 OK\r\ncontent-length: 2\r\ntransfer-encoding: chunked\r\n\r\n2\r\nok\r\n0\r\n\r\n", true),
    ("both-turned", b"HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\ncontent-length: 2\r\n\r\n2\r\nok\r\n0\r\n\r\n", true),
    ("lengths", b"HTTP/1.1 200 OK\r\ncontent-length: 2\r\ncontent-length: 3\r\n\r\nok!", true),
    ("lengths-same", b"HTTP/1.1 200 OK\r\ncontent-length: 2\r\ncontent-length: 2\r\n\r\nok", true),
    ("lengths-list", b"HTTP/1.1 200 OK\r\ncontent-length: 2, 2\r\n\r\nok", true),
    ("length-sign", b"HTTP/1.1 200 OK\r\ncontent-length: +2\r\n\r\nok", true),
    ("length-negative", b"HTTP/1.1 200 OK\r\ncontent-length: -1\r\n\r\nok", true),
    ("length-hex", b"HTTP/1.1 200 OK\r\ncontent-length: 0x2\r\n\r\nok", true),
    ("length-empty", b"HTTP/1.1 200 OK\r\ncontent-length:\r\n\r\nok", true),
    ("length-zero", b"HTTP/1.1 200 OK\r\ncontent-length: 002\r\n\r\nok", true),
    ("length-huge", b"HTTP/1.1 200 OK\r\ncontent-length: 99999999999999999999\r\n\r\nok", true),
    ("gzip", b"HTTP/1.1 200 OK\r\ntransfer-encoding: gzip\r\n\r\nok", false),
    ("gzip-chunked", b"HTTP/1.1 200 OK\r\ntransfer-encoding: gzip, chunked\r\n\r\n2\r\nok\r\n0\r\n\r\n", true),
    ("chunked-twice", b"HTTP/1.1 200 OK\r\ntransfer-encoding: chunked, chunked\r\n\r\n2\r\nok\r\n0\r\n\r\n", true),
    ("codings", b"HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\ntransfer-encoding: chunked\r\n\r\n2\r\nok\r\n0\r\n\r\n", true),
    ("coding-bad", b"HTTP/1.1 200 OK\r\ntransfer-encoding: xchunked\r\n\r\n2\r\nok\r\n0\r\n\r\n", true),
    ("chunk-bad", b"HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n2\r\nok\r\nzz\r\n\r\n", true),
    ("chunk-short", b"HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n5\r\nok", false),
    ("short", b"HTTP/1.1 200 OK\r\ncontent-length: 5\r\n\r\nok", false),
    ("fold", b"HTTP/1.1 200 OK\r\nx-a: 1\r\n 2\r\ncontent-length: 2\r\n\r\nok", true),
    ("space-colon", b"HTTP/1.1 200 OK\r\ncontent-length : 2\r\n\r\nok", true),
    ("nul", b"HTTP/1.1 200 OK\r\nx-a: a\0b\r\ncontent-length: 2\r\n\r\nok", true),
    ("bare-cr", b"HTTP/1.1 200 OK\r\nx-a: a\rx-b: 1\r\ncontent-length: 2\r\n\r\nok", true),
    ("no-http", b"hello, this is no HTTP\r\n\r\n", false),
    ("nothing", b"", false),
    ("half-head", b"HTTP/1.1 200 OK\r\nx-a: 1\r\n", false),
    ("status-bad", b"HTTP/1.1 2000 OK\r\ncontent-length: 2\r\n\r\nok", true),
    ("status-text", b"HTTP/1.1 abc OK\r\ncontent-length: 2\r\n\r\nok", true),
    ("version-bad", b"HTTP/3.0 200 OK\r\ncontent-length: 2\r\n\r\nok", true),
    ("hops", b"HTTP/1.1 200 OK\r\nconnection: x-hop, keep-alive\r\nx-hop: 1\r\nkeep-alive: timeout=5\r\nproxy-connection: keep-alive\r\nproxy-authenticate: Basic\r\nupgrade: h2c\r\nalt-svc: h3=\":443\"\r\nx-kept: 1\r\ncontent-length: 2\r\n\r\nok", true),
    ("unknown", b"HTTP/1.1 299 Odd\r\ncontent-length: 2\r\n\r\nok", true),
    ("reason", b"HTTP/1.1 200 \r\ncontent-length: 2\r\n\r\nok", true),
    ("cookies", b"HTTP/1.1 200 OK\r\nset-cookie: a=1\r\nset-cookie: b=2\r\ncontent-length: 2\r\n\r\nok", true),
    ("early", b"HTTP/1.1 403 Forbidden\r\ncontent-length: 2\r\n\r\nno", true),
];

/// Answers one request; whether another may follow.
pub(crate) fn answer(stream: &mut TcpStream, request: &Message) -> io::Result<bool> {
    let mut words = request.line.split(' ');
    let (method, target) = (
        words.next().unwrap_or_default(),
        words.next().unwrap_or_default(),
    );
    let named = target.split_once("/a/").map(|(_, name)| name);
    let known = ANSWERS.iter().find(|(name, ..)| Some(*name) == named);
    if let Some((_, bytes, goes_on)) = known {
        stream.write_all(bytes)?;
        return Ok(*goes_on);
    }
    let seen = format!("{method} {target}");
    let mut text = format!(
        "HTTP/1.1 200 OK\r\ncontent-length: {}\r\nx-seen: {seen}\r\n\r\n",
        seen.len()
    );
    if method != "HEAD" {
        text.push_str(&seen);
    }
    stream.write_all(text.as_bytes())?;
    Ok(!request.closes())
}

/// What is said once the head is here and the body is not: to go on, or not to.
pub(crate) fn before_body(bytes: &[u8]) -> Option<(&'static [u8], bool)> {
    let end = bytes.windows(4).position(|end| end == b"\r\n\r\n")?;
    let head = String::from_utf8_lossy(&bytes[..end]).to_ascii_lowercase();
    if !head.contains("expect: 100-continue") {
        return None;
    }
    if head.contains("/a/refuses ") {
        let refusal = b"HTTP/1.1 403 Forbidden\r\ncontent-length: 2\r\nconnection: close\r\n\r\nno";
        return Some((refusal, false));
    }
    Some((b"HTTP/1.1 100 Continue\r\n\r\n", true))
}
