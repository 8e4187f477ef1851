//! A body on its way into a stream that can be taken back: the origin may refuse the stream after some of it was sent.

use std::cell::RefCell;
use std::pin::Pin;
use std::rc::Rc;
use std::task::Context;
use std::task::Poll;
use std::task::Waker;

use bytes::Bytes;
use h2::Reason;
use http_body::Body;
use http_body::Frame;
use http_body::SizeHint;

use crate::proxy::upload::Upload;

/// What is kept of a body to be sent again (bytes); one that has given more is not.
const KEPT_MAX: usize = 64 * 1024;

/// What a piece counts for besides its bytes.
const PIECE: usize = 64;

/// A smaller piece is copied (bytes): it would keep all of what it was read with.
const COPIED_BELOW: usize = 16 * 1024;

/// The body of a stream.
#[derive(Debug)]
pub(crate) struct Replay(Rc<Source>);

/// Where the body comes from, shared with whoever may take it back or cut it short.
#[derive(Debug)]
pub(crate) struct Source(RefCell<State>);

#[derive(Debug)]
struct State {
    /// `None` once it was taken back, or the stream is over.
    upload: Option<Upload>,
    given: Vec<Bytes>,
    given_bytes: usize,
    can_repeat: bool,
    waiting: Option<Waker>,
}

impl Source {
    /// The body, and the hold on it.
    pub(crate) fn new(upload: Upload) -> (Replay, Rc<Self>) {
        let source = Rc::new(Self(RefCell::new(State {
            upload: Some(upload),
            given: Vec::new(),
            given_bytes: 0,
            can_repeat: true,
            waiting: None,
        })));
        (Replay(Rc::clone(&source)), source)
    }

    /// The whole body from its beginning, if all of it is still known.
    pub(crate) fn take_back(&self) -> Option<Upload> {
        let mut state = self.0.borrow_mut();
        if !state.can_repeat {
            return None;
        }
        let mut upload = state.upload.take()?;
        upload.put_back(std::mem::take(&mut state.given));
        Some(upload)
    }

    /// Ends the body where it is: the stream is reset, if the body has not ended yet.
    pub(crate) fn cut(&self) {
        let mut state = self.0.borrow_mut();
        state.upload = None;
        state.given.clear();
        let waiting = state.waiting.take();
        drop(state);
        if let Some(waker) = waiting {
            waker.wake();
        }
    }

    /// Nothing is sent again any more: the origin has answered.
    pub(crate) fn forget(&self) {
        let mut state = self.0.borrow_mut();
        state.can_repeat = false;
        state.given = Vec::new();
    }
}

impl State {
    fn keep(&mut self, frame: &Frame<Bytes>) {
        if !self.can_repeat {
            return;
        }
        self.given_bytes += frame.data_ref().map_or(0, Bytes::len) + PIECE;
        match frame.data_ref() {
            Some(piece) if self.given_bytes <= KEPT_MAX && piece.len() < COPIED_BELOW => {
                self.given.push(Bytes::copy_from_slice(piece));
            }
            Some(piece) if self.given_bytes <= KEPT_MAX => self.given.push(piece.clone()),
            _ => {
                self.can_repeat = false;
                self.given = Vec::new();
            }
        }
    }
}

impl Body for Replay {
    type Data = Bytes;
    /// `CANCEL`: it is what the stream is reset with when the client breaks off.
    type Error = h2::Error;

    fn poll_frame(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, h2::Error>>> {
        let mut state = self.0.0.borrow_mut();
        let Some(upload) = &mut state.upload else {
            return Poll::Ready(Some(Err(Reason::CANCEL.into())));
        };
        match Pin::new(upload).poll_frame(cx) {
            Poll::Pending => {
                state.waiting = Some(cx.waker().clone());
                Poll::Pending
            }
            Poll::Ready(Some(Ok(frame))) => {
                state.keep(&frame);
                Poll::Ready(Some(Ok(frame)))
            }
            // Whoever waits for the response knows why, and whose doing it is.
            Poll::Ready(Some(Err(_))) => Poll::Ready(Some(Err(Reason::CANCEL.into()))),
            Poll::Ready(None) => Poll::Ready(None),
        }
    }

    fn is_end_stream(&self) -> bool {
        let state = self.0.0.borrow();
        state.upload.as_ref().is_some_and(Body::is_end_stream)
    }

    fn size_hint(&self) -> SizeHint {
        let state = self.0.0.borrow();
        state
            .upload
            .as_ref()
            .map_or_else(SizeHint::default, Body::size_hint)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn keeping(pieces: impl Iterator<Item = Bytes>) -> State {
        let mut state = State {
            upload: None,
            given: Vec::new(),
            given_bytes: 0,
            can_repeat: true,
            waiting: None,
        };
        pieces.for_each(|piece| state.keep(&Frame::data(piece)));
        state
    }

    #[test]
    fn a_body_of_many_small_pieces_is_kept_as_long_as_it_is_few_and_holds_none_of_their_buffers() {
        let buffer = Bytes::from(vec![7; 64 * 1024]);
        let small = |count| keeping((0..count).map(|at| buffer.slice(at..=at)));
        let few = small(1_000);
        assert!(few.can_repeat);
        assert_eq!(few.given.concat(), [7; 1_000]);
        let held = buffer.as_ptr_range();
        assert!(
            few.given
                .iter()
                .all(|piece| !held.contains(&piece.as_ptr()))
        );
        let many = small(1_009);
        assert!(!many.can_repeat && many.given.is_empty());
    }

    #[test]
    fn a_body_of_large_pieces_is_kept_as_long_as_it_is_small() {
        let large = |count| keeping((0..count).map(|_| Bytes::from(vec![7; 16 * 1024])));
        assert_eq!(large(3).given.len(), 3);
        assert!(!large(4).can_repeat);
    }
}
