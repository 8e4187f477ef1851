//! The answers to calls at a room's own addresses, as JSON for apps and as pages for people.

use bytes::Bytes;
use http::HeaderMap;
use http::HeaderValue;
use http::Response;
use http::StatusCode;
use http::header;

use crate::gate::decide::PassFact;
use crate::gate::opening;
use crate::gate::reply;
use crate::gate::reply::Media;
use crate::gate::show;
use crate::gate::show::Look;
use crate::gate::stub::Kept;
use crate::gate::visit::Stay;
use crate::gate::visit::Visit;
use crate::line::exchange::Finish;
use crate::line::exchange::Visitor;
use crate::line::settings::Mode;
use crate::message::Body;
use crate::page::Calm;
use crate::page::Public;
use crate::page::State;
use crate::page::View;
use crate::seal::Pass;
use crate::seal::Ticket;

/// A ticket given up is remembered as finished for this long, for every replica to learn of it.
const GIVEN_UP_US: u64 = 60_000_000;

/// The response to whoever is let in.
pub(crate) fn entered(
    visit: &Visit<'_>,
    look: &Look<'_>,
    ticket: &Ticket,
    stay: Stay,
) -> Response<Body> {
    let mut response = admitted(visit, look, &visit.pass_of(ticket, stay));
    if ticket.asked || visit.has_outgrown_stub() {
        // What was asked for is there: coming back later is asked for anew.
        let ticket = Ticket {
            asked: false,
            ..*ticket
        };
        reply::give_ticket(response.headers_mut(), visit, &ticket);
    }
    response
}

/// The response to whoever has this pass: the pass itself, and the way to where it wanted.
pub(crate) fn admitted(visit: &Visit<'_>, look: &Look<'_>, pass: &Pass) -> Response<Body> {
    let number = Some(pass.number).filter(|&number| number > 0);
    let mut cookies = HeaderMap::new();
    let text = reply::give_pass(&mut cookies, visit, pass);
    let mut response = if wants_json(visit) {
        let body =
            serde_json::json!({ "state": State::Entered.name(), "number": number, "pass": text });
        reply::ours(StatusCode::OK, Media::Json, body.to_string().into(), "")
    } else {
        reply::see_other(&look.return_to)
    };
    response.headers_mut().extend(cookies);
    reply::say_state(response.headers_mut(), State::Entered, number);
    response
}

/// The response to whoever is not let in yet.
pub(crate) fn not_entered(
    visit: &Visit<'_>,
    view: &View<'_>,
    ticket: Option<&Ticket>,
) -> Response<Body> {
    let mut response = if wants_json(visit) {
        let mut response = show::status(visit, view, "", None);
        *response.status_mut() = StatusCode::CONFLICT;
        reply::retry_after(response.headers_mut(), (view.poll_ms / 1_000).max(1));
        response
    } else {
        show::page(visit, view, StatusCode::OK)
    };
    if let Some(ticket) = ticket {
        reply::give_ticket(response.headers_mut(), visit, ticket);
    }
    response
}

/// The response to a join.
pub(crate) fn joined(
    visit: &Visit<'_>,
    look: &Look<'_>,
    view: &View<'_>,
    kept: Kept,
    wants_page: bool,
) -> Response<Body> {
    let mut cookies = HeaderMap::new();
    let text = kept.give(&mut cookies, visit);
    let mut response = if wants_page {
        reply::see_other(&look.return_to)
    } else {
        show::status(visit, view, "", text.as_deref())
    };
    response.headers_mut().extend(cookies);
    response
}

/// Gives up a place, or ends a stay.
pub(crate) fn leave(visit: &Visit<'_>, look: &Look<'_>) -> Response<Body> {
    let ticket = visit.ticket();
    let line_us = visit.snapshot.line_us(visit.now);
    let held = visit.held_pass.map(|pass| {
        let Pass { number, id, .. } = pass;
        (Visitor { number, id }, pass.until_us)
    });
    // A pass from when the doors were open has an id of its own: its visitor's place goes as well.
    let place = ticket.filter(|ticket| held.is_none_or(|(pass, _)| pass.id != ticket.id));
    // Before a draw it is nobody's number: the number that will be drawn for it is that of somebody absent.
    let unnumbered = |ticket: Ticket| Visitor {
        number: 0,
        id: ticket.id,
    };
    let given_up = |ticket| visit.visitor(&ticket).unwrap_or_else(|| unnumbered(ticket));
    let place = place.map(|ticket| (given_up(ticket), line_us + GIVEN_UP_US));
    let grace_us = u64::try_from(visit.site.config.grace.as_micros()).unwrap_or(0);
    for (visitor, until_us) in held.into_iter().chain(place) {
        visit.port.finish(Finish {
            visitor,
            until_us: until_us.max(line_us) + grace_us,
        });
    }
    let standing = show::without_ticket(visit, State::Left);
    let view = show::view(visit, look, None, &standing);
    let mut response = if wants_json(visit) {
        show::status(visit, &view, "", None)
    } else {
        show::page(visit, &view, StatusCode::OK)
    };
    for cookie in visit.site.cookies.forget(visit.https) {
        response.headers_mut().append(header::SET_COOKIE, cookie);
    }
    response
}

