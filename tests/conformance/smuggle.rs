//! What is known to be read in two ways, over HTTP/1.1: none of it may reach the origin but as one plain request.
//!
//! Every payload carries a second request to `{t}smuggled`. Whoever reads the first one's length in another way than
//! its sender did takes it for a request of its own, and its answer for that of whoever asks next.

use std::time::Duration;

use crate::front::Front;
use crate::play;
use crate::play::Talk;
use crate::play::filled;
use crate::wire;
use crate::wire::Message;

/// What is sent, and what it is known by.
#[derive(Debug, Clone)]
pub(crate) struct Payload {
    pub(crate) name: String,
    pub(crate) send: Vec<u8>,
}

/// Plays one payload: the origin may see what the strictest reader reads in it, and nothing else.
pub(crate) fn play(
    front: &Front,
    patience: Duration,
    payload: &Payload,
    id: &str,
) -> Result<(), String> {
    let (allowed, is_whole) = wire::read_all(&filled(&payload.send, id));
    let talk = Talk {
        send: &payload.send,
        answers: allowed.len().max(1),
        hangs_up: !is_whole,
    };
    let outcome = play::talk(front, patience, &talk, id);
    // They may have come in on several connections, so in any order.
    let mut left = allowed.clone();
    let mut more = Vec::new();
    for request in &outcome.requests {
        let is_same = |read: &Message| read.line == request.line && read.body == request.body;
        match left.iter().position(is_same) {
            Some(at) => drop(left.swap_remove(at)),
            None => more.push(request.line.as_str()),
        }
    }
    // The hidden one, if it is there: that is the worst.
    let hidden = more.iter().find(|line| line.contains("smuggled"));
    if let Some(line) = hidden.or(more.first()) {
        return Err(format!("unsafe: the origin saw {line:?}"));
    }
    if let Some(what) = outcome.heard.iter().find_map(|heard| heard.wrong_of(id)) {
        return Err(format!("unsafe: the origin saw {what}"));
    }
    for (read, answer) in allowed.iter().zip(&outcome.answers) {
        let own = read.line.strip_suffix(" HTTP/1.1").unwrap_or_default();
        match answer {
            Ok(answer) if answer.status() == 200 && answer.text() == own => {}
            Ok(answer) if answer.status() == 200 => {
                return Err(format!("poisoned: {:?} answers {own:?}", answer.text()));
            }
            other => return Err(format!("refused: {own:?} got {other:?}")),
        }
    }
    match &outcome.follow {
        None if outcome.hung => Err("hung: neither answered nor ended".to_owned()),
        None => Ok(()),
        Some(Ok(answer)) if answer.text() == format!("GET /{id}/follow") => Ok(()),
        Some(Ok(answer)) if answer.status() == 200 => Err(format!(
            "poisoned: {:?} answers what came next",
            answer.text()
        )),
        Some(_) => Ok(()),
    }
}

const HIDDEN: &str = "GET {t}smuggled HTTP/1.1\r\nHost: a.example\r\n\r\n";

pub(crate) fn payloads() -> Vec<Payload> {
    [
        codings(),
        lengths(),
        chunk_lines(),
        line_ends(),
        names(),
        requests(),
    ]
    .concat()
}

fn payload(name: impl Into<String>, send: impl Into<Vec<u8>>) -> Payload {
    Payload {
        name: name.into(),
        send: send.into(),
    }
}

/// A `POST` with these lines, whose body is over at once for one reader and holds a request for another.
fn post(name: impl Into<String>, lines: &[u8], body: &str) -> Payload {
    let mut send = b"POST {t} HTTP/1.1\r\nHost: a.example\r\n".to_vec();
    send.extend_from_slice(lines);
    send.extend_from_slice(b"\r\n");
    send.extend_from_slice(body.as_bytes());
    payload(name, send)
}

