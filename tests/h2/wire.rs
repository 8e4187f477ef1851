//! Frames and header blocks by hand (RFC 9113 §4 and §6, RFC 7541), and a client that sends and reads them.

use std::collections::VecDeque;
use std::io;
use std::io::ErrorKind;

use crate::front::Bytes;
use crate::front::Front;

pub(crate) const DATA: u8 = 0;
pub(crate) const HEADERS: u8 = 1;
pub(crate) const PRIORITY: u8 = 2;
pub(crate) const RST_STREAM: u8 = 3;
pub(crate) const SETTINGS: u8 = 4;
pub(crate) const PUSH_PROMISE: u8 = 5;
pub(crate) const PING: u8 = 6;
pub(crate) const GOAWAY: u8 = 7;
pub(crate) const WINDOW_UPDATE: u8 = 8;
pub(crate) const CONTINUATION: u8 = 9;

pub(crate) const ACK: u8 = 1;
pub(crate) const END_STREAM: u8 = 1;
pub(crate) const END_HEADERS: u8 = 4;
pub(crate) const PADDED: u8 = 8;
pub(crate) const WITH_PRIORITY: u8 = 0x20;
/// A whole request without a body.
pub(crate) const WHOLE: u8 = END_STREAM | END_HEADERS;

pub(crate) const PREFACE: &[u8] = b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n";

/// The largest payload that may be sent without being asked for more (RFC 9113 §4.2).
pub(crate) const FRAME_MAX: usize = 16_384;

/// One frame as it came.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Frame {
    pub(crate) kind: u8,
    pub(crate) flags: u8,
    pub(crate) stream: u32,
    pub(crate) payload: Vec<u8>,
}

impl Frame {
    /// What a `RST_STREAM` or `GOAWAY` says.
    pub(crate) fn code(&self) -> u32 {
        let at = if self.kind == GOAWAY { 4 } else { 0 };
        number(&self.payload, at)
    }

    /// Whether it ends its stream for good.
    pub(crate) fn ends_stream(&self) -> bool {
        matches!(self.kind, DATA | HEADERS) && self.flags & END_STREAM != 0
    }
}

/// The 32 bits there; zero when there are not so many.
pub(crate) fn number(bytes: &[u8], at: usize) -> u32 {
    let four = bytes
        .get(at..at + 4)
        .and_then(|four| <[u8; 4]>::try_from(four).ok());
    four.map_or(0, u32::from_be_bytes)
}

/// A frame whose head is true (RFC 9113 §4.1).
pub(crate) fn frame(kind: u8, flags: u8, stream: u32, payload: &[u8]) -> Vec<u8> {
    let len = u32::try_from(payload.len()).unwrap().to_be_bytes();
    let mut frame = vec![len[1], len[2], len[3], kind, flags];
    frame.extend_from_slice(&stream.to_be_bytes());
    frame.extend_from_slice(payload);
    frame
}

/// `SETTINGS` with these values.
pub(crate) fn settings(values: &[(u16, u32)]) -> Vec<u8> {
    let mut payload = Vec::new();
    for (id, value) in values {
        payload.extend_from_slice(&id.to_be_bytes());
        payload.extend_from_slice(&value.to_be_bytes());
    }
    frame(SETTINGS, 0, 0, &payload)
}

pub(crate) fn window_update(stream: u32, by: u32) -> Vec<u8> {
    frame(WINDOW_UPDATE, 0, stream, &by.to_be_bytes())
}

pub(crate) fn reset(stream: u32, code: u32) -> Vec<u8> {
    frame(RST_STREAM, 0, stream, &code.to_be_bytes())
}

/// `PRIORITY`, by which one stream depends on another (RFC 7540 §5.3; RFC 9113 §5.3.2 keeps its form).
pub(crate) fn priority(stream: u32, on: u32, weight: u8) -> Vec<u8> {
    let mut payload = on.to_be_bytes().to_vec();
    payload.push(weight);
    frame(PRIORITY, 0, stream, &payload)
}

/// A whole `GET`, or the head of a `POST` whose body is to come.
pub(crate) fn get(stream: u32, path: &str) -> Vec<u8> {
    frame(HEADERS, WHOLE, stream, &head("GET", path))
}

pub(crate) fn post(stream: u32, path: &str) -> Vec<u8> {
    frame(HEADERS, END_HEADERS, stream, &head("POST", path))
}

/// The header block of a request, as literals without indexing (RFC 7541 §6.2.2).
pub(crate) fn head(method: &str, path: &str) -> Vec<u8> {
    block(&[
        (":method", method),
        (":scheme", "http"),
        (":authority", "a.example"),
        (":path", path),
    ])
}

pub(crate) fn block(fields: &[(&str, &str)]) -> Vec<u8> {
    let mut block = Vec::new();
    for (name, value) in fields {
        block.push(0);
        text(&mut block, name.as_bytes());
        text(&mut block, value.as_bytes());
    }
    block
}

/// A string without Huffman coding (RFC 7541 §5.2).
pub(crate) fn text(block: &mut Vec<u8>, text: &[u8]) {
    integer(block, 0, 7, text.len());
    block.extend_from_slice(text);
}

