//! Patterns that say which requests belong to a room: paths and hosts.

use std::fmt;
use std::net::Ipv6Addr;
use std::str::FromStr;

use crate::config::fault::Fault;

/// Longest path pattern, in bytes.
const PATTERN_BYTES_MAX: usize = 512;

/// Most segments a pattern may have, and most stars in one of them: what bounds the work of a match.
const SEGMENTS_MAX: usize = 32;

/// Which paths, written `"/booking"`, `"/booking/*"` or `"/static/*.css"`.
///
/// A star stands for any characters within one segment. A whole last segment `*` stands for everything below: so
/// `/booking/*` matches `/booking/a/b`, `/booking/` and `/booking` itself, and `/*` matches every path. Case counts.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct PathPattern {
    /// The segments, without a last `*` that stands for everything below.
    segments: Vec<String>,
    /// Whether everything below matches too.
    below: bool,
}

/// Which hosts, written `"booking.example.org"` or `"*.example.org"` (any name below, not the name itself).
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct HostPattern {
    /// A name or address in lower case.
    name: String,
    /// Whether it stands for the names below.
    below: bool,
}

/// How closely a pattern describes what it matches: of two that match, the greater one is meant.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Default)]
pub struct Closeness {
    exact: bool,
    before_star: usize,
    literal: usize,
}

impl PathPattern {
    /// Whether the pattern matches a path that begins with a slash and is normal already: percent-decoded, without
    /// dot segments.
    #[must_use]
    pub fn matches(&self, path: &str) -> bool {
        let Some(path) = path.strip_prefix('/') else {
            return false;
        };
        let mut given = path.split('/');
        let mut wanted = self.segments.iter();
        let all = wanted.all(|wanted| {
            given
                .next()
                .is_some_and(|segment| segment_matches(wanted, segment))
        });
        all && (self.below || given.next().is_none())
    }

    /// How closely the pattern describes what it matches.
    #[must_use]
    pub fn closeness(&self) -> Closeness {
        let text = self.to_string();
        let before_star = text.find('*').unwrap_or(text.len());
        let literal = text.bytes().filter(|byte| *byte != b'*').count();
        Closeness {
            exact: !text.contains('*'),
            before_star,
            literal,
        }
    }
}

impl FromStr for PathPattern {
    type Err = Fault;

    fn from_str(text: &str) -> Result<Self, Fault> {
        let fault = |reason: &str| {
            Fault::invalid(
                "not a path pattern",
                reason,
                "write it like \"/booking/*\" or \"/static/*.css\"",
            )
        };
        let rest = text
            .strip_prefix('/')
            .ok_or_else(|| fault("a path begins with a slash"))?;
        if text.len() > PATTERN_BYTES_MAX {
            return Err(fault("it is longer than 512 bytes"));
        }
        if text.contains(['?', '#']) {
            return Err(fault(
                "patterns match paths: there is no query and no fragment in them",
            ));
        }
        if text.contains('%') {
            return Err(fault(
                "paths are decoded before they are matched: write the character itself",
            ));
        }
        if text.contains("**") {
            return Err(fault(
                "one star is enough: as a last segment it matches everything below",
            ));
        }
        if text.contains(['\\', ';']) || text.chars().any(char::is_control) {
            return Err(fault(
                "backslashes, semicolons and control characters never match a normal path",
            ));
        }
        let mut segments: Vec<String> = rest.split('/').map(str::to_owned).collect();
        if segments.len() > SEGMENTS_MAX {
            return Err(fault("it has more than 32 segments"));
        }
        let below = segments.last().is_some_and(|last| last == "*");
        if below {
            segments.pop();
        }
        let dots = |segment: &String| segment == "." || segment == "..";
        let empty = segments
            .iter()
            .rev()
            .skip(usize::from(!below))
            .any(String::is_empty);
        if segments.iter().any(dots) || empty {
            return Err(fault(
                "paths are matched without dot segments and empty segments",
            ));
        }
        if segments
            .iter()
            .any(|segment| segment.matches('*').count() > SEGMENTS_MAX)
        {
            return Err(fault("it has more than 32 stars in one segment"));
        }
        Ok(Self { segments, below })
    }
}

