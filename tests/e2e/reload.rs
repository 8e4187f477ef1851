//! The pace and everything else change while visitors wait, by every way a file is read again, and nobody loses a place.

use std::fs;
use std::sync::atomic::AtomicBool;
use std::sync::atomic::Ordering;
use std::thread;
use std::time::Duration;

use ::anteroom::seal;

use crate::stage::APP;
use crate::stage::MANY;
use crate::stage::ONE;
use crate::stage::Over;
use crate::stage::SOON;
use crate::stage::Stage;
use crate::stage::Ticket;
use crate::stage::Toml;
use crate::stage::ask;
use crate::stage::call;
use crate::stage::enter;
use crate::stage::join;
use crate::stage::navigate;
use crate::stage::number;
use crate::stage::replace;
use crate::stage::state;
use crate::stage::status;
use crate::support::anteroom;
use crate::support::http;
use crate::support::http::Kept;
use crate::support::wait_for;

/// How soon a change is to hold everywhere.
const PROMISED: Duration = Duration::from_secs(2);

#[test]
fn the_rate_is_raised_and_lowered_under_load_and_everybody_keeps_its_place() {
    let stage = Stage::new(&Toml::rate(ONE));
    stage.first();
    let tickets: Vec<_> = (0..40).map(|_| join(stage.addr())).collect();
    let pid = stage.anteroom.pid();
    let over = AtomicBool::new(false);
    thread::scope(|scope| {
        let ending = Over(&over);
        let pollers: Vec<_> = tickets
            .chunks(10)
            .map(|mine| scope.spawn(|| poll(&stage, mine, &over)))
            .collect();

        // By a signal.
        stage.rewrite(&Toml::rate("600/min"));
        stage.anteroom.signal("HUP");
        holds(&stage, 10.0, PROMISED);
        let entered = enter(stage.addr(), &tickets[0].text);
        assert_eq!(
            call(stage.addr(), "/booking/", &entered).text(),
            "the portal"
        );

        // By an order.
        stage.rewrite(&Toml::rate("1/h"));
        let ordered = anteroom::run(&[
            "reload",
            "--config",
            stage.anteroom.config().to_str().unwrap(),
        ]);
        let told = String::from_utf8_lossy(&ordered.stdout).into_owned();
        // The file's own change may have been seen before the order came.
        assert!(ordered.status.success(), "{told}");
        assert!(told.contains("room.main.rate") || told.contains("nothing has changed"));
        holds(&stage, 1.0 / 3_600.0, PROMISED);
        let let_in = |ticket: &&Ticket| ask(stage.addr(), &ticket.text).status == 200;
        // What was saved up before, and no more.
        let late = tickets[1..12].iter().filter(let_in).count();
        assert!(late <= 1, "{late} let in at one an hour");

        // By the file's change alone, looked at every second.
        stage.rewrite(&Toml::rate("1200/min"));
        holds(&stage, 20.0, SOON);
        for ticket in &tickets[1..12] {
            enter(stage.addr(), &ticket.text);
        }
        drop(ending);
        for poller in pollers {
            assert!(poller.join().unwrap() > 0, "nobody polled");
        }
    });
    assert_eq!(stage.anteroom.pid(), pid);
    assert!(tickets.iter().map(|ticket| ticket.number).eq(2..42));
    assert_eq!(join(stage.addr()).number, 42);
}

/// Polls with these tickets until it is over: their numbers stay, their places never grow. How often it polled.
fn poll(stage: &Stage, tickets: &[Ticket], over: &AtomicBool) -> u64 {
    let mut line = Kept::connect(stage.addr()).unwrap();
    let mut places = vec![u64::MAX; tickets.len()];
    let mut polls = 0;
    while !over.load(Ordering::Relaxed) {
        for (ticket, place) in tickets.iter().zip(&mut places) {
            let headers = [APP, ("anteroom-ticket", ticket.text.as_str())];
            let reply = line
                .request("GET /.anteroom/main/status", &headers)
                .unwrap();
            if reply.status == 429 {
                continue;
            }
            assert_eq!(reply.status, 200, "{}", reply.text());
            let body = reply.json();
            assert_eq!(number(&reply), Some(ticket.number), "{body}");
            let now = body["place"].as_u64().unwrap_or(0);
            assert!(now <= *place, "from {place} back to {now}");
            *place = now;
            polls += 1;
        }
    }
    polls
}

/// Waits until the room goes by this rate, per second.
fn holds(stage: &Stage, rate: f64, within: Duration) {
    let what = format!("{rate}/s is in force");
    wait_for(&what, within, || {
        let told = stage
            .anteroom
            .metric("anteroom_rate_target{room=\"main\"}")?;
        ((told - rate).abs() < 1e-9).then_some(())
    });
}

