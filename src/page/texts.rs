//! What an operator tells visitors about a room, as plain data: names, phone, languages, time zone.

use jiff::tz::TimeZone;

use crate::page::lang::Lang;

/// A text of the operator's in one or more languages.
///
/// A language it lacks gets its first one; the page then marks the text with the language it is in.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Localized {
    texts: Vec<(Lang, String)>,
}

impl Localized {
    /// The same text for everybody, in this language.
    #[must_use]
    pub fn new(lang: Lang, text: impl Into<String>) -> Self {
        Self {
            texts: vec![(lang, text.into())],
        }
    }

    /// From a text per language, the one to fall back on first.
    #[must_use]
    pub fn from_texts(texts: Vec<(Lang, String)>) -> Self {
        Self { texts }
    }

    /// No text in any language.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.texts.iter().all(|(_, text)| text.is_empty())
    }

    /// The text in this language or else the first, and the language it is in.
    #[must_use]
    pub fn get(&self, lang: Lang) -> (Lang, &str) {
        self.texts
            .iter()
            .find(|(of, _)| *of == lang)
            .or_else(|| self.texts.first())
            .map_or((lang, ""), |(of, text)| (*of, text.as_str()))
    }
}

/// A room's words for its visitors. Set from the configuration, read by every rendering.
#[derive(Debug, Clone)]
pub struct Texts {
    /// The service people want to reach, as "Book a vaccination"; shown on every page and in its title.
    pub name: Localized,
    /// Who offers it; empty is left out.
    pub org: Localized,
    /// A number to call for help; empty is left out.
    pub phone: String,
    /// When the phone is answered, as "8am to 8pm, every day"; empty is left out.
    pub phone_hours: Localized,
    /// What to have at hand; empty leaves the list out.
    pub ready: Vec<Localized>,
    /// Languages offered, in order; the first is the room's own. Never empty after [`Texts::new`].
    pub languages: Vec<Lang>,
    /// Where the clock on the page stands.
    pub time_zone: TimeZone,
    /// After how many minutes without a click a visitor inside has to come back here; 0 says nothing about it.
    pub idle_min: u64,
    /// Address of the privacy notice; empty is left out.
    pub privacy_url: String,
    /// Address of the accessibility statement; empty is left out.
    pub accessibility_url: String,
    /// A place can be moved to another device by its code (`keep` and `find` are served).
    pub other_devices: bool,
    /// Other ways to book, or to change a booking; empty is left out.
    pub other_url: String,
}

impl Texts {
    /// A room known only by its name, in every language there is, on UTC.
    #[must_use]
    pub fn new(name: Localized) -> Self {
        Self {
            name,
            org: Localized::default(),
            phone: String::new(),
            phone_hours: Localized::default(),
            ready: Vec::new(),
            languages: Lang::ALL.to_vec(),
            time_zone: TimeZone::UTC,
            idle_min: 0,
            privacy_url: String::new(),
            accessibility_url: String::new(),
            other_devices: false,
            other_url: String::new(),
        }
    }

    /// The room's own language.
    #[must_use]
    pub fn lang(&self) -> Lang {
        self.languages.first().copied().unwrap_or(Lang::En)
    }
}
