//! What a key takes: reads one TOML value, or says what is wrong with it.

use std::ops::Range;
use std::str::FromStr;

use serde::Serialize;
use toml::Spanned;
use toml::de::DeValue;

use crate::config::fault::Code;
use crate::config::fault::Fault;
use crate::config::units;
use crate::config::units::Rate;
use crate::config::units::Share;
use crate::config::units::Size;
use crate::config::units::Span;

/// Longest text any key takes, in bytes.
const TEXT_BYTES_MAX: usize = 1024;

/// Most elements of any list.
const LIST_MAX: usize = 256;

/// What a key takes.
#[derive(Debug, Clone, Copy)]
pub enum Kind {
    /// `true` or `false`.
    Boolean,
    /// A whole number in this range.
    Integer(u64, u64),
    /// A duration in this range, in microseconds.
    Duration(Span, Span),
    /// A rate.
    Rate,
    /// A size in this range.
    Size(Size, Size),
    /// So many bytes each second, in this range.
    Speed(Size, Size),
    /// A share of a whole.
    Share,
    /// One of these words.
    Choice(&'static [&'static str]),
    /// Text of one form.
    Text(Words),
    /// One text, or a list of texts, of one form.
    List(Words),
}

/// A form that text has to have.
#[derive(Debug, Clone, Copy)]
pub struct Words {
    /// What it is called.
    pub name: &'static str,
    /// Says what is wrong with a text that has not this form.
    pub check: fn(&str) -> Result<(), Fault>,
}

/// A value as read: numbers in their smallest unit, text in its form.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Raw {
    /// A boolean.
    Flag(bool),
    /// An integer, microseconds, entries per hour, bytes, or millionths.
    Number(u64),
    /// A text.
    Text(String),
    /// Texts and where each stands.
    List(Vec<(String, Range<usize>)>),
}

/// A form whose texts are read by a type of the configuration.
pub(super) const fn words<T: FromStr<Err = Fault>>(name: &'static str) -> Words {
    Words {
        name,
        check: |text| text.parse::<T>().map(drop),
    }
}

impl Kind {
    /// Reads one value.
    ///
    /// # Errors
    /// Everything that is wrong with it, each with its place.
    pub fn read(&self, value: &Spanned<DeValue<'_>>) -> Result<Raw, Vec<(Fault, Range<usize>)>> {
        if let (Self::List(form), DeValue::Array(items)) = (self, value.get_ref()) {
            if items.len() > LIST_MAX {
                let reason = format!("the list has {}, the most is {LIST_MAX}", items.len());
                let fault = Fault::new(Code::OutOfRange, "too many elements", reason, "");
                return Err(vec![(fault, value.span())]);
            }
            return list(*form, items.iter());
        }
        self.read_one(value)
            .map_err(|fault| vec![(fault, value.span())])
    }

    /// Reads a value that is no list.
    fn read_one(&self, value: &Spanned<DeValue<'_>>) -> Result<Raw, Fault> {
        match (self, value.get_ref()) {
            (Self::Boolean, DeValue::Boolean(flag)) => Ok(Raw::Flag(*flag)),
            (Self::Integer(..), DeValue::Integer(number)) => {
                let digits = number.as_str().replace('_', "");
                let number = u64::from_str_radix(&digits, number.radix());
                // What does not fit is below or above every range.
                self.bounded(number.unwrap_or(if digits.starts_with('-') { 0 } else { u64::MAX }))
            }
            (Self::Share, DeValue::Float(number)) => self.parse(number.as_str()),
            (Self::Share, DeValue::Integer(number)) => self.parse(number.as_str()),
            (Self::List(form), DeValue::String(text)) => {
                checked(*form, text).map(|()| Raw::List(vec![(text.to_string(), value.span())]))
            }
            (Self::Text(_), DeValue::Datetime(time)) => self.parse(&time.to_string()),
            (Self::Boolean | Self::Integer(..), other) => Err(self.wrong_type(other)),
            (_, DeValue::String(text)) => self.parse(text),
            (_, other) => Err(self.wrong_type(other)),
        }
    }

