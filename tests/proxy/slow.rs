//! Clients that take their time to keep us busy, and those that look like them and are honest.

use std::time::Duration;

use anteroom::message::Ended;
use anteroom::proxy::OriginErrorKind;
use anteroom::server::ServerSettings;
use bytes::Bytes;
use http::Request;
use http::Response;
use http_body_util::BodyExt;
use http_body_util::Empty;
use hyper::body::Incoming;
use hyper::client::conn::http2;
use hyper_util::rt::TokioExecutor;
use hyper_util::rt::TokioIo;
use tokio::io::AsyncReadExt;
use tokio::io::AsyncWriteExt;
use tokio::net::TcpStream;

use crate::support::Front;
use crate::support::OK;
use crate::support::Origin;
use crate::support::Raw;
use crate::support::one_worker;
use crate::support::origin_at;
use crate::support::soon;
use crate::support::until;

const GET: &str = "GET / HTTP/1.1\r\nHost: a\r\n\r\n";
/// Between two bytes of somebody slow.
const STEP: Duration = Duration::from_millis(50);
/// More than the kernel and we keep for anybody.
const LARGE: usize = 32 << 20;

/// One worker that waits for nobody for longer than a moment.
fn impatient() -> ServerSettings {
    let mut settings = one_worker();
    settings.limits.head = Duration::from_millis(100);
    settings.limits.send = Duration::from_millis(500);
    settings.limits.send_rate_min = 1 << 20;
    settings
}

/// An origin whose every answer is large, but for `/small`, and `/events`, which goes on for ever.
async fn large() -> Origin {
    Origin::start(|mut connection, _| async move {
        loop {
            let head = connection.head().await;
            if head.is_empty() {
                return;
            }
            if head.starts_with("GET /small ") {
                connection.send(OK).await;
            } else if head.starts_with("GET /events ") {
                let answer =
                    "HTTP/1.1 200 OK\r\ncontent-type: text/event-stream\r\n\r\ndata: 1\n\n";
                connection.send(answer).await;
                connection.rest().await;
            } else {
                let head = format!("HTTP/1.1 200 OK\r\ncontent-length: {LARGE}\r\n\r\n");
                let answer = [head.as_bytes(), &vec![b'x'; LARGE]].concat();
                // Whoever asked may be gone before the end.
                if connection.0.write_all(&answer).await.is_err() {
                    return;
                }
            }
        }
    })
    .await
}

#[tokio::test]
async fn a_head_that_does_not_come_is_answered_408() {
    let (origin, _) = Origin::recording(OK).await;
    let front = Front::start(impatient(), origin_at(origin.addr));
    let mut client = front.client().await;
    client.send("GET / HTTP/1.1\r\nHos").await;
    let answer = String::from_utf8(client.rest().await).unwrap();
    assert!(answer.starts_with("HTTP/1.1 408 "), "{answer:?}");
    assert!(answer.ends_with("connection: close\r\n\r\n"), "{answer:?}");
    assert_eq!(front.ended(), [Ended::HeadSlow]);
}

#[tokio::test]
async fn an_idle_connection_is_not_taken_for_one_whose_head_does_not_come() {
    let (origin, _) = Origin::recording(OK).await;
    let front = Front::start(impatient(), origin_at(origin.addr));
    let mut idle = front.client().await;
    // A body comes after its head: it is not the beginning of another.
    idle.send("POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 2\r\n\r\n")
        .await;
    idle.send("hi").await;
    assert!(idle.message().await.ends_with("ok"));
    // Two that are slow, one after the other: their ends are later than its would be.
    for _ in 0..2 {
        let mut slow = front.client().await;
        slow.send("GET").await;
        assert!(!slow.rest().await.is_empty());
    }
    idle.send(GET).await;
    assert!(idle.message().await.ends_with("ok"));
}

