//! Where a request's body ends: lengths, codings and chunks.

use crate::case::Case;
use crate::case::chunked;
use crate::case::cut;
use crate::case::post;
use crate::case::refused;
use crate::case::refused_with;

const LENGTH: &str = "RFC 9110 §8.6";
const CODING: &str = "RFC 9112 §6.1";
const BODY: &str = "RFC 9112 §6.3";
const CHUNKS: &str = "RFC 9112 §7.1";
const EXTENSION: &str = "RFC 9112 §7.1.1";
const TRAILER: &str = "RFC 9110 §6.5.1";

const LENGTHS: &[&str] = &[
    "",
    "+5",
    "-5",
    "5 5",
    "0x5",
    "5;",
    "five",
    "5.0",
    "5e0",
    "5,5",
    "5, 5",
    "5, 6",
    ",5",
    "5,",
    "\"5\"",
    "18446744073709551616",
    "99999999999999999999999999",
    "5\x0b",
    "\u{665}",
    "18446744073709551615",
];

const CODINGS: &[&str] = &[
    "",
    "identity",
    "gzip",
    "gzip, chunked",
    "chunked, gzip",
    "chunked, chunked",
    "chunked,",
    ", chunked",
    "xchunked",
    "chunkedx",
    "chunked;q=1",
    "\"chunked\"",
    "chunked chunked",
    "\x0bchunked",
    "chun ked",
    "cow",
    "trailers",
];

pub(crate) fn cases() -> Vec<Case> {
    let mut cases = valid();
    for length in LENGTHS {
        let lines = format!("Content-Length: {length}\r\n");
        let name = format!("Content-Length {length:?}");
        cases.push(refused_with(
            post(&name, LENGTH, &lines, "hello"),
            &[400, 413, 431],
        ));
    }
    for coding in CODINGS {
        let lines = format!("Transfer-Encoding: {coding}\r\n");
        let name = format!("Transfer-Encoding {coding:?}");
        let case = post(&name, CODING, &lines, "5\r\nhello\r\n0\r\n\r\n");
        cases.push(refused_with(case, &[400, 501]));
    }
    let (length, coding) = ("Content-Length: 5\r\n", "Transfer-Encoding: chunked\r\n");
    let body = "5\r\nhello\r\n0\r\n\r\n";
    for (name, lines) in [
        ("a length and a coding", format!("{length}{coding}")),
        ("a coding and a length", format!("{coding}{length}")),
        (
            "a coding, and a length in upper case",
            format!("{coding}CONTENT-LENGTH: 5\r\n"),
        ),
        (
            "a length of nothing and a coding",
            format!("Content-Length: 0\r\n{coding}"),
        ),
        (
            "a bad length and a coding",
            format!("{coding}Content-Length: x\r\n"),
        ),
        ("a coding twice", format!("{coding}{coding}")),
        (
            "a coding and another",
            format!("{coding}Transfer-Encoding: gzip\r\n"),
        ),
        (
            "another and a coding",
            format!("Transfer-Encoding: identity\r\n{coding}"),
        ),
        ("two lengths", format!("{length}Content-Length: 6\r\n")),
        ("the same length twice", format!("{length}{length}")),
        (
            "lengths that are the same number",
            format!("{length}Content-Length: 05\r\n"),
        ),
    ] {
        cases.push(refused_with(post(name, BODY, &lines, body), &[400, 501]));
    }
    let old = "POST {t} HTTP/1.0\r\nHost: a.example\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n";
    cases.push(refused(Case::new("a coding in HTTP/1.0", CODING, old)));
    let trace = "TRACE {t} HTTP/1.1\r\nHost: a.example\r\nContent-Length: 5\r\n\r\nhello";
    cases.push(refused(Case::new(
        "TRACE with a body",
        "RFC 9110 §9.3.8",
        trace,
    )));
    let short = post("a body too short", BODY, "Content-Length: 50\r\n", "hello");
    cases.push(cut(short.hangs_up()));
    cases
}

