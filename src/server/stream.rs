//! The bytes of a connection, with an eye on whether they flow.
//!
//! A stream must be able to leave its worker (upgrades ask for that, though none ever does), so what it notes is in
//! atomics; nobody contends for them.

use std::io;
use std::pin::Pin;
use std::sync::Arc;
use std::sync::OnceLock;
use std::sync::atomic::AtomicBool;
use std::sync::atomic::AtomicU64;
use std::sync::atomic::Ordering::Relaxed;
use std::task::Context;
use std::task::Poll;

use tokio::io::AsyncRead;
use tokio::io::AsyncWrite;
use tokio::io::ReadBuf;

use crate::message::Refusal;
use crate::server::heads::Heads;

/// What the bytes of one connection do.
#[derive(Debug, Default)]
pub(super) struct Flow {
    /// HTTP/1.1: bytes came in since the last request began.
    has_head: AtomicBool,
    /// The client does not take what we have for it.
    is_stuck: AtomicBool,
    /// It took something since this was last asked.
    has_moved: AtomicBool,
    /// HTTP/1.1 heads seen to their end.
    heads: AtomicU64,
    /// The first of them that is refused, counted from one, and why; zero while there is none.
    refused_from: AtomicU64,
    refusal: OnceLock<Refusal>,
    /// The connection speaks another protocol by now.
    is_upgraded: AtomicBool,
}

impl Flow {
    pub(super) fn request_began(&self) {
        self.has_head.store(false, Relaxed);
    }

    /// What follows is not HTTP.
    pub(super) fn upgraded(&self) {
        self.is_upgraded.store(true, Relaxed);
    }

    /// Whether part of a head has come in.
    pub(super) fn has_head(&self) -> bool {
        self.has_head.load(Relaxed)
    }

    /// Whether the client has taken nothing, of something, since the last call.
    pub(super) fn take_stuck(&self) -> bool {
        let has_moved = self.has_moved.swap(false, Relaxed);
        self.is_stuck.load(Relaxed) && !has_moved
    }

    /// See [`Heads`]: what is wrong with the last of `count` requests that have begun. One whose head was not seen
    /// does not get the benefit of the doubt.
    pub(super) fn refusal(&self, count: u64) -> Option<Refusal> {
        if self.heads.load(Relaxed) < count {
            return Some(Refusal::LengthAmbiguous);
        }
        let from = self.refused_from.load(Relaxed);
        if from == 0 || count < from {
            return None;
        }
        self.refusal.get().copied()
    }
}

/// A byte stream that notes what comes in and whether what goes out is taken.
#[derive(Debug)]
pub(super) struct Watched<T> {
    stream: T,
    flow: Arc<Flow>,
    /// For HTTP/1.1.
    heads: Option<Heads>,
    /// What came in last is no body of HTTP/1.1: nothing more is read.
    is_wrong: bool,
}

impl<T> Watched<T> {
    pub(super) fn http1(stream: T, flow: Arc<Flow>) -> Self {
        Self {
            stream,
            flow,
            heads: Some(Heads::new()),
            is_wrong: false,
        }
    }

    pub(super) fn http2(stream: T, flow: Arc<Flow>) -> Self {
        Self {
            stream,
            flow,
            heads: None,
            is_wrong: false,
        }
    }

    /// How many of these bytes may be read.
    fn heard(&mut self, bytes: &[u8]) -> usize {
        let Some(heads) = &mut self.heads else {
            return bytes.len();
        };
        let flow = &self.flow;
        if flow.is_upgraded.load(Relaxed) {
            self.heads = None;
            return bytes.len();
        }
        let good = heads.see(bytes);
        flow.heads.store(heads.complete(), Relaxed);
        if let Some((from, refusal)) = heads.refused() {
            flow.refusal.get_or_init(|| refusal);
            flow.refused_from.store(from, Relaxed);
        }
        flow.has_head.store(true, Relaxed);
        good
    }

    fn sent(&self, is_taken: bool) {
        self.flow.is_stuck.store(!is_taken, Relaxed);
        if is_taken {
            self.flow.has_moved.store(true, Relaxed);
        }
    }
}

impl<T: AsyncRead + Unpin> AsyncRead for Watched<T> {
    fn poll_read(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buf: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        let not_http = || Poll::Ready(Err(io::Error::from(io::ErrorKind::InvalidData)));
        if self.is_wrong {
            return not_http();
        }
        let before = buf.filled().len();
        let polled = Pin::new(&mut self.stream).poll_read(cx, buf);
        if let Some(bytes) = buf.filled().get(before..)
            && !bytes.is_empty()
        {
            let (len, good) = (bytes.len(), self.heard(bytes));
            if good < len {
                self.is_wrong = true;
                buf.set_filled(before + good);
                if good == 0 {
                    // Nothing read would mean that the client has ended.
                    return not_http();
                }
            }
        }
        polled
    }
}

impl<T: AsyncWrite + Unpin> AsyncWrite for Watched<T> {
    fn poll_write(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buf: &[u8],
    ) -> Poll<io::Result<usize>> {
        let polled = Pin::new(&mut self.stream).poll_write(cx, buf);
        self.sent(polled.is_ready());
        polled
    }

    fn poll_flush(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        let polled = Pin::new(&mut self.stream).poll_flush(cx);
        self.sent(polled.is_ready());
        polled
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_shutdown(cx)
    }
}
