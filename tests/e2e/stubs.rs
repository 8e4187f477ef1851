//! A stub as its holder meets it: kept through reloads, good at every replica, one number, and never more than that.

use std::collections::BTreeSet;
use std::net::SocketAddr;

use serde_json::Value;

use crate::outage::become_ticket;
use crate::redis::Pair;
use crate::redis::ready;
use crate::stage::APP;
use crate::stage::SOON;
use crate::stage::call;
use crate::stage::cookie;
use crate::stage::enter;
use crate::stage::is_problem;
use crate::stage::join;
use crate::stage::navigate;
use crate::stage::navigate_with;
use crate::stage::number;
use crate::stage::state;
use crate::stage::status;
use crate::stage::try_join;
use crate::support::http;
use crate::support::redis::Redis;
use crate::support::wait_for;

/// Whoever joins while there are no numbers: the stub.
fn stub(addr: SocketAddr, headers: &[(&str, &str)]) -> String {
    let joined = try_join(addr, headers).json();
    joined["ticket"].as_str().unwrap().to_owned()
}

/// A replica that gave this visitor a stub is gone for good, and so is what it would have told.
#[test]
fn whoever_came_to_a_replica_that_died_gets_a_number_by_the_stub_and_one_only() {
    let mut pair = Pair::new(Redis::start_durable());
    let [one, two] = pair.addrs();
    enter(two, &join(two).text);
    pair.redis.kill();
    ready(&pair, 503);
    let stub = stub(one, &[]);
    pair.replicas[0].kill();
    pair.redis.restart();
    pair.replicas[0].restart();
    ready(&pair, 200);
    let ticket = become_ticket(two, &stub);
    // Shown again, at another replica too, it is the same number and the same ticket, so there is one entry for it.
    for addr in [one, two, one] {
        let again = become_ticket(addr, &stub);
        assert_eq!(again.number, ticket.number);
        let headers = [("anteroom-ticket", stub.as_str())];
        let joined = crate::stage::ticket(&try_join(addr, &headers));
        assert_eq!(joined.number, ticket.number);
        let page = navigate(addr, "/booking/", &headers);
        assert_eq!(number(&page), Some(ticket.number), "{}", page.text());
    }
    let ids: BTreeSet<_> = [one, two]
        .map(|addr| {
            let text = become_ticket(addr, &stub).text;
            pair.keys()
                .verify_ticket("main", text.as_bytes())
                .unwrap()
                .id
        })
        .into();
    assert_eq!(ids.len(), 1);
}

#[test]
fn a_browser_keeps_one_stub_through_reloads_and_gets_its_ticket_for_it() {
    let mut pair = Pair::new(Redis::start_durable());
    let [one, two] = pair.addrs();
    let first = join(two);
    enter(two, &first.text);
    pair.redis.kill();
    ready(&pair, 503);
    let before = pair.origin.count();
    let page = navigate(one, "/booking/?step=1", &[]);
    assert_eq!(
        (page.status, state(&page), number(&page)),
        (200, "waiting", None)
    );
    assert!(
        page.text().contains("Your place is kept"),
        "{}",
        page.text()
    );
    assert_eq!(page.header("cache-control"), Some("no-store"));
    let stub = cookie(&page, "anteroom-main").unwrap();
    let cookies = format!("anteroom-main={stub}");
    for addr in [one, two, one] {
        let page = navigate_with(addr, "/booking/?step=1", &cookies);
        assert_eq!(
            (page.status, state(&page), number(&page)),
            (200, "waiting", None)
        );
        assert!(page.text().contains("Your place is kept"));
        assert_eq!(
            cookie(&page, "anteroom-main").unwrap_or_else(|| stub.clone()),
            stub
        );
        is_met_as_waiting(addr, &stub);
    }
    let given = pair.replicas[0].metric("anteroom_stubs_total{room=\"main\"}");
    assert_eq!(given, Some(1.0), "the same place for every reload");
    pair.redis.restart();
    ready(&pair, 200);
    let mut own = None;
    for addr in [two, one] {
        let page = wait_for("the page has the number", SOON, || {
            let page = navigate_with(addr, "/booking/?step=1", &cookies);
            number(&page).map(|_| page)
        });
        // On a machine so busy that a replica is late for the healing, numbers are left out before it.
        let given = number(&page).filter(|&given| given > first.number);
        assert_eq!(given, *own.get_or_insert(given));
        let ticket = cookie(&page, "anteroom-main").unwrap();
        assert_eq!(status(addr, &ticket)["number"].as_u64(), given);
    }
    assert_eq!(pair.origin.count(), before);
    for replica in &pair.replicas {
        assert!(!replica.log_all().contains(&stub));
    }
}

