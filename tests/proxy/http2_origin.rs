//! HTTP/2 towards the origin: what reaches it, and what comes back.

use std::sync::Arc;
use std::sync::atomic::AtomicUsize;
use std::sync::atomic::Ordering;
use std::time::Duration;

use anteroom::proxy::OriginErrorKind;
use bytes::Bytes;
use http::HeaderMap;
use http::Request;
use http::Response;
use http_body::Frame;
use http_body_util::BodyExt;

use crate::http2_support::GET;
use crate::http2_support::Heard;
use crate::http2_support::before;
use crate::http2_support::client;
use crate::http2_support::full;
use crate::http2_support::origin;
use crate::http2_support::pieces;
use crate::http2_support::settings;
use crate::http2_support::speak;
use crate::support::Front;
use crate::support::Origin;
use crate::support::header;
use crate::support::one_worker;
use crate::support::soon;
use crate::support::until;

#[tokio::test]
async fn a_request_of_http1_reaches_the_origin_as_http2_says_it() {
    let heard = Heard::default();
    let hearing = heard.clone();
    let origin = origin(move |request| {
        let hearing = hearing.clone();
        Box::pin(async move {
            hearing.hear(request).await;
            Response::builder()
                .header("x-answer", "yes")
                .body(full("ok"))
                .unwrap()
        })
    })
    .await;
    let front = before(&origin);
    let answer = front
        .ask(
            "POST /x?y HTTP/1.1\r\nHost: a.example:8080\r\nConnection: keep-alive, x-hop, te\r\nKeep-Alive: 5\r\n\
             X-Hop: 1\r\nProxy-Connection: close\r\nTE: trailers, gzip\r\nCookie: a=1; anteroom-main=t\r\n\
             Upgrade: h2c\r\nTransfer-Encoding: chunked\r\nTrailer: x-sum\r\n\r\n\
             5\r\nhello\r\n0\r\nx-sum: 7\r\nHost: b\r\n\r\n",
        )
        .await;
    assert!(answer.starts_with("HTTP/1.1 200 "), "{answer}");
    assert!(answer.ends_with("ok"), "{answer}");
    assert_eq!(header(&answer, "x-answer"), Some("yes"));
    let all = heard.all();
    let (parts, body, trailers) = all.first().unwrap();
    assert_eq!(parts.uri, "http://a.example:8080/x?y");
    assert_eq!(body, "hello");
    let trailers = trailers.clone().unwrap();
    assert_eq!(
        (trailers.len(), &trailers["x-sum"]),
        (1, &"7".parse().unwrap())
    );
    let mut names: Vec<_> = parts.headers.keys().map(|name| name.as_str()).collect();
    names.sort_unstable();
    let expected = [
        "anteroom-visitor",
        "cookie",
        "forwarded",
        "te",
        "trailer",
        "via",
        "x-forwarded-for",
        "x-forwarded-host",
        "x-forwarded-proto",
    ];
    assert_eq!(names, expected);
    assert_eq!(parts.headers["te"], "trailers");
    assert_eq!(parts.headers["cookie"], "a=1");
    assert_eq!(parts.headers["via"], "1.1 anteroom");
}

#[tokio::test]
async fn lengths_and_answers_without_a_body_are_as_the_origin_tells_them() {
    let origin = origin(|request| {
        Box::pin(async move {
            let (status, length) = match request.uri().path() {
                "/204" => (204, None),
                "/304" => (304, None),
                "/head" => (200, Some("9")),
                _ => (200, Some("2")),
            };
            let body = if status == 200 && request.method() != "HEAD" {
                full("ok")
            } else {
                full("")
            };
            let mut answer = Response::builder().status(status);
            if let Some(length) = length {
                answer = answer.header("content-length", length);
            }
            answer.body(body).unwrap()
        })
    })
    .await;
    let front = before(&origin);
    let mut client = front.client().await;
    for (line, status, length) in [
        ("GET /204", "204", None),
        ("GET /304", "304", None),
        ("HEAD /head", "200", Some("9")),
        ("GET /", "200", Some("2")),
    ] {
        client
            .send(format!("{line} HTTP/1.1\r\nHost: a\r\n\r\n"))
            .await;
        let head = client.head().await;
        assert!(head.starts_with(&format!("HTTP/1.1 {status} ")), "{head}");
        assert_eq!(header(&head, "content-length"), length, "{line}");
    }
    // The body of the last one; the connection had no other.
    assert_eq!(client.bytes(2).await, b"ok");
    assert_eq!(origin.connections(), 1);
}

#[tokio::test]
async fn a_host_that_http2_cannot_tell_is_refused_and_not_changed() {
    let origin = origin(|_| Box::pin(async { Response::new(full("ok")) })).await;
    let front = before(&origin);
    let answer = front.ask("GET / HTTP/1.1\r\nHost: a%41\r\n\r\n").await;
    assert!(answer.contains("invalid host"), "{answer}");
    assert_eq!(front.errors(), [(OriginErrorKind::Host, false)]);
}

