//! A client that means no good: too much of everything, and values that are read in two ways.

use tempfile::TempDir;

use crate::stage::APP;
use crate::stage::BROWSER;
use crate::stage::MANY;
use crate::stage::SOON;
use crate::stage::Stage;
use crate::stage::Toml;
use crate::stage::enter;
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

#[test]
fn thousands_of_cookies_are_neither_read_nor_fatal() {
    let stage = Stage::new(&Toml::rate(MANY));
    let many: Vec<_> = (0..2_000).map(|at| format!("c{at}=v")).collect();
    let many = many.join("; ");
    let page = navigate_with(stage.addr(), "/booking/", &many);
    assert_eq!(page.text(), "the portal");
    assert_eq!(stage.origin.last().header("cookie"), Some(many));
    let forged = "anteroom-main-pass=AQHAT5LKBG1haW4ABmDevsAoKjG5; ".repeat(400);
    let page = http::get(stage.addr(), "/booking/", &[APP, ("cookie", &forged)]).unwrap();
    assert_eq!(page.status, 503);
    let huge = format!("a={}", "x".repeat(200_000));
    let page = http::get(stage.addr(), "/booking/", &[APP, ("cookie", &huge)]);
    assert!(page.is_err() || page.is_ok_and(|page| page.status == 431));
    assert_eq!(
        navigate(stage.addr(), "/booking/", &[]).text(),
        "the portal"
    );
}

#[test]
fn a_huge_form_is_not_read() {
    let stage = Stage::new(&Toml::rate(MANY));
    let mine = join(stage.addr());
    let own = format!("http://{}", stage.addr());
    let cookie = format!("anteroom-main={}", mine.text);
    let headers = [
        ("content-type", "application/x-www-form-urlencoded"),
        ("accept", "text/html"),
        ("origin", own.as_str()),
        ("cookie", cookie.as_str()),
    ];
    let form = "x".repeat(10 << 20);
    // Its answer may be lost to a client that goes on sending.
    let reply = http::post(
        stage.addr(),
        "/.anteroom/main/enter",
        &headers,
        form.as_bytes(),
    );
    assert!(reply.is_err() || reply.is_ok_and(|reply| reply.status < 500));
    assert_eq!(status(stage.addr(), &mine.text)["number"], mine.number);
    assert_eq!(stage.origin.count(), 0);
}

#[test]
fn nobody_is_sent_to_another_site() {
    let stage = Stage::new(&Toml::rate(MANY));
    let hostile = [
        "//evil.example",
        "/\\evil.example",
        "https://evil.example/",
        "%2F%2Fevil.example",
        "%2F%5Cevil.example",
        "%2F%09%2Fevil.example",
        "javascript:alert(1)",
        "/.anteroom/main/leave",
        "%0D%0ASet-Cookie:x=y",
    ];
    for to in hostile {
        let mine = join(stage.addr());
        enter(stage.addr(), &mine.text);
        let cookies = format!("anteroom-main={}", mine.text);
        let by_form = submit(
            stage.addr(),
            "/.anteroom/main/enter",
            &cookies,
            &format!("return={to}"),
        );
        assert_eq!(
            (by_form.status, by_form.header("location")),
            (303, Some("/")),
            "{to}"
        );
        let path = format!("/.anteroom/main/enter?return={to}");
        let by_query = submit(stage.addr(), &path, &cookies, "");
        assert_eq!(
            (by_query.status, by_query.header("location")),
            (303, Some("/")),
            "{to}"
        );
        assert_eq!(
            by_query
                .header("set-cookie")
                .map(|set| set.starts_with("anteroom-")),
            Some(true)
        );
    }
}

#[test]
fn a_strange_key_makes_no_second_number_and_no_shared_one() {
    let stage = Stage::new(&Toml::default());
    stage.first();
    let long = "k".repeat(3_000);
    for key in [long.as_str(), "\"quoted\"", "caf\u{e9}", "a, b", "0"] {
        let headers = [("idempotency-key", key)];
        let first = ticket(&try_join(stage.addr(), &headers)).number;
        assert_eq!(
            ticket(&try_join(stage.addr(), &headers)).number,
            first,
            "{key}"
        );
    }
    // Nothing is no key: two who send it are two.
    let empty = [("idempotency-key", "")];
    let first = ticket(&try_join(stage.addr(), &empty)).number;
    assert_ne!(ticket(&try_join(stage.addr(), &empty)).number, first);
}

#[test]
fn a_ticket_in_the_address_is_not_read() {
    let stage = Stage::new(&Toml::default());
    stage.first();
    let mine = join(stage.addr());
    let path = format!("/.anteroom/main/status?t={0}&ticket={0}", mine.text);
    let reply = http::get(stage.addr(), &path, &[APP]).unwrap();
    assert_eq!(reply.json()["state"], "invalid");
    assert_eq!(reply.cookies(), "");
}

