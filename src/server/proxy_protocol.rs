//! The PROXY protocol's header, by which a balancer says for whom it opened a connection: versions 1 and 2.
//!
//! It comes before everything else, TLS included, and only from networks the operator named: from those it must come,
//! and from others it is no HTTP. What a header tells takes the place of the connection's own address wherever that
//! counts. Parsing is ours: it is a hundred lines, bounded by what is read here, and takes nothing that two readers could
//! take for different things (a port with a sign, an address with leading zeros); the crate for it reads those.
//!
//! Additional fields of version 2 (TLVs) are skipped.

use std::io;
use std::net::IpAddr;
use std::net::Ipv4Addr;
use std::net::Ipv6Addr;
use std::net::SocketAddr;

use tokio::io::AsyncReadExt;
use tokio::net::TcpStream;

/// Longest header of version 1, its line end included (the protocol's §2.1).
const LINE_MAX: usize = 107;

/// Longest header of version 2. Addresses take 232 bytes at most, what balancers add a few hundred.
pub const HEADER_MAX: usize = 4 * 1024;

const V1: &[u8] = b"PROXY ";
const V2: &[u8] = b"\r\n\r\n\0\r\nQUIT\n";

/// Version 2: signature, version and command, family, length.
const V2_FIXED: usize = 16;

/// Bytes looked at in one go; most headers are shorter.
const LOOK: usize = 256;

/// What a header tells.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Told {
    /// The balancer speaks for the client with this address.
    Client(SocketAddr),
    /// For itself, or for somebody who has no such address: the connection's own address stands.
    Nobody,
}