#[test]
fn a_broken_file_changes_nothing_and_says_where_it_is_broken() {
    let stage = Stage::new(&Toml::rate(MANY));
    let mine = join(stage.addr());
    let pass = enter(stage.addr(), &mine.text);
    let broken = Toml {
        room: "presense = \"60s\"\nturn = \"soon\"",
        ..Toml::rate("1/h")
    };
    stage.rewrite(&broken);
    let text = fs::read_to_string(stage.anteroom.config()).unwrap();
    let line = 1 + text
        .lines()
        .position(|line| line.starts_with("presense"))
        .unwrap();
    let admin = stage.anteroom.admin().to_string();
    let order = || {
        anteroom::run(&[
            "reload",
            "--config",
            stage.anteroom.config().to_str().unwrap(),
            "--admin",
            &admin,
        ])
    };
    let refused = order();
    assert_eq!(refused.status.code(), Some(6));
    let told = String::from_utf8_lossy(&refused.stderr).into_owned();
    let places = [format!(":{line}:1"), format!(":{}:8", line + 1)];
    for place in &places {
        assert!(told.contains(place.as_str()), "{place} is not in\n{told}");
    }
    assert!(
        told.contains("presence"),
        "the nearest name is not in\n{told}"
    );
    stage.anteroom.signal("HUP");
    wait_for("the log says where", SOON, || {
        let log = stage.anteroom.log_all();
        places
            .iter()
            .all(|place| log.contains(place.as_str()))
            .then_some(())
    });
    assert_eq!(
        stage.anteroom.metric("anteroom_rate_target{room=\"main\"}"),
        Some(100.0)
    );
    assert!(stage.anteroom.metric("anteroom_config_reload_failed_total") >= Some(1.0));
    assert_eq!(call(stage.addr(), "/booking/", &pass).text(), "the portal");

    // Not even TOML, and then no file at all.
    replace(&stage.anteroom, "[server\nlisten = 1");
    assert_eq!(order().status.code(), Some(6));
    fs::remove_file(stage.anteroom.config()).unwrap();
    assert_eq!(order().status.code(), Some(6));
    assert_eq!(call(stage.addr(), "/booking/", &pass).text(), "the portal");

    // Mended, it holds.
    stage.rewrite(&Toml::rate("50/s"));
    holds(&stage, 50.0, SOON);
}

#[test]
fn an_unchanged_file_is_no_change() {
    let stage = Stage::new(&Toml::rate(MANY));
    let revision = || stage.anteroom.metric("anteroom_config_revision");
    let before = revision();
    let text = fs::read_to_string(stage.anteroom.config()).unwrap();
    for text in [text.clone(), format!("# a comment\n{text}")] {
        replace(&stage.anteroom, &text);
        let ordered = anteroom::run(&[
            "reload",
            "--config",
            stage.anteroom.config().to_str().unwrap(),
        ]);
        assert_eq!(ordered.status.code(), Some(0));
        let told = String::from_utf8_lossy(&ordered.stdout).into_owned();
        assert!(told.contains("nothing has changed"), "{told}");
    }
    assert_eq!(revision(), before);
}

#[test]
fn a_new_key_signs_and_the_old_tickets_and_passes_still_hold() {
    let stage = Stage::new(&Toml::rate(MANY));
    let old = join(stage.addr());
    let pass = enter(stage.addr(), &join(stage.addr()).text);
    let file = stage.anteroom.place().dir.join("ticket.keys");
    let first = seal::load(&file).unwrap().ids().next().unwrap();
    let key = seal::rotate(&file, 2_000_000_000_000_000).unwrap();
    assert_ne!(first, key);
    stage.anteroom.signal("HUP");
    let fresh = wait_for("the new key signs", SOON, || {
        let fresh = join(stage.addr());
        (key_of(&fresh.text) == key_of_id(key)).then_some(fresh)
    });
    assert!(fresh.number > old.number);
    assert_eq!(status(stage.addr(), &old.text)["number"], old.number);
    assert_eq!(call(stage.addr(), "/booking/", &pass).text(), "the portal");
    enter(stage.addr(), &old.text);
    enter(stage.addr(), &fresh.text);
}

#[test]
fn a_pause_stops_the_line_and_keeps_it() {
    let stage = Stage::new(&Toml::rate(MANY));
    let inside = enter(stage.addr(), &join(stage.addr()).text);
    let mine = join(stage.addr());
    let paused = Toml {
        room: "mode = \"paused\"",
        ..Toml::rate(MANY)
    };
    stage.rewrite(&paused);
    stage.anteroom.signal("HUP");
    wait_for("it is paused", SOON, || {
        (status(stage.addr(), &mine.text)["state"] == "paused").then_some(())
    });
    let page = navigate(stage.addr(), "/booking/", &[]);
    assert_eq!((page.status, state(&page)), (200, "paused"));
    let newcomer = number(&page).expect("a newcomer takes its number also during a pause");
    assert_eq!(newcomer, mine.number + 1);
    assert_eq!(ask(stage.addr(), &mine.text).status, 409);
    assert_eq!(
        call(stage.addr(), "/booking/", &inside).text(),
        "the portal"
    );

    stage.rewrite(&Toml::rate(MANY));
    stage.anteroom.signal("HUP");
    enter(stage.addr(), &mine.text);
    assert_eq!(status(stage.addr(), &mine.text)["number"], mine.number);
}

