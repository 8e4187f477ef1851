//! A look at HTTP/1.1 requests as they come in, for what the parser does not tell.
//!
//! The parser reads a request with both `Content-Length` and `Transfer-Encoding` by the latter (RFC 9112 §6.1 allows
//! it) and forgets the former; it takes a repeated length, a bare LF for the end of a line, and cuts a fragment off a
//! target. Others read such requests in other ways, so they are refused. Lines are looked at, nothing else: what a
//! head is, and whether it is valid, is the parser's business. Bodies are skipped by the length they were told with,
//! so that every head is seen, also one that came in one piece with the body before it.

use crate::message::Refusal;
use crate::server::chunks::Chunks;
use crate::server::chunks::Step;

/// Bytes kept of a line that comes in pieces: our longest name, white space, and a length of twenty digits.
const LINE_MAX: usize = 64;

/// What was seen of the requests on one connection.
#[derive(Debug)]
pub(super) struct Heads {
    state: State,
    /// The beginning of the line being read, and all there is of it.
    line: [u8; LINE_MAX],
    line_len: usize,
    /// The last byte of the line being read.
    last: u8,
    /// The method of the request line is over.
    in_target: bool,
    /// Bytes came in after the last request that came in as a whole.
    is_within: bool,
    length: Option<u64>,
    has_coding: bool,
    wrong: Option<Refusal>,
    /// Heads read to their end.
    complete: u64,
    /// The first of them that is refused, counted from one, and why.
    refused: Option<(u64, Refusal)>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum State {
    /// The next line that is not empty begins a request.
    Between,
    /// Inside a head.
    Head,
    /// So many bytes of a body follow.
    Body(u64),
    /// A body in chunks follows.
    Chunks(Chunks),
    /// Where the next request begins is in doubt, and nobody will read it.
    Lost,
}

impl Heads {
    pub(super) fn new() -> Self {
        Self {
            state: State::Between,
            line: [0; LINE_MAX],
            line_len: 0,
            last: 0,
            in_target: false,
            is_within: false,
            length: None,
            has_coding: false,
            wrong: None,
            complete: 0,
            refused: None,
        }
    }

    /// Heads seen to their end.
    pub(super) fn complete(&self) -> u64 {
        self.complete
    }

    /// The first head that is refused, counted from one, and why. So are all that follow it.
    pub(super) fn refused(&self) -> Option<(u64, Refusal)> {
        self.refused
    }

    /// Whether a head has begun and is not over.
    pub(super) fn is_inside(&self) -> bool {
        match self.state {
            State::Head => true,
            State::Between => self.line_len > 0,
            State::Body(_) | State::Chunks(_) | State::Lost => false,
        }
    }

    /// Whether there is anything of a request that has not come in as a whole.
    pub(super) fn is_within(&self) -> bool {
        self.is_within
    }

    /// Looks at bytes in the order they came in. How many of them the parser may have: what follows is no body, and it
    /// might take it for one.
    pub(super) fn see(&mut self, bytes: &[u8]) -> usize {
        let mut rest = bytes;
        while !rest.is_empty() {
            match &mut self.state {
                State::Between | State::Head => {
                    self.is_within = true;
                    rest = self.see_head(rest);
                }
                State::Body(left) => {
                    let taken = (rest.len() as u64).min(*left);
                    *left -= taken;
                    if *left == 0 {
                        self.end_request();
                    }
                    // No more than what is here.
                    rest = usize::try_from(taken).map_or(&[], |taken| &rest[taken..]);
                }
                State::Chunks(chunks) => match chunks.see(rest) {
                    Step::More => rest = &[],
                    Step::Ended(len) => {
                        self.end_request();
                        rest = &rest[len..];
                    }
                    Step::Wrong(len) => {
                        self.state = State::Lost;
                        return bytes.len() - rest.len() + len;
                    }
                },
                State::Lost => rest = &[],
            }
        }
        bytes.len()
    }