#[tokio::test]
async fn a_call_streams_both_ways_at_once_and_ends_with_trailers() {
    let origin = origin(|request| {
        Box::pin(async move {
            let (going, answer) = pieces();
            tokio::spawn(async move {
                let mut body = request.into_body();
                while let Some(Ok(frame)) = body.frame().await {
                    going.send(frame).await.unwrap();
                }
                let mut trailers = HeaderMap::new();
                trailers.insert("grpc-status", "0".parse().unwrap());
                going.send(Frame::trailers(trailers)).await.unwrap();
            });
            Response::new(answer)
        })
    })
    .await;
    let front = before(&origin);
    let mut client = client(&front).await;
    let (going, body) = pieces();
    let request = Request::builder()
        .method("POST")
        .uri("http://a.example/echo.Echo/Talk")
        .header("te", "trailers")
        .header("content-type", "application/grpc")
        .body(body)
        .unwrap();
    let mut answer = soon(client.send_request(request)).await.unwrap();
    for word in ["one", "two", "three"] {
        let piece = Frame::data(Bytes::from_static(word.as_bytes()));
        soon(going.send(piece)).await.unwrap();
        let frame = soon(answer.body_mut().frame()).await.unwrap().unwrap();
        assert_eq!(frame.into_data().unwrap(), word);
    }
    drop(going);
    let last = soon(answer.body_mut().frame()).await.unwrap().unwrap();
    assert_eq!(last.into_trailers().unwrap()["grpc-status"], "0");
    assert!(soon(answer.body_mut().frame()).await.is_none());
}

#[tokio::test]
async fn a_large_answer_waits_for_the_client_and_nobody_else_waits_with_it() {
    const PIECE: usize = 16 * 1024;
    const PIECES: usize = 2_048;
    let given = Arc::new(AtomicUsize::new(0));
    let giving = Arc::clone(&given);
    let origin = origin(move |request| {
        let giving = Arc::clone(&giving);
        Box::pin(async move {
            if request.uri().path() == "/x" {
                return Response::new(full("ok"));
            }
            let (going, answer) = pieces();
            tokio::spawn(async move {
                for _ in 0..PIECES {
                    let piece = Frame::data(Bytes::from_static(&[7; PIECE]));
                    going.send(piece).await.unwrap();
                    giving.fetch_add(1, Ordering::Relaxed);
                }
            });
            Response::new(answer)
        })
    })
    .await;
    let front = before(&origin);
    let mut slow = front.client().await;
    slow.send("GET /large HTTP/1.1\r\nHost: a\r\n\r\n").await;
    slow.head().await;
    // It stands still: what is on the way is far less than all of it.
    let mut last = 0;
    until(|| {
        let now = given.load(Ordering::Relaxed);
        let stands = now > 16 && now == last;
        last = now;
        stands
    })
    .await;
    // Others on the same connection go on.
    for _ in 0..20 {
        assert!(front.ask(GET).await.ends_with("ok"));
    }
    assert!(given.load(Ordering::Relaxed) < PIECES);
    assert_eq!(origin.connections(), 1);
    let mut bytes = 0;
    while bytes < PIECE * PIECES {
        let head = slow.line().await;
        let size = usize::from_str_radix(head.trim(), 16).unwrap();
        bytes += slow.bytes(size).await.len();
        slow.line().await;
    }
    assert_eq!(slow.line().await, "0\r\n");
}

#[tokio::test]
async fn as_many_streams_are_used_as_the_origin_allows_and_then_more_connections() {
    let waiting = Arc::new(AtomicUsize::new(0));
    let all_here = Arc::new(tokio::sync::Semaphore::new(0));
    let (counting, releasing) = (Arc::clone(&waiting), Arc::clone(&all_here));
    let origin = Origin::start(move |connection, _| {
        let (counting, releasing) = (Arc::clone(&counting), Arc::clone(&releasing));
        speak(connection, Some(2), move |_| {
            let (counting, releasing) = (Arc::clone(&counting), Arc::clone(&releasing));
            Box::pin(async move {
                counting.fetch_add(1, Ordering::Relaxed);
                releasing.acquire().await.unwrap().forget();
                Response::new(full("ok"))
            })
        })
    })
    .await;
    let front = before(&origin);
    let asking: Vec<_> = (0..6).map(|_| front.ask(GET)).collect();
    let asking = futures_util::future::join_all(asking);
    let releasing = async {
        until(|| waiting.load(Ordering::Relaxed) == 6).await;
        all_here.add_permits(6);
    };
    let (answers, ()) = tokio::join!(asking, releasing);
    for answer in answers {
        assert!(answer.ends_with("ok"), "{answer}");
    }
    assert_eq!(origin.connections(), 3);
    assert_eq!(front.errors(), []);
    // And those are kept.
    all_here.add_permits(1);
    assert!(front.ask(GET).await.ends_with("ok"));
    assert_eq!(origin.connections(), 3);
}

