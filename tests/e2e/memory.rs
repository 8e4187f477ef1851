//! The embedded store survives a power cut under load: no number twice, every ticket keeps its number.

use std::collections::BTreeMap;
use std::net::SocketAddr;
use std::sync::Mutex;
use std::sync::atomic::AtomicBool;
use std::sync::atomic::Ordering;
use std::thread;

use crate::stage::APP;
use crate::stage::MANY;
use crate::stage::Over;
use crate::stage::SOON;
use crate::stage::Stage;
use crate::stage::Ticket;
use crate::stage::Toml;
use crate::stage::call;
use crate::stage::enter;
use crate::stage::join;
use crate::stage::status;
use crate::stage::ticket;
use crate::support::http::Kept;
use crate::support::wait_for;

/// How often the power goes.
const CUTS: usize = 3;
/// Clients that join at once.
const CLIENTS: usize = 3;
/// Tickets held before the power goes.
const JOINS: usize = 100;

#[test]
fn a_line_survives_power_cuts_under_load() {
    let mut stage = Stage::new(&Toml {
        room: "active_max = 1",
        more: "[store]\nurl = \"memory:\"\npath = \"line\"",
        ..Toml::rate(MANY)
    });
    let pass = enter(stage.addr(), &join(stage.addr()).text);
    let mut held: BTreeMap<u64, Ticket> = BTreeMap::new();
    let mut serving = 0;
    for cut in 0..CUTS {
        let addr = stage.addr();
        let fresh = Mutex::new(Vec::new());
        let over = AtomicBool::new(false);
        thread::scope(|scope| {
            let _ending = Over(&over);
            for _ in 0..CLIENTS {
                scope.spawn(|| join_until_the_end(addr, &fresh, &over));
            }
            wait_for("many hold tickets", SOON, || {
                (fresh.lock().unwrap().len() >= JOINS).then_some(())
            });
            stage.anteroom.kill();
        });
        for ticket in fresh.into_inner().unwrap() {
            let other = held.insert(ticket.number, ticket);
            assert_eq!(other, None, "a number twice after {cut} cuts");
        }
        stage.anteroom.restart();
        for (number, ticket) in &held {
            let body = status(addr, &ticket.text);
            assert_eq!(body["number"], *number, "{body}");
            assert_eq!(body["final"], false, "{body}");
            let now = body["serving"].as_u64().unwrap();
            assert!(now >= serving, "called up to {serving}, and then to {now}");
            serving = now;
            let place = body["place"].as_u64().unwrap_or(0);
            assert_eq!(place, number.saturating_sub(serving), "{body}");
        }
        assert_eq!(call(addr, "/booking/", &pass).text(), "the portal");
    }
}

/// Joins as fast as it can until the other side is gone.
fn join_until_the_end(addr: SocketAddr, fresh: &Mutex<Vec<Ticket>>, over: &AtomicBool) {
    let Ok(mut line) = Kept::connect(addr) else {
        return;
    };
    while !over.load(Ordering::Relaxed)
        && let Ok(reply) = line.request("POST /.anteroom/main/join", &[APP])
    {
        if reply.json()["number"].is_u64() {
            fresh.lock().unwrap().push(ticket(&reply));
        }
    }
}
