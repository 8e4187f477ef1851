//! Requests find the room that is meant, by whatever name they ask for it.

use std::path::Path;

use proptest::prelude::*;

use crate::config::Surroundings;
use crate::config::parse;

use super::*;

const TWO: &str = r#"
[origin.portal]
url = "http://127.0.0.1:8000"
[origin.other]
url = "http://127.0.0.1:8001"
hosts = ["other.example.org"]
[room.all]
origin = "portal"
rate = "1/s"
hosts = ["*.example.org"]
[room.booking]
origin = "portal"
rate = "1/s"
paths = ["/booking/*"]
bypass = ["/booking/static/*"]
hosts = ["*.example.org"]
[room.post]
origin = "portal"
rate = "1/s"
methods = ["POST"]
paths = ["/send"]
hosts = ["post.example.com"]
"#;

fn routes() -> Routes {
    let loaded = parse(
        Path::new("t"),
        Path::new(""),
        TWO,
        &Surroundings::elsewhere(),
    )
    .unwrap();
    Routes::new(&loaded.config)
}

fn name(method: &Method, host: &str, path: &str) -> String {
    match routes().find(method, host, path) {
        Found::Room { room, .. } => format!("room {}", room.name),
        Found::Bypass { room, .. } => format!("bypass {}", room.name),
        Found::Outside { origin } => format!("outside {}", origin.name),
        Found::Nowhere => String::from("nowhere"),
    }
}

#[test]
fn the_closest_path_wins_and_exceptions_go_through() {
    assert_eq!(
        name(&Method::GET, "a.example.org", "/booking/new"),
        "room booking"
    );
    assert_eq!(name(&Method::GET, "a.example.org", "/"), "room all");
    assert_eq!(
        name(&Method::GET, "a.example.org", "/booking/static/a.css"),
        "bypass booking"
    );
}

#[test]
fn methods_and_hosts_count_and_the_rest_goes_outside() {
    assert_eq!(
        name(&Method::POST, "post.example.com", "/send"),
        "room post"
    );
    assert_eq!(
        name(&Method::GET, "post.example.com", "/send"),
        "outside portal"
    );
    assert_eq!(
        name(&Method::GET, "elsewhere", "/booking/new"),
        "outside portal"
    );
}

#[test]
fn a_path_has_one_form_whatever_it_is_called() {
    for path in [
        "/booking/new",
        "/%62ooking/new",
        "//booking//new",
        "/x/../booking/new",
        "/booking/./new",
        "/booking%2fnew",
        "/booking\\new",
        "/booking;v=1/new;jsessionid=2",
        "/static/%2e%2e/booking/new",
    ] {
        assert_eq!(normal_path(path).as_deref(), Some("/booking/new"), "{path}");
    }
    assert_eq!(normal_path("/booking/x/..").as_deref(), Some("/booking/"));
    assert_eq!(normal_path("/").as_deref(), Some("/"));
    for path in ["", "booking", "/%", "/%4", "/%zz", "/..", "/a/../..", "*"] {
        assert_eq!(normal_path(path), None, "{path}");
    }
}

proptest! {
    #[test]
    fn a_normal_path_stays_as_it_is(path in "/[a-c./%;\\\\256ef]{0,24}") {
        if let Some(normal) = normal_path(&path) {
            prop_assert!(normal.starts_with('/'));
            prop_assert!(!normal.contains("//") && !normal.contains("/../"));
            if !normal.contains('%') {
                let again = normal_path(&normal);
                prop_assert_eq!(again.as_deref(), Some(normal.as_ref()));
            }
        }
    }
}
