//! The forms text values have to have.

use std::net::IpAddr;
use std::net::SocketAddr;
use std::path::Path;
use std::str::FromStr;

use http::Method;
use http::uri::PathAndQuery;
use ipnet::IpNet;
use jiff::Timestamp;
use jiff::civil::DateTime;
use jiff::tz::TimeZone;

use crate::config::fault::Code;
use crate::config::fault::Fault;
use crate::config::room::LANGUAGES;

/// Reads an address and port.
pub(crate) fn address(text: &str) -> Result<SocketAddr, Fault> {
    text.parse().map_err(|_| {
        Fault::invalid(
            "not an address",
            "it is an IP address and a port; names are not looked up",
            "write it like \"0.0.0.0:8080\" or \"[::]:8080\"",
        )
    })
}

/// Reads a network; an address alone is a network of one.
pub(crate) fn network(text: &str) -> Result<IpNet, Fault> {
    text.parse()
        .or_else(|_| text.parse::<IpAddr>().map(IpNet::from))
        .map_err(|_| {
            Fault::invalid(
                "not a network",
                "it is an IP address with or without a prefix length",
                "write it like \"10.0.0.0/8\" or \"192.0.2.7\"",
            )
        })
}

/// Checks a path: there is something of it, and it can be handed to the system.
pub(super) fn path(text: &str) -> Result<(), Fault> {
    let usable =
        !text.is_empty() && !text.contains('\0') && Path::new(text).components().next().is_some();
    let fault = || Fault::invalid("not a path", "it is empty or cannot be a file's name", "");
    usable.then_some(()).ok_or_else(fault)
}

/// Checks the prefix of anteroom's own pages.
pub(super) fn prefix(text: &str) -> Result<(), Fault> {
    let inner = text
        .strip_prefix('/')
        .and_then(|rest| rest.strip_suffix('/'))
        .unwrap_or_default();
    let plain = |b: u8| b.is_ascii_alphanumeric() || matches!(b, b'.' | b'-' | b'_');
    let segment = |part: &str| !matches!(part, "" | "." | "..") && part.bytes().all(plain);
    if text.len() <= 64 && inner.split('/').all(segment) {
        return Ok(());
    }
    Err(Fault::invalid(
        "not a prefix",
        "it is slash, letters, digits, . - _, slash; at most 64 bytes",
        "write it like \"/.anteroom/\"",
    ))
}

/// Checks a name that certificates are for (RFC 6066 §3), or an address.
pub(super) fn server_name(text: &str) -> Result<(), Fault> {
    rustls::pki_types::ServerName::try_from(text)
        .map(drop)
        .map_err(|_| {
            Fault::invalid(
                "not a server's name",
                "it is a host's name or an address, without scheme and port",
                "write it like \"portal.internal\"",
            )
        })
}

/// Checks what can be sent as `Host` (RFC 9110 §7.2).
pub(super) fn host(text: &str) -> Result<(), Fault> {
    let authority = text.parse::<http::uri::Authority>();
    let is_host = |authority: http::uri::Authority| !authority.as_str().contains('@');
    if authority.is_ok_and(is_host) {
        return Ok(());
    }
    Err(Fault::invalid(
        "not a host",
        "it is a host's name or an address, with or without a port",
        "write it like \"portal.internal\" or \"portal.internal:8443\"",
    ))
}

/// Reads a path to be asked for at the origin, with a query or without.
pub(crate) fn target(text: &str) -> Result<PathAndQuery, Fault> {
    let fault = || {
        Fault::invalid(
            "not a path",
            "it begins with a slash, and has no spaces and no fragment",
            "write it like \"/health\"",
        )
    };
    let plain = text.starts_with('/') && text.bytes().all(|b| b.is_ascii_graphic() && b != b'#');
    let target = plain.then(|| PathAndQuery::from_str(text).ok()).flatten();
    target.ok_or_else(fault)
}

/// Checks the prefix of keys in Redis; braces would move them to other hash slots.
pub(super) fn store_prefix(text: &str) -> Result<(), Fault> {
    let plain = |b: u8| b.is_ascii_alphanumeric() || matches!(b, b'-' | b'_');
    if (1..=32).contains(&text.len()) && text.bytes().all(plain) {
        return Ok(());
    }
    Err(Fault::invalid(
        "not a key prefix",
        "it is 1 to 32 letters, digits, - and _",
        "write it like \"anteroom\"",
    ))
}

