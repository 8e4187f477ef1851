//! Imports point down: a module knows only of modules below it, so any of them can be read without those above.

#![allow(clippy::unwrap_used, reason = "in a test, a panic is how it fails")]

use std::fs;
use std::path::Path;
use std::path::PathBuf;

/// Every module and its layer. A new module gets its line here.
const LAYERS: &[(&str, u8)] = &[
    ("line", 0),
    ("clock", 0),
    ("seal", 1),
    ("message", 1),
    ("estimate", 1),
    ("config", 2),
    ("telemetry", 2),
    ("store", 3),
    ("page", 3),
    ("proxy", 3),
    ("room", 4),
    ("gate", 5),
    ("admin", 5),
    ("server", 6),
    ("app", 7),
    ("fuzz", 7),
    ("demo", 7),
    ("cli", 8),
];

/// Modules that may import a peer: who, whom.
const SIDEWAYS: &[(&str, &str)] = &[("telemetry", "config")];

/// Files that belong to no layer: the crate's root names every module, and the binary is above all of them.
const ABOVE_ALL: &[&str] = &["lib.rs", "main.rs"];

/// The longest a file may be.
const LINES_MAX: usize = 500;

fn layer(module: &str) -> Option<u8> {
    let found = LAYERS.iter().find(|(name, _)| *name == module);
    found.map(|(_, layer)| *layer)
}

/// The top-level module a file below `src` belongs to.
fn module_of(file: &Path) -> String {
    let first = file.components().next().unwrap();
    let name = first.as_os_str().to_str().unwrap();
    name.trim_end_matches(".rs").to_owned()
}

/// Everything in a file that breaks a rule of the layers.
fn violations(file: &Path, text: &str) -> Vec<String> {
    let code = without_comments_and_strings(text);
    let mut found = Vec::new();
    let mut report = |what: String| found.push(format!("{}: {what}", file.display()));
    for import in imports(&code) {
        let glob = import.ends_with('*') && import != "super::*" && !import.ends_with("prelude::*");
        if glob {
            report(format!("`use {import}` imports everything"));
        }
        let ours = ["crate::", "super::", "self::"];
        if ours.iter().any(|root| import.starts_with(root)) && import.contains('{') {
            report(format!("`use {import}` is a group: one line each"));
        }
    }
    if ABOVE_ALL.iter().any(|name| file == Path::new(name)) {
        return found;
    }
    let module = module_of(file);
    let Some(own) = layer(&module) else {
        report(format!("the module `{module}` has no layer"));
        return found;
    };
    if code.contains("super::super") {
        report("`super::super` hides where an import points".to_owned());
    }
    for other in mentioned(&code) {
        let allowed = other == module || SIDEWAYS.contains(&(module.as_str(), other));
        match layer(other) {
            None => report(format!("`crate::{other}` has no layer")),
            Some(layer) if layer >= own && !allowed => {
                report(format!("`crate::{other}` (layer {layer}) from layer {own}"));
            }
            Some(_) => {}
        }
    }
    found
}

/// The module after each `crate::`.
fn mentioned(code: &str) -> Vec<&str> {
    let after = code.split("crate::").skip(1);
    after
        .map(|rest| {
            let end = rest.find(|c: char| !c.is_alphanumeric() && c != '_');
            rest.split_at(end.unwrap_or(rest.len())).0
        })
        // A macro of the crate (`$crate::name!`) and a group have no module here.
        .filter(|name| !name.is_empty())
        .collect()
}

/// What stands between each `use` and its semicolon, without white space.
fn imports(code: &str) -> Vec<String> {
    let mut found = Vec::new();
    let mut open: Option<String> = None;
    for line in code.lines() {
        let line = line.trim();
        let visible = line
            .split_once("use ")
            .filter(|(before, _)| before.is_empty() || before.starts_with("pub"));
        if let (None, Some((_, import))) = (&open, visible) {
            open = Some(import.to_owned());
        } else if let Some(import) = &mut open {
            import.push_str(line);
        }
        if let Some(import) = open.take() {
            match import.split_once(';') {
                Some((import, _)) => found.push(import.split_whitespace().collect()),
                None => open = Some(import),
            }
        }
    }
    found
}

/// The text with comments and the insides of string literals blanked; line ends stay.
fn without_comments_and_strings(text: &str) -> String {
    let mut code = String::with_capacity(text.len());
    let mut rest = text;
    while let Some(first) = rest.chars().next() {
        let skipped = if rest.starts_with("//") {
            rest.find('\n').unwrap_or(rest.len())
        } else if rest.starts_with("/*") {
            rest.find("*/").map_or(rest.len(), |end| end + 2)
        } else if let Some(len) = raw_string_len(rest) {
            len
        } else if first == '"' {
            string_len(rest)
        } else if rest.starts_with("'\"'") {
            3
        } else if rest.starts_with("'\\\"'") {
            4
        } else {
            code.push(first);
            rest = rest.split_at(first.len_utf8()).1;
            continue;
        };
        let (gone, kept) = rest.split_at(skipped);
        code.extend(gone.chars().filter(|c| *c == '\n'));
        code.push(' ');
        rest = kept;
    }
    code
}

