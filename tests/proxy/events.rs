//! Event streams: each event goes on as it comes, over both versions, and a drain does not wait for their end.

use std::time::Duration;

use http::Request;
use http_body_util::BodyExt;
use http_body_util::Empty;
use hyper::client::conn::http2;
use hyper_util::rt::TokioExecutor;
use hyper_util::rt::TokioIo;
use tokio::net::TcpStream;
use tokio::sync::mpsc;

use crate::support::Front;
use crate::support::Origin;
use crate::support::soon;

const EVENTS: usize = 20;

/// An origin that sends an event each time it is told to, and the way to tell it.
async fn streaming() -> (Origin, mpsc::Sender<String>) {
    let (tell, told) = mpsc::channel::<String>(1);
    let told = std::sync::Arc::new(tokio::sync::Mutex::new(told));
    let origin = Origin::start(move |mut connection, _| {
        let told = std::sync::Arc::clone(&told);
        async move {
            if connection.head().await.is_empty() {
                return;
            }
            connection
                .send(
                    "HTTP/1.1 200 OK\r\ncontent-type: text/event-stream\r\n\
                     transfer-encoding: chunked\r\n\r\n",
                )
                .await;
            while let Some(event) = told.lock().await.recv().await {
                let chunk = format!("{:x}\r\n{event}\r\n", event.len());
                // The front may have let go of it.
                if tokio::io::AsyncWriteExt::write_all(&mut connection.0, chunk.as_bytes())
                    .await
                    .is_err()
                {
                    return;
                }
            }
        }
    });
    (origin.await, tell)
}

fn event(number: usize) -> String {
    format!("id: {number}\ndata: {}\n\n", "x".repeat(number))
}

#[tokio::test]
async fn each_event_goes_on_before_the_next_is_there() {
    let (origin, tell) = streaming().await;
    let front = Front::before(origin.addr);
    let mut client = front.client().await;
    client
        .send("GET /events HTTP/1.1\r\nHost: a\r\nAccept: text/event-stream\r\n\r\n")
        .await;
    assert!(client.head().await.contains("text/event-stream"));
    for number in 0..EVENTS {
        let event = event(number);
        tell.send(event.clone()).await.unwrap();
        let chunk = format!("{:X}\r\n{event}\r\n", event.len());
        let came = client.bytes(chunk.len()).await;
        assert!(came.eq_ignore_ascii_case(chunk.as_bytes()), "{came:?}");
    }
}

#[tokio::test]
async fn each_event_goes_on_over_http2_as_well() {
    let (origin, tell) = streaming().await;
    let front = Front::before(origin.addr);
    let stream = TokioIo::new(TcpStream::connect(front.addr).await.unwrap());
    let (mut sender, connection) = soon(http2::handshake(TokioExecutor::new(), stream))
        .await
        .unwrap();
    tokio::spawn(connection);
    let request = Request::builder()
        .uri("http://a.example/events")
        .body(Empty::<bytes::Bytes>::new())
        .unwrap();
    let mut answer = soon(sender.send_request(request)).await.unwrap();
    for number in 0..EVENTS {
        tell.send(event(number)).await.unwrap();
        let mut came = Vec::new();
        while came.len() < event(number).len() {
            let frame = soon(answer.frame()).await.unwrap().unwrap();
            came.extend_from_slice(&frame.into_data().unwrap());
        }
        assert_eq!(String::from_utf8(came).unwrap(), event(number));
    }
}

/// Whoever listens to events comes back by itself, and there is no end to wait for.
#[tokio::test]
async fn a_drain_ends_event_streams_cleanly_and_does_not_wait_for_them() {
    let (origin, tell) = streaming().await;
    let mut front = Front::before(origin.addr);
    let mut client = front.client().await;
    client.send("GET /events HTTP/1.1\r\nHost: a\r\n\r\n").await;
    client.head().await;
    tell.send(event(1)).await.unwrap();
    client.bytes(event(1).len() + 5).await;
    let running = front.running.take().unwrap();
    running.drain(Duration::from_secs(3_600));
    // The end of a body in chunks (RFC 9112 §7.1): not that of a broken one.
    assert_eq!(client.rest().await, b"0\r\n\r\n");
    assert_eq!(soon(running.ended()).await.cut, 0);
}
