//! What counts as one client where limits go by address.
//!
//! Behind one IPv4 address may be a household or, with carrier-grade NAT, a thousand phones; limits that go by it have to
//! be high. With IPv6 a household, and in most mobile networks each phone, has a /64 to itself and changes its address
//! within it as it likes, so that is what counts; whoever rents a /48 has 65,536 of those, so a limit on something that
//! lasts looks at the /48 as well.

use std::net::IpAddr;
use std::net::Ipv6Addr;

/// A client as limits by address know it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Network {
    /// One IPv4 address.
    V4(u32),
    /// A /64 of IPv6: its first 64 bits.
    V6(u64),
    /// A /48 of IPv6: its first 48 bits, as the lower ones.
    Wide(u64),
}

impl Network {
    /// Where this address belongs. An IPv4 address in the clothes of IPv6 is one of IPv4.
    #[must_use]
    pub fn of(ip: IpAddr) -> Self {
        match ip.to_canonical() {
            IpAddr::V4(ip) => Self::V4(ip.to_bits()),
            IpAddr::V6(ip) => Self::V6(first_half(ip)),
        }
    }

    /// The larger network around it that one customer may have to itself, if there is such a thing.
    #[must_use]
    pub fn wide(self) -> Option<Self> {
        match self {
            Self::V6(bits) => Some(Self::Wide(bits >> 16)),
            Self::V4(_) | Self::Wide(_) => None,
        }
    }
}

fn first_half(ip: Ipv6Addr) -> u64 {
    // What is left of 128 bits after shifting by 64 fits.
    u64::try_from(ip.to_bits() >> 64).unwrap_or(u64::MAX)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn of(ip: &str) -> Network {
        Network::of(ip.parse().unwrap())
    }

    #[test]
    fn ipv4_counts_by_address_and_ipv6_by_the_network_of_a_household() {
        assert_ne!(of("192.0.2.1"), of("192.0.2.2"));
        assert_eq!(of("192.0.2.1"), of("::ffff:192.0.2.1"));
        assert_eq!(of("2001:db8:1:2::1"), of("2001:db8:1:2:ffff::9"));
        assert_ne!(of("2001:db8:1:2::1"), of("2001:db8:1:3::1"));
        assert_ne!(of("::1"), of("0.0.0.0"));
    }

    #[test]
    fn the_networks_of_one_customer_are_in_one_wide_network() {
        let wide = of("2001:db8:1:2::1").wide();
        assert_eq!(wide, of("2001:db8:1:ffff::1").wide());
        assert_ne!(wide, of("2001:db8:2::1").wide());
        assert_eq!(of("192.0.2.1").wide(), None);
    }
}