/// The length of the string literal a text begins with.
fn string_len(text: &str) -> usize {
    let mut escaped = false;
    for (at, character) in text.char_indices().skip(1) {
        match character {
            _ if escaped => escaped = false,
            '\\' => escaped = true,
            '"' => return at + 1,
            _ => {}
        }
    }
    text.len()
}

/// The length of the raw string literal a text begins with, if it does.
fn raw_string_len(text: &str) -> Option<usize> {
    let after = text.strip_prefix('r')?;
    let body = after.trim_start_matches('#');
    let hashes = after.len() - body.len();
    let body = body.strip_prefix('"')?;
    let end = format!("\"{}", "#".repeat(hashes));
    let len = body.find(&end).map_or(body.len(), |at| at + end.len());
    Some(1 + hashes + 1 + len)
}

fn source_files() -> Vec<(PathBuf, String)> {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("src");
    let (mut folders, mut files) = (vec![root.clone()], Vec::new());
    while let Some(folder) = folders.pop() {
        for entry in fs::read_dir(folder).unwrap() {
            let path = entry.unwrap().path();
            if path.is_dir() {
                folders.push(path);
            } else if path.extension().is_some_and(|extension| extension == "rs") {
                let text = fs::read_to_string(&path).unwrap();
                files.push((path.strip_prefix(&root).unwrap().to_owned(), text));
            }
        }
    }
    files
}

#[test]
fn imports_point_down() {
    let files = source_files();
    assert!(files.len() > 3, "found only {} files", files.len());
    let found: Vec<String> = files
        .iter()
        .flat_map(|(path, text)| violations(path, text))
        .collect();
    assert!(found.is_empty(), "\n{}\n", found.join("\n"));
}

#[test]
fn every_file_says_what_it_is_for_and_stays_short() {
    for (path, text) in source_files() {
        assert!(text.starts_with("//!"), "{} has no `//!`", path.display());
        let lines = text.lines().count();
        assert!(lines <= LINES_MAX, "{} has {lines} lines", path.display());
    }
}

fn count(file: &str, text: &str) -> usize {
    violations(Path::new(file), text).len()
}

#[test]
fn a_planted_violation_is_caught() {
    for (file, text) in [
        ("line/mod.rs", "use crate::store::Store;"),
        ("store/redis.rs", "use crate::gate::Gate;"),
        ("store/mod.rs", "use crate::page::Page;"),
        ("config/mod.rs", "use crate::telemetry::Logs;"),
        ("clock.rs", "fn f() -> crate::line::ids::TicketId { x }"),
        ("gate/mod.rs", "let x = crate::admin::f();"),
        ("gate/mod.rs", "use crate::{line, store};"),
        ("gate/mod.rs", "use crate::line::{Line, Room};"),
        (
            "gate/mod.rs",
            "use crate::line::{\n    Line,\n    Room,\n};",
        ),
        ("gate/mod.rs", "pub use self::decide::{Decide, Facts};"),
        ("gate/mod.rs", "pub(crate) use crate::line::*;"),
        ("gate/mod.rs", "use super::super::line::Line;"),
        ("gate/mod.rs", "use crate::unheard_of::Thing;"),
        ("unheard_of.rs", "fn f() {}"),
        ("main.rs", "use anteroom::*;"),
        (
            "gate/mod.rs",
            "let c = '\"'; use_it(); let x = crate::server::f(); let c = '\"';",
        ),
        (
            "gate/mod.rs",
            "let url = \"http://\"; let x = crate::server::f();",
        ),
        (
            "gate/mod.rs",
            "let raw = r#\"a \"quoted\" word\"#; let x = crate::server::f();",
        ),
    ] {
        assert_eq!(count(file, text), 1, "{file}: {text}");
    }
}

#[test]
fn what_points_down_is_let_through() {
    for (file, text) in [
        (
            "gate/mod.rs",
            "use crate::line::Line;\nuse crate::gate::decide::Decide;",
        ),
        ("telemetry/mod.rs", "use crate::config::Config;"),
        (
            "store/mod.rs",
            "//! See [`crate::gate`].\n/* crate::gate */ let a = \"crate::gate\";",
        ),
        ("store/mod.rs", "let raw = r#\"use crate::gate::Gate;\"#;"),
        ("store/mod.rs", "use std::collections::{BTreeMap, HashMap};"),
        ("store/tests.rs", "use super::*;\nuse proptest::prelude::*;"),
        ("lib.rs", "pub use crate::gate::Gate;"),
    ] {
        assert_eq!(violations(Path::new(file), text), [""; 0], "{file}: {text}");
    }
}
