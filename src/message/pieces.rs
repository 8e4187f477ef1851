//! What lies between separators: of a header's list, of a cookie's pairs, of a query.

use std::ops::Range;

use memchr::memchr;

/// The pieces of a line, in place.
pub(super) fn pieces(line: &[u8], separator: u8) -> impl Iterator<Item = &[u8]> {
    ranges(line, separator).filter_map(|piece| line.get(piece))
}

/// Where the pieces of a line are: one more than it has separators, empty ones among them.
pub(crate) fn ranges(line: &[u8], separator: u8) -> impl Iterator<Item = Range<usize>> {
    let mut next = Some(0);
    std::iter::from_fn(move || {
        let begin = next?;
        let length = memchr(separator, line.get(begin..)?);
        next = length.map(|length| begin + length + 1);
        Some(begin..length.map_or(line.len(), |length| begin + length))
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_line_has_one_piece_more_than_separators() {
        let all = |line: &'static str| pieces(line.as_bytes(), b';').collect::<Vec<_>>();
        assert_eq!(all("a;bc;;d"), [&b"a"[..], b"bc", b"", b"d"]);
        assert_eq!(all("a"), [b"a"]);
        assert_eq!(all(";"), [b"", b""]);
        assert_eq!(all(""), [b""]);
    }
}
