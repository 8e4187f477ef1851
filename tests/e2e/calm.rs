//! When the origin is down: calm words for those inside, places kept for those waiting, and back by itself.

use crate::stage::APP;
use crate::stage::ONE;
use crate::stage::Stage;
use crate::stage::Toml;
use crate::stage::call;
use crate::stage::cookie;
use crate::stage::join;
use crate::stage::navigate_with;
use crate::stage::status;
use crate::support::http;

#[test]
fn an_origin_that_is_down_costs_nobody_anything() {
    let mut stage = Stage::new(&Toml::rate(ONE));
    let inside = stage.first();
    let cookies = inside.cookies();
    let pass = cookie(&inside, "anteroom-main-pass").unwrap();
    let waiting = join(stage.addr());

    stage.origin.stop();
    let page = navigate_with(stage.addr(), "/booking/", &cookies);
    assert_eq!(page.status, 502);
    assert!(
        page.header("content-type")
            .unwrap()
            .starts_with("text/html")
    );
    assert_eq!(page.header("cache-control"), Some("no-store"));
    assert!(page.header("retry-after").is_some());
    let problem = call(stage.addr(), "/booking/", &pass);
    assert_eq!(problem.status, 502);
    assert_eq!(
        problem.header("content-type"),
        Some("application/problem+json")
    );
    assert_eq!(problem.json()["status"], 502);
    let headers = [APP, ("anteroom-pass", pass.as_str())];
    let posted = http::post(stage.addr(), "/booking/", &headers, b"a=b").unwrap();
    assert_eq!(posted.status, 502);
    // Outside the room the same, in its own words.
    let outside = http::get(stage.addr(), "/elsewhere", &[APP]).unwrap();
    assert_eq!(outside.status, 502);
    assert_eq!(
        outside.header("content-type"),
        Some("application/problem+json")
    );
    assert_eq!(
        status(stage.addr(), &waiting.text)["number"],
        waiting.number
    );
    assert_eq!(join(stage.addr()).number, waiting.number + 1);

    stage.origin.start_again();
    let page = navigate_with(stage.addr(), "/booking/", &cookies);
    assert_eq!((page.status, page.text()), (200, "the portal".to_owned()));
    let posted = http::post(stage.addr(), "/booking/", &headers, b"a=b").unwrap();
    assert_eq!(posted.status, 200);
    assert_eq!(stage.origin.last().body, b"a=b");
}

#[test]
fn a_newcomer_let_in_while_the_origin_is_down_keeps_its_entry() {
    let mut stage = Stage::new(&Toml::rate(ONE));
    stage.origin.stop();
    let page = crate::stage::navigate(stage.addr(), "/booking/", &[]);
    assert_eq!(page.status, 502);
    let cookies = page.cookies();
    assert!(cookie(&page, "anteroom-main-pass").is_some());
    stage.origin.start_again();
    let page = navigate_with(stage.addr(), "/booking/", &cookies);
    assert_eq!(page.text(), "the portal");
}
