//! The PROXY protocol, version 2, towards the origin: who a connection is for, said before anything else.
//!
//! The header is the specification's (`proxy-protocol.txt`, §2.2): 16 bytes, and the addresses. It belongs
//! to the connection, so such a connection serves one client only. The destination is the server's own address as we
//! connected to it. Written by hand: two shapes of fixed length, and what reads them is not ours.

use std::io;
use std::net::IpAddr;
use std::net::Ipv6Addr;
use std::net::SocketAddr;

use tokio::io::AsyncWriteExt;
use tokio::net::TcpStream;

const SIGNATURE: &[u8; 12] = b"\r\n\r\n\0\r\nQUIT\n";

/// Version 2, and what is meant: the connection is our own, or somebody's.
const LOCAL: u8 = 0x20;
const PROXY: u8 = 0x21;

/// The family, with a stream; or nothing said.
const UNSPECIFIED: u8 = 0x00;
const TCP_4: u8 = 0x11;
const TCP_6: u8 = 0x21;

/// What a server is told first.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Preamble {
    /// Nothing: it is not spoken.
    None,
    /// The connection is our own, as for a look at a server's health.
    Local,
    /// The connection is this client's.
    Client(SocketAddr),
}

impl Preamble {
    /// Writes it.
    pub(super) async fn write(self, stream: &mut TcpStream) -> io::Result<()> {
        let header = match self {
            Self::None => return Ok(()),
            Self::Local => begun(LOCAL, UNSPECIFIED, 0),
            Self::Client(client) => header(client, stream.peer_addr()?),
        };
        stream.write_all(&header).await
    }
}

/// Both addresses in one family: an IPv4 address beside an IPv6 one is written as RFC 4291 §2.5.5.2 maps it.
pub(crate) fn header(client: SocketAddr, server: SocketAddr) -> Vec<u8> {
    let mut bytes;
    match (client.ip().to_canonical(), server.ip().to_canonical()) {
        (IpAddr::V4(from), IpAddr::V4(to)) => {
            bytes = begun(PROXY, TCP_4, 12);
            bytes.extend(from.octets());
            bytes.extend(to.octets());
        }
        (from, to) => {
            bytes = begun(PROXY, TCP_6, 36);
            bytes.extend(mapped(from).octets());
            bytes.extend(mapped(to).octets());
        }
    }
    bytes.extend(client.port().to_be_bytes());
    bytes.extend(server.port().to_be_bytes());
    bytes
}

fn begun(command: u8, family: u8, len: u16) -> Vec<u8> {
    let mut bytes = SIGNATURE.to_vec();
    bytes.extend([command, family]);
    bytes.extend(len.to_be_bytes());
    bytes
}

fn mapped(ip: IpAddr) -> Ipv6Addr {
    match ip {
        IpAddr::V4(ip) => ip.to_ipv6_mapped(),
        IpAddr::V6(ip) => ip,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn text(bytes: &[u8]) -> String {
        bytes.iter().map(|byte| format!("{byte:02x}")).collect()
    }

    /// The bytes as the specification lays them out: signature, command, family, length, source, destination, ports.
    #[test]
    fn the_header_is_byte_for_byte_what_the_specification_says() {
        let addr = |text: &str| text.parse().unwrap();
        let signature = "0d0a0d0a000d0a515549540a";
        assert_eq!(
            text(&header(addr("192.0.2.1:4711"), addr("10.0.0.2:8000"))),
            format!("{signature}2111000cc00002010a00000212671f40")
        );
        assert_eq!(
            text(&header(addr("[2001:db8::1]:4711"), addr("10.0.0.2:8000"))),
            format!(
                "{signature}2121002420010db8000000000000000000000001\
                 00000000000000000000ffff0a00000212671f40"
            )
        );
        let local = begun(LOCAL, UNSPECIFIED, 0);
        assert_eq!(text(&local), format!("{signature}20000000"));
    }
}
