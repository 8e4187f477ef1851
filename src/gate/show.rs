//! Shows a visitor where it stands: as a page, as status JSON, or as a problem document.

use std::borrow::Cow;

use bytes::Bytes;
use bytes::BytesMut;
use http::HeaderValue;
use http::Response;
use http::StatusCode;
use http::Uri;
use http::header;
use http::uri::PathAndQuery;
use jiff::SignedDuration;
use jiff::Timestamp;

use crate::config::room::Enter;
use crate::gate::decide::TicketFact;
use crate::gate::opening;
use crate::gate::poll;
use crate::gate::query;
use crate::gate::reply;
use crate::gate::reply::Media;
use crate::gate::standing;
use crate::gate::standing::Known;
use crate::gate::standing::Standing;
use crate::gate::visit::Visit;
use crate::line::settings::Mode;
use crate::message::Body;
use crate::page::Code;
use crate::page::State;
use crate::page::Turn;
use crate::page::View;
use crate::page::negotiate;
use crate::seal::Ticket;

/// How often a turn can be made longer, for the page to show.
const MORE_MAX: u32 = 10;

/// What the request says about how it wants to be shown things.
pub(crate) struct Look<'a> {
    /// The panel the page shows (see the page's script).
    pub(crate) have: Cow<'a, str>,
    /// A page without a script comes back by itself after a minute.
    pub(crate) auto_refresh: bool,
    /// Where the visitor wanted to go.
    pub(crate) return_to: String,
    /// The language picked on the page.
    pub(crate) lang: Option<Cow<'a, str>>,
}

impl<'a> Look<'a> {
    /// For a request to one of the room's own addresses: its parameters say where the visitor came from.
    pub(crate) fn asked(query: &'a str, prefix: &str) -> Self {
        let own = Own::read(query);
        Self {
            return_to: query::return_to(own.return_to.as_deref(), prefix),
            ..own.look()
        }
    }

    /// For a navigation: the visitor wants to go where it went.
    pub(crate) fn navigated(uri: &'a Uri, prefix: &str) -> Self {
        let wanted = uri.path_and_query().map(PathAndQuery::as_str);
        Self {
            return_to: query::return_to(wanted, prefix),
            ..Own::read(uri.query().unwrap_or("")).look()
        }
    }
}

/// The parameters of ours that a query may carry; the first readable one of each name counts.
#[derive(Default)]
struct Own<'q> {
    return_to: Option<Cow<'q, str>>,
    lang: Option<Cow<'q, str>>,
    have: Option<Cow<'q, str>>,
    auto: Option<Cow<'q, str>>,
}

impl<'q> Own<'q> {
    fn read(query: &'q str) -> Self {
        let mut own = Self::default();
        for (name, value) in query::parameters(query) {
            let place = match name {
                "return" => &mut own.return_to,
                "lang" => &mut own.lang,
                "have" => &mut own.have,
                "auto" => &mut own.auto,
                _ => continue,
            };
            if place.is_none() {
                *place = query::decode(value);
            }
        }
        own
    }

    fn look(self) -> Look<'q> {
        Look {
            have: self.have.unwrap_or_default(),
            auto_refresh: self.auto.as_deref() == Some("60"),
            return_to: String::new(),
            lang: self.lang,
        }
    }
}

/// Where a visit stands, and whether its ticket goes on asking.
pub(crate) fn stand(visit: &Visit<'_>) -> Option<(Ticket, Standing)> {
    let ticket = visit.ticket()?;
    Some((ticket, stand_with(visit, &ticket, visit.known(&ticket))))
}

/// Where a visit stands with this ticket.
pub(crate) fn stand_with(visit: &Visit<'_>, ticket: &Ticket, known: Known) -> Standing {
    standing::stand(&visit.snapshot, ticket, known, visit.now, visit.wall_us)
}

/// Notes that a waiting visitor was heard from, and repeats that it is asking.
pub(crate) fn hear(visit: &Visit<'_>, ticket: &Ticket, standing: &Standing, poll_ms: u64) {
    visit.port.told(poll_ms.saturating_mul(1_000));
    // Whoever has no number is heard from when it has one.
    let Some(visitor) = visit.visitor(ticket) else {
        return;
    };
    visit.port.hear(&visit.snapshot, visitor.number);
    let inside = matches!(standing.state, State::Entered | State::Left);
    if standing.asked && visitor.number <= visit.snapshot.head() && !inside {
        visit.port.ask_again(visitor);
    }
}

/// Everything about this visitor, for the renderer.
pub(crate) fn view<'v>(
    visit: &'v Visit<'_>,
    look: &'v Look<'_>,
    ticket: Option<&Ticket>,
    standing: &Standing,
) -> View<'v> {
    let now = Timestamp::now_from(visit.wall_us);
    let accept = visit.wishes.languages();
    let mut view = View::new(&visit.site.texts, standing.state, now);
    let picked = negotiate(look.lang.as_deref(), accept, &visit.site.texts.languages);
    view.lang = picked.lang;
    view.lang_asked = picked.asked;
    view.base = &visit.site.base;
    view.return_to = &look.return_to;
    view.code = ticket.map(|ticket| Code::of(ticket.id.0));
    view.number = ticket.and_then(|ticket| visit.number(ticket));
    view.held = ticket.is_none() && visit.stub().is_some();
    // Before the line has told where it is, a place would be guessed: the page comes back by itself.
    view.placed = visit.snapshot.epoch().is_some();
    view.serving = visit.snapshot.head();
    view.place = standing.place;
    view.wait = standing.wait;
    view.turn = turn(visit, standing, now);
    view.asked = standing.asked && standing.place == 0;
    view.asked_wait_s = standing.asked_wait_s;
    view.since = since(visit);
    view.stock = visit.snapshot.answer().and_then(|answer| answer.stock);
    view.scarce = view.stock.is_some_and(|stock| standing.place > stock);
    view.poll_ms = poll::poll_ms(&visit.snapshot, standing);
    view.auto_enter = visit.site.config.enter == Enter::Auto;
    view.auto_refresh = look.auto_refresh;
    opening::show(visit, ticket, &mut view);
    view
}

