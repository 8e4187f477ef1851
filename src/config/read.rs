//! Reads TOML by the table of keys: every value checked, every unknown key named, and nothing stops at the first
//! problem.

use std::collections::BTreeMap;
use std::ops::Range;
use std::str::FromStr;
use std::time::Duration;

use toml::Spanned;
use toml::de::DeTable;
use toml::de::DeValue;

use crate::config::fault::Code;
use crate::config::fault::Fault;
use crate::config::keys::Default;
use crate::config::keys::Key;
use crate::config::keys::Raw;
use crate::config::keys::SECTIONS;
use crate::config::keys::Section;
use crate::config::keys::forms;
use crate::config::keys::nearest;
use crate::config::report::Problem;

/// Most tables the operator names, of each kind.
const NAMED_MAX: usize = 256;

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
    values: BTreeMap<&'static str, Given>,
    /// Keys that are in the file, but misspelt or with a value they do not take.
    refused: Vec<&'static str>,
}

#[derive(Debug)]
struct Given {
    raw: Raw,
    span: Range<usize>,
    written: bool,
}

/// A file as read.
#[derive(Debug, std::default::Default)]
pub(super) struct Reading {
    pub(super) sections: Vec<Values>,
    pub(super) problems: Vec<Problem>,
    /// Sections of named tables that hold at least one, usable or not.
    pub(super) begun: Vec<&'static str>,
}

