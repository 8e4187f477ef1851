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
    if is_http2 {
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

/// RFC 3986 §3.2.2: `unreserved`, `pct-encoded` and `sub-delims`.
const fn is_name_byte(byte: u8) -> bool {
    matches!(
        byte,
        b'a'..=b'z' | b'A'..=b'Z' | b'0'..=b'9' | b'-' | b'.' | b'_' | b'~' | b'%' | b'!'
            | b'$' | b'&' | b'\'' | b'(' | b')' | b'*' | b'+' | b',' | b';' | b'='
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
            "", "a/b", "u@a", "a b", "a:80x", "a:123456", "[::1", "[::1]x", "a,b:@", ":80", "[]",
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
    fn an_http2_request_is_brought_to_the_same_shape() {
        let crumbs = [("cookie", "a=1"), ("cookie", "b=2"), ("cookie", "c=3")];
        let request = shaped(Version::HTTP_2, "GET", "https://a.example/x", &crumbs).unwrap();
        assert_eq!(request.uri(), "/x");
        assert_eq!(request.headers()["host"], "a.example");
        let cookies: Vec<_> = request.headers().get_all("cookie").iter().collect();
        assert_eq!(cookies, ["a=1; b=2; c=3"]);
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