fn turn(visit: &Visit<'_>, standing: &Standing, now: Timestamp) -> Option<Turn> {
    let length = micros(u64::try_from(visit.site.config.turn.as_micros()).unwrap_or(0));
    let enter_by = match (standing.state, standing.turn_left_us) {
        (_, Some(left)) => now + micros(left),
        (State::Turn | State::Late | State::Entering, None) => now,
        _ => return None,
    };
    Some(Turn {
        called: enter_by - length,
        enter_by,
        more_left: MORE_MAX,
    })
}

fn since(visit: &Visit<'_>) -> Option<Timestamp> {
    let since = visit.snapshot.mode_since_us;
    (since > 0 && (visit.snapshot.mode() != Mode::Open || visit.snapshot.is_stopped()))
        .then(|| Timestamp::now_from(since))
}

fn micros(us: u64) -> SignedDuration {
    SignedDuration::from_micros(i64::try_from(us).unwrap_or(i64::MAX))
}

/// Times of ours as the renderer's.
pub(super) trait FromMicros {
    fn now_from(us: u64) -> Self;
}

impl FromMicros for Timestamp {
    fn now_from(us: u64) -> Self {
        i64::try_from(us)
            .ok()
            .and_then(|us| Self::from_microsecond(us).ok())
            .unwrap_or(Self::UNIX_EPOCH)
    }
}

/// A standing without a ticket.
pub(crate) fn without_ticket(visit: &Visit<'_>, state: State) -> Standing {
    Standing {
        state,
        asked: false,
        asked_wait_s: 0,
        place: 0,
        turn_left_us: None,
        wait: standing::wait(
            &visit.snapshot,
            visit.snapshot.tail() + 1,
            i64::try_from(visit.wall_us).unwrap_or(0),
        ),
    }
}

/// The state of somebody without a ticket that is good here.
pub(crate) fn unknown_state(visit: &Visit<'_>) -> State {
    match visit.ticket_fact() {
        TicketFact::Old => State::Expired,
        TicketFact::Stub { .. } => State::Waiting,
        TicketFact::None | TicketFact::UnknownKey | TicketFact::Valid { .. } => State::Invalid,
    }
}

/// The state of somebody the line takes no number for.
pub(crate) fn refused_state(visit: &Visit<'_>) -> State {
    match visit.snapshot.mode() {
        Mode::Closed => State::Closed,
        Mode::SoldOut => State::SoldOut,
        Mode::Open | Mode::Paused | Mode::Bypass | Mode::Observe => State::Full,
    }
}

/// The page of a view.
pub(crate) fn page(visit: &Visit<'_>, view: &View<'_>, status: StatusCode) -> Response<Body> {
    let pages = &visit.live.pages;
    let mut response = reply::ours(status, Media::Html, pages.html(view), pages.csp());
    reply::say_state(response.headers_mut(), view.state, view.number);
    if view.auto_refresh && !view.state.is_final() {
        response
            .headers_mut()
            .insert(header::REFRESH, HeaderValue::from_static("60"));
    }
    response
}

/// The status of a view, with the ticket for whoever asked for one.
pub(crate) fn status(
    visit: &Visit<'_>,
    view: &View<'_>,
    have: &str,
    ticket: Option<&str>,
) -> Response<Body> {
    let pages = &visit.live.pages;
    let mut body = pages.status_json(view, have);
    if let Some(ticket) = ticket {
        body = with_field(body, "ticket", ticket);
    }
    let mut response = reply::ours(StatusCode::OK, Media::Json, body, "");
    reply::say_state(response.headers_mut(), view.state, view.number);
    response
}

/// A JSON object with one more field; the value is base64url and needs no escaping.
fn with_field(object: Bytes, name: &str, value: &str) -> Bytes {
    // Nobody else has it: it is written on where it is.
    let mut body = BytesMut::from(object);
    body.truncate(body.len().saturating_sub(1));
    for part in [",\"", name, "\":\"", value, "\"}"] {
        body.extend_from_slice(part.as_bytes());
    }
    body.freeze()
}

/// The problem document of a view: how to join, and when to come back.
pub(crate) fn problem(visit: &Visit<'_>, view: &View<'_>) -> Response<Body> {
    let seconds = (view.poll_ms / 1_000).clamp(1, 120);
    let body = visit.live.pages.problem(
        view,
        StatusCode::SERVICE_UNAVAILABLE.as_u16(),
        Some(seconds),
    );
    let mut response = reply::ours(StatusCode::SERVICE_UNAVAILABLE, Media::Problem, body, "");
    reply::say_state(response.headers_mut(), view.state, view.number);
    reply::retry_after(response.headers_mut(), seconds);
    response
}
