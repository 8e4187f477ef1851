//! What visitors read: the page in every state and language, the status it asks for, and problem documents.
//!
//! A [`View`] is one visitor at one moment, filled by the gate. [`Pages`] renders it: as a whole page, as the panel
//! that the page's script swaps in (by the same templates, so both always agree), as JSON, as a problem document. The
//! page is complete without script, asks for nothing but itself, and every word of it is in `i18n/*.ftl`.
//!
//! Headers the gate sets with a page: `Content-Security-Policy` from [`Pages::csp`], `Cache-Control: no-store`,
//! `Referrer-Policy: same-origin` (with `no-referrer` browsers would send `Origin: null` with our forms),
//! `X-Robots-Tag: noindex`, and `Refresh: 60` when [`View::auto_refresh`] is set.

mod assets;
mod catalogue;
mod code;
mod have;
mod html;
mod json;
mod lang;
mod message;
mod preview;
mod say;
mod speaker;
mod state;
mod status;
mod texts;
mod url;
mod vars;
mod view;
mod words;

#[cfg(test)]
mod tests;

use bytes::Bytes;
use jiff::Timestamp;

use crate::estimate::Wait;
use crate::line::opening::Commitment;
use crate::page::assets::Assets;
use crate::page::catalogue::Catalogue;
use crate::page::speaker::Speaker;

pub use crate::page::catalogue::CatalogueError;
pub use crate::page::code::Code;
pub use crate::page::lang::Lang;
pub use crate::page::lang::Negotiated;
pub use crate::page::lang::negotiate;
pub use crate::page::preview::preview;
pub use crate::page::preview::preview_with;
pub use crate::page::preview::scenes;
pub use crate::page::preview::with_scene;
pub use crate::page::state::State;
pub use crate::page::texts::Localized;
pub use crate::page::texts::Texts;
pub use crate::page::view::Message;
pub use crate::page::view::Turn;
pub use crate::page::view::View;

/// A calm page that is not a visitor's state.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Calm {
    /// Asks whether to give the place up.
    Leave,
    /// Asks somebody inside whether it has finished.
    LeaveInside,
    /// The origin failed somebody inside.
    InsideOrigin,
    /// Too many requests from one network; `poll_ms` says when to come back.
    TooMany,
    /// Too many newcomers from one network; `poll_ms` says when to come back.
    Crowded,
    /// A request that cannot be read.
    BadRequest,
    /// Nothing is at this address.
    NotFound,
    /// Something failed here.
    Trouble,
}

impl Calm {
    /// Every calm page.
    pub const ALL: [Self; 8] = [
        Self::Leave,
        Self::LeaveInside,
        Self::InsideOrigin,
        Self::TooMany,
        Self::Crowded,
        Self::BadRequest,
        Self::NotFound,
        Self::Trouble,
    ];
}

/// What everybody may know of a room, in or out of its line.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Public {
    /// The state a newcomer would find.
    pub state: State,
    /// How many wait.
    pub waiting: u64,
    /// The last number called.
    pub serving: u64,
    /// A newcomer's wait.
    pub wait: Wait,
    /// How many are left to book, as the origin says.
    pub stock: Option<u64>,
    /// When the room opens, if it is yet to.
    pub opens_at: Option<Timestamp>,
    /// Places of those who come before the opening are drawn.
    pub draw: Option<PublicDraw>,
}

/// What everybody may know of a draw.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct PublicDraw {
    /// What the seed hashes to; shown from the announcement on.
    pub commitment: Commitment,
    /// The line has opened: the seed is published.
    pub published: bool,
}

/// The renderer: every text in every language, the script, the style. Loaded once, shared, never changed.
#[derive(Debug)]
pub struct Pages {
    catalogues: Vec<Catalogue>,
    assets: Assets,
}

impl Pages {
    /// Compiles the texts.
    ///
    /// # Errors
    ///
    /// When a file of texts cannot be used, with the language, the message and the reason.
    pub fn load() -> Result<Self, CatalogueError> {
        let catalogues = Lang::ALL
            .into_iter()
            .map(|lang| Catalogue::parse(lang, lang.source()))
            .collect::<Result<Vec<_>, _>>()?;
        Ok(Self {
            catalogues,
            assets: Assets::load(),
        })
    }

    /// The `Content-Security-Policy` of every page.
    #[must_use]
    pub fn csp(&self) -> &str {
        &self.assets.csp
    }

    /// The whole page: `text/html; charset=utf-8`, status 200.
    #[must_use]
    pub fn html(&self, view: &View<'_>) -> Bytes {
        html::page(self.speaker(view), &self.assets).into()
    }

    /// The answer to a poll. `have` is what the poll's `have` parameter says: the panel is sent only when it is
    /// another one.
    #[must_use]
    pub fn status_json(&self, view: &View<'_>, have: &str) -> Bytes {
        status::status(self.speaker(view), have).into()
    }

    /// The visitor's state as `application/problem+json` (RFC 9457).
    #[must_use]
    pub fn problem(&self, view: &View<'_>, status: u16, retry_after_s: Option<u64>) -> Bytes {
        status::problem(self.speaker(view), status, retry_after_s).into()
    }

    /// A calm page in a view's language and room; its state is not looked at.
    #[must_use]
    pub fn calm(&self, kind: Calm, view: &View<'_>) -> Bytes {
        html::calm(self.speaker(view), &self.assets, kind).into()
    }

    /// What a calm page says as `application/problem+json`.
    #[must_use]
    pub fn calm_problem(&self, kind: Calm, view: &View<'_>, status: u16) -> Bytes {
        status::plain_problem(self.speaker(view), html::calm_keys(kind), status).into()
    }

    /// The room's public status.
    #[must_use]
    pub fn public_json(&self, public: &Public) -> Bytes {
        status::public(public).into()
    }

    fn speaker<'a>(&'a self, view: &'a View<'a>) -> Speaker<'a> {
        Speaker {
            catalogue: &self.catalogues[view.lang.index()],
            view,
        }
    }
}
