//! A room's own addresses: status, join, enter, more, leave and the public numbers (DESIGN §4).

use std::rc::Rc;
use std::time::Duration;
use std::time::Instant;

use bytes::Bytes;
use http::HeaderMap;
use http::Method;
use http::Request;
use http::Response;
use http::StatusCode;
use http::header;
use hyper::body::Incoming;

use crate::gate::Gate;
use crate::gate::answers;
use crate::gate::decide::PassFact;
use crate::gate::decide::TicketFact;
use crate::gate::joins;
use crate::gate::opening;
use crate::gate::query;
use crate::gate::reply;
use crate::gate::reply::Media;
use crate::gate::show;
use crate::gate::show::Look;
use crate::gate::standing::Standing;
use crate::gate::stub;
use crate::gate::stub::Kept;
use crate::gate::visit::Shown;
use crate::gate::visit::Stay;
use crate::gate::visit::Visit;
use crate::line::exchange::Standing as LineStanding;
use crate::line::ids::KeyHash;
use crate::line::ids::TicketId;
use crate::line::settings::Mode;
use crate::message::Asked;
use crate::message::Body;
use crate::message::Fault;
use crate::message::accept;
use crate::page::Calm;
use crate::page::State;
use crate::room::Asked as Told;
use crate::seal::Pass;
use crate::seal::Ticket;
use crate::telemetry::metrics::Decision;
use crate::telemetry::metrics::Label;

/// How long pressing the button waits for the entry itself.
const ENTER_WAIT: Duration = Duration::from_secs(1);

/// What is said to whoever asks more often than a ticket may.
const HAMMERED: &[u8] =
    br#"{"type":"about:blank","title":"Too many requests","status":429,"retry_after":1}"#;

/// A call to one of a room's own addresses.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Call {
    Status,
    Join,
    Enter,
    More,
    Leave,
    AskLeave,
    Public,
    Draw,
    WrongMethod,
    Unknown,
}

/// The methods of an address (RFC 9110 §10.2.1).
fn methods(name: &str) -> &'static str {
    match name {
        "status" | "public" | "draw" => "GET, HEAD",
        "leave" => "GET, HEAD, POST",
        _ => "POST",
    }
}

impl Call {
    fn of(method: &Method, name: &str) -> Self {
        let get = *method == Method::GET || *method == Method::HEAD;
        let post = *method == Method::POST;
        match name {
            "status" if get => Self::Status,
            "public" if get => Self::Public,
            "draw" if get => Self::Draw,
            "leave" if get => Self::AskLeave,
            "join" if post => Self::Join,
            "enter" if post => Self::Enter,
            "more" if post => Self::More,
            "leave" if post => Self::Leave,
            "status" | "public" | "draw" | "leave" | "join" | "enter" | "more" => Self::WrongMethod,
            _ => Self::Unknown,
        }
    }

    fn changes(self) -> bool {
        matches!(self, Self::Join | Self::Enter | Self::More | Self::Leave)
    }

    fn counted(self) -> Decision {
        match self {
            Self::Status => Decision::Status,
            Self::Join => Decision::Join,
            Self::Enter => Decision::Enter,
            Self::More => Decision::More,
            Self::Leave | Self::AskLeave => Decision::Leave,
            Self::Public | Self::Draw => Decision::Public,
            Self::WrongMethod | Self::Unknown => Decision::Error,
        }
    }
}

impl Gate {
    /// Answers a poll, which needs to wait for nothing. One whose path is spelled in an unusual way goes the way of
    /// every other request.
    pub(crate) fn poll(&self, asked: &Asked) -> Option<Response<Body>> {
        let request = &asked.request;
        let local = self.local();
        let live = &local.live;
        let (room, call) = live.routes.own(request.uri().path())?;
        if Call::of(request.method(), call) != Call::Status {
            return None;
        }
        let note = &asked.note;
        *note.room.borrow_mut() = Some(Rc::clone(&local.rooms[room].name));
        let client = live.trusted.client(asked.peer, request.headers());
        let visit = Visit::new(
            local.here(room, &client),
            Shown {
                method: request.method(),
                headers: request.headers(),
                is_own: true,
            },
            &self.metrics,
        );
        if visit.ticket_fact() == (TicketFact::Stub { lost: true }) {
            // It has to wait for the line.
            return None;
        }
        let query = request.uri().query().unwrap_or("");
        let response = self.status(&visit, &Look::asked(query, &live.config.server.prefix));
        let decision = counted(Decision::Status, &response);
        note.decision.set(Some(decision.name()));
        local.rooms[room].counts.request(decision);
        Some(response)
    }

