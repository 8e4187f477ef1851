//! The languages the texts exist in, and how one is chosen for a visitor.

/// A language this build has texts in.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Lang {
    /// English, the source of the texts.
    En,
    /// Italian.
    It,
}

impl Lang {
    /// Every language, the source first.
    pub const ALL: [Self; 2] = [Self::En, Self::It];

    /// Its BCP 47 tag.
    #[must_use]
    pub fn tag(self) -> &'static str {
        match self {
            Self::En => "en",
            Self::It => "it",
        }
    }

    /// Its name for itself.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Self::En => "English",
            Self::It => "Italiano",
        }
    }

    /// The direction it is written in: `ltr` or `rtl`.
    #[must_use]
    pub fn dir(self) -> &'static str {
        match self {
            Self::En | Self::It => "ltr",
        }
    }

    /// The language of exactly this tag, in any case.
    #[must_use]
    pub fn parse(tag: &str) -> Option<Self> {
        Self::ALL
            .into_iter()
            .find(|lang| lang.tag().eq_ignore_ascii_case(tag))
    }

    pub(crate) fn index(self) -> usize {
        match self {
            Self::En => 0,
            Self::It => 1,
        }
    }
}
