//! Every text in one language: a Fluent file, checked and compiled at load.

use std::fmt;

use fluent_bundle::FluentResource;
use fluent_syntax::ast::Entry;
use fluent_syntax::ast::Expression;
use fluent_syntax::ast::InlineExpression;
use fluent_syntax::ast::Pattern;
use fluent_syntax::ast::PatternElement;
use fluent_syntax::ast::Variant;
use fluent_syntax::ast::VariantKey;
use intl_pluralrules::PluralCategory;
use intl_pluralrules::PluralRuleType;
use intl_pluralrules::PluralRules;
use rustc_hash::FxHashMap;
use unic_langid::LanguageIdentifier;

use crate::page::lang::Lang;
use crate::page::message::Key;
use crate::page::message::Message;
use crate::page::message::Segment;
use crate::page::message::escape;
use crate::page::vars::Var;

/// Selections within selections go no deeper than this.
const DEPTH_MAX: usize = 4;

/// A file of texts that cannot be used.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum CatalogueError {
    /// It is not Fluent.
    #[error("texts in {lang}: not a Fluent file: {cause}")]
    Syntax {
        /// The language's tag.
        lang: &'static str,
        /// The parser's first complaint.
        cause: String,
    },
    /// A message uses something that texts for visitors cannot.
    #[error("texts in {lang}: message {key} {cause}")]
    Message {
        /// The language's tag.
        lang: &'static str,
        /// The message.
        key: String,
        /// What is wrong with it.
        cause: String,
    },
}

/// The texts of one language.
pub(crate) struct Catalogue {
    pub(crate) lang: Lang,
    messages: FxHashMap<String, Message>,
    rules: Option<PluralRules>,
    weekdays: Vec<String>,
    months: Vec<String>,
    /// Written for a text that does not exist: nothing.
    empty: Message,
}

impl fmt::Debug for Catalogue {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Catalogue")
            .field("lang", &self.lang)
            .field("messages", &self.messages.len())
            .finish_non_exhaustive()
    }
}

impl Catalogue {
    /// Compiles a Fluent file.
    pub(crate) fn parse(lang: Lang, source: &str) -> Result<Self, CatalogueError> {
        let resource = FluentResource::try_new(source.to_owned()).map_err(|(_, errors)| {
            CatalogueError::Syntax {
                lang: lang.tag(),
                cause: errors.first().map(ToString::to_string).unwrap_or_default(),
            }
        })?;
        let mut messages = FxHashMap::default();
        for entry in resource.entries() {
            let Entry::Message(message) = entry else {
                continue;
            };
            let key = message.id.name;
            let wrong = |cause: &str| CatalogueError::Message {
                lang: lang.tag(),
                key: key.to_owned(),
                cause: cause.to_owned(),
            };
            let pattern = message.value.as_ref().ok_or_else(|| wrong("is empty"))?;
            let compiled = compile(pattern, DEPTH_MAX).map_err(|cause| wrong(&cause))?;
            if messages.insert(key.to_owned(), compiled).is_some() {
                return Err(wrong("is there twice"));
            }
        }
        Ok(Self {
            lang,
            weekdays: names(&messages, "weekday", 7),
            months: names(&messages, "month", 12),
            messages,
            rules: rules(lang),
            empty: Message::default(),
        })
    }

    /// The text of this name. Tests hold every name used in the code and every language's file to the same set.
    pub(crate) fn get(&self, key: &str) -> &Message {
        let found = self.messages.get(key);
        debug_assert!(found.is_some(), "no text is named {key}");
        found.unwrap_or(&self.empty)
    }

    /// The plural category of a number.
    pub(crate) fn plural(&self, number: u64) -> PluralCategory {
        self.rules
            .as_ref()
            .and_then(|rules| rules.select(number).ok())
            .unwrap_or(PluralCategory::OTHER)
    }

    /// A day of the week by its offset from Monday.
    pub(crate) fn weekday(&self, offset: i8) -> &str {
        nth(&self.weekdays, offset)
    }

    /// A month by its offset from January.
    pub(crate) fn month(&self, offset: i8) -> &str {
        nth(&self.months, offset)
    }

    /// Every name, in order.
    #[cfg(test)]
    pub(crate) fn keys(&self) -> Vec<&str> {
        let mut keys: Vec<&str> = self.messages.keys().map(String::as_str).collect();
        keys.sort_unstable();
        keys
    }
}

fn nth(names: &[String], offset: i8) -> &str {
    usize::try_from(offset)
        .ok()
        .and_then(|offset| names.get(offset))
        .map_or("", String::as_str)
}

