//! One text, compiled from its Fluent form: segments that are written out with no lookups and no intermediate strings.
//!
//! Fluent is the translators' format. What a poll costs decides whether two million waiting visitors fit a replica, so
//! every message is resolved as far as can be at load. Supported are text, variables, selections over them, string
//! literals, and `<b>…</b>`; anything else in a file is refused at load, never at a visitor.

use std::fmt;

use intl_pluralrules::PluralCategory;

use crate::page::vars::Value;
use crate::page::vars::Var;

/// A compiled text.
#[derive(Debug, Default)]
pub(crate) struct Message {
    pub(crate) segments: Vec<Segment>,
}

/// A piece of a text.
#[derive(Debug)]
pub(crate) enum Segment {
    /// Words, as they are and escaped for HTML.
    Text { plain: String, html: String },
    /// A tag, left out where there is no markup.
    Mark(&'static str),
    /// A value of the visitor's.
    Var(Var),
    /// One of several texts, by a value.
    Select {
        on: Var,
        variants: Vec<(Key, Message)>,
        default: usize,
    },
}

/// What a value must be for a variant to be taken.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum Key {
    /// Exactly this number.
    Exact(u64),
    /// A number of this plural category.
    Plural(PluralCategory),
    /// This word.
    Word(String),
}

/// Whether markup is written, and texts escaped for it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Form {
    Plain,
    Html,
}

/// Where values come from while a text is written.
pub(crate) trait Values {
    /// The value of a variable.
    fn value(&self, var: Var) -> Value<'_>;
    /// The plural category of a number in the language spoken.
    fn plural(&self, number: u64) -> PluralCategory;
    /// Writes a value as the language does.
    fn show<W: fmt::Write + ?Sized>(
        &self,
        out: &mut W,
        value: Value<'_>,
        form: Form,
    ) -> fmt::Result;
}

impl Message {
    /// Writes the text with the values of one visitor.
    pub(crate) fn write<V: Values, W: fmt::Write + ?Sized>(
        &self,
        out: &mut W,
        values: &V,
        form: Form,
    ) -> fmt::Result {
        for segment in &self.segments {
            match segment {
                Segment::Text { plain, html } => out.write_str(match form {
                    Form::Plain => plain,
                    Form::Html => html,
                })?,
                Segment::Mark(tag) if form == Form::Html => out.write_str(tag)?,
                Segment::Mark(_) => {}
                Segment::Var(var) => values.show(out, values.value(*var), form)?,
                Segment::Select {
                    on,
                    variants,
                    default,
                } => {
                    let chosen = choose(variants, *default, values.value(*on), values);
                    if let Some(message) = chosen {
                        message.write(out, values, form)?;
                    }
                }
            }
        }
        Ok(())
    }

    /// The words alone, for checks over the whole catalogue.
    #[cfg(test)]
    pub(crate) fn words(&self, out: &mut Vec<String>) {
        let mut line = String::new();
        for segment in &self.segments {
            match segment {
                Segment::Text { plain, .. } => line.push_str(plain),
                Segment::Mark(_) => {}
                Segment::Var(_) => line.push('5'),
                Segment::Select { variants, .. } => {
                    for (_, message) in variants {
                        message.words(out);
                    }
                }
            }
        }
        out.push(line);
    }
}

fn choose<'m, V: Values>(
    variants: &'m [(Key, Message)],
    default: usize,
    value: Value<'_>,
    values: &V,
) -> Option<&'m Message> {
    let wanted = match value {
        Value::Number(number) => {
            let exact = variants
                .iter()
                .position(|(key, _)| *key == Key::Exact(number));
            exact.or_else(|| {
                let category = Key::Plural(values.plural(number));
                variants.iter().position(|(key, _)| *key == category)
            })
        }
        Value::Text(word) => variants
            .iter()
            .position(|(key, _)| matches!(key, Key::Word(known) if known == word)),
        Value::None | Value::Clock(_) | Value::Date(_) | Value::Phone(_) => None,
    };
    variants
        .get(wanted.unwrap_or(default))
        .map(|(_, message)| message)
}

/// Writes `text` with the five characters that mean something in HTML escaped.
pub(crate) fn escape<W: fmt::Write + ?Sized>(out: &mut W, text: &str) -> fmt::Result {
    let mut rest = text;
    while let Some(at) = rest.find(['&', '<', '>', '"', '\'']) {
        let (before, from) = rest.split_at(at);
        out.write_str(before)?;
        let mut letters = from.chars();
        out.write_str(match letters.next() {
            Some('&') => "&amp;",
            Some('<') => "&lt;",
            Some('>') => "&gt;",
            Some('"') => "&quot;",
            _ => "&#39;",
        })?;
        rest = letters.as_str();
    }
    out.write_str(rest)
}
