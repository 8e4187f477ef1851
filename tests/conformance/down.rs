//! What HTTP/2 can say and HTTP/1.1 cannot: none of it may reach the origin, which speaks the latter.

use std::time::Duration;

use crate::front::Front;
use crate::h2::Connection;
use crate::h2::Ended;
use crate::h2::Field;
use crate::play::filled;

/// A request over HTTP/2.
#[derive(Debug, Clone)]
pub(crate) struct Down {
    pub(crate) name: String,
    pub(crate) fields: Vec<Field>,
    pub(crate) body: Option<&'static [u8]>,
    /// What the origin has to see: lines of the head, and the body. None when it has to be refused.
    pub(crate) want: Option<(Vec<&'static str>, &'static [u8])>,
    /// What is wrong shows only when its head may be at the origin already: it may be there without a body.
    pub(crate) may_be_bare: bool,
}

const HIDDEN: &[u8] = b"x\r\n\r\nGET {t}smuggled HTTP/1.1\r\nHost: a.example\r\n\r\n";

pub(crate) fn payloads() -> Vec<Down> {
    [
        valid(),
        valid_fields(),
        bytes(),
        pseudo(),
        fields(),
        lengths(),
    ]
    .concat()
}

fn plain(method: &str) -> Vec<Field> {
    let fields = [
        (":method", method),
        (":scheme", "http"),
        (":authority", "a.example"),
        (":path", "{t}"),
    ];
    fields
        .map(|(name, value)| (name.into(), value.into()))
        .to_vec()
}

/// With this field in its place, or behind the others.
fn with(mut fields: Vec<Field>, name: &[u8], value: &[u8]) -> Vec<Field> {
    let field = (name.to_vec(), value.to_vec());
    match fields.iter_mut().find(|(held, _)| held.as_slice() == name) {
        Some(held) => *held = field,
        None => fields.push(field),
    }
    fields
}

fn bad(name: impl Into<String>, fields: Vec<Field>, body: Option<&'static [u8]>) -> Down {
    Down {
        name: name.into(),
        fields,
        body,
        want: None,
        may_be_bare: false,
    }
}

fn good(
    name: &str,
    fields: Vec<Field>,
    body: Option<&'static [u8]>,
    lines: Vec<&'static str>,
) -> Down {
    Down {
        name: name.to_owned(),
        fields,
        body,
        want: Some((lines, body.unwrap_or_default())),
        may_be_bare: false,
    }
}

fn valid() -> Vec<Down> {
    let post = plain("POST");
    let get = plain("GET");
    vec![
        good(
            "GET",
            get.clone(),
            None,
            vec!["GET {t} HTTP/1.1", "host: a.example"],
        ),
        good("Via", get.clone(), None, vec!["via: 2.0 anteroom"]),
        good(
            "POST",
            post.clone(),
            Some(b"hello"),
            vec!["transfer-encoding: chunked"],
        ),
        good(
            "POST with a length",
            with(post.clone(), b"content-length", b"5"),
            Some(b"hello"),
            vec!["content-length: 5"],
        ),
        good(
            "leading zeros",
            with(post.clone(), b"content-length", b"005"),
            Some(b"hello"),
            vec!["content-length: 5"],
        ),
        good(
            "POST without a body",
            with(post, b"content-length", b"0"),
            None,
            vec!["content-length: 0"],
        ),
    ]
}

/// Fields on their way down.
fn valid_fields() -> Vec<Down> {
    let get = plain("GET");
    let host = get
        .iter()
        .filter(|(name, _)| name != b":authority")
        .cloned();
    let host = with(host.collect(), b"host", b"b.example");
    let mut crumbs = with(get.clone(), b"cookie", b"a=1");
    crumbs.push((b"cookie".to_vec(), b"b=2".to_vec()));
    vec![
        good(
            "GET with a body",
            get.clone(),
            Some(b"hello"),
            vec!["transfer-encoding: chunked"],
        ),
        good("host for authority", host, None, vec!["host: b.example"]),
        good(
            "the same host twice",
            with(get.clone(), b"host", b"a.example"),
            None,
            vec!["host: a.example"],
        ),
        good("crumbs of a cookie", crumbs, None, vec!["cookie: a=1; b=2"]),
        good(
            "te: trailers",
            with(get.clone(), b"te", b"trailers"),
            None,
            vec!["te: trailers"],
        ),
        good(
            "an empty value",
            with(get.clone(), b"x-a", b""),
            None,
            vec!["x-a: "],
        ),
        good(
            "a query",
            with(get, b":path", b"{t}?a=b"),
            None,
            vec!["GET {t}?a=b HTTP/1.1"],
        ),
    ]
}

