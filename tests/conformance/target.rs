//! The request line: methods, the four forms of its target, versions; and `Host`.

use crate::case::Case;
use crate::case::cut;
use crate::case::line;
use crate::case::refused;
use crate::case::refused_with;

const LINE: &str = "RFC 9112 §3";
const METHOD: &str = "RFC 9110 §9.1";
const ABSOLUTE: &str = "RFC 9112 §3.2.2";
const HOST: &str = "RFC 9112 §3.2";

const METHODS: &[&str] = &[
    "GET",
    "POST",
    "PUT",
    "PATCH",
    "DELETE",
    "OPTIONS",
    "HEAD",
    "PURGE",
    "get",
    "M-SEARCH",
    "PROPFIND",
    "!#$%&'*+-.^_`|~9",
];

const LINES: &[(&str, &str)] = &[
    ("no version", "GET {t}"),
    ("a version in lower case", "GET {t} http/1.1"),
    ("an unknown minor version", "GET {t} HTTP/1.2"),
    ("an unknown major version", "GET {t} HTTP/2.0"),
    ("a version of two digits", "GET {t} HTTP/1.10"),
    ("a version without a dot", "GET {t} HTTP/11"),
    ("another protocol", "GET {t} ICAP/1.0"),
    ("a space after the version", "GET {t} HTTP/1.1 "),
    ("two spaces before the target", "GET  {t} HTTP/1.1"),
    ("two spaces before the version", "GET {t}  HTTP/1.1"),
    ("a tab for a space", "GET\t{t} HTTP/1.1"),
    ("a tab before the version", "GET {t}\tHTTP/1.1"),
    ("a vertical tab for a space", "GET {t}\x0bHTTP/1.1"),
    ("a space before the method", " GET {t} HTTP/1.1"),
    ("a space in the target", "GET {t}a b HTTP/1.1"),
    ("NUL in the target", "GET {t}\0 HTTP/1.1"),
    ("a control in the target", "GET {t}\x1f HTTP/1.1"),
    ("DEL in the target", "GET {t}\x7f HTTP/1.1"),
    ("a bare CR in the line", "GET {t} HTTP/1.1\rX: a"),
    ("no method", " {t} HTTP/1.1"),
    ("no target", "GET HTTP/1.1"),
    ("a method that is no token", "G(T {t} HTTP/1.1"),
    ("a method with a colon", "GET: {t} HTTP/1.1"),
    ("NUL in the method", "GE\0T {t} HTTP/1.1"),
];

const TARGETS: &[(&str, &str, &str)] = &[
    ("a fragment", "RFC 9112 §3.2", "GET {t}a#b HTTP/1.1"),
    (
        "a target without a slash",
        "RFC 9112 §3.2.1",
        "GET a{t} HTTP/1.1",
    ),
    ("asterisk for GET", "RFC 9112 §3.2.4", "GET * HTTP/1.1"),
    (
        "authority for GET",
        "RFC 9112 §3.2.3",
        "GET a.example:80 HTTP/1.1",
    ),
    (
        "an unknown scheme",
        ABSOLUTE,
        "GET ftp://a.example{t} HTTP/1.1",
    ),
    (
        "no host in the target",
        "RFC 9110 §4.2.1",
        "GET http://{t} HTTP/1.1",
    ),
    (
        "a user in the target",
        "RFC 9110 §4.2.4",
        "GET http://u:p@a.example{t} HTTP/1.1",
    ),
    (
        "a bad port in the target",
        ABSOLUTE,
        "GET http://a.example:8x{t} HTTP/1.1",
    ),
    (
        "a broken percent-encoding",
        "RFC 3986 §2.1",
        "GET {t}%zz HTTP/1.1",
    ),
    (
        "half a percent-encoding",
        "RFC 3986 §2.1",
        "GET {t}%4 HTTP/1.1",
    ),
    ("an encoded NUL", "RFC 3986 §7.3", "GET {t}%00 HTTP/1.1"),
    (
        "an encoded line end",
        "RFC 3986 §7.3",
        "GET {t}%0d%0aX HTTP/1.1",
    ),
];

