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

    /// Its texts.
    pub(crate) fn source(self) -> &'static str {
        match self {
            Self::En => include_str!("i18n/en.ftl"),
            Self::It => include_str!("i18n/it.ftl"),
        }
    }

    /// Its place in [`Lang::ALL`].
    pub(crate) fn index(self) -> usize {
        match self {
            Self::En => 0,
            Self::It => 1,
        }
    }
}

/// A language chosen for a visitor.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Negotiated {
    /// The language.
    pub lang: Lang,
    /// The visitor picked it on the page: links keep it.
    pub asked: bool,
}

/// Most of an `Accept-Language` that is read.
const RANGES_MAX: usize = 16;

/// Chooses among the languages a room offers: what the visitor picked (`?lang`), else the best of its
/// `Accept-Language` (RFC 9110 §12.5.4, looked up by the first subtag), else the room's own.
#[must_use]
pub fn negotiate(picked: Option<&str>, accept: Option<&str>, offered: &[Lang]) -> Negotiated {
    let known = |tag: &str| Lang::parse(tag).filter(|lang| offered.contains(lang));
    if let Some(lang) = picked.and_then(known) {
        return Negotiated { lang, asked: true };
    }
    let mut best: Option<(u32, Lang)> = None;
    for range in accept.unwrap_or("").split(',').take(RANGES_MAX) {
        let (tag, parameters) = range.split_once(';').unwrap_or((range, ""));
        let primary = tag.split('-').next().unwrap_or("").trim();
        let weight = weight(parameters);
        if let Some(lang) = known(primary)
            && weight > best.map_or(0, |(weight, _)| weight)
        {
            best = Some((weight, lang));
        }
    }
    let own = offered.first().copied().unwrap_or(Lang::En);
    Negotiated {
        lang: best.map_or(own, |(_, lang)| lang),
        asked: false,
    }
}

/// A `q` parameter in thousandths (RFC 9110 §12.4.2); none is 1, one that cannot be read is 0.
fn weight(parameters: &str) -> u32 {
    let Some(value) = parameters.trim().strip_prefix("q=") else {
        return if parameters.trim().is_empty() {
            1_000
        } else {
            0
        };
    };
    let (whole, part) = value.trim().split_once('.').unwrap_or((value.trim(), ""));
    if part.len() > 3 || !part.bytes().all(|digit| digit.is_ascii_digit()) {
        return 0;
    }
    let part = format!("{part:0<3}").parse().unwrap_or(0);
    match whole {
        "1" if part == 0 => 1_000,
        "0" => part,
        _ => 0,
    }
}

#[cfg(test)]
mod tests {
    use super::Lang;
    use super::negotiate;

    fn accept(header: &str) -> Lang {
        negotiate(None, Some(header), &Lang::ALL).lang
    }

    #[test]
    fn the_visitors_pick_comes_first_if_the_room_offers_it() {
        let picked = negotiate(Some("it"), Some("en"), &Lang::ALL);
        assert_eq!((picked.lang, picked.asked), (Lang::It, true));
        let other = negotiate(Some("it"), Some("it"), &[Lang::En]);
        assert_eq!((other.lang, other.asked), (Lang::En, false));
        assert_eq!(negotiate(Some("../x"), None, &[Lang::It]).lang, Lang::It);
    }

    #[test]
    fn the_browsers_best_language_counts_and_then_the_rooms_own() {
        assert_eq!(accept("it-CH, en;q=0.9"), Lang::It);
        assert_eq!(accept("en;q=0.5,it;q=0.8"), Lang::It);
        assert_eq!(accept("en;q=0,it;q=0.001"), Lang::It);
        assert_eq!(accept("de, fr;q=0.8"), Lang::En);
        assert_eq!(
            negotiate(None, Some("de"), &[Lang::It, Lang::En]).lang,
            Lang::It
        );
        assert_eq!(negotiate(None, None, &[]).lang, Lang::En);
    }

    #[test]
    fn a_header_of_nonsense_is_read_without_harm_and_only_so_far() {
        for header in ["", ";;;,,,", "it;q=2", "it;q=0.12345", "it;q=é", "it;x=1"] {
            assert_eq!(accept(header), Lang::En, "{header}");
        }
        let long = format!("{}it", "de,".repeat(10_000));
        assert_eq!(accept(&long), Lang::En);
    }
}
