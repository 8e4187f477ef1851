//! What the origin is told about the client: `Forwarded`, `X-Forwarded-*` and `Via`, made from what we know.
//!
//! A visitor's requests come in bunches, and all of a bunch say the same, so what was said last is kept for a few
//! clients.

use std::cell::RefCell;
use std::net::IpAddr;

use http::HeaderMap;
use http::HeaderValue;
use http::Version;
use http::header;

use crate::message::forwarded::X_FORWARDED_FOR;
use crate::message::forwarded::X_FORWARDED_HOST;
use crate::message::forwarded::X_FORWARDED_PROTO;
use crate::message::peer::Client;

/// Clients whose values are kept, by worker and origin.
const KEPT: usize = 256;

/// Headers added to a request at most, with one to spare for the visitor's.
const ADDED: usize = 6;

const HTTP: HeaderValue = HeaderValue::from_static("http");
const HTTPS: HeaderValue = HeaderValue::from_static("https");
const PSEUDONYM_10: HeaderValue = HeaderValue::from_static("1.0 anteroom");
const PSEUDONYM_11: HeaderValue = HeaderValue::from_static("1.1 anteroom");
const PSEUDONYM_20: HeaderValue = HeaderValue::from_static("2.0 anteroom");

/// Which headers tell the origin about the client. What a client itself put there is removed in any case.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Forwarding {
    /// `X-Forwarded-For`, `X-Forwarded-Proto`, `X-Forwarded-Host`.
    pub x_forwarded: bool,
    /// `Forwarded` (RFC 7239).
    pub forwarded: bool,
    /// `Via` (RFC 9110 §7.6.3).
    pub via: bool,
}

impl Default for Forwarding {
    fn default() -> Self {
        Self {
            x_forwarded: true,
            forwarded: true,
            via: true,
        }
    }
}

/// Tells the origin about clients.
#[derive(Debug)]
pub struct Teller {
    forwarding: Forwarding,
    /// By address; whoever comes later takes the place.
    kept: RefCell<Box<[Option<Told>]>>,
}

/// What was said of one client.
#[derive(Debug)]
struct Told {
    ip: IpAddr,
    https: bool,
    host: Option<HeaderValue>,
    address: Option<HeaderValue>,
    element: Option<HeaderValue>,
}

impl Teller {
    /// Tells in these headers.
    #[must_use]
    pub fn new(forwarding: Forwarding) -> Self {
        let kept = (0..KEPT).map(|_| None).collect();
        Self {
            forwarding,
            kept: RefCell::new(kept),
        }
    }

    /// Adds what is known of a client to its request, which spoke `version`. What the client itself said was removed
    /// before ([`crate::message::headers::clean_request`]).
    pub fn tell(&self, headers: &mut HeaderMap, client: &Client, version: Version) {
        headers.reserve(ADDED);
        if self.forwarding.forwarded || self.forwarding.x_forwarded {
            self.tell_client(headers, client);
        }
        if self.forwarding.via {
            let pseudonym = match version {
                Version::HTTP_10 => PSEUDONYM_10,
                Version::HTTP_2 => PSEUDONYM_20,
                _ => PSEUDONYM_11,
            };
            headers.append(header::VIA, pseudonym);
        }
    }

    fn tell_client(&self, headers: &mut HeaderMap, client: &Client) {
        let host = client.host.as_ref().or_else(|| headers.get(header::HOST));
        let mut kept = self.kept.borrow_mut();
        let place = &mut kept[place_of(client.ip)];
        let told = match place.take().filter(|told| told.is_of(client, host)) {
            Some(told) => place.insert(told),
            None => place.insert(Told::of(client, host.cloned())),
        };
        if self.forwarding.forwarded
            && let Some(element) = &told.element
        {
            headers.insert(header::FORWARDED, element.clone());
        }
        if self.forwarding.x_forwarded {
            if let Some(address) = &told.address {
                headers.insert(X_FORWARDED_FOR, address.clone());
            }
            headers.insert(X_FORWARDED_PROTO, if client.https { HTTPS } else { HTTP });
            if let Some(host) = &told.host {
                headers.insert(X_FORWARDED_HOST, host.clone());
            }
        }
    }
}