pub(crate) fn cases() -> Vec<Case> {
    let mut cases = [valid(), valid_forms()].concat();
    for method in METHODS {
        cases.push(
            line(method, METHOD, &format!("{method} {{t}} HTTP/1.1"))
                .line(&format!("{method} {{t}}")),
        );
    }
    for (name, bad) in LINES {
        cases.push(refused_with(line(name, LINE, bad), &[400, 505]));
    }
    for (name, rfc, bad) in TARGETS {
        cases.push(refused(line(name, rfc, bad)));
    }
    let long = format!("GET {{t}}{} HTTP/1.1", "x".repeat(70_000));
    cases.push(refused_with(
        line("a target too long", LINE, &long),
        &[414, 431],
    ));
    let long = format!("GET {{t}}{} HTTP/1.1", "x".repeat(40_000));
    cases.push(refused_with(
        line("a target longer than a head", LINE, &long),
        &[414, 431],
    ));
    for target in ["a.example:443", "a.example", "{t}", "http://a.example{t}"] {
        let name = format!("CONNECT {target}");
        let connect = line(
            &name,
            "RFC 9110 §9.3.6",
            &format!("CONNECT {target} HTTP/1.1"),
        );
        cases.push(refused_with(connect, &[400, 405, 501]));
    }
    cases.push(cut(Case::new(
        "half a request line",
        "RFC 9112 §8",
        "GET {t}",
    )
    .hangs_up()));
    cases
}

fn valid() -> Vec<Case> {
    let at_8000 = format!("GET {{t}}{} HTTP/1.1", "x".repeat(8_000));
    vec![
        line("a query", "RFC 9112 §3.2.1", "GET {t}a?b=c&d HTTP/1.1").line("GET {t}a?b=c&d"),
        line("an empty query", "RFC 9112 §3.2.1", "GET {t}a? HTTP/1.1").line("GET {t}a?"),
        line(
            "a question in a query",
            "RFC 3986 §3.4",
            "GET {t}?a?/: HTTP/1.1",
        )
        .line("GET {t}?a?/:"),
        line(
            "percent-encoding",
            "RFC 3986 §2.1",
            "GET {t}%20%C3%A8%7e HTTP/1.1",
        )
        .line("GET {t}%20%C3%A8%7e"),
        line(
            "every character of a path",
            "RFC 3986 §3.3",
            "GET {t}aZ0-._~!$&'()*+,=:@ HTTP/1.1",
        )
        .line("GET {t}aZ0-._~!$&'()*+,=:@"),
        line(
            "path parameters",
            "RFC 3986 §3.3",
            "GET {t}a;v=1/b HTTP/1.1",
        )
        .line("GET {t}a;v=1/b"),
        line("a repeated slash", "RFC 3986 §3.3", "GET {t}a//b HTTP/1.1").line("GET {t}a//b"),
        line(
            "dot segments",
            "RFC 3986 §5.2.4",
            "GET {t}a/../b/./c HTTP/1.1",
        )
        .line("GET {t}b/c"),
        line("8000 bytes", LINE, &at_8000),
    ]
}

