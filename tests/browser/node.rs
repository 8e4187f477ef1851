//! The scripts that drive the browser, and the rendered pages they look at.

use std::fs;
use std::path::Path;
use std::path::PathBuf;
use std::process::Command;

use anteroom::page::Lang;
use anteroom::page::Pages;
use anteroom::page::preview;
use anteroom::page::scenes;

/// Node with one of the scripts of this folder.
///
/// # Panics
/// When what they need has not been installed.
pub(crate) fn command(script: &str) -> Command {
    let here = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/browser");
    let installed = here.join("node_modules").is_dir();
    assert!(installed, "run `npm ci` in tests/browser first");
    let mut command = Command::new("node");
    command.arg(script).current_dir(here);
    command
}

/// Runs a script over the rendered pages; it prints what it finds and fails when that is bad.
pub(crate) fn run_over_pages(script: &str, more: &[&Path]) {
    let mut command = command(script);
    let status = command.arg(render()).args(more).status();
    let status = status.expect("Node 20 or newer is on the path");
    assert!(status.success(), "{script} failed");
}

/// Writes every page as `scene.lang.html`, and the policy they are served with.
fn render() -> PathBuf {
    let folder = PathBuf::from(env!("CARGO_TARGET_TMPDIR")).join("pages");
    fs::create_dir_all(&folder).expect("a folder for the pages");
    let pages = Pages::load().expect("texts that can be used");
    for lang in Lang::ALL {
        for scene in scenes() {
            let page = preview(&pages, scene, lang).expect("a scene by its name");
            let file = folder.join(format!("{scene}.{}.html", lang.tag()));
            fs::write(file, page).expect("a page is written");
        }
    }
    fs::write(folder.join("csp.txt"), pages.csp()).expect("the policy is written");
    folder
}
