//! The primary dies while people come: two replicas go on with the one that the sentinels put in its place.

use std::collections::BTreeSet;
use std::sync::atomic::AtomicBool;
use std::thread;

use tempfile::TempDir;

use crate::redis::come;
use crate::stage::MANY;
use crate::stage::Over;
use crate::stage::SOON;
use crate::stage::Toml;
use crate::stage::call;
use crate::stage::enter;
use crate::stage::join;
use crate::stage::shared;
use crate::stage::status;
use crate::support::anteroom::Anteroom;
use crate::support::machines::Watched;
use crate::support::origin::Origin;
use crate::support::wait_for;

#[test]
fn a_fail_over_costs_nobody_a_place_and_issues_no_number_twice() {
    let mut watched = Watched::start("");
    let origin = Origin::start();
    let keys = TempDir::new().unwrap();
    let more = shared(&watched.url(), &keys);
    let toml = Toml {
        room: "active_max = 1",
        more: &more,
        ..Toml::rate(MANY)
    };
    let start = || Anteroom::start(|place| toml.text(place, origin.addr()));
    let replicas = [start(), start()];
    let addrs = [replicas[0].addr(), replicas[1].addr()];
    let pass = enter(addrs[0], &join(addrs[0]).text);
    let mut tickets: Vec<_> = (0..6).map(|at| join(addrs[at % 2])).collect();
    let over = AtomicBool::new(false);
    thread::scope(|scope| {
        let (over, ending) = (&over, Over(&over));
        let coming = addrs.map(|addr| scope.spawn(move || come(addr, over)));
        // What those who came last were told is not with the other server.
        watched.primary.ask::<u64>("WAIT 1 10000");
        watched.replica.freeze();
        watched.primary.ask::<u64>("CLIENT KILL TYPE replica");
        let unsaved = join(addrs[1]);
        watched.primary.kill();
        watched.replica.thaw();
        for replica in &replicas {
            wait_for("its store is away", SOON, || {
                (replica.readyz().status == 503).then_some(())
            });
        }
        assert_eq!(call(addrs[1], "/booking/", &pass).text(), "the portal");
        for replica in &replicas {
            wait_for("the line goes on", SOON, || {
                (replica.readyz().status == 200).then_some(())
            });
        }
        assert_eq!(watched.replica.info("role"), "master");
        tickets.push(unsaved);
        tickets.extend(addrs.map(join));
        drop(ending);
        for one in coming {
            let (came, turned_away) = one.join().unwrap();
            assert!(turned_away > 0);
            tickets.extend(came);
        }
    });
    for replica in &replicas {
        let log = replica.log_all();
        let found = log.matches("found the server that has the line").count();
        assert_eq!(found, 2, "{log}");
        assert!(log.contains(&watched.replica.addr()), "{log}");
    }
    let numbers: BTreeSet<_> = tickets.iter().map(|ticket| ticket.number).collect();
    assert_eq!(numbers.len(), tickets.len(), "a number twice");
    for addr in addrs {
        assert_eq!(call(addr, "/booking/", &pass).text(), "the portal");
        for ticket in tickets.iter().step_by(40) {
            assert_eq!(status(addr, &ticket.text)["number"], ticket.number);
        }
    }
}