/// The other forms of a target, and what may be before it.
fn valid_forms() -> Vec<Case> {
    let mut cases = vec![
        line(
            "absolute-form",
            ABSOLUTE,
            "GET http://b.example{t}x?y HTTP/1.1",
        )
        .line("GET {t}x?y")
        .has("host", "b.example"),
        line(
            "absolute-form with a port",
            ABSOLUTE,
            "GET http://b.example:8080{t} HTTP/1.1",
        )
        .has("host", "b.example:8080"),
        line(
            "absolute-form, https",
            ABSOLUTE,
            "GET https://b.example{t} HTTP/1.1",
        )
        .line("GET {t}")
        .has("host", "b.example"),
        line(
            "a scheme in upper case",
            "RFC 3986 §3.1",
            "GET HTTP://b.example{t} HTTP/1.1",
        )
        .has("host", "b.example"),
        line(
            "absolute-form with an address",
            ABSOLUTE,
            "GET http://[::1]:80{t} HTTP/1.1",
        )
        .has("host", "[::1]:80"),
        line(
            "absolute-form without a path",
            ABSOLUTE,
            "GET http://b.example?{t} HTTP/1.1",
        )
        .line("GET /?{t}"),
        line(
            "OPTIONS of a path",
            "RFC 9110 §9.3.7",
            "OPTIONS {t} HTTP/1.1",
        )
        .line("OPTIONS {t}"),
        line("TRACE", "RFC 9110 §9.3.8", "TRACE {t} HTTP/1.1").line("TRACE {t}"),
    ];
    let star = "OPTIONS * HTTP/1.1\r\nHost: a.example\r\nX-Case: {t}\r\n\r\n";
    cases.push(Case::new("OPTIONS *", "RFC 9112 §3.2.4", star).line("OPTIONS *"));
    let root = "OPTIONS http://a.example/ HTTP/1.1\r\nHost: a.example\r\nX-Case: {t}\r\n\r\n";
    let root = Case::new("OPTIONS of the root", "RFC 9112 §3.2.4", root);
    cases.push(root.line("OPTIONS /"));
    let crlf = "\r\nGET {t} HTTP/1.1\r\nHost: a.example\r\n\r\n";
    cases.push(Case::new("an empty line before", "RFC 9112 §2.2", crlf).line("GET {t}"));
    let old = "GET {t} HTTP/1.0\r\nHost: a.example\r\n\r\n";
    let old = Case::new("HTTP/1.0", "RFC 9112 §9.3", old).closes();
    cases.push(old.line("GET {t}"));
    cases.push(Case::new("HTTP/1.0 without a host", HOST, "GET {t} HTTP/1.0\r\n\r\n").closes());
    cases
}

const HOSTS: &[&str] = &[
    "a.example",
    "A.Example",
    "a.example:80",
    "a.example:",
    "192.0.2.1",
    "[2001:db8::1]",
    "[::1]:8080",
    "localhost",
    "xn--caf-dma.example",
    "a_b.example",
];

const NO_HOSTS: &[(&str, &str)] = &[
    ("no host", "X-A: 1\r\n"),
    ("two hosts", "Host: a.example\r\nHost: b.example\r\n"),
    (
        "the same host twice",
        "Host: a.example\r\nHost: a.example\r\n",
    ),
    ("an empty host", "Host:\r\n"),
    ("a list of hosts", "Host: a.example, b.example\r\n"),
    (
        "a list of hosts without spaces",
        "Host: a.example,b.example\r\n",
    ),
    ("a host with a user", "Host: u@a.example\r\n"),
    ("a host with a path", "Host: a.example/x\r\n"),
    ("a host with a query", "Host: a.example?x\r\n"),
    ("a host with a fragment", "Host: a.example#x\r\n"),
    ("a host with a backslash", "Host: a.example\\x\r\n"),
    ("a host with a space", "Host: a.example x\r\n"),
    ("a host with a scheme", "Host: http://a.example\r\n"),
    ("a port that is no number", "Host: a.example:8x\r\n"),
    ("two ports", "Host: a.example:80:81\r\n"),
    ("only a port", "Host: :80\r\n"),
    ("an open bracket", "Host: [::1\r\n"),
    ("more after the bracket", "Host: [::1]x\r\n"),
    ("a host in quotes", "Host: \"a.example\"\r\n"),
    ("a host beyond ASCII", "Host: caf\u{e9}.example\r\n"),
    ("a host that is folded", "Host: a.example\r\n b\r\n"),
];

/// `Host`, and what stands for it.
pub(crate) fn hosts() -> Vec<Case> {
    let with = |name: &str, lines: &str| {
        Case::new(name, HOST, format!("GET {{t}} HTTP/1.1\r\n{lines}\r\n"))
    };
    let mut cases = Vec::new();
    for host in HOSTS {
        cases.push(with(&format!("Host {host}"), &format!("Host: {host}\r\n")).has("host", host));
    }
    for (name, lines) in NO_HOSTS {
        cases.push(refused(with(name, lines)));
    }
    for (name, lines) in [
        ("absolute-form without Host", ""),
        ("absolute-form with a bad Host", "Host: a/b\r\n"),
        (
            "absolute-form with two Hosts",
            "Host: a.example\r\nHost: a.example\r\n",
        ),
    ] {
        let send = format!("GET http://a.example{{t}} HTTP/1.1\r\n{lines}\r\n");
        cases.push(refused(Case::new(name, HOST, send)));
    }
    cases
}
