//! Who is asking: the other end of the connection, or the client a trusted proxy speaks for.
//!
//! Forwarding headers are believed only as far as each hop that added to them is trusted; from anybody else they are
//! as if absent.

use std::net::IpAddr;
use std::net::SocketAddr;

use http::HeaderMap;
use http::HeaderValue;
use ipnet::IpNet;

use crate::message::forwarded;

/// The other end of a connection.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Peer {
    /// Its address (the one PROXY protocol tells, where that is used).
    pub addr: SocketAddr,
    /// Whether it came over TLS.
    pub tls: bool,
}

/// Who is asking, after trusted proxies were taken into account.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Client {
    /// The client's address.
    pub ip: IpAddr,
    /// Its port; 0 when a trusted proxy tells the address, which comes without.
    pub port: u16,
    /// Whether the client itself used `https`.
    pub https: bool,
    /// The host the client asked for, when a trusted proxy tells another one than `Host`.
    pub host: Option<HeaderValue>,
}

impl Client {
    /// The client's address and port.
    #[must_use]
    pub fn addr(&self) -> SocketAddr {
        SocketAddr::new(self.ip, self.port)
    }
}

/// Which headers the proxies in front of us write; the others are ignored, because a proxy that does not know them
/// passes on whatever a client put there.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum ForwardingHeader {
    /// `X-Forwarded-For`, `X-Forwarded-Proto` and `X-Forwarded-Host`.
    #[default]
    XForwarded,
    /// `Forwarded` (RFC 7239).
    Forwarded,
}

/// The proxies in front of us whose word counts.
#[derive(Debug, Clone, Default)]
pub struct TrustedProxies {
    nets: Vec<IpNet>,
    header: ForwardingHeader,
}

impl TrustedProxies {
    /// Trusts what proxies with an address in one of `nets` write into `header`.
    #[must_use]
    pub fn new(nets: Vec<IpNet>, header: ForwardingHeader) -> Self {
        Self { nets, header }
    }

    /// Whether the word of this address counts.
    #[must_use]
    pub fn contains(&self, ip: IpAddr) -> bool {
        let ip = ip.to_canonical();
        self.nets.iter().any(|net| net.contains(&ip))
    }

    /// Who is asking.
    #[must_use]
    pub fn client(&self, peer: Peer, headers: &HeaderMap) -> Client {
        let direct = Client {
            ip: peer.addr.ip().to_canonical(),
            port: peer.addr.port(),
            https: peer.tls,
            host: None,
        };
        if self.nets.is_empty() || !self.contains(direct.ip) {
            return direct;
        }
        match self.header {
            ForwardingHeader::XForwarded => forwarded::from_x_forwarded(self, direct, headers),
            ForwardingHeader::Forwarded => forwarded::from_forwarded(self, direct, headers),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn peer(addr: &str) -> Peer {
        Peer {
            addr: addr.parse().unwrap(),
            tls: false,
        }
    }

    fn client(header: ForwardingHeader, from: &str, lines: &[(&'static str, &str)]) -> Client {
        let trusted = TrustedProxies::new(
            vec!["10.0.0.0/8".parse().unwrap(), "fd00::/8".parse().unwrap()],
            header,
        );
        let mut headers = HeaderMap::new();
        for (name, value) in lines {
            headers.append(*name, HeaderValue::from_str(value).unwrap());
        }
        trusted.client(peer(from), &headers)
    }

    fn x(from: &str, lines: &[(&'static str, &str)]) -> Client {
        client(ForwardingHeader::XForwarded, from, lines)
    }

    #[test]
    fn a_stranger_speaks_only_for_itself() {
        let seen = x(
            "192.0.2.9:1",
            &[
                ("x-forwarded-for", "203.0.113.1"),
                ("x-forwarded-proto", "https"),
            ],
        );
        assert_eq!(seen.ip, "192.0.2.9".parse::<IpAddr>().unwrap());
        assert!(!seen.https);
    }

    #[test]
    fn the_nearest_untrusted_hop_is_the_client_and_what_it_claims_is_ignored() {
        let seen = x(
            "10.0.0.1:1",
            &[
                ("x-forwarded-for", "1.1.1.1, 203.0.113.1"),
                ("x-forwarded-for", "10.0.0.7:443"),
            ],
        );
        assert_eq!(seen.ip, "203.0.113.1".parse::<IpAddr>().unwrap());
    }

    #[test]
    fn an_unreadable_hop_ends_the_walk_at_the_last_known_address() {
        let seen = x(
            "10.0.0.1:1",
            &[("x-forwarded-for", "203.0.113.1, unknown, 10.0.0.7")],
        );
        assert_eq!(seen.ip, "10.0.0.7".parse::<IpAddr>().unwrap());
    }

    #[test]
    fn the_scheme_belongs_to_the_same_hop_as_the_address() {
        let lines = [
            ("x-forwarded-for", "203.0.113.1, 10.0.0.7"),
            ("x-forwarded-proto", "https, http"),
        ];
        assert!(x("10.0.0.1:1", &lines).https);
        let single = [
            ("x-forwarded-for", "203.0.113.1"),
            ("x-forwarded-proto", "HTTPS"),
        ];
        assert!(x("10.0.0.1:1", &single).https);
    }

    #[test]
    fn forwarded_is_read_with_its_quotes_and_only_when_it_is_the_chosen_header() {
        let lines = [
            (
                "forwarded",
                r#"for=1.1.1.1;proto=http, For="[2001:db8::17]:4711";proto=https;host="a.example""#,
            ),
            ("forwarded", "for=10.1.1.1"),
            ("x-forwarded-for", "9.9.9.9"),
        ];
        let seen = client(ForwardingHeader::Forwarded, "[fd00::1]:1", &lines);
        assert_eq!(seen.ip, "2001:db8::17".parse::<IpAddr>().unwrap());
        assert!(seen.https);
        assert_eq!(seen.host.unwrap(), "a.example");
        assert_eq!(
            x("10.0.0.1:1", &lines).ip,
            "9.9.9.9".parse::<IpAddr>().unwrap()
        );
    }
}
