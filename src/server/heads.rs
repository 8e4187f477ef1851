//! A look at the heads of HTTP/1.1 requests as they come in, for the one thing the parser does not tell.
//!
//! A request with both `Content-Length` and `Transfer-Encoding` is refused (RFC 9112 §6.1 allows to read it by the
//! latter, which is what the parser does, and forgets the former). So lines are looked at, nothing else: what a head
//! is, and whether it is valid, is the parser's business.

/// The longest name we look for, with its colon.
const NAME_MAX: usize = b"transfer-encoding:".len();

/// What was seen of the heads on one connection.
#[derive(Debug, Default)]
pub(super) struct Heads {
    state: State,
    /// The beginning of the line being read.
    line: [u8; NAME_MAX],
    line_len: usize,
    saw_length: bool,
    saw_coding: bool,
    /// Heads read to their end.
    complete: u64,
    /// Some head on this connection had both.
    saw_both: bool,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
enum State {
    /// The next line that is not empty begins a request.
    #[default]
    Between,
    /// Inside a head.
    Head,
    /// A body follows: nothing is looked at until the request is over.
    Body,
}

impl Heads {
    /// A request is over, its body included.
    pub(super) fn next_request(&mut self) {
        if self.state == State::Body {
            self.state = State::Between;
            self.line_len = 0;
        }
    }

    /// Heads seen to their end. A request whose head was not seen, because it came in one piece with the body before
    /// it, does not get the benefit of the doubt.
    pub(super) fn complete(&self) -> u64 {
        self.complete
    }

    /// Whether some head on this connection told its length in two ways.
    pub(super) fn saw_both(&self) -> bool {
        self.saw_both
    }

    /// Looks at bytes in the order they came in.
    pub(super) fn see(&mut self, mut bytes: &[u8]) {
        while matches!(self.state, State::Between | State::Head) {
            let Some(end) = memchr::memchr(b'\n', bytes) else {
                self.remember(bytes);
                return;
            };
            let (line, rest) = bytes.split_at(end);
            if self.line_len == 0 {
                // Nearly always: the line is here as a whole.
                self.see_line(line);
            } else {
                self.remember(line);
                let (line, len) = (self.line, self.line_len);
                self.line_len = 0;
                self.see_line(&line[..len]);
            }
            bytes = rest.get(1..).unwrap_or_default();
        }
    }

    fn remember(&mut self, bytes: &[u8]) {
        let space = &mut self.line[self.line_len..];
        let len = space.len().min(bytes.len());
        space[..len].copy_from_slice(&bytes[..len]);
        self.line_len += len;
    }

    fn see_line(&mut self, line: &[u8]) {
        let is_empty = matches!(line, [] | [b'\r']);
        match self.state {
            State::Between if is_empty => {}
            State::Between => {
                self.state = State::Head;
                self.saw_length = false;
                self.saw_coding = false;
            }
            State::Head if is_empty => {
                self.complete += 1;
                self.saw_both |= self.saw_length && self.saw_coding;
                let has_body = self.saw_length || self.saw_coding;
                self.state = if has_body {
                    State::Body
                } else {
                    State::Between
                };
            }
            State::Head => match line.first() {
                Some(b'c' | b'C') => self.saw_length |= begins_with(line, b"content-length:"),
                Some(b't' | b'T') => self.saw_coding |= begins_with(line, b"transfer-encoding:"),
                _ => {}
            },
            State::Body => {}
        }
    }
}

fn begins_with(line: &[u8], name: &[u8]) -> bool {
    line.get(..name.len())
        .is_some_and(|start| start.eq_ignore_ascii_case(name))
}

#[cfg(test)]
mod tests {
    use super::*;

    const BOTH: &[u8] = b"POST / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\
        CONTENT-LENGTH: 5\r\n\r\n";
    const CHUNKED: &[u8] = b"\r\nPOST / HTTP/1.1\r\nHost: a\r\ntransfer-encoding: chunked\r\n\r\n";

    #[test]
    fn two_lengths_are_seen_however_the_bytes_are_cut() {
        for size in 1..BOTH.len() {
            let (mut both, mut one) = (Heads::default(), Heads::default());
            BOTH.chunks(size).for_each(|bytes| both.see(bytes));
            CHUNKED.chunks(size).for_each(|bytes| one.see(bytes));
            assert_eq!((both.complete(), both.saw_both()), (1, true), "{size}");
            assert_eq!((one.complete(), one.saw_both()), (1, false), "{size}");
        }
    }

    #[test]
    fn what_a_body_says_does_not_count_and_the_next_request_does() {
        let mut heads = Heads::default();
        heads.see(CHUNKED);
        heads.see(b"12\r\nContent-Length: 1\r\n\r\n");
        heads.next_request();
        heads.see(b"GET / HTTP/1.1\r\nHost: a\r\n\r\n");
        heads.see(CHUNKED);
        assert_eq!((heads.complete(), heads.saw_both()), (3, false));
    }
}
