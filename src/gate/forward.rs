//! Forwards what may go through: with the visitor's pass, renewed when it is due, and the origin's orders obeyed.

use std::rc::Rc;
use std::sync::Arc;

use http::HeaderMap;
use http::Request;
use http::Response;
use http::StatusCode;
use http_body::Body as _;
use hyper::body::Incoming;

use crate::clock;
use crate::gate::Gate;
use crate::gate::act::Going;
use crate::gate::counted::Counted;
use crate::gate::limits::VisitorLimits;
use crate::gate::reply;
use crate::gate::reply::Media;
use crate::gate::show;
use crate::gate::show::Look;
use crate::gate::streams::Open;
use crate::gate::visit::Stay;
use crate::gate::visit::Visit;
use crate::line::exchange::Finish;
use crate::line::exchange::Renewal;
use crate::line::exchange::Visitor;
use crate::line::ids::TicketId;
use crate::message::Body;
use crate::message::Fault;
use crate::message::Note;
use crate::page::Calm;
use crate::page::State;
use crate::proxy::Command;
use crate::proxy::OriginError;
use crate::proxy::OriginErrorKind;
use crate::proxy::Passage;
use crate::seal;
use crate::seal::Pass;
use crate::seal::Ticket;
use crate::telemetry::metrics::Label;
use crate::telemetry::metrics::Limit;

/// Preflights one worker forwards at once without a pass.
const PREFLIGHTS_MAX: usize = 8;
/// When the origin failed somebody inside, it may try again after this many seconds.
const RETRY_S: u64 = 10;
/// A visitor that asked for more than it may, may ask again after this many seconds.
const LIMITED_S: u64 = 1;

/// How a request goes through.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Through {
    /// The pass it goes through with.
    pass: Option<Pass>,
    /// That pass is new: the visitor gets it with the response.
    is_new: bool,
    /// The visitor gets this ticket with the response.
    ticket: Option<Ticket>,
}

impl Through {
    /// With nothing.
    pub(crate) fn nobody() -> Self {
        Self {
            pass: None,
            is_new: false,
            ticket: None,
        }
    }

    /// With the pass the visitor holds. A form sent after it ran out is work: the pass lives on, so that the page that
    /// follows the form is there as well.
    pub(crate) fn held(visit: &Visit<'_>) -> Self {
        let pass = visit.held_pass;
        pass.map_or_else(Self::nobody, |pass| Self::renewing(visit, pass))
    }

    /// With this pass as it is.
    fn with(pass: Pass) -> Self {
        Self {
            pass: Some(pass),
            ..Self::nobody()
        }
    }

    /// With this pass, signed again.
    pub(crate) fn renewed(pass: Pass) -> Self {
        Self {
            pass: Some(pass),
            is_new: true,
            ticket: None,
        }
    }

    /// With the pass of this ticket.
    pub(crate) fn entered(visit: &Visit<'_>, ticket: &Ticket, stay: Stay) -> Self {
        let through = Self::renewed(visit.pass_of(ticket, stay));
        if ticket.asked || visit.has_outgrown_stub() {
            through.with_ticket(*ticket)
        } else {
            through
        }
    }

    /// And with this ticket for the visitor to keep. What it asked for is there: coming back later is asked for anew.
    pub(crate) fn with_ticket(self, ticket: Ticket) -> Self {
        Self {
            ticket: Some(Ticket {
                asked: false,
                ..ticket
            }),
            ..self
        }
    }

    /// With the pass it has, renewed when a quarter of its idle time has gone since it was signed, or when so much can be
    /// gained: one that was signed again lasts no longer for that.
    fn renewing(visit: &Visit<'_>, pass: Pass) -> Self {
        let now_us = visit.snapshot.line_us(visit.now);
        let idle_us = micros(visit.site.config.pass_idle);
        let latest_us = pass
            .entered_us
            .saturating_add(micros(visit.site.config.pass_max));
        let until_us = (now_us + idle_us).min(latest_us);
        let gained_us = until_us.saturating_sub(pass.until_us);
        let is_due = now_us.saturating_sub(pass.signed_us).max(gained_us) >= idle_us / 4;
        if !is_due || gained_us == 0 {
            return Self::with(pass);
        }
        let pass = Pass {
            signed_us: now_us,
            until_us,
            ..pass
        };
        visit.port.renew(renewal(&pass));
        Self::renewed(pass)
    }

    /// In a room that lets everybody through: with the pass it has, or with one that stands for no number.
    pub(crate) fn unnumbered(visit: &Visit<'_>) -> Self {
        let Some(epoch) = visit.snapshot.epoch() else {
            return Self::nobody();
        };
        let now_us = visit.snapshot.line_us(visit.now);
        let until_us = now_us + micros(visit.site.config.pass_idle);
        let pass = Pass {
            epoch,
            number: 0,
            id: seal::ticket_id(),
            signed_us: now_us,
            until_us,
            entered_us: now_us,
        };
        visit.port.renew(renewal(&pass));
        Self::renewed(pass)
    }

