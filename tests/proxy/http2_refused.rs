//! HTTP/2 towards the origin: streams that are refused, reset and broken off, on either side.

use std::sync::Arc;
use std::sync::Mutex;
use std::sync::atomic::AtomicUsize;
use std::sync::atomic::Ordering;

use anteroom::proxy::OriginErrorKind;
use bytes::Bytes;
use http::Response;
use http_body::Frame;

use crate::http2_support::DATA;
use crate::http2_support::GET;
use crate::http2_support::GOAWAY;
use crate::http2_support::HEADERS;
use crate::http2_support::Heard;
use crate::http2_support::POST;
use crate::http2_support::RST_STREAM;
use crate::http2_support::before;
use crate::http2_support::begin;
use crate::http2_support::frame;
use crate::http2_support::frames_until;
use crate::http2_support::full;
use crate::http2_support::origin;
use crate::http2_support::pieces;
use crate::http2_support::settings;
use crate::http2_support::speak;
use crate::support::Front;
use crate::support::Origin;
use crate::support::one_worker;
use crate::support::soon;
use crate::support::until;

/// An origin that says on its first connection what these bytes say once a request has come, and behaves on others.
async fn origin_that_first_says(
    says: impl Fn(u32) -> Vec<u8> + Clone + Send + Sync + 'static,
    heard: &Heard,
) -> Origin {
    let heard = heard.clone();
    Origin::start(move |mut connection, index| {
        let (heard, says) = (heard.clone(), says.clone());
        async move {
            if index > 0 {
                return speak(connection, None, move |request| {
                    let heard = heard.clone();
                    Box::pin(async move {
                        heard.hear(request).await;
                        Response::new(full("ok"))
                    })
                })
                .await;
            }
            begin(&mut connection).await;
            let (stream, _) = frames_until(&mut connection, HEADERS).await;
            connection.send(says(stream)).await;
            connection.rest().await;
        }
    })
    .await
}

fn goaway(last_stream: u32, reason: u32) -> Vec<u8> {
    let payload = [last_stream.to_be_bytes(), reason.to_be_bytes()].concat();
    frame(GOAWAY, 0, 0, &payload)
}

#[tokio::test]
async fn what_the_origin_did_not_process_goes_out_again_with_its_body() {
    type Says = fn(u32) -> Vec<u8>;
    let says: [Says; 3] = [
        |_| goaway(0, 0),
        // With an error.
        |_| goaway(0, 11),
        // REFUSED_STREAM, and then it leaves: so the next try meets another connection.
        |stream| {
            [
                frame(RST_STREAM, 0, stream, &7_u32.to_be_bytes()),
                goaway(stream, 0),
            ]
            .concat()
        },
    ];
    for says in says {
        let heard = Heard::default();
        let origin = origin_that_first_says(says, &heard).await;
        let front = before(&origin);
        let answer = front.ask(POST).await;
        assert!(answer.ends_with("ok"), "{answer}");
        assert_eq!(front.errors(), []);
        let all = heard.all();
        let bodies: Vec<_> = all.iter().map(|(_, body, _)| body.clone()).collect();
        assert_eq!(bodies, ["hello"]);
        assert_eq!(all[0].0.uri, "http://a.example/x");
        assert_eq!(all[0].0.headers["content-length"], "5");
    }
}

#[tokio::test]
async fn what_the_origin_may_have_processed_does_not_go_out_again() {
    type Says = fn(u32) -> Vec<u8>;
    let says: [Says; 2] = [
        // INTERNAL_ERROR of the stream.
        |stream| frame(RST_STREAM, 0, stream, &2_u32.to_be_bytes()),
        // It goes, the stream was among those it knows, and it ends without an answer.
        |stream| [goaway(stream, 2), vec![0xff; 64]].concat(),
    ];
    for says in says {
        let heard = Heard::default();
        let origin = origin_that_first_says(says, &heard).await;
        let front = before(&origin);
        let answer = front.ask(POST).await;
        assert!(answer.starts_with("HTTP/1.1 502 "), "{answer}");
        assert_eq!(front.errors(), [(OriginErrorKind::Broken, true)]);
        assert_eq!(origin.connections(), 1);
    }
}

