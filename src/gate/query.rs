//! The few parameters that come with our own addresses and forms, read once and bounded.

use std::borrow::Cow;
use std::time::Duration;

use http_body_util::BodyExt;
use http_body_util::Limited;
use hyper::body::Incoming;
use memchr::memchr2;
use tokio::time::timeout;

use crate::message::pieces::ranges;

/// Largest form of ours.
const FORM_BYTES_MAX: usize = 8 * 1024;
/// Longest time a form of ours may take to arrive.
const FORM_DEADLINE: Duration = Duration::from_secs(10);
/// Most parameters looked at.
const PARAMETERS_MAX: usize = 32;
/// What the waiting page adds to an address to be refreshed every minute.
const REFRESH: &str = "auto=60";
/// Longest address a visitor is sent back to.
const RETURN_BYTES_MAX: usize = 2_048;

/// The parameters in `a=b&c=d`, as they stand.
pub(crate) fn parameters(query: &str) -> impl Iterator<Item = (&str, &str)> {
    ranges(query.as_bytes(), b'&')
        .take(PARAMETERS_MAX)
        .filter_map(|pair| query.get(pair)?.split_once('='))
}

/// The value of a parameter, percent-decoded; the first one of the name counts.
pub(crate) fn parameter<'q>(query: &'q str, name: &str) -> Option<Cow<'q, str>> {
    let value = parameters(query).find(|(key, _)| *key == name)?.1;
    decode(value)
}

/// A value percent-decoded; `None` when it is no text.
pub(crate) fn decode(value: &str) -> Option<Cow<'_, str>> {
    if memchr2(b'%', b'+', value.as_bytes()).is_none() {
        return Some(Cow::Borrowed(value));
    }
    let mut bytes = Vec::with_capacity(value.len());
    let mut rest = value.bytes();
    while let Some(byte) = rest.next() {
        bytes.push(match byte {
            b'+' => b' ',
            b'%' => hex(rest.next()?)? << 4 | hex(rest.next()?)?,
            other => other,
        });
    }
    String::from_utf8(bytes).ok().map(Cow::Owned)
}

fn hex(digit: u8) -> Option<u8> {
    char::from(digit)
        .to_digit(16)
        .and_then(|value| u8::try_from(value).ok())
}

/// A form's body as text; `None` when it is too long, too slow or not text.
pub(crate) async fn form(body: Incoming) -> Option<String> {
    let collected = timeout(FORM_DEADLINE, Limited::new(body, FORM_BYTES_MAX).collect())
        .await
        .ok()?
        .ok()?;
    String::from_utf8(collected.to_bytes().to_vec()).ok()
}

/// The address to send a visitor back to: relative to this very origin and nothing else, or the root.
///
/// A browser reads `//host`, `/\host` and control characters its own way, so none of them passes.
pub(crate) fn return_to(wanted: Option<&str>, prefix: &str) -> String {
    let safe = |address: &&str| {
        address.len() <= RETURN_BYTES_MAX
            && address.starts_with('/')
            && !address.starts_with("//")
            && !address.starts_with(prefix)
            && address
                .bytes()
                .all(|b| b.is_ascii_graphic() && b != b'\\' && b != b'#')
    };
    without_refresh(wanted.filter(safe).unwrap_or("/"))
}

/// Without the refresh that a visitor switched on for the waiting page: it is none of the portal's business, and the
/// link that switches it off leads here.
fn without_refresh(address: &str) -> String {
    let Some((path, query)) = address.split_once('?') else {
        return address.to_owned();
    };
    let kept: Vec<_> = query.split('&').filter(|pair| *pair != REFRESH).collect();
    if kept.is_empty() {
        path.to_owned()
    } else {
        format!("{path}?{}", kept.join("&"))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn parameters_are_found_and_decoded_once() {
        let query = "lang=it&return=%2Fbooking%2Fa%3Fb%3D1+2&return=/other";
        assert_eq!(parameter(query, "lang").as_deref(), Some("it"));
        assert_eq!(
            parameter(query, "return").as_deref(),
            Some("/booking/a?b=1 2")
        );
        assert_eq!(parameter(query, "missing"), None);
        assert_eq!(parameter("lang", "lang"), None);
        assert_eq!(parameter("language=it&&a=", "lang"), None);
        assert_eq!(parameter("b&&a=", "a").as_deref(), Some(""));
        assert_eq!(parameter("a=%zz", "a"), None);
        assert_eq!(parameter("a=%f", "a"), None);
    }

    #[test]
    fn nobody_is_sent_to_another_origin() {
        let hostile = [
            "//evil.example/",
            "/\\evil.example",
            "https://evil.example/",
            "javascript:alert(1)",
            "",
            "booking",
            "/a\r\nSet-Cookie: x",
            "/a b",
            "/.anteroom/main/leave",
            "/caf\u{e9}",
            "/a#b",
        ];
        for address in hostile {
            assert_eq!(return_to(Some(address), "/.anteroom/"), "/", "{address:?}");
        }
        assert_eq!(
            return_to(Some("/booking?a=1&b=%20"), "/.anteroom/"),
            "/booking?a=1&b=%20"
        );
        assert_eq!(return_to(None, "/.anteroom/"), "/");
    }

    #[test]
    fn the_waiting_pages_own_parameter_is_left_behind_and_the_portals_are_not() {
        for (wanted, goes_to) in [
            ("/a?auto=60", "/a"),
            ("/a?b=1&auto=60", "/a?b=1"),
            ("/a?auto=60&auto=600&c", "/a?auto=600&c"),
            ("/a?lang=it", "/a?lang=it"),
            ("/a?", "/a?"),
            ("/auto=60", "/auto=60"),
        ] {
            assert_eq!(return_to(Some(wanted), "/.anteroom/"), goes_to);
        }
    }
}