/// A moment as written: with its offset, or by the clock of the room's zone.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Moment {
    /// One instant.
    Instant(Timestamp),
    /// A clock time.
    Clock(DateTime),
}

/// Reads a moment.
pub(crate) fn moment(text: &str) -> Result<Moment, Fault> {
    Timestamp::from_str(text)
        .map(Moment::Instant)
        .or_else(|_| DateTime::from_str(text).map(Moment::Clock))
        .map_err(|_| {
            Fault::invalid(
                "not a date and time",
                "it is a day and a clock time, with or without the offset from UTC",
                "write it like \"2026-12-03T09:00\"",
            )
        })
}

/// Reads a method.
pub(crate) fn method(text: &str) -> Result<Method, Fault> {
    let upper = !text.bytes().any(|b| b.is_ascii_lowercase());
    Method::from_str(text)
        .ok()
        .filter(|_| upper && text.len() <= 32)
        .ok_or_else(|| {
            Fault::invalid(
                "not a method",
                "methods are words in capitals; case counts",
                "write it like \"POST\"",
            )
        })
}

/// Checks the name of an origin or, more strictly, of a room.
pub(crate) fn section_name(text: &str, room: bool) -> Result<(), Fault> {
    let plain = |b: u8| b.is_ascii_lowercase() || b.is_ascii_digit();
    let part = |part: &str| !part.is_empty() && part.bytes().all(plain);
    let fault = |reason: &str| {
        Fault::invalid(
            "not a usable name",
            reason,
            "write it like \"booking\" or \"walk-in\"",
        )
    };
    if text.len() > 32 {
        return Err(fault("it is longer than 32 characters"));
    }
    if !text.split('-').all(part) {
        return Err(fault("names are a-z and 0-9, with single hyphens inside"));
    }
    if room && text.ends_with("-pass") {
        return Err(fault(
            "a name that ends in -pass would look like another room's pass",
        ));
    }
    Ok(())
}

/// Checks a protocol to upgrade to (RFC 9110 §7.8).
pub(super) fn upgrade(text: &str) -> Result<(), Fault> {
    let plain = |b: u8| b.is_ascii_alphanumeric() || b"!#$%&'*+-.^_`|~/".contains(&b);
    if matches!(text.to_ascii_lowercase().as_str(), "h2c" | "tls" | "http") {
        return Err(Fault::new(
            Code::Unsupported,
            "an upgrade that would leave the proxy's rules",
            "another HTTP inside the connection would go past every check",
            "leave it out; HTTP/2 is spoken by itself",
        ));
    }
    let fits = (1..=64).contains(&text.len()) && text.bytes().all(plain);
    let fault = || {
        Fault::invalid(
            "not a protocol",
            "it is a name as in an Upgrade header",
            "write \"websocket\"",
        )
    };
    fits.then_some(()).ok_or_else(fault)
}

/// Checks a text that stands on one line of a page.
pub(super) fn line(text: &str, most: usize) -> Result<(), Fault> {
    if text.trim().is_empty() || text.chars().any(char::is_control) {
        return Err(Fault::invalid(
            "not a name",
            "it is empty, or has a line break or control character",
            "",
        ));
    }
    if text.chars().count() > most {
        return Err(Fault::new(
            Code::OutOfRange,
            "too long",
            format!("the most is {most} characters"),
            "",
        ));
    }
    Ok(())
}

/// Checks a language: one whose texts exist.
pub(super) fn language(text: &str) -> Result<(), Fault> {
    if LANGUAGES.contains(&text) {
        return Ok(());
    }
    let list = LANGUAGES.join(", ");
    Err(Fault::new(
        Code::NotAChoice,
        "no pages in this language",
        format!("there are pages in: {list}"),
        "",
    ))
}

/// Checks a time zone.
pub(super) fn zone(text: &str) -> Result<(), Fault> {
    TimeZone::get(text).map(drop).map_err(|_| {
        Fault::invalid(
            "not a time zone",
            "the IANA database has no zone of this name",
            "write it like \"Europe/Rome\"",
        )
    })
}

/// Checks a telephone number as people write it.
pub(super) fn phone(text: &str) -> Result<(), Fault> {
    let plain = |c: char| c.is_ascii_digit() || " +-()./*#".contains(c);
    let digits = text.chars().filter(char::is_ascii_digit).count();
    if text.len() <= 40 && digits >= 2 && text.chars().all(plain) {
        return Ok(());
    }
    Err(Fault::invalid(
        "not a telephone number",
        "it is digits, spaces and + - ( ) . / * #",
        "",
    ))
}
