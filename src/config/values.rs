//! The values of one section, as written or as they are by default.

use std::collections::BTreeMap;
use std::ops::Range;
use std::str::FromStr;
use std::time::Duration;

use crate::config::fault::Fault;
use crate::config::keys::Key;
use crate::config::keys::Raw;
use crate::config::keys::Section;
use crate::config::report::Problem;

/// The values of one section: what was written, and the defaults of what was not.
///
/// Where a value was refused or is missing, the problem has been noted, no configuration will come of it, and the
/// least value stands in so that everything else can still be checked.
#[derive(Debug)]
pub(super) struct Values {
    pub(super) section: &'static Section,
    /// The section's path with its own name: `room.vaccination`.
    pub(super) path: String,
    /// Where its header or first key stands.
    pub(super) span: Range<usize>,
    pub(super) values: BTreeMap<&'static str, Given>,
    /// Keys that are in the file, but misspelt or with a value they do not take.
    pub(super) refused: Vec<&'static str>,
}

/// One value.
#[derive(Debug)]
pub(super) struct Given {
    pub(super) raw: Raw,
    /// Where it stands; for a default, where its section does.
    pub(super) span: Range<usize>,
    /// Whether it is in the file.
    pub(super) written: bool,
}

impl Values {
    /// A section nothing has been read of yet.
    pub(super) fn empty(section: &'static Section, path: &str, span: Range<usize>) -> Self {
        Self {
            section,
            path: path.to_owned(),
            span,
            values: BTreeMap::new(),
            refused: Vec::new(),
        }
    }

    /// The name the operator chose.
    pub(super) fn name(&self) -> &str {
        self.path
            .rsplit_once('.')
            .map_or(self.path.as_str(), |(_, name)| name)
    }

    pub(super) fn number(&self, name: &str) -> u64 {
        match self.raw(name) {
            Some(Raw::Number(number)) => *number,
            Some(Raw::Flag(_) | Raw::Text(_) | Raw::List(_)) | None => 0,
        }
    }

    /// A number that fits a machine's counts; bounds in the table are far below those of the type.
    pub(super) fn count(&self, name: &str) -> usize {
        usize::try_from(self.number(name)).unwrap_or(usize::MAX)
    }

    pub(super) fn duration(&self, name: &str) -> Duration {
        Duration::from_micros(self.number(name))
    }

    pub(super) fn flag(&self, name: &str) -> bool {
        matches!(self.raw(name), Some(Raw::Flag(true)))
    }

    pub(super) fn text(&self, name: &str) -> Option<&str> {
        match self.raw(name) {
            Some(Raw::Text(text)) => Some(text),
            Some(Raw::Flag(_) | Raw::Number(_) | Raw::List(_)) | None => None,
        }
    }

    pub(super) fn list(&self, name: &str) -> &[(String, Range<usize>)] {
        match self.raw(name) {
            Some(Raw::List(items)) => items,
            Some(Raw::Flag(_) | Raw::Number(_) | Raw::Text(_)) | None => &[],
        }
    }

    /// A text in its own type; its form was checked when it was read.
    pub(super) fn parsed<T: FromStr>(&self, name: &str) -> Option<T> {
        self.text(name)?.parse().ok()
    }

    /// Texts in their own type; their form was checked when they were read.
    pub(super) fn parsed_list<T: FromStr>(&self, name: &str) -> Vec<T> {
        self.list(name)
            .iter()
            .filter_map(|(text, _)| text.parse().ok())
            .collect()
    }

    /// Whether the key is in the file, with a value it takes.
    pub(super) fn written(&self, name: &str) -> bool {
        self.values.get(name).is_some_and(|given| given.written)
    }

    /// Whether the key is not in the file at all.
    pub(super) fn absent(&self, name: &str) -> bool {
        !self.written(name) && !self.refused.contains(&name)
    }

    /// A problem with a key, at its value or, where none was written, at the section.
    pub(super) fn problem(&self, name: &str, fault: Fault) -> Problem {
        let given = self.values.get(name).filter(|given| given.written);
        let span = given.map_or(&self.span, |given| &given.span).clone();
        self.problem_at(name, fault, span)
    }

    /// A problem with a key, at a given place.
    pub(super) fn problem_at(&self, name: &str, fault: Fault, span: Range<usize>) -> Problem {
        Problem {
            fault,
            key: format!("{}.{name}", self.path),
            span,
        }
    }

    /// Every value in force, as one would write it, by its key.
    pub(super) fn effective(&self) -> BTreeMap<&'static str, String> {
        let show = |key: &'static Key| Some((key.name, key.kind.show(self.raw(key.name)?)));
        self.section.keys.iter().filter_map(show).collect()
    }

    fn raw(&self, name: &str) -> Option<&Raw> {
        debug_assert!(
            self.section.key(name).is_some(),
            "{name} is not in the table of keys"
        );
        self.values.get(name).map(|given| &given.raw)
    }
}
