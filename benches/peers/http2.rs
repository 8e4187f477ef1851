//! HTTP/2 connections with many streams, each of which sends the next request as soon as the last is answered.

use std::cell::Cell;
use std::cell::RefCell;
use std::net::SocketAddr;
use std::rc::Rc;
use std::sync::Arc;
use std::time::Duration;

use anteroom::clock;
use bytes::Bytes;
use http::Request;
use http_body_util::BodyExt as _;
use http_body_util::Empty;
use hyper::client::conn::http2;
use hyper_util::rt::TokioIo;
use rustls::ClientConfig;

use crate::Used;
use crate::parts::load;
use crate::parts::load::Load;
use crate::parts::pin;

const CONNECTIONS: usize = 8;
const STREAMS: usize = 32;

/// Asks for this long. The requests are given as HTTP/1.1 has them.
///
/// # Panics
/// When an answer is not a 200: what is measured would be something else.
pub(crate) fn run(
    addr: SocketAddr,
    tls: Option<&Arc<ClientConfig>>,
    requests: &Rc<Vec<Vec<u8>>>,
    pid: u32,
    span: Duration,
) -> Used {
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()
        .expect("a runtime");
    let scheme = if tls.is_some() { "https" } else { "http" };
    let requests: Rc<Vec<_>> = Rc::new(requests.iter().map(|text| parse(text, scheme)).collect());
    let times = Rc::new(RefCell::new(Vec::new()));
    let at = Rc::new(Cell::new(0));
    let local = tokio::task::LocalSet::new();
    let cpu_us = local.block_on(&runtime, async {
        let mut senders = Vec::new();
        for _ in 0..CONNECTIONS {
            let load = Load {
                addr,
                tls: tls.cloned(),
                connections: 1,
                requests: &Rc::default(),
            };
            let stream = TokioIo::new(load::connect(&load).await);
            let (sender, connection) = http2::handshake(LocalExecutor, stream)
                .await
                .expect("a connection");
            tokio::task::spawn_local(connection);
            senders.push(sender);
        }
        let before = pin::cpu_us(pid);
        let until = clock::monotonic() + span;
        let streams = senders
            .iter()
            .flat_map(|sender| (0..STREAMS).map(move |_| sender.clone()));
        let tasks: Vec<_> = streams
            .map(|mut sender| {
                let (requests, times, at) =
                    (Rc::clone(&requests), Rc::clone(&times), Rc::clone(&at));
                tokio::task::spawn_local(async move {
                    while clock::monotonic() < until {
                        let began = clock::monotonic();
                        let request = requests[at.replace(at.get() + 1) % requests.len()].clone();
                        sender.ready().await.expect("a connection");
                        let answer = sender.send_request(request).await.expect("an answer");
                        assert_eq!(answer.status(), 200);
                        answer.into_body().collect().await.expect("its body");
                        times.borrow_mut().push(clock::monotonic() - began);
                    }
                })
            })
            .collect();
        for task in tasks {
            task.await.expect("a stream that was answered");
        }
        pin::cpu_us(pid) - before
    });
    let mut times = times.take();
    times.sort_unstable();
    Used {
        cpu_us: cpu_us / load::count(times.len()),
        p99_us: times[(times.len() - 1) * 99 / 100].as_secs_f64() * 1e6,
    }
}

/// Tasks of a connection stay on its thread.
#[derive(Clone, Copy)]
struct LocalExecutor;

impl<F: Future + 'static> hyper::rt::Executor<F> for LocalExecutor {
    fn execute(&self, task: F) {
        drop(tokio::task::spawn_local(async move { drop(task.await) }));
    }
}

/// A request as HTTP/2 has it.
fn parse(text: &[u8], scheme: &str) -> Request<Empty<Bytes>> {
    let text = String::from_utf8(text.to_vec()).expect("text");
    let mut lines = text.split("\r\n");
    let path = lines
        .next()
        .and_then(|line| line.split(' ').nth(1))
        .expect("a request line");
    let mut request = Request::get(format!("{scheme}://localhost{path}"));
    for (name, value) in lines.filter_map(|line| line.split_once(": ")) {
        if name != "host" {
            request = request.header(name, value);
        }
    }
    request.body(Empty::new()).expect("a request")
}
