//! What reaches the origin, and what comes back.

use crate::support::Front;
use crate::support::OK;
use crate::support::Origin;
use crate::support::header;

#[tokio::test]
async fn what_is_for_one_connection_or_for_us_does_not_reach_the_origin() {
    let (origin, heads) = Origin::recording(OK).await;
    let front = Front::before(origin.addr);
    let answer = front
        .ask(
            "GET /a?b=c HTTP/1.1\r\nHost: portal.example\r\n\
             Connection: keep-alive, X-Foo\r\nX-Foo: 1\r\nKeep-Alive: timeout=5\r\n\
             Proxy-Connection: keep-alive\r\nTE: gzip\r\nUpgrade: h2c\r\n\
             Cookie: a=1; __Host-anteroom-main=t; b=\"2\" ;  c=3; anteroom-main-pass=p\r\n\
             Anteroom-Visitor: forged\r\nAnteroom_Pass: x\r\nanteroom-ticket: y\r\n\
             X-Forwarded-For: 1.1.1.1\r\nX_Forwarded_Proto: https\r\nForwarded: for=1.1.1.1\r\n\
             X-Other: kept\r\n\r\n",
        )
        .await;
    assert!(answer.starts_with("HTTP/1.1 200 OK\r\n"), "{answer}");
    let seen = heads.lock().unwrap()[0].clone();
    assert!(seen.starts_with("GET /a?b=c HTTP/1.1\r\n"), "{seen}");
    for name in [
        "connection",
        "x-foo",
        "keep-alive",
        "proxy-connection",
        "te",
        "upgrade",
    ] {
        assert_eq!(header(&seen, name), None, "{seen}");
    }
    for name in ["anteroom_pass", "anteroom-ticket", "x_forwarded_proto"] {
        assert_eq!(header(&seen, name), None, "{seen}");
    }
    assert_eq!(header(&seen, "host"), Some("portal.example"));
    assert_eq!(header(&seen, "cookie"), Some("a=1; b=\"2\" ;  c=3"));
    assert_eq!(header(&seen, "x-other"), Some("kept"));
    assert_eq!(
        header(&seen, "anteroom-visitor"),
        Some("0000000000000000000000000000002a")
    );
    assert_eq!(header(&seen, "x-forwarded-for"), Some("127.0.0.1"));
    assert_eq!(header(&seen, "x-forwarded-proto"), Some("http"));
    assert_eq!(header(&seen, "x-forwarded-host"), Some("portal.example"));
    let forwarded = "for=127.0.0.1;host=\"portal.example\";proto=http";
    assert_eq!(header(&seen, "forwarded"), Some(forwarded));
    assert_eq!(header(&seen, "via"), Some("1.1 anteroom"));
    assert_eq!(seen.matches("orwarded").count(), 4, "{seen}");
}

#[tokio::test]
async fn a_request_whose_only_cookies_are_ours_has_none_at_the_origin() {
    let (origin, heads) = Origin::recording(OK).await;
    let front = Front::before(origin.addr);
    let request = "GET / HTTP/1.1\r\nHost: a\r\nCookie: anteroom-main=t\r\n\
                   Cookie: anteroom-main-pass=p; \r\n\r\n";
    front.ask(request).await;
    assert!(!heads.lock().unwrap()[0].contains("ookie"));
}

#[tokio::test]
async fn what_the_origin_says_to_us_is_understood_and_not_passed_on() {
    let (origin, _) = Origin::recording(
        "HTTP/1.1 200 OK\r\ncontent-length: 0\r\nAnteroom-Command: finish\r\nAnteroom-Stock: 17\r\n\
         Alt-Svc: h3=\":443\"\r\nConnection: x-hop\r\nX-Hop: 1\r\nX-Kept: 1\r\n\r\n",
    )
    .await;
    let front = Front::before(origin.addr);
    let answer = front.ask("GET / HTTP/1.1\r\nHost: a\r\n\r\n").await;
    for name in [
        "anteroom-command",
        "anteroom-stock",
        "alt-svc",
        "connection",
        "x-hop",
    ] {
        assert_eq!(header(&answer, name), None, "{answer}");
    }
    assert_eq!(header(&answer, "x-kept"), Some("1"));
    assert_eq!(front.seen.lock().unwrap().orders, ["Some(Finish) Some(17)"]);
}

