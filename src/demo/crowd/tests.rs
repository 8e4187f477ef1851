//! The crowd over real HTTP: at the real portal, and at a site that plays a waiting room's side by a script.

use std::convert::Infallible;
use std::net::IpAddr;
use std::net::Ipv4Addr;
use std::sync::atomic::AtomicU64;
use std::sync::atomic::Ordering;

use bytes::Bytes;
use http::Request;
use http::Response;
use http_body_util::Full;
use hyper::body::Incoming;
use hyper::service::service_fn;
use hyper_util::rt::TokioIo;
use tokio::net::TcpListener;

use super::*;
use crate::clock;
use crate::demo::portal::Capacity;
use crate::demo::portal::Portal;

const LOCAL: SocketAddr = SocketAddr::new(IpAddr::V4(Ipv4Addr::LOCALHOST), 0);
const MS: Duration = Duration::from_millis(1);

fn hasty() -> Habits {
    let short = (MS, MS * 3);
    Habits {
        away: short,
        first_poll: short,
        press: short,
        think: short,
        reload: short,
        ..Habits::steady()
    }
}

fn plan(server: SocketAddr, visitors: u32) -> Plan {
    Plan {
        servers: vec![server],
        host: "portal.test".to_owned(),
        room: None,
        visitors,
        within: MS * 50,
        seed: 3,
        connections_max: 8,
        patience: Duration::from_secs(10),
        habits: hasty(),
    }
}

async fn played(plan: Plan) -> Tally {
    let crowd = Crowd::start(plan).unwrap();
    let deadline = clock::monotonic() + Duration::from_secs(60);
    while !crowd.is_through() {
        assert!(clock::monotonic() < deadline, "{:?}", crowd.tally());
        time::sleep(MS * 5).await;
    }
    crowd.tally()
}

#[tokio::test]
async fn every_visitor_books_at_a_portal_that_can_carry_them() {
    let capacity = Capacity {
        work: MS,
        ..Capacity::clinic(40)
    };
    let portal = Portal::start(LOCAL, capacity).unwrap();
    let tally = played(plan(portal.addr(), 50)).await;
    assert_eq!((tally.booked, tally.sold_out), (40, 10), "{tally:?}");
    assert_eq!(
        (tally.entered, tally.straight_in, tally.waiting),
        (50, 50, 0)
    );
    assert_eq!(
        (tally.unnumbered, tally.server_errors(), tally.unanswered),
        (0, 0, 0)
    );
    let figures = portal.figures();
    assert_eq!((figures.entries, figures.booked), (50, 40));
    assert!(figures.connections_peak <= 8, "{figures:?}");
}

#[tokio::test]
async fn visitors_give_up_on_a_portal_that_stays_down() {
    let capacity = Capacity {
        connections_max: 0,
        ..Capacity::connections_only(0)
    };
    let portal = Portal::start(LOCAL, capacity).unwrap();
    let mut plan = plan(portal.addr(), 5);
    plan.habits.reloads_max = 2;
    let tally = played(plan).await;
    assert_eq!((tally.gave_up, tally.entered), (5, 0));
    assert_eq!(tally.server_errors(), 15);
}

