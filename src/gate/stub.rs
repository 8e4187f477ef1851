//! Newcomers without a number: the stub they keep until the line has one for them, and what they are shown.

use http::HeaderMap;
use http::Response;
use http::StatusCode;

use crate::gate::decide::TicketFact;
use crate::gate::poll;
use crate::gate::reply;
use crate::gate::show;
use crate::gate::show::Look;
use crate::gate::visit::Stay;
use crate::gate::visit::Visit;
use crate::line::ids::KeyHash;
use crate::line::ids::TicketId;
use crate::line::settings::Mode;
use crate::message::Body;
use crate::page::State;
use crate::page::View;
use crate::room::Arrival;
use crate::room::Joined;
use crate::seal;
use crate::seal::Pass;
use crate::seal::Stub;
use crate::seal::Ticket;

/// What a visitor is given to keep.
#[derive(Debug, Clone, Copy)]
pub(crate) enum Kept {
    /// Nothing new.
    Nothing,
    /// A place in the line.
    Ticket(Ticket),
    /// A place in the order of arrival.
    Stub(Stub),
}

impl Kept {
    /// Gives it to the visitor; the text of it.
    pub(crate) fn give(&self, headers: &mut HeaderMap, visit: &Visit<'_>) -> Option<String> {
        match self {
            Self::Nothing => None,
            Self::Ticket(ticket) => Some(reply::give_ticket(headers, visit, ticket)),
            Self::Stub(stub) => Some(reply::give_stub(headers, visit, stub)),
        }
    }
}

/// Where the holder of a stub came.
pub(crate) fn arrival(stub: &Stub) -> Arrival {
    Arrival {
        instance: stub.instance,
        index: stub.index,
        at_us: stub.at_us,
        epoch: stub.epoch,
    }
}

/// The stub of whoever came there, whose ticket will have this id.
pub(crate) fn of(arrival: Arrival, id: TicketId) -> Stub {
    Stub {
        epoch: arrival.epoch,
        instance: arrival.instance,
        index: arrival.index,
        at_us: arrival.at_us,
        id,
    }
}

/// Joins by a stub that nobody is going to tell the line of any more. However often and wherever it is shown, there is
/// one number for it, and one ticket: its id was decided when it was signed.
pub(crate) async fn join(visit: &Visit<'_>, stub: &Stub) -> Joined {
    let key = visit.live.keys.stub_hash(visit.site.name(), stub.id);
    visit.port.join_lost(key, &arrival(stub)).await
}

/// The ticket that a lost stub has become, if the line numbered it.
pub(crate) async fn claim(visit: &Visit<'_>, stub: &Stub) -> Option<Ticket> {
    match join(visit, stub).await {
        Joined::Numbered {
            number,
            epoch,
            now_us,
            ..
        } => Some(Ticket {
            epoch,
            number,
            id: stub.id,
            issued_us: now_us,
            asked: false,
        }),
        // It was promised a place: that the line is full now changes nothing.
        Joined::Refused | Joined::Away(_) => None,
    }
}

/// What whoever has no more than a stub keeps: that, until the line has a number for it.
pub(crate) async fn repeat(visit: &Visit<'_>, stub: &Stub) -> Kept {
    let lost = visit.ticket_fact() == (TicketFact::Stub { lost: true });
    let ticket = if lost { claim(visit, stub).await } else { None };
    ticket.map_or(Kept::Stub(*stub), Kept::Ticket)
}

/// A number, a place in the order of arrival while there are none, or nothing where the line takes nobody.
pub(crate) async fn number(visit: &Visit<'_>, key: Option<KeyHash>) -> Kept {
    let (keys, port) = (&visit.live.keys, visit.port);
    let of_key = |key, arrival: Arrival| of(arrival, keys.derive_id(key, arrival.index));
    if let Some(stub) = key.and_then(|key| Some(of_key(key, port.arrived_keyed(key)?))) {
        // The answer to the first of these calls was lost, and the line was not asked then.
        return visit
            .ticket_by(&stub)
            .map_or(Kept::Stub(stub), Kept::Ticket);
    }
    let (joined, id) = match key {
        Some(key) => (port.join_keyed(key).await, None),
        None => {
            let id = seal::ticket_id();
            (port.join(id, false).await, Some(id))
        }
    };
    match joined {
        Joined::Numbered {
            number,
            epoch,
            now_us,
            ..
        } => {
            let derived = key.map(|key| keys.derive_id(key, number));
            Kept::Ticket(Ticket {
                epoch,
                number,
                id: id.or(derived).unwrap_or_default(),
                issued_us: now_us,
                asked: false,
            })
        }
        Joined::Refused => Kept::Nothing,
        Joined::Away(arrival) => {
            let stub = match key {
                Some(key) => (port.arrive_keyed(key)).map(|arrival| of_key(key, arrival)),
                // Another id: the line may have numbered the one it was asked with all the same, and that number is
                // given up.
                None => arrival.map(|arrival| of(arrival, seal::ticket_id())),
            };
            stub.map_or(Kept::Nothing, Kept::Stub)
        }
    }
}

/// The pass of a newcomer whom this replica lets in by itself, while its store is away and everybody with a number was
/// called.
pub(crate) fn go_in(visit: &Visit<'_>, stub: &Stub) -> Option<Pass> {
    let asked = visit.port.ask_as_newcomer(&arrival(stub), stub.id)?;
    let stay = Stay::of(asked)?;
    Some(Pass {
        epoch: visit.snapshot.epoch()?,
        // It has none yet; the line knows its visitor by the id.
        number: 0,
        id: stub.id,
        signed_us: visit.snapshot.line_us(visit.now),
        until_us: stay.until_us,
        entered_us: stay.entered_us,
    })
}

/// What somebody sees who has a place in the order of arrival and no number yet; it comes back by itself.
pub(crate) fn view<'v>(visit: &'v Visit<'_>, look: &'v Look<'_>) -> View<'v> {
    let state = match visit.snapshot.mode() {
        Mode::Closed | Mode::SoldOut => show::refused_state(visit),
        Mode::Open | Mode::Paused | Mode::Bypass | Mode::Observe => State::Waiting,
    };
    let mut view = show::view(visit, look, None, &show::without_ticket(visit, state));
    view.held = true;
    view.poll_ms = poll::pending_ms(visit.port.arrivals());
    visit.port.told(view.poll_ms.saturating_mul(1_000));
    view
}

/// Numbers come in a moment: the page of whoever keeps this stub.
pub(crate) fn page(visit: &Visit<'_>, look: &Look<'_>, stub: &Stub) -> Response<Body> {
    let mut response = show::page(visit, &view(visit, look), StatusCode::OK);
    reply::give_stub(response.headers_mut(), visit, stub);
    response
}