#[tokio::test]
async fn one_connection_to_the_origin_serves_many_requests() {
    let (origin, heads) = Origin::recording(OK).await;
    let front = Front::before(origin.addr);
    let mut client = front.client().await;
    for _ in 0..20 {
        client.send("GET / HTTP/1.1\r\nHost: a\r\n\r\n").await;
        assert!(client.message().await.ends_with("ok"));
    }
    for _ in 0..5 {
        front.ask("GET / HTTP/1.1\r\nHost: a\r\n\r\n").await;
    }
    assert_eq!((heads.lock().unwrap().len(), origin.connections()), (25, 1));
}

#[tokio::test]
async fn answers_without_a_body_keep_what_their_headers_say() {
    let (origin, _) =
        Origin::recording("HTTP/1.1 200 OK\r\ncontent-length: 12345\r\netag: \"x\"\r\n\r\n").await;
    let front = Front::before(origin.addr);
    let mut client = front.client().await;
    for _ in 0..2 {
        client.send("HEAD / HTTP/1.1\r\nHost: a\r\n\r\n").await;
        assert_eq!(
            header(&client.head().await, "content-length"),
            Some("12345")
        );
    }
    assert_eq!(origin.connections(), 1);
    let (origin, _) = Origin::recording("HTTP/1.1 304 Not Modified\r\netag: \"x\"\r\n\r\n").await;
    let front = Front::before(origin.addr);
    let answer = front.ask("GET / HTTP/1.1\r\nHost: a\r\n\r\n").await;
    assert!(answer.starts_with("HTTP/1.1 304"), "{answer}");
    assert_eq!(header(&answer, "content-length"), None, "{answer}");
    let head = "HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n";
    let (origin, _) = Origin::recording(head).await;
    let front = Front::before(origin.addr);
    let mut client = front.client().await;
    client.send("HEAD / HTTP/1.1\r\nHost: a\r\n\r\n").await;
    let answer = client.head().await;
    assert_eq!(header(&answer, "content-length"), None, "{answer}");
}

#[tokio::test]
async fn a_body_reaches_the_origin_with_the_length_it_was_sent_with() {
    let (origin, heads) = Origin::recording(OK).await;
    let front = Front::before(origin.addr);
    front
        .ask("POST /p HTTP/1.1\r\nHost: a\r\nContent-Length: 5\r\n\r\nhello")
        .await;
    front
        .ask("POST /p HTTP/1.1\r\nHost: a\r\nContent-Length: 0\r\n\r\n")
        .await;
    let seen = heads.lock().unwrap().clone();
    assert_eq!(header(&seen[0], "content-length"), Some("5"), "{seen:?}");
    assert_eq!(header(&seen[0], "transfer-encoding"), None, "{seen:?}");
    assert!(seen[0].ends_with("\r\n\r\nhello"), "{seen:?}");
    assert_eq!(header(&seen[1], "content-length"), Some("0"), "{seen:?}");
}

#[tokio::test]
async fn every_request_is_logged_once_with_what_was_sent() {
    let (origin, _) = Origin::recording(OK).await;
    let front = Front::before(origin.addr);
    front
        .ask("GET /a?secret=1 HTTP/1.1\r\nHost: a\r\n\r\n")
        .await;
    front.ask("GET /b HTTP/1.1\r\n\r\n").await;
    front.ask("GET /panic HTTP/1.1\r\nHost: a\r\n\r\n").await;
    crate::support::until(|| front.log().len() == 3).await;
    let log = front.log();
    assert_eq!(log[0], "GET /a 200 2 true");
    assert!(log[1].starts_with("GET /b 400 "), "{log:?}");
    assert!(log[2].starts_with("GET /panic 500 "), "{log:?}");
}