/// What the scripted site answers: the number's page, the line's state, the portal's pages once a pass is there.
fn scripted(req: &Request<Incoming>, next: &AtomicU64, polls: &AtomicU64) -> Response<Full<Bytes>> {
    let cookies = req
        .headers()
        .get("cookie")
        .map(|value| value.to_str().unwrap().to_owned());
    let cookies = cookies.unwrap_or_default();
    let resp = Response::builder();
    let ticket = cookies
        .split("; ")
        .find_map(|pair| pair.strip_prefix("ticket="));
    let (resp, body) = match (req.uri().path(), ticket) {
        ("/.anteroom/r/status", Some(number)) => {
            let even = polls.fetch_add(1, Ordering::Relaxed).is_multiple_of(2);
            let state = if even { "waiting" } else { "turn" };
            let json = format!(r#"{{"state":"{state}","number":{number},"poll_ms":2}}"#);
            (resp, json)
        }
        ("/.anteroom/r/enter", Some(number)) => {
            assert_eq!(req.headers()["origin"], "http://portal.test");
            let resp = resp.header("set-cookie", "pass=1; Path=/");
            (resp, format!(r#"{{"state":"entered","number":{number}}}"#))
        }
        (_, Some(number)) if cookies.contains("pass=1") => {
            let resp = resp
                .header("anteroom-state", "entered")
                .header("anteroom-number", number);
            (resp, "Your appointment is booked VAX-1".to_owned())
        }
        (_, Some(number)) => {
            let resp = resp
                .header("anteroom-state", "late")
                .header("anteroom-number", number);
            (resp, String::new())
        }
        (_, None) => {
            assert_eq!(req.headers()["sec-fetch-mode"], "navigate");
            let number = next.fetch_add(1, Ordering::Relaxed);
            let resp = resp
                .header("anteroom-state", "waiting")
                .header("anteroom-number", number);
            (
                resp.header("set-cookie", format!("ticket={number}; Path=/")),
                String::new(),
            )
        }
    };
    resp.body(Full::from(body)).unwrap()
}

/// A site that answers by the script; two of them share their numbers as replicas do.
async fn site(next: Arc<AtomicU64>) -> SocketAddr {
    let listener = TcpListener::bind(LOCAL).await.unwrap();
    let addr = listener.local_addr().unwrap();
    let polls = Arc::new(AtomicU64::new(0));
    tokio::spawn(async move {
        loop {
            let (stream, _) = listener.accept().await.unwrap();
            let (next, polls) = (Arc::clone(&next), Arc::clone(&polls));
            tokio::spawn(async move {
                let service = service_fn(|req| {
                    let resp = scripted(&req, &next, &polls);
                    async { Ok::<_, Infallible>(resp) }
                });
                let http = hyper::server::conn::http1::Builder::new();
                drop(http.serve_connection(TokioIo::new(stream), service).await);
            });
        }
    });
    addr
}

#[tokio::test]
async fn a_crowd_reads_its_numbers_waits_presses_and_books() {
    let next = Arc::new(AtomicU64::new(1));
    let replicas = vec![site(Arc::clone(&next)).await, site(next).await];
    let mut plan = plan(replicas[0], 60);
    plan.servers = replicas;
    plan.room = Some("r".to_owned());
    let tally = played(plan).await;
    let numbering = tally.numbering();
    assert_eq!(
        (numbering.distinct, numbering.lowest, numbering.highest),
        (60, 1, 60)
    );
    assert_eq!(
        (tally.booked, tally.entered, tally.straight_in),
        (60, 60, 0),
        "{tally:?}"
    );
    assert_eq!(
        (tally.unnumbered, tally.lost_place, tally.thrown_out),
        (0, 0, 0)
    );
    assert!(tally.wait(50) <= tally.wait(95));
}

#[tokio::test]
async fn some_vanish_and_some_come_back_late() {
    let mut plan = plan(site(Arc::new(AtomicU64::new(1))).await, 100);
    plan.room = Some("r".to_owned());
    plan.habits.vanish_percent = 30;
    plan.habits.late_percent = 30;
    let first = played(plan.clone()).await;
    assert!((15..=45).contains(&first.vanished), "{first:?}");
    assert_eq!(first.vanished + first.booked, 100);
    assert_eq!(first.entered, first.booked);
    let again = played(plan).await;
    assert_eq!(
        first.vanished, again.vanished,
        "the same seed plays the same crowd"
    );
}

#[test]
fn arrivals_keep_their_order_and_their_time() {
    let mut plan = plan(LOCAL, 1_000);
    plan.within = Duration::from_secs(60);
    let times: Vec<_> = (0..1_000).map(|index| arrival(&plan, index)).collect();
    assert!(times.is_sorted());
    assert!(times[999] <= plan.within);
    assert!(times[500] > Duration::from_secs(29) && times[500] < Duration::from_secs(31));
}
