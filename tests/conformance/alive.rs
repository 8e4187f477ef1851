//! One connection and many requests: pipelining, persistence, and where it ends.

use crate::case::Case;
use crate::case::cut;
use crate::case::refused;

const PIPELINE: &str = "RFC 9112 §9.3.2";
const PERSIST: &str = "RFC 9112 §9.3";

pub(crate) fn cases() -> Vec<Case> {
    let get = "GET {t} HTTP/1.1\r\nHost: a.example\r\n\r\n";
    let post = "POST {t} HTTP/1.1\r\nHost: a.example\r\nContent-Length: 5\r\n\r\nhello";
    let chunked = "POST {t} HTTP/1.1\r\nHost: a.example\r\nTransfer-Encoding: chunked\r\n\r\n\
                   3\r\nhel\r\n2;x\r\nlo\r\n0\r\n\r\n";
    let trailers = "POST {t} HTTP/1.1\r\nHost: a.example\r\nTransfer-Encoding: chunked\r\n\r\n\
                    5\r\nhello\r\n0\r\nX-A: 1\r\nX-B: 2\r\n\r\n";
    let closing = "GET {t} HTTP/1.1\r\nHost: a.example\r\nConnection: close\r\n\r\n";
    let bad = "GET {t} HTTP/1.1\r\nHost: a.example\r\nX : 1\r\n\r\n";
    let both = "POST {t}x HTTP/1.1\r\nHost: a.example\r\nContent-Length: 5\r\n\
                Transfer-Encoding: chunked\r\n\r\n0\r\n\r\n";
    let mut cases = Vec::new();
    for (name, requests) in [
        ("two GET", vec![get, get]),
        ("GET and POST", vec![get, post]),
        ("POST and GET", vec![post, get]),
        ("POST and POST", vec![post, post]),
        ("chunks and GET", vec![chunked, get]),
        ("chunks and chunks", vec![chunked, chunked]),
        ("POST and chunks", vec![post, chunked]),
        ("chunks and POST", vec![chunked, post]),
        ("GET and chunks", vec![get, chunked]),
        ("trailers and chunks", vec![trailers, chunked, trailers]),
        (
            "all kinds",
            vec![get, post, chunked, trailers, get, chunked, post, get],
        ),
        ("twenty", vec![get; 20]),
        ("twenty in chunks", vec![chunked; 20]),
    ] {
        let case = Case::new(name, PIPELINE, requests.concat());
        cases.push(case.times(requests.len()));
    }
    let empty_lines = format!("{post}\r\n{get}\r\n\r\n{chunked}\r\n{chunked}");
    let empty_lines = Case::new("empty lines between", "RFC 9112 §2.2", empty_lines);
    cases.push(empty_lines.times(4));
    let last = Case::new(
        "close in between",
        "RFC 9112 §9.6",
        format!("{get}{closing}"),
    );
    cases.push(last.times(2).closes());
    let after = Case::new(
        "nothing after close",
        "RFC 9112 §9.6",
        format!("{closing}{get}"),
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
        format!("{bad}{get}"),
    )));
    cases.push(
        Case::new(
            "a good request before two lengths",
            PIPELINE,
            format!("{chunked}{both}"),
        )
        .good_before_bad(),
    );
    cases.push(
        Case::new(
            "a good request before a bare LF",
            PIPELINE,
            format!("{get}GET {{t}}x HTTP/1.1\nHost: a\n\n"),
        )
        .good_before_bad(),
    );
    cases.push(
        Case::new(
            "a good request before a bad one",
            PIPELINE,
            format!("{get}{bad}"),
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
