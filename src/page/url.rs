//! Relative addresses with a query parameter set, and values made safe for one.

use std::fmt::Write as _;

/// `url` with these parameters set, in place of any of the same names. What comes after `#` is dropped.
pub(crate) fn with_query(url: &str, set: &[(&str, &str)]) -> String {
    let url = url.split('#').next().unwrap_or("");
    let (path, query) = url.split_once('?').unwrap_or((url, ""));
    let mut out = String::with_capacity(url.len() + 32);
    out.push_str(path);
    let mut mark = '?';
    for pair in query.split('&').filter(|pair| !pair.is_empty()) {
        let name = pair.split('=').next().unwrap_or(pair);
        if set.iter().all(|(known, _)| *known != name) {
            out.push(mark);
            out.push_str(pair);
            mark = '&';
        }
    }
    for (name, value) in set {
        out.push(mark);
        out.push_str(name);
        out.push('=');
        encode(&mut out, value);
        mark = '&';
    }
    out
}

/// Adds `value` percent-encoded: all but the unreserved characters of RFC 3986 §2.3.
fn encode(out: &mut String, value: &str) {
    for byte in value.bytes() {
        if byte.is_ascii_alphanumeric() || b"-._~".contains(&byte) {
            out.push(char::from(byte));
        } else {
            let written = write!(out, "%{byte:02X}");
            debug_assert!(written.is_ok(), "a string takes everything");
        }
    }
}

#[cfg(test)]
mod tests {
    use super::with_query;

    #[test]
    fn a_parameter_is_added_or_replaced_and_the_others_stay() {
        let lang = [("lang", "it")];
        assert_eq!(with_query("/a", &lang), "/a?lang=it");
        assert_eq!(with_query("/a?x=1&lang=en#top", &lang), "/a?x=1&lang=it");
        assert_eq!(with_query("/a?langs=1&&b", &lang), "/a?langs=1&b&lang=it");
        assert_eq!(with_query("/a?auto=60", &[]), "/a?auto=60");
    }

    #[test]
    fn a_value_cannot_leave_its_parameter() {
        assert_eq!(
            with_query("/", &[("return", "/b?c=d&e")]),
            "/?return=%2Fb%3Fc%3Dd%26e"
        );
    }
}
