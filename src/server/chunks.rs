//! A look at chunked request bodies as they come in, for what the parser is too kind to (RFC 9112 §7.1).
//!
//! Two servers that disagree about where a chunk ends disagree about where the next request begins. The data is
//! skipped; the lines between are few bytes.

/// Digits of a chunk's size, leading zeros included.
const DIGITS_MAX: u8 = 64;

/// Bytes of one chunk's extensions, which nobody uses (RFC 9112 §7.1.1 asks for a limit).
const EXTENSION_MAX: u16 = 1024;

/// How far a chunked body has come.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Chunks {
    at: At,
    size: u64,
    digits: u8,
    extension: u16,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum At {
    Size,
    /// White space after the size: only an extension may follow.
    Space,
    Extension,
    SizeLf,
    Data,
    DataCr,
    DataLf,
    /// A line of the trailer section begins, or the empty one that ends it.
    Trailer,
    TrailerLine,
    TrailerLf,
    EndLf,
}

/// What became of some bytes of a body.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Step {
    /// All are of the body, and more will follow.
    More,
    /// The body ended after so many of them.
    Ended(usize),
    /// So many are fine; what follows could be read in two ways.
    Wrong(usize),
}

impl Chunks {
    pub(super) fn new() -> Self {
        Self {
            at: At::Size,
            size: 0,
            digits: 0,
            extension: 0,
        }
    }

    /// Looks at bytes in the order they came in.
    pub(super) fn see(&mut self, bytes: &[u8]) -> Step {
        let mut at = 0;
        while let Some(&byte) = bytes.get(at) {
            if self.at == At::Data {
                let here = (bytes.len() - at) as u64;
                let taken = here.min(self.size);
                self.size -= taken;
                // No more than what is here.
                at += usize::try_from(taken).unwrap_or(bytes.len() - at);
                if self.size == 0 {
                    self.at = At::DataCr;
                }
                continue;
            }
            if self.at == At::EndLf && byte == b'\n' {
                return Step::Ended(at + 1);
            }
            let Some(next) = self.next(byte) else {
                return Step::Wrong(at);
            };
            self.at = next;
            at += 1;
        }
        Step::More
    }

    fn next(&mut self, byte: u8) -> Option<At> {
        match (self.at, byte) {
            (At::Size, b'\r') if self.digits > 0 => Some(At::SizeLf),
            (At::Size, b';') if self.digits > 0 => Some(At::Extension),
            (At::Size, b' ' | b'\t') if self.digits > 0 => Some(At::Space),
            (At::Size, _) => self.digit(byte),
            (At::Space, b' ' | b'\t') => self.extend(At::Space),
            (At::Space, b';') => Some(At::Extension),
            (At::Extension, b'\r') => Some(At::SizeLf),
            (At::Extension, b'\t' | b' '..=b'~' | 0x80..) => self.extend(At::Extension),
            (At::SizeLf, b'\n') => {
                let is_last = self.size == 0;
                (self.digits, self.extension) = (0, 0);
                Some(if is_last { At::Trailer } else { At::Data })
            }
            (At::DataCr, b'\r') => Some(At::DataLf),
            (At::DataLf, b'\n') => Some(At::Size),
            (At::Trailer, b'\r') => Some(At::EndLf),
            (At::TrailerLine, b'\r') => Some(At::TrailerLf),
            (At::TrailerLf, b'\n') => Some(At::Trailer),
            (At::Trailer | At::TrailerLine, b'\t' | b' '..=b'~' | 0x80..) => Some(At::TrailerLine),
            _ => None,
        }
    }

    fn digit(&mut self, byte: u8) -> Option<At> {
        let digit = char::from(byte).to_digit(16)?;
        self.digits += 1;
        self.size = self.size.checked_mul(16)?.checked_add(digit.into())?;
        (self.digits <= DIGITS_MAX).then_some(At::Size)
    }

    fn extend(&mut self, at: At) -> Option<At> {
        self.extension += 1;
        (self.extension <= EXTENSION_MAX).then_some(at)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn seen(body: &[u8], size: usize) -> Step {
        let mut chunks = Chunks::new();
        let mut before = 0;
        for bytes in body.chunks(size) {
            match chunks.see(bytes) {
                Step::More => before += bytes.len(),
                Step::Ended(at) => return Step::Ended(before + at),
                Step::Wrong(at) => return Step::Wrong(before + at),
            }
        }
        Step::More
    }

    #[test]
    fn a_body_ends_where_it_ends_however_it_is_cut() {
        for body in [
            "0\r\n\r\n",
            "5\r\nhello\r\n0\r\n\r\n",
            "005;a=\"b\"\r\nhello\r\nA ;c\r\n\r\n\r\n\r\n\r\n\r\n\r\n0\r\nX: 1\r\nY:\t2\r\n\r\n",
        ] {
            let more = format!("{body}GET / HTTP/1.1");
            for size in 1..=more.len() {
                assert_eq!(
                    seen(more.as_bytes(), size),
                    Step::Ended(body.len()),
                    "{body:?}"
                );
            }
        }
    }

    #[test]
    fn what_could_be_read_in_two_ways_is_wrong_however_it_is_cut() {
        let zeros = format!("{}5\r\n", "0".repeat(64));
        let extension = format!("5;{}\r\n", "x".repeat(1_025));
        for (body, at) in [
            ("+5\r\n", 0),
            ("\r\n", 0),
            ("5 \r\n", 2),
            ("5\nhello", 1),
            ("5;a\nb\r\n", 3),
            ("5;a\0\r\n", 3),
            ("5\r\nhello\n0\r\n\r\n", 8),
            ("5\r\nhello!", 8),
            ("0\r\n\n", 3),
            ("0\r\nX: 1\n\r\n", 7),
            ("0\r\n\r\r", 4),
            (zeros.as_str(), 64),
            ("10000000000000000\r\n", 16),
            (extension.as_str(), 1_026),
        ] {
            for size in 1..=body.len() {
                assert_eq!(seen(body.as_bytes(), size), Step::Wrong(at), "{body:?}");
            }
        }
    }
}
