//! The body of every response: empty, whole, or streaming.
//!
//! A body stays on the worker that made it (it is not `Send`): a streaming one holds a connection to the origin that
//! belongs to that worker.

use std::error::Error as StdError;
use std::fmt;
use std::pin::Pin;
use std::task::Context;
use std::task::Poll;

use bytes::Bytes;
use http_body::Frame;
use http_body::SizeHint;

/// What streams: anything that yields frames, pinned once and for all.
type Stream = Pin<Box<dyn http_body::Body<Data = Bytes, Error = BodyError>>>;

/// The body of a response.
#[derive(Default)]
pub enum Body {
    /// Nothing follows the headers.
    #[default]
    Empty,
    /// Everything is here already.
    Full(Bytes),
    /// Arrives piece by piece, no faster than it is taken.
    Streaming(Stream),
}

/// Why a body ended before its end.
#[derive(Debug, thiserror::Error)]
pub enum BodyError {
    /// The origin broke off.
    #[error("the origin ended its response early")]
    Origin(#[source] Box<dyn StdError + Send + Sync>),
    /// The origin sent nothing for longer than it may.
    #[error("the origin's response stalled")]
    Stalled,
    /// The whole request took longer than it may.
    #[error("the response took longer than allowed")]
    Overdue,
    /// Something of ours that streamed into this body failed.
    #[error("the response could not be completed")]
    Other(#[source] Box<dyn StdError + Send + Sync>),
}

impl Body {
    /// A body of exactly these bytes.
    pub fn full(bytes: impl Into<Bytes>) -> Self {
        let bytes = bytes.into();
        if bytes.is_empty() {
            Self::Empty
        } else {
            Self::Full(bytes)
        }
    }

    /// A body that streams from `source`.
    pub fn streaming<B>(source: B) -> Self
    where
        B: http_body::Body<Data = Bytes, Error = BodyError> + 'static,
    {
        Self::Streaming(Box::pin(source))
    }
}

impl fmt::Debug for Body {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Empty => f.write_str("Empty"),
            Self::Full(bytes) => write!(f, "Full({} bytes)", bytes.len()),
            Self::Streaming(_) => f.write_str("Streaming"),
        }
    }
}

impl From<Bytes> for Body {
    fn from(bytes: Bytes) -> Self {
        Self::full(bytes)
    }
}

impl From<String> for Body {
    fn from(text: String) -> Self {
        Self::full(text)
    }
}

impl From<&'static str> for Body {
    fn from(text: &'static str) -> Self {
        Self::full(text)
    }
}

impl http_body::Body for Body {
    type Data = Bytes;
    type Error = BodyError;

    fn poll_frame(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, BodyError>>> {
        let body = self.get_mut();
        match body {
            Self::Empty => Poll::Ready(None),
            Self::Full(bytes) => {
                let bytes = std::mem::take(bytes);
                *body = Self::Empty;
                Poll::Ready(Some(Ok(Frame::data(bytes))))
            }
            Self::Streaming(stream) => stream.as_mut().poll_frame(cx),
        }
    }

    fn is_end_stream(&self) -> bool {
        match self {
            Self::Empty => true,
            Self::Full(_) => false,
            Self::Streaming(stream) => stream.is_end_stream(),
        }
    }

    fn size_hint(&self) -> SizeHint {
        match self {
            Self::Empty => SizeHint::with_exact(0),
            Self::Full(bytes) => SizeHint::with_exact(bytes.len() as u64),
            Self::Streaming(stream) => stream.size_hint(),
        }
    }
}

#[cfg(test)]
mod tests {
    use http_body::Body as _;
    use http_body_util::BodyExt;

    use super::*;

    #[tokio::test]
    async fn a_full_body_yields_its_bytes_once_and_knows_its_length() {
        let body = Body::full("number 42");
        assert_eq!(body.size_hint().exact(), Some(9));
        assert!(!body.is_end_stream());
        assert_eq!(body.collect().await.unwrap().to_bytes(), "number 42");
    }

    #[tokio::test]
    async fn a_streaming_body_passes_its_source_through() {
        let source =
            http_body_util::Full::new(Bytes::from_static(b"abc")).map_err(|never| match never {});
        assert_eq!(
            Body::streaming(source).collect().await.unwrap().to_bytes(),
            "abc"
        );
    }

    #[test]
    fn a_full_body_of_nothing_is_empty() {
        assert!(Body::full("").is_end_stream());
    }
}
