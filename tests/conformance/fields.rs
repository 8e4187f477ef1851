//! Field lines: what may be in names and values, how lines end, and how many there may be.

use crate::case::Case;
use crate::case::get;
use crate::case::refused;
use crate::case::refused_with;

const NAME: &str = "RFC 9110 §5.1";
const VALUE: &str = "RFC 9110 §5.5";
const LINE: &str = "RFC 9112 §5";
const END: &str = "RFC 9112 §2.2";

pub(crate) fn cases() -> Vec<Case> {
    let mut cases = valid();
    cases.extend(names());
    cases.extend(values());
    cases.extend(ends());
    cases.extend(sizes());
    cases
}

fn valid() -> Vec<Case> {
    vec![
        get("a plain field", LINE, "X-A: 1\r\n").has("x-a", "1"),
        get("no space after the colon", LINE, "X-A:1\r\n").has("x-a", "1"),
        get("space around a value", LINE, "X-A: \t 1 \t\r\n").has("x-a", "1"),
        get("an empty value", VALUE, "X-A:\r\n").has("x-a", ""),
        get("only spaces", VALUE, "X-A:   \r\n").has("x-a", ""),
        get("a tab in a value", VALUE, "X-A: a\tb\r\n").has("x-a", "a\tb"),
        get("a colon in a value", VALUE, "X-A: b: c\r\n").has("x-a", "b: c"),
        get("a value beyond ASCII", VALUE, "X-A: caf\u{e9}\r\n").has("x-a", "caf\u{e9}"),
        get("quotes", "RFC 9110 §5.6.4", "X-A: \"a, \\\" b\"\r\n").has("x-a", "\"a, \\\" b\""),
        get(
            "every character of a name",
            NAME,
            "X!#$%&'*+-.^_`|~9: 1\r\n",
        )
        .has("x!#$%&'*+-.^_`|~9", "1"),
        get("a name in upper case", NAME, "X-UPPER: 1\r\n").has("x-upper", "1"),
        get("an underscore", NAME, "X_A: 1\r\n").has("x_a", "1"),
        get(
            "two lines of one name",
            "RFC 9110 §5.3",
            "X-A: 1\r\nX-B: 0\r\nX-A: 2\r\n",
        )
        .check_all("x-a", &["1", "2"]),
        get(
            "two lines of cookies",
            "RFC 6265 §4.2.1",
            "Cookie: a=1\r\nCookie: b=2\r\n",
        )
        .check_all("cookie", &["a=1", "b=2"]),
        get(
            "a cookie as it came",
            "RFC 6265 §4.2.1",
            "Cookie: a=\"1\";b= 2;  c\r\n",
        )
        .has("cookie", "a=\"1\";b= 2;  c"),
        get(
            "authorization",
            "RFC 9110 §11.6.2",
            "Authorization: Basic YTpi\r\n",
        )
        .has("authorization", "Basic YTpi"),
        get(
            "conditions",
            "RFC 9110 §13.1",
            "If-None-Match: \"a\", W/\"b\"\r\n",
        )
        .has("if-none-match", "\"a\", W/\"b\""),
        get("a range", "RFC 9110 §14.2", "Range: bytes=0-1\r\n").has("range", "bytes=0-1"),
        get(
            "cache control",
            "RFC 9111 §5.2.1",
            "Cache-Control: no-cache\r\n",
        )
        .has("cache-control", "no-cache"),
    ]
}

