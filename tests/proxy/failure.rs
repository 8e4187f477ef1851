//! What happens when the origin, the client or we ourselves fail.

use std::sync::Arc;
use std::sync::Mutex;
use std::time::Duration;

use anteroom::proxy::OriginErrorKind;
use anteroom::proxy::OriginTimeouts;
use tokio::net::TcpListener;

use crate::support::Front;
use crate::support::OK;
use crate::support::Origin;
use crate::support::address;
use crate::support::header;
use crate::support::loopback;
use crate::support::one_worker;
use crate::support::origin_at;
use crate::support::soon;
use crate::support::until;

const GET: &str = "GET / HTTP/1.1\r\nHost: a\r\n\r\n";
const POST: &str = "POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 2\r\n\r\nhi";

/// An address nobody listens on.
async fn nobody() -> std::net::SocketAddr {
    TcpListener::bind(loopback())
        .await
        .unwrap()
        .local_addr()
        .unwrap()
}

#[tokio::test]
async fn an_origin_that_is_down_gives_a_calm_answer_and_nothing_was_sent() {
    let front = Front::before(nobody().await);
    let answer = front.ask(POST).await;
    assert!(answer.starts_with("HTTP/1.1 502 "), "{answer}");
    assert!(
        answer.contains("calm: the origin cannot be reached"),
        "{answer}"
    );
    assert_eq!(front.errors(), [(OriginErrorKind::Connect, false)]);
}

#[tokio::test]
async fn a_server_that_refuses_connections_is_passed_over() {
    let (origin, heads) = Origin::recording(OK).await;
    let mut settings = origin_at(nobody().await);
    settings.servers.push(address(origin.addr));
    let front = Front::start(one_worker(), settings);
    for _ in 0..6 {
        assert!(front.ask(POST).await.ends_with("ok"));
    }
    assert_eq!(heads.lock().unwrap().len(), 6);
    assert_eq!(front.errors(), []);
}

#[tokio::test]
async fn an_origin_that_does_not_answer_is_given_up_in_time() {
    let origin = Origin::silent().await;
    let mut settings = origin_at(origin.addr);
    settings.timeouts.response = Duration::from_millis(50);
    let front = Front::start(one_worker(), settings);
    let answer = front.ask(GET).await;
    assert!(answer.starts_with("HTTP/1.1 504 "), "{answer}");
    assert_eq!(front.errors(), [(OriginErrorKind::ResponseTimeout, true)]);
}

#[tokio::test]
async fn an_answer_that_stalls_is_cut_and_not_taken_for_whole() {
    let origin = Origin::start(|mut connection, _| async move {
        connection.head().await;
        connection
            .send("HTTP/1.1 200 OK\r\ncontent-length: 10\r\n\r\nhalf")
            .await;
        connection.rest().await;
    })
    .await;
    let mut settings = origin_at(origin.addr);
    settings.timeouts.idle = Duration::from_millis(50);
    let front = Front::start(one_worker(), settings);
    let mut client = front.client().await;
    client.send(GET).await;
    let answer = client.rest().await;
    assert!(answer.ends_with(b"half"));
    until(|| front.log() == ["GET / 200 4 false"]).await;
}

#[tokio::test]
async fn an_answer_cut_short_by_the_origin_is_cut_short_for_the_client() {
    let origin = Origin::start(|mut connection, _| async move {
        connection.head().await;
        connection
            .send("HTTP/1.1 200 OK\r\ncontent-length: 10\r\n\r\nhalf")
            .await;
    })
    .await;
    let front = Front::before(origin.addr);
    let mut client = front.client().await;
    client.send(GET).await;
    assert!(client.rest().await.ends_with(b"half"));
    until(|| front.log() == ["GET / 200 4 false"]).await;
}

/// An origin that closes its first connection: after one answer, or when the second request has come.
async fn closing(on_second_request: bool) -> (Origin, Arc<Mutex<Vec<String>>>) {
    let heads = Arc::<Mutex<Vec<String>>>::default();
    let kept = Arc::clone(&heads);
    let origin = Origin::start(move |mut connection, index| {
        let kept = Arc::clone(&kept);
        async move {
            loop {
                let request = connection.message().await;
                if request.is_empty() {
                    return;
                }
                let is_second = {
                    let mut kept = kept.lock().unwrap();
                    kept.push(request);
                    kept.len() == 2
                };
                if index == 0 && is_second && on_second_request {
                    return;
                }
                connection.send(OK).await;
                if index == 0 && !on_second_request {
                    return;
                }
            }
        }
    });
    (origin.await, heads)
}

#[tokio::test]
async fn a_request_that_was_not_sent_goes_out_on_a_new_connection() {
    let (origin, heads) = closing(false).await;
    let front = Front::before(origin.addr);
    assert!(front.ask(GET).await.ends_with("ok"));
    // The idle connection is closed by now or will be seen to be: nothing of the second request went out on it.
    for request in [POST, GET] {
        assert!(front.ask(request).await.ends_with("ok"));
    }
    assert_eq!((heads.lock().unwrap().len(), origin.connections()), (3, 2));
    assert_eq!(front.errors(), []);
}