/// The words of `prefix-1`, `prefix-2` and so on.
fn names(messages: &FxHashMap<String, Message>, prefix: &str, count: usize) -> Vec<String> {
    let word = |number: usize| {
        let message = messages.get(&format!("{prefix}-{number}"))?;
        match message.segments.first()? {
            Segment::Text { plain, .. } => Some(plain.clone()),
            Segment::Mark(_) | Segment::Var(_) | Segment::Select { .. } => None,
        }
    };
    (1..=count)
        .map(|number| word(number).unwrap_or_default())
        .collect()
}

/// The plural rules of a language; one the data lacks has a single form.
fn rules(lang: Lang) -> Option<PluralRules> {
    let id: LanguageIdentifier = lang.tag().parse().ok()?;
    PluralRules::create(id, PluralRuleType::CARDINAL).ok()
}

fn compile(pattern: &Pattern<&str>, depth: usize) -> Result<Message, String> {
    let mut message = Message::default();
    for element in &pattern.elements {
        match element {
            PatternElement::TextElement { value } => text(&mut message, value)?,
            PatternElement::Placeable { expression } => match expression {
                Expression::Inline(inline) => placeable(&mut message, inline)?,
                Expression::Select { selector, variants } => {
                    message.segments.push(select(selector, variants, depth)?);
                }
            },
        }
    }
    Ok(message)
}

/// Adds words, and their `<b>` and `</b>` as markup.
fn text(message: &mut Message, value: &str) -> Result<(), String> {
    let mut rest = value;
    while let Some((before, from)) = rest.split_once('<') {
        words(message, before);
        rest = if let Some(after) = from.strip_prefix("b>") {
            message.segments.push(Segment::Mark("<b>"));
            after
        } else if let Some(after) = from.strip_prefix("/b>") {
            message.segments.push(Segment::Mark("</b>"));
            after
        } else {
            return Err("has markup other than <b> and </b>".to_owned());
        };
    }
    words(message, rest);
    Ok(())
}

fn words(message: &mut Message, plain: &str) {
    if plain.is_empty() {
        return;
    }
    let mut html = String::with_capacity(plain.len());
    if escape(&mut html, plain).is_ok() {
        message.segments.push(Segment::Text {
            plain: plain.to_owned(),
            html,
        });
    }
}

fn placeable(message: &mut Message, inline: &InlineExpression<&str>) -> Result<(), String> {
    match inline {
        InlineExpression::StringLiteral { value } => words(message, value),
        InlineExpression::VariableReference { id } => {
            message.segments.push(Segment::Var(var(id.name)?));
        }
        InlineExpression::Placeable { expression } => match expression.as_ref() {
            Expression::Inline(inline) => placeable(message, inline)?,
            Expression::Select { selector, variants } => {
                message.segments.push(select(selector, variants, 1)?);
            }
        },
        InlineExpression::NumberLiteral { .. }
        | InlineExpression::FunctionReference { .. }
        | InlineExpression::MessageReference { .. }
        | InlineExpression::TermReference { .. } => {
            return Err("uses more of Fluent than variables and selections".to_owned());
        }
    }
    Ok(())
}

fn select(
    selector: &InlineExpression<&str>,
    variants: &[Variant<&str>],
    depth: usize,
) -> Result<Segment, String> {
    let InlineExpression::VariableReference { id } = selector else {
        return Err("selects over something that is no variable".to_owned());
    };
    let depth = depth.checked_sub(1).ok_or("selects too deep")?;
    let mut compiled = Vec::with_capacity(variants.len());
    for variant in variants {
        compiled.push((key(&variant.key)?, compile(&variant.value, depth)?));
    }
    Ok(Segment::Select {
        on: var(id.name)?,
        default: variants.iter().position(|one| one.default).unwrap_or(0),
        variants: compiled,
    })
}

fn key(key: &VariantKey<&str>) -> Result<Key, String> {
    Ok(match key {
        VariantKey::NumberLiteral { value } => Key::Exact(
            value
                .parse()
                .map_err(|_| format!("selects on {value}, which is no whole number"))?,
        ),
        VariantKey::Identifier { name } => match *name {
            "zero" => Key::Plural(PluralCategory::ZERO),
            "one" => Key::Plural(PluralCategory::ONE),
            "two" => Key::Plural(PluralCategory::TWO),
            "few" => Key::Plural(PluralCategory::FEW),
            "many" => Key::Plural(PluralCategory::MANY),
            "other" => Key::Plural(PluralCategory::OTHER),
            word => Key::Word(word.to_owned()),
        },
    })
}

fn var(name: &str) -> Result<Var, String> {
    Var::parse(name).ok_or_else(|| format!("names ${name}, which does not exist"))
}
