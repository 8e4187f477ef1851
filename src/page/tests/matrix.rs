//! The render matrix: every scene in every language, well-formed and free of what must never be in a page.

use std::collections::HashSet;

use crate::page::Lang;
use crate::page::Localized;
use crate::page::Message;
use crate::page::preview;
use crate::page::preview::sample_texts;
use crate::page::preview::view;
use crate::page::scenes;
use crate::page::tests::pages;
use crate::page::tests::text;

const VOID: [&str; 4] = ["meta", "link", "input", "!doctype"];

/// Tags of a page outside its script and style, as (name, attributes).
fn tags(html: &str) -> Vec<(String, String)> {
    let mut tags = Vec::new();
    let mut rest = html;
    while let Some((_, from)) = rest.split_once('<') {
        let (tag, after) = from.split_once('>').expect("every tag ends");
        let (name, attributes) = tag.split_once([' ', '\n']).unwrap_or((tag, ""));
        tags.push((name.to_lowercase(), attributes.to_owned()));
        rest = match name {
            "script" => after.split_once("</script>").expect("the script ends").1,
            "style" => after.split_once("</style>").expect("the style ends").1,
            _ => after,
        };
    }
    tags
}

fn values<'t>(tags: &'t [(String, String)], attribute: &str) -> Vec<&'t str> {
    let mark = format!("{attribute}=\"");
    tags.iter()
        .filter_map(|(_, attributes)| {
            let at = attributes
                .match_indices(mark.as_str())
                .find(|(at, _)| *at == 0 || attributes.as_bytes()[at - 1] == b' ')?;
            attributes.get(at.0 + mark.len()..)?.split('"').next()
        })
        .collect()
}

fn check(scene: &str, lang: Lang, html: &str) {
    let name = format!("{scene}.{}", lang.tag());
    let tags = tags(html);
    let mut open = Vec::new();
    for (tag, _) in &tags {
        if let Some(closed) = tag.strip_prefix('/') {
            assert_eq!(open.pop().as_deref(), Some(closed), "{name}: nesting");
        } else if !VOID.contains(&tag.as_str()) && !matches!(tag.as_str(), "script" | "style") {
            open.push(tag.clone());
        }
    }
    assert!(open.is_empty(), "{name}: {open:?} left open");
    assert_eq!(
        tags.iter().filter(|(tag, _)| tag == "h1").count(),
        1,
        "{name}: one heading"
    );
    let ids = values(&tags, "id");
    let distinct: HashSet<_> = ids.iter().collect();
    assert_eq!(ids.len(), distinct.len(), "{name}: an id twice in {ids:?}");
    let page = format!("lang=\"{0}\" dir=\"{1}\"", lang.tag(), lang.dir());
    assert_eq!(tags[1].1, page, "{name}");
    for address in [
        values(&tags, "href"),
        values(&tags, "action"),
        values(&tags, "src"),
    ]
    .concat()
    {
        let inside = address.starts_with('/') && !address.starts_with("//");
        assert!(
            inside || address.starts_with("tel:") || address == "data:,",
            "{name}: {address}"
        );
    }
    assert!(values(&tags, "style").is_empty(), "{name}: inline style");
    assert!(!html.contains("http-equiv"), "{name}: refresh");
    let words = html.split_once("<body>").unwrap().1;
    let words = words
        .split_once("<script>")
        .map_or(words, |(words, _)| words);
    for stray in [
        "{",
        "}",
        "None",
        "undefined",
        "> <b></b>",
        "<p></p>",
        "<dd></dd>",
        "$",
    ] {
        assert!(!words.contains(stray), "{name}: {stray}");
    }
    for (tag, attributes) in &tags {
        if tag == "progress" {
            assert!(attributes.contains("aria-label=\""), "{name}: unnamed bar");
        }
    }
    if let Some((_, region)) = html.split_once("id=\"say\"") {
        assert!(
            region.split_once('>').unwrap().1.starts_with("</p>"),
            "{name}: spoken at load"
        );
    }
}

#[test]
fn every_page_is_well_formed_in_every_language() {
    let pages = pages();
    for lang in Lang::ALL {
        for scene in scenes() {
            check(scene, lang, &text(&preview(pages, scene, lang).unwrap()));
        }
    }
    assert!(preview(pages, "waiting~", Lang::En).is_none());
}

#[test]
fn every_page_fits_the_first_flight_of_a_connection() {
    let pages = pages();
    for lang in Lang::ALL {
        for scene in scenes() {
            let page = preview(pages, scene, lang).unwrap();
            // Compressed it is a third of this; the browser tests measure that.
            assert!(page.len() < 22_000, "{scene}: {} bytes", page.len());
        }
    }
}