    /// Reads a value that is text.
    fn parse(&self, text: &str) -> Result<Raw, Fault> {
        match self {
            Self::Duration(..) => self.bounded(text.parse::<Span>()?.micros()),
            Self::Size(..) => self.bounded(text.parse::<Size>()?.bytes()),
            Self::Speed(..) => self.bounded(units::bytes_per_s(text)?.bytes()),
            Self::Rate => Ok(Raw::Number(text.parse::<Rate>()?.per_hour())),
            Self::Share => Ok(Raw::Number(text.parse::<Share>()?.ppm())),
            Self::Choice(choices) if choices.contains(&text) => Ok(Raw::Text(text.to_owned())),
            Self::Choice(choices) => Err(not_a_choice(text, choices)),
            Self::Text(form) => checked(*form, text).map(|()| Raw::Text(text.to_owned())),
            Self::Boolean | Self::Integer(..) | Self::List(_) => Err(Fault::new(
                Code::WrongType,
                "a text where none can stand",
                format!("it takes {}", self.describe()),
                "",
            )),
        }
    }

    /// A number, if it is within the kind's range.
    fn bounded(&self, number: u64) -> Result<Raw, Fault> {
        let (least, most) = match self {
            Self::Integer(least, most) => (*least, *most),
            Self::Duration(least, most) => (least.micros(), most.micros()),
            Self::Size(least, most) | Self::Speed(least, most) => (least.bytes(), most.bytes()),
            Self::Boolean
            | Self::Rate
            | Self::Share
            | Self::Choice(_)
            | Self::Text(_)
            | Self::List(_) => (0, u64::MAX),
        };
        if (least..=most).contains(&number) {
            return Ok(Raw::Number(number));
        }
        let (message, bound, nearest) = if number < least {
            ("too little", "least", least)
        } else {
            ("too much", "most", most)
        };
        let nearest = self.show(&Raw::Number(nearest));
        Err(Fault::new(
            Code::OutOfRange,
            message,
            format!("the {bound} is {nearest}"),
            format!("it takes {}", self.describe()),
        ))
    }

    /// What a value of another type is told.
    fn wrong_type(&self, value: &DeValue<'_>) -> Fault {
        let remedy = match (self, value) {
            (Self::Duration(..), DeValue::Integer(number)) => {
                format!("write its unit: \"{number}s\"")
            }
            (Self::Rate, DeValue::Integer(number)) => format!("write its unit: \"{number}/min\""),
            (Self::Size(..), DeValue::Integer(number)) => {
                format!("write its unit: \"{number} B\"")
            }
            (Self::Speed(..), DeValue::Integer(number)) => {
                format!("write its unit: \"{number} B/s\"")
            }
            (Self::Boolean, _) => String::from("write true or false, without quotes"),
            (Self::Integer(..), DeValue::String(_)) => {
                String::from("write the number without quotes")
            }
            (_, _) => String::new(),
        };
        Fault::new(
            Code::WrongType,
            format!("{} where it cannot stand", type_name(value)),
            format!("it takes {}", self.describe()),
            remedy,
        )
    }

    /// What the kind is called, with its range.
    #[must_use]
    pub fn describe(&self) -> String {
        let show = |number| self.show(&Raw::Number(number));
        match self {
            Self::Boolean => String::from("true or false"),
            Self::Integer(least, most) => format!("a whole number, {least} to {most}"),
            Self::Duration(least, most) => {
                format!(
                    "a duration, {} to {}",
                    show(least.micros()),
                    show(most.micros())
                )
            }
            Self::Rate => String::from("a rate, \"0/min\" to \"100000/s\""),
            Self::Size(least, most) => {
                format!("a size, {} to {}", show(least.bytes()), show(most.bytes()))
            }
            Self::Speed(least, most) => {
                let (least, most) = (show(least.bytes()), show(most.bytes()));
                format!("bytes per second, {least} to {most}")
            }
            Self::Share => String::from("a share, 0 to 1"),
            Self::Choice(choices) => format!("one of {}", quoted(choices)),
            Self::Text(form) => form.name.to_owned(),
            Self::List(form) => format!("{}, or a list of up to {LIST_MAX}", form.name),
        }
    }