/// `GET …/leave` only asks.
pub(crate) fn ask_leave(visit: &Visit<'_>, look: &Look<'_>) -> Response<Body> {
    let kind = if visit.pass == PassFact::Live {
        Calm::LeaveInside
    } else {
        Calm::Leave
    };
    match show::stand(visit) {
        Some((ticket, standing)) => {
            let view = show::view(visit, look, Some(&ticket), &standing);
            show::hear(visit, &ticket, &standing, view.poll_ms);
            let pages = &visit.live.pages;
            reply::ours(
                StatusCode::OK,
                Media::Html,
                pages.calm(kind, &view),
                pages.csp(),
            )
        }
        None => calm(visit, look, kind, StatusCode::OK),
    }
}

/// What everybody may know, for a second or two.
pub(crate) fn public(visit: &Visit<'_>) -> Response<Body> {
    let snapshot = &visit.snapshot;
    let state = match snapshot.mode() {
        _ if snapshot.answer().is_none() => State::Waiting,
        Mode::Paused => State::Paused,
        Mode::Closed | Mode::SoldOut => show::refused_state(visit),
        _ if snapshot.awaits().is_some() => State::Early,
        Mode::Open if snapshot.is_stopped() => State::Origin,
        Mode::Open | Mode::Bypass | Mode::Observe if snapshot.tail() > snapshot.head() => {
            State::Waiting
        }
        Mode::Open | Mode::Bypass | Mode::Observe => State::Entered,
    };
    let body = visit.live.pages.public_json(&Public {
        state,
        waiting: snapshot.tail().saturating_sub(snapshot.head()),
        serving: snapshot.head(),
        wait: show::without_ticket(visit, state).wait,
        stock: snapshot.answer().and_then(|answer| answer.stock),
        opens_at: opening::opens_at(visit),
        draw: opening::draw(visit),
    });
    for_everybody(body, "public, max-age=2")
}

/// JSON that is the same for whoever asks, and may be kept this long.
pub(super) fn for_everybody(body: Bytes, cache: &'static str) -> Response<Body> {
    let mut response = reply::ours(StatusCode::OK, Media::Json, body, "");
    let headers = response.headers_mut();
    headers.insert(header::CACHE_CONTROL, HeaderValue::from_static(cache));
    headers.insert(
        header::ACCESS_CONTROL_ALLOW_ORIGIN,
        HeaderValue::from_static("*"),
    );
    response
}

/// A calm page, or its problem document.
pub(crate) fn calm(
    visit: &Visit<'_>,
    look: &Look<'_>,
    kind: Calm,
    status: StatusCode,
) -> Response<Body> {
    let standing = show::without_ticket(visit, State::Waiting);
    let view = show::view(visit, look, None, &standing);
    let pages = &visit.live.pages;
    if visit.wishes.accepts("text/html") {
        reply::ours(status, Media::Html, pages.calm(kind, &view), pages.csp())
    } else {
        reply::ours(
            status,
            Media::Problem,
            pages.calm_problem(kind, &view, status.as_u16()),
            "",
        )
    }
}

/// A method that this address does not know; those it does (RFC 9110 §15.5.6).
pub(crate) fn wrong_method(
    visit: &Visit<'_>,
    look: &Look<'_>,
    methods: &'static str,
) -> Response<Body> {
    let status = StatusCode::METHOD_NOT_ALLOWED;
    let mut response = calm(visit, look, Calm::BadRequest, status);
    let methods = HeaderValue::from_static(methods);
    response.headers_mut().insert(header::ALLOW, methods);
    response
}

pub(crate) fn wants_json(visit: &Visit<'_>) -> bool {
    visit.wishes.accepts("application/json") && !visit.wishes.accepts("text/html")
}
