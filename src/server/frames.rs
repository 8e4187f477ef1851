//! The frames of an HTTP/2 connection as they pass: what costs us more than the client has a budget, and a flood ends.
//!
//! The library bounds what it keeps, and a few kinds of flood; it answers or ignores every other frame for as long as they
//! come, and a client that opens streams and resets them at once has each of them forwarded first (CVE-2023-44487). Here
//! frames are counted, by their heads alone. Requests, and answers that are sent, earn what a client may need for them;
//! everything that asks for work and leads nowhere is paid from that. A browser or a gRPC client keeps within its
//! earnings; a flood uses up the rest within a second or less, and is told so (`ENHANCE_YOUR_CALM`, RFC 9113 §7).

use std::cell::Cell;
use std::cell::RefCell;
use std::error::Error as _;
use std::io;
use std::pin::Pin;
use std::rc::Rc;
use std::task::Context;
use std::task::Poll;
use std::task::Waker;

use tokio::io::AsyncRead;
use tokio::io::AsyncWrite;
use tokio::io::ReadBuf;

use crate::proxy::Ticker;

/// What a connection may have spent at most beyond what it earned.
const BUDGET: u32 = 1_000;
/// What comes back by itself each second.
const PER_S: u64 = 50;

/// A request earns a reset or some windows and priorities of its own.
const REQUEST_EARNS: u32 = 4;
/// Data that we send earns windows for it, or a ping by which a client measures: one, and one for so many bytes.
const DATA_BYTES: u32 = 512;
/// A reset of either side: a request that was begun in vain. Whoever cancels everything may do so 50 times each second.
const RESET_COSTS: u32 = 5;
/// Settings concern every open stream.
const SETTINGS_COST: u32 = 5;
/// A window that grows by next to nothing has us send next to nothing (CVE-2019-9511).
const SMALL_WINDOW: u32 = 256;
const SMALL_WINDOW_COSTS: u32 = 2;

/// Bytes of answers that may be on their way to a client at once, over all streams; a piece of each comes on top.
const AHEAD_MAX: usize = 256 * 1024;

/// `PRI * HTTP/2.0…`, before the first frame of a client (RFC 9113 §3.4).
pub(super) const PREFACE_LEN: u32 = 24;
/// The head of a frame (RFC 9113 §4.1).
const HEAD_LEN: usize = 9;

const DATA: u8 = 0;
const HEADERS: u8 = 1;
const RST_STREAM: u8 = 3;
const SETTINGS: u8 = 4;
const GOAWAY: u8 = 7;
const WINDOW_UPDATE: u8 = 8;
const END_STREAM: u8 = 1;

/// A byte stream of HTTP/2 whose frames are counted.
#[derive(Debug)]
pub(super) struct Frames<T> {
    stream: T,
    ticker: Rc<Ticker>,
    inbound: Scanner,
    outbound: Scanner,
    budget: Budget,
    /// The last stream a client opened.
    last_stream: u32,
    traffic: Rc<Traffic>,
}

/// What the bytes of an HTTP/2 connection tell others about it.
#[derive(Debug, Default)]
pub(super) struct Traffic {
    /// The client did too often what costs us more than it.
    is_flood: Cell<bool>,
    /// Somebody counts what is sent.
    is_counted: Cell<bool>,
    /// Bytes of answers handed over since the client had taken everything it has room for.
    ahead: Cell<usize>,
    /// Bytes of answers sent since this was last asked.
    sent: Cell<u64>,
    /// Answers that go on once it has: not more than there are streams.
    waiting: RefCell<Vec<Waker>>,
}

/// One frame's head.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Head {
    pub(super) kind: u8,
    pub(super) flags: u8,
    pub(super) stream: u32,
    pub(super) len: u32,
    /// Of a window.
    pub(super) growth: u32,
}

/// Finds the heads of frames in a stream of bytes, however it is cut.
#[derive(Debug)]
pub(super) struct Scanner {
    /// The head that is being read; behind it, by how much a window grows.
    head: [u8; HEAD_LEN + 4],
    have: usize,
    /// Bytes of no interest that come next.
    skip: u32,
}

#[derive(Debug)]
struct Budget {
    left: u32,
    /// Until when it has been filled up.
    filled_ms: u64,
}

