//! The texts themselves: the same names in every language, Fluent's own reading of them, and words people understand.

use fluent_bundle::FluentArgs;
use fluent_bundle::FluentBundle;
use fluent_bundle::FluentResource;
use jiff::Timestamp;

use crate::page::Lang;
use crate::page::State;
use crate::page::catalogue::Catalogue;
use crate::page::message::Key;
use crate::page::message::Message;
use crate::page::message::Segment;
use crate::page::preview::sample_texts;
use crate::page::preview::view;
use crate::page::scenes;
use crate::page::speaker::Speaker;
use crate::page::tests::pages;
use crate::page::vars::Value;
use crate::page::vars::Var;
use crate::page::vars::value;

/// Never said to visitors.
const BANNED: [&str; 12] = [
    "maintenance",
    "technical difficult",
    "error",
    "session",
    "token",
    "redirect",
    "be patient",
    "manutenzione",
    "difficoltà tecnic",
    "errore",
    "sessione",
    "pazienza",
];

fn catalogue(lang: Lang) -> Catalogue {
    Catalogue::parse(lang, lang.source()).unwrap()
}

fn sentences(catalogue: &Catalogue) -> Vec<(String, String)> {
    let mut all = Vec::new();
    for key in catalogue.keys() {
        let mut words = Vec::new();
        catalogue.get(key).words(&mut words);
        for text in words {
            for sentence in text.split_inclusive(['.', '?', '!']) {
                all.push((key.to_owned(), sentence.trim().to_owned()));
            }
        }
    }
    all
}

/// The variants of every selection in a message.
fn selections<'m>(message: &'m Message, found: &mut Vec<&'m [(Key, Message)]>) {
    for segment in &message.segments {
        if let Segment::Select { variants, .. } = segment {
            found.push(variants);
            for (_, message) in variants {
                selections(message, found);
            }
        }
    }
}

#[test]
fn every_language_has_the_same_texts() {
    let source = catalogue(Lang::En);
    for lang in Lang::ALL {
        assert_eq!(source.keys(), catalogue(lang).keys(), "{lang:?}");
    }
}

/// Every name in the code and the templates exists, and every text is used somewhere.
#[test]
fn every_text_is_used_and_every_used_text_exists() {
    let root = concat!(env!("CARGO_MANIFEST_DIR"), "/src/page");
    let mut sources = String::new();
    for folder in [root.to_owned(), format!("{root}/html")] {
        for file in std::fs::read_dir(folder).unwrap() {
            let path = file.unwrap().path();
            if path.is_file() {
                sources.push_str(&std::fs::read_to_string(path).unwrap());
            }
        }
    }
    let catalogue = catalogue(Lang::En);
    for key in catalogue.keys() {
        let counted = key.starts_with("weekday-") || key.starts_with("month-");
        let used = sources.contains(&format!("\"{key}\""));
        assert!(used || counted, "nothing uses {key}");
    }
    for (before, name) in [("s.t(\"", "template"), ("button: \"", "code")] {
        for use_of in sources.split(before).skip(1) {
            let key = use_of.split('"').next().unwrap();
            assert!(
                catalogue.keys().contains(&key),
                "{name} uses {key}, which does not exist"
            );
        }
    }
    // Rendering everything meets the rest: a missing text is an assertion there.
    let texts = sample_texts();
    for scene in scenes() {
        if let Some(view) = view(&texts, scene, Lang::En) {
            drop(pages().html(&view));
        }
    }
}

#[test]
fn counted_things_have_every_form_of_the_language() {
    let counted = [
        "ahead",
        "early-count",
        "early-say",
        "turn-say-left",
        "asked-lead",
        "too-many-lead",
        "crowded-lead",
    ];
    for lang in Lang::ALL {
        let catalogue = catalogue(lang);
        for key in counted {
            let mut found = Vec::new();
            selections(catalogue.get(key), &mut found);
            assert!(!found.is_empty(), "{lang:?} {key} counts nothing");
            for variants in found {
                for number in [1, 5] {
                    let form = Key::Plural(catalogue.plural(number));
                    let has = variants.iter().any(|(key, _)| *key == form);
                    assert!(has || variants.len() == 1, "{lang:?} {key} {form:?}");
                }
            }
        }
    }
}

