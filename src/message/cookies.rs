//! Cookies of a request (RFC 6265 §5.4), read in place.
//!
//! Nothing is allocated and nothing is decoded. At most [`PAIRS_MAX`] pairs of a request are looked at.

use http::HeaderMap;
use http::header;
use memchr::memchr;

use crate::message::pieces::pieces;

/// Cookies of one request that are looked at; browsers send at most about 180 per host.
pub const PAIRS_MAX: usize = 256;

/// Every cookie of the request as name and value, over all `Cookie` lines, in order.
pub fn pairs(headers: &HeaderMap) -> impl Iterator<Item = (&[u8], &[u8])> {
    headers
        .get_all(header::COOKIE)
        .iter()
        .flat_map(|line| pieces(line.as_bytes(), b';'))
        .take(PAIRS_MAX)
        .filter_map(split)
}

/// The first cookie of this name.
#[must_use]
pub fn find<'a>(headers: &'a HeaderMap, name: &str) -> Option<&'a [u8]> {
    named(headers, name).next()
}

/// Every cookie of this name: a browser may hold several, set for different paths or by another host of the site.
pub fn named<'a, 'n>(
    headers: &'a HeaderMap,
    name: &'n str,
) -> impl Iterator<Item = &'a [u8]> + use<'a, 'n> {
    pairs(headers)
        .filter(move |(key, _)| *key == name.as_bytes())
        .map(|(_, value)| value)
}

/// Whether a cookie of this name is one of ours: `__Host-anteroom-…` or `anteroom-…`.
#[must_use]
pub fn is_ours(name: &[u8]) -> bool {
    name.strip_prefix(b"__Host-")
        .unwrap_or(name)
        .starts_with(b"anteroom-")
}

/// One pair, without the white space around it; a piece without `=` is no cookie.
pub(super) fn split(pair: &[u8]) -> Option<(&[u8], &[u8])> {
    let pair = pair.trim_ascii();
    let at = memchr(b'=', pair)?;
    Some((
        pair.get(..at)?.trim_ascii_end(),
        pair.get(at + 1..)?.trim_ascii_start(),
    ))
}

#[cfg(test)]
mod tests {
    use http::HeaderValue;

    use super::*;

    fn headers(lines: &[&'static str]) -> HeaderMap {
        let lines = lines
            .iter()
            .map(|line| (header::COOKIE, HeaderValue::from_static(line)));
        lines.collect()
    }

    #[test]
    fn a_cookie_is_found_on_any_line_and_only_by_its_whole_name() {
        let headers = headers(&["a=1; xanteroom-a=2", "anteroom-ab=3;anteroom-a = v=4 ; b"]);
        assert_eq!(find(&headers, "anteroom-a"), Some(&b"v=4"[..]));
        assert_eq!(find(&headers, "b"), None);
    }

    #[test]
    fn every_cookie_of_a_name_is_offered_in_order() {
        let headers = headers(&["p=1; p=2", "p="]);
        assert_eq!(
            named(&headers, "p").collect::<Vec<_>>(),
            [&b"1"[..], b"2", b""]
        );
    }

    #[test]
    fn what_is_ours_is_told_by_its_prefix() {
        assert!(is_ours(b"__Host-anteroom-main-pass") && is_ours(b"anteroom-main"));
        assert!(!is_ours(b"anteroom") && !is_ours(b"x-anteroom-main"));
    }
}
