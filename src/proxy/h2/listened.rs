//! The bytes of a connection, and when the first came from the server: it begins with its `SETTINGS` (RFC 9113 §3.4).

use std::cell::Cell;
use std::cell::RefCell;
use std::io;
use std::pin::Pin;
use std::rc::Rc;
use std::task::Context;
use std::task::Poll;
use std::task::Waker;

use tokio::io::AsyncRead;
use tokio::io::AsyncWrite;
use tokio::io::ReadBuf;

use crate::proxy::connect::Wire;

/// The connection's bytes.
#[derive(Debug)]
pub(crate) struct Listened {
    wire: Wire,
    heard: Rc<Heard>,
}

/// Whether anything came yet.
#[derive(Debug, Default)]
pub(crate) struct Heard {
    is_heard: Cell<bool>,
    waiting: RefCell<Option<Waker>>,
}

impl Listened {
    pub(crate) fn to(wire: Wire) -> (Self, Rc<Heard>) {
        let heard = Rc::<Heard>::default();
        let listened = Self {
            wire,
            heard: Rc::clone(&heard),
        };
        (listened, heard)
    }
}

impl Heard {
    /// Ready once something has come. Whoever reads has then made use of it: it runs before who is woken by it.
    pub(crate) fn poll(&self, cx: &Context<'_>) -> Poll<()> {
        if self.is_heard.get() {
            return Poll::Ready(());
        }
        self.waiting.replace(Some(cx.waker().clone()));
        Poll::Pending
    }

    fn hear(&self) {
        self.is_heard.set(true);
        if let Some(waker) = self.waiting.take() {
            waker.wake();
        }
    }
}

impl AsyncRead for Listened {
    fn poll_read(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buf: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        let this = self.get_mut();
        let before = buf.filled().len();
        let polled = Pin::new(&mut this.wire).poll_read(cx, buf);
        if !this.heard.is_heard.get() && buf.filled().len() > before {
            this.heard.hear();
        }
        polled
    }
}

impl AsyncWrite for Listened {
    fn poll_write(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buf: &[u8],
    ) -> Poll<io::Result<usize>> {
        Pin::new(&mut self.get_mut().wire).poll_write(cx, buf)
    }

    fn poll_flush(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.get_mut().wire).poll_flush(cx)
    }

    fn poll_shutdown(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.get_mut().wire).poll_shutdown(cx)
    }
}