/// Bytes that end something in HTTP/1.1, wherever a client can put them.
fn bytes() -> Vec<Down> {
    let hidden = b"\r\n\r\nGET {t}smuggled HTTP/1.1\r\nHost: a.example\r\n\r\n".as_slice();
    let field = b"\r\nTransfer-Encoding: chunked\r\nX: y".as_slice();
    let mut payloads = Vec::new();
    for (place, before, after) in [
        (":method", "GET", ""),
        (":path", "{t}", ""),
        (":authority", "a.example", ""),
        (":scheme", "http", ""),
        ("x-a", "a", "b"),
        ("cookie", "a=1", ""),
        ("host", "a.example", ""),
        ("user-agent", "a", "b"),
    ] {
        for inner in [
            b"\r".as_slice(),
            b"\n",
            b"\r\n",
            b"\0",
            b"\x0b",
            b"\x0c",
            b"\x7f",
            b"\x01",
            field,
            hidden,
        ] {
            let value = [before.as_bytes(), inner, after.as_bytes()].concat();
            let fields = with(plain("GET"), place.as_bytes(), &value);
            payloads.push(bad(
                format!("{} in {place}", inner.escape_ascii()),
                fields,
                None,
            ));
        }
    }
    for name in [
        b"x-a\r\nx-b".as_slice(),
        b"x-a\n",
        b"x-a\r",
        b"x-a\0",
        b"x a",
        b"x-a:",
        b"x-a: y\r\ntransfer-encoding",
        b"",
        b":",
        b"X-Upper",
        b"x-a\x7f",
        b"x(a",
        b"x\"a",
        b"x/a",
        b"x=a",
        b"x@a",
        b"x[a",
        b"x{a",
        b"x,a",
        b"x;a",
        b"x\xff",
        b"transfer-encoding ",
        b" transfer-encoding",
        b"transfer-encoding:",
        b"content-length ",
        b"Host",
    ] {
        let fields = with(plain("GET"), name, b"chunked");
        payloads.push(bad(
            format!("the name {}", name.escape_ascii()),
            fields,
            None,
        ));
    }
    payloads
}

const PSEUDO: &[(&str, &[&str])] = &[
    (
        ":method",
        &[
            "",
            "GET ",
            " GET",
            "GET {t}smuggled HTTP/1.1",
            "G(T",
            "CONNECT",
            "GET/",
        ],
    ),
    (
        ":path",
        &[
            "",
            "a",
            "{t} HTTP/1.1",
            "{t} a",
            "*",
            "http://a.example{t}",
            "a.example{t}",
            "?a",
            "{t}\t",
            "{t}%00",
            "{t}%zz",
            "\\{t}",
        ],
    ),
    (
        ":authority",
        &[
            "",
            "u@a.example",
            "a.example/x",
            "a.example b",
            "a.example#",
            "a.example?",
            "a.example:x",
            "a.example:80:80",
            "[::1",
            "a.example,b",
            "a.example\\b",
            ":80",
            "b.example, a.example",
        ],
    ),
    (
        ":scheme",
        &["", "ftp", "http://a.example/?", "http x", "ht\ttp"],
    ),
];

/// RFC 9113 §8.3.
fn pseudo() -> Vec<Down> {
    let mut payloads = Vec::new();
    for (name, values) in PSEUDO {
        for value in *values {
            let fields = with(plain("GET"), name.as_bytes(), value.as_bytes());
            payloads.push(bad(format!("{name} {value:?}"), fields, None));
        }
        let (name, held) = (name.as_bytes(), plain("GET"));
        let shown = name.escape_ascii();
        let without = held
            .iter()
            .filter(|(other, _)| other != name)
            .cloned()
            .collect();
        if name != b":authority" {
            payloads.push(bad(format!("no {shown}"), without, None));
        } else {
            payloads.push(bad("neither authority nor host", without, None));
        }
        let mut twice = held.clone();
        twice.extend(held.iter().filter(|(other, _)| other == name).cloned());
        payloads.push(bad(format!("{shown} twice"), twice, None));
        let mut late = vec![(b"x-a".to_vec(), b"1".to_vec())];
        late.extend(held);
        payloads.push(bad(format!("{shown} after a field"), late, None));
    }
    for (name, value) in [
        (":status", "200"),
        (":x", "y"),
        (":protocol", "websocket"),
        (":host", "a.example"),
    ] {
        let mut fields = vec![(name.into(), value.into())];
        fields.extend(plain("GET"));
        payloads.push(bad(name, fields, None));
    }
    payloads
}

