//! HTTP/2 by hand: frames and header blocks that no library would send.

use std::io::Read;
use std::io::Write;
use std::net::SocketAddr;
use std::net::TcpStream;
use std::time::Duration;

const DATA: u8 = 0;
const HEADERS: u8 = 1;
const RST_STREAM: u8 = 3;
const SETTINGS: u8 = 4;
const GOAWAY: u8 = 7;
const END_STREAM: u8 = 1;
const END_HEADERS: u8 = 4;
const ACK: u8 = 1;

/// A field of a header block, as it is: any bytes.
pub(crate) type Field = (Vec<u8>, Vec<u8>);

/// What became of a stream.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Ended {
    Answer(u16, Vec<u8>),
    /// The stream was reset, or the connection is going away or gone.
    Refused,
    /// Neither in time.
    Hung,
}

#[derive(Debug)]
pub(crate) struct Connection {
    stream: TcpStream,
    buffer: Vec<u8>,
}

struct Frame {
    kind: u8,
    flags: u8,
    stream: u32,
    payload: Vec<u8>,
}

impl Connection {
    pub(crate) fn open(addr: SocketAddr, patience: Duration) -> Self {
        let mut stream = TcpStream::connect(addr).expect("the proxy listens");
        stream.set_nodelay(true).unwrap();
        stream.set_read_timeout(Some(patience)).unwrap();
        stream.set_write_timeout(Some(patience)).unwrap();
        let mut hello = b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n".to_vec();
        // Header blocks without memory are simpler to read: SETTINGS_HEADER_TABLE_SIZE is nothing.
        hello.extend(frame(SETTINGS, 0, 0, &[0, 1, 0, 0, 0, 0]));
        stream.write_all(&hello).ok();
        Self {
            stream,
            buffer: Vec::new(),
        }
    }

    /// Sends a request, with a body if there is one.
    pub(crate) fn send(&mut self, stream: u32, fields: &[Field], body: Option<&[u8]>) {
        let mut block = Vec::new();
        for (name, value) in fields {
            // A literal, not indexed, with a name of its own (RFC 7541 §6.2.2).
            block.push(0);
            literal(&mut block, name);
            literal(&mut block, value);
        }
        let flags = END_HEADERS | if body.is_none() { END_STREAM } else { 0 };
        let mut bytes = frame(HEADERS, flags, stream, &block);
        if let Some(body) = body {
            bytes.extend(frame(DATA, END_STREAM, stream, body));
        }
        self.stream.write_all(&bytes).ok();
    }

    /// Waits until a stream has ended.
    pub(crate) fn end_of(&mut self, wanted: u32) -> Ended {
        let (mut status, mut body) = (0, Vec::new());
        loop {
            let frame = match self.next() {
                Ok(Some(frame)) => frame,
                Ok(None) => return Ended::Refused,
                Err(()) => return Ended::Hung,
            };
            match frame.kind {
                SETTINGS if frame.flags & ACK == 0 => {
                    let ack = self::frame(SETTINGS, ACK, 0, &[]);
                    self.stream.write_all(&ack).ok();
                }
                GOAWAY => return Ended::Refused,
                RST_STREAM if frame.stream == wanted && status == 0 => return Ended::Refused,
                HEADERS if frame.stream == wanted && status == 0 => {
                    status = status_of(&frame.payload);
                }
                DATA if frame.stream == wanted => body.extend_from_slice(&frame.payload),
                _ => {}
            }
            let is_its = frame.stream == wanted && matches!(frame.kind, HEADERS | DATA);
            if (is_its && frame.flags & END_STREAM != 0) || (frame.kind == RST_STREAM && status > 0)
            {
                return Ended::Answer(status, body);
            }
        }
    }

    /// The next frame; none at the end, an error when nothing comes.
    fn next(&mut self) -> Result<Option<Frame>, ()> {
        loop {
            if let Some((head, rest)) = self.buffer.split_at_checked(9) {
                let len = u32::from_be_bytes([0, head[0], head[1], head[2]]) as usize;
                if let Some(payload) = rest.get(..len) {
                    let stream = u32::from_be_bytes([head[5] & 0x7f, head[6], head[7], head[8]]);
                    let frame = Frame {
                        kind: head[3],
                        flags: head[4],
                        stream,
                        payload: payload.to_vec(),
                    };
                    self.buffer.drain(..9 + len);
                    return Ok(Some(frame));
                }
            }
            let mut bytes = [0; 16 * 1024];
            match self.stream.read(&mut bytes) {
                Ok(0) => return Ok(None),
                Ok(len) => self.buffer.extend_from_slice(&bytes[..len]),
                Err(error) => {
                    use std::io::ErrorKind;
                    let is_late =
                        matches!(error.kind(), ErrorKind::WouldBlock | ErrorKind::TimedOut);
                    return if is_late { Err(()) } else { Ok(None) };
                }
            }
        }
    }
}

fn frame(kind: u8, flags: u8, stream: u32, payload: &[u8]) -> Vec<u8> {
    let len = u32::try_from(payload.len()).unwrap().to_be_bytes();
    let mut frame = vec![len[1], len[2], len[3], kind, flags];
    frame.extend_from_slice(&stream.to_be_bytes());
    frame.extend_from_slice(payload);
    frame
}

/// A string literal without Huffman coding (RFC 7541 §5.2).
fn literal(block: &mut Vec<u8>, text: &[u8]) {
    const PREFIX: usize = 127;
    if text.len() < PREFIX {
        block.push(u8::try_from(text.len()).unwrap());
    } else {
        block.push(127);
        let mut rest = text.len() - PREFIX;
        while rest >= 128 {
            block.push(u8::try_from(rest % 128).unwrap() | 0x80);
            rest /= 128;
        }
        block.push(u8::try_from(rest).unwrap());
    }
    block.extend_from_slice(text);
}

/// The status that a header block begins with (RFC 7541 §6, Appendix A and B).
fn status_of(block: &[u8]) -> u16 {
    let mut block = block;
    while let [first, rest @ ..] = block
        && first & 0xe0 == 0x20
    {
        block = rest;
    }
    let known = [200, 204, 206, 304, 400, 404, 500];
    match block {
        [first @ 0x88..=0x8e, ..] => known[usize::from(first - 0x88)],
        [0x48..=0x4e | 0x08..=0x0e | 0x18..=0x1e, len, text @ ..] => {
            let text = text.get(..usize::from(len & 0x7f)).unwrap_or_default();
            if len & 0x80 == 0 {
                return String::from_utf8_lossy(text).parse().unwrap_or(0);
            }
            digits(text)
        }
        _ => 0,
    }
}

/// Three digits in Huffman coding: those below 3 have five bits, the others six.
fn digits(text: &[u8]) -> u16 {
    let bits: Vec<_> = text
        .iter()
        .flat_map(|byte| (0..8).rev().map(move |at| byte >> at & 1))
        .collect();
    let (mut number, mut at) = (0, 0);
    let value = |bits: &[u8]| {
        bits.iter()
            .fold(0_u16, |value, bit| value << 1 | u16::from(*bit))
    };
    for _ in 0..3 {
        let Some(five) = bits.get(at..at + 5).map(value) else {
            return 0;
        };
        if five < 3 {
            number = number * 10 + five;
            at += 5;
        } else {
            let Some(six) = bits.get(at..at + 6).map(value) else {
                return 0;
            };
            number = number * 10 + six.saturating_sub(0b01_1001) + 3;
            at += 6;
        }
    }
    number
}
