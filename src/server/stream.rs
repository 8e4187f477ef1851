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
use std::task::ready;

use tokio::io::AsyncRead;
use tokio::io::AsyncWrite;
use tokio::io::ReadBuf;

use crate::message::Refusal;
use crate::server::heads::Heads;

/// What is said to whoever did not send a head in time.
const LATE: &[u8] =
    b"HTTP/1.1 408 Request Timeout\r\ncontent-length: 0\r\nconnection: close\r\n\r\n";

/// What the bytes of one connection do.
#[derive(Debug, Default)]
pub(super) struct Flow {
    /// HTTP/1.1: part of a request has come in, and more of it will; and whether that is its head.
    is_within: AtomicBool,
    has_head: AtomicBool,
    /// It did not come in its time.
    is_late: AtomicBool,
    /// The last read found nothing, and the last that was done about writing was a flush that left nothing.
    is_dry: AtomicBool,
    is_flushed: AtomicBool,
    /// The client does not take what we have for it.
    is_stuck: AtomicBool,
    /// What it took since this was last asked, in bytes.
    taken: AtomicU64,
    /// HTTP/1.1 heads seen to their end.
    heads: AtomicU64,
    /// The first of them that is refused, counted from one, and why; zero while there is none.
    refused_from: AtomicU64,
    refusal: OnceLock<Refusal>,
    /// The connection speaks another protocol by now.
    is_upgraded: AtomicBool,
}

impl Flow {
    /// What follows is not HTTP.
    pub(super) fn upgraded(&self) {
        self.is_upgraded.store(true, Relaxed);
    }

    /// HTTP/1.1: whether part of a request has come in, and more of it will.
    pub(super) fn is_within(&self) -> bool {
        self.is_within.load(Relaxed)
    }

    /// HTTP/1.1: whether that is a head.
    pub(super) fn has_head(&self) -> bool {
        self.has_head.load(Relaxed)
    }

    /// Forgets what was last read and written, for [`Flow::is_still`].
    pub(super) fn watch_anew(&self) {
        self.is_dry.store(false, Relaxed);
        self.is_flushed.store(false, Relaxed);
    }

    /// HTTP/1.1: whether since [`Flow::watch_anew`] all that can be read was read, all that was to be written is, and
    /// what has come in are whole requests with nothing wrong about them.
    pub(super) fn is_still(&self) -> bool {
        self.is_dry.load(Relaxed)
            && self.is_flushed.load(Relaxed)
            && !self.is_within()
            && self.refused_from.load(Relaxed) == 0
    }

    /// HTTP/1.1: from now on nothing more is read of the head that is late. Its client is told when the connection is
    /// polled next; whether that is still to be done.
    pub(super) fn give_up_head(&self) -> bool {
        !self.is_late.swap(true, Relaxed)
    }

    /// Whether there is more for the client than it takes.
    pub(super) fn is_stuck(&self) -> bool {
        self.is_stuck.load(Relaxed)
    }

    /// Bytes the client, or the kernel for it, took since the last call.
    pub(super) fn take_taken(&self) -> u64 {
        self.taken.swap(0, Relaxed)
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
    /// What [`Watched::poll_next`] has read already.
    early: Option<u8>,
}

impl<T> Watched<T> {
    pub(super) fn http1(stream: T, flow: Arc<Flow>) -> Self {
        Self {
            stream,
            flow,
            heads: Some(Heads::new()),
            is_wrong: false,
            early: None,
        }
    }

    pub(super) fn http2(stream: T, flow: Arc<Flow>) -> Self {
        Self {
            stream,
            flow,
            heads: None,
            is_wrong: false,
            early: None,
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
            flow.has_head.store(false, Relaxed);
            return bytes.len();
        }
        let good = heads.see(bytes);
        flow.heads.store(heads.complete(), Relaxed);
        if let Some((from, refusal)) = heads.refused() {
            flow.refusal.get_or_init(|| refusal);
            flow.refused_from.store(from, Relaxed);
        }
        flow.has_head.store(heads.is_inside(), Relaxed);
        flow.is_within.store(heads.is_within(), Relaxed);
        good
    }

