//! Pictures of what visitors meet, for people to look at: they check nothing, so nothing runs them by itself.
//!
//! `cargo test --test shots -- --nocapture` takes every rendered page, and the pages of a running anteroom in each state
//! that can be brought about from outside, on a phone and a desktop, light and dark. They are left in
//! `target/tmp/shots`; what they need is what the checks in `main.rs` need.

#![allow(
    clippy::panic,
    clippy::print_stdout,
    reason = "what cannot go on panics, and tells what its script did"
)]

mod journey;
mod node;
#[path = "../support/mod.rs"]
mod support;

use std::path::Path;
use std::path::PathBuf;

use crate::journey::Stage;
use crate::journey::config;
use crate::journey::rooms;
use crate::support::anteroom::Anteroom;
use crate::support::free_addr;

fn shots(folder: &str) -> PathBuf {
    Path::new(env!("CARGO_TARGET_TMPDIR"))
        .join("shots")
        .join(folder)
}

#[test]
fn pictures_of_every_rendered_page() {
    node::run_over_pages("shots.mjs", &[&shots("rendered")]);
}

#[test]
fn pictures_of_a_running_anteroom() {
    let mut stage = Stage::new();
    // One whose store is not there: nobody listens at this address.
    let (nobody, portal) = (free_addr(), free_addr());
    let away = Anteroom::start_unready(|place| {
        let store = format!("[store]\nurl = \"redis://{nobody}\"\n");
        config(place, portal, &rooms()) + &store
    });
    let away = format!("http://{}", away.addr());
    let (address, output) = (stage.url(""), shots("live"));
    let arguments = [address.as_ref(), output.as_os_str(), away.as_ref()];
    let taken = stage.play("live.mjs", &arguments);
    assert!(taken, "live.mjs failed");
}