/// An integer behind the first bits of a byte (RFC 7541 §5.1).
pub(crate) fn integer(block: &mut Vec<u8>, first: u8, bits: u32, value: usize) {
    let max = (1_usize << bits) - 1;
    if value < max {
        block.push(first | u8::try_from(value).unwrap());
        return;
    }
    block.push(first | u8::try_from(max).unwrap());
    let mut rest = value - max;
    while rest >= 128 {
        block.push(u8::try_from(rest % 128).unwrap() | 0x80);
        rest /= 128;
    }
    block.push(u8::try_from(rest).unwrap());
}

/// The other end of a connection.
pub(crate) struct Client {
    stream: Box<dyn Bytes>,
    buffer: Vec<u8>,
    /// Frames that were read and not asked for yet.
    kept: VecDeque<Frame>,
    /// Whether a `SETTINGS` of the server is acknowledged at once.
    pub(crate) acknowledges: bool,
}

/// Why there is no further frame.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Over {
    /// The server has ended the connection.
    Ended,
    /// Nothing comes.
    Silent,
}

impl Client {
    /// A connection on which nothing has been said.
    pub(crate) fn raw(front: &Front) -> io::Result<Self> {
        Ok(Self {
            stream: front.connect()?,
            buffer: Vec::new(),
            kept: VecDeque::new(),
            acknowledges: true,
        })
    }

    /// A connection that has begun: both sides have told their settings and acknowledged the other's.
    pub(crate) fn open(front: &Front, values: &[(u16, u32)]) -> Result<Self, String> {
        let mut client = Self::raw(front).map_err(|error| error.to_string())?;
        // Header blocks without memory are simpler to read: SETTINGS_HEADER_TABLE_SIZE is nothing.
        let values = [&[(1, 0)], values].concat();
        client.send(&[PREFACE, &settings(&values)].concat());
        client.find("the server's settings acknowledged", |frame| {
            frame.kind == SETTINGS && frame.flags & ACK != 0
        })?;
        Ok(client)
    }

    /// What cannot be sent any more shows in what comes back.
    pub(crate) fn send(&mut self, bytes: &[u8]) {
        self.stream.write_all(bytes).ok();
        self.stream.flush().ok();
    }

    /// Whether all of this was taken.
    pub(crate) fn try_send(&mut self, bytes: &[u8]) -> io::Result<()> {
        self.stream.write_all(bytes)?;
        self.stream.flush()
    }

    /// Takes whatever has come, and waits for nothing; whether the server has ended.
    pub(crate) fn drain(&mut self) -> bool {
        self.stream.socket().set_nonblocking(true).unwrap();
        let ended = loop {
            match self.stream.read(&mut [0; 16 * 1024]) {
                Ok(0) => break true,
                Ok(_) => {}
                Err(error) => break !is_late(&error),
            }
        };
        self.stream.socket().set_nonblocking(false).unwrap();
        ended
    }

    /// The next frame.
    pub(crate) fn next(&mut self) -> Result<Frame, Over> {
        if let Some(frame) = self.kept.pop_front() {
            return Ok(frame);
        }
        let frame = self.read()?;
        if frame.kind == SETTINGS && frame.flags & ACK == 0 && self.acknowledges {
            self.send(&self::frame(SETTINGS, ACK, 0, &[]));
        }
        Ok(frame)
    }

    /// Reads until there is such a frame; those before it are kept.
    pub(crate) fn find(
        &mut self,
        what: &str,
        is_it: impl Fn(&Frame) -> bool,
    ) -> Result<Frame, String> {
        let mut before = VecDeque::new();
        loop {
            match self.next() {
                Ok(frame) if is_it(&frame) => {
                    before.append(&mut self.kept);
                    self.kept = before;
                    return Ok(frame);
                }
                Ok(frame) => before.push_back(frame),
                Err(over) => return Err(format!("{what}: {over:?} after {}", seen(&before))),
            }
        }
    }

    fn read(&mut self) -> Result<Frame, Over> {
        loop {
            if let Some((head, rest)) = self.buffer.split_at_checked(9) {
                let len = u32::from_be_bytes([0, head[0], head[1], head[2]]) as usize;
                if let Some(payload) = rest.get(..len) {
                    let frame = Frame {
                        kind: head[3],
                        flags: head[4],
                        stream: number(head, 5) & 0x7fff_ffff,
                        payload: payload.to_vec(),
                    };
                    self.buffer.drain(..9 + len);
                    return Ok(frame);
                }
            }
            let mut bytes = [0; 16 * 1024];
            match self.stream.read(&mut bytes) {
                Ok(0) => return Err(Over::Ended),
                Ok(len) => self.buffer.extend_from_slice(&bytes[..len]),
                Err(error) if is_late(&error) => return Err(Over::Silent),
                Err(_) => return Err(Over::Ended),
            }
        }
    }
}

fn is_late(error: &io::Error) -> bool {
    matches!(error.kind(), ErrorKind::WouldBlock | ErrorKind::TimedOut)
}

/// Frames in few words, for a failure's message.
fn seen(frames: &VecDeque<Frame>) -> String {
    let words = frames.iter().map(|frame| {
        let Frame {
            kind,
            flags,
            stream,
            payload,
        } = frame;
        let start = &payload[..payload.len().min(16)];
        format!("[{kind} {flags:#x} on {stream}: {start:x?}]")
    });
    words.collect::<Vec<_>>().join(" ")
}
