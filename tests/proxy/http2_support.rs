//! An origin that speaks HTTP/2, by its rules or frame by frame.

use std::convert::Infallible;
use std::future::Future;
use std::pin::Pin;
use std::sync::Arc;
use std::sync::Mutex;
use std::sync::PoisonError;

use anteroom::proxy::OriginSettings;
use bytes::Bytes;
use http::HeaderMap;
use http::Request;
use http::Response;
use http::request::Parts;
use http_body::Frame;
use http_body_util::BodyExt;
use http_body_util::Full;
use http_body_util::StreamBody;
use hyper::body::Incoming;
use hyper::client::conn::http2;
use hyper_util::rt::TokioExecutor;
use hyper_util::rt::TokioIo;
use tokio::net::TcpStream;
use tokio::sync::mpsc;

use crate::support::Front;
use crate::support::Origin;
use crate::support::Raw;
use crate::support::one_worker;
use crate::support::origin_at;
use crate::support::soon;

pub(crate) type Body = http_body_util::combinators::UnsyncBoxBody<Bytes, Infallible>;
pub(crate) type Answer = Pin<Box<dyn Future<Output = Response<Body>> + Send>>;

pub(crate) const GET: &str = "GET /x HTTP/1.1\r\nHost: a.example\r\n\r\n";
pub(crate) const POST: &str =
    "POST /x HTTP/1.1\r\nHost: a.example\r\nContent-Length: 5\r\n\r\nhello";

pub(crate) fn full(text: &'static str) -> Body {
    Full::new(Bytes::from_static(text.as_bytes())).boxed_unsync()
}

/// A body that is sent piece by piece.
pub(crate) fn pieces() -> (mpsc::Sender<Frame<Bytes>>, Body) {
    let (pieces, coming) = mpsc::channel(1);
    let coming = futures_util::stream::unfold(coming, |mut coming| async {
        let frame: Frame<Bytes> = coming.recv().await?;
        Some((Ok(frame), coming))
    });
    (pieces, StreamBody::new(coming).boxed_unsync())
}

/// Speaks HTTP/2 on a connection.
pub(crate) async fn speak<A>(connection: Raw, streams_max: Option<u32>, answer: A)
where
    A: Fn(Request<Incoming>) -> Answer + Clone + Send + 'static,
{
    let service = hyper::service::service_fn(move |request| {
        let answering = answer(request);
        async move { Ok::<_, Infallible>(answering.await) }
    });
    let mut builder = hyper::server::conn::http2::Builder::new(TokioExecutor::new());
    builder.max_concurrent_streams(streams_max);
    builder
        .serve_connection(TokioIo::new(connection.0), service)
        .await
        .ok();
}

/// An origin that speaks HTTP/2 and nothing else.
pub(crate) async fn origin<A>(answer: A) -> Origin
where
    A: Fn(Request<Incoming>) -> Answer + Clone + Send + 'static,
{
    Origin::start(move |connection, _| speak(connection, None, answer.clone())).await
}

pub(crate) fn settings(origin: &Origin) -> OriginSettings {
    OriginSettings {
        http2: true,
        ..origin_at(origin.addr)
    }
}

pub(crate) fn before(origin: &Origin) -> Front {
    Front::start(one_worker(), settings(origin))
}

/// What the origin saw of requests.
#[derive(Clone, Default)]
pub(crate) struct Heard(Arc<Mutex<Vec<Whole>>>);

/// A request: head, body and trailers.
pub(crate) type Whole = (Parts, Bytes, Option<HeaderMap>);

impl Heard {
    pub(crate) async fn hear(self, request: Request<Incoming>) {
        let (parts, body) = request.into_parts();
        let collected = body.collect().await.unwrap();
        let trailers = collected.trailers().cloned();
        self.all().push((parts, collected.to_bytes(), trailers));
    }

    pub(crate) fn all(&self) -> std::sync::MutexGuard<'_, Vec<Whole>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// A client of our own that speaks HTTP/2.
pub(crate) async fn client(front: &Front) -> http2::SendRequest<Body> {
    let stream = TokioIo::new(soon(TcpStream::connect(front.addr)).await.unwrap());
    let (sender, connection) = soon(http2::handshake(TokioExecutor::new(), stream))
        .await
        .unwrap();
    tokio::spawn(connection);
    sender
}

/// One frame as it is on the wire (RFC 9113 §4.1).
pub(crate) fn frame(kind: u8, flags: u8, stream: u32, payload: &[u8]) -> Vec<u8> {
    let len = u32::try_from(payload.len()).unwrap().to_be_bytes();
    let mut bytes = len[1..].to_vec();
    bytes.extend([kind, flags]);
    bytes.extend(stream.to_be_bytes());
    bytes.extend(payload);
    bytes
}

pub(crate) const DATA: u8 = 0;
pub(crate) const HEADERS: u8 = 1;
pub(crate) const RST_STREAM: u8 = 3;
pub(crate) const SETTINGS: u8 = 4;
pub(crate) const GOAWAY: u8 = 7;

/// The client's preface, and its frames up to one of this kind on a stream; that stream, and the payload.
pub(crate) async fn frames_until(connection: &mut Raw, kind: u8) -> (u32, Vec<u8>) {
    loop {
        let head = connection.bytes(9).await;
        let len = u32::from_be_bytes([0, head[0], head[1], head[2]]);
        let payload = connection.bytes(len as usize).await;
        let stream = u32::from_be_bytes([head[5], head[6], head[7], head[8]]);
        if head[3] == kind && stream > 0 {
            return (stream, payload);
        }
    }
}

pub(crate) async fn begin(connection: &mut Raw) {
    connection.bytes(24).await;
    connection.send(frame(SETTINGS, 0, 0, &[])).await;
}
