//! Acts on what was decided about a request to a room: forwards it, gives it a number, or shows where it stands.

use std::rc::Rc;
use std::time::Duration;

use http::Request;
use http::Response;
use http::StatusCode;
use http::Uri;
use hyper::body::Incoming;

use crate::config::room::Enter;
use crate::gate::Gate;
use crate::gate::counted::Counted;
use crate::gate::decide;
use crate::gate::decide::Decision;
use crate::gate::decide::Facts;
use crate::gate::decide::Kind;
use crate::gate::decide::TicketFact;
use crate::gate::forward::Through;
use crate::gate::joins;
use crate::gate::reply;
use crate::gate::show;
use crate::gate::show::Look;
use crate::gate::standing::Known;
use crate::gate::stub;
use crate::gate::visit::Stay;
use crate::gate::visit::Visit;
use crate::line::exchange::AHEAD_MAX;
use crate::line::exchange::Standing as LineStanding;
use crate::line::exchange::Visitor;
use crate::line::settings::Mode;
use crate::message::Body;
use crate::message::Fault;
use crate::message::Note;
use crate::page::State;
use crate::room::Asked;
use crate::room::Joined;
use crate::room::Port;
use crate::seal;
use crate::seal::Pass;
use crate::seal::Ticket;

/// Most requests one worker holds at once while their visitors wait to be let in.
const HELD_MAX: usize = 512;
/// How long somebody known to be inside waits for its pass to be fetched.
const COLLECT_WAIT: Duration = Duration::from_secs(2);

/// A request, apart from its visit.
pub(crate) struct Going<'a> {
    pub(crate) request: Request<Incoming>,
    /// The path the origin is asked for, where it is not the one received.
    pub(crate) path: Option<&'a str>,
    /// What the request's log line is made of; it is there until the response has ended.
    pub(crate) note: &'a Rc<Note>,
    /// What was asked for, kept for when the request itself has gone to the origin.
    pub(crate) uri: Uri,
}

impl Going<'_> {
    fn look(&self, visit: &Visit<'_>) -> Look<'_> {
        Look::navigated(&self.uri, &visit.live.config.server.prefix)
    }
}

impl Gate {
    /// Decides about a request to a room, and acts.
    pub(crate) async fn protect(
        &self,
        visit: &Visit<'_>,
        going: Going<'_>,
    ) -> (Decision, Result<Response<Body>, Fault>) {
        let facts = visit.facts(going.request.method());
        let decision = decide::decide(facts);
        if matches!(decision, Decision::Admit | Decision::Grace) {
            let through = Through::held(visit);
            return (decision, self.forward(visit, going, through).await);
        }
        // Apart, so that the usual request carries nothing of what the others may need.
        Box::pin(self.protect_unusual(visit, going, facts)).await
    }

    async fn protect_unusual(
        &self,
        visit: &Visit<'_>,
        going: Going<'_>,
        facts: Facts,
    ) -> (Decision, Result<Response<Body>, Fault>) {
        let mut decision = decide::decide(facts);
        if decision == Decision::Check {
            if let Some(pass) = self.still_inside(visit).await {
                let through = Through::renewed(pass);
                return (Decision::Admit, self.forward(visit, going, through).await);
            }
            decision = decide::without_pass(facts);
        }
        if matches!(decision, Decision::Join | Decision::Pending)
            && visit.stub().is_none()
            && let Some(wait) = self.crowded(visit, None)
        {
            let page = joins::page(visit, &going.look(visit), wait, true);
            return (Decision::Crowded, Ok(page));
        }
        (decision, self.act(visit, going, facts, decision).await)
    }

    async fn act(
        &self,
        visit: &Visit<'_>,
        going: Going<'_>,
        facts: Facts,
        decision: Decision,
    ) -> Result<Response<Body>, Fault> {
        match decision {
            Decision::Admit | Decision::Grace => {
                self.forward(visit, going, Through::held(visit)).await
            }
            Decision::Through => {
                // Whatever else a page needs comes with the pass that the page got.
                let gets_pass =
                    matches!(facts.kind, Kind::Navigation | Kind::Form) || visit.by_header;
                let through = if gets_pass {
                    Through::unnumbered(visit)
                } else {
                    Through::nobody()
                };
                self.forward(visit, going, through).await
            }
            Decision::Preflight => self.preflight(visit, going).await,
            Decision::Collect => self.collect(visit, going).await,
            Decision::Join => self.join(visit, going).await,
            Decision::Show | Decision::Check | Decision::Crowded => {
                Ok(self.show(visit, &going.look(visit)))
            }
            Decision::Pending => {
                let new = || Some(stub::of(visit.port.arrive()?, seal::ticket_id()));
                let stub = visit.stub().or_else(new);
                if let Some(pass) = stub.and_then(|stub| stub::go_in(visit, &stub)) {
                    let through = Through::renewed(pass);
                    return self.forward(visit, going, through).await;
                }
                let look = going.look(visit);
                Ok(match stub {
                    Some(stub) => stub::page(visit, &look, &stub),
                    None => full(visit, &look),
                })
            }
            Decision::Unusable => Ok(unusable(visit, &going.look(visit))),
            Decision::Refuse => Ok(refuse(visit, &going.look(visit), facts)),
        }
    }

