//! Renders every visitor page for the checks in a real browser, and runs them.
//!
//! `npm ci` in this folder, then `cargo test --test browser -- --ignored`. Needs Node and a Chromium, found on the path
//! or named by `CHROMIUM`. The pages are left in `target/tmp/pages`, the screenshots in `target/tmp/shots`.

#![allow(clippy::unwrap_used, reason = "in a test, a panic is how it fails")]

use std::fs;
use std::path::PathBuf;
use std::process::Command;

use anteroom::page::Lang;
use anteroom::page::Pages;
use anteroom::page::preview;
use anteroom::page::scenes;

/// Writes every page as `scene.lang.html`, and the policy they are served with.
fn render() -> PathBuf {
    let folder = PathBuf::from(env!("CARGO_TARGET_TMPDIR")).join("pages");
    fs::create_dir_all(&folder).unwrap();
    let pages = Pages::load().unwrap();
    for lang in Lang::ALL {
        for scene in scenes() {
            let page = preview(&pages, scene, lang).unwrap();
            fs::write(folder.join(format!("{scene}.{}.html", lang.tag())), page).unwrap();
        }
    }
    fs::write(folder.join("csp.txt"), pages.csp()).unwrap();
    folder
}

/// Runs one script over the rendered pages; it prints what it finds and fails when that is bad.
fn run(script: &str) {
    let pages = render();
    let shots = pages.with_file_name("shots");
    let here = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/browser");
    let status = Command::new("node")
        .arg(script)
        .arg(&pages)
        .arg(&shots)
        .current_dir(here)
        .status()
        .unwrap();
    assert!(status.success(), "{script} failed");
}

#[test]
fn every_scene_can_be_rendered_to_a_file() {
    let folder = render();
    let files = fs::read_dir(&folder).unwrap().count();
    assert!(files > scenes().count() * Lang::ALL.len());
}

#[test]
#[ignore = "needs Node, `npm ci` in tests/browser, and Chromium"]
fn every_page_is_accessible_small_and_readable_at_any_size() {
    run("pages.mjs");
}

#[test]
#[ignore = "needs Node, `npm ci` in tests/browser, and Chromium"]
fn the_script_keeps_a_page_up_to_date_and_leaves_people_in_peace() {
    run("client.mjs");
}

#[test]
#[ignore = "needs Node, `npm ci` in tests/browser, and Chromium"]
fn screenshots_are_taken_to_be_looked_at() {
    run("shots.mjs");
}