#[tokio::test]
async fn a_body_that_trickles_is_ended_however_short_its_pauses() {
    let origin = Origin::silent().await;
    let mut settings = origin_at(origin.addr);
    settings.timeouts.body = Duration::from_secs(2);
    settings.body_rate_min = 500;
    let front = Front::start(one_worker(), settings);
    let mut client = front.client().await;
    client
        .send("POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 1000000\r\n\r\n")
        .await;
    let mut answer = [0; 12];
    soon(async {
        while tokio::time::timeout(STEP, client.0.read_exact(&mut answer))
            .await
            .is_err()
        {
            client.send("x").await;
        }
    })
    .await;
    assert_eq!(&answer, b"HTTP/1.1 408");
    assert_eq!(front.errors(), [(OriginErrorKind::ClientTimeout, true)]);
}

#[tokio::test]
async fn a_body_that_comes_in_fits_and_starts_arrives_whole() {
    let (origin, seen) = Origin::recording(OK).await;
    let mut settings = origin_at(origin.addr);
    settings.timeouts.body = Duration::from_secs(60);
    settings.body_rate_min = 1_000;
    let front = Front::start(one_worker(), settings);
    let mut client = front.client().await;
    client
        .send("POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 20000\r\n\r\n")
        .await;
    for _ in 0..20 {
        tokio::time::sleep(STEP).await;
        client.send([b'x'; 1_000]).await;
    }
    assert!(client.message().await.ends_with("ok"));
    assert_eq!(seen.lock().unwrap().len(), 1);
}

/// Reads so much at each step, until the other side ends; how much it was.
async fn read_slowly(client: &mut Raw, piece: usize) -> usize {
    let mut buffer = vec![0; piece];
    let mut read = 0;
    soon(async {
        while let Ok(len @ 1..) = client.0.read(&mut buffer).await {
            read += len;
            tokio::time::sleep(STEP).await;
        }
    })
    .await;
    read
}

#[tokio::test]
async fn an_answer_that_is_hardly_taken_is_ended() {
    let origin = large().await;
    let front = Front::start(impatient(), origin_at(origin.addr));
    let mut client = front.client().await;
    client.send(GET).await;
    until(|| front.ended() == [Ended::TakingSlow]).await;
    assert!(client.rest().await.len() < LARGE);
    let mut client = front.client().await;
    client.send(GET).await;
    assert!(read_slowly(&mut client, 1_000).await < LARGE);
    assert_eq!(front.ended(), [Ended::TakingSlow; 2]);
}

#[tokio::test]
async fn an_answer_that_is_taken_steadily_arrives_whole() {
    let origin = large().await;
    let mut settings = impatient();
    settings.limits.send = Duration::from_secs(60);
    let front = Front::start(settings, origin_at(origin.addr));
    let mut client = front.client().await;
    client
        .send("GET / HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n")
        .await;
    assert!(read_slowly(&mut client, 1 << 20).await > LARGE);
    assert_eq!(front.ended(), []);
}

type Sender = http2::SendRequest<Empty<Bytes>>;

async fn http2(front: &Front) -> Sender {
    http2_with(front, 1 << 20).await
}

/// One that has room for so many bytes of each answer until it is read.
async fn http2_with(front: &Front, window: u32) -> Sender {
    let stream = TokioIo::new(TcpStream::connect(front.addr).await.unwrap());
    let mut builder = http2::Builder::new(TokioExecutor::new());
    builder.initial_stream_window_size(window);
    let made = soon(builder.handshake(stream)).await;
    let (sender, connection) = made.unwrap();
    tokio::spawn(connection);
    sender
}

async fn get(sender: &mut Sender, path: &str) -> Response<Incoming> {
    let uri = format!("http://a.example{path}");
    let request = Request::get(uri).body(Empty::new()).unwrap();
    soon(sender.send_request(request)).await.unwrap()
}

