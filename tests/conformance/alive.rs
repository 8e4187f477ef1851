//! One connection and many requests: pipelining, persistence, and where it ends.

use crate::case::Case;
use crate::case::cut;
use crate::case::refused;

const PIPELINE: &str = "RFC 9112 §9.3.2";
const PERSIST: &str = "RFC 9112 §9.3";

const GET: &str = "GET {t} HTTP/1.1\r\nHost: a.example\r\n\r\n";
const POST: &str = "POST {t} HTTP/1.1\r\nHost: a.example\r\nContent-Length: 5\r\n\r\nhello";
const CHUNKED: &str = "POST {t} HTTP/1.1\r\nHost: a.example\r\nTransfer-Encoding: chunked\r\n\r\n\
                   3\r\nhel\r\n2;x\r\nlo\r\n0\r\n\r\n";
const TRAILERS: &str = "POST {t} HTTP/1.1\r\nHost: a.example\r\nTransfer-Encoding: chunked\r\n\r\n\
                    5\r\nhello\r\n0\r\nX-A: 1\r\nX-B: 2\r\n\r\n";
const CLOSING: &str = "GET {t} HTTP/1.1\r\nHost: a.example\r\nConnection: close\r\n\r\n";
const BAD: &str = "GET {t} HTTP/1.1\r\nHost: a.example\r\nX : 1\r\n\r\n";
const BOTH: &str = "POST {t}x HTTP/1.1\r\nHost: a.example\r\nContent-Length: 5\r\n\
                Transfer-Encoding: chunked\r\n\r\n0\r\n\r\n";

/// Requests that are sent in one piece.
const TRAINS: &[(&str, &[&str])] = &[
    ("two GET", &[GET, GET]),
    ("GET and POST", &[GET, POST]),
    ("POST and GET", &[POST, GET]),
    ("POST and POST", &[POST, POST]),
    ("chunks and GET", &[CHUNKED, GET]),
    ("chunks and chunks", &[CHUNKED, CHUNKED]),
    ("POST and chunks", &[POST, CHUNKED]),
    ("chunks and POST", &[CHUNKED, POST]),
    ("GET and chunks", &[GET, CHUNKED]),
    ("trailers and chunks", &[TRAILERS, CHUNKED, TRAILERS]),
    (
        "all kinds",
        &[GET, POST, CHUNKED, TRAILERS, GET, CHUNKED, POST, GET],
    ),
    ("twenty", &[GET; 20]),
    ("twenty in chunks", &[CHUNKED; 20]),
];

pub(crate) fn cases() -> Vec<Case> {
    let mut cases = Vec::new();
    for (name, requests) in TRAINS {
        let case = Case::new(*name, PIPELINE, requests.concat());
        cases.push(case.times(requests.len()));
    }
    cases.extend(ends());
    cases
}

/// Where the connection ends, or has to.
fn ends() -> Vec<Case> {
    let mut cases = Vec::new();
    let empty_lines = format!("{POST}\r\n{GET}\r\n\r\n{CHUNKED}\r\n{CHUNKED}");
    let empty_lines = Case::new("empty lines between", "RFC 9112 §2.2", empty_lines);
    cases.push(empty_lines.times(4));
    let last = Case::new(
        "close in between",
        "RFC 9112 §9.6",
        format!("{GET}{CLOSING}"),
    );
    cases.push(last.times(2).closes());
    let after = Case::new(
        "nothing after close",
        "RFC 9112 §9.6",
        format!("{CLOSING}{GET}"),
    );
    cases.push(after.closes());
    let keeps = "GET {t} HTTP/1.0\r\nHost: a.example\r\nConnection: keep-alive\r\n\r\n";
    cases.push(Case::new("HTTP/1.0 that stays", PERSIST, keeps));
    let one = Case::new(
        "HTTP/1.0 and more",
        PERSIST,
        "GET {t} HTTP/1.0\r\nHost: a\r\n\r\nGET {t} HTTP/1.0\r\n\r\n",
    );
    cases.push(one.closes());
    cases.push(refused(Case::new(
        "a bad request first",
        PIPELINE,
        format!("{BAD}{GET}"),
    )));
    cases.push(
        Case::new(
            "a good request before two lengths",
            PIPELINE,
            format!("{CHUNKED}{BOTH}"),
        )
        .good_before_bad(),
    );
    cases.push(
        Case::new(
            "a good request before a bare LF",
            PIPELINE,
            format!("{GET}GET {{t}}x HTTP/1.1\nHost: a\n\n"),
        )
        .good_before_bad(),
    );
    cases.push(
        Case::new(
            "a good request before a bad one",
            PIPELINE,
            format!("{GET}{BAD}"),
        )
        .good_before_bad(),
    );
    for (name, half) in [
        ("half a head", "GET {t} HTTP/1.1\r\nHost: a.exa"),
        (
            "a head without its end",
            "GET {t} HTTP/1.1\r\nHost: a.example\r\n",
        ),
        (
            "half a body",
            "POST {t} HTTP/1.1\r\nHost: a.example\r\nContent-Length: 9\r\n\r\nhell",
        ),
    ] {
        cases.push(cut(Case::new(name, "RFC 9112 §8", half).hangs_up()));
    }
    cases
}