/// What we compile says what Fluent says, for every text with the values of every page.
#[test]
fn compiled_texts_say_what_fluent_says() {
    let texts = sample_texts();
    for lang in Lang::ALL {
        let id: unic_langid::LanguageIdentifier = lang.tag().parse().unwrap();
        let mut bundle = FluentBundle::new(vec![id]);
        bundle.set_use_isolating(false);
        let resource = FluentResource::try_new(lang.source().to_owned()).unwrap();
        bundle.add_resource(resource).unwrap();
        let catalogue = catalogue(lang);
        for scene in scenes() {
            let Some(mut view) = view(&texts, scene, lang) else {
                continue;
            };
            // Fluent does not group digits, so no number has four of them here.
            view.place %= 1_000;
            view.early = view.early.map(|_| 1);
            view.until = view
                .until
                .and_then(|_| Timestamp::from_second(view.now.as_second() + 1_140).ok());
            let speaker = Speaker {
                catalogue: &catalogue,
                view: &view,
            };
            for key in catalogue.keys() {
                let mut args = FluentArgs::new();
                for (name, var) in Var::NAMES {
                    match value(&view, var) {
                        Value::Number(number) => args.set(name, number),
                        Value::Text(word) => args.set(name, word),
                        Value::Phone(phone) => args.set(name, phone),
                        Value::None => args.set(name, ""),
                        Value::Clock(_) | Value::Date(_) => args.set(name, "\u{1}"),
                    }
                }
                let pattern = bundle.get_message(key).unwrap().value().unwrap();
                let mut errors = Vec::new();
                let fluent = bundle.format_pattern(pattern, Some(&args), &mut errors);
                let fluent = fluent.replace("<b>", "").replace("</b>", "");
                let mut ours = String::new();
                speaker.plain(&mut ours, key);
                // Clocks and dates are ours alone: compare the words around them.
                let mut rest = ours.as_str();
                for words in fluent.split('\u{1}') {
                    let at = rest.find(words);
                    assert!(
                        at.is_some(),
                        "{lang:?} {scene} {key}: {ours:?} is not {fluent:?}"
                    );
                    rest = rest.get(at.unwrap() + words.len()..).unwrap();
                }
                assert!(errors.is_empty(), "{lang:?} {key}: {errors:?}");
            }
        }
    }
}

#[test]
fn sentences_are_short_and_use_no_banned_word() {
    for lang in Lang::ALL {
        for (key, sentence) in sentences(&catalogue(lang)) {
            let words = sentence.split_whitespace().count();
            assert!(words <= 22, "{lang:?} {key}: {words} words in {sentence:?}");
            let lower = sentence.to_lowercase();
            for banned in BANNED {
                assert!(!lower.contains(banned), "{lang:?} {key}: {banned}");
            }
        }
    }
}

/// SMOG, the reading age most used for public services: 9 and below is understood by nearly all adults.
#[test]
fn english_reads_easily() {
    let sentences: Vec<_> = sentences(&catalogue(Lang::En))
        .into_iter()
        .filter(|(_, sentence)| sentence.split_whitespace().count() > 2)
        .collect();
    let long = sentences
        .iter()
        .flat_map(|(_, sentence)| sentence.split(|c: char| !c.is_alphabetic()))
        .filter(|word| syllables(word) >= 3)
        .count();
    let (long, count) = (long as f64, sentences.len() as f64);
    let smog = 1.043 * (long * 30.0 / count).sqrt() + 3.1291;
    assert!(smog <= 9.0, "SMOG {smog:.1}");
}

/// Gulpease, the reading ease made for Italian: 60 and above is easy for people with a middle-school education.
#[test]
fn italian_reads_easily() {
    let sentences = sentences(&catalogue(Lang::It));
    let full: Vec<_> = sentences
        .iter()
        .filter(|(_, sentence)| sentence.ends_with('.') && sentence.split_whitespace().count() > 2)
        .collect();
    let words: Vec<&str> = full
        .iter()
        .flat_map(|(_, sentence)| sentence.split(|c: char| !c.is_alphabetic()))
        .filter(|word| !word.is_empty())
        .collect();
    let letters: usize = words.iter().map(|word| word.chars().count()).sum();
    let (letters, count, sentences) = (letters as f64, words.len() as f64, full.len() as f64);
    let gulpease = 89.0 + (300.0 * sentences - 10.0 * letters) / count;
    assert!(gulpease >= 60.0, "Gulpease {gulpease:.0}");
}

