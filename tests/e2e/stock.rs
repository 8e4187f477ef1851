//! What is left to book: said by the origin or an operator, shown to those who wait, and the end of the line if wished.

use std::sync::Arc;
use std::sync::atomic::AtomicU64;
use std::sync::atomic::Ordering;

use crate::stage::APP;
use crate::stage::ONE;
use crate::stage::SOON;
use crate::stage::Stage;
use crate::stage::Toml;
use crate::stage::call;
use crate::stage::cookie;
use crate::stage::join;
use crate::stage::navigate;
use crate::stage::navigate_with;
use crate::stage::state;
use crate::stage::status;
use crate::support::http;
use crate::support::http::Reply;
use crate::support::origin::Answer;
use crate::support::origin::Origin;
use crate::support::wait_for;

const STOCK: &str = "anteroom_stock{room=\"main\"}";

/// An origin that says how many are left.
fn counting(left: &Arc<AtomicU64>) -> Origin {
    let left = Arc::clone(left);
    Origin::answering(move |_| {
        let left = left.load(Ordering::Relaxed).to_string();
        Answer::page("the portal").with("anteroom-stock", &left)
    })
}

fn ends() -> Toml<'static> {
    Toml {
        room: "stock_ends = true",
        ..Toml::rate(ONE)
    }
}

/// The operator says how many are left.
fn tell(stage: &Stage, left: u64) -> Reply {
    let path = "/api/v1/rooms/main/stock";
    let body = format!("{{\"stock\": {left}}}");
    http::post(stage.anteroom.admin(), path, &[APP], body.as_bytes()).unwrap()
}

fn shows(stage: &Stage, left: f64) {
    wait_for("the stock to be known", SOON, || {
        (stage.anteroom.metric(STOCK) == Some(left)).then_some(())
    });
}

#[test]
fn what_the_origin_has_left_is_shown_wherever_somebody_looks() {
    let left = Arc::new(AtomicU64::new(2));
    let stage = Stage::before(counting(&left), &Toml::rate(ONE));
    let inside = stage.first();
    assert_eq!(inside.header("anteroom-stock"), None);
    shows(&stage, 2.0);
    let tickets = [(); 3].map(|()| join(stage.addr()));
    for ticket in &tickets {
        assert_eq!(status(stage.addr(), &ticket.text)["stock"], 2);
    }
    let public = http::get(stage.addr(), "/.anteroom/main/public", &[APP]).unwrap();
    assert_eq!(public.json()["stock"], 2);
    let room = http::get(stage.anteroom.admin(), "/api/v1/rooms/main", &[APP]).unwrap();
    assert_eq!(
        (&room.json()["stock"], &room.json()["mode"]),
        (&2.into(), &"open".into())
    );
    // Whoever may come too late for it reads so.
    wait_for("somebody too far behind", SOON, || {
        let page = navigate(stage.addr(), "/booking/", &[]);
        page.text().contains("appointments are left").then_some(())
    });
    // Nothing left ends nothing where that is not wished.
    left.store(0, Ordering::Relaxed);
    let pass = cookie(&inside, "anteroom-main-pass").unwrap();
    call(stage.addr(), "/booking/", &pass);
    shows(&stage, 0.0);
    assert_eq!(status(stage.addr(), &tickets[2].text)["state"], "waiting");
}

#[test]
fn nothing_left_ends_the_line_and_more_later_leaves_the_opening_to_the_operator() {
    let left = Arc::new(AtomicU64::new(5));
    let stage = Stage::before(counting(&left), &ends());
    let inside = stage.first();
    let cookies = inside.cookies();
    let waiting = join(stage.addr());
    left.store(0, Ordering::Relaxed);
    navigate_with(stage.addr(), "/booking/", &cookies);
    let ended = || status(stage.addr(), &waiting.text);
    wait_for("the line to end", SOON, || {
        (ended()["state"] == "sold-out").then_some(())
    });
    assert_eq!(ended()["final"], true);
    assert_eq!(state(&navigate(stage.addr(), "/booking/", &[])), "sold-out");
    // Whoever is inside still is, and what it gives back does not open the line.
    left.store(3, Ordering::Relaxed);
    let page = navigate_with(stage.addr(), "/booking/", &cookies);
    assert_eq!(page.text(), "the portal");
    shows(&stage, 3.0);
    assert_eq!(ended()["state"], "sold-out");
    for mode in ["paused", "open"] {
        let room = format!("stock_ends = true\nmode = \"{mode}\"");
        stage.rewrite(&Toml {
            room: &room,
            ..Toml::rate(ONE)
        });
        stage.anteroom.signal("HUP");
        wait_for("the operator's word", SOON, || {
            let metric = format!("anteroom_state{{mode=\"{mode}\",room=\"main\"}}");
            (stage.anteroom.metric(&metric) == Some(1.0)).then_some(())
        });
    }
    assert_eq!(ended()["number"], waiting.number);
    assert_ne!(ended()["state"], "sold-out");
}

#[test]
fn an_operator_says_how_many_are_left_and_ends_the_line_with_none() {
    let stage = Stage::new(&ends());
    stage.first();
    let waiting = join(stage.addr());
    let told = tell(&stage, 40);
    assert_eq!((told.status, &told.json()["result"]), (202, &"told".into()));
    wait_for("the stock", SOON, || {
        (status(stage.addr(), &waiting.text)["stock"] == 40).then_some(())
    });
    assert_ne!(status(stage.addr(), &waiting.text)["state"], "sold-out");
    tell(&stage, 0);
    wait_for("the line to end", SOON, || {
        (status(stage.addr(), &waiting.text)["state"] == "sold-out").then_some(())
    });
}
