//! One visitor's way: join, status, turn, enter, the origin's page; as an app and as a browser.

use tempfile::TempDir;

use crate::stage::APP;
use crate::stage::MANY;
use crate::stage::ONE;
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
use crate::stage::number;
use crate::stage::state;
use crate::stage::status;
use crate::stage::submit;
use crate::stage::ticket;
use crate::stage::try_join;
use crate::support::http;
use crate::support::wait_for;

use crate::stage::SOON;

#[test]
fn an_app_joins_asks_for_its_status_enters_and_reaches_the_portal() {
    let stage = Stage::new(&Toml::rate(MANY));
    let reply = try_join(stage.addr(), &[]);
    assert_eq!(
        (reply.status, reply.header("cache-control")),
        (200, Some("no-store"))
    );
    let mine = ticket(&reply);
    assert_eq!(mine.number, 1);
    wait_for("its turn", SOON, || {
        (status(stage.addr(), &mine.text)["state"] == "turn").then_some(())
    });
    let entered = ask(stage.addr(), &mine.text);
    assert_eq!(entered.status, 200, "{}", entered.text());
    assert_eq!(entered.json()["state"], "entered");
    let pass = entered.json()["pass"].as_str().unwrap().to_owned();
    assert_eq!(entered.header("anteroom-pass"), Some(pass.as_str()));

    let page = call(stage.addr(), "/booking/page?a=1", &pass);
    assert_eq!((page.status, page.text()), (200, "the portal".to_owned()));
    assert_eq!(stage.origin.last().target, "/booking/page?a=1");
    let body = [APP, ("anteroom-pass", pass.as_str())];
    let posted = http::post(stage.addr(), "/booking/send", &body, b"a=b").unwrap();
    assert_eq!(posted.status, 200);
    assert_eq!(stage.origin.last().body, b"a=b");
}

#[test]
fn a_pass_that_is_fetched_late_lives_on_when_it_is_used() {
    let keys = TempDir::new().unwrap();
    let file = keys.path().join("ticket.keys");
    let more = format!("[tickets]\nkey_file = \"{}\"", file.display());
    let stage = Stage::new(&Toml {
        room: "pass_idle = \"12s\"",
        more: &more,
        ..Toml::rate(MANY)
    });
    let ring = ::anteroom::seal::load(&file).unwrap();
    let read = |text: &str| *ring.verify_pass("main", text.as_bytes()).unwrap();
    let mine = join(stage.addr());
    let first = read(&enter(stage.addr(), &mine.text));
    // Three seconds and more of its twelve go by before it is fetched again.
    wait_for("line time goes on", SOON, || {
        let newest = join(stage.addr()).text;
        let newest = ring.verify_ticket("main", newest.as_bytes()).unwrap();
        (newest.issued_us > first.signed_us + 3_000_000).then_some(())
    });
    let late = enter(stage.addr(), &mine.text);
    assert_eq!(read(&late).until_us, first.until_us);
    let page = call(stage.addr(), "/booking/", &late);
    assert_eq!(page.text(), "the portal");
    let renewed = read(page.header("anteroom-pass").expect("a pass that lasts"));
    assert!(renewed.until_us >= first.until_us + 3_000_000);
}

#[test]
fn a_browser_presses_the_button_and_comes_back_to_where_it_wanted() {
    let stage = Stage::new(&Toml::default());
    stage.first();
    let page = navigate(stage.addr(), "/booking/a?b=c", &[]);
    assert_eq!(
        (page.status, number(&page), state(&page)),
        (200, Some(2), "turn")
    );
    assert_eq!(page.header("cache-control"), Some("no-store"));
    assert!(page.text().contains("/.anteroom/main/enter"));
    let mine = page.cookies();
    // Nobody goes in yet: the button answers with a page, and keeps on asking.
    let asked = submit(
        stage.addr(),
        "/.anteroom/main/enter",
        &mine,
        "return=%2Fbooking%2Fa%3Fb%3Dc",
    );
    assert_eq!((asked.status, number(&asked)), (200, Some(2)));
    let mine = asked.cookies();

    stage.rewrite(&Toml::rate(MANY));
    stage.anteroom.signal("HUP");
    let entered = wait_for("the button lets in", SOON, || {
        let reply = submit(
            stage.addr(),
            "/.anteroom/main/enter",
            &mine,
            "return=%2Fbooking%2Fa%3Fb%3Dc",
        );
        (reply.status == 303).then_some(reply)
    });
    assert_eq!(entered.header("location"), Some("/booking/a?b=c"));
    assert_eq!(entered.header("cache-control"), Some("no-store"));
    let pass = cookie(&entered, "anteroom-main-pass").unwrap();
    let cookies = format!("{mine}; anteroom-main-pass={pass}");
    let page = navigate_with(stage.addr(), "/booking/a?b=c", &cookies);
    assert_eq!(page.text(), "the portal");
    assert_eq!(stage.origin.last().target, "/booking/a?b=c");
}

