//! Nothing forged gets in: altered, foreign and expired values, requests without any, paths in disguise.

use std::net::SocketAddr;
use std::path::Path;

use anteroom::line::ids::TicketId;
use anteroom::seal;
use anteroom::seal::KeyRing;
use anteroom::seal::Pass;
use tempfile::TempDir;

use crate::stage::APP;
use crate::stage::MANY;
use crate::stage::Stage;
use crate::stage::Toml;
use crate::stage::ask;
use crate::stage::call;
use crate::stage::cookie;
use crate::stage::enter;
use crate::stage::is_problem;
use crate::stage::join;
use crate::stage::navigate;
use crate::stage::navigate_with;
use crate::stage::state;
use crate::stage::status;
use crate::support::http;
use crate::support::http::Kept;

/// A room with one visitor inside, and what it was given.
struct Inside {
    stage: Stage,
    ticket: String,
    pass: String,
}

impl Inside {
    fn new(toml: &Toml<'_>) -> Self {
        let stage = Stage::new(toml);
        let ticket = join(stage.addr()).text;
        let pass = enter(stage.addr(), &ticket);
        Self {
            stage,
            ticket,
            pass,
        }
    }

    fn addr(&self) -> SocketAddr {
        self.stage.addr()
    }

    /// The keys this replica signs with.
    fn keys(&self) -> KeyRing {
        seal::load(&self.stage.anteroom.place().dir.join("ticket.keys")).unwrap()
    }

    /// What the pass says.
    fn said(&self) -> Pass {
        *self
            .keys()
            .verify_pass("main", self.pass.as_bytes())
            .unwrap()
    }

    /// Shows a pass in both ways; it must be as if there were none.
    fn refuses(&self, pass: &str, what: &str) {
        let before = self.stage.origin.count();
        let reply = call(self.addr(), "/booking/", pass);
        assert!(is_problem(&reply), "{what}: {reply:?}");
        let cookie = format!("anteroom-main-pass={pass}");
        let headers = [APP, ("cookie", cookie.as_str())];
        let reply = http::get(self.addr(), "/booking/", &headers).unwrap();
        assert!(is_problem(&reply), "{what}: {reply:?}");
        let headers = [APP, ("anteroom-pass", pass)];
        let reply = http::post(self.addr(), "/booking/", &headers, b"a=b").unwrap();
        assert!(is_problem(&reply), "{what}: {reply:?}");
        assert_eq!(self.stage.origin.count(), before, "{what}");
    }
}

#[test]
fn a_pass_altered_anywhere_is_none() {
    let inside = Inside::new(&Toml::default());
    let mut line = Kept::connect(inside.addr()).unwrap();
    for altered in alterations(&inside.pass) {
        let headers = [APP, ("anteroom-pass", altered.as_str())];
        let reply = line.request("GET /booking/", &headers).unwrap();
        assert!(is_problem(&reply), "{altered}: {reply:?}");
    }
    assert_eq!(inside.stage.origin.count(), 0);
    assert_eq!(
        call(inside.addr(), "/booking/", &inside.pass).text(),
        "the portal"
    );
}

#[test]
fn a_ticket_altered_anywhere_is_none() {
    let stage = Stage::new(&Toml::rate(MANY));
    let ticket = join(stage.addr()).text;
    let mut line = Kept::connect(stage.addr()).unwrap();
    for altered in alterations(&ticket) {
        let headers = [APP, ("anteroom-ticket", altered.as_str())];
        let reply = line
            .request("GET /.anteroom/main/status", &headers)
            .unwrap();
        let body = reply.json();
        assert_eq!(body["state"], "invalid", "{altered}");
        assert_eq!(body["number"], serde_json::Value::Null);
        let reply = line
            .request("POST /.anteroom/main/enter", &headers)
            .unwrap();
        assert_eq!((reply.status, state(&reply)), (409, "invalid"), "{altered}");
    }
    assert_eq!(stage.origin.count(), 0);
    assert_eq!(
        stage
            .anteroom
            .metric("anteroom_entered_total{room=\"main\"}"),
        Some(0.0)
    );
}

