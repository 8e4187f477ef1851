//! What visitors are given and what the origin is told: cookies, caching, our headers in both directions.

use crate::stage::APP;
use crate::stage::MANY;
use crate::stage::SOON;
use crate::stage::Stage;
use crate::stage::Toml;
use crate::stage::call;
use crate::stage::cookie;
use crate::stage::enter;
use crate::stage::join;
use crate::stage::navigate;
use crate::stage::navigate_with;
use crate::stage::set_cookies;
use crate::stage::state;
use crate::stage::submit;
use crate::support::http;
use crate::support::origin::Answer;
use crate::support::origin::Origin;
use crate::support::wait_for;

#[test]
fn cookies_over_http_are_lax_and_http_only() {
    let stage = Stage::new(&Toml::rate(MANY));
    let page = navigate(stage.addr(), "/booking/", &[]);
    let set = set_cookies(&page);
    assert_eq!(set.len(), 2, "{set:?}");
    for (set, name) in set.iter().zip(["anteroom-main=", "anteroom-main-pass="]) {
        assert!(set.starts_with(name), "{set}");
        for attribute in ["; Path=/", "; HttpOnly", "; SameSite=Lax", "; Max-Age="] {
            assert!(set.contains(attribute), "{set}");
        }
        assert!(!set.contains("Secure") && !set.contains("Domain"), "{set}");
    }
}

#[test]
fn cookies_over_https_are_bound_to_the_host_also_behind_a_trusted_balancer() {
    let https = ("x-forwarded-proto", "https");
    let trusting = Stage::new(&Toml {
        server: "trusted_proxies = [\"127.0.0.0/8\"]",
        ..Toml::rate(MANY)
    });
    let page = navigate(trusting.addr(), "/booking/", &[https]);
    let set = set_cookies(&page);
    assert!(set[0].starts_with("__Host-anteroom-main="), "{set:?}");
    assert!(set[0].contains("; SameSite=Lax; Secure"), "{set:?}");
    assert!(set[1].starts_with("__Host-anteroom-main-pass="), "{set:?}");
    assert!(set[1].contains("; SameSite=None; Secure"), "{set:?}");
    assert!(set.iter().all(|set| set.contains("; Path=/")));
    let cookies = page.cookies();
    let inside = navigate(trusting.addr(), "/booking/", &[https, ("cookie", &cookies)]);
    assert_eq!(
        (inside.text(), inside.cookies()),
        ("the portal".to_owned(), String::new())
    );
    assert_eq!(
        trusting
            .origin
            .last()
            .header("x-forwarded-proto")
            .as_deref(),
        Some("https")
    );

    // Somebody who is not trusted says nothing about the scheme.
    let strict = Stage::new(&Toml::rate(MANY));
    let page = navigate(strict.addr(), "/booking/", &[https]);
    assert!(set_cookies(&page)[0].starts_with("anteroom-main="));
    assert_eq!(
        strict.origin.last().header("x-forwarded-proto").as_deref(),
        Some("http")
    );
}

#[test]
fn a_response_with_our_cookie_is_never_for_a_shared_cache() {
    let origin = Origin::answering(|_| {
        Answer::page("asset").with("cache-control", "public, max-age=600, s-maxage=900")
    });
    let stage = Stage::before(origin, &Toml::rate(MANY));
    let first = navigate(stage.addr(), "/booking/logo", &[]);
    assert_eq!(first.header("cache-control"), Some("private, max-age=600"));
    let cookies = first.cookies();
    let second = navigate_with(stage.addr(), "/booking/logo", &cookies);
    assert_eq!(set_cookies(&second), Vec::<&str>::new());
    assert_eq!(
        second.header("cache-control"),
        Some("public, max-age=600, s-maxage=900")
    );
}