/// Spellings of `Transfer-Encoding: chunked` that some take for it and some do not.
const SPELLINGS: &[&[u8]] = &[
    b"Transfer-Encoding: chunked",
    b"Transfer-Encoding : chunked",
    b"Transfer-Encoding\t: chunked",
    b"Transfer-Encoding:\x0bchunked",
    b"Transfer-Encoding:\x0cchunked",
    b"Transfer-Encoding:\0chunked",
    b"Transfer-Encoding:\rchunked",
    b"Transfer-Encoding:\nchunked",
    b"Transfer-Encoding: chunked\0",
    b"Transfer-Encoding: chunked\r",
    b"Transfer-Encoding: chunked\x0b",
    b"Transfer-Encoding: chunked\xff",
    b"Transfer-Encoding: \xc2\xa0chunked",
    b"Transfer-Encoding: xchunked",
    b"Transfer-Encoding: chunkedx",
    b"Transfer-Encoding: chunk",
    b"Transfer-Encoding: \"chunked\"",
    b"Transfer-Encoding: 'chunked'",
    b"Transfer-Encoding: chunked;q=0.5",
    b"Transfer-Encoding: chunked ;x",
    b"Transfer-Encoding: chunked, identity",
    b"Transfer-Encoding: identity, chunked",
    b"Transfer-Encoding: identity",
    b"Transfer-Encoding: chunked, cow",
    b"Transfer-Encoding: cow, chunked",
    b"Transfer-Encoding: gzip, chunked",
    b"Transfer-Encoding: chunked, chunked",
    b"Transfer-Encoding: ,chunked",
    b"Transfer-Encoding: chunked,",
    b"Transfer-Encoding:",
    b"Transfer-Encoding: ,",
    b"Transfer-Encoding: chunked\r\nTransfer-Encoding: identity",
    b"Transfer-Encoding: identity\r\nTransfer-Encoding: chunked",
    b"Transfer-Encoding: chunked\r\nTransfer-Encoding: cow",
    b"Transfer-Encoding: chunked\r\nTransfer-Encoding: chunked",
    b"Transfer-Encoding: chunked\r\nTransfer-Encoding:",
    b"Transfer-Encoding:\r\n chunked",
    b"Transfer-Encoding: \r\n\tchunked",
    b"Transfer-Encoding: chunked\r\n , identity",
    b" Transfer-Encoding: chunked",
    b"\tTransfer-Encoding: chunked",
    b"X: y\nTransfer-Encoding: chunked",
    b"X: y\rTransfer-Encoding: chunked",
    b"X: y\r\n Transfer-Encoding: chunked",
    b"X:\0Transfer-Encoding: chunked",
    b"Transfer_Encoding: chunked",
    b"Transfer.Encoding: chunked",
    b"Transfer Encoding: chunked",
    b"Transfer-\xffEncoding: chunked",
    b"Transfer-Encoding\0: chunked",
    b"\0Transfer-Encoding: chunked",
    b"\xefTransfer-Encoding: chunked",
    b"(Transfer-Encoding: chunked",
    b"Transfer-Encoding= chunked",
    b"Transfer-Encoding chunked",
    b":Transfer-Encoding: chunked",
    b"TRANSFER-ENCODING: CHUNKED",
    b"tRANSFER-eNCODING:chunked",
    b"Transfer-Encoding:      chunked",
    b"Transfer-Encoding: chunked   ",
];

/// Each of them beside a length.
fn codings() -> Vec<Payload> {
    let body = format!("0\r\n\r\n{HIDDEN}");
    let mut payloads = Vec::new();
    for &spelling in SPELLINGS {
        let shown = spelling.escape_ascii();
        let length = format!("Content-Length: {}\r\n", filled_len(&body));
        let first = [spelling, b"\r\n".as_slice(), length.as_bytes()].concat();
        let last = [length.as_bytes(), spelling, b"\r\n"].concat();
        payloads.push(post(format!("{shown} before a length"), &first, &body));
        payloads.push(post(format!("{shown} after a length"), &last, &body));
        // Beside a length for the chunked reader: the other one takes what follows four bytes for a request.
        let hidden = format!("{:x}\r\n{HIDDEN}\r\n0\r\n\r\n", filled_len(HIDDEN));
        let short = [b"Content-Length: 4\r\n", spelling, b"\r\n"].concat();
        payloads.push(post(
            format!("{shown} after a short length"),
            &short,
            &hidden,
        ));
    }
    payloads
}

/// How long a text is once its paths are filled in.
fn filled_len(text: &str) -> usize {
    text.replace("{t}", "/s0000/").len()
}

