//! A JSON object, written member by member into one buffer.
//!
//! By hand, because a poll is the most frequent answer there is and needs nothing more; the tests read what comes out
//! with a JSON parser.

use std::fmt::Write as _;

use jiff::Timestamp;
use jiff::tz::TimeZone;
use memchr::memchr3;

use crate::page::vars::local;
use crate::page::view::View;

/// A JSON object being written.
pub(crate) struct Json {
    out: String,
    scratch: String,
    first: bool,
}

impl Json {
    pub(crate) fn new(bytes: usize) -> Self {
        let mut out = String::with_capacity(bytes);
        out.push('{');
        Self {
            out,
            scratch: String::with_capacity(96),
            first: true,
        }
    }

    /// Begins a member; `name` needs no escaping.
    pub(crate) fn key(&mut self, name: &str) {
        if !self.first {
            self.out.push(',');
        }
        self.first = false;
        self.out.push('"');
        self.out.push_str(name);
        self.out.push_str("\":");
    }

    pub(crate) fn number(&mut self, name: &str, value: u64) {
        self.key(name);
        self.out.push_str(itoa::Buffer::new().format(value));
    }

    pub(crate) fn maybe(&mut self, name: &str, value: Option<u64>) {
        match value {
            Some(value) => self.number(name, value),
            None => self.null(name),
        }
    }

    pub(crate) fn flag(&mut self, name: &str, value: bool) {
        self.key(name);
        self.out.push_str(if value { "true" } else { "false" });
    }

    pub(crate) fn null(&mut self, name: &str) {
        self.key(name);
        self.out.push_str("null");
    }

    pub(crate) fn text(&mut self, name: &str, value: &str) {
        self.key(name);
        // A panel is several times as long as everything before it, and one character in sixteen is a quotation mark.
        self.out.reserve(value.len() + value.len() / 8);
        self.out.push('"');
        quote(&mut self.out, value);
        self.out.push('"');
    }

    /// A string that needs no escaping.
    pub(crate) fn string(&mut self, write: impl FnOnce(&mut String)) {
        self.out.push('"');
        write(&mut self.out);
        self.out.push('"');
    }

    /// A string of anything.
    pub(crate) fn string_of(&mut self, write: impl FnOnce(&mut String)) {
        self.scratch.clear();
        write(&mut self.scratch);
        self.out.push('"');
        quote(&mut self.out, &self.scratch);
        self.out.push('"');
    }

    /// A time of day on the room's clock, `09:40`.
    pub(crate) fn clock(&mut self, name: &str, view: &View<'_>, wall_us: i64) {
        match Timestamp::from_microsecond(wall_us) {
            Err(_) => self.null(name),
            Ok(at) => {
                let at = local(view, at);
                self.key(name);
                self.out.push('"');
                self.two_digits(at.hour(), ':');
                self.two_digits(at.minute(), '"');
            }
        }
    }

    /// A moment in UTC to the second (RFC 3339).
    pub(crate) fn moment(&mut self, name: &str, at: Timestamp) {
        let at = TimeZone::UTC.to_datetime(at);
        self.key(name);
        self.out.push('"');
        let year = at.year().clamp(0, 9_999);
        for digits in [year / 100, year % 100] {
            self.pair(i8::try_from(digits).unwrap_or(0));
        }
        self.out.push('-');
        self.two_digits(at.month(), '-');
        self.two_digits(at.day(), 'T');
        self.two_digits(at.hour(), ':');
        self.two_digits(at.minute(), ':');
        self.two_digits(at.second(), 'Z');
        self.out.push('"');
    }

    /// A number below 100 in two digits, and what follows it.
    fn two_digits(&mut self, number: i8, then: char) {
        self.pair(number);
        self.out.push(then);
    }

    fn pair(&mut self, number: i8) {
        let number = number.unsigned_abs() % 100;
        self.out.push(char::from(b'0' + number / 10));
        self.out.push(char::from(b'0' + number % 10));
    }

    pub(crate) fn open(&mut self, name: &str) {
        self.key(name);
        self.out.push('{');
        self.first = true;
    }

    pub(crate) fn close(&mut self) {
        self.out.push('}');
        self.first = false;
    }

    pub(crate) fn finish(mut self) -> String {
        self.out.push('}');
        self.out
    }
}

/// Adds a string's characters as RFC 8259 §7 wants them.
fn quote(out: &mut String, text: &str) {
    // All that is looked for is ASCII, which is never part of another character in UTF-8.
    let is_special = |byte: u8| byte == b'"' || byte == b'\\' || byte < b' ';
    // Nearly no text has any: looked at whole, which the compiler does many bytes at a time.
    if !text.bytes().fold(false, |any, byte| any | is_special(byte)) {
        out.push_str(text);
        return;
    }
    // Those that markup has are found many bytes at a time as well; only where there are others, one by one.
    let is_rare = |byte: u8| byte < b' ' && byte != b'\n';
    let has_rare = text.bytes().fold(false, |any, byte| any | is_rare(byte));
    let find = |text: &str| {
        if has_rare {
            text.bytes().position(is_special)
        } else {
            memchr3(b'"', b'\\', b'\n', text.as_bytes())
        }
    };
    let mut rest = text;
    while let Some(at) = find(rest) {
        let (before, from) = rest.split_at(at);
        out.push_str(before);
        let mut letters = from.chars();
        match letters.next() {
            Some('\n') => out.push_str("\\n"),
            Some(special @ ('"' | '\\')) => {
                out.push('\\');
                out.push(special);
            }
            other => {
                let code = u32::from(other.unwrap_or(' '));
                let written = write!(out, "\\u{code:04x}");
                debug_assert!(written.is_ok(), "a string takes everything");
            }
        }
        rest = letters.as_str();
    }
    out.push_str(rest);
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_text_comes_out_of_a_json_parser_as_it_went_in() {
        for text in [
            "",
            "nothing special, é",
            "<p class=\"a\">\n\\</p>\n",
            "\"",
            "a\u{1}b\tc\u{1f}\r\n\"\\",
            "\u{7f}\u{80}\u{2028}",
        ] {
            let mut quoted = String::from("\"");
            quote(&mut quoted, text);
            quoted.push('"');
            let read: String = serde_json::from_str(&quoted).unwrap_or_default();
            assert_eq!(read, text, "{quoted}");
        }
    }
}