#[tokio::test]
async fn a_stream_whose_window_stays_shut_is_ended_and_the_others_go_on() {
    let origin = large().await;
    let front = Front::start(impatient(), origin_at(origin.addr));
    let mut sender = http2(&front).await;
    // It waits for the origin most of the time, which is nobody's fault.
    let mut events = get(&mut sender, "/events").await.into_body();
    assert!(soon(events.frame()).await.unwrap().is_ok());
    let starved = get(&mut sender, "/large").await;
    until(|| front.ended() == [Ended::TakingSlow]).await;
    let read = soon(starved.into_body().collect()).await;
    assert!(read.is_err(), "it was not whole");
    let small = get(&mut sender, "/small").await.into_body();
    assert_eq!(soon(small.collect()).await.unwrap().to_bytes(), "ok");
    let more = tokio::time::timeout(STEP, events.frame()).await;
    assert!(more.is_err(), "the events ended: {more:?}");
    assert_eq!(front.ended(), [Ended::TakingSlow]);
}

#[tokio::test]
async fn a_page_of_which_one_byte_is_taken_ends_its_connection() {
    let (origin, _) = Origin::recording(OK).await;
    let front = Front::start(impatient(), origin_at(origin.addr));
    let mut sender = http2_with(&front, 1).await;
    let _page = get(&mut sender, "/at-once").await;
    until(|| front.ended() == [Ended::TakingSlow]).await;
    until(|| sender.is_closed()).await;
}

/// Of these each has more waiting than its client has room for.
const SHUT: usize = 64;
const WINDOW: u32 = 1_024;
/// Together they have as much on its way as there may be.
const AHEAD: u64 = 256 * 1024;
/// Well before a ping would have us look at the connection again.
const BEFORE_PING: Duration = Duration::from_secs(15);

#[tokio::test]
async fn streams_whose_windows_are_shut_do_not_keep_the_open_ones_waiting() {
    let (step, steps) = tokio::sync::watch::channel(0);
    let origin = Origin::start(move |mut connection, _| {
        let mut steps = steps.clone();
        async move {
            let head = connection.head().await;
            connection.send("HTTP/1.1 200 OK\r\n\r\n").await;
            if head.starts_with("GET /events ") {
                for step in [1, 3] {
                    steps.wait_for(|now| *now >= step).await.unwrap();
                    connection.send("data: 1\n\n").await;
                }
            } else {
                connection.send(vec![b'x'; WINDOW as usize]).await;
                steps.wait_for(|now| *now >= 2).await.unwrap();
                connection.send(vec![b'x'; 64 * 1024]).await;
            }
            connection.rest().await;
        }
    })
    .await;
    let front = Front::before(origin.addr);
    let mut sender = http2_with(&front, WINDOW).await;
    let mut events = get(&mut sender, "/events").await.into_body();
    let mut shut = Vec::new();
    for _ in 0..SHUT {
        shut.push(get(&mut sender, "/shut").await);
    }
    step.send(1).unwrap();
    assert!(soon(events.frame()).await.unwrap().is_ok());
    step.send(2).unwrap();
    until(|| front.seen.lock().unwrap().holds >= AHEAD).await;
    step.send(3).unwrap();
    let more = tokio::time::timeout(BEFORE_PING, events.frame()).await;
    assert!(more.expect("it is kept waiting").unwrap().is_ok());
}

#[tokio::test]
async fn an_idle_client_that_does_not_let_its_connection_end_is_cut_off() {
    let (origin, _) = Origin::recording(OK).await;
    let mut settings = one_worker();
    settings.limits.idle = Duration::from_millis(100);
    settings.limits.handshake = Duration::from_millis(100);
    let front = Front::start(settings, origin_at(origin.addr));
    let mut client = front.client().await;
    // HTTP/2: the preface and settings, and then not a word, whatever is asked.
    client.send("PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n").await;
    client.send([0, 0, 0, 4, 0, 0, 0, 0, 0]).await;
    client.rest().await;
    assert_eq!(front.ended(), [Ended::Lingering]);
}