/// Lengths that are read in two ways.
fn lengths() -> Vec<Payload> {
    let mut payloads = Vec::new();
    for length in [
        "+0",
        "-0",
        "-1",
        "0x0",
        "0,0",
        "0, 0",
        "0 0",
        "00x",
        "0;",
        "0.0",
        "0e1",
        "1e0",
        "\"0\"",
        "\u{b}0",
        "0\u{b}",
        "0\0",
        "\r\n 0",
        "\t\r\n\t0",
        "a",
        "9999999999999999999999",
        "18446744073709551616",
        "0,",
        ",0",
        "٠",
        "0\r0",
        "0\n1",
        " ",
        "",
    ] {
        let lines = format!("Content-Length: {length}\r\n");
        let shown = length.escape_default();
        payloads.push(post(
            format!("Content-Length: {shown}"),
            lines.as_bytes(),
            HIDDEN,
        ));
    }
    let full = filled_len(HIDDEN);
    for lines in [
        format!("Content-Length: 0\r\nContent-Length: {full}\r\n"),
        format!("Content-Length: {full}\r\nContent-Length: 0\r\n"),
        "Content-Length: 0\r\nContent-Length: 0\r\n".to_owned(),
        format!("Content-Length: 0, {full}\r\n"),
        format!("Content-Length : {full}\r\n"),
        format!("Content-Length\t: {full}\r\n"),
        format!(" Content-Length: {full}\r\n"),
        format!("X: y\r\n Content-Length: {full}\r\n"),
        format!("X: y\nContent-Length: {full}\r\n"),
        format!("X: y\rContent-Length: {full}\r\n"),
        format!("Content-Length: 0\nContent-Length: {full}\r\n"),
        format!("Content-Length\0: {full}\r\n"),
        format!("Content_Length: {full}\r\nContent-Length: 0\r\n"),
        format!("Content-Length: 0\r\nContent_Length: {full}\r\n"),
        format!("Content-Length: 0\r\nConnection: content-length\r\nContent-Length : {full}\r\n"),
        format!("Connection: content-length\r\nContent-Length: 0\r\nX: {full}\r\n"),
        "Connection: transfer-encoding\r\nTransfer-Encoding: chunked\r\nContent-Length: 9\r\n"
            .to_owned(),
    ] {
        let shown = lines.escape_default();
        payloads.push(post(format!("{shown}"), lines.as_bytes(), HIDDEN));
    }
    payloads
}

/// Chunks that end elsewhere for another reader.
fn chunk_lines() -> Vec<Payload> {
    let mut payloads = Vec::new();
    for body in [
        "0\n\n",
        "0\r\n\n",
        "0\n\r\n",
        "0\r\r\n\r\n",
        "0\r\n\r\r\n",
        "0 \r\n\r\n",
        "0\t\r\n\r\n",
        " 0\r\n\r\n",
        "+0\r\n\r\n",
        "-0\r\n\r\n",
        "0x0\r\n\r\n",
        "0\0\r\n\r\n",
        "0;\n\r\n\r\n",
        "0;a\nb\r\n\r\n",
        "0;a\rb\r\n\r\n",
        "0;\0\r\n\r\n",
        "0;\u{b}\r\n\r\n",
        "1\r\na0\r\n\r\n",
        "1\r\nab\r\n0\r\n\r\n",
        "1\r\na\n0\r\n\r\n",
        "1\r\na\r0\r\n\r\n",
        "1\na\r\n0\r\n\r\n",
        "1\ra\r\n0\r\n\r\n",
        "2\r\na\r\n0\r\n\r\n",
        "10000000000000000\r\na\r\n0\r\n\r\n",
        "100000001\r\na\r\n0\r\n\r\n",
        "ffffffffffffffff\r\na\r\n0\r\n\r\n",
        "fffffffffffffffff\r\na\r\n0\r\n\r\n",
        "0_0\r\n\r\n",
        "0.0\r\n\r\n",
        "\r\n0\r\n\r\n",
        "\n0\r\n\r\n",
        "1\r\na\r\n\r\n0\r\n\r\n",
        "0,0\r\n\r\n",
        "g\r\n\r\n",
        "0\r\nContent-Length : 5\r\n\r\n",
        "0\r\nX\r\n\r\n",
        "0\r\n X: 1\r\n\r\n",
        "0\r\nX: 1\n\r\n",
        "0\r\nX: a\0\r\n\r\n",
        "0\r\nX: 1\r\r\n\r\n",
        "0\r\n: 1\r\n\r\n",
    ] {
        let body = format!("{body}{HIDDEN}");
        let name = format!("chunks {}", body.escape_default());
        payloads.push(post(name, b"Transfer-Encoding: chunked\r\n", &body));
    }
    payloads
}