#[test]
fn the_level_of_the_log_is_changed_by_a_reload() {
    let level = |level: &'static str| Toml {
        more: level,
        ..Toml::rate(MANY)
    };
    let stage = Stage::new(&level("[log]\nlevel = \"error\""));
    stage.rewrite(&Toml {
        rate: "50/s",
        ..level("[log]\nlevel = \"error\"")
    });
    stage.anteroom.signal("HUP");
    holds(&stage, 50.0, SOON);
    let log = stage.anteroom.log_all();
    assert!(!log.contains("reload:"), "written below its level:\n{log}");
    stage.rewrite(&level("[log]\nlevel = \"info\""));
    stage.anteroom.signal("HUP");
    // Of the very reload that changed it.
    wait_for("the log tells more", SOON, || {
        let log = stage.anteroom.log_all();
        (log.contains("reload: in force") && log.contains("log.level")).then_some(())
    });
}

#[test]
fn the_operators_token_is_replaced_by_a_reload_and_never_taken_away() {
    let mut stage = Stage::new(&Toml::rate(MANY));
    let dir = stage.anteroom.place().dir.clone();
    let text = fs::read_to_string(stage.anteroom.config()).unwrap();
    let with = |stage: &Stage, name: &str, token: &str| {
        fs::write(dir.join(name), token).unwrap();
        let line = format!("[admin]\ntoken_file = \"{}\"", dir.join(name).display());
        replace(&stage.anteroom, &text.replacen("[admin]", &line, 1));
    };
    let admin = stage.anteroom.admin();
    let shows = |token: &str| {
        let token = format!("Bearer {token}");
        let headers = [("authorization", token.as_str())];
        http::get(admin, "/metrics", &headers).unwrap().status == 200
    };
    let takes = |stage: &Stage, what: &str, token: &str| {
        stage.anteroom.signal("HUP");
        wait_for(what, SOON, || shows(token).then_some(()));
    };
    // The first one waits for a restart, and so does taking the last one away.
    with(&stage, "first.token", "first");
    stage.anteroom.signal("HUP");
    let waits = "reload: needs a restart change=admin.token_file";
    wait_for("a first token needs a restart", SOON, || {
        stage.anteroom.log_all().contains(waits).then_some(())
    });
    assert!(shows("nobody's"), "asks for a token already");
    stage.anteroom.restart();
    assert!(shows("first") && !shows("nobody's"));

    // Another in the same file, and another file.
    fs::write(dir.join("first.token"), "second").unwrap();
    takes(&stage, "the token in the file is taken up", "second");
    assert!(!shows("first"));
    with(&stage, "third.token", "third");
    takes(&stage, "the token of another file is taken up", "third");
    assert!(!shows("second"));

    let seen = stage.anteroom.log_all().matches(waits).count();
    replace(&stage.anteroom, &text);
    stage.anteroom.signal("HUP");
    wait_for("the last token goes with a restart", SOON, || {
        (stage.anteroom.log_all().matches(waits).count() > seen).then_some(())
    });
    assert!(shows("third") && !shows("nobody's"));
}

#[test]
fn the_bounds_of_connections_are_said_to_need_a_restart() {
    let stage = Stage::new(&Toml::rate(MANY));
    let keys = [
        ("handshake_timeout", "\"5s\""),
        ("header_timeout", "\"5s\""),
        ("send_timeout", "\"5s\""),
        ("min_send_rate", "\"5 B/s\""),
        ("idle_timeout", "\"5s\""),
        ("max_connections", "100"),
        ("max_unsent_bytes", "\"5 MiB\""),
        ("max_streams", "7"),
        ("max_header_bytes", "\"8 KiB\""),
    ];
    let lines = keys
        .map(|(key, value)| format!("{key} = {value}"))
        .join("\n");
    stage.rewrite(&Toml {
        server: &lines,
        ..Toml::rate("50/s")
    });
    stage.anteroom.signal("HUP");
    holds(&stage, 50.0, SOON);
    wait_for("each is named", SOON, || {
        let log = stage.anteroom.log_all();
        let named = |key: &str| {
            let line = format!("reload: needs a restart change=server.{key}: ");
            log.contains(&line)
        };
        keys.iter().all(|(key, _)| named(key)).then_some(())
    });
}

/// The key id in a signed value's text: bytes 2 to 6.
fn key_of(text: &str) -> Vec<u8> {
    use base64::Engine as _;
    let bytes = base64::engine::general_purpose::URL_SAFE_NO_PAD.decode(text);
    bytes.unwrap()[2..6].to_vec()
}

fn key_of_id(key: seal::KeyId) -> Vec<u8> {
    key.0.to_be_bytes().to_vec()
}