impl Values {
    fn empty(section: &'static Section, path: &str, span: Range<usize>) -> Self {
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

impl Reading {
    /// Reads a whole file.
    pub(super) fn read(source: &str) -> Self {
        let mut reading = Self::default();
        let (table, errors) = DeTable::parse_recoverable(source);
        let broken: Vec<usize> = errors
            .iter()
            .map(|error| error.span().unwrap_or(0..0))
            .map(|span| line_of(source, span.start))
            .collect();
        reading.document(table.get_ref());
        if !broken.is_empty() {
            // What the parser makes of a broken line is not what its author meant, and may hide other keys.
            reading.problems.retain(|problem| {
                problem.fault.code != Code::MissingKey
                    && !broken.contains(&line_of(source, problem.span.start))
            });
        }
        for error in errors {
            let fault = Fault::new(Code::Syntax, "not TOML", error.message(), "");
            let span = error.span().unwrap_or(0..0);
            reading.problems.push(Problem {
                fault,
                key: String::new(),
                span,
            });
        }
        reading
    }

    /// The sections of one kind, in the order of their names.
    pub(super) fn all(&self, path: &'static str) -> impl Iterator<Item = &Values> {
        self.sections
            .iter()
            .filter(move |values| values.section.path == path)
    }

    fn document(&mut self, table: &DeTable<'_>) {
        for (name, value) in table {
            let known = SECTIONS
                .iter()
                .any(|section| section.stem() == name.get_ref().as_ref());
            if !known {
                self.unknown_section(name.get_ref(), name.span());
            } else if !matches!(value.get_ref(), DeValue::Table(_)) {
                self.not_a_table(name.get_ref(), value.span());
            }
        }
        for section in SECTIONS {
            let given = table.get(section.stem().split('.').next().unwrap_or_default());
            let inner = match section.stem().split_once('.') {
                Some((_, inner)) => given.and_then(|given| table_in(given)?.get(inner)),
                None => given,
            };
            match inner {
                Some(value) if section.is_named() => self.named(section, value),
                Some(value) => self.section(section, section.path, value),
                None if section.is_named() || section.path.contains('.') => {}
                None => self.fill(Values::empty(section, section.path, 0..0)),
            }
        }
    }

    /// Every table of a section whose tables the operator names.
    fn named(&mut self, section: &'static Section, value: &Spanned<DeValue<'_>>) {
        let Some(table) = table_in(value) else {
            return;
        };
        if table.len() > NAMED_MAX {
            let reason = format!("there are {}, the most is {NAMED_MAX}", table.len());
            let fault = Fault::new(Code::OutOfRange, "too many tables", reason, "");
            self.problems.push(Problem {
                fault,
                key: section.stem().to_owned(),
                span: value.span(),
            });
            return;
        }
        if !table.is_empty() {
            self.begun.push(section.path);
        }
        for (name, value) in table {
            let path = format!("{}.{}", section.stem(), name.get_ref());
            if let Err(fault) = forms::section_name(name.get_ref(), section.stem() == "room") {
                let key = section.stem().to_owned();
                self.problems.push(Problem {
                    fault,
                    key,
                    span: name.span(),
                });
            } else if matches!(value.get_ref(), DeValue::Table(_)) {
                self.section(section, &path, value);
            } else {
                self.not_a_table(&path, value.span());
            }
        }
    }

    fn section(&mut self, section: &'static Section, path: &str, value: &Spanned<DeValue<'_>>) {
        let Some(table) = table_in(value) else {
            // A plain value in a section's place was told already at the top level.
            if path.contains('.') {
                self.not_a_table(path, value.span());
            }
            return;
        };
        let mut values = Values::empty(section, path, value.span());
        for (name, value) in table {
            let name_text = name.get_ref().as_ref();
            let Some(key) = section.key(name_text) else {
                if Section::find(&format!("{}.{name_text}", section.path)).is_none() {
                    // What is nearly a key is taken to be that one, misspelt: it is not missing as well.
                    values
                        .refused
                        .extend(self.unknown_key(section, path, name, value));
                }
                continue;
            };
            match key.kind.read(value) {
                Ok(raw) => {
                    values.values.insert(
                        key.name,
                        Given {
                            raw,
                            span: value.span(),
                            written: true,
                        },
                    );
                }
                Err(faults) => {
                    values.refused.push(key.name);
                    self.problems.extend(
                        faults
                            .into_iter()
                            .map(|(fault, span)| values.problem_at(key.name, fault, span)),
                    );
                }
            }
        }
        self.fill(values);
    }

    /// Adds what was not written: defaults, and problems where there are none.
    fn fill(&mut self, mut values: Values) {
        for key in values.section.keys {
            let there =
                |name: &str| values.values.contains_key(name) || values.refused.contains(&name);
            match key.default {
                Default::Value(text) if !values.values.contains_key(key.name) => {
                    let raw = DeValue::parse(text)
                        .ok()
                        .and_then(|value| key.kind.read(&value).ok());
                    debug_assert!(
                        raw.is_some(),
                        "the default of {} is a value it takes",
                        key.name
                    );
                    let given = |raw| Given {
                        raw,
                        span: values.span.clone(),
                        written: false,
                    };
                    let given = raw.map(given);
                    values.values.extend(given.map(|given| (key.name, given)));
                }
                Default::Value(_) | Default::Nothing(_) | Default::Advised(_) => {}
                Default::Required(_) if there(key.name) => {}
                Default::RequiredUnless(other, _) if there(key.name) || there(other) => {}
                Default::Required(example) | Default::RequiredUnless(_, example) => {
                    let remedy = format!("write for example {} = {example}", key.name);
                    let reason = format!("`{}` has no default", key.name);
                    let fault = Fault::new(Code::MissingKey, "missing", reason, remedy);
                    self.problems.push(values.problem(key.name, fault));
                }
            }
        }
        self.sections.push(values);
    }

    fn not_a_table(&mut self, path: &str, span: Range<usize>) {
        let remedy = format!("begin a table: [{path}]");
        let fault = Fault::new(
            Code::WrongType,
            "a value where a table belongs",
            "it is a table of keys",
            remedy,
        );
        self.problems.push(Problem {
            fault,
            key: path.to_owned(),
            span,
        });
    }

    fn unknown_section(&mut self, name: &str, span: Range<usize>) {
        let near = nearest(name, SECTIONS.iter().map(|section| section.stem()));
        let list =
            "the tables are [server], [admin], [store], [tickets], [log], [origin.…] and [room.…]";
        let remedy = match near {
            Some(near) => format!("did you mean `{near}`?"),
            None => belongs_to(name).unwrap_or_default(),
        };
        let fault = Fault::new(Code::UnknownKey, "unknown table or key", list, remedy);
        self.problems.push(Problem {
            fault,
            key: name.to_owned(),
            span,
        });
    }

    /// Notes a key that is not in the table; the key that may have been meant.
    fn unknown_key(
        &mut self,
        section: &'static Section,
        path: &str,
        name: &Spanned<std::borrow::Cow<'_, str>>,
        value: &Spanned<DeValue<'_>>,
    ) -> Option<&'static str> {
        let text = name.get_ref().as_ref();
        let key = format!("{path}.{text}");
        let file_key = format!("{text}_file");
        if section.key(&file_key).is_some() || text.contains("password") || text.contains("secret")
        {
            let reason = "configuration is shown, compared and logged; secrets are not";
            let remedy = match section.key(&file_key) {
                Some(key) => format!(
                    "put it in a file and name that: {} = {}",
                    key.name,
                    key.default.text()
                ),
                None => String::from("leave it out"),
            };
            let fault = Fault::new(
                Code::SecretInFile,
                "a secret in the configuration",
                reason,
                remedy,
            );
            self.problems.push(Problem {
                fault,
                key,
                span: value.span(),
            });
            return None;
        }
        let near = nearest(text, section.keys.iter().map(|key| key.name));
        let remedy = match near {
            Some(near) => format!("did you mean `{near}`?"),
            None => belongs_to(text)
                .unwrap_or_else(|| String::from("`anteroom explain --all` lists every key")),
        };
        let reason = format!("[{path}] has no key of this name");
        let fault = Fault::new(Code::UnknownKey, "unknown key", reason, remedy);
        self.problems.push(Problem {
            fault,
            key,
            span: name.span(),
        });
        near
    }
}

/// Where a key that stands in the wrong section belongs.
fn belongs_to(name: &str) -> Option<String> {
    let section = SECTIONS
        .into_iter()
        .find(|section| section.key(name).is_some())?;
    Some(format!(
        "it belongs under [{}]",
        section.path.replace('*', "…")
    ))
}

/// The table in a value, if it is one.
fn table_in<'a, 'i>(value: &'a Spanned<DeValue<'i>>) -> Option<&'a DeTable<'i>> {
    value.get_ref().as_table()
}

/// The number of the line a byte stands on.
fn line_of(source: &str, at: usize) -> usize {
    source
        .bytes()
        .take(at)
        .filter(|byte| *byte == b'\n')
        .count()
}
