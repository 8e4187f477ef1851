//! HTTP/1.1 on one connection, which is taken apart while it is idle and put together again by its next byte.
//!
//! Most connections of a waiting room wait: a browser asks, and then is silent for seconds. The library keeps a buffer
//! to read into, one to write from and the state of a request for it all the while, about 20 KiB. So a connection on
//! which nothing was in flight for a second is *parked*: the library's part is dropped, and what is left is the stream
//! (the socket, and with TLS its keys), what was seen of its requests, and its place among the others. The next byte
//! puts it together again, and is read as if nothing had been.
//!
//! Not at once after an answer: one that is busy would pay for it with every request, and most of the time that a waiting
//! browser's connection is idle is later. A sweep asks the connection's task ([`Connection::watch_if_asked`]); there the
//! library is polled once more and watched while it is. It is taken apart only when
//!
//! - no answer was in flight before and after, and no request began: so it had no answer left to write into its buffer,
//! - the last it did about writing was to flush the stream, which it does when that buffer is empty,
//! - the last it did about reading was to find nothing, which it only looks for when it has used up what it had,
//! - and what has come in are whole requests (see [`crate::server::heads`]): what it had, it used up for them.
//!
//! So there is nothing to carry over: neither bytes read and not understood nor bytes not written. Everything else about
//! the connection is outside of the library's part, and goes on: its order to end, its deadlines, its count of requests.
//!
//! `cargo bench --bench idle` says what is left, beside nginx 1.22 and `HAProxy` 2.6. Bytes of the process for each of
//! 10,000 connections that came within two seconds, of 2,000 over HTTP/2:
//!
//! | | HTTP/1.1 | HTTP/1.1 over TLS | HTTP/2 over TLS |
//! |---|---|---|---|
//! | anteroom | 3,990 | 10,108 | 40,559 |
//! | nginx | 515 | 14,860 | 17,857 |
//! | `HAProxy` | 1,108 | 15,070 | 17,701 |
//!
//! 2,075 of the 3,990 are the connection's; that is what each of 6,000 costs that come 400 a second. The rest are holes
//! that the buffers of a crowd leave in the allocator's pages, which the next ones are put into. A request on a connection
//! that was taken apart costs 40 µs instead of 26 µs of CPU (45 and 26 over TLS).
//!
//! Of what TLS adds, 4 KiB are the buffer it reads into, which cannot be given back between two reads. HTTP/2 is never
//! parked: a connection has tables of compressed fields and windows that both sides count on, and the library does not
//! hand them out; its two buffers (8 and 16 KiB, of which the first pages are touched) are of fixed sizes.

use std::io;
use std::pin::Pin;
use std::rc::Rc;
use std::task::Poll;
use std::task::ready;

use http_body::Body;
use hyper::body::Incoming;
use hyper::server::conn::http1::UpgradeableConnection;
use hyper::service::HttpService;
use hyper_util::rt::TokioIo;
use tokio::io::AsyncRead;
use tokio::io::AsyncWrite;

use crate::message::Handler;
use crate::server::connections::Connection;
use crate::server::connections::Order;
use crate::server::stream::Watched;

