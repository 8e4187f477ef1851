//! The request's path as routes see it: one form, however it was spelled.
//!
//! A route that protects `/booking/*` must also protect `/%62ooking/x`, `//booking/x` and `/a/../booking/x`, because
//! the origin will serve the same page for them. Where origins are known to disagree on what a path means, the path
//! is refused instead of guessed at. Forwarded is the path as it came, except that dot segments are resolved first
//! (RFC 3986 §6.2.2.3), so that there is nothing left to disagree about.

use std::borrow::Cow;

/// A path in its one form: percent-decoded where that is harmless, without dot segments, repeated slashes and path
/// parameters.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct NormalPath<'a> {
    routed: Cow<'a, str>,
    rewritten: Option<String>,
}

/// Why a path has no one form.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum PathError {
    /// Not absolute (RFC 9112 §3.2.1).
    #[error("it does not begin with a slash")]
    NotAbsolute,
    /// `%` without two hexadecimal digits (RFC 3986 §2.1).
    #[error("broken percent-encoding")]
    Encoding,
    /// An encoded slash: some servers see a separator, some do not.
    #[error("encoded slash")]
    EncodedSlash,
    /// A backslash, encoded or not: some servers see a slash.
    #[error("backslash")]
    Backslash,
    /// An encoded control character, NUL above all: some servers end the path there.
    #[error("encoded control character")]
    Control,
    /// Bytes that some decoders take for other characters (overlong UTF-8, RFC 3629 §10).
    #[error("overlong encoding")]
    Overlong,
    /// A dot segment in disguise (`..;x`), beside repeated slashes, or above the root: servers resolve those in
    /// different ways.
    #[error("ambiguous dot segment")]
    DotSegment,
}

impl<'a> NormalPath<'a> {
    /// Brings the path of a request (without its query) to its one form.
    ///
    /// # Errors
    ///
    /// Refuses paths that servers are known to read differently.
    pub fn parse(path: &'a str) -> Result<Self, PathError> {
        if !path.starts_with('/') {
            return Err(PathError::NotAbsolute);
        }
        if is_plain(path.as_bytes()) {
            return Ok(Self {
                routed: Cow::Borrowed(path),
                rewritten: None,
            });
        }
        normalise(path)
    }

    /// The form routes are matched against. It begins with a slash.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.routed
    }

    /// The path to send to the origin instead of the one received; `None` to send it as it came.
    #[must_use]
    pub fn rewritten(&self) -> Option<&str> {
        self.rewritten.as_deref()
    }
}

/// Whether the path is in its one form already, which nearly every path is. A segment that begins with one dot and a
/// letter (`/.well-known`, our own addresses) is a name like any other.
fn is_plain(path: &[u8]) -> bool {
    let mut rest = path;
    while let Some((&byte, after)) = rest.split_first() {
        let plain = match byte {
            b'%' | b'\\' | b';' => false,
            b'/' => match after {
                [b'/', ..] => false,
                [b'.', next, ..] => next.is_ascii_alphanumeric(),
                [b'.'] => false,
                _ => true,
            },
            0x21..=0x7e => true,
            _ => false,
        };
        if !plain {
            return false;
        }
        rest = after;
    }
    true
}

fn normalise(path: &str) -> Result<NormalPath<'_>, PathError> {
    let mut decoded: Vec<String> = Vec::new();
    let mut raw: Vec<&str> = Vec::new();
    let (mut has_dots, mut has_repeats, mut ends_open) = (false, false, false);
    let mut segments = path.split('/').skip(1).peekable();
    while let Some(segment) = segments.next() {
        let is_last = segments.peek().is_none();
        let (name, has_parameters) = decode(segment)?;
        ends_open = is_last && (name.is_empty() || name == "." || name == "..");
        match name.as_str() {
            "." | ".." if has_parameters => return Err(PathError::DotSegment),
            "" if has_parameters => return Err(PathError::DotSegment),
            "" if is_last => {}
            "" => {
                has_repeats = true;
                raw.push(segment);
            }
            "." => has_dots = true,
            ".." => {
                has_dots = true;
                raw.pop();
                decoded.pop().ok_or(PathError::DotSegment)?;
            }
            _ => {
                raw.push(segment);
                decoded.push(name);
            }
        }
        if has_dots && has_repeats {
            return Err(PathError::DotSegment);
        }
    }
    let routed = join(decoded.iter().map(String::as_str), ends_open);
    let rewritten = has_dots.then(|| join(raw.into_iter(), ends_open));
    Ok(NormalPath {
        routed: Cow::Owned(routed),
        rewritten,
    })
}

fn join<'s>(segments: impl Iterator<Item = &'s str>, ends_open: bool) -> String {
    let mut path = String::new();
    for segment in segments {
        path.push('/');
        path.push_str(segment);
    }
    if ends_open || path.is_empty() {
        path.push('/');
    }
    path
}

