//! HTTP/1.1 read to the letter: a parser of the tests' own, which takes nothing that could be read in two ways.
//!
//! It shares no line with what is under test. What it refuses in a request that reached the origin is an unsafe
//! forward.

/// A message that has come in whole.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Message {
    /// The first line, without its end.
    pub(crate) line: String,
    /// Names in lower case, in the order they came.
    pub(crate) fields: Vec<(String, String)>,
    pub(crate) body: Vec<u8>,
    pub(crate) trailers: Vec<(String, String)>,
    /// Bytes it took.
    pub(crate) len: usize,
}

/// What stops a message from being one.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Flaw {
    /// More has to come.
    Unfinished,
    /// It is not HTTP, or can be read in two ways.
    Wrong(String),
}

type Read<T> = Result<T, Flaw>;
/// A line, and what follows it.
type Line<'a> = (&'a [u8], &'a [u8]);
type Fields = Vec<(String, String)>;

pub(crate) fn wrong<T>(what: impl Into<String>) -> Read<T> {
    Err(Flaw::Wrong(what.into()))
}

impl Message {
    pub(crate) fn all<'a>(&'a self, name: &'a str) -> impl Iterator<Item = &'a str> {
        let named = move |(held, value): &'a (String, String)| (held == name).then_some(value);
        self.fields.iter().filter_map(named).map(String::as_str)
    }

    pub(crate) fn field(&self, name: &str) -> Option<&str> {
        let field = self.fields.iter().find(|(held, _)| held == name);
        field.map(|(_, value)| value.as_str())
    }

    pub(crate) fn text(&self) -> String {
        String::from_utf8_lossy(&self.body).into_owned()
    }

    /// A response's status.
    pub(crate) fn status(&self) -> u16 {
        let code = self.line.get(9..12).unwrap_or_default();
        code.parse().unwrap_or(0)
    }

    /// Whether `Connection` says that this is the last message.
    pub(crate) fn closes(&self) -> bool {
        let mut options = self.all("connection").flat_map(|line| line.split(','));
        options.any(|option| option.trim().eq_ignore_ascii_case("close"))
    }
}

/// The requests that the strictest reader reads in what a client sent, up to the first that is none, and whether that
/// is all of it.
pub(crate) fn read_all(mut bytes: &[u8]) -> (Vec<Message>, bool) {
    let mut read = Vec::new();
    loop {
        while let Some(rest) = bytes.strip_prefix(b"\r\n") {
            bytes = rest;
        }
        if bytes.is_empty() {
            return (read, true);
        }
        match any_request(bytes) {
            Ok(request) if request.all("host").all(is_plain_host) => {
                bytes = &bytes[request.len..];
                read.push(request);
            }
            Ok(_) | Err(Flaw::Wrong(_)) => return (read, true),
            Err(Flaw::Unfinished) => return (read, false),
        }
    }
}

fn is_plain_host(host: &str) -> bool {
    let is_plain = |byte: u8| byte.is_ascii_alphanumeric() || matches!(byte, b'.' | b'-');
    !host.is_empty() && host.bytes().all(is_plain)
}

/// Reads one request as a proxy may forward it.
pub(crate) fn request(bytes: &[u8]) -> Read<Message> {
    let request = any_request(bytes)?;
    let method = request.line.split(' ').next().unwrap_or_default();
    check_forwarded(method, &request.fields)?;
    for (name, _) in &request.trailers {
        if FRAMING.contains(&name.as_str()) || is_ours(name) {
            return wrong(format!("trailer {name}"));
        }
    }
    Ok(request)
}

/// Reads one request.
fn any_request(bytes: &[u8]) -> Read<Message> {
    let (line, rest) = line(bytes)?;
    let line = text(line)?;
    let words: Vec<_> = line.split(' ').collect();
    let [method, target, "HTTP/1.1"] = words[..] else {
        return wrong(format!("request line {line:?}"));
    };
    if method.is_empty() || method == "CONNECT" || !method.bytes().all(is_token) {
        return wrong(format!("method {method:?}"));
    }
    let is_origin_form = target.starts_with('/');
    if !(is_origin_form || (target == "*" && method == "OPTIONS")) || target.contains('#') {
        return wrong(format!("target {target:?}"));
    }
    let (fields, rest) = fields(rest)?;
    let hosts = fields.iter().filter(|(name, _)| name == "host").count();
    if hosts != 1 {
        return wrong(format!("{hosts} hosts"));
    }
    let framing = framing(&fields)?.unwrap_or(Framing::Length(0));
    let (body, trailers, rest) = body(framing, rest)?;
    let len = bytes.len() - rest.len();
    Ok(Message {
        line,
        fields,
        body,
        trailers,
        len,
    })
}