#[tokio::test]
async fn an_origin_that_refuses_for_ever_is_asked_a_few_times_and_no_more() {
    let refused = Arc::new(AtomicUsize::new(0));
    let counting = Arc::clone(&refused);
    let origin = Origin::start(move |mut connection, _| {
        let counting = Arc::clone(&counting);
        async move {
            begin(&mut connection).await;
            loop {
                let (stream, _) = frames_until(&mut connection, HEADERS).await;
                counting.fetch_add(1, Ordering::Relaxed);
                let reset = frame(RST_STREAM, 0, stream, &7_u32.to_be_bytes());
                connection.send(reset).await;
            }
        }
    })
    .await;
    let front = before(&origin);
    assert!(front.ask(GET).await.starts_with("HTTP/1.1 502 "));
    assert_eq!(front.errors(), [(OriginErrorKind::Broken, false)]);
    assert_eq!(refused.load(Ordering::Relaxed), 3);
}

#[tokio::test]
async fn requests_on_a_connection_that_is_left_end_there_and_new_ones_go_elsewhere() {
    let origin = Origin::start(|mut connection, index| async move {
        if index > 0 {
            return speak(connection, None, |_| {
                Box::pin(async { Response::new(full("new")) })
            })
            .await;
        }
        begin(&mut connection).await;
        let (stream, _) = frames_until(&mut connection, HEADERS).await;
        // Headers (`:status: 200` of the static table), then the notice, and the body much later.
        connection.send(frame(HEADERS, 4, stream, &[0x88])).await;
        connection.send(goaway(stream, 0)).await;
        // The client acknowledges nothing of that; but another request has come to another connection by then.
        connection.send(frame(DATA, 0, stream, b"old ")).await;
        let mut wait = tokio::time::interval(std::time::Duration::from_millis(5));
        for _ in 0..4 {
            wait.tick().await;
        }
        connection.send(frame(DATA, 1, stream, b"end")).await;
        connection.rest().await;
    })
    .await;
    let front = before(&origin);
    let mut client = front.client().await;
    client.send(GET).await;
    assert!(client.head().await.starts_with("HTTP/1.1 200 "));
    assert!(front.ask(GET).await.ends_with("new"));
    let mut text = String::new();
    while !text.ends_with("0\r\n\r\n") {
        text.push_str(&client.line().await);
    }
    assert!(text.contains("old ") && text.contains("end"), "{text}");
    assert_eq!(origin.connections(), 2);
}

#[tokio::test]
async fn an_answer_that_is_reset_without_an_error_before_its_end_is_not_whole() {
    let origin = Origin::start(|mut connection, _| async move {
        begin(&mut connection).await;
        let (stream, _) = frames_until(&mut connection, HEADERS).await;
        connection.send(frame(HEADERS, 4, stream, &[0x88])).await;
        connection.send(frame(DATA, 0, stream, b"half")).await;
        let reset = frame(RST_STREAM, 0, stream, &0_u32.to_be_bytes());
        connection.send(reset).await;
        connection.rest().await;
    })
    .await;
    let front = before(&origin);
    let mut client = front.client().await;
    client.send(GET).await;
    let answer = String::from_utf8(client.rest().await).unwrap();
    assert!(answer.contains("half"), "{answer}");
    assert!(!answer.contains("\r\n0\r\n"), "{answer}");
}

#[tokio::test]
async fn the_stream_is_reset_when_the_client_goes_away_and_the_connection_lives() {
    let resets = Arc::<Mutex<Vec<u32>>>::default();
    let begun = Arc::new(AtomicUsize::new(0));
    let (counting, seeing) = (Arc::clone(&resets), Arc::clone(&begun));
    let origin = Origin::start(move |mut connection, _| {
        let (counting, seen) = (Arc::clone(&counting), Arc::clone(&seeing));
        async move {
            begin(&mut connection).await;
            loop {
                frames_until(&mut connection, HEADERS).await;
                seen.fetch_add(1, Ordering::Relaxed);
                let (_, payload) = frames_until(&mut connection, RST_STREAM).await;
                let reason = u32::from_be_bytes(payload.try_into().unwrap());
                counting.lock().unwrap().push(reason);
            }
        }
    })
    .await;
    let front = before(&origin);
    let upload = "POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 9\r\n\r\nhalf";
    for (count, request) in [GET, upload].into_iter().enumerate() {
        let mut client = front.client().await;
        client.send(request).await;
        until(|| begun.load(Ordering::Relaxed) == count + 1).await;
        drop(client);
        until(|| resets.lock().unwrap().len() == count + 1).await;
    }
    // CANCEL (RFC 9113 §7).
    assert_eq!(*resets.lock().unwrap(), [8, 8]);
    assert_eq!(origin.connections(), 1);
}

