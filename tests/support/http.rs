//! A plain HTTP/1.1 client: one request, one connection, the answer as it came.

use std::io;
use std::io::BufRead;
use std::io::BufReader;
use std::io::Read;
use std::io::Write;
use std::net::SocketAddr;
use std::net::TcpStream;
use std::time::Duration;

/// How long an answer is waited for.
const DEADLINE: Duration = Duration::from_secs(60);

/// An answer.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Reply {
    /// The status code.
    pub status: u16,
    /// Names in lower case, in the order they came.
    pub headers: Vec<(String, String)>,
    /// The body, put together again when it came in chunks.
    pub body: Vec<u8>,
}

impl Reply {
    /// The first header of this name.
    pub fn header(&self, name: &str) -> Option<&str> {
        let mut all = self.headers.iter().filter(|(held, _)| held == name);
        all.next().map(|(_, value)| value.as_str())
    }

    /// The body as text.
    pub fn text(&self) -> String {
        String::from_utf8_lossy(&self.body).into_owned()
    }

    /// The body as JSON.
    ///
    /// # Panics
    /// When it is none.
    pub fn json(&self) -> serde_json::Value {
        serde_json::from_slice(&self.body).unwrap_or_else(|_| panic!("no JSON: {}", self.text()))
    }

    /// `name=value` of every cookie it sets, as a `Cookie` header sends them.
    pub fn cookies(&self) -> String {
        let set = self.headers.iter().filter(|(name, _)| name == "set-cookie");
        let pairs = set.filter_map(|(_, value)| value.split(';').next());
        pairs.collect::<Vec<_>>().join("; ")
    }
}

/// `GET` with these headers.
///
/// # Errors
/// No connection, or no whole answer in time.
pub fn get(addr: SocketAddr, path: &str, headers: &[(&str, &str)]) -> io::Result<Reply> {
    request(addr, &format!("GET {path}"), headers, b"")
}

/// `POST` with these headers and this body.
///
/// # Errors
/// No connection, or no whole answer in time.
pub fn post(
    addr: SocketAddr,
    path: &str,
    headers: &[(&str, &str)],
    body: &[u8],
) -> io::Result<Reply> {
    request(addr, &format!("POST {path}"), headers, body)
}

/// A connection that is used for one request after the other.
#[derive(Debug)]
pub struct Kept {
    addr: SocketAddr,
    reader: BufReader<TcpStream>,
}

impl Kept {
    /// Connects.
    ///
    /// # Errors
    /// No connection.
    pub fn connect(addr: SocketAddr) -> io::Result<Self> {
        let stream = TcpStream::connect_timeout(&addr, DEADLINE)?;
        stream.set_read_timeout(Some(DEADLINE))?;
        stream.set_write_timeout(Some(DEADLINE))?;
        stream.set_nodelay(true)?;
        let reader = BufReader::new(stream);
        Ok(Self { addr, reader })
    }

    /// Sends a request without a body and reads the answer; the connection stays open.
    ///
    /// # Errors
    /// It broke, or there was no whole answer in time.
    pub fn request(&mut self, line: &str, headers: &[(&str, &str)]) -> io::Result<Reply> {
        let mut head = format!("{line} HTTP/1.1\r\nhost: {}\r\n", self.addr);
        if line.starts_with("POST") {
            head.push_str("content-length: 0\r\n");
        }
        for (name, value) in headers {
            head.push_str(&format!("{name}: {value}\r\n"));
        }
        head.push_str("\r\n");
        self.reader.get_mut().write_all(head.as_bytes())?;
        let mut answer = Vec::new();
        while !answer.ends_with(b"\r\n\r\n") {
            if self.reader.read_until(b'\n', &mut answer)? == 0 {
                return Err(io::ErrorKind::UnexpectedEof.into());
            }
        }
        let head = String::from_utf8_lossy(&answer).to_ascii_lowercase();
        let length = head.lines().find_map(|l| l.strip_prefix("content-length:"));
        if let Some(length) = length.and_then(|length| length.trim().parse().ok()) {
            let mut body = vec![0; length];
            self.reader.read_exact(&mut body)?;
            answer.extend_from_slice(&body);
        } else if head.contains("transfer-encoding: chunked") {
            while !answer.ends_with(b"\r\n0\r\n\r\n") {
                self.reader.read_until(b'\n', &mut answer)?;
            }
        }
        parse(&answer)
    }
}

/// Any request: `line` is the method and the path. `Host` is the address unless given.
///
/// # Errors
/// No connection, or no whole answer in time.
pub fn request(
    addr: SocketAddr,
    line: &str,
    headers: &[(&str, &str)],
    body: &[u8],
) -> io::Result<Reply> {
    let mut head = format!("{line} HTTP/1.1\r\nconnection: close\r\n");
    if !headers
        .iter()
        .any(|(name, _)| name.eq_ignore_ascii_case("host"))
    {
        head.push_str(&format!("host: {addr}\r\n"));
    }
    if !body.is_empty() || line.starts_with("POST") {
        head.push_str(&format!("content-length: {}\r\n", body.len()));
    }
    for (name, value) in headers {
        head.push_str(&format!("{name}: {value}\r\n"));
    }
    head.push_str("\r\n");
    parse(&raw(addr, &[head.as_bytes(), body].concat())?)
}

/// Sends these bytes and gives everything that comes back until the other side closes.
///
/// # Errors
/// No connection, or it is not closed in time.
pub fn raw(addr: SocketAddr, bytes: &[u8]) -> io::Result<Vec<u8>> {
    let mut stream = TcpStream::connect_timeout(&addr, DEADLINE)?;
    stream.set_read_timeout(Some(DEADLINE))?;
    stream.set_write_timeout(Some(DEADLINE))?;
    stream.write_all(bytes)?;
    let mut answer = Vec::new();
    stream.read_to_end(&mut answer)?;
    Ok(answer)
}

fn parse(answer: &[u8]) -> io::Result<Reply> {
    let broken = || io::Error::new(io::ErrorKind::InvalidData, "no HTTP answer");
    let end = answer.windows(4).position(|four| four == b"\r\n\r\n");
    let (head, body) = answer.split_at(end.ok_or_else(broken)? + 4);
    let head = String::from_utf8_lossy(head);
    let mut lines = head.trim_end().split("\r\n");
    let first = lines.next().ok_or_else(broken)?;
    let status = first.split(' ').nth(1).and_then(|code| code.parse().ok());
    let header = |line: &str| {
        let (name, value) = line.split_once(':')?;
        Some((name.to_ascii_lowercase(), value.trim().to_owned()))
    };
    let mut reply = Reply {
        status: status.ok_or_else(broken)?,
        headers: lines.filter_map(header).collect(),
        body: body.to_vec(),
    };
    if reply.header("transfer-encoding") == Some("chunked") {
        reply.body = unchunked(body).ok_or_else(broken)?;
    }
    Ok(reply)
}

fn unchunked(mut rest: &[u8]) -> Option<Vec<u8>> {
    let mut body = Vec::new();
    loop {
        let line = rest.windows(2).position(|two| two == b"\r\n")?;
        let size = std::str::from_utf8(&rest[..line]).ok()?;
        let size = usize::from_str_radix(size.split(';').next()?.trim(), 16).ok()?;
        rest = &rest[line + 2..];
        if size == 0 {
            return Some(body);
        }
        body.extend_from_slice(rest.get(..size)?);
        rest = rest.get(size + 2..)?;
    }
}
