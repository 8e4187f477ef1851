//! The portal over real HTTP: it books, it counts, it breaks above its capacity and comes back.

use std::net::Ipv4Addr;

use bytes::Bytes;
use http::Request;
use http::Response;
use http::StatusCode;
use http_body_util::BodyExt;
use http_body_util::Full;
use hyper::client::conn::http1::SendRequest;
use hyper::client::conn::http1::handshake;

use super::*;

const LOCAL: SocketAddr = SocketAddr::new(std::net::IpAddr::V4(Ipv4Addr::LOCALHOST), 0);

type Sender = SendRequest<Full<Bytes>>;

async fn connect(portal: &Portal) -> Sender {
    let stream = TcpStream::connect(portal.addr()).await.unwrap();
    let (sender, connection) = handshake(TokioIo::new(stream)).await.unwrap();
    tokio::spawn(connection);
    sender
}

async fn ask(sender: &mut Sender, line: &str, headers: &[(&str, &str)]) -> Response<String> {
    let (method, path) = line.split_once(' ').unwrap();
    let mut req = Request::builder().method(method).uri(path);
    for (name, value) in headers.iter().chain(&[("host", "portal.test")]) {
        req = req.header(*name, *value);
    }
    sender.ready().await.unwrap();
    let resp = sender
        .send_request(req.body(Full::default()).unwrap())
        .await
        .unwrap();
    let (head, body) = resp.into_parts();
    let body = body.collect().await.unwrap().to_bytes().to_vec();
    Response::from_parts(head, String::from_utf8(body).unwrap())
}

fn quick(appointments: u64) -> Capacity {
    Capacity {
        work: Duration::from_millis(1),
        ..Capacity::clinic(appointments)
    }
}

#[tokio::test]
async fn a_booking_ends_in_a_confirmation_and_appointments_run_out() {
    let portal = Portal::start(LOCAL, quick(1)).unwrap();
    let mut sender = connect(&portal).await;
    assert_eq!(
        ask(&mut sender, "GET /", &[]).await.headers()["location"],
        "/booking/"
    );
    let start = ask(&mut sender, "GET /booking/", &[]).await;
    assert!(start.body().contains("1 appointment left"));
    let cookie = start.headers()["set-cookie"].to_str().unwrap();
    let cookie = cookie.split(';').next().unwrap();
    for line in ["GET /booking/times", "GET /booking/form?time=2"] {
        let page = ask(&mut sender, line, &[("cookie", cookie)]).await;
        assert_eq!(page.headers()["anteroom-stock"], "1", "{line}");
    }
    let done = ask(
        &mut sender,
        "POST /booking/form?time=2",
        &[("cookie", cookie)],
    )
    .await;
    assert!(done.body().contains("VAX-00001"));
    assert_eq!(done.headers()["anteroom-command"], "finish");
    assert_eq!(done.headers()["anteroom-stock"], "0");
    let late = ask(
        &mut sender,
        "POST /booking/form?time=2",
        &[("cookie", cookie)],
    )
    .await;
    assert!(late.body().contains("No appointments left"));
    assert!(!late.headers().contains_key("anteroom-command"));
    let figures = portal.figures();
    assert_eq!((figures.entries, figures.booked, figures.left), (1, 1, 0));
    assert_eq!((figures.requests, figures.refused), (6, 0));
    portal.open_more(5);
    assert_eq!(portal.figures().left, 5);
}

#[tokio::test]
async fn a_visitor_is_known_by_the_waiting_rooms_word_for_it() {
    let portal = Portal::start(LOCAL, quick(9)).unwrap();
    let mut sender = connect(&portal).await;
    for visitor in ["a", "b", "a"] {
        let page = ask(
            &mut sender,
            "GET /booking/",
            &[("anteroom-visitor", visitor)],
        )
        .await;
        assert!(!page.headers().contains_key("set-cookie"));
    }
    assert_eq!(portal.figures().entries, 2);
    assert_eq!(portal.most_entries_within(Duration::from_secs(3_600)), 2);
}

#[tokio::test]
async fn one_connection_too_many_is_answered_503_and_the_peak_is_recorded() {
    let portal = Portal::start(LOCAL, Capacity::connections_only(2)).unwrap();
    let mut within = [connect(&portal).await, connect(&portal).await];
    for sender in &mut within {
        assert_eq!(ask(sender, "GET /booking/", &[]).await.status(), 200);
    }
    let mut beyond = connect(&portal).await;
    let refused = ask(&mut beyond, "GET /booking/", &[]).await;
    assert_eq!(refused.status(), 503);
    assert_eq!(refused.headers()["connection"], "close");
    let figures = portal.figures();
    assert_eq!((figures.connections_peak, figures.refused), (3, 1));
    assert_eq!(figures.left, u64::MAX);
}

#[tokio::test]
async fn it_falls_over_when_overrun_and_comes_back() {
    let capacity = Capacity {
        workers: 1,
        waiting_max: 3,
        falls_at: 5,
        down: Duration::from_millis(300),
        ..Capacity::clinic(u64::MAX)
    };
    let portal = Portal::start(LOCAL, capacity).unwrap();
    let mut rush = tokio::task::JoinSet::new();
    for _ in 0..20 {
        let mut sender = connect(&portal).await;
        rush.spawn(async move { ask(&mut sender, "POST /booking/form", &[]).await.status() });
    }
    let statuses = rush.join_all().await;
    assert!(statuses.contains(&StatusCode::SERVICE_UNAVAILABLE));
    let figures = portal.figures();
    assert!(figures.falls >= 1, "{figures:?}");
    assert!(
        figures.half_done >= 1,
        "work in progress is lost: {figures:?}"
    );
    assert_eq!(figures.requests, 20);
    let mut sender = connect(&portal).await;
    let deadline = clock::monotonic() + Duration::from_secs(20);
    while ask(&mut sender, "GET /booking/", &[]).await.status() != StatusCode::OK {
        assert!(clock::monotonic() < deadline, "still down");
    }
    assert_eq!(portal.figures().health, Health::Well);
}
