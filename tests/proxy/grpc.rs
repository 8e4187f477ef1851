//! gRPC through the proxy, by a real library on both ends: all four kinds of calls, trailers, failures, cancelling.

use std::convert::Infallible;
use std::pin::Pin;
use std::task::Context;
use std::task::Poll;

use bytes::Buf;
use bytes::BufMut;
use futures_util::Stream;
use http::Request;
use http::Response;
use http::uri::PathAndQuery;
use hyper::body::Incoming;
use hyper::client::conn::http2;
use hyper_util::rt::TokioExecutor;
use hyper_util::rt::TokioIo;
use tokio::net::TcpStream;
use tokio::sync::mpsc;
use tonic::Code;
use tonic::Status;
use tonic::Streaming;
use tonic::client;
use tonic::codec::Codec;
use tonic::codec::DecodeBuf;
use tonic::codec::Decoder;
use tonic::codec::EncodeBuf;
use tonic::codec::Encoder;
use tonic::server;
use tower::Service;
use tower::service_fn;

use crate::support::Front;
use crate::support::Origin;
use crate::support::one_worker;
use crate::support::origin_at;
use crate::support::soon;

/// More than a frame, a buffer and a window have room for.
const LARGE: usize = 1 << 20;

/// Messages are text as it is.
#[derive(Debug, Clone, Copy, Default)]
struct Text;

impl Codec for Text {
    type Encode = String;
    type Decode = String;
    type Encoder = Self;
    type Decoder = Self;

    fn encoder(&mut self) -> Self {
        *self
    }

    fn decoder(&mut self) -> Self {
        *self
    }
}

impl Encoder for Text {
    type Item = String;
    type Error = Status;

    fn encode(&mut self, item: String, into: &mut EncodeBuf<'_>) -> Result<(), Status> {
        into.put_slice(item.as_bytes());
        Ok(())
    }
}

impl Decoder for Text {
    type Item = String;
    type Error = Status;

    fn decode(&mut self, from: &mut DecodeBuf<'_>) -> Result<Option<String>, Status> {
        let bytes = from.copy_to_bytes(from.remaining());
        let text = String::from_utf8(bytes.to_vec());
        text.map(Some)
            .map_err(|error| Status::internal(error.to_string()))
    }
}

type Texts = Pin<Box<dyn Stream<Item = Result<String, Status>> + Send>>;

/// What the origin offers; it tells when a caller has broken off.
async fn called(
    request: Request<Incoming>,
    broken_off: mpsc::Sender<()>,
) -> Result<Response<tonic::body::Body>, Infallible> {
    let mut grpc = server::Grpc::new(Text);
    let path = request.uri().path().to_owned();
    Ok(match path.as_str() {
        "/texts.Texts/Shout" => grpc.unary(service_fn(shout), request).await,
        "/texts.Texts/Count" => grpc.server_streaming(service_fn(count), request).await,
        "/texts.Texts/Join" => grpc.client_streaming(service_fn(join), request).await,
        "/texts.Texts/Talk" => grpc.streaming(service_fn(talk), request).await,
        "/texts.Texts/Tick" => {
            let tick = move |_: tonic::Request<String>| {
                std::future::ready(tick(Listened(broken_off.clone())))
            };
            grpc.server_streaming(service_fn(tick), request).await
        }
        _ => Status::unimplemented(path).into_http(),
    })
}

async fn shout(asked: tonic::Request<String>) -> Result<tonic::Response<String>, Status> {
    let how = asked.metadata().get("x-how").cloned();
    let text = asked.into_inner();
    if text.is_empty() {
        let mut status = Status::invalid_argument("nothing to shout: ìè");
        status
            .metadata_mut()
            .insert("x-why", "empty".parse().unwrap());
        return Err(status);
    }
    let mut answer = tonic::Response::new(text.to_uppercase());
    if let Some(how) = how {
        answer.metadata_mut().insert("x-how", how);
    }
    Ok(answer)
}

/// Up to the number asked for, and then a failure if it is odd.
async fn count(asked: tonic::Request<String>) -> Result<tonic::Response<Texts>, Status> {
    let most: usize = asked.into_inner().parse().unwrap();
    let numbers = (0..most).map(|number| Ok(format!("{number}")));
    let last = (most % 2 == 1).then(|| Err(Status::data_loss("odd")));
    let texts = futures_util::stream::iter(numbers.chain(last));
    Ok(tonic::Response::new(Box::pin(texts)))
}