/// Never in trailers (RFC 9110 §6.5.1).
const FRAMING: &[&str] = &[
    "host",
    "content-length",
    "transfer-encoding",
    "connection",
    "cookie",
    "authorization",
    "trailer",
    "te",
    "content-type",
    "content-encoding",
    "expect",
    "max-forwards",
];
/// Only a proxy says these.
const OURS: &[&str] = &["anteroom-", "x-forwarded-", "forwarded"];

/// What RFC 9110 and 9112 want of a request's fields from whoever forwards it.
fn check_forwarded(method: &str, fields: &Fields) -> Read<()> {
    let count = |name: &str| fields.iter().filter(|(held, _)| held == name).count();
    let upgrades = method == "GET" && count("upgrade") == 1;
    for (name, value) in fields {
        let low = value.to_ascii_lowercase();
        let is_hop = match name.as_str() {
            "keep-alive" | "proxy-connection" | "proxy" | "http2-settings" => true,
            "te" => low != "trailers",
            "upgrade" => low != "websocket",
            "connection" => !matches!(low.as_str(), "te" | "close" | "keep-alive" | "upgrade" | ""),
            _ => false,
        };
        if is_hop || (low == "upgrade" && name == "connection" && !upgrades) {
            return wrong(format!("forwarded {name}: {value}"));
        }
        let spelled = name.replace('_', "-");
        if spelled != *name && (FRAMING.contains(&spelled.as_str()) || is_ours(&spelled)) {
            return wrong(format!("forwarded {name}"));
        }
    }
    Ok(())
}

fn is_ours(name: &str) -> bool {
    OURS.iter().any(|ours| name.starts_with(ours))
}

/// Reads one response to a request of this method; `is_over` once nothing more will come.
pub(crate) fn response(bytes: &[u8], method: &str, is_over: bool) -> Read<Message> {
    let (status, rest) = line(bytes)?;
    let status = text(status)?;
    let is_line = matches!(status.as_bytes(),
        [b'H', b'T', b'T', b'P', b'/', b'1', b'.', b'0' | b'1', b' ', a, b, c, b' ', ..]
            if a.is_ascii_digit() && b.is_ascii_digit() && c.is_ascii_digit());
    let Some(code) = status.get(9..12).filter(|_| is_line) else {
        return wrong(format!("status line {status:?}"));
    };
    let (fields, rest) = fields(rest)?;
    let framing = framing(&fields)?;
    let is_bare = method == "HEAD" || matches!(code, "204" | "304");
    let is_interim = code.starts_with('1');
    if is_interim || code == "204" {
        let length = fields
            .iter()
            .any(|(name, _)| FRAMED_BY.contains(&name.as_str()));
        if length {
            return wrong("a length where none may be");
        }
    }
    let (body, trailers, rest) = match framing {
        _ if is_bare || is_interim => (Vec::new(), Vec::new(), rest),
        Some(framing) => body(framing, rest)?,
        None if is_over => (rest.to_vec(), Vec::new(), &rest[rest.len()..]),
        None => return Err(Flaw::Unfinished),
    };
    Ok(Message {
        line: status,
        fields,
        body,
        trailers,
        len: bytes.len() - rest.len(),
    })
}

const FRAMED_BY: &[&str] = &["content-length", "transfer-encoding"];

#[derive(Debug, Clone, Copy)]
enum Framing {
    Length(usize),
    Chunked,
}