#[tokio::test]
async fn a_body_that_nobody_wants_any_more_is_cut_off_when_the_answer_is_over() {
    let (reset, was_reset) = tokio::sync::oneshot::channel();
    let reset = Arc::new(Mutex::new(Some(reset)));
    let origin = Origin::start(move |mut connection, _| {
        let reset = Arc::clone(&reset);
        async move {
            begin(&mut connection).await;
            let (stream, _) = frames_until(&mut connection, HEADERS).await;
            // `:status: 404`, and that is all.
            connection.send(frame(HEADERS, 5, stream, &[0x8d])).await;
            let (_, payload) = frames_until(&mut connection, RST_STREAM).await;
            let sender = reset.lock().unwrap().take().unwrap();
            sender.send(payload).unwrap();
        }
    })
    .await;
    let front = before(&origin);
    let mut client = front.client().await;
    client
        .send("POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 9\r\n\r\nhalf")
        .await;
    let head = client.head().await;
    assert!(head.starts_with("HTTP/1.1 404 "), "{head:?}");
    assert_eq!(soon(was_reset).await.unwrap(), 8_u32.to_be_bytes());
}

#[tokio::test]
async fn an_upgrade_finds_nothing_to_upgrade_in_cleartext() {
    let origin = origin(|_| Box::pin(async { Response::new(full("ok")) })).await;
    let front = before(&origin);
    let answer = front
        .ask("GET /ws HTTP/1.1\r\nHost: a\r\nConnection: upgrade\r\nUpgrade: websocket\r\n\r\n")
        .await;
    assert!(answer.contains("upgrades are not offered"), "{answer}");
    assert_eq!(front.errors(), [(OriginErrorKind::Upgrade, false)]);
    assert_eq!(origin.connections(), 0);
}

#[tokio::test]
async fn a_drain_waits_for_a_stream_and_not_for_its_connection() {
    let (going, body) = pieces();
    let body = Arc::new(Mutex::new(Some(body)));
    let origin = origin(move |_| {
        let body = body.lock().unwrap().take();
        Box::pin(async { Response::new(body.unwrap_or_else(|| full("ok"))) })
    })
    .await;
    let mut front = before(&origin);
    let mut client = front.client().await;
    client.send(GET).await;
    client.head().await;
    let running = front.running.take().unwrap();
    running.drain(crate::support::PATIENCE);
    soon(going.send(Frame::data(Bytes::from_static(b"last"))))
        .await
        .unwrap();
    drop(going);
    let rest = String::from_utf8(client.rest().await).unwrap();
    assert!(rest.ends_with("last\r\n0\r\n\r\n"), "{rest}");
    let drained = soon(running.ended()).await;
    assert_eq!(drained.cut, 0);
}

#[tokio::test]
async fn an_origin_that_is_not_there_is_an_error_for_all_who_wait_for_the_connection() {
    let origin = origin(|_| Box::pin(async { Response::new(full("ok")) })).await;
    let front = before(&origin);
    drop(origin);
    let asking: Vec<_> = (0..4).map(|_| front.ask(GET)).collect();
    for answer in futures_util::future::join_all(asking).await {
        assert!(answer.starts_with("HTTP/1.1 502 "), "{answer}");
    }
}

#[tokio::test]
async fn a_further_connection_that_is_not_taken_leaves_requests_waiting_for_a_stream() {
    let (going, body) = pieces();
    let body = Arc::new(Mutex::new(Some(body)));
    let origin = Origin::start(move |connection, index| {
        let body = Arc::clone(&body);
        async move {
            if index > 0 {
                return;
            }
            speak(connection, Some(1), move |_| {
                let body = body.lock().unwrap().take();
                Box::pin(async { Response::new(body.unwrap_or_else(|| full("ok"))) })
            })
            .await;
        }
    })
    .await;
    let mut settings = settings(&origin);
    settings.timeouts.room = crate::support::PATIENCE;
    let front = Front::start(one_worker(), settings);
    let mut first = front.client().await;
    first.send(GET).await;
    first.head().await;
    let mut second = front.client().await;
    second.send(GET).await;
    until(|| origin.connections() == 2).await;
    let mut third = front.client().await;
    third.send(GET).await;
    drop(going);
    for mut client in [second, third] {
        assert!(client.message().await.ends_with("ok"));
    }
    assert_eq!(front.errors(), []);
}
