//! The bytes of a connection, with an eye on whether they flow.
//!
//! A stream must be able to leave its worker (upgrades ask for that, though none ever does), so what it notes is in
//! atomics; nobody contends for them.

use std::io;
use std::pin::Pin;
use std::sync::Arc;
use std::sync::atomic::AtomicBool;
use std::sync::atomic::AtomicU64;
use std::sync::atomic::Ordering::Relaxed;
use std::task::Context;
use std::task::Poll;

use tokio::io::AsyncRead;
use tokio::io::AsyncWrite;
use tokio::io::ReadBuf;

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
    /// Heads seen to their end, and whether one of them told its length in two ways.
    heads: AtomicU64,
    saw_both: AtomicBool,
    /// Requests that are over.
    ended: AtomicU64,
}

impl Flow {
    pub(super) fn request_began(&self) {
        self.has_head.store(false, Relaxed);
    }

    pub(super) fn request_ended(&self) {
        // One writer: the connection's own task.
        self.ended.store(self.ended.load(Relaxed) + 1, Relaxed);
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

    /// See [`Heads`]: `count` requests have begun, and the last one has a transfer coding.
    pub(super) fn is_unambiguous(&self, count: u64) -> bool {
        self.heads.load(Relaxed) >= count && !self.saw_both.load(Relaxed)
    }
}

/// A byte stream that notes what comes in and whether what goes out is taken.
#[derive(Debug)]
pub(super) struct Watched<T> {
    stream: T,
    flow: Arc<Flow>,
    /// For HTTP/1.1. What comes after an upgrade is looked at like any bytes, to no effect.
    heads: Option<Heads>,
    ended: u64,
}

impl<T> Watched<T> {
    pub(super) fn http1(stream: T, flow: Arc<Flow>) -> Self {
        Self {
            stream,
            flow,
            heads: Some(Heads::default()),
            ended: 0,
        }
    }

    pub(super) fn http2(stream: T, flow: Arc<Flow>) -> Self {
        Self {
            stream,
            flow,
            heads: None,
            ended: 0,
        }
    }

    fn heard(&mut self, bytes: &[u8]) {
        let Some(heads) = &mut self.heads else { return };
        let ended = self.flow.ended.load(Relaxed);
        if ended != self.ended {
            self.ended = ended;
            heads.next_request();
        }
        heads.see(bytes);
        self.flow.heads.store(heads.complete(), Relaxed);
        self.flow.saw_both.store(heads.saw_both(), Relaxed);
        self.flow.has_head.store(true, Relaxed);
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
        let before = buf.filled().len();
        let polled = Pin::new(&mut self.stream).poll_read(cx, buf);
        if let Some(bytes) = buf.filled().get(before..)
            && !bytes.is_empty()
        {
            self.heard(bytes);
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
