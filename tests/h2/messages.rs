//! What is no request, whatever its frames (RFC 9113 §8).

use crate::case::Case;
use crate::case::PROTOCOL_ERROR;
use crate::case::Want;
use crate::case::sends;
use crate::frames::AS_CONNECTION;
use crate::wire::DATA;
use crate::wire::END_HEADERS;
use crate::wire::END_STREAM;
use crate::wire::HEADERS;
use crate::wire::WHOLE;
use crate::wire::block;
use crate::wire::frame;
use crate::wire::head;
use crate::wire::post;

/// RFC 9113 §8.1.1: what is malformed is an error of its stream.
const BAD: Want = Want::Reset(1, PROTOCOL_ERROR);
/// As RFC 9113 §5.4.1 allows.
const ENDS: Want = Want::GoAway(PROTOCOL_ERROR);
/// A server may also say so (RFC 9113 §8.1.1), and where we look instead of the library, we do.
const SAID: Want = Want::Answer(1, 400);

fn whole(fields: &[(&str, &str)]) -> Vec<u8> {
    frame(HEADERS, WHOLE, 1, &block(fields))
}

const METHOD: (&str, &str) = (":method", "GET");
const SCHEME: (&str, &str) = (":scheme", "http");
const AUTHORITY: (&str, &str) = (":authority", "a.example");
const PATH: (&str, &str) = (":path", "/x");

/// A request with more fields.
fn with(more: &[(&str, &str)]) -> Vec<u8> {
    whole(&[&[METHOD, SCHEME, AUTHORITY, PATH], more].concat())
}

pub(crate) fn cases() -> Vec<Case> {
    [
        pseudo(),
        missing(),
        values(),
        twice(),
        lengths(),
        trailers(),
    ]
    .concat()
}

fn of(name: &str, fields: &[(&str, &str)], want: Want) -> Case {
    sends(name, "RFC 9113 §8.3.1", &[whole(fields)], want)
}

fn pseudo() -> Vec<Case> {
    const RFC: &str = "RFC 9113 §8.3";
    vec![
        sends(
            "a pseudo-header nobody knows",
            RFC,
            &[with(&[(":x", "1")])],
            ENDS,
        )
        .otherwise(BAD, AS_CONNECTION),
        sends(
            "a pseudo-header nobody knows, first",
            RFC,
            &[whole(&[(":x", "1"), METHOD, SCHEME, AUTHORITY, PATH])],
            ENDS,
        )
        .otherwise(BAD, AS_CONNECTION),
        sends(
            "a status in a request",
            RFC,
            &[with(&[(":status", "200")])],
            BAD,
        ),
        sends(
            "a pseudo-header after a field",
            RFC,
            &[whole(&[METHOD, SCHEME, AUTHORITY, ("x-a", "1"), PATH])],
            BAD,
        ),
    ]
}

fn missing() -> Vec<Case> {
    vec![
        of("no method", &[SCHEME, AUTHORITY, PATH], BAD),
        of("no scheme", &[METHOD, AUTHORITY, PATH], BAD),
        of("no path", &[METHOD, SCHEME, AUTHORITY], BAD),
        of("nothing at all", &[], BAD),
        of(
            "an empty path",
            &[METHOD, SCHEME, AUTHORITY, (":path", "")],
            BAD,
        ),
    ]
}

fn values() -> Vec<Case> {
    vec![
        of(
            "a path that is none",
            &[METHOD, SCHEME, AUTHORITY, (":path", "x")],
            BAD,
        ),
        of(
            "a path that is a URL",
            &[METHOD, SCHEME, AUTHORITY, (":path", "http://b/x")],
            BAD,
        ),
        of(
            "a star that is no options",
            &[METHOD, SCHEME, AUTHORITY, (":path", "*")],
            SAID,
        ),
        of("neither authority nor host", &[METHOD, SCHEME, PATH], SAID),
        of(
            "an authority with a user",
            &[METHOD, SCHEME, (":authority", "u@a"), PATH],
            SAID,
        ),
        of(
            "a host beside another authority",
            &[METHOD, SCHEME, AUTHORITY, PATH, ("host", "b.example")],
            SAID,
        ),
        of(
            "an empty method",
            &[(":method", ""), SCHEME, AUTHORITY, PATH],
            ENDS,
        )
        .otherwise(BAD, AS_CONNECTION),
        of(
            "a method that is no token",
            &[(":method", "G ET"), SCHEME, AUTHORITY, PATH],
            ENDS,
        )
        .otherwise(BAD, AS_CONNECTION),
        of(
            "a protocol though none was offered",
            &[
                (":method", "CONNECT"),
                SCHEME,
                AUTHORITY,
                PATH,
                (":protocol", "websocket"),
            ],
            BAD,
        ),
    ]
}