/// Whether the library ended a connection because of what its client did too often.
pub(super) fn is_calmed(error: &hyper::Error) -> bool {
    let mut source = error.source();
    while let Some(error) = source {
        if let Some(error) = error.downcast_ref::<h2::Error>() {
            return error.is_library() && error.reason() == Some(h2::Reason::ENHANCE_YOUR_CALM);
        }
        source = error.source();
    }
    false
}

impl<T> Frames<T> {
    pub(super) fn new(stream: T, ticker: Rc<Ticker>, traffic: Rc<Traffic>) -> Self {
        traffic.is_counted.set(true);
        let budget = Budget {
            left: BUDGET,
            filled_ms: ticker.now_ms(),
        };
        Self {
            stream,
            ticker,
            inbound: Scanner::new(PREFACE_LEN),
            outbound: Scanner::new(0),
            budget,
            last_stream: 0,
            traffic,
        }
    }

    fn heard(&mut self, bytes: &[u8]) {
        let Self {
            inbound,
            budget,
            last_stream,
            ticker,
            traffic,
            ..
        } = self;
        inbound.see(bytes, |head| {
            let cost = match head.kind {
                HEADERS => {
                    *last_stream = head.stream.max(*last_stream);
                    return budget.earn(REQUEST_EARNS);
                }
                DATA if head.len > 0 || head.flags & END_STREAM != 0 => 0,
                RST_STREAM => RESET_COSTS,
                SETTINGS => SETTINGS_COST,
                WINDOW_UPDATE if head.growth < SMALL_WINDOW => SMALL_WINDOW_COSTS,
                _ => 1,
            };
            if !budget.spend(cost, ticker) {
                traffic.flooded();
            }
        });
    }

    fn said(&mut self, bytes: &[u8]) {
        let Self {
            outbound,
            budget,
            ticker,
            traffic,
            ..
        } = self;
        outbound.see(bytes, |head| match head.kind {
            DATA => {
                budget.earn(1 + head.len / DATA_BYTES);
                let sent = traffic.sent.get();
                traffic.sent.set(sent.saturating_add(head.len.into()));
            }
            // What a client has us reset costs the same as what it resets itself (CVE-2025-8671).
            RST_STREAM if !budget.spend(RESET_COSTS, ticker) => traffic.flooded(),
            _ => {}
        });
    }

    /// `GOAWAY` (RFC 9113 §6.8).
    fn farewell(&self) -> [u8; HEAD_LEN + 8] {
        let mut frame = [0; HEAD_LEN + 8];
        frame[2] = 8;
        frame[3] = GOAWAY;
        frame[HEAD_LEN..HEAD_LEN + 4].copy_from_slice(&self.last_stream.to_be_bytes());
        let calm = u32::from(h2::Reason::ENHANCE_YOUR_CALM);
        frame[HEAD_LEN + 4..].copy_from_slice(&calm.to_be_bytes());
        frame
    }
}

impl Traffic {
    pub(super) fn flooded(&self) {
        self.is_flood.set(true);
    }

    pub(super) fn is_flood(&self) -> bool {
        self.is_flood.get()
    }

    /// Bytes of answers sent since the last call, of all streams.
    pub(super) fn take_sent(&self) -> u64 {
        self.sent.take()
    }

    /// Waits while as much as may be is on its way to a client that does not take it. The library bounds what it keeps
    /// for each stream; with a hundred of them that is megabytes for every connection.
    ///
    /// Whoever waits has to see to it that the connection is polled, which flushes it: the library wakes it for what it
    /// can send, and pieces whose streams have no room left are nothing of that.
    pub(super) fn poll_room(&self, cx: &Context<'_>) -> Poll<()> {
        if self.ahead.get() < AHEAD_MAX {
            return Poll::Ready(());
        }
        let mut waiting = self.waiting.borrow_mut();
        if !waiting.iter().any(|waker| waker.will_wake(cx.waker())) {
            waiting.push(cx.waker().clone());
        }
        Poll::Pending
    }

    /// So many bytes of an answer are on their way.
    pub(super) fn hand(&self, len: usize) {
        if self.is_counted.get() {
            self.ahead.set(self.ahead.get().saturating_add(len));
        }
    }

    /// The client has taken what it has room for: what is left waits for the window of its own stream, and keeps nobody
    /// else waiting.
    fn flushed(&self) {
        self.ahead.set(0);
        for waker in self.waiting.take() {
            waker.wake();
        }
    }
}

impl Scanner {
    pub(super) fn new(skip: u32) -> Self {
        Self {
            head: [0; HEAD_LEN + 4],
            have: 0,
            skip,
        }
    }