fn valid() -> Vec<Case> {
    let length = "Content-Length: 5\r\n";
    let method = |name: &str, method: &str, lines: &str, body: &str| {
        let send = format!("{method} {{t}} HTTP/1.1\r\nHost: a.example\r\n{lines}\r\n{body}");
        Case::new(name, "RFC 9110 §9.3.1", send)
    };
    let coding = "Transfer-Encoding: chunked\r\n";
    let body = "5\r\nhello\r\n0\r\n\r\n";
    vec![
        post("a body", LENGTH, length, "hello")
            .body("hello")
            .has("content-length", "5"),
        post("no body", LENGTH, "Content-Length: 0\r\n", "")
            .body("")
            .has("content-length", "0"),
        post("neither length nor coding", BODY, "", "").body(""),
        post("leading zeros", LENGTH, "Content-Length: 005\r\n", "hello")
            .body("hello")
            .has("content-length", "5"),
        post("zeros only", LENGTH, "Content-Length: 00\r\n", "")
            .body("")
            .has("content-length", "0"),
        post(
            "space around a length",
            LENGTH,
            "Content-Length: \t5 \r\n",
            "hello",
        )
        .body("hello"),
        post("CR LF in a body", BODY, "Content-Length: 4\r\n", "\r\n\r\n").body("\r\n\r\n"),
        post(
            "a request in a body",
            BODY,
            "Content-Length: 18\r\n",
            "GET / HTTP/1.1\r\n\r\n",
        )
        .body("GET / HTTP/1.1\r\n\r\n"),
        post(
            "a coding in upper case",
            CODING,
            "Transfer-Encoding: CHUNKED\r\n",
            body,
        )
        .body("hello"),
        post(
            "space around a coding",
            CODING,
            "Transfer-Encoding: \tchunked \r\n",
            body,
        )
        .body("hello"),
        method("GET with a body", "GET", length, "hello").body("hello"),
        method("GET in chunks", "GET", coding, body).body("hello"),
        method("HEAD with a body", "HEAD", length, "hello").body("hello"),
        method("HEAD in chunks", "HEAD", coding, body).body("hello"),
        method("DELETE with a body", "DELETE", length, "hello").body("hello"),
        method("DELETE in chunks", "DELETE", coding, body).body("hello"),
        method("OPTIONS with a body", "OPTIONS", length, "hello").body("hello"),
        method("an unknown method in chunks", "REPORT", coding, body).body("hello"),
        post(
            "content coding",
            "RFC 9110 §8.4",
            "Content-Encoding: gzip\r\nContent-Length: 2\r\n",
            "\u{e9}",
        )
        .body("\u{e9}")
        .has("content-encoding", "gzip"),
    ]
}

const NO_TRAILERS: &[&str] = &[
    "Host",
    "Content-Length",
    "Transfer-Encoding",
    "Cookie",
    "Authorization",
    "Connection",
    "Content-Type",
    "Content-Encoding",
    "Expect",
    "Max-Forwards",
    "TE",
    "Trailer",
    "Anteroom-Visitor",
    "X-Forwarded-For",
    "Forwarded",
];

const NO_CHUNKS: &[(&str, &str, &str)] = &[
    ("a sign", CHUNKS, "+5\r\nhello\r\n0\r\n\r\n"),
    ("a negative size", CHUNKS, "-5\r\nhello\r\n0\r\n\r\n"),
    ("0x", CHUNKS, "0x5\r\nhello\r\n0\r\n\r\n"),
    ("no size", CHUNKS, "\r\nhello\r\n0\r\n\r\n"),
    (
        "a size that is no number",
        CHUNKS,
        "zz\r\nhello\r\n0\r\n\r\n",
    ),
    (
        "a space before the size",
        CHUNKS,
        " 5\r\nhello\r\n0\r\n\r\n",
    ),
    ("a space after the size", CHUNKS, "5 \r\nhello\r\n0\r\n\r\n"),
    (
        "an underscore in the size",
        CHUNKS,
        "0_5\r\nhello\r\n0\r\n\r\n",
    ),
    ("a comma in the size", CHUNKS, "5,5\r\nhello\r\n0\r\n\r\n"),
    (
        "a size too large",
        CHUNKS,
        "10000000000000005\r\nhello\r\n0\r\n\r\n",
    ),
    (
        "the largest size and more",
        CHUNKS,
        "ffffffffffffffff5\r\nhello\r\n0\r\n\r\n",
    ),
    (
        "a hundred zeros",
        CHUNKS,
        "0000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000005\r\nhello\r\n0\r\n\r\n",
    ),
    ("NUL after the size", CHUNKS, "5\0\r\nhello\r\n0\r\n\r\n"),
    ("a bare LF after the size", CHUNKS, "5\nhello\r\n0\r\n\r\n"),
    ("a bare CR after the size", CHUNKS, "5\rhello\r\n0\r\n\r\n"),
    ("a bare LF after a chunk", CHUNKS, "5\r\nhello\n0\r\n\r\n"),
    ("no end of a chunk", CHUNKS, "5\r\nhello0\r\n\r\n"),
    (
        "a chunk longer than its size",
        CHUNKS,
        "4\r\nhello\r\n0\r\n\r\n",
    ),
    (
        "a bare LF after the last chunk",
        CHUNKS,
        "5\r\nhello\r\n0\n\r\n",
    ),
    ("a bare LF at the end", CHUNKS, "5\r\nhello\r\n0\r\n\nx\r\n"),
    (
        "a bare LF in an extension",
        EXTENSION,
        "5;a\nb\r\nhello\r\n0\r\n\r\n",
    ),
    (
        "a bare CR in an extension",
        EXTENSION,
        "5;a\rb\r\nhello\r\n0\r\n\r\n",
    ),
    (
        "NUL in an extension",
        EXTENSION,
        "5;a\0b\r\nhello\r\n0\r\n\r\n",
    ),
    (
        "a control in an extension",
        EXTENSION,
        "5;a\x01b\r\nhello\r\n0\r\n\r\n",
    ),
    (
        "a trailer without a colon",
        TRAILER,
        "5\r\nhello\r\n0\r\nX-Sum\r\n\r\n",
    ),
    (
        "a trailer that is folded",
        TRAILER,
        "5\r\nhello\r\n0\r\nX-Sum: 7\r\n 8\r\n\r\n",
    ),
    (
        "a space before a trailer's colon",
        TRAILER,
        "5\r\nhello\r\n0\r\nX-Sum : 7\r\n\r\n",
    ),
    (
        "a bare LF ends a trailer",
        TRAILER,
        "5\r\nhello\r\n0\r\nX-Sum: 7\nX-A: 1\r\n\r\n",
    ),
    (
        "NUL in a trailer",
        TRAILER,
        "5\r\nhello\r\n0\r\nX-Sum: \0\r\n\r\n",
    ),
];

