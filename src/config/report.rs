//! Everything that is wrong with a file, told at once: for people with the line it stands on, for machines as JSON.

use std::fmt;
use std::ops::Range;
use std::path::Path;
use std::path::PathBuf;

use serde_json::Value;
use serde_json::json;

use crate::config::fault::Code;
use crate::config::fault::Fault;

/// Most problems told of one file; a file that is not a configuration at all would give thousands.
const PROBLEMS_MAX: usize = 100;

/// Widest piece of a source line shown, in characters.
const SHOWN_MAX: usize = 120;

/// One problem and where it stands.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Problem {
    /// What is wrong.
    pub fault: Fault,
    /// The key it is about, with its path; empty when it is about none.
    pub key: String,
    /// Where it stands in the file, in bytes.
    pub span: Range<usize>,
}

/// Everything that is wrong with one file, in the order of its lines.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Report {
    file: PathBuf,
    source: String,
    problems: Vec<Problem>,
}

/// Where a problem stands, for people: both counted from 1, columns in characters.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Place {
    /// The line.
    pub line: usize,
    /// The first column.
    pub column: usize,
    /// The column after the last, on the same line.
    pub column_end: usize,
}

impl Report {
    /// A report on a file; passwords found in it are blotted out of what is shown.
    #[must_use]
    pub fn new(file: &Path, source: &str, mut problems: Vec<Problem>) -> Self {
        problems.sort_by_key(|problem| (problem.span.start, problem.fault.code));
        problems.dedup();
        let source = blotted(source, &problems);
        Self {
            file: file.to_path_buf(),
            source,
            problems,
        }
    }

    /// A report that says only that the file cannot be read.
    #[must_use]
    pub fn unreadable(file: &Path, reason: impl Into<String>) -> Self {
        let remedy = "give the path of a file this user may read";
        let fault = Fault::new(
            Code::Unreadable,
            "cannot read the configuration",
            reason,
            remedy,
        );
        Self::new(
            file,
            "",
            vec![Problem {
                fault,
                key: String::new(),
                span: 0..0,
            }],
        )
    }

    /// The report without problems of this kind.
    #[must_use]
    pub(super) fn without(mut self, code: Code) -> Self {
        self.problems.retain(|problem| problem.fault.code != code);
        self
    }

    /// The problems, in the order of their lines.
    #[must_use]
    pub fn problems(&self) -> &[Problem] {
        &self.problems
    }

    /// How many of them make the file unusable.
    #[must_use]
    pub fn errors(&self) -> usize {
        self.problems.len() - self.warnings()
    }

    /// How many of them are only worth knowing.
    #[must_use]
    pub fn warnings(&self) -> usize {
        self.problems
            .iter()
            .filter(|problem| problem.fault.code.is_warning())
            .count()
    }

    /// The report as JSON: counts, and each problem with its place.
    #[must_use]
    pub fn to_json(&self) -> Value {
        let problems: Vec<Value> = self
            .problems
            .iter()
            .map(|problem| self.problem_json(problem))
            .collect();
        json!({
            "file": self.file.display().to_string(),
            "errors": self.errors(),
            "warnings": self.warnings(),
            "problems": problems,
        })
    }

    fn problem_json(&self, problem: &Problem) -> Value {
        let place = self.place(&problem.span);
        let fault = &problem.fault;
        json!({
            "severity": severity(fault.code),
            "code": fault.code.text(),
            "key": problem.key,
            "message": fault.message,
            "reason": fault.reason,
            "remedy": fault.remedy,
            "line": place.map(|place| place.line),
            "column": place.map(|place| place.column),
            "column_end": place.map(|place| place.column_end),
        })
    }

    /// Where a span stands; `None` in a file that could not be read.
    #[must_use]
    pub fn place(&self, span: &Range<usize>) -> Option<Place> {
        if self.source.is_empty() {
            return None;
        }
        let start = floor(&self.source, span.start);
        let before = self.source.get(..start)?;
        let line_start = before.rfind('\n').map_or(0, |at| at + 1);
        let rest = self.source.get(start..)?;
        let line_end = start + rest.find('\n').unwrap_or(rest.len());
        let end = floor(&self.source, span.end).clamp(start, line_end);
        let column = before.get(line_start..)?.chars().count() + 1;
        let width = self.source.get(start..end)?.trim_end().chars().count();
        let line = before.matches('\n').count() + 1;
        Some(Place {
            line,
            column,
            column_end: column + width.max(1),
        })
    }