#[test]
fn nothing_of_ours_reaches_the_origin_and_nobody_can_forge_a_visitor() {
    let stage = Stage::new(&Toml::rate(MANY));
    let page = navigate(stage.addr(), "/booking/", &[]);
    let ours = page.cookies();
    let cookies = format!("a=1; {ours}; basket=x=y; __Host-anteroom-other=z");
    let headers = [
        ("cookie", cookies.as_str()),
        ("anteroom-visitor", "00000000000000000000000000000000"),
        ("Anteroom_Visitor", "11111111111111111111111111111111"),
        ("anteroom-anything", "x"),
        ("x-forwarded-for", "203.0.113.9"),
        ("x-real-ip", "203.0.113.9"),
    ];
    navigate(stage.addr(), "/booking/", &headers);
    let seen = stage.origin.last();
    assert_eq!(seen.header("cookie").as_deref(), Some("a=1; basket=x=y"));
    let visitor = seen.header("anteroom-visitor").unwrap();
    assert_eq!(visitor.len(), 32, "{visitor}");
    assert!(visitor != "0".repeat(32) && visitor != "1".repeat(32));
    let named = |name: &str| name.replace('_', "-").starts_with("anteroom");
    let ours: Vec<_> = seen
        .headers
        .iter()
        .filter(|(name, _)| named(name))
        .collect();
    assert_eq!(ours.len(), 1, "{ours:?}");
    assert_eq!(seen.header("x-forwarded-for").as_deref(), Some("127.0.0.1"));
    assert_eq!(seen.header("x-real-ip"), None);

    // The same visitor is told under the same name, by whatever way it shows its pass.
    let pass = cookie(&page, "anteroom-main-pass").unwrap();
    call(stage.addr(), "/booking/", &pass);
    let seen = stage.origin.last();
    assert_eq!(seen.header("anteroom-visitor"), Some(visitor));
    assert_eq!(seen.header("anteroom-pass"), None);

    // Outside the room nothing is told, and nothing forged is passed on.
    navigate(stage.addr(), "/elsewhere", &headers);
    let seen = stage.origin.last();
    assert_eq!(seen.header("anteroom-visitor"), None);
    assert_eq!(seen.header("cookie").as_deref(), Some("a=1; basket=x=y"));
}

#[test]
fn the_origin_finishes_a_visit_and_tells_its_stock() {
    let origin = Origin::answering(|seen| {
        let page = Answer::page("done");
        match seen.target.as_str() {
            "/booking/done" => page.with("anteroom-command", "finish"),
            "/booking/stock" => page.with("anteroom-stock", "17"),
            "/booking/last" => page.with("anteroom-command", "sold-out"),
            _ => page,
        }
    });
    let stage = Stage::before(origin, &Toml::rate(MANY));
    let mine = join(stage.addr());
    let pass = enter(stage.addr(), &mine.text);

    let stock = call(stage.addr(), "/booking/stock", &pass);
    assert_eq!(stock.header("anteroom-stock"), None);
    wait_for("the stock is public", SOON, || {
        let public = http::get(stage.addr(), "/.anteroom/main/public", &[]).unwrap();
        (public.json()["stock"] == 17).then_some(())
    });
    let shown = stage.anteroom.metric("anteroom_stock{room=\"main\"}");
    assert_eq!(shown, Some(17.0));

    let done = call(stage.addr(), "/booking/done", &pass);
    assert_eq!((done.status, done.header("anteroom-command")), (200, None));
    let refused = wait_for("the pass is spent", SOON, || {
        let reply = call(stage.addr(), "/booking/more", &pass);
        (reply.status == 503).then_some(reply)
    });
    assert_eq!(
        refused.header("content-type"),
        Some("application/problem+json")
    );
    let again = http::post(
        stage.addr(),
        "/.anteroom/main/enter",
        &[APP, ("anteroom-ticket", &mine.text)],
        b"",
    )
    .unwrap();
    assert_eq!((again.status, state(&again)), (409, "left"));

    let other = join(stage.addr());
    let pass = enter(stage.addr(), &other.text);
    let last = call(stage.addr(), "/booking/last", &pass);
    assert_eq!((last.status, last.header("anteroom-command")), (200, None));
    wait_for("newcomers learn that it is sold out", SOON, || {
        let page = navigate(stage.addr(), "/booking/", &[]);
        (state(&page) == "sold-out").then_some(())
    });
}

#[test]
fn another_site_cannot_press_the_button() {
    let stage = Stage::new(&Toml::rate(MANY));
    let mine = join(stage.addr());
    let cookies = format!("anteroom-main={}", mine.text);
    for from in [
        ("origin", "https://evil.example"),
        ("sec-fetch-site", "cross-site"),
        ("origin", "null"),
    ] {
        for call in ["enter", "leave", "more", "join"] {
            let path = format!("/.anteroom/main/{call}");
            let headers = [("cookie", cookies.as_str()), ("accept", "text/html"), from];
            let reply = http::post(stage.addr(), &path, &headers, b"").unwrap();
            assert_eq!(
                (reply.status, reply.cookies()),
                (403, String::new()),
                "{path}"
            );
        }
    }
    let entered = submit(stage.addr(), "/.anteroom/main/enter", &cookies, "");
    assert!([200, 303].contains(&entered.status), "{}", entered.text());
    assert_eq!(status_of(&stage, &mine.text), "entered");
}

fn status_of(stage: &Stage, ticket: &str) -> String {
    wait_for("it is inside", SOON, || {
        let body = crate::stage::status(stage.addr(), ticket);
        let state = body["state"].as_str().unwrap().to_owned();
        (state == "entered").then_some(state)
    })
}