/// One segment percent-decoded and without its parameters (`;…`), and whether it had any.
///
/// Bytes that are not UTF-8 stay percent-encoded, in upper case.
fn decode(segment: &str) -> Result<(String, bool), PathError> {
    let mut bytes = Vec::with_capacity(segment.len());
    let mut rest = segment.bytes();
    let mut has_parameters = false;
    while let Some(byte) = rest.next() {
        let byte = match byte {
            b'%' => hex_pair(rest.next(), rest.next()).ok_or(PathError::Encoding)?,
            byte => byte,
        };
        match byte {
            b'/' => return Err(PathError::EncodedSlash),
            b'\\' => return Err(PathError::Backslash),
            0..=0x1f | 0x7f => return Err(PathError::Control),
            0xc0 | 0xc1 => return Err(PathError::Overlong),
            // Encoded or not: some servers decode before they look for parameters.
            b';' => has_parameters = true,
            _ => {}
        }
        if !has_parameters {
            bytes.push(byte);
        }
    }
    if is_overlong(&bytes) {
        return Err(PathError::Overlong);
    }
    let mut text = String::with_capacity(bytes.len());
    for chunk in bytes.utf8_chunks() {
        text.push_str(chunk.valid());
        for byte in chunk.invalid() {
            text.push_str(&format!("%{byte:02X}"));
        }
    }
    Ok((text, has_parameters))
}

/// Three- and four-byte forms of characters that need fewer (two-byte ones begin with `C0` or `C1`).
fn is_overlong(bytes: &[u8]) -> bool {
    bytes
        .windows(2)
        .any(|pair| matches!(pair, [0xe0, 0x80..=0x9f] | [0xf0, 0x80..=0x8f]))
}

fn hex_pair(high: Option<u8>, low: Option<u8>) -> Option<u8> {
    let digit = |byte: Option<u8>| char::from(byte?).to_digit(16);
    u8::try_from(digit(high)? * 16 + digit(low)?).ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn routed(path: &str) -> Result<String, PathError> {
        NormalPath::parse(path).map(|path| path.as_str().to_owned())
    }

    #[test]
    fn every_spelling_of_a_path_is_routed_alike() {
        for spelling in [
            "/booking/x",
            "/%62ooking/../booking/x",
            "//booking/x",
            "/./booking/x",
            "/booking/%2e/x",
            "/a/.%2E/booking/x",
            "/booking;v=1/x;y",
            "/booking%3bv=1/x",
            "/booking///x",
        ] {
            assert_eq!(routed(spelling).as_deref(), Ok("/booking/x"), "{spelling}");
        }
        assert_eq!(routed("/booking/a/..").as_deref(), Ok("/booking/"));
        assert_eq!(
            routed("/.well-known/..x").as_deref(),
            Ok("/.well-known/..x")
        );
        assert_eq!(routed("/.a/.b").as_deref(), Ok("/.a/.b"));
        assert_eq!(routed("/.a/.%2e/b").as_deref(), Ok("/b"));
        assert_eq!(routed("/caff%C3%A8").as_deref(), Ok("/caff\u{e8}"));
        assert_eq!(routed("/caff%e8").as_deref(), Ok("/caff%E8"));
    }

    #[test]
    fn only_dot_segments_are_resolved_before_the_origin() {
        let rewritten = |path| {
            NormalPath::parse(path)
                .unwrap()
                .rewritten()
                .map(str::to_owned)
        };
        assert_eq!(
            rewritten("/a/%2e%2e/b%20c;d/."),
            Some("/b%20c;d/".to_owned())
        );
        assert_eq!(rewritten("/a/.."), Some("/".to_owned()));
        assert_eq!(rewritten("//%62/x"), None);
    }

    #[test]
    fn a_path_that_servers_read_differently_is_refused() {
        for (path, error) in [
            ("booking", PathError::NotAbsolute),
            ("/a%2Fb", PathError::EncodedSlash),
            ("/a%5cb", PathError::Backslash),
            ("/a\\b", PathError::Backslash),
            ("/a%00", PathError::Control),
            ("/a%0d%0ab", PathError::Control),
            ("/a%4", PathError::Encoding),
            ("/a%zz", PathError::Encoding),
            ("/%c0%ae%c0%ae/booking", PathError::Overlong),
            ("/%e0%80%ae", PathError::Overlong),
            ("/static/..;/booking", PathError::DotSegment),
            ("/static/..%3b/booking", PathError::DotSegment),
            ("/%3B/booking", PathError::DotSegment),
            ("/..", PathError::DotSegment),
            ("/a//../booking", PathError::DotSegment),
        ] {
            assert_eq!(routed(path), Err(error), "{path}");
        }
    }

    #[test]
    fn what_is_decoded_once_is_not_decoded_twice() {
        assert_eq!(routed("/%2562ooking").as_deref(), Ok("/%62ooking"));
    }
}
