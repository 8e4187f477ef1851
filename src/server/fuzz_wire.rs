//! Any bytes as what comes before a request: a header of the PROXY protocol, and the frames of HTTP/2.
//!
//! Each is read whole and in pieces, which must come to the same, and by a second reader that shares nothing with the
//! first.

use std::net::IpAddr;
use std::net::Ipv4Addr;
use std::net::Ipv6Addr;
use std::net::SocketAddr;

use crate::proxy::preamble_header;
use crate::server::frames::Head;
use crate::server::frames::PREFACE_LEN;
use crate::server::frames::Scanner;
use crate::server::proxy_protocol::HEADER_MAX;
use crate::server::proxy_protocol::HeaderError;
use crate::server::proxy_protocol::Told;
use crate::server::proxy_protocol::parse;

/// How a beginning was understood.
#[derive(Debug, PartialEq, Eq)]
enum Understood {
    Told(Told, usize),
    More,
    Refused(String),
}

fn understood(bytes: &[u8]) -> Understood {
    match parse(bytes) {
        Ok(Some((told, end))) => Understood::Told(told, end),
        Ok(None) => Understood::More,
        Err(error @ HeaderError::Cut(_)) => unreachable!("nothing was cut: {error}"),
        Err(error) => Understood::Refused(error.to_string()),
    }
}

/// The first byte says in pieces of what size the rest comes in.
pub(crate) fn proxied(bytes: &[u8]) {
    let Some((&size, bytes)) = bytes.split_first() else {
        return;
    };
    written(bytes);
    let whole = understood(bytes);
    let size = usize::from(size).max(1);
    let lens = (size..bytes.len()).step_by(size).chain([bytes.len()]);
    let mut pieces = lens.map(|len| understood(&bytes[..len]));
    let first = pieces.find(|piece| *piece != Understood::More);
    let in_pieces = first.unwrap_or(Understood::More);
    assert_eq!(whole, in_pieces, "how the bytes are cut makes a difference");
    match whole {
        Understood::Told(told, end) => {
            assert!(end <= bytes.len().min(HEADER_MAX));
            assert_eq!(understood(&bytes[..end]), Understood::Told(told, end));
            assert_eq!(understood(&bytes[..end - 1]), Understood::More);
            let header = &bytes[..end];
            assert_eq!(
                told,
                if header[0] == b'P' {
                    text(header)
                } else {
                    fields(header)
                }
            );
        }
        Understood::More => assert!(bytes.len() < HEADER_MAX, "it has no end"),
        Understood::Refused(_) => {}
    }
}

fn at(ip: IpAddr, port: u16) -> SocketAddr {
    SocketAddr::new(ip.to_canonical(), port)
}

/// What a line that was taken says.
fn text(header: &[u8]) -> Told {
    let header = std::str::from_utf8(header).expect("text");
    let line = header.strip_suffix("\r\n").expect("a line");
    assert!(!line.contains('\n') && header.len() <= 107, "{line:?}");
    let words: Vec<_> = line.split(' ').collect();
    if words[1] == "UNKNOWN" {
        return Told::Nobody;
    }
    let [name, family, from, to, from_port, to_port] = words[..] else {
        unreachable!("{line:?}");
    };
    let port = |text: &str| text.parse::<u16>().expect("a port");
    let ports = [port(from_port), port(to_port)];
    // There is one way to write all of it but an IPv6 address.
    if family == "TCP4" {
        let [from, to] = [from, to].map(|ip| ip.parse::<Ipv4Addr>().expect("IPv4"));
        let [from_port, to_port] = ports;
        assert_eq!(
            line,
            format!("PROXY TCP4 {from} {to} {from_port} {to_port}")
        );
        return Told::Client(at(from.into(), from_port));
    }
    assert_eq!((name, family), ("PROXY", "TCP6"));
    assert_eq!(ports.map(|port| port.to_string()), [from_port, to_port]);
    let [from, _] = [from, to].map(|ip| ip.parse::<Ipv6Addr>().expect("IPv6"));
    Told::Client(at(from.into(), ports[0]))
}