    fn id(&self) -> Option<TicketId> {
        self.pass.map(|pass| pass.id)
    }
}

/// What the line is told of a pass in use.
pub(crate) fn renewal(pass: &Pass) -> Renewal {
    Renewal {
        id: pass.id,
        until_us: pass.until_us,
        entered_us: pass.entered_us,
    }
}

fn micros(duration: std::time::Duration) -> u64 {
    u64::try_from(duration.as_micros()).unwrap_or(u64::MAX / 4)
}

impl Gate {
    /// Forwards a request of somebody who may go through.
    pub(crate) async fn forward(
        &self,
        visit: &Visit<'_>,
        going: Going<'_>,
        through: Through,
    ) -> Result<Response<Body>, Fault> {
        // Not the configuration in force by now: a reload must not turn a request towards another origin.
        let origin = visit.origin;
        if let Some((limits, visitor)) = visit.site.limits.as_ref().zip(through.id())
            && let Some(limit) = Box::pin(limited(visit, limits, visitor, going.note)).await
        {
            let look = Look::navigated(&going.uri, &visit.live.config.server.prefix);
            let mut response = too_many(visit, &look, limit);
            give(visit, &through, response.headers_mut());
            return Ok(response);
        }
        let passage = Passage {
            client: visit.client,
            visitor: through.id(),
            path: going.path,
            note: going.note,
        };
        let uri = going.uri;
        let prefix = &visit.live.config.server.prefix;
        let started = clock::monotonic();
        let guard = &visit.site.config.guard;
        let inside = through.id().filter(|_| guard.is_on);
        let out = inside.and_then(|visitor| {
            let is_timed = is_bare(&going.request);
            visit.port.watch(visitor, started, is_timed)
        });
        let mut response = match origin.pool.forward(going.request, &passage).await {
            Ok(forwarded) => {
                let after = clock::monotonic() - started;
                origin.counts.answered(after);
                match out {
                    Some(out) if has_failed(forwarded.response.status()) => out.failed(),
                    Some(out) => out.answered(after, guard.latency),
                    None => {}
                }
                obey(visit, &through, forwarded.command, forwarded.stock);
                forwarded.response
            }
            Err(error) => {
                self.origin_failed(&origin.counts, &error);
                if error.kind.is_client() {
                    return Err(Fault::from(&error));
                }
                match (out, error.kind) {
                    (Some(out), OriginErrorKind::Busy) => out.found_no_room(),
                    (Some(out), OriginErrorKind::Connect | OriginErrorKind::ConnectTimeout) => {
                        out.unreached();
                    }
                    (Some(out), _) => out.failed(),
                    (None, _) => {}
                }
                troubled(visit, &Look::navigated(&uri, prefix), &error)
            }
        };
        self.keep_open(visit, &through, going.note, &response);
        give(visit, &through, response.headers_mut());
        Ok(response)
    }

    /// A response that goes on keeps its visitor's pass alive.
    fn keep_open(
        &self,
        visit: &Visit<'_>,
        through: &Through,
        note: &Rc<Note>,
        response: &Response<Body>,
    ) {
        let goes_on = matches!(response.body(), Body::Streaming(_))
            || response.status() == StatusCode::SWITCHING_PROTOCOLS;
        if let Some(pass) = through.pass.filter(|_| goes_on) {
            self.streams
                .add(Open::new(note, visit.port, pass, &visit.site.config));
        }
    }

    /// Forwards a CORS preflight, which carries no cookies, in a small number at a time.
    pub(crate) async fn preflight(
        &self,
        visit: &Visit<'_>,
        going: Going<'_>,
    ) -> Result<Response<Body>, Fault> {
        let Some(_counted) = Counted::try_take(&self.preflights, PREFLIGHTS_MAX) else {
            return Err(Fault::Overloaded);
        };
        self.forward(visit, going, Through::nobody()).await
    }
}

/// Gives the visitor what it is to have with the response.
fn give(visit: &Visit<'_>, through: &Through, headers: &mut HeaderMap) {
    if let Some(ticket) = &through.ticket {
        reply::give_ticket(headers, visit, ticket);
        reply::keep_private(headers);
    }
    if let Some(pass) = through.pass.filter(|_| through.is_new) {
        reply::give_pass(headers, visit, &pass);
        reply::keep_private(headers);
        reply::say_state(
            headers,
            State::Entered,
            Some(pass.number).filter(|&number| number > 0),
        );
    }
}