/// One letter changed, at every place; and some that are not even of the form.
fn alterations(text: &str) -> Vec<String> {
    let other = |letter: char| if letter == 'A' { 'B' } else { 'A' };
    let mut all: Vec<String> = (0..text.len())
        .map(|at| {
            let letters = text.chars().enumerate();
            letters
                .map(|(index, letter)| if index == at { other(letter) } else { letter })
                .collect()
        })
        .collect();
    let mut shorter = text.to_owned();
    shorter.pop();
    all.push(shorter);
    all.push(format!("{text}A"));
    all.push(format!("{text}="));
    all.push(format!("{text}, {text}"));
    all.push("A".repeat(7_000));
    all.push("-".to_owned());
    all
}

#[test]
fn a_ticket_is_no_pass_and_a_pass_no_ticket() {
    let inside = Inside::new(&Toml::default());
    inside.refuses(&inside.ticket, "a ticket shown as a pass");
    assert_eq!(status(inside.addr(), &inside.pass)["state"], "invalid");
    assert_eq!(ask(inside.addr(), &inside.pass).status, 409);
}

#[test]
fn a_pass_of_another_room_opens_only_that_room() {
    let more = "[room.other]\norigin = \"portal\"\npaths = [\"/other/*\"]\nrate = \"100/s\"\n\
                phone = \"800 123 456\"";
    let inside = Inside::new(&Toml {
        more,
        ..Toml::default()
    });
    let page = navigate(inside.addr(), "/other/", &[]);
    assert_eq!(page.text(), "the portal");
    let other = cookie(&page, "anteroom-other-pass").unwrap();
    inside.refuses(&other, "another room's pass");
    assert_eq!(call(inside.addr(), "/other/", &other).text(), "the portal");
    let reply = call(inside.addr(), "/other/", &inside.pass);
    assert!(is_problem(&reply), "{reply:?}");
    let cookies = page.cookies();
    let page = navigate_with(inside.addr(), "/booking/", &cookies);
    assert_ne!(page.text(), "the portal");
}

#[test]
fn a_pass_signed_by_a_stranger_is_none() {
    let inside = Inside::new(&Toml::default());
    let elsewhere = TempDir::new().unwrap();
    let stranger = stranger(&elsewhere.path().join("ticket.keys"));
    let pass = stranger.sign_pass("main", &inside.said());
    inside.refuses(&pass, "a stranger's signature");
    // Neither does it help to name our key.
    let (ours, theirs) = (inside.pass.as_str(), pass.as_str());
    let mixed: String = ours
        .chars()
        .take(ours.len() - 43)
        .chain(theirs.chars().skip(ours.len() - 43))
        .collect();
    inside.refuses(&mixed, "their tag");
}

fn stranger(path: &Path) -> KeyRing {
    seal::load_or_create(path, 1).unwrap().ring
}

#[test]
fn an_authentic_pass_that_ran_out_or_is_of_another_epoch_is_none() {
    let inside = Inside::new(&Toml {
        room: "grace = \"5m\"\npass_idle = \"10m\"",
        ..Toml::default()
    });
    let (keys, said) = (inside.keys(), inside.said());
    // Whoever it is: not the one inside, whose pass would be signed again.
    let gone = Pass {
        id: TicketId(7),
        number: 1,
        signed_us: 1,
        entered_us: 1,
        until_us: said.signed_us - 301_000_000,
        ..said
    };
    inside.refuses(
        &keys.sign_pass("main", &gone),
        "it ran out before the grace",
    );
    let mut old = gone;
    old.until_us = said.until_us;
    old.epoch.created_us -= 1;
    inside.refuses(&keys.sign_pass("main", &old), "another epoch");

    // Within the grace a form in progress goes through, and nothing else.
    let late = keys.sign_pass(
        "main",
        &Pass {
            until_us: said.signed_us - 1_000_000,
            ..gone
        },
    );
    let reply = call(inside.addr(), "/booking/", &late);
    assert!(is_problem(&reply), "{reply:?}");
    let headers = [APP, ("anteroom-pass", late.as_str())];
    let reply = http::post(inside.addr(), "/booking/form", &headers, b"a=b").unwrap();
    assert_eq!(reply.text(), "the portal");
}

