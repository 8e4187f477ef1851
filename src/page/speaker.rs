//! A view spoken in its language: numbers, clocks and dates as the language writes them, and texts filled in.

use std::fmt;

use askama::FastWritable;
use askama::Values as AskamaValues;
use askama::filters::HtmlSafe;
use intl_pluralrules::PluralCategory;
use jiff::civil::DateTime;

use crate::page::catalogue::Catalogue;
use crate::page::lang::Lang;
use crate::page::message::Form;
use crate::page::message::Message;
use crate::page::message::Values;
use crate::page::message::escape;
use crate::page::texts::Localized;
use crate::page::url::with_query;
use crate::page::vars::Value;
use crate::page::vars::Var;
use crate::page::vars::value;
use crate::page::view::View;
use crate::page::words::foreign;

/// Speaks for one view.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Speaker<'a> {
    pub(crate) catalogue: &'a Catalogue,
    pub(crate) view: &'a View<'a>,
}

/// A text filled in for one view, to be written into HTML.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Spoken<'a> {
    message: &'a Message,
    speaker: Speaker<'a>,
}

impl<'a> Speaker<'a> {
    /// The text of this name, for a template.
    pub(crate) fn t(&self, key: &str) -> Spoken<'a> {
        Spoken {
            message: self.catalogue.get(key),
            speaker: *self,
        }
    }

    /// A text of the operator's, in the page's language or marked with its own.
    pub(crate) fn operator(&self, text: &'a Localized) -> Operator<'a> {
        let (lang, text) = text.get(self.view.lang);
        Operator {
            text,
            foreign: foreign(lang, self.view.lang),
        }
    }

    /// The attributes of a text in `lang`.
    #[expect(
        clippy::trivially_copy_pass_by_ref,
        reason = "templates pass references"
    )]
    pub(crate) fn lang_attr(&self, lang: &Lang) -> LangAttr {
        LangAttr(foreign(*lang, self.view.lang))
    }

    /// The address of this page in another language.
    #[expect(
        clippy::trivially_copy_pass_by_ref,
        reason = "templates pass references"
    )]
    pub(crate) fn page_in(&self, lang: &Lang) -> String {
        with_query(self.view.return_to, &[("lang", lang.tag())])
    }

    /// Adds the text of this name to `out`, without markup.
    pub(crate) fn plain(&self, out: &mut String, key: &str) {
        let message = self.catalogue.get(key);
        let written = message.write(out, self, Form::Plain);
        debug_assert!(written.is_ok(), "a string takes everything");
    }
}

/// A text of the operator's, for a template.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Operator<'a> {
    pub(crate) text: &'a str,
    foreign: Option<Lang>,
}

impl Operator<'_> {
    /// ` lang="…" dir="…"` where the text is not in the page's language.
    pub(crate) fn lang_attr(&self) -> LangAttr {
        LangAttr(self.foreign)
    }
}

/// The attributes that name a language, or nothing.
#[derive(Debug, Clone, Copy)]
pub(crate) struct LangAttr(pub(crate) Option<Lang>);

impl fmt::Display for LangAttr {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.map_or(Ok(()), |lang| {
            write!(f, " lang=\"{}\" dir=\"{}\"", lang.tag(), lang.dir())
        })
    }
}

impl HtmlSafe for LangAttr {}

impl FastWritable for LangAttr {
    fn write_into(&self, out: &mut dyn fmt::Write, _: &dyn AskamaValues) -> askama::Result<()> {
        Ok(write!(out, "{self}")?)
    }
}

impl Values for Speaker<'_> {
    fn value(&self, var: Var) -> Value<'_> {
        value(self.view, var)
    }

    fn plural(&self, number: u64) -> PluralCategory {
        self.catalogue.plural(number)
    }

    fn show<W: fmt::Write + ?Sized>(
        &self,
        out: &mut W,
        value: Value<'_>,
        form: Form,
    ) -> fmt::Result {
        show(self.catalogue, out, value, form)
    }
}

impl fmt::Display for Spoken<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.message.write(f, &self.speaker, Form::Html)
    }
}