#[test]
fn a_page_that_is_kept_up_to_date_leads_to_where_its_visitor_wanted() {
    let stage = Stage::new(&Toml::default());
    stage.first();
    let page = navigate(stage.addr(), "/booking/a?b=c&auto=60", &[]);
    assert_eq!(page.header("refresh"), Some("60"));
    let cookies = page.cookies();
    let shown = page.text();
    let asks = |before: &str| {
        let (_, from) = shown.split_once(before).unwrap();
        from.split('"').next().unwrap().replace("&#38;", "&")
    };
    let headers = [APP, ("cookie", cookies.as_str())];
    let answer = http::get(stage.addr(), &asks("data-status=\""), &headers).unwrap();
    let panel = answer.json()["panel"].as_str().unwrap().to_owned();
    for form in [&shown, &panel] {
        let wanted = "name=\"return\" value=\"/booking/a?b=c\"";
        assert!(form.contains(wanted), "{form}");
    }
    // And the way to switch the refresh off leads to the page without it.
    assert_eq!(asks("data-page=\""), "/booking/a?b=c");
}

#[test]
fn an_empty_line_is_invisible() {
    let stage = Stage::new(&Toml::default());
    let page = stage.first();
    assert_eq!(
        (page.text(), number(&page)),
        ("the portal".to_owned(), Some(1))
    );
    assert!(cookie(&page, "anteroom-main").is_some());
    let cookies = page.cookies();
    let again = navigate_with(stage.addr(), "/booking/again", &cookies);
    assert_eq!(again.text(), "the portal");
    assert_eq!(again.cookies(), "", "a fresh pass is not renewed");
}

#[test]
fn repeating_with_the_ticket_or_the_same_key_changes_nothing() {
    let stage = Stage::new(&Toml::default());
    stage.first();
    let mine = join(stage.addr());
    for _ in 0..3 {
        let again = try_join(stage.addr(), &[("anteroom-ticket", &mine.text)]);
        assert_eq!(ticket(&again).number, mine.number);
        assert_eq!(status(stage.addr(), &mine.text)["number"], mine.number);
        let page = navigate(
            stage.addr(),
            "/booking/",
            &[("anteroom-ticket", &mine.text)],
        );
        assert_eq!(number(&page), Some(mine.number));
    }
    let keyed = [("idempotency-key", "5f2c-order-17")];
    let first = ticket(&try_join(stage.addr(), &keyed));
    let second = ticket(&try_join(stage.addr(), &keyed));
    assert_eq!(first.number, mine.number + 1);
    assert_eq!(second.number, first.number);
    // The same visitor: what one of the two tickets does holds for the other.
    let gone = http::post(
        stage.addr(),
        "/.anteroom/main/leave",
        &[APP, ("anteroom-ticket", &first.text)],
        b"",
    );
    assert_eq!(gone.unwrap().json()["state"], "left");
    wait_for("the other ticket has left too", SOON, || {
        (status(stage.addr(), &second.text)["state"] == "left").then_some(())
    });
    assert_eq!(join(stage.addr()).number, first.number + 1);
}

#[test]
fn a_very_short_wait_is_not_a_page() {
    let stage = Stage::new(&Toml {
        // Far longer than anybody here waits, unless the machine is busy with everything else.
        room: "hold = \"10s\"",
        ..Toml::rate("2/s")
    });
    for number in 1..=6 {
        let page = navigate(stage.addr(), "/booking/", &[]);
        assert_eq!(page.text(), "the portal", "number {number}");
        assert_eq!(crate::stage::number(&page), Some(number));
    }
    let stage = Stage::new(&Toml {
        room: "hold = \"0s\"",
        ..Toml::rate("1/min")
    });
    let page = stage.first();
    assert_eq!(number(&page), Some(1));
    let page = navigate(stage.addr(), "/booking/", &[]);
    assert_eq!((number(&page), state(&page)), (Some(2), "turn"));
}

#[test]
fn guesses_and_heads_neither_join_nor_enter() {
    let stage = Stage::new(&Toml::default());
    for guess in [
        ("sec-purpose", "prefetch"),
        ("purpose", "prefetch;prerender"),
    ] {
        let reply = navigate(stage.addr(), "/booking/", &[guess]);
        assert!(is_problem(&reply), "{reply:?}");
        assert_eq!(reply.cookies(), "");
    }
    let headers = [("accept", "text/html"), ("sec-fetch-mode", "navigate")];
    let head = http::request(stage.addr(), "HEAD /booking/", &headers, b"").unwrap();
    assert_eq!((head.status, head.cookies()), (503, String::new()));
    assert_eq!(stage.origin.count(), 0);
    // None of them took a number.
    assert_eq!(number(&stage.first()), Some(1));
}