    /// Looks at one line, or the part of it that is here; what follows it.
    fn see_head<'a>(&mut self, bytes: &'a [u8]) -> &'a [u8] {
        let Some(end) = memchr::memchr(b'\n', bytes) else {
            self.remember(bytes);
            return &[];
        };
        let (line, rest) = bytes.split_at(end);
        if self.line_len == 0 {
            // Nearly always: the line is here as a whole.
            self.see_fragment(line);
            self.see_line(line, line.last().copied());
        } else {
            self.remember(line);
            let (line, len, last) = (self.line, self.line_len, self.last);
            self.line_len = 0;
            self.see_line(&line[..len], Some(last));
        }
        rest.get(1..).unwrap_or_default()
    }

    fn remember(&mut self, bytes: &[u8]) {
        if let Some(last) = bytes.last() {
            self.last = *last;
        }
        self.see_fragment(bytes);
        let space = &mut self.line[self.line_len..];
        let len = space.len().min(bytes.len());
        space[..len].copy_from_slice(&bytes[..len]);
        self.line_len += len;
    }

    /// RFC 9112 §3.2: a target has no fragment. A method may have that character.
    fn see_fragment(&mut self, bytes: &[u8]) {
        if self.state != State::Between {
            return;
        }
        let mut target = bytes;
        if !self.in_target {
            let Some(space) = memchr::memchr(b' ', bytes) else {
                return;
            };
            self.in_target = true;
            target = &bytes[space..];
        }
        if memchr::memchr(b'#', target).is_some() {
            self.wrong = Some(Refusal::TargetInvalid);
        }
    }

    fn see_line(&mut self, line: &[u8], last: Option<u8>) {
        if last != Some(b'\r') {
            self.wrong = Some(Refusal::LineEnd);
        }
        let is_empty = matches!(line, [] | [b'\r']);
        match (self.state, line.first()) {
            (State::Between, _) if is_empty => {}
            (State::Between, _) => {
                self.in_target = false;
                self.state = State::Head;
            }
            (State::Head, _) if is_empty => self.end_head(),
            (State::Head, Some(b'c' | b'C')) => self.see_length(line),
            (State::Head, Some(b't' | b'T')) => {
                self.has_coding |= after(line, b"transfer-encoding:").is_some();
            }
            _ => {}
        }
    }

    /// RFC 9110 §8.6: digits, told once.
    fn see_length(&mut self, line: &[u8]) {
        let Some(value) = after(line, b"content-length:") else {
            return;
        };
        let digits = value.trim_ascii();
        let is_number = line.len() < LINE_MAX && digits.iter().all(u8::is_ascii_digit);
        let number = std::str::from_utf8(digits).ok().filter(|_| is_number);
        let Some(length) = number.and_then(|digits| digits.parse().ok()) else {
            self.wrong = Some(Refusal::LengthInvalid);
            return;
        };
        if self.length.replace(length).is_some() {
            self.wrong = Some(Refusal::LengthAmbiguous);
        }
    }

    fn end_head(&mut self) {
        self.complete += 1;
        let length = self.length.take();
        let has_coding = std::mem::take(&mut self.has_coding);
        if has_coding && length.is_some() {
            self.wrong = Some(Refusal::LengthAmbiguous);
        }
        match (self.wrong.take(), length) {
            (Some(refusal), _) => {
                self.refused = Some((self.complete, refusal));
                self.state = State::Lost;
            }
            (None, _) if has_coding => self.state = State::Chunks(Chunks::new()),
            (None, Some(length)) if length > 0 => self.state = State::Body(length),
            (None, _) => self.end_request(),
        }
    }

    fn end_request(&mut self) {
        self.state = State::Between;
        self.is_within = false;
    }
}