impl fmt::Display for PathPattern {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for segment in &self.segments {
            write!(f, "/{segment}")?;
        }
        if self.below {
            f.write_str("/*")
        } else {
            Ok(())
        }
    }
}

impl HostPattern {
    /// Whether the pattern matches a host name or address; case and a last dot do not count, a port must be gone.
    #[must_use]
    pub fn matches(&self, host: &str) -> bool {
        let host = host.strip_suffix('.').unwrap_or(host);
        if !self.below {
            return host.eq_ignore_ascii_case(&self.name);
        }
        let Some(start) = host
            .len()
            .checked_sub(self.name.len())
            .filter(|start| *start > 1)
        else {
            return false;
        };
        let (below, end) = host.as_bytes().split_at(start);
        below.ends_with(b".") && end.eq_ignore_ascii_case(self.name.as_bytes())
    }

    /// How closely the pattern describes what it matches.
    #[must_use]
    pub fn closeness(&self) -> Closeness {
        Closeness {
            exact: !self.below,
            before_star: 0,
            literal: self.name.len(),
        }
    }
}

impl FromStr for HostPattern {
    type Err = Fault;

    fn from_str(text: &str) -> Result<Self, Fault> {
        let fault = |reason: &str| {
            Fault::invalid(
                "not a host",
                reason,
                "write it like \"booking.example.org\" or \"*.example.org\"",
            )
        };
        if let Some(inner) = text
            .strip_prefix('[')
            .and_then(|rest| rest.strip_suffix(']'))
        {
            let address: Ipv6Addr = inner
                .parse()
                .map_err(|_| fault("no IPv6 address in the brackets"))?;
            return Ok(Self {
                name: format!("[{address}]"),
                below: false,
            });
        }
        if text.contains("://") || text.contains('/') {
            return Err(fault("a host stands alone, without scheme and path"));
        }
        if text.contains(':') {
            return Err(fault("ports do not count here: leave it out"));
        }
        if !text.is_ascii() {
            return Err(fault(
                "international names are written in their ASCII form (xn--…)",
            ));
        }
        let (name, below) = text
            .strip_prefix("*.")
            .map_or((text, false), |name| (name, true));
        let label = |label: &str| {
            (1..=63).contains(&label.len())
                && label
                    .bytes()
                    .all(|b| b.is_ascii_alphanumeric() || b == b'-' || b == b'_')
        };
        if name.contains('*') {
            return Err(fault(
                "a star stands only for everything before the first dot",
            ));
        }
        if name.len() > 253 || !name.split('.').all(label) {
            return Err(fault(
                "it is not a name of letters, digits, hyphens and dots",
            ));
        }
        Ok(Self {
            name: name.to_ascii_lowercase(),
            below,
        })
    }
}

impl fmt::Display for HostPattern {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if self.below {
            f.write_str("*.")?;
        }
        f.write_str(&self.name)
    }
}

/// Whether a segment matches a pattern in which each star stands for any characters, none included.
///
/// After a mismatch only the last star is tried again one character further, so the work is at most the product of
/// the two lengths.
fn segment_matches(pattern: &str, segment: &str) -> bool {
    let (pattern, segment) = (pattern.as_bytes(), segment.as_bytes());
    let (mut at, mut from) = (0, 0);
    let mut star: Option<(usize, usize)> = None;
    while from < segment.len() {
        match pattern.get(at) {
            Some(b'*') => {
                star = Some((at, from));
                at += 1;
            }
            Some(byte) if segment.get(from) == Some(byte) => {
                at += 1;
                from += 1;
            }
            Some(_) | None => match star {
                Some((star_at, taken)) => {
                    star = Some((star_at, taken + 1));
                    at = star_at + 1;
                    from = taken + 1;
                }
                None => return false,
            },
        }
    }
    pattern.iter().skip(at).all(|byte| *byte == b'*')
}

#[cfg(test)]
mod tests;