/// What the visitor has too much of, if it is that; otherwise the request counts until its response has ended.
async fn limited(
    visit: &Visit<'_>,
    limits: &Arc<VisitorLimits>,
    visitor: TicketId,
    note: &Note,
) -> Option<Limit> {
    let limit = match limits.admit(visitor, visit.now).await {
        Ok(leave) => {
            note.held.replace(Some(Box::new(leave)));
            return None;
        }
        Err(limit) => limit,
    };
    visit.counts.limited(limit);
    // The origin's own bound holds for those whom there is no room to count.
    Some(limit).filter(|limit| *limit != Limit::Untracked)
}

/// Marks an answer of ours to a request that was more than its visitor may make.
#[derive(Debug, Clone, Copy)]
struct Limited;

/// Whether that is what a response answers.
pub(crate) fn is_limited(response: &Response<Body>) -> bool {
    response.extensions().get::<Limited>().is_some()
}

/// The visitor asks for more than it may: the pass stays, and a moment later there is room again.
fn too_many(visit: &Visit<'_>, look: &Look<'_>, limit: Limit) -> Response<Body> {
    tracing::debug!(
        room.name = visit.site.name(),
        limit = limit.name(),
        "a visitor is over its limit"
    );
    let status = StatusCode::TOO_MANY_REQUESTS;
    let mut response = calm(visit, look, Calm::TooMany, status);
    reply::retry_after(response.headers_mut(), LIMITED_S);
    response.extensions_mut().insert(Limited);
    response
}

/// Whether a request has no body, so that the time to its response is the origin's: however short a body is, its sender
/// decides how long it takes.
fn is_bare(request: &Request<Incoming>) -> bool {
    request.body().is_end_stream()
}

/// Whether a response says that the origin is not well (RFC 9110 §15.6): not merely that it lacks something.
fn has_failed(status: StatusCode) -> bool {
    matches!(status.as_u16(), 500 | 502 | 503 | 504)
}

/// Does what the origin said with its response.
fn obey(visit: &Visit<'_>, through: &Through, command: Option<Command>, stock: Option<u64>) {
    match (command, through.pass) {
        (Some(Command::Finish), Some(pass)) => visit.port.finish(Finish {
            visitor: Visitor {
                number: pass.number,
                id: pass.id,
            },
            until_us: pass.until_us + micros(visit.site.config.grace),
        }),
        (Some(Command::SoldOut), _) => visit.port.sold_out(),
        (Some(Command::Finish), None) | (None, _) => {}
    }
    let known = visit.snapshot.answer().and_then(|answer| answer.stock);
    if let Some(stock) = stock.filter(|stock| Some(*stock) != known) {
        let left = stock.min(crate::line::settings::INTEGER_MAX / 2);
        visit.port.stock(left, visit.site.config.stock_ends);
    }
}

/// The origin failed somebody inside: calm words, the pass stays.
fn troubled(visit: &Visit<'_>, look: &Look<'_>, error: &OriginError) -> Response<Body> {
    let mut response = calm(visit, look, Calm::InsideOrigin, error.status());
    reply::retry_after(response.headers_mut(), RETRY_S);
    response
}

/// Calm words to somebody inside, as a page where one is wanted.
fn calm(visit: &Visit<'_>, look: &Look<'_>, kind: Calm, status: StatusCode) -> Response<Body> {
    let standing = show::without_ticket(visit, State::Origin);
    let view = show::view(visit, look, None, &standing);
    let pages = &visit.live.pages;
    if visit.wishes.accepts("text/html") {
        reply::ours(status, Media::Html, pages.calm(kind, &view), pages.csp())
    } else {
        let body = pages.calm_problem(kind, &view, status.as_u16());
        reply::ours(status, Media::Problem, body, "")
    }
}

/// The status an origin's failure is answered with (RFC 9110 §15.6).
trait FailureStatus {
    fn status(&self) -> StatusCode;
}

impl FailureStatus for OriginError {
    fn status(&self) -> StatusCode {
        use crate::proxy::OriginErrorKind as Kind;
        match self.kind {
            Kind::Connect | Kind::Broken => StatusCode::BAD_GATEWAY,
            Kind::ConnectTimeout | Kind::ResponseTimeout => StatusCode::GATEWAY_TIMEOUT,
            Kind::Busy => StatusCode::SERVICE_UNAVAILABLE,
            Kind::BodyTooLarge => StatusCode::PAYLOAD_TOO_LARGE,
            Kind::ClientBody
            | Kind::ClientTimeout
            | Kind::ConnectMethod
            | Kind::Upgrade
            | Kind::Host => StatusCode::BAD_REQUEST,
        }
    }
}
