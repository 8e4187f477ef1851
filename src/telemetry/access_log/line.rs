//! How a line of the access log is put together: appended to a buffer, digit by digit.

use std::io::Write;
use std::net::IpAddr;
use std::time::Duration;
use std::time::Instant;

use jiff::Timestamp;

use crate::telemetry::access_log::Entry;
use crate::telemetry::access_log::PATH_BYTES_MAX;
use crate::telemetry::metrics::Label;

/// Longest method that is written whole, in bytes.
const METHOD_BYTES_MAX: usize = 24;

/// Time stamps from the monotonic clock, so that no line asks for the time of day; the text of a second is made once.
#[derive(Debug)]
pub(super) struct Stamp {
    /// The same moment on both clocks.
    at: Instant,
    at_us: u64,
    /// The second that `text` shows.
    second: u64,
    /// `2026-11-22T13:00:00`
    text: [u8; 19],
}

impl Stamp {
    pub(super) fn new(at: Instant, at_us: u64) -> Self {
        Self {
            at,
            at_us,
            second: u64::MAX,
            text: [b'0'; 19],
        }
    }

    /// Appends a moment, in UTC and to the millisecond.
    fn push(&mut self, to: &mut Vec<u8>, moment: Instant) {
        let us = match moment.checked_duration_since(self.at) {
            Some(after) => self.at_us.saturating_add(micros(after)),
            None => self.at_us.saturating_sub(micros(self.at - moment)),
        };
        let second = us / 1_000_000;
        if second != self.second {
            self.show(second);
        }
        to.extend_from_slice(&self.text);
        let ms = us / 1_000 % 1_000;
        to.extend_from_slice(&[b'.', digit(ms / 100), digit(ms / 10), digit(ms), b'Z']);
    }

    fn show(&mut self, second: u64) {
        let shown = i64::try_from(second)
            .ok()
            .and_then(|second| Timestamp::from_second(second).ok())
            .unwrap_or(Timestamp::UNIX_EPOCH)
            .to_string();
        // As long as the year has four digits, the text up to its seconds has 19 bytes.
        if let Some(text) = shown.as_bytes().first_chunk() {
            self.text = *text;
        }
        self.second = second;
    }
}

/// Appends one line of `key=value` pairs.
pub(super) fn logfmt(to: &mut Vec<u8>, stamp: &mut Stamp, entry: &Entry<'_>) {
    to.extend_from_slice(b"time=");
    stamp.push(to, entry.finished);
    to.extend_from_slice(b" peer=");
    push_addr(to, entry.peer);
    to.extend_from_slice(b" method=");
    push_bare(to, bounded(entry.method, METHOD_BYTES_MAX));
    to.extend_from_slice(b" path=");
    push_bare(to, path(entry));
    to.extend_from_slice(b" status=");
    push_number(to, entry.status.into());
    to.extend_from_slice(b" bytes=");
    push_number(to, entry.bytes);
    to.extend_from_slice(b" duration_us=");
    push_number(to, duration_us(entry));
    to.extend_from_slice(b" room=");
    push_bare(to, entry.room.as_bytes());
    to.extend_from_slice(b" decision=");
    to.extend_from_slice(entry.decision.name().as_bytes());
    to.push(b'\n');
}

/// Appends one line with a JSON object.
pub(super) fn json(to: &mut Vec<u8>, stamp: &mut Stamp, entry: &Entry<'_>) {
    to.extend_from_slice(b"{\"time\":\"");
    stamp.push(to, entry.finished);
    to.extend_from_slice(b"\",\"peer\":\"");
    push_addr(to, entry.peer);
    to.extend_from_slice(b"\",\"method\":");
    push_quoted(to, bounded(entry.method, METHOD_BYTES_MAX));
    to.extend_from_slice(b",\"path\":");
    push_quoted(to, path(entry));
    to.extend_from_slice(b",\"status\":");
    push_number(to, entry.status.into());
    to.extend_from_slice(b",\"bytes\":");
    push_number(to, entry.bytes);
    to.extend_from_slice(b",\"duration_us\":");
    push_number(to, duration_us(entry));
    to.extend_from_slice(b",\"room\":");
    push_quoted(to, entry.room.as_bytes());
    to.extend_from_slice(b",\"decision\":\"");
    to.extend_from_slice(entry.decision.name().as_bytes());
    to.extend_from_slice(b"\"}\n");
}

/// The path that may be written: no query, no fragment, not endless.
fn path<'a>(entry: &Entry<'a>) -> &'a [u8] {
    let path = entry.path.split(['?', '#']).next().unwrap_or_default();
    bounded(path, PATH_BYTES_MAX)
}

fn duration_us(entry: &Entry<'_>) -> u64 {
    micros(entry.finished.saturating_duration_since(entry.started))
}

/// At most `max` bytes of a text. What is written byte by byte may well end within a character.
fn bounded(text: &str, max: usize) -> &[u8] {
    text.as_bytes().get(..max).unwrap_or(text.as_bytes())
}

/// Appends a value as it is when no reader could misunderstand it, and quoted when one could.
fn push_bare(to: &mut Vec<u8>, value: &[u8]) {
    let plain = |byte: &u8| byte.is_ascii_graphic() && !matches!(byte, b'"' | b'\\' | b'=');
    if value.iter().all(plain) {
        to.extend_from_slice(value);
    } else {
        push_quoted(to, value);
    }
}

/// Appends a value in quotes, ASCII only. Bytes that are no printable ASCII become `\u00XX`, each by itself: paths are
/// bytes, and whoever reads the log sees exactly these.
fn push_quoted(to: &mut Vec<u8>, value: &[u8]) {
    const HEX: &[u8; 16] = b"0123456789abcdef";
    to.push(b'"');
    for &byte in value {
        match byte {
            b'"' | b'\\' => to.extend_from_slice(&[b'\\', byte]),
            b' '..=b'~' => to.push(byte),
            _ => {
                let (high, low) = (usize::from(byte >> 4), usize::from(byte & 15));
                to.extend_from_slice(&[b'\\', b'u', b'0', b'0', HEX[high], HEX[low]]);
            }
        }
    }
    to.push(b'"');
}

fn push_addr(to: &mut Vec<u8>, addr: IpAddr) {
    match addr.to_canonical() {
        IpAddr::V4(addr) => {
            let [a, b, c, d] = addr.octets();
            push_number(to, a.into());
            for part in [b, c, d] {
                to.push(b'.');
                push_number(to, part.into());
            }
        }
        // Writing to a buffer cannot fail.
        IpAddr::V6(addr) => write!(to, "{addr}").unwrap_or_default(),
    }
}

fn push_number(to: &mut Vec<u8>, mut number: u64) {
    let mut digits = [0; 20];
    let mut start = digits.len();
    loop {
        start -= 1;
        digits[start] = digit(number);
        number /= 10;
        if number == 0 {
            break;
        }
    }
    to.extend_from_slice(&digits[start..]);
}

/// The last digit of a number.
fn digit(number: u64) -> u8 {
    b"0123456789"[usize::try_from(number % 10).unwrap_or_default()]
}

fn micros(duration: Duration) -> u64 {
    u64::try_from(duration.as_micros()).unwrap_or(u64::MAX)
}
