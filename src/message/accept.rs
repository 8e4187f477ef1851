//! What kind of request this is: a page a person opens, a guess of the browser, a call from another site.

use http::HeaderMap;
use http::HeaderName;
use http::Method;
use http::header;
use http::uri::Authority;

use crate::message::pieces::pieces;

const SEC_FETCH_MODE: HeaderName = HeaderName::from_static("sec-fetch-mode");
const SEC_FETCH_DEST: HeaderName = HeaderName::from_static("sec-fetch-dest");
const SEC_FETCH_SITE: HeaderName = HeaderName::from_static("sec-fetch-site");
const SEC_FETCH_USER: HeaderName = HeaderName::from_static("sec-fetch-user");
const SEC_PURPOSE: HeaderName = HeaderName::from_static("sec-purpose");
const PURPOSE: HeaderName = HeaderName::from_static("purpose");
const X_PURPOSE: HeaderName = HeaderName::from_static("x-purpose");
const X_MOZ: HeaderName = HeaderName::from_static("x-moz");

/// Whether a person opens a page: a `GET` with `Sec-Fetch-Mode: navigate` or, from browsers that send no
/// `Sec-Fetch-*`, one whose `Accept` names `text/html`. Guesses ([`is_speculative`]) are not.
#[must_use]
pub fn is_navigation(method: &Method, headers: &HeaderMap) -> bool {
    if *method != Method::GET {
        return false;
    }
    let looks_like_one = match headers.get(SEC_FETCH_MODE) {
        Some(mode) => mode == "navigate",
        None => accepts(headers, "text/html") && !sends_fetch_metadata(headers),
    };
    looks_like_one && !is_speculative(headers)
}

/// Whether a document itself sends this (a form, say) rather than a script in it: the answer replaces the page.
#[must_use]
pub fn is_from_document(headers: &HeaderMap) -> bool {
    headers
        .get(SEC_FETCH_DEST)
        .is_some_and(|dest| dest == "document")
}

/// Whether the browser only guesses that somebody may want this: a prefetch, a prerender, a preview.
#[must_use]
pub fn is_speculative(headers: &HeaderMap) -> bool {
    [SEC_PURPOSE, PURPOSE, X_PURPOSE, X_MOZ].iter().any(|name| {
        headers
            .get(name)
            .and_then(|value| value.to_str().ok())
            .is_some_and(|value| {
                value.split([';', ',']).any(|token| {
                    let token = token.trim();
                    ["prefetch", "prerender", "preview"]
                        .iter()
                        .any(|guess| token.eq_ignore_ascii_case(guess))
                })
            })
    })
}

/// Whether `Accept` names this media type with a weight above zero (RFC 9110 §12.5.1). Ranges such as `*/*` do not
/// name it.
#[must_use]
pub fn accepts(headers: &HeaderMap, media_type: &str) -> bool {
    headers
        .get_all(header::ACCEPT)
        .iter()
        .any(|line| pieces(line.as_bytes(), b',').any(|range| names(range, media_type)))
}

/// Whether one media range is this media type, with a weight above zero.
fn names(range: &[u8], media_type: &str) -> bool {
    let mut parts = pieces(range, b';');
    let is_it = parts.next().is_some_and(|name| {
        name.trim_ascii()
            .eq_ignore_ascii_case(media_type.as_bytes())
    });
    is_it && !parts.any(is_zero_weight)
}

/// Whether this may change something: `false` for a call that comes from another site.
///
/// That is told by `Sec-Fetch-Site` or, where it is not sent, by `Origin`. Clients that send neither are no browsers
/// and are let through.
///
/// `host` is the host the request asked for; `https` whether the client used TLS.
#[must_use]
pub fn is_same_origin(headers: &HeaderMap, host: &str, https: bool) -> bool {
    if let Some(site) = headers.get(SEC_FETCH_SITE) {
        return site == "same-origin" || site == "none";
    }
    let mut origins = headers.get_all(header::ORIGIN).iter();
    match (origins.next(), origins.next()) {
        (None, _) => true,
        (Some(_), Some(_)) => false,
        (Some(origin), None) => origin
            .to_str()
            .is_ok_and(|origin| origin_matches(origin, host, https)),
    }
}