/// RFC 9113 §8.2.2: fields of one HTTP/1.1 connection, and hosts that disagree.
fn fields() -> Vec<Down> {
    let mut payloads = Vec::new();
    for (name, value) in [
        ("transfer-encoding", "chunked"),
        ("transfer-encoding", "identity"),
        ("transfer-encoding", ""),
        ("connection", "close"),
        ("connection", "x-a"),
        ("connection", "keep-alive"),
        ("keep-alive", "timeout=5"),
        ("proxy-connection", "keep-alive"),
        ("upgrade", "websocket"),
        ("upgrade", "h2c"),
        ("te", "gzip"),
        ("te", "trailers, gzip"),
        ("host", "b.example"),
        ("host", ""),
        ("host", "a.example:81"),
        ("host", "a.example, b.example"),
        ("expect", "foo"),
    ] {
        let fields = with(plain("POST"), name.as_bytes(), value.as_bytes());
        payloads.push(bad(format!("{name}: {value}"), fields, Some(HIDDEN)));
    }
    let mut hosts = with(plain("GET"), b"host", b"a.example");
    hosts.push((b"host".to_vec(), b"b.example".to_vec()));
    payloads.push(bad("two hosts", hosts, None));
    payloads
}

/// RFC 9113 §8.1.1: a length that is not that of the body.
fn lengths() -> Vec<Down> {
    let mut payloads = Vec::new();
    for length in [
        "0",
        "1",
        "4",
        "6",
        "50",
        "+5",
        "-5",
        "5,5",
        "5, 5",
        "0x5",
        "",
        "a",
        "99999999999999999999",
    ] {
        let fields = with(plain("POST"), b"content-length", length.as_bytes());
        let name = format!("content-length: {length}");
        payloads.push(Down {
            may_be_bare: length == "0",
            ..bad(name, fields.clone(), Some(b"hello"))
        });
        let two = [fields, vec![(b"content-length".to_vec(), b"5".to_vec())]].concat();
        payloads.push(bad(
            format!("content-length: {length} and 5"),
            two,
            Some(b"hello"),
        ));
    }
    for method in ["GET", "POST", "HEAD", "OPTIONS"] {
        let fields = with(plain(method), b"content-length", b"50");
        payloads.push(bad(
            format!("a {method} with a length and no body"),
            fields,
            None,
        ));
    }
    let fields = with(plain("POST"), b"content-length", b"0");
    let name = "a body that is none, with a request in it";
    payloads.push(Down {
        may_be_bare: true,
        ..bad(name, fields, Some(HIDDEN))
    });
    payloads
}

/// Plays one: the origin sees it as it was meant, or nothing of it; another stream is as good as before.
pub(crate) fn play(front: &Front, patience: Duration, down: &Down, id: &str) -> Result<(), String> {
    let fields = down
        .fields
        .iter()
        .map(|(name, value)| (name.clone(), filled(value, id)));
    let fields: Vec<_> = fields.collect();
    let body = down.body.map(|body| filled(body, id));
    let mut connection = Connection::open(front.addr, patience);
    connection.send(1, &fields, body.as_deref());
    let ended = connection.end_of(1);
    let follow = plain("GET")
        .into_iter()
        .map(|(name, value)| match value.as_slice() {
            b"{t}" => (name, format!("/{id}/follow").into_bytes()),
            _ => (name, value),
        });
    connection.send(3, &follow.collect::<Vec<_>>(), None);
    let after = connection.end_of(3);
    let expected = format!("GET /{id}/follow");
    match &after {
        Ended::Answer(200, body) if *body != expected.as_bytes() => {
            let body = String::from_utf8_lossy(body);
            return Err(format!("poisoned: {body:?} answers what came next"));
        }
        Ended::Hung => return Err(format!("hung: nothing came next, after {ended:?}")),
        _ => {}
    }
    let heard = front.origin.heard_of(id);
    if let Some(what) = heard.iter().find_map(|heard| heard.wrong_of(id)) {
        return Err(format!("unsafe: the origin saw {what}"));
    }
    let requests = heard.iter().flat_map(|heard| heard.requests.iter());
    let line = format!("{expected} HTTP/1.1");
    let mut seen = requests.filter(|request| request.line.contains(id) && request.line != line);
    let Some((lines, body)) = &down.want else {
        return match seen.next() {
            Some(request) if down.may_be_bare && request.body.is_empty() => Ok(()),
            Some(request) => Err(format!(
                "unsafe: the origin saw {:?}, {ended:?}",
                request.line
            )),
            None => Ok(()),
        };
    };
    let (Some(request), None) = (seen.next(), seen.next()) else {
        return Err(format!("refused: {ended:?}"));
    };
    let mut head = vec![request.line.clone()];
    head.extend(
        request
            .fields
            .iter()
            .map(|(name, value)| format!("{name}: {value}")),
    );
    for line in lines {
        let line = String::from_utf8_lossy(&filled(line.as_bytes(), id)).into_owned();
        if !head.contains(&line) {
            return Err(format!("changed: no {line:?} in {head:?}"));
        }
    }
    if request.body != *body {
        return Err(format!("changed: the body is {:?}", request.text()));
    }
    Ok(())
}