#[tokio::test]
async fn who_finds_no_stream_waits_for_one_and_connections_stay_few() {
    let waiting = Arc::new(AtomicUsize::new(0));
    let leave = Arc::new(tokio::sync::Semaphore::new(0));
    let (counting, leaving) = (Arc::clone(&waiting), Arc::clone(&leave));
    let origin = Origin::start(move |connection, _| {
        let (counting, leaving) = (Arc::clone(&counting), Arc::clone(&leaving));
        speak(connection, Some(1), move |_| {
            let (counting, leaving) = (Arc::clone(&counting), Arc::clone(&leaving));
            Box::pin(async move {
                counting.fetch_add(1, Ordering::Relaxed);
                leaving.acquire().await.unwrap().forget();
                Response::new(full("ok"))
            })
        })
    })
    .await;
    let front = before(&origin);
    let asking = futures_util::future::join_all((0..10).map(|_| front.ask(GET)));
    let letting = async {
        until(|| waiting.load(Ordering::Relaxed) == 8).await;
        leave.add_permits(10);
    };
    let (answers, ()) = tokio::join!(asking, letting);
    for answer in answers {
        assert!(answer.ends_with("ok"), "{answer}");
    }
    assert_eq!(origin.connections(), 8);
}

#[tokio::test]
async fn a_connection_nothing_uses_is_closed_in_time() {
    let (closed, is_closed) = tokio::sync::oneshot::channel();
    let closed = Arc::new(std::sync::Mutex::new(Some(closed)));
    let origin = Origin::start(move |connection, _| {
        let closed = closed.lock().unwrap().take();
        async move {
            speak(connection, None, |_| {
                Box::pin(async { Response::new(full("ok")) })
            })
            .await;
            closed.unwrap().send(()).unwrap();
        }
    })
    .await;
    let mut settings = settings(&origin);
    settings.timeouts.keep = Duration::ZERO;
    let front = Front::start(one_worker(), settings);
    assert!(front.ask(GET).await.ends_with("ok"));
    soon(is_closed).await.unwrap();
}

#[tokio::test]
async fn an_origin_that_speaks_no_http2_is_said_to_and_has_seen_no_request() {
    let (origin, _) =
        Origin::recording("HTTP/1.1 400 Bad Request\r\ncontent-length: 0\r\n\r\n").await;
    let front = before(&origin);
    assert!(front.ask(GET).await.starts_with("HTTP/1.1 502 "));
    assert_eq!(front.errors(), [(OriginErrorKind::Connect, false)]);
    let causes = front.seen.lock().unwrap().causes.clone();
    assert!(
        causes[0].starts_with("the server speaks no http/2"),
        "{causes:?}"
    );
}

#[tokio::test]
async fn a_check_of_health_speaks_what_requests_speak() {
    let heard = Heard::default();
    let hearing = heard.clone();
    let origin = origin(move |request| {
        let hearing = hearing.clone();
        Box::pin(async move {
            hearing.hear(request).await;
            Response::new(full("ok"))
        })
    })
    .await;
    let mut settings = settings(&origin);
    settings.check = Some(anteroom::proxy::HealthCheck {
        path: "/health".parse().unwrap(),
        interval: Duration::from_millis(20),
        timeout: Duration::from_secs(60),
        fail_after: 1,
        pass_after: 1,
    });
    let _front = Front::start(one_worker(), settings);
    until(|| heard.all().len() > 1).await;
    let asked = heard.all()[0].0.uri.to_string();
    assert_eq!(asked, format!("http://{}/health", origin.addr));
}

#[tokio::test]
async fn an_answer_that_has_begun_is_not_cut_while_the_client_still_sends() {
    let origin = origin(|mut request| {
        Box::pin(async move {
            let (sender, body) = pieces();
            tokio::spawn(async move {
                while let Some(Ok(_)) = request.body_mut().frame().await {}
                sender.send(Frame::data(Bytes::from_static(b"end"))).await
            });
            Response::new(body)
        })
    })
    .await;
    let mut settings = settings(&origin);
    settings.timeouts.idle = Duration::from_secs(2);
    let front = Front::start(one_worker(), settings);
    let mut client = front.client().await;
    client
        .send("POST /x HTTP/1.1\r\nHost: a\r\nConnection: close\r\nContent-Length: 12\r\n\r\n")
        .await;
    assert!(client.head().await.starts_with("HTTP/1.1 200 "));
    // For longer than nothing at all may happen.
    let mut pace = tokio::time::interval(Duration::from_millis(250));
    for _ in 0..12 {
        pace.tick().await;
        client.send("x").await;
    }
    let rest = String::from_utf8(client.rest().await).unwrap();
    assert!(rest.contains("end"), "{rest}");
}
