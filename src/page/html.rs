//! Views as HTML: the whole page, the panel inside it, and the calm pages for everything else.

use askama::Template;

use crate::page::Calm;
use crate::page::assets::Assets;
use crate::page::have::Have;
use crate::page::say::title;
use crate::page::speaker::Operator;
use crate::page::speaker::Speaker;
use crate::page::state::State;
use crate::page::status::said;
use crate::page::url::with_query;
use crate::page::words::Words;

/// Room for a page, so that writing one does not grow its buffer.
const PAGE_BYTES: usize = 24 * 1024;
/// Room for a panel.
const PANEL_BYTES: usize = 8 * 1024;

#[derive(Template)]
#[template(config = "src/page/askama.toml", path = "page.html")]
struct Page<'a> {
    s: Speaker<'a>,
    assets: &'a Assets,
    title: String,
    name: Operator<'a>,
    status_url: String,
    page_url: String,
    said: String,
    panel: Panel<'a>,
}

#[derive(Template)]
#[template(config = "src/page/askama.toml", path = "panel.html")]
struct Panel<'a> {
    s: Speaker<'a>,
    words: Words,
    have: Have,
    page_url: String,
    auto_url: String,
    keep_url: String,
    ticket_url: Option<String>,
}

#[derive(Template)]
#[template(config = "src/page/askama.toml", path = "calm.html")]
struct CalmPage<'a> {
    s: Speaker<'a>,
    assets: &'a Assets,
    title: String,
    name: Operator<'a>,
    page_url: String,
    words: CalmWords,
}

/// The names of the texts of a calm page.
struct CalmWords {
    heading: &'static str,
    leads: Vec<&'static str>,
    button: &'static str,
    leaves: bool,
}

/// The whole page.
pub(crate) fn page(speaker: Speaker<'_>, assets: &Assets) -> String {
    let view = speaker.view;
    let mut full_title = String::with_capacity(96);
    title(&speaker, &mut full_title);
    let page = Page {
        s: speaker,
        assets,
        title: full_title,
        name: speaker.operator(&view.texts.name),
        status_url: status_url(speaker),
        page_url: page_url(speaker),
        said: said(view, None),
        panel: fill(speaker),
    };
    render(&page, PAGE_BYTES)
}

/// The part of the page that the script replaces.
pub(crate) fn panel(speaker: Speaker<'_>) -> String {
    render(&fill(speaker), PANEL_BYTES)
}

/// A calm page.
pub(crate) fn calm(speaker: Speaker<'_>, assets: &Assets, kind: Calm) -> String {
    let view = speaker.view;
    let words = calm_words(kind);
    let mut full_title = String::with_capacity(96);
    speaker.plain(&mut full_title, words.heading);
    let name = speaker.operator(&view.texts.name);
    if !name.text.is_empty() {
        full_title.push_str(" – ");
        full_title.push_str(name.text);
    }
    let page = CalmPage {
        s: speaker,
        assets,
        title: full_title,
        name,
        page_url: page_url(speaker),
        words,
    };
    render(&page, PAGE_BYTES)
}

fn fill(speaker: Speaker<'_>) -> Panel<'_> {
    let view = speaker.view;
    let page_url = page_url(speaker);
    Panel {
        s: speaker,
        words: Words::of(view),
        have: Have::of(view),
        auto_url: with_query(&page_url, &[("auto", "60")]),
        keep_url: with_query(&format!("{}/keep", view.base), &[("lang", view.lang.tag())]),
        ticket_url: view
            .ticket
            .map(|ticket| format!("{}/t/{ticket}", view.base)),
        page_url,
    }
}

/// This page again; it keeps the language when that was asked for.
fn page_url(speaker: Speaker<'_>) -> String {
    let view = speaker.view;
    if view.lang_asked {
        speaker.page_in(&view.lang)
    } else {
        with_query(view.return_to, &[])
    }
}

/// Where the script asks.
fn status_url(speaker: Speaker<'_>) -> String {
    let view = speaker.view;
    let status = format!("{}/status", view.base);
    // The panel that comes in answer has forms of its own, which lead to where the visitor wanted as well.
    let (lang, wanted) = (("lang", view.lang.tag()), ("return", view.return_to));
    match view.ticket {
        Some(ticket) => with_query(&status, &[lang, wanted, ("t", ticket)]),
        None => with_query(&status, &[lang, wanted]),
    }
}

fn calm_words(kind: Calm) -> CalmWords {
    let (heading, leads, button) = match kind {
        Calm::Leave => ("leave-h", vec!["leave-lead"], "btn-stay"),
        Calm::LeaveInside => (
            "leave-inside-h",
            vec!["leave-inside-lead"],
            "btn-stay-inside",
        ),
        Calm::InsideOrigin => (
            "inside-origin-h",
            vec!["inside-origin-lead", "inside-origin-note"],
            "btn-again",
        ),
        Calm::TooMany => ("too-many-h", vec!["too-many-lead"], "btn-again"),
        Calm::Crowded => (
            "crowded-h",
            vec!["crowded-lead", "crowded-note"],
            "btn-again",
        ),
        Calm::BadRequest => ("bad-request-h", vec!["bad-request-lead"], "btn-service"),
        Calm::NotFound => ("not-found-h", vec!["not-found-lead"], "btn-service"),
        Calm::Trouble => ("trouble-h", vec!["trouble-lead"], "btn-again"),
    };
    CalmWords {
        heading,
        leads,
        button,
        leaves: matches!(kind, Calm::Leave | Calm::LeaveInside),
    }
}

/// The texts of a calm page's title and detail as a problem.
pub(crate) fn calm_keys(kind: Calm) -> (&'static str, &'static str) {
    let words = calm_words(kind);
    (
        words.heading,
        words.leads.first().copied().unwrap_or(words.heading),
    )
}

fn render(template: &impl Template, bytes: usize) -> String {
    let mut out = String::with_capacity(bytes);
    let written = template.render_into(&mut out);
    debug_assert!(written.is_ok(), "a string takes everything: {written:?}");
    out
}