    fn sent(&self, polled: &Poll<io::Result<usize>>) {
        self.flow.is_stuck.store(polled.is_pending(), Relaxed);
        if let Poll::Ready(Ok(len)) = polled {
            self.flow.taken.fetch_add(*len as u64, Relaxed);
        }
    }
}

impl<T: AsyncWrite + Unpin> Watched<T> {
    /// Says that the head did not come in time (RFC 9110 §15.5.9), as far as the client takes it at once.
    fn say_late(&mut self, cx: &mut Context<'_>) -> io::Error {
        let mut stream = Pin::new(&mut self.stream);
        // An answer that is not taken is in the way, and then nobody listens.
        if !self.flow.is_stuck()
            && let Poll::Ready(Ok(_)) = stream.as_mut().poll_write(cx, LATE)
        {
            // It goes out with this or not at all.
            drop(stream.poll_flush(cx));
        }
        io::ErrorKind::TimedOut.into()
    }
}

impl<T: AsyncRead + Unpin> Watched<T> {
    /// Waits for the next byte and keeps it for the next read; `false` when the client has ended.
    pub(super) fn poll_next(&mut self, cx: &mut Context<'_>) -> Poll<io::Result<bool>> {
        if self.early.is_none() {
            let mut space = [0];
            let mut space = ReadBuf::new(&mut space);
            ready!(Pin::new(&mut self.stream).poll_read(cx, &mut space))?;
            self.early = space.filled().first().copied();
        }
        Poll::Ready(Ok(self.early.is_some()))
    }
}

impl<T: AsyncRead + AsyncWrite + Unpin> AsyncRead for Watched<T> {
    fn poll_read(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buf: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        let not_http = || Poll::Ready(Err(io::Error::from(io::ErrorKind::InvalidData)));
        if self.is_wrong {
            return not_http();
        }
        if self.flow.is_late.load(Relaxed) {
            return Poll::Ready(Err(self.say_late(cx)));
        }
        let before = buf.filled().len();
        if buf.remaining() > 0
            && let Some(byte) = self.early.take()
        {
            buf.put_slice(&[byte]);
        }
        let mut polled = Pin::new(&mut self.stream).poll_read(cx, buf);
        if polled.is_pending() && buf.filled().len() > before {
            polled = Poll::Ready(Ok(()));
        }
        self.flow.is_dry.store(polled.is_pending(), Relaxed);
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
        self.flow.is_flushed.store(false, Relaxed);
        self.sent(&polled);
        polled
    }

    fn poll_flush(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        let polled = Pin::new(&mut self.stream).poll_flush(cx);
        self.flow.is_stuck.store(polled.is_pending(), Relaxed);
        self.flow.is_flushed.store(polled.is_ready(), Relaxed);
        polled
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        // TLS has something to say here as well.
        let polled = Pin::new(&mut self.stream).poll_shutdown(cx);
        self.flow.is_stuck.store(polled.is_pending(), Relaxed);
        polled
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Takes nothing more.
    struct Full;

    impl AsyncWrite for Full {
        fn poll_write(
            self: Pin<&mut Self>,
            _: &mut Context<'_>,
            _: &[u8],
        ) -> Poll<io::Result<usize>> {
            Poll::Pending
        }

        fn poll_flush(self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<io::Result<()>> {
            Poll::Ready(Ok(()))
        }

        fn poll_shutdown(self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<io::Result<()>> {
            Poll::Pending
        }
    }

    #[test]
    fn a_client_that_does_not_let_us_close_is_known_to_be_stuck() {
        let flow = Arc::<Flow>::default();
        let mut stream = Watched::http1(Full, Arc::clone(&flow));
        let mut cx = Context::from_waker(std::task::Waker::noop());
        assert!(Pin::new(&mut stream).poll_flush(&mut cx).is_ready());
        assert!(!flow.is_stuck());
        assert!(Pin::new(&mut stream).poll_shutdown(&mut cx).is_pending());
        assert!(flow.is_stuck());
    }
}
