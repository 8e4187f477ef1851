//! What visitors meet, in a real Chromium: every page, the page's script, and the whole way to the portal.
//!
//! `npm ci` in this folder, then `cargo test --test browser -- --test-threads=1`. Needs Node and a Chromium, found on
//! the path or named by `CHROMIUM`: without them these tests fail, which is why a plain `cargo test` has none of them.
//! The rendered pages are left in `target/tmp/pages`.

#![allow(
    clippy::panic,
    clippy::print_stdout,
    reason = "a test that cannot go on panics, and tells what its script found"
)]

mod journey;
mod node;
#[path = "../support/mod.rs"]
mod support;

use crate::journey::Stage;
use crate::node::run_over_pages;

#[test]
fn every_page_is_accessible_small_and_readable_at_any_size() {
    run_over_pages("pages.mjs", &[]);
}

#[test]
fn the_script_keeps_a_page_up_to_date_and_leaves_people_in_peace() {
    run_over_pages("client.mjs", &[]);
}

#[test]
fn a_visitor_goes_from_the_waiting_page_through_its_turn_to_the_portal_with_script_and_without() {
    let mut stage = Stage::new();
    let address = stage.url("");
    let found = stage.play("journey.mjs", &[address.as_ref()]);
    assert!(found, "journey.mjs failed");
    let seen = stage.origin.seen();
    let served = |page: &str| seen.iter().filter(|seen| seen.target == page).count();
    for page in ["/booking/?step=1", "/booking/?step=2"] {
        assert_eq!(served(page), 2, "two tabs open {page}");
    }
    assert_eq!(served("/auto/"), 1);
}

#[test]
fn a_small_crowd_goes_in_one_after_the_other_and_nobodys_place_rises() {
    let mut stage = Stage::new();
    stage.obey("pace main 30/min");
    let page = stage.url("/booking/");
    let found = stage.play("flow.mjs", &[page.as_ref(), "6".as_ref()]);
    assert!(found, "flow.mjs failed");
}