#[tokio::test]
async fn a_post_that_may_have_been_seen_is_not_sent_again() {
    let (origin, heads) = closing(true).await;
    let front = Front::before(origin.addr);
    assert!(front.ask(GET).await.ends_with("ok"));
    let answer = front.ask(POST).await;
    assert!(answer.starts_with("HTTP/1.1 502 "), "{answer}");
    assert_eq!(front.errors(), [(OriginErrorKind::Broken, true)]);
    assert_eq!((heads.lock().unwrap().len(), origin.connections()), (2, 1));
}

#[tokio::test]
async fn a_safe_request_on_a_connection_long_idle_is_sent_again() {
    let (origin, heads) = closing(true).await;
    let mut settings = origin_at(origin.addr);
    settings.timeouts.fresh = Duration::ZERO;
    let front = Front::start(one_worker(), settings);
    assert!(front.ask(GET).await.ends_with("ok"));
    assert!(front.ask(GET).await.ends_with("ok"));
    assert_eq!((heads.lock().unwrap().len(), origin.connections()), (3, 2));
}

#[tokio::test]
async fn a_client_that_leaves_takes_its_request_to_the_origin_with_it() {
    let (ended, mut end) = tokio::sync::mpsc::channel(1);
    let origin = Origin::start(move |mut connection, _| {
        let ended = ended.clone();
        async move {
            connection.head().await;
            ended.send("came").await.unwrap();
            connection.rest().await;
            ended.send("cancelled").await.unwrap();
        }
    })
    .await;
    let front = Front::before(origin.addr);
    let mut client = front.client().await;
    client.send(GET).await;
    assert_eq!(soon(end.recv()).await, Some("came"));
    drop(client);
    assert_eq!(soon(end.recv()).await, Some("cancelled"));
    until(|| front.log() == ["GET / 0 0 false"]).await;
}

#[tokio::test]
async fn a_client_that_breaks_its_body_is_to_blame_and_not_the_origin() {
    let (origin, _) = Origin::recording(OK).await;
    let front = Front::before(origin.addr);
    let mut client = front.client().await;
    client
        .send(
            "POST / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nhello\r\nxyz\r\n",
        )
        .await;
    let answer = String::from_utf8(client.rest().await).unwrap();
    assert!(
        answer.starts_with("HTTP/1.1 400 ") || answer.starts_with("HTTP/1.1 200 "),
        "{answer}"
    );
    assert!(
        front.errors().iter().all(|(kind, _)| kind.is_client()),
        "{:?}",
        front.errors()
    );
}

#[tokio::test]
async fn a_client_that_stops_sending_is_given_up_in_time() {
    let origin = Origin::silent().await;
    let mut settings = origin_at(origin.addr);
    settings.timeouts.body = Duration::from_millis(50);
    let front = Front::start(one_worker(), settings);
    let mut client = front.client().await;
    client
        .send("POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 10\r\n\r\nhalf")
        .await;
    let answer = client.message().await;
    assert!(answer.starts_with("HTTP/1.1 408 "), "{answer}");
    assert_eq!(front.errors(), [(OriginErrorKind::ClientTimeout, true)]);
}

#[tokio::test]
async fn a_body_larger_than_it_may_be_is_refused_before_the_origin_sees_the_request() {
    let (origin, seen) = Origin::recording(OK).await;
    let mut settings = origin_at(origin.addr);
    settings.body_max = 4;
    let front = Front::start(one_worker(), settings);
    let request = "POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 5\r\n\r\nlarge";
    let answer = front.ask(request).await;
    assert!(answer.starts_with("HTTP/1.1 413 "), "{answer}");
    assert_eq!(front.errors(), [(OriginErrorKind::BodyTooLarge, false)]);
    assert!(seen.lock().unwrap().is_empty());
}

#[tokio::test]
async fn a_body_of_unknown_length_is_cut_off_where_it_gets_too_large() {
    let origin = Origin::silent().await;
    let mut settings = origin_at(origin.addr);
    settings.body_max = 4;
    let front = Front::start(one_worker(), settings);
    let mut client = front.client().await;
    client
        .send("POST / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n4\r\nfour\r\n1\r\n5\r\n")
        .await;
    let answer = client.message().await;
    assert!(answer.starts_with("HTTP/1.1 413 "), "{answer}");
    assert_eq!(front.errors(), [(OriginErrorKind::BodyTooLarge, true)]);
}