impl FastWritable for Spoken<'_> {
    fn write_into(&self, out: &mut dyn fmt::Write, _: &dyn AskamaValues) -> askama::Result<()> {
        Ok(self.message.write(out, &self.speaker, Form::Html)?)
    }
}

impl HtmlSafe for Spoken<'_> {}

/// A date, which has a text of its own so that a language can order its parts.
struct Day<'a> {
    catalogue: &'a Catalogue,
    at: DateTime,
}

impl Values for Day<'_> {
    fn value(&self, var: Var) -> Value<'_> {
        let date = self.at.date();
        if var == Var::Weekday {
            Value::Text(
                self.catalogue
                    .weekday(date.weekday().to_monday_zero_offset()),
            )
        } else if var == Var::Day {
            Value::Number(u64::try_from(date.day()).unwrap_or(0))
        } else if var == Var::Month {
            Value::Text(self.catalogue.month(date.month() - 1))
        } else {
            Value::None
        }
    }

    fn plural(&self, number: u64) -> PluralCategory {
        self.catalogue.plural(number)
    }

    fn show<W: fmt::Write + ?Sized>(
        &self,
        out: &mut W,
        value: Value<'_>,
        form: Form,
    ) -> fmt::Result {
        show(self.catalogue, out, value, form)
    }
}

fn show<W: fmt::Write + ?Sized>(
    catalogue: &Catalogue,
    out: &mut W,
    value: Value<'_>,
    form: Form,
) -> fmt::Result {
    match value {
        Value::None => Ok(()),
        Value::Number(number) => write_number(out, catalogue.lang, number),
        Value::Clock(at) => write_clock(out, catalogue.lang, at),
        Value::Date(at) => catalogue
            .get("date")
            .write(out, &Day { catalogue, at }, form),
        Value::Text(text) if form == Form::Html => escape(out, text),
        Value::Phone(phone) if form == Form::Html => write_phone(out, phone),
        Value::Text(text) | Value::Phone(text) => out.write_str(text),
    }
}

/// Writes a telephone number as a link that calls it, from left to right in every language.
fn write_phone<W: fmt::Write + ?Sized>(out: &mut W, phone: &str) -> fmt::Result {
    out.write_str("<a href=\"tel:")?;
    for digit in phone.chars().filter(|c| c.is_ascii_digit() || *c == '+') {
        out.write_char(digit)?;
    }
    out.write_str("\"><bdi dir=\"ltr\">")?;
    escape(out, phone)?;
    out.write_str("</bdi></a>")
}

/// Writes a whole number grouped in threes, as the language's data in the CLDR says: English groups from four digits
/// on, Italian from five.
fn write_number<W: fmt::Write + ?Sized>(out: &mut W, lang: Lang, number: u64) -> fmt::Result {
    let (mark, groups_from) = match lang {
        Lang::En => (",", 1_000),
        Lang::It => (".", 10_000),
    };
    let mut buffer = itoa::Buffer::new();
    let mut digits = buffer.format(number);
    if number < groups_from {
        return out.write_str(digits);
    }
    // The first group has one to three digits, every other three.
    let mut group = (digits.len() - 1) % 3 + 1;
    while let Some((first, rest)) = digits.split_at_checked(group) {
        out.write_str(first)?;
        if rest.is_empty() {
            break;
        }
        out.write_str(mark)?;
        (digits, group) = (rest, 3);
    }
    Ok(())
}

/// Writes a time of day: `9:05am` in English, `9:05` on a 24-hour clock elsewhere.
fn write_clock<W: fmt::Write + ?Sized>(out: &mut W, lang: Lang, at: DateTime) -> fmt::Result {
    let (hour, minute) = (at.hour(), at.minute());
    match lang {
        Lang::En => {
            write_time(out, (hour + 11) % 12 + 1, minute)?;
            out.write_str(if hour < 12 { "am" } else { "pm" })
        }
        Lang::It => write_time(out, hour, minute),
    }
}

/// Writes an hour as it is and a minute in two digits.
fn write_time<W: fmt::Write + ?Sized>(out: &mut W, hour: i8, minute: i8) -> fmt::Result {
    out.write_str(itoa::Buffer::new().format(hour))?;
    out.write_str(if minute < 10 { ":0" } else { ":" })?;
    out.write_str(itoa::Buffer::new().format(minute))
}
