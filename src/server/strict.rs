//! What a request must be before anybody acts on it, and the one shape it is brought to.
//!
//! A request that two servers could read in two ways is refused, never forwarded: that is how requests are smuggled
//! past a gate.

use http::HeaderMap;
use http::HeaderValue;
use http::Method;
use http::Request;
use http::Uri;
use http::Version;
use http::header;
use http::uri::PathAndQuery;

use crate::message::Refusal;

/// Checks a request and brings it to one shape: origin-form, one `Host`, one `Cookie` line. Its transfer coding is
/// [`check_coding`]'s to check.
///
/// # Errors
///
/// Says what is wrong with it; its parts are then in no particular shape.
pub(super) fn shape<B>(request: &mut Request<B>) -> Result<(), Refusal> {
    if *request.method() == Method::CONNECT {
        return Err(Refusal::Connect);
    }
    let is_http2 = request.version() == Version::HTTP_2;
    if request.uri().authority().is_some() || is_http2 {
        take_authority(request, is_http2)?;
    } else {
        check_host(request.headers(), request.version())?;
    }
    check_target(request.method(), request.uri())?;
    let version = request.version();
    check_expectation(request.headers_mut(), version)?;
    if matches!(*request.method(), Method::OPTIONS | Method::TRACE) {
        check_forwards(request.headers())?;
    }
    if is_http2 {
        check_names(request.headers())?;
        join_cookies(request.headers_mut());
    }
    Ok(())
}

/// RFC 9112 §6.1: we understand one transfer coding. Anything else, a repeated `chunked` included, might end
/// elsewhere for the origin.
pub(super) fn check_coding(headers: &HeaderMap) -> Result<(), Refusal> {
    let mut codings = headers.get_all(header::TRANSFER_ENCODING).iter();
    match (codings.next(), codings.next()) {
        (None, _) => Ok(()),
        (Some(coding), None) if coding.as_bytes().eq_ignore_ascii_case(b"chunked") => Ok(()),
        _ => Err(Refusal::CodingUnsupported),
    }
}

/// RFC 9113 §8.1.1: in HTTP/2 the length is told twice, so it is told once and right; the library compares it with
/// the body as it comes, but not with there being none.
pub(super) fn check_length(headers: &HeaderMap, has_no_body: bool) -> Result<(), Refusal> {
    let mut lengths = headers.get_all(header::CONTENT_LENGTH).iter();
    let Some(length) = lengths.next() else {
        return Ok(());
    };
    if lengths.next().is_some() {
        return Err(Refusal::LengthAmbiguous);
    }
    let length = length.as_bytes();
    let is_number = !length.is_empty() && length.iter().all(u8::is_ascii_digit);
    let is_zero = length.iter().all(|digit| *digit == b'0');
    if !is_number || (has_no_body && !is_zero) {
        return Err(Refusal::LengthInvalid);
    }
    Ok(())
}

/// RFC 9110 §10.1.1: we know one expectation, and HTTP/1.0 knows none.
fn check_expectation(headers: &mut HeaderMap, version: Version) -> Result<(), Refusal> {
    let mut expected = headers.get_all(header::EXPECT).iter();
    let Some(first) = expected.next() else {
        return Ok(());
    };
    let is_known = first.as_bytes().eq_ignore_ascii_case(b"100-continue");
    let is_alone = expected.next().is_none();
    if version == Version::HTTP_10 {
        headers.remove(header::EXPECT);
        return Ok(());
    }
    if is_known && is_alone {
        Ok(())
    } else {
        Err(Refusal::Expectation)
    }
}

/// RFC 9110 §7.6.2: a number, told once, of those that a request can count.
fn check_forwards(headers: &HeaderMap) -> Result<(), Refusal> {
    let mut counts = headers.get_all(header::MAX_FORWARDS).iter();
    let Some(count) = counts.next().map(HeaderValue::as_bytes) else {
        return Ok(());
    };
    let is_number = matches!(count.len(), 1..=9) && count.iter().all(u8::is_ascii_digit);
    if is_number && counts.next().is_none() {
        Ok(())
    } else {
        Err(Refusal::MaxForwards)
    }
}