fn twice() -> Vec<Case> {
    const RFC: &str = "RFC 9113 §8.3";
    let case = |name: &str, field| sends(name, RFC, &[with_first(field)], BAD);
    vec![
        case("two methods", METHOD),
        case("two schemes", SCHEME),
        case("two authorities", AUTHORITY),
        case("two paths", PATH),
        case("two paths that differ", (":path", "/other")),
    ]
}

fn with_first(field: (&str, &str)) -> Vec<u8> {
    whole(&[field, METHOD, SCHEME, AUTHORITY, PATH])
}

fn lengths() -> Vec<Case> {
    const RFC: &str = "RFC 9113 §8.1.1";
    let said = |length: &str| {
        let head = [head("POST", "/x"), block(&[("content-length", length)])].concat();
        frame(HEADERS, END_HEADERS, 1, &head)
    };
    let data = |flags, body: &[u8]| frame(DATA, flags, 1, body);
    vec![
        sends(
            "less than was said",
            RFC,
            &[said("4"), data(END_STREAM, b"tst")],
            BAD,
        ),
        sends(
            "more than was said",
            RFC,
            &[said("4"), data(END_STREAM, b"tests")],
            BAD,
        ),
        sends(
            "less than was said, in pieces",
            RFC,
            &[said("9"), data(0, b"test"), data(END_STREAM, b"test")],
            BAD,
        ),
        sends(
            "more than was said, in pieces",
            RFC,
            &[said("5"), data(0, b"test"), data(END_STREAM, b"test")],
            BAD,
        ),
        sends(
            "something though nothing was said",
            RFC,
            &[said("0"), data(END_STREAM, b"t")],
            BAD,
        ),
        sends(
            "a length that is no number",
            RFC,
            &[said("x"), data(END_STREAM, b"t")],
            BAD,
        ),
        sends(
            "two lengths",
            RFC,
            &[with_lengths(&["4", "5"]), data(END_STREAM, b"test")],
            BAD,
        ),
    ]
}

fn with_lengths(lengths: &[&str]) -> Vec<u8> {
    let lengths: Vec<_> = lengths
        .iter()
        .map(|length| ("content-length", *length))
        .collect();
    let head = [head("POST", "/x"), block(&lengths)].concat();
    frame(HEADERS, END_HEADERS, 1, &head)
}

fn trailers() -> Vec<Case> {
    const RFC: &str = "RFC 9113 §8.1";
    let trailers = |flags, fields| frame(HEADERS, flags, 1, &block(fields));
    vec![
        sends(
            "trailers that end nothing",
            RFC,
            &[
                post(1, "/x"),
                frame(DATA, 0, 1, b"x"),
                trailers(END_HEADERS, &[("x-a", "1")]),
            ],
            BAD,
        ),
        sends(
            "a pseudo-header in trailers",
            RFC,
            &[
                post(1, "/x"),
                frame(DATA, 0, 1, b"x"),
                trailers(WHOLE, &[(":path", "/y")]),
            ],
            Want::Answer(1, 200),
        )
        .otherwise(
            BAD,
            "the library leaves it out, so that nobody after it sees it",
        ),
        sends(
            "a connection's field in trailers",
            RFC,
            &[
                post(1, "/x"),
                frame(DATA, 0, 1, b"x"),
                trailers(WHOLE, &[("connection", "close")]),
            ],
            BAD,
        ),
        sends(
            "an upper-case name in trailers",
            RFC,
            &[
                post(1, "/x"),
                frame(DATA, 0, 1, b"x"),
                trailers(WHOLE, &[("X-A", "1")]),
            ],
            ENDS,
        )
        .otherwise(BAD, AS_CONNECTION),
    ]
}

/// Names and values that HTTP/2 has no place for (RFC 9113 §8.2).
pub(crate) fn forbidden() -> Vec<Case> {
    const FORM: &str = "RFC 9113 §8.2.1";
    const OF_CONNECTIONS: &str = "RFC 9113 §8.2.2";
    let form = |name: &str, field| {
        sends(name, FORM, &[with(&[field])], ENDS).otherwise(BAD, AS_CONNECTION)
    };
    let of = |name: &str, value| {
        sends(
            &format!("{name}: {value}"),
            OF_CONNECTIONS,
            &[with(&[(name, value)])],
            BAD,
        )
    };
    vec![
        form("an upper-case name", ("X-Test", "ok")),
        form("an empty name", ("", "ok")),
        form("a space in a name", ("x test", "ok")),
        form("a colon in a name", ("x:test", "ok")),
        form("a control byte in a name", ("x\u{1}", "ok")),
        form("a carriage return in a value", ("x-test", "a\rb")),
        form("a line feed in a value", ("x-test", "a\nb")),
        form("a zero byte in a value", ("x-test", "a\0b")),
        of("connection", "keep-alive"),
        of("proxy-connection", "keep-alive"),
        of("keep-alive", "timeout=5"),
        of("transfer-encoding", "chunked"),
        of("upgrade", "h2c"),
        of("te", "gzip"),
        of("te", "trailers, deflate"),
    ]
}