/// What is no navigation is refused as to anybody who waits, and calls know the stub.
fn is_met_as_waiting(addr: SocketAddr, stub: &str) {
    let cookies = format!("anteroom-main={stub}");
    let script = http::get(addr, "/booking/api", &[APP, ("cookie", &cookies)]).unwrap();
    assert!(is_problem(&script), "{}", script.text());
    assert_eq!(script.json()["state"], "waiting");
    assert!(
        !script.text().contains("not in the queue"),
        "{}",
        script.text()
    );
    let posted = http::post(addr, "/booking/", &[APP, ("cookie", &cookies)], b"a=b").unwrap();
    assert!(is_problem(&posted));
    let asked = http::post(
        addr,
        "/.anteroom/main/enter",
        &[APP, ("cookie", &cookies)],
        b"",
    );
    assert_eq!(asked.unwrap().status, 409);
    let joined = http::post(
        addr,
        "/.anteroom/main/join",
        &[APP, ("cookie", &cookies)],
        b"",
    );
    let joined = joined.unwrap().json();
    assert_eq!(
        (&joined["number"], &joined["ticket"]),
        (&Value::Null, &stub.into())
    );
}

#[test]
fn a_join_that_is_repeated_with_its_key_has_one_place_in_an_outage() {
    let mut pair = Pair::new(Redis::start_durable());
    let [one, _] = pair.addrs();
    pair.redis.kill();
    ready(&pair, 503);
    let key = [("idempotency-key", "order-77")];
    let first = stub(one, &key);
    assert_eq!(stub(one, &key), first);
    assert_ne!(stub(one, &[]), first);
    pair.redis.restart();
    ready(&pair, 200);
    let ticket = become_ticket(one, &first);
    let repeated = crate::stage::ticket(&try_join(one, &key));
    assert_eq!(repeated, ticket);
}

#[test]
fn a_stub_is_no_pass_and_no_ticket_and_belongs_to_one_room() {
    let mut pair = Pair::new(Redis::start_durable());
    let [one, _] = pair.addrs();
    pair.redis.kill();
    ready(&pair, 503);
    let stub = stub(one, &[]);
    let said = *pair.keys().verify_stub("main", stub.as_bytes()).unwrap();
    let foreign = pair.keys().sign_stub("other", &said);
    let theirs = anteroom::seal::KeyRing::random().sign_stub("main", &said);
    pair.redis.restart();
    ready(&pair, 200);
    let before = pair.origin.count();
    for text in [&stub, &foreign, &theirs] {
        assert!(
            is_problem(&call(one, "/booking/", text)),
            "a stub as a pass"
        );
    }
    assert_eq!(pair.origin.count(), before);
    assert_eq!(status(one, &foreign)["state"], "invalid");
    // Its key may be known elsewhere: it is left alone.
    let page = navigate_with(one, "/booking/", &format!("anteroom-main={theirs}"));
    assert_eq!(
        (state(&page), cookie(&page, "anteroom-main")),
        ("invalid", None)
    );
    // Whatever else a hostile client says it is: the id in it is that of one ticket, which enters once.
    let ticket = become_ticket(one, &stub);
    let pass = enter(one, &ticket.text);
    assert_eq!(call(one, "/booking/", &pass).text(), "the portal");
    let quit = [
        APP,
        ("anteroom-ticket", ticket.text.as_str()),
        ("anteroom-pass", pass.as_str()),
    ];
    http::post(one, "/.anteroom/main/leave", &quit, b"").unwrap();
    wait_for("it has left", SOON, || {
        (status(one, &stub)["state"] == "left").then_some(())
    });
    let asked = crate::stage::ask(one, &stub);
    assert_eq!(
        (asked.status, &asked.json()["state"]),
        (409, &"left".into())
    );
}

#[test]
fn an_outage_gives_no_more_places_than_the_line_has_and_whoever_has_one_keeps_it() {
    let room = "mode = \"paused\"\nline_max = 3";
    let mut pair = Pair::with(Redis::start_durable(), room);
    let [one, _] = pair.addrs();
    assert_eq!(join(one).number, 1);
    pair.redis.kill();
    ready(&pair, 503);
    let key = ("idempotency-key", "e4a7");
    let places = [try_join(one, &[key]), try_join(one, &[])].map(|reply| {
        let body = reply.json();
        assert_eq!(body["state"], "waiting", "{body}");
        body["ticket"].as_str().unwrap().to_owned()
    });
    let refused = try_join(one, &[]).json();
    assert_eq!(refused["state"], "full", "{refused}");
    assert!(refused["ticket"].is_null(), "{refused}");
    assert_eq!(state(&navigate(one, "/booking/", &[])), "full");
    // Its answer was lost: it has its place.
    let again = try_join(one, &[key]).json();
    assert_eq!(again["ticket"], places[0].as_str());
    pair.redis.restart();
    ready(&pair, 200);
    let numbers = places.map(|place| become_ticket(one, &place).number);
    assert!(1 < numbers[0] && numbers[0] < numbers[1], "{numbers:?}");
    assert_eq!(try_join(one, &[]).json()["state"], "full");
}
