//! Reads TOML by the table of keys: every value checked, every unknown key named, and nothing stops at the first
//! problem.

use std::ops::Range;

use toml::Spanned;
use toml::de::DeTable;
use toml::de::DeValue;

use crate::config::fault::Code;
use crate::config::fault::Fault;
use crate::config::keys::Default;
use crate::config::keys::SECTIONS;
use crate::config::keys::Section;
use crate::config::keys::forms;
use crate::config::keys::nearest;
use crate::config::report::Problem;
use crate::config::schedule::EVENTS_MAX;
use crate::config::values::Given;
use crate::config::values::Values;

/// Most tables the operator names, of each kind.
const NAMED_MAX: usize = 256;

/// A file as read.
#[derive(Debug, std::default::Default)]
pub(super) struct Reading {
    pub(super) sections: Vec<Values>,
    pub(super) problems: Vec<Problem>,
    /// Sections of named tables that hold at least one, usable or not.
    pub(super) begun: Vec<&'static str>,
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
        for section in SECTIONS.into_iter().filter(|section| !section.is_listed()) {
            let mut steps = section.stem().split('.');
            let first = steps.next().and_then(|step| table.get(step));
            let inner = steps.fold(first, |above, step| table_in(above?)?.get(step));
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
            // As in `section`.
            if section.stem().contains('.') {
                self.not_a_table(section.stem(), value.span());
            }
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
            } else if let DeValue::Table(inner) = value.get_ref() {
                self.section(section, &path, value);
                for listed in SECTIONS.iter().filter(|listed| listed.is_listed()) {
                    self.listed(listed, &path, inner);
                }
            } else {
                self.not_a_table(&path, value.span());
            }
        }
    }

    /// Every table of a list within a table the operator named.
    fn listed(&mut self, section: &'static Section, within: &str, table: &DeTable<'_>) {
        let Some((stem, name)) = section.path.rsplit_once(".*.") else {
            return;
        };
        let Some(value) = table.get(name) else { return };
        if !within.starts_with(stem) {
            return;
        }
        let path = format!("{within}.{name}");
        let DeValue::Array(items) = value.get_ref() else {
            let remedy = format!("begin each with [[{path}]]");
            let reason = "it is a list of tables";
            let fault = Fault::new(Code::WrongType, "not a list of tables", reason, remedy);
            self.problems.push(Problem {
                fault,
                key: path,
                span: value.span(),
            });
            return;
        };
        if items.len() > EVENTS_MAX {
            let reason = format!("there are {}, the most is {EVENTS_MAX}", items.len());
            let fault = Fault::new(Code::OutOfRange, "too many tables", reason, "");
            self.problems.push(Problem {
                fault,
                key: path,
                span: value.span(),
            });
            return;
        }
        for (at, item) in items.iter().enumerate() {
            self.section(section, &format!("{path}.{at}"), item);
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
                let below = format!("{}.{name_text}", section.path);
                if SECTIONS.iter().all(|other| other.stem() != below) {
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