    fn write_problem(&self, f: &mut fmt::Formatter<'_>, problem: &Problem) -> fmt::Result {
        let fault = &problem.fault;
        let key = if problem.key.is_empty() {
            String::new()
        } else {
            format!("{}: ", problem.key)
        };
        writeln!(
            f,
            "{}[{}]: {}{}",
            severity(fault.code),
            fault.code,
            plain(&key),
            plain(&fault.message)
        )?;
        let file = plain(&self.file.display().to_string());
        match self.place(&problem.span) {
            Some(place) => self.write_line(f, &file, place, &fault.reason)?,
            None => writeln!(f, "  ┌─ {file}\n  = {}", plain(&fault.reason))?,
        }
        if !fault.remedy.is_empty() {
            let gutter = self
                .place(&problem.span)
                .map_or(1, |place| place.line.to_string().len());
            writeln!(f, "{:gutter$} = {}", "", plain(&fault.remedy))?;
        }
        Ok(())
    }

    /// The source line with carets under what is meant, and the reason beside them.
    fn write_line(
        &self,
        f: &mut fmt::Formatter<'_>,
        file: &str,
        place: Place,
        reason: &str,
    ) -> fmt::Result {
        let line = self.source.lines().nth(place.line - 1).unwrap_or_default();
        // A very long line is shown from shortly before the place.
        let skip = if place.column_end > SHOWN_MAX {
            place.column.saturating_sub(20)
        } else {
            0
        };
        let shown: String = line.chars().skip(skip).take(SHOWN_MAX).collect();
        let cut = if skip > 0 { "…" } else { "" };
        let pad: String = line
            .chars()
            .skip(skip)
            .take(place.column - 1 - skip)
            .map(|c| if c == '\t' { '\t' } else { ' ' })
            .collect();
        let pad = format!("{}{pad}", if skip > 0 { " " } else { "" });
        let carets = "^".repeat((place.column_end - place.column).min(SHOWN_MAX));
        let gutter = place.line.to_string().len();
        writeln!(
            f,
            "{:gutter$} ┌─ {file}:{}:{}",
            "", place.line, place.column
        )?;
        writeln!(f, "{} │ {cut}{}", place.line, plain(shown.trim_end()))?;
        writeln!(f, "{:gutter$} │ {pad}{carets} {}", "", plain(reason))
    }
}

impl fmt::Display for Report {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for problem in self.problems.iter().take(PROBLEMS_MAX) {
            self.write_problem(f, problem)?;
        }
        if self.problems.len() > PROBLEMS_MAX {
            writeln!(f, "… and {} more", self.problems.len() - PROBLEMS_MAX)?;
        }
        let count = |n: usize, what: &str| format!("{n} {what}{}", if n == 1 { "" } else { "s" });
        match (self.errors(), self.warnings()) {
            (0, 0) => f.write_str("no problems"),
            (errors, 0) => f.write_str(&count(errors, "error")),
            (0, warnings) => f.write_str(&count(warnings, "warning")),
            (errors, warnings) => write!(
                f,
                "{}, {}",
                count(errors, "error"),
                count(warnings, "warning")
            ),
        }
    }
}

impl std::error::Error for Report {}

/// The word for people.
fn severity(code: Code) -> &'static str {
    if code.is_warning() {
        "warning"
    } else {
        "error"
    }
}

/// The nearest character's beginning at or before a byte.
fn floor(source: &str, at: usize) -> usize {
    (0..=at.min(source.len()))
        .rev()
        .find(|at| source.is_char_boundary(*at))
        .unwrap_or(0)
}

/// Text that cannot move a terminal's cursor or change its colours.
fn plain(text: &str) -> String {
    text.chars()
        .map(|c| {
            if c.is_control() && c != '\t' {
                '\u{fffd}'
            } else {
                c
            }
        })
        .collect()
}

/// The source with every secret's characters replaced.
fn blotted(source: &str, problems: &[Problem]) -> String {
    let secrets: Vec<&Range<usize>> = problems
        .iter()
        .filter(|problem| problem.fault.code == Code::SecretInFile)
        .map(|problem| &problem.span)
        .collect();
    if secrets.is_empty() {
        return source.to_owned();
    }
    let mut blot = String::with_capacity(source.len());
    for (at, c) in source.char_indices() {
        let hidden = c != '\n' && secrets.iter().any(|span| span.contains(&at));
        // As many bytes as before, so that every other span still fits.
        if hidden {
            blot.push_str(&"*".repeat(c.len_utf8()));
        } else {
            blot.push(c);
        }
    }
    blot
}
