//! Bodies stream both ways, no faster than they are taken.

use std::sync::Arc;
use std::sync::atomic::AtomicUsize;
use std::sync::atomic::Ordering::SeqCst;

use tokio::io::AsyncReadExt;
use tokio::io::AsyncWriteExt;

use crate::support::Front;
use crate::support::Origin;
use crate::support::header;
use crate::support::settles;
use crate::support::soon;
use crate::support::until;

/// More than all buffers on the way hold together.
const LARGE: usize = 64 * 1024 * 1024;

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_large_answer_waits_for_the_client_and_arrives_whole() {
    let sent = Arc::<AtomicUsize>::default();
    let counted = Arc::clone(&sent);
    let origin = Origin::start(move |mut connection, _| {
        let counted = Arc::clone(&counted);
        async move {
            connection.head().await;
            connection
                .send(format!(
                    "HTTP/1.1 200 OK\r\ncontent-length: {LARGE}\r\n\r\n"
                ))
                .await;
            let chunk = vec![7; 64 * 1024];
            for _ in 0..LARGE / chunk.len() {
                connection.0.write_all(&chunk).await.unwrap();
                counted.fetch_add(chunk.len(), SeqCst);
            }
        }
    })
    .await;
    let front = Front::before(origin.addr);
    let mut client = front.client().await;
    client.send("GET / HTTP/1.1\r\nHost: a\r\n\r\n").await;
    client.head().await;
    let held = settles(&sent).await;
    assert!(
        held < LARGE / 2,
        "{held} bytes were taken for a client that takes none"
    );
    let body = client.bytes(LARGE).await;
    assert!(body.iter().all(|byte| *byte == 7));
    until(|| front.log() == [format!("GET / 200 {LARGE} true")]).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_large_upload_waits_for_the_origin_and_arrives_whole() {
    let (go, mut gone) = tokio::sync::watch::channel(false);
    gone.mark_unchanged();
    let origin = Origin::start(move |mut connection, _| {
        let mut gone = gone.clone();
        async move {
            connection.head().await;
            gone.changed().await.unwrap();
            let body = connection.bytes(LARGE).await;
            assert!(body.iter().all(|byte| *byte == 9));
            connection
                .send("HTTP/1.1 200 OK\r\ncontent-length: 4\r\n\r\ndone")
                .await;
        }
    })
    .await;
    let front = Front::before(origin.addr);
    let mut client = front.client().await;
    client
        .send(format!(
            "POST / HTTP/1.1\r\nHost: a\r\nContent-Length: {LARGE}\r\n\r\n"
        ))
        .await;
    let (mut reader, mut writer) = client.0.into_split();
    let sent = Arc::<AtomicUsize>::default();
    let counted = Arc::clone(&sent);
    let upload = tokio::spawn(async move {
        let chunk = vec![9; 64 * 1024];
        for _ in 0..LARGE / chunk.len() {
            writer.write_all(&chunk).await.unwrap();
            counted.fetch_add(chunk.len(), SeqCst);
        }
        writer
    });
    let held = settles(&sent).await;
    assert!(
        held < LARGE / 2,
        "{held} bytes were taken for an origin that takes none"
    );
    go.send(true).unwrap();
    let _writer = soon(upload).await.unwrap();
    let mut answer = vec![0; 1024];
    let len = soon(reader.read(&mut answer)).await.unwrap();
    assert!(answer[..len].ends_with(b"done"));
}

#[tokio::test]
async fn each_piece_of_an_answer_goes_on_as_it_comes() {
    let origin = Origin::start(|mut connection, _| async move {
        connection.head().await;
        connection
            .send("HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n")
            .await;
        for piece in ["one", "two"] {
            connection.send(format!("3\r\n{piece}\r\n")).await;
            // The client answers each piece with a connection of its own; it must have come by then.
            connection.bytes(1).await;
        }
    })
    .await;
    let front = Front::before(origin.addr);
    let mut client = front.client().await;
    client
        .send("POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 2\r\n\r\n")
        .await;
    assert_eq!(
        header(&client.head().await, "transfer-encoding"),
        Some("chunked")
    );
    assert_eq!(client.bytes(8).await, b"3\r\none\r\n");
    client.send("x").await;
    assert_eq!(client.bytes(8).await, b"3\r\ntwo\r\n");
}

#[tokio::test]
async fn trailers_of_an_answer_go_on_to_a_client_that_takes_them() {
    let origin = Origin::start(|mut connection, _| async move {
        let head = connection.head().await;
        assert_eq!(header(&head, "te"), Some("trailers"));
        connection
            .send(
                "HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\ntrailer: x-sum\r\n\r\n\
                 2\r\nhi\r\n0\r\nx-sum: 42\r\n\r\n",
            )
            .await;
    })
    .await;
    let front = Front::before(origin.addr);
    let mut client = front.client().await;
    client
        .send("GET / HTTP/1.1\r\nHost: a\r\nTE: trailers\r\nConnection: TE, close\r\n\r\n")
        .await;
    let answer = String::from_utf8(client.rest().await).unwrap();
    assert!(
        answer.ends_with("2\r\nhi\r\n0\r\nx-sum: 42\r\n\r\n"),
        "{answer}"
    );
}

#[tokio::test]
async fn trailers_of_a_client_go_on_without_what_is_ours_to_say() {
    let (came, mut coming) = tokio::sync::mpsc::channel(1);
    let origin = Origin::start(move |mut connection, _| {
        let came = came.clone();
        async move {
            let mut seen = connection.head().await;
            while !seen.ends_with("\r\n\r\n") || !seen.contains("\r\n0\r\n") {
                seen.push(char::from(connection.bytes(1).await[0]));
            }
            connection.send(crate::support::OK).await;
            came.send(seen).await.unwrap();
        }
    })
    .await;
    let front = Front::before(origin.addr);
    let mut client = front.client().await;
    client
        .send(
            "POST / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\
             Trailer: X-Sum, Anteroom-Visitor, Cookie\r\n\r\n2\r\nhi\r\n0\r\n\
             X-Sum: 42\r\nAnteroom-Visitor: evil\r\nCookie: anteroom-main=1\r\n\r\n",
        )
        .await;
    assert!(client.message().await.starts_with("HTTP/1.1 200"));
    let seen = coming.recv().await.unwrap().to_ascii_lowercase();
    let (_, trailers) = seen.split_once("\r\n0\r\n").unwrap();
    assert_eq!(trailers, "x-sum: 42\r\n\r\n", "{seen}");
}

#[tokio::test]
async fn a_client_that_expects_a_continue_gets_one_once_the_origin_is_there() {
    let (origin, heads) = Origin::recording(crate::support::OK).await;
    let front = Front::before(origin.addr);
    let mut client = front.client().await;
    client
        .send("POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 5\r\nExpect: 100-continue\r\n\r\n")
        .await;
    assert_eq!(client.head().await, "HTTP/1.1 100 Continue\r\n\r\n");
    client.send("hello").await;
    assert!(client.message().await.starts_with("HTTP/1.1 200"));
    assert!(heads.lock().unwrap()[0].ends_with("hello"));
}