    /// A pass that ran out by its signature is checked once against the line before it is refused.
    async fn still_inside(&self, visit: &Visit<'_>) -> Option<Pass> {
        let pass = visit.held_pass?;
        match visit
            .port
            .check(Visitor {
                number: pass.number,
                id: pass.id,
            })
            .await
        {
            Asked::Standing(LineStanding::Inside { until_us, .. }) => Some(Pass {
                signed_us: visit.snapshot.line_us(visit.now),
                until_us,
                ..pass
            }),
            Asked::Standing(_) | Asked::Entered { .. } | Asked::Away => None,
        }
    }

    /// A newcomer gets its number, and goes straight in if nobody waits before it. One whose stub is lost gets its
    /// number by that.
    async fn join(&self, visit: &Visit<'_>, going: Going<'_>) -> Result<Response<Body>, Fault> {
        let held = visit.stub();
        let id = held.map_or_else(seal::ticket_id, |stub| stub.id);
        let joined = match &held {
            Some(stub) => stub::join(visit, stub).await,
            None => visit.port.join(id, true).await,
        };
        match (joined, held) {
            // It was promised a place: that the line is full now changes nothing.
            (Joined::Away(_) | Joined::Refused, Some(stub)) => {
                Ok(stub::page(visit, &going.look(visit), &stub))
            }
            (Joined::Away(Some(arrival)), None) => {
                // Another id: the number that the line may have given all the same is given up under that one.
                let stub = stub::of(arrival, seal::ticket_id());
                Ok(stub::page(&visit.again(), &going.look(visit), &stub))
            }
            (Joined::Refused | Joined::Away(None), None) => {
                joins::give_back(visit);
                Ok(full(visit, &going.look(visit)))
            }
            (
                Joined::Numbered {
                    number,
                    epoch,
                    now_us,
                    entered_until_us,
                    ..
                },
                _,
            ) => {
                let ticket = Ticket {
                    epoch,
                    number,
                    id,
                    issued_us: now_us,
                    // Where the page enters by itself, it goes on asking.
                    asked: visit.site.config.enter == Enter::Auto,
                };
                let entered = match entered_until_us {
                    Some(until_us) => Some(Stay {
                        until_us,
                        entered_us: now_us,
                    }),
                    None => self.hold(visit, &ticket).await,
                };
                if let Some(stay) = entered {
                    let through = Through::entered(visit, &ticket, stay).with_ticket(ticket);
                    return self.forward(visit, going, through).await;
                }
                Ok(first_page(visit, &going.look(visit), &ticket))
            }
        }
    }

    /// A very short wait is not a page: the request itself waits, in a bounded number, in line order.
    async fn hold(&self, visit: &Visit<'_>, ticket: &Ticket) -> Option<Stay> {
        let snapshot = visit.port.snapshot();
        let answer = snapshot.answer()?;
        let visitor = visit.visitor(ticket)?;
        if snapshot.mode() != Mode::Open || snapshot.awaits().is_some() {
            return None;
        }
        let rate = answer.measured.effective_rate_per_hour;
        let place = visitor.number.saturating_sub(answer.head);
        // Its own entry included: had there been credit for it, it would have gone straight in.
        let entries = place.max(1) + answer.counts.asking + answer.counts.asking_late;
        let hold = visit.site.config.hold;
        let is_short =
            rate > 0 && u128::from(entries) * 3_600_000 / u128::from(rate) <= hold.as_millis();
        drop(snapshot);
        if !is_short || place > AHEAD_MAX || hold.is_zero() {
            return None;
        }
        let _held = Counted::try_take(&self.held, HELD_MAX)?;
        let mut until_answer = UntilAnswer::new(visit.port, visitor);
        let stay = Stay::of(visit.port.ask(visitor, hold).await);
        if stay.is_some() || ticket.asked {
            until_answer.keep();
        }
        stay
    }