#[tokio::test]
async fn a_panic_becomes_an_answer_and_everything_goes_on() {
    let (origin, _) = Origin::recording(OK).await;
    let front = Front::before(origin.addr);
    let mut client = front.client().await;
    for path in ["/panic", "/panic-at-once", "/panic", "/panic-at-once"] {
        client
            .send(&format!("GET {path} HTTP/1.1\r\nHost: a\r\n\r\n"))
            .await;
        let answer = client.message().await;
        assert!(answer.starts_with("HTTP/1.1 500 "), "{answer}");
        client.send(GET).await;
        assert!(client.message().await.ends_with("ok"));
    }
}

#[tokio::test]
async fn no_more_requests_than_allowed_are_at_the_origin() {
    let (go, waiting) = tokio::sync::watch::channel(false);
    let (came, mut coming) = tokio::sync::mpsc::channel(8);
    let origin = Origin::start(move |mut connection, _| {
        let (mut waiting, came) = (waiting.clone(), came.clone());
        async move {
            while !connection.head().await.is_empty() {
                came.send(()).await.unwrap();
                waiting.wait_for(|go| *go).await.unwrap();
                connection.send(OK).await;
            }
        }
    })
    .await;
    let mut settings = origin_at(origin.addr);
    settings.in_flight_max = 1;
    settings.waiting_max = 1;
    settings.timeouts = OriginTimeouts {
        room: Duration::from_secs(60),
        ..settings.timeouts
    };
    let front = Front::start(one_worker(), settings);
    let mut first = front.client().await;
    first.send(GET).await;
    soon(coming.recv()).await.unwrap();
    let (mut second, mut third) = (front.client().await, front.client().await);
    second.send(GET).await;
    third.send(GET).await;
    // One of the two waits, the other is turned away.
    until(|| front.errors() == [(OriginErrorKind::Busy, false)]).await;
    assert_eq!(origin.connections(), 1);
    go.send(true).unwrap();
    let answers = [
        first.message().await,
        second.message().await,
        third.message().await,
    ];
    let busy = answers
        .iter()
        .filter(|answer| answer.starts_with("HTTP/1.1 503 "))
        .count();
    assert_eq!(busy, 1, "{answers:?}");
    assert_eq!(origin.connections(), 1);
}

#[tokio::test]
async fn a_grpc_client_is_told_a_failure_in_its_own_terms_and_others_are_not() {
    let front = Front::before(nobody().await);
    for (kind, told) in [("application/grpc+proto", Some("14")), ("text/plain", None)] {
        let request = format!("GET / HTTP/1.1\r\nHost: a\r\nContent-Type: {kind}\r\n\r\n");
        let answer = front.ask(&request).await;
        assert!(answer.starts_with("HTTP/1.1 502 "), "{answer}");
        assert_eq!(header(&answer, "grpc-status"), told, "{answer}");
    }
}

#[tokio::test]
async fn a_browser_that_asks_for_much_at_once_keeps_nobody_else_waiting() {
    let (go, waiting) = tokio::sync::watch::channel(false);
    let heads = Arc::<Mutex<Vec<String>>>::default();
    let kept = Arc::clone(&heads);
    let origin = Origin::start(move |mut connection, _| {
        let (mut waiting, kept) = (waiting.clone(), Arc::clone(&kept));
        async move {
            loop {
                let head = connection.head().await;
                if head.is_empty() {
                    return;
                }
                kept.lock().unwrap().push(head);
                waiting.wait_for(|go| *go).await.unwrap();
                connection.send(OK).await;
            }
        }
    })
    .await;
    let mut settings = origin_at(origin.addr);
    settings.in_flight_max = 1;
    settings.timeouts.room = Duration::from_secs(60);
    settings.waiting_max = 64;
    let front = Front::start(one_worker(), settings);
    let ask = async |visitor: u32| {
        let mut client = front.client().await;
        let request = format!("GET /{visitor} HTTP/1.1\r\nHost: a\r\nX-Visitor: {visitor}\r\n\r\n");
        client.send(request).await;
        client
    };
    let mut clients = vec![ask(1).await];
    until(|| heads.lock().unwrap().len() == 1).await;
    // One is at the origin, sixteen may wait: what is more is turned away, so that the others are known to wait.
    for _ in 0..18 {
        clients.push(ask(1).await);
    }
    until(|| front.errors().len() == 2).await;
    assert_eq!(front.errors(), [(OriginErrorKind::Busy, false); 2]);
    // They wait as well: one more than sixteen of each is turned away.
    for other in [2, 3] {
        for _ in 0..17 {
            clients.push(ask(other).await);
        }
    }
    until(|| front.errors().len() == 4).await;
    go.send(true).unwrap();
    for client in &mut clients {
        assert!(client.message().await.starts_with("HTTP/1.1 "));
    }
    let heads = heads.lock().unwrap();
    assert_eq!(heads.len(), 1 + 3 * 16);
    // Each round has one of everybody.
    let order: Vec<_> = heads.iter().map(|head| &head[4..6]).collect();
    for round in order[1..].chunks(3) {
        let mut round = round.to_vec();
        round.sort_unstable();
        assert_eq!(round, ["/1", "/2", "/3"], "{order:?}");
    }
}