/// The chunked coding.
pub(crate) fn chunks() -> Vec<Case> {
    let mut cases = valid_chunks();
    for name in NO_TRAILERS {
        let lines = format!("Transfer-Encoding: chunked\r\nTrailer: {name}, X-Sum\r\n");
        let body = format!("5\r\nhello\r\n0\r\n{name}: 1\r\nX-Sum: 7\r\n\r\n");
        let case = post(&format!("{name} as a trailer"), TRAILER, &lines, &body);
        // Which of them are there at all is for the parser at the origin to say.
        cases.push(
            case.body("hello")
                .trailer("x-sum", "7")
                .no_trailer("anteroom-visitor"),
        );
    }
    for (name, rfc, body) in NO_CHUNKS {
        cases.push(cut(chunked(name, rfc, body)));
    }
    let long = format!("5;{}\r\nhello\r\n0\r\n\r\n", "x".repeat(20_000));
    cases.push(cut(chunked("an endless extension", EXTENSION, &long)));
    let many = format!("5\r\nhello\r\n0\r\n{}\r\n", "X-A: 1\r\n".repeat(5_000));
    cases.push(cut(chunked("endless trailers", TRAILER, &many)));
    for body in ["5\r\nhel", "5\r\nhello\r\n", "5\r\nhello\r\n0\r\n", "5", ""] {
        let name = format!("chunks that end at {body:?}");
        cases.push(cut(chunked(&name, "RFC 9112 §8", body).hangs_up()));
    }
    cases
}

fn valid_chunks() -> Vec<Case> {
    vec![
        chunked("one chunk", CHUNKS, "5\r\nhello\r\n0\r\n\r\n").body("hello"),
        chunked(
            "many chunks",
            CHUNKS,
            "1\r\nh\r\n3\r\nell\r\n1\r\no\r\n0\r\n\r\n",
        )
        .body("hello"),
        chunked("no chunk", CHUNKS, "0\r\n\r\n").body(""),
        chunked(
            "a size in lower case",
            CHUNKS,
            "a\r\n0123456789\r\n0\r\n\r\n",
        )
        .body("0123456789"),
        chunked(
            "a size in upper case",
            CHUNKS,
            "A\r\n0123456789\r\n0\r\n\r\n",
        )
        .body("0123456789"),
        chunked(
            "leading zeros of a size",
            CHUNKS,
            "0005\r\nhello\r\n0\r\n\r\n",
        )
        .body("hello"),
        chunked(
            "many zeros at the end",
            CHUNKS,
            "5\r\nhello\r\n0000\r\n\r\n",
        )
        .body("hello"),
        chunked("CR LF in a chunk", CHUNKS, "4\r\n\r\n\r\n\r\n0\r\n\r\n").body("\r\n\r\n"),
        chunked("an extension", EXTENSION, "5;a\r\nhello\r\n0\r\n\r\n").body("hello"),
        chunked(
            "an extension with a value",
            EXTENSION,
            "5;a=b;c=d\r\nhello\r\n0;e=f\r\n\r\n",
        )
        .body("hello"),
        chunked(
            "an extension in quotes",
            EXTENSION,
            "5;a=\"b;\\\" c\"\r\nhello\r\n0\r\n\r\n",
        )
        .body("hello"),
        chunked(
            "spaces around an extension",
            EXTENSION,
            "5 ; a = b\r\nhello\r\n0\r\n\r\n",
        )
        .body("hello"),
        chunked("a trailer", TRAILER, "5\r\nhello\r\n0\r\nX-Sum: 7\r\n\r\n").body("hello"),
        post(
            "a trailer that was announced",
            TRAILER,
            "Transfer-Encoding: chunked\r\nTrailer: X-Sum\r\n",
            "5\r\nhello\r\n0\r\nX-Sum: 7\r\n\r\n",
        )
        .body("hello")
        .trailer("x-sum", "7"),
    ]
}