    /// Whether the last frame is over and the next has not begun.
    pub(super) fn is_between(&self) -> bool {
        self.skip == 0 && self.have == 0
    }

    pub(super) fn see(&mut self, mut bytes: &[u8], mut told: impl FnMut(Head)) {
        while !bytes.is_empty() {
            if self.skip > 0 {
                let skip = usize::try_from(self.skip).unwrap_or(usize::MAX);
                let (skipped, rest) = bytes.split_at(skip.min(bytes.len()));
                self.skip -= u32::try_from(skipped.len()).unwrap_or(self.skip);
                bytes = rest;
                continue;
            }
            let want = self.want();
            let (more, rest) = bytes.split_at((want - self.have).min(bytes.len()));
            self.head[self.have..self.have + more.len()].copy_from_slice(more);
            self.have += more.len();
            bytes = rest;
            if self.have >= HEAD_LEN && self.have == self.want() {
                told(self.take());
            }
        }
    }

    /// How many bytes say what a frame is.
    fn want(&self) -> usize {
        let is_window = self.have >= HEAD_LEN && self.kind_and_len() == (WINDOW_UPDATE, 4);
        if is_window { HEAD_LEN + 4 } else { HEAD_LEN }
    }

    fn kind_and_len(&self) -> (u8, u32) {
        let [high, middle, low, kind, ..] = self.head;
        (kind, u32::from_be_bytes([0, high, middle, low]))
    }

    /// The head that is there; what follows it is passed over.
    fn take(&mut self) -> Head {
        let (kind, len) = self.kind_and_len();
        let [.., flags, s0, s1, s2, s3, g0, g1, g2, g3] = self.head;
        let behind = u32::try_from(self.have - HEAD_LEN).unwrap_or(0);
        self.skip = len.saturating_sub(behind);
        let growth = if behind == 4 {
            u32::from_be_bytes([g0 & 0x7f, g1, g2, g3])
        } else {
            0
        };
        self.have = 0;
        Head {
            kind,
            flags,
            stream: u32::from_be_bytes([s0 & 0x7f, s1, s2, s3]),
            len,
            growth,
        }
    }
}

impl Budget {
    fn earn(&mut self, what: u32) {
        self.left = self.left.saturating_add(what).min(BUDGET);
    }

    /// False when there is not so much left.
    fn spend(&mut self, what: u32, ticker: &Ticker) -> bool {
        let now_ms = ticker.now_ms();
        let due = now_ms.saturating_sub(self.filled_ms) * PER_S / 1_000;
        if due > 0 {
            self.filled_ms = now_ms;
            self.earn(u32::try_from(due).unwrap_or(BUDGET));
        }
        let is_enough = self.left >= what;
        self.left = self.left.saturating_sub(what);
        is_enough
    }
}

impl<T: AsyncRead + AsyncWrite + Unpin> AsyncRead for Frames<T> {
    fn poll_read(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buf: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        let this = &mut *self;
        let before = buf.filled().len();
        std::task::ready!(Pin::new(&mut this.stream).poll_read(cx, buf))?;
        if let Some(bytes) = buf.filled().get(before..) {
            this.heard(bytes);
        }
        if !this.traffic.is_flood() {
            return Poll::Ready(Ok(()));
        }
        if this.outbound.is_between() {
            // It is told why if there is room for that; it may not be listening.
            let farewell = this.farewell();
            if let Poll::Ready(Ok(_)) = Pin::new(&mut this.stream).poll_write(cx, &farewell) {
                let _is_said = Pin::new(&mut this.stream).poll_flush(cx).is_ready();
            }
        }
        Poll::Ready(Err(io::ErrorKind::ConnectionAborted.into()))
    }
}

impl<T: AsyncWrite + Unpin> AsyncWrite for Frames<T> {
    fn poll_write(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buf: &[u8],
    ) -> Poll<io::Result<usize>> {
        let this = &mut *self;
        let written = std::task::ready!(Pin::new(&mut this.stream).poll_write(cx, buf))?;
        if let Some(bytes) = buf.get(..written) {
            this.said(bytes);
        }
        Poll::Ready(Ok(written))
    }