/// Why a connection ended otherwise than as HTTP has it.
#[derive(Debug, thiserror::Error)]
pub(super) enum Ended {
    /// The library says so.
    #[error(transparent)]
    Http(#[from] hyper::Error),
    /// Its stream could not be closed.
    #[error("cannot close the stream")]
    Stream(#[from] io::Error),
    /// It came while we close, and said nothing in its time.
    #[error("nothing came in time")]
    Silent,
}

type BoxError = Box<dyn std::error::Error + Send + Sync>;

/// What a connection is while it is not parked.
type Whole<T, S> = UpgradeableConnection<TokioIo<Watched<T>>, S>;

/// What there is of a connection.
enum Shape<T, S: HttpService<Incoming>, H: Handler> {
    /// All of it.
    Whole(Box<Whole<T, S>>),
    /// Its stream.
    Parked {
        stream: Box<Watched<T>>,
        _told: Told<H>,
    },
    /// Its stream, which is being closed.
    Ending(Box<Watched<T>>),
    /// Nothing.
    Over,
}

impl<T, S, B, H> Shape<T, S, H>
where
    T: AsyncRead + AsyncWrite + Unpin + Send + 'static,
    S: HttpService<Incoming, ResBody = B>,
    S::Error: Into<BoxError>,
    B: Body + 'static,
    B::Error: Into<BoxError>,
    H: Handler,
{
    /// Takes the connection apart. It must be still.
    fn park(&mut self, handler: &Rc<H>) {
        let Self::Whole(whole) = std::mem::replace(self, Self::Over) else {
            return;
        };
        // Never: one that changed its protocol is over, and of one that is still all bytes were used up. Rather no
        // connection than one that lost some.
        if let Some(parts) = whole.into_parts()
            && parts.read_buf.is_empty()
        {
            *self = Self::Parked {
                stream: Box::new(parts.io.into_inner()),
                _told: Told::new(handler),
            };
        }
    }

    /// Puts a parked connection together again.
    fn wake(&mut self, speak: impl Fn(Watched<T>) -> Box<Whole<T, S>>) {
        if let Self::Parked { stream, .. } = std::mem::replace(self, Self::Over) {
            *self = Self::Whole(speak(*stream));
        }
    }

    /// Ends once what is in flight is answered, which on a parked connection is nothing.
    fn finish(&mut self) {
        match std::mem::replace(self, Self::Over) {
            Self::Whole(mut whole) => {
                Pin::new(&mut *whole).graceful_shutdown();
                *self = Self::Whole(whole);
            }
            Self::Parked { stream, .. } | Self::Ending(stream) => *self = Self::Ending(stream),
            Self::Over => {}
        }
    }
}

/// A parked connection that the handler was told of, until it is dropped.
struct Told<H: Handler>(Rc<H>);

impl<H: Handler> Told<H> {
    fn new(handler: &Rc<H>) -> Self {
        handler.parked();
        Self(Rc::clone(handler))
    }
}

impl<H: Handler> Drop for Told<H> {
    fn drop(&mut self) {
        self.0.woke();
    }
}

/// Goes with a connection to its end, and parks it while it is idle. Told to, it finishes once; when it is to be cut, it
/// is let go of. `speak` makes the library's part of it anew.
pub(super) async fn attend<T, S, B, H>(
    connection: &Connection,
    handler: &Rc<H>,
    whole: Box<Whole<T, S>>,
    speak: impl Fn(Watched<T>) -> Box<Whole<T, S>>,
) -> Result<(), Ended>
where
    T: AsyncRead + AsyncWrite + Unpin + Send + 'static,
    S: HttpService<Incoming, ResBody = B>,
    S::Error: Into<BoxError>,
    B: Body + 'static,
    B::Error: Into<BoxError>,
    H: Handler,
{
    // One that came when it was told already ends by itself.
    let finish_at = if connection.is_told() {
        Order::Cut
    } else {
        Order::Finish
    };
    let mut is_finishing = false;
    let mut shape = Shape::Whole(whole);
    connection.allow_parking(finish_at == Order::Finish);
    std::future::poll_fn(|cx| {
        let order = connection.order(cx);
        if order == Order::Cut {
            return Poll::Ready(Ok(()));
        }
        loop {
            // What has come of a request is not lost: the rest of its head has its time, and then its answer is the last.
            if order >= finish_at && !is_finishing && !connection.flow.has_head() {
                is_finishing = true;
                connection.allow_parking(false);
                shape.finish();
            }
            match &mut shape {
                Shape::Whole(whole) => {
                    let watched = connection.watch_if_asked();
                    if let Poll::Ready(ended) = Pin::new(&mut **whole).poll(cx) {
                        return Poll::Ready(ended.map_err(Ended::from));
                    }
                    if order >= finish_at && !is_finishing && !connection.flow.has_head() {
                        // The head was there, and nobody may wake us once its answer is sent.
                        continue;
                    }
                    if !watched.is_some_and(|requests| connection.is_still(requests)) {
                        return Poll::Pending;
                    }
                    connection.allow_parking(false);
                    shape.park(handler);
                }
                Shape::Parked { stream, .. } => match ready!(stream.poll_next(cx)) {
                    Ok(true) => {
                        connection.allow_parking(true);
                        shape.wake(&speak);
                    }
                    Ok(false) => shape.finish(),
                    // Nobody is there to close it for.
                    Err(_) => return Poll::Ready(Ok(())),
                },
                Shape::Ending(stream) => {
                    let closed = ready!(Pin::new(&mut **stream).poll_shutdown(cx));
                    return Poll::Ready(closed.map_err(Ended::from));
                }
                Shape::Over => return Poll::Ready(Ok(())),
            }
        }
    })
    .await
}

#[cfg(test)]
mod tests;