/// What follows a name at the beginning of a line.
fn after<'a>(line: &'a [u8], name: &[u8]) -> Option<&'a [u8]> {
    let (start, rest) = line.split_at_checked(name.len())?;
    start.eq_ignore_ascii_case(name).then_some(rest)
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Whole heads, the first that is refused, and bytes that may be read.
    fn seen(bytes: &str, size: usize) -> (u64, Option<(u64, Refusal)>, usize) {
        let mut heads = Heads::new();
        let mut read = 0;
        for piece in bytes.as_bytes().chunks(size) {
            let good = heads.see(piece);
            read += good;
            if good < piece.len() {
                break;
            }
        }
        (heads.complete(), heads.refused(), read)
    }

    const GET: &str = "G#T /a HTTP/1.1\r\nHost: a\r\n\r\n";
    const POST: &str = "\r\nPOST / HTTP/1.1\r\nHost: a\r\ncontent-length: \t5 \r\n\r\n\n\n\n\n\n";
    const CHUNKED: &str = "POST / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n\
        18\r\nContent-Length: 1\r\n\r\n#\r\n\r\n0\r\nA: 1\r\n\r\n";

    #[test]
    fn every_head_is_seen_and_no_body_is_taken_for_one() {
        let all = [GET, POST, CHUNKED, CHUNKED, POST, GET].concat();
        for size in 1..=all.len() {
            assert_eq!(seen(&all, size), (6, None, all.len()), "{size}");
        }
    }

    #[test]
    fn a_head_is_being_read_from_its_first_byte_to_its_last_and_a_body_is_none() {
        let mut heads = Heads::new();
        let mut inside = |bytes: &str| {
            heads.see(bytes.as_bytes());
            heads.is_inside()
        };
        assert!(!inside("\r\n"));
        assert!(inside("P"));
        assert!(inside("OST / HTTP/1.1\r\nContent-Length: 2\r\n"));
        for piece in ["\r\n", "h", "i"] {
            assert!(!inside(piece));
        }
        assert!(inside("GET / HTTP/1.1\r\n"));
    }

    #[test]
    fn what_can_be_read_in_two_ways_is_refused_however_the_bytes_are_cut() {
        for (refusal, bad) in [
            (
                Refusal::LengthAmbiguous,
                "POST / HTTP/1.1\r\nTransfer-Encoding: chunked\r\nCONTENT-LENGTH: 5\r\n\r\n",
            ),
            (
                Refusal::LengthAmbiguous,
                "POST / HTTP/1.1\r\nContent-Length: 0\r\nContent-Length: 0\r\n\r\n",
            ),
            (
                Refusal::LengthInvalid,
                "POST / HTTP/1.1\r\nContent-Length: +5\r\n\r\n",
            ),
            (Refusal::LineEnd, "GET / HTTP/1.1\nHost: a\r\n\r\n"),
            (Refusal::LineEnd, "GET / HTTP/1.1\r\nHost: a\r\n\n"),
            (Refusal::LineEnd, "\nGET / HTTP/1.1\r\nHost: a\r\n\r\n"),
            (
                Refusal::TargetInvalid,
                "GET /a#b HTTP/1.1\r\nHost: a\r\n\r\n",
            ),
        ] {
            // What follows is not looked at: nobody knows where it begins.
            let all = [GET, CHUNKED, bad, GET].concat();
            for size in 1..=all.len() {
                assert_eq!(
                    seen(&all, size),
                    (3, Some((3, refusal)), all.len()),
                    "{bad}"
                );
            }
        }
    }

    #[test]
    fn it_is_known_after_every_byte_whether_a_request_is_whole() {
        let requests = [GET, POST, CHUNKED, "\r\n", GET];
        let mut heads = Heads::new();
        for (index, request) in requests.iter().enumerate() {
            for (at, byte) in request.bytes().enumerate() {
                heads.see(&[byte]);
                let is_whole = at + 1 == request.len() && index != 3;
                assert_eq!(heads.is_within(), !is_whole, "{request:?} at {at}");
            }
        }
        heads.see(b"GET / HTTP/1.1\nHost: a\r\n\r\n");
        assert!(heads.is_within(), "nobody knows where it ends");
    }

    #[test]
    fn a_body_that_is_none_is_read_no_further() {
        let good = "POST / HTTP/1.1\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nhello\r\n0";
        let all = format!("{good}\n\r\n{GET}");
        for size in 1..=all.len() {
            assert_eq!(seen(&all, size), (1, None, good.len()), "{size}");
        }
    }
}