    /// A value as one would write it in the file.
    #[must_use]
    pub fn show(&self, raw: &Raw) -> String {
        match (self, raw) {
            (Self::Duration(..), Raw::Number(us)) => format!("\"{}\"", Span::from_micros(*us)),
            (Self::Rate, Raw::Number(per_hour)) => {
                format!("\"{}\"", Rate::from_per_hour(*per_hour))
            }
            (Self::Size(..), Raw::Number(bytes)) => format!("\"{}\"", Size::from_bytes(*bytes)),
            (Self::Speed(..), Raw::Number(bytes)) => {
                format!("\"{}/s\"", Size::from_bytes(*bytes))
            }
            (Self::Share, Raw::Number(ppm)) => Share::from_ppm(*ppm).to_string(),
            (_, Raw::Number(number)) => number.to_string(),
            (_, Raw::Flag(flag)) => flag.to_string(),
            (_, Raw::Text(text)) => quote(text),
            (_, Raw::List(items)) => {
                let items: Vec<String> = items.iter().map(|(text, _)| quote(text)).collect();
                format!("[{}]", items.join(", "))
            }
        }
    }
}

/// Reads the elements of a list, each by itself.
fn list<'a, 'i: 'a>(
    form: Words,
    items: impl Iterator<Item = &'a Spanned<DeValue<'i>>>,
) -> Result<Raw, Vec<(Fault, Range<usize>)>> {
    let mut texts = Vec::new();
    let mut faults = Vec::new();
    for item in items {
        let read = match item.get_ref().as_str() {
            Some(text) => checked(form, text).map(|()| text.to_owned()),
            None => Err(Kind::Text(form).wrong_type(item.get_ref())),
        };
        match read {
            Ok(text) => texts.push((text, item.span())),
            Err(fault) => faults.push((fault, item.span())),
        }
    }
    if faults.is_empty() {
        Ok(Raw::List(texts))
    } else {
        Err(faults)
    }
}

/// Checks a text's length and form.
fn checked(form: Words, text: &str) -> Result<(), Fault> {
    if text.len() > TEXT_BYTES_MAX {
        let reason = format!("it has {} bytes, the most is {TEXT_BYTES_MAX}", text.len());
        return Err(Fault::new(Code::OutOfRange, "too long", reason, ""));
    }
    (form.check)(text)
}

/// What a word that is none of the choices is told.
fn not_a_choice(text: &str, choices: &[&'static str]) -> Fault {
    let near = super::nearest(text, choices.iter().copied());
    Fault::new(
        Code::NotAChoice,
        "not one of the choices",
        format!("it takes {}", quoted(choices)),
        near.map(|near| format!("did you mean \"{near}\"?"))
            .unwrap_or_default(),
    )
}

/// Choices as they are listed to people.
fn quoted(choices: &[&'static str]) -> String {
    let choices: Vec<String> = choices
        .iter()
        .map(|choice| format!("\"{choice}\""))
        .collect();
    choices.join(", ")
}

/// A text in quotes; TOML's basic strings know every escape of JSON's.
pub(crate) fn quote(text: &str) -> String {
    let mut quoted = Vec::new();
    match text.serialize(&mut serde_json::Serializer::new(&mut quoted)) {
        Ok(()) => String::from_utf8_lossy(&quoted).replace('\u{7f}', "\\u007f"),
        Err(_) => String::new(),
    }
}

/// What a value's type is called.
fn type_name(value: &DeValue<'_>) -> &'static str {
    match value {
        DeValue::String(_) => "text",
        DeValue::Integer(_) => "a whole number",
        DeValue::Float(_) => "a number with a point",
        DeValue::Boolean(_) => "true or false",
        DeValue::Datetime(_) => "a date or time",
        DeValue::Array(_) => "a list",
        DeValue::Table(_) => "a table",
    }
}
