//! Any bytes as a query: nobody is sent elsewhere, and what we write into an address reads back.

use std::borrow::Cow;

use crate::gate::query::decode;
use crate::gate::query::parameter;
use crate::gate::query::parameters;
use crate::gate::query::return_to;
use crate::page::Lang;
use crate::page::negotiate;

/// Our own addresses, as they are configured unless told otherwise.
const PREFIX: &str = "/.anteroom/";

/// A query, and whatever can be in one.
pub(crate) fn query(bytes: &[u8]) {
    let Ok(text) = std::str::from_utf8(bytes) else {
        return;
    };
    for (name, value) in parameters(text) {
        assert!(!name.contains(['&', '=']) && !value.contains('&'));
        let first = parameters(text).find(|(other, _)| *other == name);
        let first = first.and_then(|(_, value)| decode(value));
        assert_eq!(parameter(text, name), first);
    }
    let wanted = parameter(text, "return");
    for wanted in [wanted.as_deref(), Some(text)] {
        let sent = return_to(wanted, PREFIX);
        assert!(
            sent.starts_with('/') && !sent.starts_with("//") && !sent.starts_with(PREFIX),
            "{sent}"
        );
        assert!(
            sent.bytes()
                .all(|byte| byte.is_ascii_graphic() && byte != b'\\'),
            "{sent}"
        );
        assert_eq!(
            return_to(Some(&sent), PREFIX),
            sent,
            "it is another one the second time"
        );
    }
    // Percent-encoded as a whole, it is what it was.
    let encoded: String = text.bytes().map(|byte| format!("%{byte:02x}")).collect();
    assert_eq!(decode(&encoded), Some(Cow::Borrowed(text)));
    let offered = [Lang::It, Lang::En];
    let answered = negotiate(parameter(text, "lang").as_deref(), Some(text), &offered);
    assert!(offered.contains(&answered.lang));
    if let Some(lang) = Lang::parse(text) {
        assert!(text.to_ascii_lowercase().starts_with(lang.tag()));
    }
}