fn origin_matches(origin: &str, host: &str, https: bool) -> bool {
    let Some((scheme, authority)) = origin.split_once("://") else {
        return false;
    };
    let (own_scheme, own_port) = if https { ("https", 443) } else { ("http", 80) };
    let parse = |text: &str| {
        let authority = text.parse::<Authority>().ok()?;
        Some((
            authority.host().to_ascii_lowercase(),
            authority.port_u16().unwrap_or(own_port),
        ))
    };
    scheme.eq_ignore_ascii_case(own_scheme)
        && parse(authority).is_some_and(|theirs| Some(theirs) == parse(host))
}

fn sends_fetch_metadata(headers: &HeaderMap) -> bool {
    [SEC_FETCH_DEST, SEC_FETCH_SITE, SEC_FETCH_USER]
        .iter()
        .any(|name| headers.contains_key(name))
}

fn is_zero_weight(parameter: &[u8]) -> bool {
    let parameter = std::str::from_utf8(parameter).unwrap_or("");
    parameter
        .trim()
        .split_once('=')
        .is_some_and(|(name, value)| {
            name.trim().eq_ignore_ascii_case("q") && value.trim().parse::<f32>() == Ok(0.0)
        })
}

#[cfg(test)]
mod tests {
    use http::HeaderValue;

    use super::*;

    fn headers(lines: &[(&'static str, &'static str)]) -> HeaderMap {
        let line = |(name, value): &(&'static str, &'static str)| {
            (
                HeaderName::from_static(name),
                HeaderValue::from_static(value),
            )
        };
        lines.iter().map(line).collect()
    }

    #[test]
    fn a_page_is_told_by_fetch_metadata_and_by_accept_only_without_it() {
        let is_page = |lines: &[_]| is_navigation(&Method::GET, &headers(lines));
        assert!(is_page(&[
            ("sec-fetch-mode", "navigate"),
            ("accept", "*/*")
        ]));
        assert!(is_page(&[(
            "accept",
            "application/xml;q=0.9, Text/HTML ;q=0.8"
        )]));
        assert!(!is_page(&[
            ("accept", "text/html"),
            ("sec-fetch-mode", "cors")
        ]));
        assert!(!is_page(&[
            ("accept", "text/html"),
            ("sec-fetch-dest", "empty")
        ]));
        assert!(!is_page(&[("accept", "*/*")]));
        assert!(!is_page(&[("accept", "text/html;q=0")]));
    }

    #[test]
    fn guesses_heads_and_posts_are_no_pages() {
        let navigate = ("sec-fetch-mode", "navigate");
        for guess in [
            ("sec-purpose", "prefetch;prerender"),
            ("purpose", "prefetch"),
            ("x-moz", "Prefetch"),
        ] {
            assert!(
                !is_navigation(&Method::GET, &headers(&[navigate, guess])),
                "{guess:?}"
            );
        }
        for method in [Method::HEAD, Method::POST] {
            assert!(!is_navigation(&method, &headers(&[navigate])), "{method}");
        }
    }

    #[test]
    fn another_site_may_not_change_anything() {
        let own = |lines: &[_]| is_same_origin(&headers(lines), "portal.example", true);
        assert!(own(&[]) && own(&[("origin", "https://Portal.example:443")]));
        assert!(own(&[
            ("sec-fetch-site", "same-origin"),
            ("origin", "null")
        ]));
        for lines in [
            [("sec-fetch-site", "same-site")],
            [("sec-fetch-site", "cross-site")],
            [("origin", "https://evil.example")],
            [("origin", "http://portal.example")],
            [("origin", "https://portal.example:8443")],
            [("origin", "null")],
        ] {
            assert!(!own(&lines), "{lines:?}");
        }
    }
}