    /// Answers any other call to one of the room's own addresses.
    pub(crate) async fn call(
        &self,
        visit: &Visit<'_>,
        request: Request<Incoming>,
        name: &str,
    ) -> (Decision, Result<Response<Body>, Fault>) {
        let call = Call::of(request.method(), name);
        let prefix = visit.live.config.server.prefix.as_str();
        let (parts, body) = request.into_parts();
        let query = parts.uri.query().unwrap_or("");
        let look = Look::asked(query, prefix);
        if call.changes() && !is_same_origin(visit, &parts.headers) {
            return (
                Decision::Error,
                Ok(answers::calm(
                    visit,
                    &look,
                    Calm::BadRequest,
                    StatusCode::FORBIDDEN,
                )),
            );
        }
        let form = if call.changes() {
            form(&parts.headers, body).await
        } else {
            String::new()
        };
        let look = with_form(look, &form, prefix);
        let response = match call {
            Call::Status => self.status_by_stub(visit, &look).await,
            Call::Join => {
                self.join_call(visit, &look, key_of(visit, &parts.headers))
                    .await
            }
            Call::Enter => self.enter(visit, &look).await,
            Call::More => self.more(visit, &look).await,
            Call::Leave => answers::leave(visit, &look),
            Call::AskLeave => answers::ask_leave(visit, &look),
            Call::Public => answers::public(visit),
            Call::Draw => opening::published(visit, &look),
            Call::WrongMethod => answers::wrong_method(visit, &look, methods(name)),
            Call::Unknown => answers::calm(visit, &look, Calm::NotFound, StatusCode::NOT_FOUND),
        };
        (counted(call.counted(), &response), Ok(response))
    }

    /// The state of whoever's stub is lost, which becomes a ticket with that.
    async fn status_by_stub(&self, visit: &Visit<'_>, look: &Look<'_>) -> Response<Body> {
        let lost = visit.ticket_fact() == (TicketFact::Stub { lost: true });
        let Some(stub) = visit.stub().filter(|_| lost) else {
            return self.status(visit, look);
        };
        if let Some(response) = self.too_many(stub.id, visit.now) {
            return response;
        }
        match stub::claim(visit, &stub).await {
            Some(ticket) => status_of(&visit.again(), look, &ticket),
            None => show::status(visit, &stub::view(visit, look), &look.have, None),
        }
    }

    fn status(&self, visit: &Visit<'_>, look: &Look<'_>) -> Response<Body> {
        if let Some(stub) = visit.stub() {
            let too_many = self.too_many(stub.id, visit.now);
            return too_many.unwrap_or_else(|| {
                // Where this replica lets people in by itself, a poll repeats that its visitor asks.
                let entered = stub::go_in(visit, &stub).is_some();
                let mut view = stub::view(visit, look);
                if entered {
                    view.state = State::Entered;
                }
                show::status(visit, &view, &look.have, None)
            });
        }
        let shown = visit.ticket();
        if let Some(response) = shown.and_then(|ticket| self.too_many(ticket.id, visit.now)) {
            return response;
        }
        let Some((ticket, standing)) = show::stand(visit) else {
            let standing = show::without_ticket(visit, show::unknown_state(visit));
            return show::status(
                visit,
                &show::view(visit, look, None, &standing),
                &look.have,
                None,
            );
        };
        if visit.has_outgrown_stub() {
            return status_of(visit, look, &ticket);
        }
        let view = show::view(visit, look, Some(&ticket), &standing);
        show::hear(visit, &ticket, &standing, view.poll_ms);
        show::status(visit, &view, &look.have, None)
    }

    /// The answer to a poll that comes on top of more than a ticket may send in a second: the same for everybody, so
    /// that it costs less than what it stands for. Nothing is looked up, rendered or signed for it.
    fn too_many(&self, id: TicketId, now: Instant) -> Option<Response<Body>> {
        if !self.hammering.borrow_mut().is_too_many(id.0, now) {
            return None;
        }
        let body = Bytes::from_static(HAMMERED);
        let mut response = reply::ours(StatusCode::TOO_MANY_REQUESTS, Media::Problem, body, "");
        reply::retry_after(response.headers_mut(), 1);
        Some(response)
    }