#[test]
fn a_post_without_a_pass_never_reaches_the_origin() {
    let stage = Stage::new(&Toml::rate(MANY));
    for method in ["POST", "PUT", "DELETE", "PATCH", "OPTIONS", "GET", "BREW"] {
        let line = format!("{method} /booking/");
        let reply = http::request(stage.addr(), &line, &[APP], b"a=b").unwrap();
        assert!(is_problem(&reply), "{method}: {reply:?}");
        assert_eq!(reply.json()["status"], 503);
        assert_eq!(reply.cookies(), "");
    }
    let form = [
        ("accept", "text/html"),
        ("sec-fetch-mode", "navigate"),
        ("sec-fetch-dest", "document"),
        ("content-type", "application/x-www-form-urlencoded"),
    ];
    let reply = http::post(stage.addr(), "/booking/", &form, b"a=b").unwrap();
    assert_eq!(reply.status, 503);
    assert!(
        reply
            .header("content-type")
            .unwrap()
            .starts_with("text/html")
    );
    assert!(reply.header("retry-after").is_some());
    assert_eq!(stage.origin.count(), 0);
    assert_eq!(
        stage
            .anteroom
            .metric("anteroom_joined_total{room=\"main\"}"),
        Some(0.0)
    );
}

#[test]
fn a_path_in_disguise_does_not_slip_past_the_room() {
    let stage = Stage::new(&Toml {
        room: "bypass = [\"/booking/assets/*\"]",
        ..Toml::default()
    });
    stage.first();
    let before = stage.origin.count();
    let paths = [
        "/booking",
        "/booking/",
        "/booking/x",
        "/%62ooking/",
        "/%62%6f%6F%6b%69%6E%67/x",
        "//booking/x",
        "///booking",
        "/./booking/x",
        "/x/../booking/",
        "/x/%2e%2e/booking/",
        "/x/.%2E/booking",
        "/booking;v=1/x",
        "/booking/assets/../x",
        "/booking/assets/%2e%2e/x",
        "/booking/assets/..;/x",
        "/booking%2Fx",
        "/x%2f..%2fbooking/",
        "/x\\..\\booking/",
        "/booking%00/",
        "/%c0%afbooking/",
        "/%zz/booking",
        "/../booking/",
        "/x//../booking/",
        "/booking?/../elsewhere",
        "/booking#/elsewhere",
        "http://portal.test/booking/",
    ];
    for path in paths {
        let request = format!(
            "GET {path} HTTP/1.1\r\nhost: portal.test\r\nconnection: close\r\naccept: application/json\r\n\r\n"
        );
        let answer = http::raw(stage.addr(), request.as_bytes()).unwrap();
        let answer = String::from_utf8_lossy(&answer).into_owned();
        let status = answer.split(' ').nth(1).unwrap_or_default();
        assert!(["503", "400", "404"].contains(&status), "{path}: {answer}");
    }
    assert_eq!(stage.origin.count(), before, "{:?}", stage.origin.last());
    // What is bypassed is.
    let asset = call(stage.addr(), "/booking/assets/logo", "none");
    assert_eq!(asset.text(), "the portal");
}

#[test]
fn a_host_in_disguise_does_not_slip_past_the_room() {
    let stage = Stage::new(&Toml {
        room: "hosts = [\"portal.test\"]",
        ..Toml::default()
    });
    for host in [
        "portal.test",
        "PORTAL.test",
        "portal.test:80",
        "portal.test.",
    ] {
        let reply = http::get(stage.addr(), "/booking/", &[APP, ("host", host)]).unwrap();
        assert!([503, 400].contains(&reply.status), "{host}: {reply:?}");
    }
    assert_eq!(stage.origin.count(), 0);
}

#[test]
fn a_pass_asked_for_again_still_says_when_its_visitor_entered() {
    let inside = Inside::new(&Toml::default());
    let keys = inside.keys();
    let first = inside.said();
    let again = |text: &str| *keys.verify_pass("main", text.as_bytes()).unwrap();
    // An app asks again without showing the pass it has, and a browser opens a page with its ticket alone.
    let asked = again(&enter(inside.addr(), &inside.ticket));
    let cookies = format!("anteroom-main={}", inside.ticket);
    let page = navigate_with(inside.addr(), "/booking/", &cookies);
    let collected = again(&cookie(&page, "anteroom-main-pass").unwrap());
    for pass in [asked, collected] {
        assert!(pass.signed_us > first.signed_us, "{pass:?} after {first:?}");
        assert_eq!(pass.entered_us, first.entered_us, "{pass:?}");
    }
}