/// RFC 9112 §3.2: exactly one valid `Host`; HTTP/1.0 may do without.
fn check_host(headers: &HeaderMap, version: Version) -> Result<(), Refusal> {
    let mut hosts = headers.get_all(header::HOST).iter();
    match (hosts.next(), hosts.next()) {
        (None, _) if version == Version::HTTP_10 => Ok(()),
        (None, _) => Err(Refusal::HostMissing),
        (Some(_), Some(_)) => Err(Refusal::HostRepeated),
        (Some(host), None) if is_host(host.as_bytes()) => Ok(()),
        (Some(_), None) => Err(Refusal::HostInvalid),
    }
}

/// Makes `Host` of the authority: that of an absolute-form target wins over `Host` (RFC 9112 §3.2.2); HTTP/2 has it
/// in `:authority`, and a `Host` beside it must say the same (RFC 9113 §8.3.1).
fn take_authority<B>(request: &mut Request<B>, is_http2: bool) -> Result<(), Refusal> {
    let uri = std::mem::take(request.uri_mut()).into_parts();
    match uri.scheme.as_ref().map(http::uri::Scheme::as_str) {
        Some("http" | "https") => {}
        None if is_http2 => {}
        // Authority-form is for `CONNECT` only (RFC 9112 §3.2.3).
        _ => return Err(Refusal::TargetInvalid),
    }
    let target = uri
        .path_and_query
        .unwrap_or_else(|| PathAndQuery::from_static("/"));
    *request.uri_mut() = Uri::from(target);
    let Some(authority) = uri.authority else {
        return check_host(request.headers(), request.version());
    };
    let host = authority.as_str();
    if !is_host(host.as_bytes()) {
        return Err(Refusal::HostInvalid);
    }
    let mut hosts = request.headers().get_all(header::HOST).iter();
    match (hosts.next(), hosts.next()) {
        (_, Some(_)) => return Err(Refusal::HostRepeated),
        (Some(other), None)
            if is_http2 && !other.as_bytes().eq_ignore_ascii_case(host.as_bytes()) =>
        {
            return Err(Refusal::HostInvalid);
        }
        (Some(other), None) if !is_host(other.as_bytes()) => return Err(Refusal::HostInvalid),
        (None, None) if !is_http2 && request.version() != Version::HTTP_10 => {
            return Err(Refusal::HostMissing);
        }
        _ => {}
    }
    let host = HeaderValue::from_str(host).map_err(|_| Refusal::HostInvalid)?;
    request.headers_mut().insert(header::HOST, host);
    Ok(())
}

/// RFC 9112 §3.2.4: `*` is for `OPTIONS` only. RFC 9112 §3.2.1: everything else begins with a slash.
fn check_target(method: &Method, uri: &Uri) -> Result<(), Refusal> {
    match uri.path() {
        "*" if *method == Method::OPTIONS => Ok(()),
        path if path.starts_with('/') => Ok(()),
        _ => Err(Refusal::TargetInvalid),
    }
}

/// RFC 9113 §8.2: names are tokens. The library lets a quotation mark through in HTTP/2, which no HTTP/1.1 server takes.
fn check_names(headers: &HeaderMap) -> Result<(), Refusal> {
    let mut names = headers.keys();
    if names.any(|name| name.as_str().contains('"')) {
        return Err(Refusal::NameInvalid);
    }
    Ok(())
}

/// RFC 9113 §8.2.3: HTTP/2 may send cookies crumb by crumb; HTTP/1.1 knows one line.
fn join_cookies(headers: &mut HeaderMap) {
    let mut crumbs = headers.get_all(header::COOKIE).iter();
    let (Some(first), Some(_)) = (crumbs.next(), crumbs.next()) else {
        return;
    };
    let mut line = first.as_bytes().to_vec();
    for crumb in headers.get_all(header::COOKIE).iter().skip(1) {
        line.extend_from_slice(b"; ");
        line.extend_from_slice(crumb.as_bytes());
    }
    if let Ok(line) = HeaderValue::from_maybe_shared(bytes::Bytes::from(line)) {
        headers.insert(header::COOKIE, line);
    }
}