/// What the fields of version 2 say, by their places in the specification (§2.2).
fn fields(header: &[u8]) -> Told {
    let number = |at: usize| u16::from_be_bytes([header[at], header[at + 1]]);
    assert_eq!(header.len(), 16 + usize::from(number(14)));
    let v6 = |at: usize| {
        let groups: Vec<_> = (at..at + 16).step_by(2).map(number).collect();
        Ipv6Addr::from(<[u16; 8]>::try_from(groups).expect("eight"))
    };
    let v4 = |at: usize| Ipv4Addr::new(header[at], header[at + 1], header[at + 2], header[at + 3]);
    match (header[12], header[13]) {
        (0x21, 0x11) => Told::Client(at(v4(16).into(), number(24))),
        (0x21, 0x21) => Told::Client(at(v6(16).into(), number(48))),
        (0x20, _) | (0x21, 0x00 | 0x31) => Told::Nobody,
        other => unreachable!("{other:?}"),
    }
}

/// What we tell an origin, of addresses made of these bytes, is read back, whatever follows.
fn written(bytes: &[u8]) {
    let mut made = [0; 37];
    for (byte, given) in made.iter_mut().zip(bytes) {
        *byte = *given;
    }
    let [families, made @ ..] = made;
    let addr = |from: usize, is_v4: bool| {
        let octets = made[from..].first_chunk::<18>().expect("there are 36");
        let [a, b, c, d, .., high, low] = *octets;
        let v6 = *octets.first_chunk::<16>().expect("there are 18");
        let ip = if is_v4 {
            IpAddr::from([a, b, c, d])
        } else {
            IpAddr::from(v6)
        };
        SocketAddr::new(ip, u16::from_be_bytes([high, low]))
    };
    let (client, server) = (addr(0, families & 1 == 0), addr(18, families & 2 == 0));
    let header = preamble_header(client, server);
    let told = Told::Client(at(client.ip(), client.port()));
    let followed = [&header, bytes].concat();
    assert_eq!(understood(&followed), Understood::Told(told, header.len()));
}

/// The first byte says in pieces of what size the rest comes in: a preface, and frames.
pub(crate) fn frames(bytes: &[u8]) {
    let Some((&size, bytes)) = bytes.split_first() else {
        return;
    };
    let (plain, is_between) = plain(bytes);
    for size in [usize::from(size), bytes.len(), 1] {
        let mut scanner = Scanner::new(PREFACE_LEN);
        let mut heads = Vec::new();
        for piece in bytes.chunks(size.max(1)) {
            scanner.see(piece, |head| heads.push(head));
        }
        assert_eq!(heads, plain, "in pieces of {size}");
        assert_eq!(scanner.is_between(), is_between, "in pieces of {size}");
    }
}

/// The heads in these bytes (RFC 9113 §4.1), and whether they end where a frame does.
fn plain(bytes: &[u8]) -> (Vec<Head>, bool) {
    let mut heads = Vec::new();
    let Some(mut rest) = bytes.get(24..) else {
        return (heads, false);
    };
    while let Some((&[l0, l1, l2, kind, flags, s0, s1, s2, s3], behind)) = rest.split_first_chunk()
    {
        let number = |bytes: [u8; 4]| u32::from_be_bytes(bytes) & 0x7fff_ffff;
        let len = u32::from_be_bytes([0, l0, l1, l2]);
        let growth = match (kind, len, behind.first_chunk::<4>()) {
            (8, 4, Some(growth)) => number(*growth),
            // Nothing is said of a window before it is known.
            (8, 4, None) => return (heads, false),
            _ => 0,
        };
        heads.push(Head {
            kind,
            flags,
            stream: number([s0, s1, s2, s3]),
            len,
            growth,
        });
        let Some(next) = behind.get(usize::try_from(len).unwrap_or(usize::MAX)..) else {
            return (heads, false);
        };
        rest = next;
    }
    (heads, rest.is_empty())
}
