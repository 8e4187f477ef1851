//! Ending: what is in flight finishes, what does not finish in time is cut, and it is known which.

use std::time::Duration;

use anteroom::server::Drained;
use tokio::net::TcpStream;

use crate::support::Front;
use crate::support::Origin;
use crate::support::PATIENCE;
use crate::support::Raw;
use crate::support::one_worker;
use crate::support::origin_at;
use crate::support::soon;
use crate::support::until;

/// An origin that answers when told to.
async fn patient() -> (
    Origin,
    tokio::sync::watch::Sender<bool>,
    tokio::sync::mpsc::Receiver<()>,
) {
    let (go, waiting) = tokio::sync::watch::channel(false);
    let (came, coming) = tokio::sync::mpsc::channel(8);
    let origin = Origin::start(move |mut connection, _| {
        let (mut waiting, came) = (waiting.clone(), came.clone());
        async move {
            connection.head().await;
            connection
                .send("HTTP/1.1 200 OK\r\ncontent-length: 4\r\n\r\nha")
                .await;
            came.send(()).await.unwrap();
            waiting.wait_for(|go| *go).await.unwrap();
            connection.send("lf").await;
            connection.rest().await;
        }
    });
    (origin.await, go, coming)
}

/// A client whose request is on its way there.
async fn busy(front: &Front, coming: &mut tokio::sync::mpsc::Receiver<()>) -> Raw {
    let mut busy = front.client().await;
    busy.send("GET / HTTP/1.1\r\nHost: a\r\n\r\n").await;
    soon(coming.recv()).await.unwrap();
    busy
}

#[tokio::test]
async fn a_drain_lets_what_is_in_flight_finish_and_takes_nothing_new() {
    let (origin, go, mut coming) = patient().await;
    let mut front = Front::before(origin.addr);
    let mut idle = front.client().await;
    let mut busy = busy(&front, &mut coming).await;
    let running = front.running.take().unwrap();
    running.drain(PATIENCE);
    soon(async { while TcpStream::connect(front.addr).await.is_ok() {} }).await;
    assert!(idle.rest().await.is_empty());
    go.send(true).unwrap();
    assert!(busy.message().await.ends_with("half"));
    assert!(busy.rest().await.is_empty());
    let drained = soon(running.ended()).await;
    assert_eq!(drained.cut, 0);
    assert!(drained.finished >= 2, "{drained:?}");
}

#[tokio::test]
async fn what_was_on_its_way_when_a_drain_began_is_answered_as_the_last_thing() {
    const GET: &str = "GET / HTTP/1.1\r\nHost: a\r\n\r\n";
    let origin = Origin::start(|mut connection, _| async move {
        while !connection.head().await.is_empty() {
            connection
                .send("HTTP/1.1 200 OK\r\ncontent-length: 4\r\n\r\nhalf")
                .await;
        }
    });
    let origin = origin.await;
    let mut settings = one_worker();
    // Nothing here depends on how fast the machine is.
    settings.limits.last_call = PATIENCE;
    let mut front = Front::start(settings, origin_at(origin.addr));
    let (mut kept, mut silent) = (front.client().await, front.client().await);
    kept.send(GET).await;
    let first = kept.message().await;
    assert!(
        first.ends_with("half") && !first.contains("connection: close"),
        "{first}"
    );
    let running = front.running.take().unwrap();
    running.drain(PATIENCE);
    // It may not have heard of the drain yet; whenever it does, no request is lost.
    let last = async {
        loop {
            kept.send(GET).await;
            let answer = kept.message().await;
            assert!(answer.ends_with("half"), "{answer}");
            if answer.contains("connection: close\r\n") {
                break;
            }
        }
    };
    soon(last).await;
    assert!(kept.rest().await.is_empty());
    silent.send(GET).await;
    let answer = silent.message().await;
    assert!(
        answer.contains("connection: close\r\n") && answer.ends_with("half"),
        "{answer}"
    );
    running.cut();
    assert_eq!(soon(running.ended()).await.cut, 0);
}

#[tokio::test]
async fn what_does_not_finish_in_time_is_cut_and_counted() {
    let (origin, _go, mut coming) = patient().await;
    let mut front = Front::before(origin.addr);
    let mut busy = busy(&front, &mut coming).await;
    // What has come by then is on its way to the client before the time begins to run.
    assert!(busy.head().await.starts_with("HTTP/1.1 200"));
    assert_eq!(busy.bytes(2).await, b"ha");
    let running = front.running.take().unwrap();
    running.drain(Duration::from_millis(50));
    assert_eq!(
        soon(running.ended()).await,
        Drained {
            finished: 0,
            cut: 1
        }
    );
    assert!(busy.rest().await.is_empty());
    until(|| front.log() == ["GET / 200 2 false"]).await;
}

#[tokio::test]
async fn told_twice_it_ends_now() {
    let (origin, _go, mut coming) = patient().await;
    let mut front = Front::before(origin.addr);
    let _busy = busy(&front, &mut coming).await;
    let running = front.running.take().unwrap();
    running.drain(Duration::from_secs(3_600));
    running.cut();
    assert_eq!(soon(running.ended()).await.cut, 1);
}
