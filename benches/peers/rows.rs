//! What is compared: each row is a kind of request, and who answers it.

use std::net::SocketAddr;
use std::rc::Rc;
use std::time::Duration;

use crate::Used;
use crate::http2;
use crate::once;
use crate::parts::load;
use crate::parts::load::Load;
use crate::places::Place;
use crate::places::Places;

/// A kind of request.
pub(crate) struct Row<'a> {
    pub(crate) name: &'static str,
    pub(crate) goal: &'static str,
    /// anteroom's turn, and its peers'.
    pub(crate) turns: Vec<Turn<'a>>,
}

/// One contender, asked for this long.
pub(crate) struct Turn<'a> {
    pub(crate) name: &'static str,
    pub(crate) ask: Box<dyn Fn(Duration) -> Used + 'a>,
}

type Requests = Rc<Vec<Vec<u8>>>;

/// All rows.
pub(crate) fn all(places: &Places) -> Vec<Row<'_>> {
    let mut rows = in_the_clear(places);
    rows.extend(over_tls(places));
    rows
}

fn in_the_clear(places: &Places) -> Vec<Row<'_>> {
    let Places {
        anteroom, fixed, ..
    } = places;
    let ours = |connections, requests| http1(places, anteroom, connections, requests);
    let h2c = |server: &'_ Place| server.h2c.is_some();
    let mib = get("/mib");
    vec![
        Row {
            name: "admitted, 64 connections",
            goal: "<= 1.00 of both bare, <= 0.95 with their logs",
            turns: admitted(places, 64),
        },
        Row {
            name: "admitted, 512 connections",
            goal: "<= 1.00 of both bare, <= 0.95 with their logs",
            turns: admitted(places, 512),
        },
        Row {
            name: "poll, 64 connections",
            goal: "<= 1.00 of nginx's fixed answer",
            turns: with_peers(
                ours(64, &places.polls),
                places.peers().map(|peer| http1(places, peer, 64, fixed)),
            ),
        },
        Row {
            name: "poll over HTTP/2, 8 connections of 32 streams",
            goal: "<= 0.55 of nginx's fixed answer",
            turns: with_peers(
                over_http2(places, anteroom, false, &places.polls),
                places
                    .peers()
                    .filter(|peer| h2c(peer))
                    .map(|peer| over_http2(places, peer, false, fixed)),
            ),
        },
        Row {
            name: "waiting page, 64 connections",
            goal: "<= 1.30 of the poll",
            turns: vec![
                ours(64, &places.pages),
                Turn {
                    name: "the poll",
                    ..ours(64, &places.polls)
                },
            ],
        },
        Row {
            name: "1 MiB bodies, 16 connections",
            goal: "<= 0.80 of nginx",
            turns: with_peers(
                ours(16, &places.large),
                places.peers().map(|peer| http1(places, peer, 16, &mib)),
            ),
        },
    ]
}

fn over_tls(places: &Places) -> Vec<Row<'_>> {
    vec![
        Row {
            name: "TLS 1.3 handshake and one request",
            goal: "<= 0.50 of nginx",
            turns: each(places, |server, requests| {
                shaking_hands(places, server, requests)
            }),
        },
        Row {
            name: "admitted over TLS, 64 connections",
            goal: "none is named",
            turns: each(places, |server, requests| {
                asked(places, server, (server.tls, true), 64, requests)
            }),
        },
        Row {
            name: "admitted over HTTP/2 and TLS, 8 connections of 32 streams",
            goal: "<= 0.95 of HAProxy",
            turns: each(places, |server, requests| {
                over_http2(places, server, true, requests)
            }),
        },
    ]
}

/// Everybody's turn over TLS: anteroom's listener for it is a process of its own.
fn each<'a>(places: &'a Places, turn: impl Fn(&'a Place, &Requests) -> Turn<'a>) -> Vec<Turn<'a>> {
    let ours = turn(&places.anteroom_tls, &places.admitted_tls);
    let page = get("/x");
    with_peers(ours, places.peers().map(|peer| turn(peer, &page)))
}

/// anteroom with a live pass; its peers bare, and with their logs.
fn admitted(places: &Places, connections: usize) -> Vec<Turn<'_>> {
    let page = get("/x");
    let mut turns = vec![http1(
        places,
        &places.anteroom,
        connections,
        &places.admitted,
    )];
    for peer in places.peers() {
        turns.push(http1(places, peer, connections, &page));
        let logged = asked(places, peer, (peer.logged, false), connections, &page);
        turns.push(Turn {
            name: peer.name_logged,
            ..logged
        });
    }
    turns
}

fn with_peers<'a>(ours: Turn<'a>, peers: impl Iterator<Item = Turn<'a>>) -> Vec<Turn<'a>> {
    std::iter::once(ours).chain(peers).collect()
}

fn http1<'a>(
    places: &'a Places,
    server: &'a Place,
    connections: usize,
    requests: &Requests,
) -> Turn<'a> {
    asked(places, server, (server.plain, false), connections, requests)
}

fn asked<'a>(
    places: &'a Places,
    server: &'a Place,
    (addr, tls): (SocketAddr, bool),
    connections: usize,
    requests: &Requests,
) -> Turn<'a> {
    let requests = Rc::clone(requests);
    let tls = tls.then(|| places.trust(&[b"http/1.1"]));
    let ask = move |span| {
        let load = Load {
            addr,
            tls: tls.clone(),
            connections,
            requests: &requests,
        };
        let run = load::run(&load, server.pid(), span);
        Used {
            cpu_us: run.cpu_us,
            p99_us: run.p99_us,
        }
    };
    Turn {
        name: server.name,
        ask: Box::new(ask),
    }
}

fn over_http2<'a>(
    places: &'a Places,
    server: &'a Place,
    over_tls: bool,
    requests: &Requests,
) -> Turn<'a> {
    let requests = Rc::clone(requests);
    let tls = over_tls.then(|| places.trust(&[b"h2"]));
    let clear = server.h2c.unwrap_or(server.plain);
    let addr = if over_tls { server.tls } else { clear };
    Turn {
        name: server.name,
        ask: Box::new(move |span| http2::run(addr, tls.as_ref(), &requests, server.pid(), span)),
    }
}

fn shaking_hands<'a>(places: &'a Places, server: &'a Place, requests: &Requests) -> Turn<'a> {
    let tls = places.trust(&[b"http/1.1"]);
    let requests = Rc::clone(requests);
    Turn {
        name: server.name,
        ask: Box::new(move |span| once::run(server.tls, &tls, &requests[0], server.pid(), span)),
    }
}

/// One request.
pub(crate) fn get(path: &str) -> Requests {
    let request = format!("GET {path} HTTP/1.1\r\nhost: localhost\r\naccept: */*\r\n\r\n");
    Rc::new(vec![request.into_bytes()])
}