impl Told {
    fn of(client: &Client, host: Option<HeaderValue>) -> Self {
        Self {
            ip: client.ip,
            https: client.https,
            address: HeaderValue::try_from(client.ip.to_string()).ok(),
            element: HeaderValue::try_from(element(client, host.as_ref())).ok(),
            host,
        }
    }

    fn is_of(&self, client: &Client, host: Option<&HeaderValue>) -> bool {
        self.ip == client.ip && self.https == client.https && self.host.as_ref() == host
    }
}

fn place_of(ip: IpAddr) -> usize {
    let bits = match ip {
        IpAddr::V4(ip) => u128::from(ip.to_bits()),
        IpAddr::V6(ip) => ip.to_bits(),
    };
    // The remainder is below KEPT.
    usize::try_from((bits ^ (bits >> 64)) % KEPT as u128).unwrap_or(0)
}

/// RFC 7239 §4: `for`, `host` and `proto` of the hop before us. IPv6 addresses and hosts with a port are quoted.
fn element(client: &Client, host: Option<&HeaderValue>) -> String {
    let mut text = match client.ip {
        IpAddr::V4(ip) => format!("for={ip}"),
        IpAddr::V6(ip) => format!("for=\"[{ip}]\""),
    };
    if let Some(host) = host.and_then(|host| host.to_str().ok())
        && !host.contains(['"', '\\'])
    {
        text.push_str(";host=\"");
        text.push_str(host);
        text.push('"');
    }
    text.push_str(if client.https {
        ";proto=https"
    } else {
        ";proto=http"
    });
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    fn told(teller: &Teller, client: &Client, version: Version) -> HeaderMap {
        let mut map = HeaderMap::new();
        map.insert(header::HOST, HeaderValue::from_static("a.example:8443"));
        map.insert(header::VIA, HeaderValue::from_static("1.0 edge"));
        teller.tell(&mut map, client, version);
        map
    }

    #[test]
    fn the_origin_is_told_who_asks_in_every_dialect() {
        let teller = Teller::new(Forwarding::default());
        let client = Client {
            ip: "2001:db8::1".parse().unwrap(),
            port: 4711,
            https: true,
            host: None,
        };
        for _ in 0..2 {
            let map = told(&teller, &client, Version::HTTP_2);
            let element = "for=\"[2001:db8::1]\";host=\"a.example:8443\";proto=https";
            assert_eq!(map["forwarded"], element);
            assert_eq!(map["x-forwarded-for"], "2001:db8::1");
            assert_eq!(map["x-forwarded-proto"], "https");
            assert_eq!(map["x-forwarded-host"], "a.example:8443");
            let via: Vec<_> = map.get_all("via").iter().collect();
            assert_eq!(via, ["1.0 edge", "2.0 anteroom"]);
        }
    }

    #[test]
    fn what_is_kept_of_one_client_is_never_said_of_another() {
        let teller = Teller::new(Forwarding::default());
        let mut client = Client {
            ip: "192.0.2.1".parse().unwrap(),
            port: 4711,
            https: true,
            host: None,
        };
        told(&teller, &client, Version::HTTP_11);
        client.https = false;
        assert_eq!(
            told(&teller, &client, Version::HTTP_11)["x-forwarded-proto"],
            "http"
        );
        client.host = Some(HeaderValue::from_static("b.example"));
        assert_eq!(
            told(&teller, &client, Version::HTTP_11)["x-forwarded-host"],
            "b.example"
        );
        // An address with the same place.
        client.ip = "192.1.2.1".parse().unwrap();
        assert_eq!(place_of(client.ip), place_of("192.0.2.1".parse().unwrap()));
        assert_eq!(
            told(&teller, &client, Version::HTTP_11)["x-forwarded-for"],
            "192.1.2.1"
        );
    }
}