#[test]
fn what_is_shown_back_is_never_markup() {
    let stage = Stage::new(&Toml::default());
    stage.first();
    let path =
        "/booking/%22%3E%3Cscript%3Ealert(1)%3C/script%3E?q=\"><script>alert(2)</script>&lang=<b>";
    let request = format!(
        "GET {path} HTTP/1.1\r\nhost: \"><script>alert(3)</script>\r\nconnection: close\r\naccept: text/html\r\n\r\n"
    );
    let answer = http::raw(stage.addr(), request.as_bytes()).unwrap();
    let answer = String::from_utf8_lossy(&answer).into_owned();
    assert!(!answer.contains("<script>alert"), "{answer}");
    let page = navigate(
        stage.addr(),
        "/booking/%22%3E%3Cscript%3E?q='%3E%3Cscript%3E",
        &[("accept-language", "<script>,it;q=9999")],
    );
    assert_eq!(page.status, 200);
    assert!(!page.text().contains("'><script>") && !page.text().contains("\"><script>"));
}

#[test]
fn two_of_one_header_are_no_way_in() {
    let stage = Stage::new(&Toml::default());
    let inside = stage.first();
    let good = crate::stage::cookie(&inside, "anteroom-main-pass").unwrap();
    // The header outranks the cookie: what does not hold in it is not made good by the cookie.
    let cookies = inside.cookies();
    let headers = [
        APP,
        ("anteroom-pass", "forged"),
        ("cookie", cookies.as_str()),
    ];
    let reply = http::get(stage.addr(), "/booking/", &headers).unwrap();
    assert_eq!(reply.status, 503);
    // A forged cookie in front of the good one does not lock its owner out.
    let pair = format!("anteroom-main-pass=forged; anteroom-main-pass={good}");
    let page = navigate_with(stage.addr(), "/booking/", &pair);
    assert_eq!(page.text(), "the portal");
}

#[test]
fn a_ticket_of_an_unknown_key_is_never_overwritten() {
    let stage = Stage::new(&Toml::default());
    let other = Stage::new(&Toml::default());
    other.first();
    let foreign = join(other.addr());
    let cookies = format!("anteroom-main={}", foreign.text);
    let page = navigate_with(stage.addr(), "/booking/", &cookies);
    assert_eq!(
        (page.status, state(&page), number(&page)),
        (200, "invalid", None)
    );
    assert_eq!(page.cookies(), "");
    assert_eq!(stage.origin.count(), 0);
}

#[test]
fn no_call_overwrites_a_ticket_of_an_unknown_key_not_even_beside_one_of_an_ended_line() {
    let keys = TempDir::new().unwrap();
    let same_keys = format!(
        "[tickets]\nkey_file = \"{}\"",
        keys.path().join("ticket.keys").display()
    );
    let toml = Toml {
        more: &same_keys,
        ..Toml::default()
    };
    let stage = Stage::new(&toml);
    // Of a line of its own, which is not this one, signed with the same keys.
    let ended = join(Stage::new(&toml).addr()).text;
    let foreign = join(Stage::new(&Toml::default()).addr()).text;
    for cookies in [
        format!("anteroom-main={foreign}"),
        format!("anteroom-main={foreign}; anteroom-main={ended}"),
        format!("anteroom-main={ended}; anteroom-main={foreign}"),
    ] {
        for call in ["join", "enter", "more"] {
            let path = format!("/.anteroom/main/{call}");
            let page = submit(stage.addr(), &path, &cookies, "");
            assert_eq!(page.cookies(), "", "{call} by a page: {}", page.text());
            let headers = [APP, ("cookie", cookies.as_str())];
            let reply = http::post(stage.addr(), &path, &headers, b"").unwrap();
            assert_eq!(reply.cookies(), "", "{call} by an app: {}", reply.text());
            let told = reply.text();
            assert!(!told.contains("\"ticket\""), "{call} by an app: {told}");
        }
    }
    let unbelieved = "anteroom_unbelieved_total{reason=\"unknown-key\"}";
    wait_for("each of them is counted", SOON, || {
        (stage.anteroom.metric(unbelieved) == Some(18.0)).then_some(())
    });
    let headers = [APP, ("anteroom-ticket", foreign.as_str())];
    let reply = http::post(stage.addr(), "/.anteroom/main/join", &headers, b"").unwrap();
    assert_eq!(
        (reply.cookies(), reply.header("anteroom-ticket")),
        (String::new(), None)
    );
    assert_eq!(join(stage.addr()).number, 1, "a number was taken");
    // One of an ended line alone has no place to lose.
    let cookie = format!("anteroom-main={ended}");
    let reply = try_join(stage.addr(), &[("cookie", &cookie)]);
    assert_eq!(ticket(&reply).number, 2);
}

#[test]
fn unknown_addresses_and_wrong_methods_are_told_so() {
    let stage = Stage::new(&Toml::default());
    for (line, status) in [
        ("GET /.anteroom/main/enter", 405),
        ("GET /.anteroom/main/join", 405),
        ("POST /.anteroom/main/status", 405),
        ("GET /.anteroom/main/nothing", 404),
        ("GET /.anteroom/other/status", 404),
        ("GET /.anteroom/", 404),
        ("GET /.anteroom/main", 404),
        ("POST /.anteroom/../.anteroom/main/nothing", 404),
    ] {
        let reply = http::request(stage.addr(), line, &[APP], b"").unwrap();
        assert_eq!(reply.status, status, "{line}: {}", reply.text());
        let page = http::request(stage.addr(), line, &BROWSER, b"").unwrap();
        assert_eq!(page.status, status, "{line}");
    }
    assert_eq!(stage.origin.count(), 0);
}