    /// For apps, and for the button that joins anew: a number in this very response.
    async fn join_call(
        &self,
        visit: &Visit<'_>,
        look: &Look<'_>,
        key: Option<KeyHash>,
    ) -> Response<Body> {
        let wants_page = visit.wishes.accepts("text/html");
        if visit.ticket_fact() == TicketFact::UnknownKey {
            // It may be good at another replica, or here in a moment: it is not written over.
            let standing = show::without_ticket(visit, State::Invalid);
            let view = show::view(visit, look, None, &standing);
            return answers::joined(visit, look, &view, Kept::Nothing, wants_page);
        }
        if let Some((ticket, standing)) = show::stand(visit)
            && !is_spent(visit, &ticket, &standing).await
        {
            let view = show::view(visit, look, Some(&ticket), &standing);
            show::hear(visit, &ticket, &standing, view.poll_ms);
            return answers::joined(visit, look, &view, Kept::Ticket(ticket), wants_page);
        }
        let kept = match visit.stub() {
            Some(stub) => stub::repeat(visit, &stub).await,
            None => match self.crowded(visit, key) {
                Some(wait) => return joins::page(visit, look, wait, wants_page),
                None => stub::number(visit, key).await,
            },
        };
        if matches!(kept, Kept::Nothing) && visit.stub().is_none() {
            joins::give_back(visit);
        }
        let fresh = visit.again();
        let view = match &kept {
            Kept::Ticket(ticket) => {
                let standing = show::stand_with(&fresh, ticket, fresh.known(ticket));
                let view = show::view(&fresh, look, Some(ticket), &standing);
                show::hear(&fresh, ticket, &standing, view.poll_ms);
                view
            }
            Kept::Stub(_) => stub::view(&fresh, look),
            Kept::Nothing => {
                let standing = show::without_ticket(&fresh, show::refused_state(&fresh));
                show::view(&fresh, look, None, &standing)
            }
        };
        answers::joined(&fresh, look, &view, kept, wants_page)
    }

    /// Asks to enter; the pass, or where the visitor stands.
    async fn enter(&self, visit: &Visit<'_>, look: &Look<'_>) -> Response<Body> {
        let live = visit.held_pass.filter(|_| visit.pass == PassFact::Live);
        let is_of = |pass: &Pass| visit.ticket().is_none_or(|ticket| ticket.id == pass.id);
        if let Some(pass) = live.filter(is_of) {
            return answers::admitted(visit, look, &pass);
        }
        let Some(ticket) = visit.ticket() else {
            let stub = visit.stub();
            return match stub.and_then(|stub| stub::go_in(visit, &stub)) {
                Some(pass) => answers::admitted(visit, look, &pass),
                None => self.not_entered(visit, look, None),
            };
        };
        let Some(visitor) = visit.visitor(&ticket) else {
            return self.not_entered(visit, look, Some(ticket));
        };
        let called = visitor.number <= visit.snapshot.head();
        let open = matches!(visit.snapshot.mode(), Mode::Open | Mode::Paused);
        // How often it came in before, only the line knows.
        let may_enter =
            visit.snapshot.is_up() || visit.snapshot.is_paced() && !visit.known(&ticket).had_pass;
        if !open || !may_enter || (!called && !ticket.asked) {
            return self.not_entered(visit, look, Some(ticket));
        }
        let asked = visit.port.ask(visitor, ENTER_WAIT).await;
        if let Some(stay) = Stay::of(asked) {
            return answers::entered(visit, look, &ticket, stay);
        }
        match asked {
            Told::Standing(LineStanding::Spent) => {
                let standing = show::without_ticket(visit, State::Left);
                let view = show::view(visit, look, Some(&ticket), &standing);
                answers::not_entered(visit, &view, Some(&ticket))
            }
            // Its pass was given as often as may be and never came back: cookies are not kept.
            Told::Standing(LineStanding::Exhausted { .. }) => {
                let standing = show::without_ticket(visit, State::Cookies);
                let view = show::view(visit, look, Some(&ticket), &standing);
                answers::not_entered(visit, &view, None)
            }
            Told::Standing(_) | Told::Entered { .. } | Told::Away => {
                // From here on every poll with this ticket repeats the asking, at whatever replica.
                self.not_entered(
                    visit,
                    look,
                    Some(Ticket {
                        asked: true,
                        ..ticket
                    }),
                )
            }
        }
    }

