//! What visitors and everybody else are told of an opening: the page before it, and what a draw can be checked by.

use http::Response;
use http::StatusCode;
use jiff::Timestamp;

use crate::gate::answers;
use crate::gate::poll;
use crate::gate::show::FromMicros;
use crate::gate::show::Look;
use crate::gate::visit::Visit;
use crate::message::Body;
use crate::page::Calm;
use crate::page::PublicDraw;
use crate::page::State;
use crate::page::View;
use crate::room::Draw;
use crate::seal::Published;
use crate::seal::Ticket;

/// When the room opens, if it is yet to.
pub(crate) fn opens_at(visit: &Visit<'_>) -> Option<Timestamp> {
    let opening = visit.snapshot.awaits()?;
    Some(Timestamp::now_from(opening.at_us))
}

/// What everybody may know of the draw, once a seed is committed to.
pub(crate) fn draw(visit: &Visit<'_>) -> Option<PublicDraw> {
    let opening = &visit.snapshot.answer()?.opening;
    Some(PublicDraw {
        commitment: opening.draw?,
        published: opening.early.is_some(),
    })
}

/// Puts the opening on a visitor's page: when it is, how many wait, how places are given, and when to ask again.
pub(crate) fn show(visit: &Visit<'_>, ticket: Option<&Ticket>, view: &mut View<'_>) {
    let Some(answer) = visit.snapshot.answer() else {
        return;
    };
    let opening = &answer.opening;
    let draws = opening.draws && opening.early.is_none_or(|early| early > opening.after);
    let takes_part = |index: &u64| {
        let last = opening.early.unwrap_or(u64::MAX);
        draws && *index > opening.after && *index <= last
    };
    view.index = ticket.map(|ticket| ticket.number).filter(takes_part);
    if view.state != State::Early {
        return;
    }
    view.until = opens_at(visit);
    view.early = Some(answer.tail.saturating_sub(opening.after));
    view.draw = opening.draws;
    let clock_us = visit.snapshot.clock_us(visit.now).unwrap_or(0);
    let left_us = opening.at_us.saturating_sub(clock_us);
    // Where in the moments after the opening this page asks: by its ticket, the same at every poll.
    let own = ticket.map_or(0, |ticket| ticket.id.0);
    view.poll_ms = poll::early_ms(answer, left_us / 1_000, own);
}

/// What a draw can be checked by. Before the opening the seed is missing; after it nothing of this changes any more.
pub(crate) fn published(visit: &Visit<'_>, look: &Look<'_>) -> Response<Body> {
    let nothing = || answers::calm(visit, look, Calm::NotFound, StatusCode::NOT_FOUND);
    let Some(answer) = visit.snapshot.answer() else {
        return nothing();
    };
    if !answer.opening.draws {
        return nothing();
    }
    let seed = match visit.snapshot.draw {
        Draw::Ours { seed, .. } => Some(seed),
        Draw::None | Draw::Foreign => None,
    };
    let published = Published::new(visit.site.name(), answer.epoch, &answer.opening, seed);
    let Ok(body) = serde_json::to_vec(&published) else {
        return nothing();
    };
    let cache = if published.seed.is_some() {
        "public, max-age=3600"
    } else {
        "public, max-age=2"
    };
    answers::for_everybody(body.into(), cache)
}