    /// Somebody let in meanwhile fetches its pass and goes on.
    async fn collect(&self, visit: &Visit<'_>, going: Going<'_>) -> Result<Response<Body>, Fault> {
        let numbered = |ticket| Some((ticket, visit.visitor(&ticket)?));
        let Some((ticket, visitor)) = visit.ticket().and_then(numbered) else {
            return Ok(self.show(visit, &going.look(visit)));
        };
        let mut until_answer = UntilAnswer::new(visit.port, visitor);
        let asked = visit.port.ask(visitor, COLLECT_WAIT).await;
        if let Some(stay) = Stay::of(asked) {
            until_answer.keep();
            let through = Through::entered(visit, &ticket, stay);
            return self.forward(visit, going, through).await;
        }
        match asked {
            // Its pass was given as often as may be and never came back: cookies are not kept.
            Asked::Standing(LineStanding::Exhausted { .. }) => {
                until_answer.keep();
                let standing = show::without_ticket(visit, State::Cookies);
                let look = going.look(visit);
                let view = show::view(visit, &look, Some(&ticket), &standing);
                Ok(show::page(visit, &view, StatusCode::OK))
            }
            Asked::Standing(_) | Asked::Entered { .. } | Asked::Away => {
                if ticket.asked {
                    until_answer.keep();
                }
                Ok(self.show(visit, &going.look(visit)))
            }
        }
    }

    /// The page of a ticket's state.
    pub(crate) fn show(&self, visit: &Visit<'_>, look: &Look<'_>) -> Response<Body> {
        let Some((ticket, standing)) = show::stand(visit) else {
            let standing = show::without_ticket(visit, show::refused_state(visit));
            return show::page(
                visit,
                &show::view(visit, look, None, &standing),
                StatusCode::OK,
            );
        };
        let view = show::view(visit, look, Some(&ticket), &standing);
        show::hear(visit, &ticket, &standing, view.poll_ms);
        let mut response = show::page(visit, &view, StatusCode::OK);
        // Another tab may have asked since this cookie was sent.
        let asked = ticket.asked || standing.asked;
        reply::give_ticket(response.headers_mut(), visit, &Ticket { asked, ..ticket });
        response
    }
}

/// The line takes nobody now.
fn full(visit: &Visit<'_>, look: &Look<'_>) -> Response<Body> {
    let standing = show::without_ticket(visit, show::refused_state(visit));
    let view = show::view(visit, look, None, &standing);
    show::page(visit, &view, StatusCode::OK)
}

/// What is asked only until a response; taken back also when whoever asked goes away before it.
struct UntilAnswer<'a> {
    port: &'a Port,
    visitor: Option<Visitor>,
}

impl<'a> UntilAnswer<'a> {
    fn new(port: &'a Port, visitor: Visitor) -> Self {
        Self {
            port,
            visitor: Some(visitor),
        }
    }

    /// Goes on asking, or has no need to any more.
    fn keep(&mut self) {
        self.visitor = None;
    }
}

impl Drop for UntilAnswer<'_> {
    fn drop(&mut self) {
        if let Some(visitor) = self.visitor {
            self.port.unask(visitor);
        }
    }
}

/// The first page of somebody who has just got its number.
fn first_page(visit: &Visit<'_>, look: &Look<'_>, ticket: &Ticket) -> Response<Body> {
    // The picture this visit began with is older than the number.
    let visit = visit.again();
    let known = Known {
        // What a newcomer asked, it asked until this response.
        has_unasked: !ticket.asked,
        ..visit.known(ticket)
    };
    let standing = show::stand_with(&visit, ticket, known);
    let view = show::view(&visit, look, Some(ticket), &standing);
    show::hear(&visit, ticket, &standing, view.poll_ms);
    let mut response = show::page(&visit, &view, StatusCode::OK);
    reply::give_ticket(response.headers_mut(), &visit, ticket);
    response
}

/// The ticket is of a line that has ended, or its key is not known here: it is never overwritten.
fn unusable(visit: &Visit<'_>, look: &Look<'_>) -> Response<Body> {
    let standing = show::without_ticket(visit, show::unknown_state(visit));
    show::page(
        visit,
        &show::view(visit, look, None, &standing),
        StatusCode::OK,
    )
}

/// What is not a navigation waits with 503; a person who sent a form reads what was not sent.
fn refuse(visit: &Visit<'_>, look: &Look<'_>, facts: Facts) -> Response<Body> {
    let stood = show::stand(visit);
    let state = if matches!(
        visit.ticket_fact(),
        TicketFact::Old | TicketFact::UnknownKey
    ) {
        show::unknown_state(visit)
    } else if visit.snapshot.mode().issues() {
        State::Waiting
    } else {
        show::refused_state(visit)
    };
    let standing = stood.map_or_else(
        || show::without_ticket(visit, state),
        |(_, standing)| standing,
    );
    let ticket = stood.map(|(ticket, _)| ticket);
    let mut view = if visit.stub().is_some() {
        stub::view(visit, look)
    } else {
        show::view(visit, look, ticket.as_ref(), &standing)
    };
    if facts.kind != Kind::Form {
        return show::problem(visit, &view);
    }
    view.not_sent = true;
    let mut response = show::page(visit, &view, StatusCode::SERVICE_UNAVAILABLE);
    reply::retry_after(response.headers_mut(), (view.poll_ms / 1_000).max(1));
    response
}
