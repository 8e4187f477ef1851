//! Patterns match what people expect of them.

use proptest::prelude::*;

use super::*;

fn path(pattern: &str) -> PathPattern {
    pattern.parse().unwrap()
}

#[test]
fn a_last_star_matches_everything_below_and_the_folder_itself() {
    for given in ["/booking", "/booking/", "/booking/a", "/booking/a/b"] {
        assert!(path("/booking/*").matches(given), "{given}");
    }
    for given in [
        "/",
        "/bookings",
        "/booking2/a",
        "/Booking/a",
        "/a/booking/b",
        "booking",
    ] {
        assert!(!path("/booking/*").matches(given), "{given}");
    }
    for given in ["/", "/a", "/a/b/"] {
        assert!(path("/*").matches(given), "{given}");
    }
}

#[test]
fn a_star_inside_stays_in_its_segment() {
    assert!(path("/static/*.css").matches("/static/site.css"));
    assert!(path("/static/*.css").matches("/static/.css"));
    assert!(!path("/static/*.css").matches("/static/a/site.css"));
    assert!(path("/*/book").matches("/it/book"));
    assert!(!path("/*/book").matches("/it/x/book"));
    assert!(path("/a*b*c").matches("/aXbbYc"));
    assert!(!path("/a*b*c").matches("/aXbbY"));
}

#[test]
fn a_pattern_without_a_star_is_exact() {
    assert!(path("/book").matches("/book"));
    assert!(!path("/book").matches("/book/"));
    assert!(path("/book/").matches("/book/"));
    assert!(!path("/book/").matches("/book"));
    assert!(path("/").matches("/"));
    assert!(!path("/").matches("/a"));
}

#[test]
fn patterns_that_could_never_match_are_refused() {
    for text in [
        "", "booking", "/a?b", "/a#b", "/a%20b", "/**", "/a/../b", "/a//b", "/a;b", "/a\\b", "/./*",
    ] {
        assert!(text.parse::<PathPattern>().is_err(), "{text}");
    }
}

#[test]
fn the_closer_pattern_is_the_greater_one() {
    let closeness = |text| path(text).closeness();
    assert!(closeness("/booking") > closeness("/booking/*"));
    assert!(closeness("/booking/new/*") > closeness("/booking/*"));
    assert!(closeness("/booking/*") > closeness("/*"));
    assert!(closeness("/booking/*.css") > closeness("/booking/*"));
}

#[test]
fn hosts_match_without_regard_to_case() {
    let host = |text: &str| text.parse::<HostPattern>().unwrap();
    assert!(host("Booking.example.org").matches("booking.EXAMPLE.org."));
    assert!(!host("booking.example.org").matches("example.org"));
    assert!(host("*.example.org").matches("a.b.example.org"));
    for given in ["example.org", ".example.org", "badexample.org", ""] {
        assert!(!host("*.example.org").matches(given), "{given}");
    }
    assert!(host("[::1]").matches("[::1]"));
    for text in ["", "a b", "https://a", "a:80", "a.*", "bücher.example", "*"] {
        assert!(text.parse::<HostPattern>().is_err(), "{text}");
    }
}

proptest! {
    #[test]
    fn what_is_shown_is_read_back(text in "/[a-c*./é]{0,20}") {
        if let Ok(pattern) = text.parse::<PathPattern>() {
            prop_assert_eq!(pattern.to_string(), text);
        }
    }

    #[test]
    fn a_pattern_matches_what_its_stars_are_replaced_by(
        parts in proptest::collection::vec("[a-z.-]{0,6}", 1..5), fill in "[a-z.-]{0,6}"
    ) {
        let pattern = PathPattern { segments: vec![parts.join("*")], below: false };
        let path = format!("/{}", parts.join(&fill));
        prop_assert!(pattern.matches(&path));
    }

    #[test]
    fn a_longer_path_below_still_matches(below in "(/[a-z]{0,5}){0,6}") {
        let path = format!("/booking{below}");
        let pattern: PathPattern = "/booking/*".parse()?;
        prop_assert!(pattern.matches(&path));
    }
}