    fn not_entered(
        &self,
        visit: &Visit<'_>,
        look: &Look<'_>,
        ticket: Option<Ticket>,
    ) -> Response<Body> {
        let visit = visit.again();
        let Some(ticket) = ticket else {
            let standing = show::without_ticket(&visit, show::unknown_state(&visit));
            return answers::not_entered(&visit, &show::view(&visit, look, None, &standing), None);
        };
        let standing = show::stand_with(&visit, &ticket, visit.known(&ticket));
        let view = show::view(&visit, look, Some(&ticket), &standing);
        show::hear(&visit, &ticket, &standing, view.poll_ms);
        answers::not_entered(&visit, &view, Some(&ticket))
    }

    /// A longer turn.
    async fn more(&self, visit: &Visit<'_>, look: &Look<'_>) -> Response<Body> {
        let Some(visitor) = visit.ticket().and_then(|ticket| visit.visitor(&ticket)) else {
            return self.show(visit, look);
        };
        visit.port.more(visitor.number);
        // Once it is answered, the picture has the longer turn.
        visit.port.check(visitor).await;
        let visit = visit.again();
        if visit.wishes.accepts("text/html") {
            return reply::see_other(&look.return_to);
        }
        self.status(&visit, look)
    }
}

/// What an answer counts as: those above a limit for themselves.
fn counted(decision: Decision, response: &Response<Body>) -> Decision {
    if response.status() == StatusCode::TOO_MANY_REQUESTS {
        Decision::Limited
    } else {
        decision
    }
}

/// The state of a ticket that takes the place of the stub it was shown by.
fn status_of(visit: &Visit<'_>, look: &Look<'_>, ticket: &Ticket) -> Response<Body> {
    let standing = show::stand_with(visit, ticket, visit.known(ticket));
    let view = show::view(visit, look, Some(ticket), &standing);
    show::hear(visit, ticket, &standing, view.poll_ms);
    let mut cookies = HeaderMap::new();
    let text = reply::give_ticket(&mut cookies, visit, ticket);
    let mut response = show::status(visit, &view, &look.have, Some(&text));
    response.headers_mut().extend(cookies);
    response
}

/// Whether a ticket has done its work, so that its visitor may join anew. What this replica remembers of that runs
/// out; the line does not forget.
async fn is_spent(visit: &Visit<'_>, ticket: &Ticket, standing: &Standing) -> bool {
    if standing.state == State::Left {
        return true;
    }
    let Some(visitor) = visit.visitor(ticket) else {
        return false;
    };
    let is_called = visitor.number <= visit.snapshot.head();
    let may_be = is_called
        && matches!(
            standing.state,
            State::Late | State::Returning | State::Paused
        );
    may_be && visit.port.check(visitor).await == Told::Standing(LineStanding::Spent)
}

/// Calls that change something come from this very origin, when the browser says where they come from.
fn is_same_origin(visit: &Visit<'_>, headers: &HeaderMap) -> bool {
    let host = visit
        .client
        .host
        .as_ref()
        .or_else(|| headers.get(header::HOST));
    let host = host.and_then(|host| host.to_str().ok()).unwrap_or("");
    accept::is_same_origin(headers, host, visit.https)
}

/// What an `Idempotency-Key` is remembered by, if the request carries one. Its length is bounded with the head's.
fn key_of(visit: &Visit<'_>, headers: &HeaderMap) -> Option<KeyHash> {
    // Nothing is no key: whoever sends it is nobody in particular. However long, a key is hashed: were it left aside,
    // each repeat would take a number.
    let key = headers
        .get("idempotency-key")
        .filter(|key| !key.is_empty())?;
    Some(visit.live.keys.key_hash(visit.site.name(), key.as_bytes()))
}

/// The fields of a form of ours; anything else is not read.
async fn form(headers: &HeaderMap, body: Incoming) -> String {
    let urlencoded = headers
        .get(header::CONTENT_TYPE)
        .and_then(|value| value.to_str().ok())
        .is_some_and(|value| value.starts_with("application/x-www-form-urlencoded"));
    if urlencoded {
        query::form(body).await.unwrap_or_default()
    } else {
        String::new()
    }
}

/// What a form says outranks the query.
fn with_form<'a>(look: Look<'a>, form: &'a str, prefix: &str) -> Look<'a> {
    let wanted = query::parameter(form, "return");
    Look {
        return_to: wanted.map_or(look.return_to, |wanted| {
            query::return_to(Some(&wanted), prefix)
        }),
        lang: query::parameter(form, "lang").or(look.lang),
        ..look
    }
}