fn names() -> Vec<Case> {
    let mut cases = Vec::new();
    for byte in (0..=b' ')
        .chain(*b"\"(),/;<=>?@[\\]{}")
        .chain([0x7f, 0x80, 0xff])
    {
        if matches!(byte, b'\r' | b'\n') {
            continue;
        }
        let mut send = b"GET {t} HTTP/1.1\r\nHost: a.example\r\nX".to_vec();
        send.push(byte);
        send.extend_from_slice(b"A: 1\r\n\r\n");
        let name = format!("{byte:#04x} in a name");
        cases.push(refused(Case::new(name, NAME, send)));
    }
    for (name, rfc, lines) in [
        ("a space before the colon", "RFC 9112 §5.1", "X-A : 1\r\n"),
        ("a tab before the colon", "RFC 9112 §5.1", "X-A\t: 1\r\n"),
        ("no name", LINE, ": 1\r\n"),
        ("no colon", LINE, "X-A\r\n"),
        ("a second request line", LINE, "GET /x HTTP/1.1\r\n"),
        ("a folded value", "RFC 9112 §5.2", "X-A: 1\r\n 2\r\n"),
        (
            "a value folded by a tab",
            "RFC 9112 §5.2",
            "X-A: 1\r\n\t2\r\n",
        ),
        (
            "a fold without anything",
            "RFC 9112 §5.2",
            "X-A: 1\r\n \r\n",
        ),
    ] {
        cases.push(refused(get(name, rfc, lines)));
    }
    let first = "GET {t} HTTP/1.1\r\n Host: a.example\r\n\r\n";
    cases.push(refused(Case::new(
        "a space before the first field",
        END,
        first,
    )));
    cases
}

fn values() -> Vec<Case> {
    let mut cases = Vec::new();
    for byte in (0..b' ').chain([0x7f]) {
        if matches!(byte, b'\t' | b'\n') {
            continue;
        }
        let mut send = b"GET {t} HTTP/1.1\r\nHost: a.example\r\nX-A: a".to_vec();
        send.push(byte);
        send.extend_from_slice(b"b\r\n\r\n");
        let name = format!("{byte:#04x} in a value");
        cases.push(refused(Case::new(name, VALUE, send)));
    }
    cases
}

fn ends() -> Vec<Case> {
    let bare = [
        ("all lines", "GET {t} HTTP/1.1\nHost: a.example\n\n"),
        (
            "the request line",
            "GET {t} HTTP/1.1\nHost: a.example\r\n\r\n",
        ),
        (
            "a field",
            "GET {t} HTTP/1.1\r\nHost: a.example\nX-A: 1\r\n\r\n",
        ),
        (
            "the last field",
            "GET {t} HTTP/1.1\r\nHost: a.example\n\r\n",
        ),
        (
            "the empty line",
            "GET {t} HTTP/1.1\r\nHost: a.example\r\n\n",
        ),
        (
            "an empty line before",
            "\nGET {t} HTTP/1.1\r\nHost: a.example\r\n\r\n",
        ),
    ];
    let mut cases = Vec::new();
    for (name, send) in bare {
        let name = format!("a bare LF ends {name}");
        cases.push(refused(Case::new(name, END, send)));
    }
    for (name, send) in [
        ("CR for CR LF", "GET {t} HTTP/1.1\rHost: a.example\r\r"),
        ("CR CR LF", "GET {t} HTTP/1.1\r\nHost: a.example\r\r\n\r\n"),
        (
            "CR CR LF after the line",
            "GET {t} HTTP/1.1\r\r\nHost: a.example\r\n\r\n",
        ),
        ("LF CR", "GET {t} HTTP/1.1\n\rHost: a.example\n\r\n\r"),
    ] {
        cases.push(refused(Case::new(name, END, send)));
    }
    cases
}

fn sizes() -> Vec<Case> {
    let many = |count: usize| {
        let line = |at| format!("X-{at}: {at}\r\n");
        (0..count).map(line).collect::<String>()
    };
    let long = |len: usize| format!("X-A: {}\r\n", "x".repeat(len));
    vec![
        get("90 fields", "RFC 9110 §5.4", &many(90)).has("x-89", "89"),
        get("8000 bytes of a value", "RFC 9110 §5.4", &long(8_000)),
        refused_with(get("200 fields", "RFC 9110 §5.4", &many(200)), &[431]),
        refused_with(
            get("40 kB of a value", "RFC 9110 §5.4", &long(40_000)),
            &[431],
        ),
        refused_with(
            get("200 kB of a value", "RFC 9110 §5.4", &long(200_000)),
            &[431],
        ),
    ]
}