/// Heads that end elsewhere for another reader.
fn line_ends() -> Vec<Payload> {
    let mut payloads = Vec::new();
    for end in [
        "\n\n",
        "\r\n\n",
        "\n\r\n",
        "\r\r",
        "\r\r\n\r\n",
        "\n\r\n\r",
        "\r\n\r\r\n",
        "\r\n \r\n",
        "\r\n\t\r\n",
        "\r\n\u{b}\r\n",
        "\r\n\0\r\n",
        "\u{85}\u{85}",
        "\u{2028}\u{2028}",
        "\u{d8d}\u{d8a}",
        "\\r\\n\\r\\n",
        "%0d%0a%0d%0a",
    ] {
        let send = format!("GET {{t}} HTTP/1.1\r\nHost: a.example\r\nX: y{end}{HIDDEN}");
        payloads.push(payload(
            format!("a head that ends with {}", end.escape_default()),
            send,
        ));
        let send = format!("GET {{t}} HTTP/1.1{end}{HIDDEN}");
        payloads.push(payload(
            format!("a line that ends with {}", end.escape_default()),
            send,
        ));
    }
    payloads
}

/// Names that are taken for others.
fn names() -> Vec<Payload> {
    let mut payloads = Vec::new();
    for line in [
        "Host: a.example\r\nHost: b.example",
        "Host: a.example\r\n Host: b.example",
        "Host : b.example",
        "Host: a.example\0.b.example",
        "Host: a.example\u{b}",
        "Host: a.example, b.example",
        "Host: a.example/../b",
        "Host: a.example@b.example",
        "Host: a.example#b",
        "Host: a.example?b",
        "Host: a.example\\b",
        "Host: a b",
        "Host: [a.example",
        "Host: a.example:80:80",
        "Host: a.example:80a",
        "Host: a.example\nX: y",
        "Host: a.example\rX: y",
        "Host:",
        "\0Host: a.example",
        "Host\0: a.example",
        "H\u{f6}st: a.example",
        "Host= a.example",
        "X: y",
    ] {
        let send = format!("GET {{t}} HTTP/1.1\r\n{line}\r\nContent-Length: 0\r\n\r\n{HIDDEN}");
        payloads.push(payload(line.escape_default().to_string(), send));
    }
    payloads
}

/// Request lines that are two.
fn requests() -> Vec<Payload> {
    let mut payloads = Vec::new();
    for line in [
        "GET {t} HTTP/1.1\nX: GET {t}smuggled HTTP/1.1",
        "GET {t} HTTP/1.1\rGET {t}smuggled HTTP/1.1",
        "GET {t} HTTP/1.1 GET {t}smuggled HTTP/1.1",
        "GET {t}\nGET {t}smuggled HTTP/1.1",
        "GET {t}\r\nGET {t}smuggled HTTP/1.1",
        "GET {t}\0 HTTP/1.1",
        "GET {t} HTTP/0.9",
        "GET {t} HTTP/1.1\0",
        "GET\0{t} HTTP/1.1",
        "GET {t}\u{b}HTTP/1.1",
        "GET {t} HTTP/1.1\u{b}",
        "GET {t} HTTP/2.0",
        "GET {t} HTTP/1.1\r\nGET {t}smuggled HTTP/1.1",
        "PRI {t} HTTP/2.0",
        "GET {t}#{t}smuggled HTTP/1.1",
        "GET a.example{t} HTTP/1.1",
        "GET ://a.example{t} HTTP/1.1",
        "GET http://a.example@b.example{t} HTTP/1.1",
        "GET http:/x{t} HTTP/1.1",
        "GET http:a.example{t} HTTP/1.1",
        "GET //a.example@{t} HTTP/9.9",
        "CONNECT a.example:80 HTTP/1.1",
        "CONNECT {t} HTTP/1.1",
    ] {
        let send = format!("{line}\r\nHost: a.example\r\nContent-Length: 0\r\n\r\n{HIDDEN}");
        payloads.push(payload(line.escape_default().to_string(), send));
    }
    payloads
}
