//! The table as text: one key explained, and the whole reference file.

use crate::config::keys::Default;
use crate::config::keys::Key;
use crate::config::keys::SECTIONS;
use crate::config::keys::Section;

/// Widest line of a comment, in characters.
const WIDTH: usize = 100;

/// What `explain KEY` prints.
#[must_use]
pub fn explain(section: &Section, key: &Key) -> String {
    let mut text = format!("{}.{}\n", section.path, key.name);
    for (name, value) in facts(key) {
        text.push_str(&format!("  {name:<8} {value}\n"));
    }
    text.push('\n');
    for line in wrapped(key.why, WIDTH - 2) {
        text.push_str(&format!("  {line}\n"));
    }
    text
}

/// The reference file: every section and key with its facts, at its default or as an example.
#[must_use]
pub fn reference() -> String {
    let mut text = String::from(
        "# anteroom: every key there is.\n\
         #\n\
         # Each is shown at its default; a key behind a # has none and stands as an example. Values carry their\n\
         # units: \"30s\", \"120/min\", \"64 KiB\". Paths are relative to this file. Secrets are never written here:\n\
         # keys that end in _file name where they are kept. \"live\" keys change with a reload (SIGHUP, or the\n\
         # file's own change); \"restart\" keys are named and left as they were until one.\n\
         #\n\
         # This file is what `anteroom explain --all` prints.\n",
    );
    for section in SECTIONS {
        let path = match section.stem() {
            "origin" => "origin.portal",
            "room" => "room.vaccination",
            "server.tls.certificate" => "server.tls.certificate.results",
            "room.*.schedule" => "[room.vaccination.schedule]",
            stem => stem,
        };
        text.push_str(&format!(
            "\n\n# {}\n",
            wrapped(section.about, WIDTH - 2).join("\n# ")
        ));
        let off = section.path.starts_with("server.") || section.is_listed();
        text.push_str(&format!("{}[{path}]\n", if off { "# " } else { "" }));
        for key in section.keys {
            text.push_str(&entry(key, off));
        }
    }
    text
}

/// One key of the reference file; `off` when its whole section stands behind a #.
fn entry(key: &Key, off: bool) -> String {
    let mut text = String::from("\n");
    for line in wrapped(key.why, WIDTH - 2) {
        text.push_str(&format!("# {line}\n"));
    }
    for (name, value) in facts(key) {
        text.push_str(&format!("#   {name}: {value}\n"));
    }
    let example = if off || matches!(key.default, Default::Nothing(_)) {
        "# "
    } else {
        ""
    };
    text.push_str(&format!("{example}{} = {}\n", key.name, key.default.text()));
    text
}

/// Type with range, default, and how a change is applied.
fn facts(key: &Key) -> [(&'static str, String); 3] {
    let default = match key.default {
        Default::Value(text) => text.to_owned(),
        Default::Nothing(_) => String::from("none"),
        Default::Advised(_) => String::from("none; a warning when it is missing"),
        Default::Required(_) => String::from("none; it must be written"),
        Default::RequiredUnless(other, _) => {
            format!("none; it must be written unless `{other}` is")
        }
    };
    [
        ("type", key.kind.describe()),
        ("default", default),
        ("reload", key.apply.text().to_owned()),
    ]
}

/// Text in lines no wider than this, broken between words.
fn wrapped(text: &str, width: usize) -> Vec<String> {
    let mut lines = Vec::new();
    let mut line = String::new();
    for word in text.split_whitespace() {
        if !line.is_empty() && line.chars().count() + 1 + word.chars().count() > width {
            lines.push(std::mem::take(&mut line));
        }
        if !line.is_empty() {
            line.push(' ');
        }
        line.push_str(word);
    }
    lines.push(line);
    lines
}
