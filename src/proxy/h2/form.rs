//! A request in the form of HTTP/2: what HTTP/1.1 says in fields of the connection is said by frames.

use http::HeaderMap;
use http::Request;
use http::Uri;
use http::Version;
use http::header;
use http::request::Parts;
use http::uri::Authority;
use http::uri::PathAndQuery;
use http::uri::Scheme;

use crate::proxy::upload::Upload;

/// The host of a request cannot be told as `:authority`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Unsayable;

/// A request as HTTP/1.1 has it: kept, to be sent once more.
pub(crate) type Kept = Parts;

/// The head that goes out, what is kept of it, and the body.
///
/// RFC 9113 §8.2.2: no fields of the connection, and `TE` says `trailers` or nothing, as it does here already. RFC 9113
/// §8.3.1: `Host` becomes `:authority`; the scheme is that of the connection.
pub(crate) fn split(
    request: Request<Upload>,
    is_tls: bool,
) -> Result<(Parts, Kept, Upload), Unsayable> {
    let (kept, body) = request.into_parts();
    let mut parts = kept.clone();
    let authority = authority(&parts.headers)?;
    for name in [header::CONNECTION, header::TRANSFER_ENCODING, header::HOST] {
        parts.headers.remove(name);
    }
    let mut uri = std::mem::take(&mut parts.uri).into_parts();
    uri.scheme = Some(if is_tls { Scheme::HTTPS } else { Scheme::HTTP });
    uri.authority = Some(authority);
    uri.path_and_query
        .get_or_insert(PathAndQuery::from_static("/"));
    parts.uri = Uri::from_parts(uri).map_err(|_| Unsayable)?;
    parts.version = Version::HTTP_2;
    Ok((parts, kept, body))
}

fn authority(headers: &HeaderMap) -> Result<Authority, Unsayable> {
    let host = headers.get(header::HOST).ok_or(Unsayable)?;
    let authority = Authority::try_from(host.as_bytes()).map_err(|_| Unsayable)?;
    // RFC 9113 §8.3.1: no user's name.
    if authority.as_str().contains('@') {
        return Err(Unsayable);
    }
    Ok(authority)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn said(uri: &str, lines: &[(&str, &str)]) -> Result<Parts, Unsayable> {
        let mut request = Request::builder().uri(uri);
        for (name, value) in lines {
            request = request.header(*name, *value);
        }
        split(request.body(Upload::empty()).unwrap(), true).map(|(parts, ..)| parts)
    }

    #[test]
    fn what_is_for_the_connection_is_left_out_and_the_host_becomes_the_authority() {
        let parts = said(
            "/x?y",
            &[
                ("host", "a.example:8443"),
                ("connection", "te"),
                ("te", "trailers"),
                ("transfer-encoding", "chunked"),
                ("cookie", "a=1"),
            ],
        )
        .unwrap();
        assert_eq!(parts.uri, "https://a.example:8443/x?y");
        let mut names: Vec<_> = parts.headers.keys().map(|name| name.as_str()).collect();
        names.sort_unstable();
        assert_eq!(names, ["cookie", "te"]);
    }

    #[test]
    fn the_asterisk_stays_one() {
        assert_eq!(said("*", &[("host", "a")]).unwrap().uri.path(), "*");
    }

    #[test]
    fn a_host_that_is_no_authority_is_not_changed_into_one() {
        for host in ["a%41", "u@a"] {
            assert!(said("/", &[("host", host)]).is_err(), "{host}");
        }
        assert!(said("/", &[]).is_err());
    }
}
