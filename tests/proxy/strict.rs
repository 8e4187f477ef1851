//! Requests that could be read in two ways are refused and never reach the origin.

use crate::support::Front;
use crate::support::OK;
use crate::support::Origin;
use crate::support::header;

#[tokio::test]
async fn an_ambiguous_request_is_refused_and_the_origin_sees_nothing() {
    let (origin, heads) = Origin::recording(OK).await;
    let front = Front::before(origin.addr);
    for (status, request) in [
        (400, "GET / HTTP/1.1\r\n\r\n"),
        (400, "GET / HTTP/1.1\r\nHost: a\r\nHost: a\r\n\r\n"),
        (400, "GET / HTTP/1.1\r\nHost: a/b\r\n\r\n"),
        (
            400,
            "POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 4\r\nTransfer-Encoding: chunked\r\n\r\n\
             0\r\n\r\n",
        ),
        (
            400,
            "POST / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\nContent-Length: 4\r\n\r\n\
             0\r\n\r\n",
        ),
        (
            501,
            "POST / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\
             Transfer-Encoding: chunked\r\n\r\n0\r\n\r\n",
        ),
        (
            501,
            "POST / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: gzip, chunked\r\n\r\n0\r\n\r\n",
        ),
        (
            400,
            "POST / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: xchunked\r\n\r\n0\r\n\r\n",
        ),
        (
            400,
            "POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 4, 4\r\n\r\nabcd",
        ),
        (
            400,
            "POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 4\r\nContent-Length: 5\r\n\r\nabcde",
        ),
        (
            400,
            "POST / HTTP/1.1\r\nHost: a\r\nContent-Length : 4\r\n\r\nabcd",
        ),
        (400, "GET / HTTP/1.1\r\nHost: a\r\nX: a\r\n folded\r\n\r\n"),
        (501, "CONNECT a:443 HTTP/1.1\r\nHost: a\r\n\r\n"),
        (400, "GET * HTTP/1.1\r\nHost: a\r\n\r\n"),
    ] {
        let mut client = front.client().await;
        client.send(request).await;
        let answer = String::from_utf8(client.rest().await).unwrap();
        assert!(
            answer.starts_with(&format!("HTTP/1.1 {status} ")),
            "{request}\n{answer}"
        );
    }
    assert!(heads.lock().unwrap().is_empty());
}

#[tokio::test]
async fn an_absolute_target_wins_over_host_and_goes_on_in_origin_form() {
    let (origin, heads) = Origin::recording(OK).await;
    let front = Front::before(origin.addr);
    front
        .ask("GET http://a.example/x?y HTTP/1.1\r\nHost: b.example\r\n\r\n")
        .await;
    front
        .ask("OPTIONS * HTTP/1.1\r\nHost: a.example\r\n\r\n")
        .await;
    let seen = heads.lock().unwrap().clone();
    assert!(seen[0].starts_with("GET /x?y HTTP/1.1\r\n"), "{seen:?}");
    assert_eq!(header(&seen[0], "host"), Some("a.example"));
    assert!(seen[1].starts_with("OPTIONS * HTTP/1.1\r\n"), "{seen:?}");
}

#[tokio::test]
async fn an_http_1_0_request_without_a_host_gets_one() {
    let (origin, heads) = Origin::recording(OK).await;
    let front = Front::before(origin.addr);
    let answer = front.ask("GET / HTTP/1.0\r\n\r\n").await;
    assert!(answer.starts_with("HTTP/1.0 200"), "{answer}");
    let host = origin.addr.to_string();
    assert_eq!(
        header(&heads.lock().unwrap()[0], "host"),
        Some(host.as_str())
    );
}

#[tokio::test]
async fn chunked_requests_on_one_connection_are_told_from_smuggled_ones() {
    let (origin, heads) = Origin::recording(OK).await;
    let front = Front::before(origin.addr);
    let mut client = front.client().await;
    let chunked = "POST /c HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n";
    // This origin reads no chunks, so each gets a connection of its own there.
    client.send(chunked).await;
    assert!(client.message().await.starts_with("HTTP/1.1 200"));
    client.send("GET /g HTTP/1.1\r\nHost: a\r\n\r\n").await;
    assert!(client.message().await.starts_with("HTTP/1.1"));
    assert!(header(&heads.lock().unwrap()[0], "transfer-encoding") == Some("chunked"));
}