async fn join(asked: tonic::Request<Streaming<String>>) -> Result<tonic::Response<String>, Status> {
    let mut texts = asked.into_inner();
    let mut all = Vec::new();
    while let Some(text) = texts.message().await? {
        all.push(text);
    }
    Ok(tonic::Response::new(all.join(",")))
}

/// Says everything back as it comes.
async fn talk(asked: tonic::Request<Streaming<String>>) -> Result<tonic::Response<Texts>, Status> {
    let texts: Texts = Box::pin(asked.into_inner());
    Ok(tonic::Response::new(texts))
}

/// Tells when nobody listens any more.
struct Listened(mpsc::Sender<()>);

impl Drop for Listened {
    fn drop(&mut self) {
        // Whoever waits for it has room for one.
        self.0.try_send(()).ok();
    }
}

/// Has no end.
fn tick(listened: Listened) -> Result<tonic::Response<Texts>, Status> {
    let texts = futures_util::stream::unfold(listened, |listened| async {
        Some((Ok("tick".to_owned()), listened))
    });
    let texts: Texts = Box::pin(texts);
    Ok(tonic::Response::new(texts))
}

/// An origin that speaks gRPC, which is HTTP/2 without anything else.
async fn texts() -> (Origin, mpsc::Receiver<()>) {
    let (broken_off, breaking_off) = mpsc::channel(8);
    let origin = Origin::start(move |connection, _| {
        let broken_off = broken_off.clone();
        async move {
            let service =
                hyper::service::service_fn(move |request| called(request, broken_off.clone()));
            let builder = hyper::server::conn::http2::Builder::new(TokioExecutor::new());
            let stream = TokioIo::new(connection.0);
            // However the front ends it.
            builder.serve_connection(stream, service).await.ok();
        }
    });
    (origin.await, breaking_off)
}

fn before(origin: &Origin) -> Front {
    let mut settings = origin_at(origin.addr);
    settings.http2 = true;
    Front::start(one_worker(), settings)
}

/// A connection for the library to call on.
#[derive(Debug, Clone)]
struct Channel(http2::SendRequest<tonic::body::Body>);

impl Service<Request<tonic::body::Body>> for Channel {
    type Response = Response<Incoming>;
    type Error = hyper::Error;
    type Future = Pin<Box<dyn Future<Output = hyper::Result<Response<Incoming>>> + Send>>;

    fn poll_ready(&mut self, cx: &mut Context<'_>) -> Poll<hyper::Result<()>> {
        self.0.poll_ready(cx)
    }

    fn call(&mut self, request: Request<tonic::body::Body>) -> Self::Future {
        Box::pin(self.0.send_request(request))
    }
}

async fn calling(front: &Front) -> client::Grpc<Channel> {
    let stream = TokioIo::new(TcpStream::connect(front.addr).await.unwrap());
    let (sender, connection) = soon(http2::handshake(TokioExecutor::new(), stream))
        .await
        .unwrap();
    tokio::spawn(connection);
    let mut grpc = client::Grpc::with_origin(Channel(sender), "http://a.example".parse().unwrap());
    soon(grpc.ready()).await.unwrap();
    grpc
}

fn path(call: &str) -> PathAndQuery {
    format!("/texts.Texts/{call}").parse().unwrap()
}

#[tokio::test]
async fn one_message_is_answered_by_one_and_metadata_goes_along() {
    let (origin, _) = texts().await;
    let front = before(&origin);
    let mut grpc = calling(&front).await;
    for text in ["hello".to_owned(), "x".repeat(LARGE)] {
        let mut asked = tonic::Request::new(text.clone());
        asked
            .metadata_mut()
            .insert("x-how", "loud".parse().unwrap());
        let answer = soon(grpc.unary(asked, path("Shout"), Text)).await.unwrap();
        assert_eq!(answer.metadata().get("x-how").unwrap(), "loud");
        assert!(answer.into_inner() == text.to_uppercase());
    }
}