#[test]
fn a_page_with_nothing_more_to_say_shows_no_empty_card() {
    let mut texts = sample_texts();
    texts.phone.clear();
    texts.other_url.clear();
    for lang in Lang::ALL {
        for scene in scenes() {
            let Some(mut view) = view(&texts, scene, lang) else {
                continue;
            };
            view.until = None;
            let page = text(&pages().html(&view));
            assert!(!page.contains("<div class=\"card\"></div>"), "{scene}");
            assert!(!page.contains("<div class=\"card\">\n</div>"), "{scene}");
        }
    }
}

#[test]
fn hostile_texts_stay_texts() {
    let pages = pages();
    let hostile = "</p><script>alert(1)</script>\"'><b>&amp;{ $place }";
    let mut texts = sample_texts();
    texts.name = Localized::new(Lang::En, hostile);
    texts.org = Localized::new(Lang::It, hostile);
    texts.phone = hostile.to_owned();
    texts.phone_hours = Localized::new(Lang::En, hostile);
    texts.ready = vec![Localized::new(Lang::En, hostile)];
    texts.privacy_url = format!("/\"{hostile}");
    for lang in Lang::ALL {
        for scene in scenes() {
            let Some(mut view) = view(&texts, scene, lang) else {
                continue;
            };
            view.message = Some(Message {
                id: "m\"<",
                text: hostile,
                lang: Lang::En,
                warning: true,
            });
            view.return_to = "/\"><script>alert(2)</script>?a=\"'<&lang=x";
            view.ticket = Some("\"><script>");
            let page = text(&pages.html(&view));
            assert_eq!(page.matches("<script").count(), 1, "{scene}");
            assert!(!page.contains("&amp;amp;amp"), "{scene}");
            let status = text(&pages.status_json(&view, ""));
            let status: serde_json::Value = serde_json::from_str(&status).unwrap();
            assert!(
                !status["panel"].as_str().unwrap().contains("<script"),
                "{scene}"
            );
        }
    }
}

#[test]
fn a_text_in_another_language_is_marked_with_it() {
    let pages = pages();
    let mut texts = sample_texts();
    texts.name = Localized::new(Lang::It, "Prenota una vaccinazione");
    let view = view(&texts, "waiting-message", Lang::En).unwrap();
    let page = text(&pages.html(&view));
    assert!(page.contains("<p class=\"name\" lang=\"it\" dir=\"ltr\">Prenota"));
    assert!(
        page.contains("<p>Today only"),
        "the message is English, and so is the page"
    );
}

#[test]
fn the_button_is_a_post_that_knows_where_to_go() {
    let page = text(&preview(pages(), "turn", Lang::It).unwrap());
    assert!(page.contains(
        "<form method=\"post\" action=\"/.anteroom/vaccination/enter\"><input type=\"hidden\" name=\"return\" \
         value=\"/booking/?step=1\"><input type=\"hidden\" name=\"lang\" value=\"it\">"
    ));
    assert!(!page.contains(" data-auto>"));
    let auto = text(&preview(pages(), "turn-auto", Lang::It).unwrap());
    assert!(auto.contains("/enter\" data-auto>"));
    let asked = text(&preview(pages(), "turn-asked", Lang::En).unwrap());
    assert!(
        !asked.contains("/enter\""),
        "there is no button for those who have pressed it"
    );
    assert!(asked.contains("about 3 minutes"));
}

#[test]
fn links_keep_a_language_the_visitor_picked_and_no_other() {
    let texts = sample_texts();
    let mut view = view(&texts, "waiting", Lang::It).unwrap();
    let negotiated = text(&pages().html(&view));
    assert!(negotiated.contains("id=\"check\" href=\"/booking/?step=1\""));
    view.lang_asked = true;
    let picked = text(&pages().html(&view));
    assert!(
        picked.contains("id=\"check\" href=\"/booking/?step=1&#38;lang=it\""),
        "{picked}"
    );
}

#[test]
fn the_waiting_page_reads_like_this() {
    let pages = pages();
    for (scene, lang) in [
        ("waiting", Lang::En),
        ("waiting", Lang::It),
        ("turn", Lang::En),
        ("early", Lang::It),
    ] {
        let page = text(&preview(pages, scene, lang).unwrap());
        let main = page
            .split_once("<main")
            .unwrap()
            .1
            .split_once("</main>")
            .unwrap()
            .0;
        insta::assert_snapshot!(format!("{scene}-{}", lang.tag()), main);
    }
}