/// A host and an optional port (RFC 9110 §7.2), without user information. Not empty.
fn is_host(text: &[u8]) -> bool {
    let (host, port) = match text {
        [b'[', rest @ ..] => match rest.iter().position(|byte| *byte == b']') {
            Some(end) => {
                let (inner, after) = rest.split_at(end);
                let is_address = inner
                    .iter()
                    .all(|byte| byte.is_ascii_hexdigit() || matches!(byte, b':' | b'.'));
                return is_address && !inner.is_empty() && is_port(after.get(1..));
            }
            None => return false,
        },
        _ => match text.iter().position(|byte| *byte == b':') {
            Some(colon) => text.split_at(colon),
            None => (text, &[][..]),
        },
    };
    !host.is_empty() && host.iter().all(|byte| is_name_byte(*byte)) && is_port(Some(port))
}

/// Nothing, or a colon and digits.
fn is_port(text: Option<&[u8]>) -> bool {
    match text {
        Some([]) => true,
        Some([b':', digits @ ..]) => digits.len() <= 5 && digits.iter().all(u8::is_ascii_digit),
        _ => false,
    }
}

/// RFC 3986 §3.2.2: `unreserved`, `pct-encoded` and `sub-delims`, save the comma: there are servers that take what
/// has one for a list of hosts.
const fn is_name_byte(byte: u8) -> bool {
    matches!(
        byte,
        b'a'..=b'z' | b'A'..=b'Z' | b'0'..=b'9' | b'-' | b'.' | b'_' | b'~' | b'%' | b'!'
            | b'$' | b'&' | b'\'' | b'(' | b')' | b'*' | b'+' | b';' | b'='
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    fn shaped(
        version: Version,
        method: &str,
        uri: &str,
        headers: &[(&str, &str)],
    ) -> Result<Request<()>, Refusal> {
        let mut request = Request::builder().version(version).method(method).uri(uri);
        for (name, value) in headers {
            request = request.header(*name, *value);
        }
        let mut request = request.body(()).unwrap();
        check_coding(request.headers())?;
        shape(&mut request).map(|()| request)
    }

    fn refused(method: &str, uri: &str, headers: &[(&str, &str)]) -> Option<Refusal> {
        shaped(Version::HTTP_11, method, uri, headers).err()
    }

    #[test]
    fn exactly_one_valid_host_is_required() {
        assert_eq!(refused("GET", "/", &[]), Some(Refusal::HostMissing));
        assert_eq!(
            refused("GET", "/", &[("host", "a"), ("host", "a")]),
            Some(Refusal::HostRepeated)
        );
        for host in [
            "", "a/b", "u@a", "a b", "a,b", "a:80x", "a:123456", "[::1", "[::1]x", "a,b:@", ":80",
            "[]",
        ] {
            assert_eq!(
                refused("GET", "/", &[("host", host)]),
                Some(Refusal::HostInvalid),
                "{host}"
            );
        }
        for host in [
            "a.example",
            "a:80",
            "a:",
            "[::1]",
            "[::ffff:1.2.3.4]:443",
            "xn--a_b",
        ] {
            assert_eq!(refused("GET", "/", &[("host", host)]), None, "{host}");
        }
        assert!(shaped(Version::HTTP_10, "GET", "/", &[]).is_ok());
    }

    #[test]
    fn one_transfer_coding_is_understood_once() {
        let host = ("host", "a");
        for codings in [
            &["gzip, chunked"][..],
            &["chunked", "chunked"],
            &["identity"],
        ] {
            let mut headers = vec![host];
            headers.extend(codings.iter().map(|coding| ("transfer-encoding", *coding)));
            assert_eq!(
                refused("POST", "/", &headers),
                Some(Refusal::CodingUnsupported)
            );
        }
        assert_eq!(
            refused("POST", "/", &[host, ("transfer-encoding", "Chunked")]),
            None
        );
    }

    #[test]
    fn the_authority_of_the_target_becomes_the_host() {
        let headers = [("host", "other.example")];
        let request = shaped(
            Version::HTTP_11,
            "GET",
            "http://a.example:8080/x?y",
            &headers,
        );
        let request = request.unwrap();
        assert_eq!(request.uri(), "/x?y");
        assert_eq!(request.headers()["host"], "a.example:8080");
        assert_eq!(
            refused("GET", "ftp://a/", &headers),
            Some(Refusal::TargetInvalid)
        );
        assert_eq!(
            refused("GET", "http://u@a/", &headers),
            Some(Refusal::HostInvalid)
        );
    }

    #[test]
    fn a_length_in_http2_is_told_once_and_fits() {
        let length = |lines: &[&str], has_no_body| {
            let lines = lines.iter().map(|line| line.parse().unwrap());
            let lines = lines.map(|line| (header::CONTENT_LENGTH, line));
            check_length(&lines.collect(), has_no_body)
        };
        assert_eq!(length(&["5", "5"], false), Err(Refusal::LengthAmbiguous));
        for bad in ["", "+5", "5, 5", "x"] {
            assert_eq!(length(&[bad], false), Err(Refusal::LengthInvalid), "{bad}");
        }
        assert_eq!(length(&["5"], true), Err(Refusal::LengthInvalid));
        for (lines, has_no_body) in [(&["5"][..], false), (&["0"], true), (&[], true)] {
            assert_eq!(length(lines, has_no_body), Ok(()));
        }
    }

    #[test]
    fn one_expectation_is_known() {
        let host = ("host", "a");
        assert_eq!(
            refused("POST", "/", &[host, ("expect", "100-Continue")]),
            None
        );
        for more in [&["x"][..], &["100-continue", "100-continue"], &[""]] {
            let mut headers = vec![host];
            headers.extend(more.iter().map(|value| ("expect", *value)));
            assert_eq!(refused("POST", "/", &headers), Some(Refusal::Expectation));
        }
        let old = shaped(Version::HTTP_10, "POST", "/", &[("expect", "x")]).unwrap();
        assert!(!old.headers().contains_key("expect"));
    }

    #[test]
    fn an_http2_request_is_brought_to_the_same_shape() {
        let crumbs = [("cookie", "a=1"), ("cookie", "b=2"), ("cookie", "c=3")];
        let request = shaped(Version::HTTP_2, "GET", "https://a.example/x", &crumbs).unwrap();
        assert_eq!(request.uri(), "/x");
        assert_eq!(request.headers()["host"], "a.example");
        let cookies: Vec<_> = request.headers().get_all("cookie").iter().collect();
        assert_eq!(cookies, ["a=1; b=2; c=3"]);
        let mut quoted = HeaderMap::new();
        let name = http::HeaderName::from_lowercase(b"x\"a").unwrap();
        quoted.insert(name, HeaderValue::from_static("1"));
        assert_eq!(check_names(&quoted), Err(Refusal::NameInvalid));
        let other = shaped(
            Version::HTTP_2,
            "GET",
            "https://a.example/x",
            &[("host", "b")],
        );
        assert_eq!(other.err(), Some(Refusal::HostInvalid));
    }

    #[test]
    fn the_target_fits_the_method() {
        let host = [("host", "a")];
        assert_eq!(refused("OPTIONS", "*", &host), None);
        assert_eq!(refused("GET", "*", &host), Some(Refusal::TargetInvalid));
        assert_eq!(refused("CONNECT", "a:443", &host), Some(Refusal::Connect));
        assert_eq!(refused("GET", "a:443", &host), Some(Refusal::TargetInvalid));
    }
}