/// Why a connection's beginning is no header.
#[derive(Debug, thiserror::Error)]
pub enum HeaderError {
    /// It begins otherwise.
    #[error("no header")]
    Missing,
    /// It is longer than one may be.
    #[error("the header is too long")]
    TooLong,
    /// Something in it is not what the protocol says.
    #[error("the header is malformed: {0}")]
    Malformed(&'static str),
    /// The connection failed or ended before the header did.
    #[error("the connection ended within the header")]
    Cut(#[from] io::Error),
}

/// Reads a header and nothing of what follows it.
pub(super) async fn read(stream: &mut TcpStream) -> Result<Told, HeaderError> {
    let mut header = Vec::new();
    let mut look = [0; LOOK];
    loop {
        let len = stream.peek(&mut look).await?;
        if len == 0 {
            return Err(HeaderError::Cut(io::ErrorKind::UnexpectedEof.into()));
        }
        let before = header.len();
        header.extend_from_slice(&look[..len]);
        let parsed = parse(&header)?;
        // As long as a header has not ended, all that came is of it.
        let taken = parsed.map_or(len, |(_, end)| end - before);
        stream.read_exact(&mut look[..taken]).await?;
        if let Some((told, _)) = parsed {
            return Ok(told);
        }
    }
}

/// What the header at the beginning of these bytes tells, and how long it is; `None` when it goes on after them.
///
/// # Errors
/// When it is none, or no more than its beginning could become one.
pub fn parse(bytes: &[u8]) -> Result<Option<(Told, usize)>, HeaderError> {
    let may_be = |signature: &[u8]| {
        let len = signature.len().min(bytes.len());
        bytes[..len] == signature[..len]
    };
    if may_be(V1) {
        line(bytes)
    } else if may_be(V2) {
        binary(bytes)
    } else {
        Err(HeaderError::Missing)
    }
}

/// Version 1: one line of text.
fn line(bytes: &[u8]) -> Result<Option<(Told, usize)>, HeaderError> {
    let bounded = &bytes[..bytes.len().min(LINE_MAX)];
    let Some(end) = bounded.iter().position(|byte| *byte == b'\n') else {
        return if bytes.len() < LINE_MAX {
            Ok(None)
        } else {
            Err(HeaderError::TooLong)
        };
    };
    let text = bounded[..end]
        .strip_suffix(b"\r")
        .and_then(|line| std::str::from_utf8(line).ok())
        .ok_or(HeaderError::Malformed("the line"))?;
    let mut words = text.split(' ').skip(1);
    let family = words.next();
    if family == Some("UNKNOWN") {
        // Whatever follows is to be ignored.
        return Ok(Some((Told::Nobody, end + 1)));
    }
    let words: Vec<&str> = words.take(5).collect();
    let [from, to, from_port, to_port] = words[..] else {
        return Err(HeaderError::Malformed("the number of words"));
    };
    let (from, to): (Option<IpAddr>, Option<IpAddr>) = match family {
        Some("TCP4") => (ip::<Ipv4Addr>(from), ip::<Ipv4Addr>(to)),
        Some("TCP6") => (ip::<Ipv6Addr>(from), ip::<Ipv6Addr>(to)),
        _ => return Err(HeaderError::Malformed("the protocol")),
    };
    let (Some(from), Some(_)) = (from, to) else {
        return Err(HeaderError::Malformed("an address"));
    };
    let (Some(port), Some(_)) = (port(from_port), port(to_port)) else {
        return Err(HeaderError::Malformed("a port"));
    };
    Ok(Some((client(from, port), end + 1)))
}

fn ip<T: std::str::FromStr + Into<IpAddr>>(text: &str) -> Option<IpAddr> {
    text.parse::<T>().ok().map(Into::into)
}

/// A port in digits alone, as there is one way to write it.
fn port(text: &str) -> Option<u16> {
    let plain = text.bytes().all(|byte| byte.is_ascii_digit());
    let padded = text.len() > 1 && text.starts_with('0');
    text.parse().ok().filter(|_| plain && !padded)
}

/// Version 2: fixed fields, addresses, additional fields.
fn binary(bytes: &[u8]) -> Result<Option<(Told, usize)>, HeaderError> {
    let Some((fixed, rest)) = bytes.split_first_chunk::<V2_FIXED>() else {
        return Ok(None);
    };
    let [.., command, family, high, low] = *fixed;
    let len = usize::from(u16::from_be_bytes([high, low]));
    if V2_FIXED + len > HEADER_MAX {
        return Err(HeaderError::TooLong);
    }
    let is_local = match command {
        0x20 => true,
        0x21 => false,
        _ => return Err(HeaderError::Malformed("the version or command")),
    };
    let addresses = match family {
        _ if is_local => 0,
        0x00 => 0,
        0x11 => 12,
        0x21 => 36,
        0x31 => 216,
        _ => return Err(HeaderError::Malformed("the address family")),
    };
    if len < addresses {
        return Err(HeaderError::Malformed("the length"));
    }
    let Some(rest) = rest.get(..len) else {
        return Ok(None);
    };
    let told = match (addresses, rest) {
        (12, [a, b, c, d, _, _, _, _, high, low, ..]) => {
            let ip = Ipv4Addr::new(*a, *b, *c, *d);
            client(ip.into(), u16::from_be_bytes([*high, *low]))
        }
        (36, _) => {
            let ip: [u8; 16] = rest.first_chunk().copied().unwrap_or_default();
            let port = rest.get(32..).and_then(<[u8]>::first_chunk);
            let port = u16::from_be_bytes(port.copied().unwrap_or_default());
            client(Ipv6Addr::from(ip).into(), port)
        }
        _ => Told::Nobody,
    };
    Ok(Some((told, V2_FIXED + len)))
}

fn client(ip: IpAddr, port: u16) -> Told {
    Told::Client(SocketAddr::new(ip.to_canonical(), port))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn v2(command: u8, family: u8, rest: &[u8]) -> Vec<u8> {
        let mut header = V2.to_vec();
        header.extend([command, family]);
        header.extend(u16::try_from(rest.len()).unwrap().to_be_bytes());
        header.extend(rest);
        header
    }

    fn v6() -> Vec<u8> {
        let mut rest = Ipv6Addr::from(7).octets().to_vec();
        rest.extend(Ipv6Addr::LOCALHOST.octets());
        rest.extend([1, 0, 0, 80]);
        rest
    }

    fn at(text: &str) -> Told {
        Told::Client(text.parse().unwrap())
    }

    #[test]
    fn a_header_ends_where_it_ends_and_no_beginning_of_it_says_anything() {
        let v4 = [203, 0, 113, 9, 10, 0, 0, 1, 0xdc, 4, 1, 0xbb];
        let with_more = [&v4[..], &[4, 0, 2, 1, 2]].concat();
        for (header, told) in [
            (
                b"PROXY TCP4 203.0.113.9 10.0.0.1 56324 443\r\n".to_vec(),
                at("203.0.113.9:56324"),
            ),
            (b"PROXY TCP6 ::7 ::1 256 0\r\n".to_vec(), at("[::7]:256")),
            (
                b"PROXY TCP6 ::ffff:203.0.113.9 ::1 1 2\r\n".to_vec(),
                at("203.0.113.9:1"),
            ),
            (b"PROXY UNKNOWN\r\n".to_vec(), Told::Nobody),
            (b"PROXY UNKNOWN a b \x7f\r\n".to_vec(), Told::Nobody),
            (v2(0x21, 0x11, &v4), at("203.0.113.9:56324")),
            (v2(0x21, 0x11, &with_more), at("203.0.113.9:56324")),
            (v2(0x21, 0x21, &v6()), at("[::7]:256")),
            (v2(0x21, 0x31, &[1; 216]), Told::Nobody),
            (v2(0x21, 0x00, &[]), Told::Nobody),
            (v2(0x20, 0x11, &v4), Told::Nobody),
            (v2(0x20, 0xff, &[]), Told::Nobody),
        ] {
            let more = [&header[..], b"GET / HTTP/1.1\r\n"].concat();
            assert_eq!(parse(&more).unwrap(), Some((told, header.len())));
            for len in 0..header.len() {
                assert_eq!(parse(&header[..len]).unwrap(), None, "{header:?} {len}");
            }
        }
    }

    #[test]
    fn what_is_no_header_is_told_as_soon_as_it_is_seen() {
        for bytes in [
            &b"G"[..],
            b"PROXZ",
            b"proxy TCP4",
            b"\x16\x03\x01",
            b"\r\n\r\nX",
            b"PRI * HTTP/2.0\r\n\r\n",
        ] {
            assert!(
                matches!(parse(bytes), Err(HeaderError::Missing)),
                "{bytes:?}"
            );
        }
    }

    #[test]
    fn what_could_be_read_in_two_ways_is_malformed() {
        for text in [
            "PROXY TCP4 203.0.113.9 10.0.0.1 56324 443\n",
            "PROXY TCP4 203.0.113.9 10.0.0.1 56324\r\n",
            "PROXY TCP4 203.0.113.9 10.0.0.1 56324 443 \r\n",
            "PROXY TCP4  203.0.113.9 10.0.0.1 56324 443\r\n",
            "PROXY TCP4 203.0.113.09 10.0.0.1 56324 443\r\n",
            "PROXY TCP4 ::1 ::1 56324 443\r\n",
            "PROXY TCP6 203.0.113.9 10.0.0.1 56324 443\r\n",
            "PROXY TCP4 203.0.113.9 10.0.0.1 +56324 443\r\n",
            "PROXY TCP4 203.0.113.9 10.0.0.1 056324 443\r\n",
            "PROXY TCP4 203.0.113.9 10.0.0.1 65536 443\r\n",
            "PROXY TCP4 203.0.113.9 10.0.0.1  443\r\n",
            "PROXY UDP4 203.0.113.9 10.0.0.1 1 2\r\n",
            "PROXY  \r\n",
            "PROXY \r\n",
        ] {
            let parsed = parse(text.as_bytes());
            assert!(matches!(parsed, Err(HeaderError::Malformed(_))), "{text:?}");
        }
        let v4 = [0; 12];
        for header in [
            v2(0x11, 0x11, &v4),
            v2(0x22, 0x11, &v4),
            v2(0x21, 0x12, &v4),
            v2(0x21, 0x41, &v4),
            v2(0x21, 0x01, &v4),
            v2(0x21, 0x11, &v4[1..]),
            v2(0x21, 0x21, &v4),
            v2(0x21, 0x31, &v4),
        ] {
            let parsed = parse(&header);
            assert!(
                matches!(parsed, Err(HeaderError::Malformed(_))),
                "{header:?}"
            );
        }
    }

    #[test]
    fn a_header_has_a_greatest_length() {
        let line = |len: usize| format!("PROXY UNKNOWN{}\r\n", "x".repeat(len - 15));
        assert!(
            parse(line(LINE_MAX).replace("Nx", "N ").as_bytes())
                .unwrap()
                .is_some()
        );
        let long = line(LINE_MAX + 1).replace("Nx", "N ");
        assert!(parse(&long.as_bytes()[..LINE_MAX - 1]).unwrap().is_none());
        assert!(matches!(parse(long.as_bytes()), Err(HeaderError::TooLong)));
        let most = vec![0; HEADER_MAX - V2_FIXED];
        assert!(parse(&v2(0x20, 0, &most)).unwrap().is_some());
        let more = [&most[..], &[0]].concat();
        let header = v2(0x20, 0, &more);
        assert!(matches!(
            parse(&header[..V2_FIXED]),
            Err(HeaderError::TooLong)
        ));
    }
}