/// Groups of vowels, with a silent e at the end left out.
fn syllables(word: &str) -> usize {
    let word = word.to_lowercase();
    let word = word
        .strip_suffix("es")
        .or(word.strip_suffix("ed"))
        .or(word.strip_suffix('e'))
        .unwrap_or(&word);
    word.split(|c: char| !"aeiouy".contains(c))
        .filter(|group| !group.is_empty())
        .count()
}

#[test]
fn numbers_and_clocks_are_written_as_the_language_does() {
    let texts = sample_texts();
    let spoken = |lang, place, key: &str| {
        let catalogue = catalogue(lang);
        let mut view = view(&texts, "waiting", lang).unwrap();
        view.place = place;
        let mut out = String::new();
        Speaker {
            catalogue: &catalogue,
            view: &view,
        }
        .plain(&mut out, key);
        out
    };
    for (place, en, it) in [
        (0, "0", "0"),
        (999, "999", "999"),
        (1_000, "1,000", "1000"),
        (9_999, "9,999", "9999"),
        (35_012, "35,012", "35.012"),
        (1_000_000, "1,000,000", "1.000.000"),
        (
            u64::MAX,
            "18,446,744,073,709,551,615",
            "18.446.744.073.709.551.615",
        ),
    ] {
        assert_eq!(spoken(Lang::En, place, "place"), en);
        assert_eq!(spoken(Lang::It, place, "place"), it);
    }
    assert_eq!(spoken(Lang::En, 1, "ahead"), "Nobody is ahead of you");
    assert_eq!(spoken(Lang::En, 2, "ahead"), "1 person is ahead of you");
    assert_eq!(spoken(Lang::It, 2, "ahead"), "1 persona è prima di Lei");
    assert_eq!(
        spoken(Lang::It, 1_000_001, "ahead"),
        "1.000.000 persone sono prima di Lei"
    );
    assert_eq!(spoken(Lang::En, 1, "early-now"), "It is now 10:12am.");
    assert_eq!(spoken(Lang::It, 1, "early-now"), "Ora sono le ore 10:12.");
    assert_eq!(
        spoken(Lang::It, 1, "closed-lead"),
        "Le prenotazioni si sono chiuse oggi alle ore 9:12."
    );
}

#[test]
fn a_date_is_named_when_it_is_not_today() {
    let texts = sample_texts();
    let catalogue_en = catalogue(Lang::En);
    let view = view(&texts, "early-day", Lang::En).unwrap();
    let mut out = String::new();
    Speaker {
        catalogue: &catalogue_en,
        view: &view,
    }
    .plain(&mut out, "early-h");
    assert_eq!(out, "Booking opens on Monday 23 November at 12:12pm");
}

#[test]
fn a_file_that_asks_for_more_is_refused_with_the_reason() {
    for (source, reason) in [
        ("a = { $nobody }\n", "names $nobody, which does not exist"),
        ("a = <i>x</i>\n", "has markup other than <b> and </b>"),
        (
            "a = { b }\nb = x\n",
            "uses more of Fluent than variables and selections",
        ),
        ("a = x\na = y\n", "is there twice"),
    ] {
        let error = Catalogue::parse(Lang::En, source).unwrap_err().to_string();
        assert_eq!(error, format!("texts in en: message a {reason}"));
    }
    assert!(Catalogue::parse(Lang::En, "= x\n").is_err());
}

#[test]
fn every_state_has_a_title_and_a_heading_of_its_own() {
    let texts = sample_texts();
    let mut headings: Vec<String> = State::ALL
        .into_iter()
        .map(|state| {
            let view = view(&texts, state.name(), Lang::En).unwrap();
            let page = super::text(&pages().html(&view));
            page.split_once("<h1")
                .unwrap()
                .1
                .split("</h1>")
                .next()
                .unwrap()
                .split_once('>')
                .unwrap()
                .1
                .to_owned()
        })
        .collect();
    headings.sort();
    headings.dedup();
    assert_eq!(headings.len(), State::ALL.len());
}
