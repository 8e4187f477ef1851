//! A visitor's cookies, as small as they can be kept: names and values for one site, no attributes.

use http::HeaderMap;
use http::header;

/// Cookies a visitor keeps at most; further names are dropped.
const COOKIES_MAX: usize = 8;
/// The longest cookie kept, in bytes.
const COOKIE_BYTES_MAX: usize = 4_096;

/// The cookies of one visitor.
#[derive(Debug, Clone, Default)]
pub(crate) struct Jar(Vec<String>);

impl Jar {
    /// Takes the cookies a response sets; one with `Max-Age=0` or without a value is thrown away.
    pub(crate) fn take(&mut self, headers: &HeaderMap) {
        for value in headers.get_all(header::SET_COOKIE) {
            if let Ok(text) = value.to_str() {
                self.set(text);
            }
        }
    }

    /// The `Cookie` header, unless there are none.
    pub(crate) fn header(&self) -> Option<String> {
        (!self.0.is_empty()).then(|| self.0.join("; "))
    }

    fn set(&mut self, text: &str) {
        let mut parts = text.split(';').map(str::trim);
        let pair = parts.next().unwrap_or_default();
        let Some((name, value)) = pair.split_once('=') else {
            return;
        };
        let ended = parts.any(|part| part.eq_ignore_ascii_case("max-age=0"));
        self.0
            .retain(|kept| kept.split_once('=').is_none_or(|(kept, _)| kept != name));
        let fits = self.0.len() < COOKIES_MAX && pair.len() <= COOKIE_BYTES_MAX;
        if fits && !ended && !value.is_empty() {
            self.0.push(pair.to_owned());
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn jar(set: &[&'static str]) -> Option<String> {
        let mut jar = Jar::default();
        let mut headers = HeaderMap::new();
        for text in set {
            headers.append(header::SET_COOKIE, http::HeaderValue::from_static(text));
        }
        jar.take(&headers);
        jar.header()
    }

    #[test]
    fn the_newest_value_of_a_name_is_sent() {
        let sent = jar(&["a=1; Path=/; HttpOnly", "b=2==", "a=3; SameSite=Lax"]);
        assert_eq!(sent.as_deref(), Some("b=2==; a=3"));
    }

    #[test]
    fn a_cookie_that_is_taken_back_is_gone() {
        assert_eq!(jar(&["a=1", "a=x; Path=/; max-age=0"]), None);
        assert_eq!(jar(&["a=1", "a="]), None);
        assert_eq!(jar(&["nonsense"]), None);
    }
}