    fn poll_flush(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        std::task::ready!(Pin::new(&mut self.stream).poll_flush(cx))?;
        self.traffic.flushed();
        Poll::Ready(Ok(()))
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_shutdown(cx)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn frame(kind: u8, flags: u8, stream: u8, payload: &[u8]) -> Vec<u8> {
        let len = u8::try_from(payload.len()).unwrap();
        [&[0, 0, len, kind, flags, 0, 0, 0, stream], payload].concat()
    }

    #[test]
    fn heads_are_found_however_the_bytes_are_cut() {
        let frames = [
            frame(HEADERS, 5, 1, b"block"),
            frame(WINDOW_UPDATE, 0, 0, &[0x80, 0, 1, 2]),
            frame(WINDOW_UPDATE, 0, 0, b"longer"),
            frame(SETTINGS, 1, 0, b""),
            frame(DATA, 1, 1, &[9; 40]),
        ];
        let bytes = [&[0; 24], frames.concat().as_slice()].concat();
        let mut whole = Vec::new();
        Scanner::new(PREFACE_LEN).see(&bytes, |head| whole.push(head));
        let told: Vec<_> = whole.iter().map(|head| (head.kind, head.len)).collect();
        assert_eq!(told, [(1, 5), (8, 4), (8, 6), (4, 0), (0, 40)]);
        let growth: Vec<_> = whole.iter().map(|head| head.growth).collect();
        assert_eq!(growth, [0, 0x0102, 0, 0, 0]);
        for size in 1..20 {
            let mut scanner = Scanner::new(PREFACE_LEN);
            let mut pieces = Vec::new();
            for piece in bytes.chunks(size) {
                scanner.see(piece, |head| pieces.push(head));
            }
            assert_eq!(pieces, whole);
            assert!(scanner.is_between());
        }
    }

    /// How often a client can send this before it is a flood, up to 10,000 times.
    fn lasts(inbound: &[u8], outbound: &[u8]) -> usize {
        let mut frames = Frames::new((), Ticker::new(), Rc::default());
        frames.heard(&[0; 24]);
        let goes_on = |_: &usize| {
            frames.heard(inbound);
            frames.said(outbound);
            !frames.traffic.is_flood()
        };
        (0..10_000).take_while(goes_on).count()
    }

    #[test]
    fn what_leads_nowhere_is_a_flood_after_some_hundreds() {
        let request = frame(HEADERS, 5, 1, b"");
        let reset = frame(RST_STREAM, 0, 1, &[0; 4]);
        for (flood, count) in [
            (frame(6, 0, 0, &[0; 8]), 1_000),
            (frame(2, 0, 1, &[0; 5]), 1_000),
            (frame(0x42, 0, 0, b""), 1_000),
            (frame(DATA, 0, 1, b""), 1_000),
            (frame(WINDOW_UPDATE, 0, 0, &[0, 0, 0, 1]), 500),
            (frame(WINDOW_UPDATE, 0, 0, &[0, 1, 0, 0]), 1_000),
            (frame(SETTINGS, 0, 0, b""), 200),
            (reset.clone(), 200),
        ] {
            assert_eq!(lasts(&flood, b""), count, "{flood:?}");
        }
        // Requests that are cancelled as they come, by either side.
        let cancelled = [request.as_slice(), &reset].concat();
        assert!(lasts(&cancelled, b"") < 1_000);
        assert!(lasts(&request, &reset) < 1_000);
        // Answers byte by byte.
        let byte = frame(WINDOW_UPDATE, 0, 1, &[0, 0, 0, 1]);
        assert!(lasts(&byte, &frame(DATA, 0, 1, b"x")) <= 1_000);
    }

    #[test]
    fn what_clients_do_for_their_answers_is_no_flood() {
        let request = frame(HEADERS, 5, 1, b"");
        let end = frame(DATA, 1, 1, b"");
        let window = |stream| frame(WINDOW_UPDATE, 0, stream, &[0, 0, 4, 0]);
        let ping = frame(6, 0, 0, &[0; 8]);
        let large: Vec<_> = [&[0, 4, 0, DATA, 0, 0, 0, 0, 1][..], &[0; 1_024]].concat();
        for (inbound, outbound) in [
            ([request.as_slice(), &end].concat(), frame(DATA, 1, 1, b"x")),
            (
                [request.as_slice(), &window(1), &window(0), &ping].concat(),
                frame(HEADERS, 5, 1, b""),
            ),
            ([window(1), window(0), ping.clone()].concat(), large),
            (ping, frame(DATA, 0, 1, b"an event")),
            (frame(DATA, 0, 1, b"x"), Vec::new()),
        ] {
            assert_eq!(lasts(&inbound, &outbound), 10_000, "{inbound:?}");
        }
    }
}