/// RFC 9112 §6: one length, told once, in one way.
fn framing(fields: &Fields) -> Read<Option<Framing>> {
    let mut told = fields
        .iter()
        .filter(|(name, _)| FRAMED_BY.contains(&name.as_str()));
    let Some((name, value)) = told.next() else {
        return Ok(None);
    };
    if told.next().is_some() {
        return wrong("two lengths");
    }
    if name == "transfer-encoding" {
        return if value.eq_ignore_ascii_case("chunked") {
            Ok(Some(Framing::Chunked))
        } else {
            wrong(format!("coding {value:?}"))
        };
    }
    let is_plain = !value.is_empty()
        && value.bytes().all(|byte| byte.is_ascii_digit())
        && (value == "0" || !value.starts_with('0'));
    match value.parse() {
        Ok(len) if is_plain => Ok(Some(Framing::Length(len))),
        _ => wrong(format!("length {value:?}")),
    }
}

fn body(framing: Framing, bytes: &[u8]) -> Read<(Vec<u8>, Fields, &[u8])> {
    match framing {
        Framing::Length(len) => {
            let (body, rest) = bytes.split_at_checked(len).ok_or(Flaw::Unfinished)?;
            Ok((body.to_vec(), Vec::new(), rest))
        }
        Framing::Chunked => chunks(bytes),
    }
}

/// RFC 9112 §7.1; extensions are for one connection only, so there are none here.
fn chunks(mut bytes: &[u8]) -> Read<(Vec<u8>, Fields, &[u8])> {
    let mut body = Vec::new();
    loop {
        let (size, rest) = line(bytes)?;
        let digits = text(size)?;
        let is_hex = digits.len() <= 16 && digits.bytes().all(|byte| byte.is_ascii_hexdigit());
        let Some(size) = usize::from_str_radix(&digits, 16).ok().filter(|_| is_hex) else {
            return wrong(format!("chunk size {digits:?}"));
        };
        if size == 0 {
            let (trailers, rest) = fields(rest)?;
            return Ok((body, trailers, rest));
        }
        let (chunk, rest) = rest.split_at_checked(size).ok_or(Flaw::Unfinished)?;
        body.extend_from_slice(chunk);
        let (end, rest) = rest.split_at_checked(2).ok_or(Flaw::Unfinished)?;
        if end != b"\r\n" {
            return wrong("a chunk without its end");
        }
        bytes = rest;
    }
}

/// Fields up to the empty line.
fn fields(mut bytes: &[u8]) -> Read<(Fields, &[u8])> {
    let mut fields = Vec::new();
    loop {
        let (field, rest) = line(bytes)?;
        bytes = rest;
        if field.is_empty() {
            return Ok((fields, rest));
        }
        let Some(colon) = field.iter().position(|byte| *byte == b':') else {
            return wrong("a field without a colon");
        };
        let (name, value) = (&field[..colon], field[colon + 1..].trim_ascii());
        if name.is_empty() || !name.iter().copied().all(is_token) {
            return wrong(format!("field name {:?}", String::from_utf8_lossy(name)));
        }
        let is_fine = |byte: &u8| *byte >= b' ' && *byte != 0x7f || *byte == b'\t';
        if !value.iter().all(is_fine) {
            return wrong(format!("field value {:?}", String::from_utf8_lossy(value)));
        }
        let value = String::from_utf8_lossy(value).into_owned();
        fields.push((String::from_utf8_lossy(name).to_ascii_lowercase(), value));
    }
}

/// A line that ends with CR LF and has neither in it.
fn line(bytes: &[u8]) -> Read<Line<'_>> {
    let Some(end) = bytes.iter().position(|byte| matches!(byte, b'\r' | b'\n')) else {
        return Err(Flaw::Unfinished);
    };
    match &bytes[end..] {
        [b'\r', b'\n', rest @ ..] => Ok((&bytes[..end], rest)),
        b"\r" => Err(Flaw::Unfinished),
        _ => wrong("a bare CR or LF"),
    }
}

/// Visible ASCII, with spaces and what is beyond ASCII.
fn text(line: &[u8]) -> Read<String> {
    if line.iter().any(|byte| *byte < b' ' || *byte == 0x7f) {
        return wrong(format!("control in {:?}", String::from_utf8_lossy(line)));
    }
    Ok(String::from_utf8_lossy(line).into_owned())
}

fn is_token(byte: u8) -> bool {
    byte.is_ascii_alphanumeric() || b"!#$%&'*+-.^_`|~".contains(&byte)
}