#[tokio::test]
async fn a_failure_arrives_with_its_code_its_words_and_its_metadata() {
    let (origin, _) = texts().await;
    let front = before(&origin);
    let mut grpc = calling(&front).await;
    let nothing = tonic::Request::new(String::new());
    let status = soon(grpc.unary(nothing, path("Shout"), Text))
        .await
        .unwrap_err();
    assert_eq!(status.code(), Code::InvalidArgument);
    assert_eq!(status.message(), "nothing to shout: ìè");
    assert_eq!(status.metadata().get("x-why").unwrap(), "empty");
    let unknown = tonic::Request::new("x".to_owned());
    let status = soon(grpc.unary(unknown, path("Sing"), Text))
        .await
        .unwrap_err();
    assert_eq!(status.code(), Code::Unimplemented);
}

#[tokio::test]
async fn many_messages_answer_one_and_a_failure_behind_them_is_not_lost() {
    let (origin, _) = texts().await;
    let front = before(&origin);
    let mut grpc = calling(&front).await;
    for most in [0, 1, 500, 501] {
        let asked = tonic::Request::new(most.to_string());
        let answer = soon(grpc.server_streaming(asked, path("Count"), Text)).await;
        let mut numbers = answer.unwrap().into_inner();
        for number in 0..most {
            let text = soon(numbers.message()).await.unwrap().unwrap();
            assert_eq!(text, number.to_string());
        }
        match soon(numbers.message()).await {
            Ok(end) => assert!(most % 2 == 0 && end.is_none(), "{most}: {end:?}"),
            Err(status) => assert_eq!((most % 2, status.code()), (1, Code::DataLoss)),
        }
    }
}

#[tokio::test]
async fn one_message_answers_many() {
    let (origin, _) = texts().await;
    let front = before(&origin);
    let mut grpc = calling(&front).await;
    let all: Vec<_> = (0..1_000).map(|number| number.to_string()).collect();
    let asked = tonic::Request::new(futures_util::stream::iter(all.clone()));
    let answer = soon(grpc.client_streaming(asked, path("Join"), Text)).await;
    assert_eq!(answer.unwrap().into_inner(), all.join(","));
}

#[tokio::test]
async fn both_sides_talk_in_turns_for_as_long_as_they_like() {
    let (origin, _) = texts().await;
    let front = before(&origin);
    let mut grpc = calling(&front).await;
    let (say, said) = mpsc::channel::<String>(1);
    let saying = futures_util::stream::unfold(said, |mut said| async {
        let text = said.recv().await?;
        Some((text, said))
    });
    // The first message goes with the call: an origin may wait for it before it answers at all.
    say.send("first".to_owned()).await.unwrap();
    let answer = soon(grpc.streaming(tonic::Request::new(saying), path("Talk"), Text)).await;
    let mut heard = answer.unwrap().into_inner();
    assert_eq!(soon(heard.message()).await.unwrap().unwrap(), "first");
    for turn in 0..200 {
        let text = format!("{turn} {}", "x".repeat(turn * 100));
        say.send(text.clone()).await.unwrap();
        assert_eq!(soon(heard.message()).await.unwrap().unwrap(), text);
    }
    drop(say);
    assert_eq!(soon(heard.message()).await.unwrap(), None);
}

#[tokio::test]
async fn a_caller_that_breaks_off_is_gone_for_the_origin_as_well() {
    let (origin, mut breaking_off) = texts().await;
    let front = before(&origin);
    let mut grpc = calling(&front).await;
    let asked = tonic::Request::new(String::new());
    let answer = soon(grpc.server_streaming(asked, path("Tick"), Text)).await;
    let mut heard = answer.unwrap().into_inner();
    assert_eq!(soon(heard.message()).await.unwrap().unwrap(), "tick");
    drop(heard);
    soon(breaking_off.recv()).await.unwrap();
    // The connection is good for more.
    let asked = tonic::Request::new("again".to_owned());
    let answer = soon(grpc.unary(asked, path("Shout"), Text)).await.unwrap();
    assert_eq!(answer.into_inner(), "AGAIN");
}

#[tokio::test]
async fn an_origin_that_is_not_there_is_unavailable() {
    let (origin, _) = texts().await;
    let front = before(&origin);
    drop(origin);
    let mut grpc = calling(&front).await;
    let asked = tonic::Request::new("hello".to_owned());
    let status = soon(grpc.unary(asked, path("Shout"), Text))
        .await
        .unwrap_err();
    assert_eq!(status.code(), Code::Unavailable, "{status:?}");
}