#[test]
fn a_program_that_does_what_the_problem_says_is_in_line() {
    let stage = Stage::new(&Toml::default());
    stage.first();
    for (language, title) in [("en", "not in the queue"), ("it", "Non è ancora in coda")] {
        let headers = [APP, ("accept-language", language)];
        let told = http::get(stage.addr(), "/booking/", &headers).unwrap();
        assert!(is_problem(&told), "{told:?}");
        let problem = told.json();
        let says = |member: &str| problem[member].as_str().unwrap().to_owned();
        assert!(says("title").contains(title), "{problem}");
        assert!(says("detail").contains("POST"), "{problem}");
        assert!(says("detail").contains("join_url"), "{problem}");
        let joined = http::post(stage.addr(), &says("join_url"), &headers, b"").unwrap();
        let mine = ticket(&joined);
        let held = [APP, ("anteroom-ticket", mine.text.as_str())];
        let again = http::get(stage.addr(), "/booking/", &held).unwrap().json();
        assert_eq!(again["number"], mine.number, "{again}");
        let detail = again["detail"].as_str().unwrap();
        assert!(!detail.contains("join_url"), "{again}");
    }
}

#[test]
fn leaving_is_asked_about_and_then_done() {
    let stage = Stage::new(&Toml::default());
    let inside = stage.first().cookies();
    let asked = navigate_with(stage.addr(), "/.anteroom/main/leave", &inside);
    assert!(
        asked.text().contains("<form method=\"post\""),
        "{}",
        asked.text()
    );
    assert_eq!(
        navigate_with(stage.addr(), "/booking/", &inside).text(),
        "the portal"
    );

    let left = submit(stage.addr(), "/.anteroom/main/leave", &inside, "");
    assert_eq!((left.status, state(&left)), (200, "left"));
    assert_eq!(cookie(&left, "anteroom-main-pass").as_deref(), Some(""));
    wait_for("the pass is spent", SOON, || {
        let page = navigate_with(stage.addr(), "/booking/", &inside);
        (state(&page) == "left").then_some(())
    });
    // And the ticket with it.
    let before = stage.origin.count();
    let again = submit(stage.addr(), "/.anteroom/main/enter", &inside, "");
    assert_eq!(state(&again), "left");
    assert_eq!(stage.origin.count(), before);
}

#[test]
fn a_turn_can_be_made_longer() {
    let stage = Stage::new(&Toml {
        room: "turn = \"1h\"",
        ..Toml::default()
    });
    stage.first();
    let mine = join(stage.addr());
    let turn = || {
        let body = status(stage.addr(), &mine.text);
        body["turn"]["enter_by"].as_str().map(str::to_owned)
    };
    let before = wait_for("its turn", SOON, turn);
    let headers = [APP, ("anteroom-ticket", mine.text.as_str())];
    let more = http::post(stage.addr(), "/.anteroom/main/more", &headers, b"").unwrap();
    assert_eq!(more.status, 200);
    let after = wait_for("a longer turn", SOON, || turn().filter(|by| *by != before));
    let seconds = |text: &str| text.parse::<jiff::Timestamp>().unwrap().as_second();
    let longer = seconds(&after) - seconds(&before);
    assert!((3_590..=3_610).contains(&longer), "{before} to {after}");
}

#[test]
fn everybody_may_know_how_the_line_stands() {
    let stage = Stage::new(&Toml::rate(ONE));
    stage.first();
    for _ in 0..5 {
        join(stage.addr());
    }
    let public = wait_for("the line is public", SOON, || {
        let reply = http::get(stage.addr(), "/.anteroom/main/public", &[]).unwrap();
        (reply.json()["waiting"].as_u64() > Some(0)).then_some(reply)
    });
    let body = public.json();
    assert_eq!(body["state"], "waiting");
    assert_eq!(
        body["serving"].as_u64().unwrap() + body["waiting"].as_u64().unwrap(),
        6
    );
    assert_eq!(public.cookies(), "");
    assert!(
        public
            .header("cache-control")
            .unwrap()
            .starts_with("public")
    );
}

#[test]
fn entering_again_gives_the_same_pass_and_no_second_entry() {
    let stage = Stage::new(&Toml::default());
    let mine = join(stage.addr());
    let pass = enter(stage.addr(), &mine.text);
    let again = ask(stage.addr(), &mine.text);
    assert_eq!(again.status, 200, "{}", again.text());
    let both = [
        APP,
        ("anteroom-ticket", mine.text.as_str()),
        ("anteroom-pass", pass.as_str()),
    ];
    let shown = http::post(stage.addr(), "/.anteroom/main/enter", &both, b"").unwrap();
    assert_eq!(
        (shown.status, &shown.json()["state"]),
        (200, &"entered".into())
    );
    let entered = stage
        .anteroom
        .metric("anteroom_entered_total{room=\"main\"}");
    assert_eq!(entered, Some(1.0));
}
