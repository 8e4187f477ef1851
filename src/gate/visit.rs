//! Recognises a visitor: its ticket and its pass, from cookies or headers, verified before anything is believed.

use std::rc::Rc;
use std::sync::Arc;
use std::time::Instant;

use http::HeaderMap;
use http::HeaderName;
use http::HeaderValue;
use http::Method;
use http::header;

use crate::clock;
use crate::config::room::Enter;
use crate::config::room::OnStoreFailure;
use crate::gate::decide::Facts;
use crate::gate::decide::Kind;
use crate::gate::decide::PassFact;
use crate::gate::decide::TicketFact;
use crate::gate::live::Live;
use crate::gate::live::Site;
use crate::gate::local::LocalOrigin;
use crate::gate::standing::Known;
use crate::gate::stub;
use crate::line::exchange::Standing as LineStanding;
use crate::line::exchange::Visitor;
use crate::line::ids::Epoch;
use crate::message::Client;
use crate::message::accept;
use crate::message::cookies;
use crate::room::Asked;
use crate::room::Health;
use crate::room::Port;
use crate::room::Snapshot;
use crate::seal::Pass;
use crate::seal::Rejected;
use crate::seal::Stub;
use crate::seal::Ticket;
use crate::telemetry::metrics::WorkerMetrics;
use crate::telemetry::metrics::WorkerRoom;

/// A line that its store and all replicas have lost is taken up again by what was signed in it within this time, in
/// microseconds: a day.
const LINES_LAST_US: u64 = 86_400_000_000;

/// A ticket, for clients without a cookie jar.
pub(crate) const TICKET: HeaderName = HeaderName::from_static("anteroom-ticket");
/// A pass, for clients without a cookie jar.
pub(crate) const PASS: HeaderName = HeaderName::from_static("anteroom-pass");
/// Most cookies of one name that are tried.
const COOKIES_MAX: usize = 4;

/// One request to a room, and who makes it.
pub(crate) struct Visit<'a> {
    pub(crate) live: &'a Live,
    pub(crate) site: &'a Site,
    pub(crate) port: &'a Rc<Port>,
    pub(crate) origin: &'a LocalOrigin,
    pub(crate) counts: &'a WorkerRoom,
    pub(crate) snapshot: Arc<Snapshot>,
    pub(crate) client: &'a Client,
    pub(crate) https: bool,
    pub(crate) now: Instant,
    /// The same moment on the wall clock, in microseconds since 1970.
    pub(crate) wall_us: u64,
    pub(crate) wishes: Wishes,
    /// What kind of request it is; not looked at when the pass holds or the address is the room's own.
    kind: Kind,
    pub(crate) pass: PassFact,
    /// An authentic pass of this line, whether it still holds or not.
    pub(crate) held_pass: Option<Pass>,
    /// The client sent its values as headers: it gets new ones as headers as well.
    pub(crate) by_header: bool,
    /// Not looked at when the pass holds and the request only wants through.
    ticket: (TicketFact, Option<Ticket>),
    /// An authentic stub, shown in the place of a ticket.
    stub: Option<Stub>,
}

/// What the request wants to be answered with, kept for when the request itself has gone to the origin.
#[derive(Debug, Clone, Default)]
pub(crate) struct Wishes {
    accept: Option<HeaderValue>,
    languages: Option<HeaderValue>,
}

impl Wishes {
    fn of(headers: &HeaderMap) -> Self {
        Self {
            accept: headers.get(header::ACCEPT).cloned(),
            languages: headers.get(header::ACCEPT_LANGUAGE).cloned(),
        }
    }

    /// Whether this media type is wanted.
    pub(crate) fn accepts(&self, media_type: &str) -> bool {
        let accept = self
            .accept
            .iter()
            .map(|value| (header::ACCEPT, value.clone()));
        accept::accepts(&accept.collect(), media_type)
    }

    /// The languages asked for (RFC 9110 §12.5.4).
    pub(crate) fn languages(&self) -> Option<&str> {
        self.languages
            .as_ref()
            .and_then(|value| value.to_str().ok())
    }
}

impl<'a> Visit<'a> {
    /// Looks at the pass, and at the rest unless that lets it through.
    pub(crate) fn new(here: Here<'a>, request: Shown<'_>, metrics: &WorkerMetrics) -> Self {
        let Here {
            live,
            site,
            port,
            origin,
            counts,
            client,
        } = here;
        let headers = request.headers;
        let mut visit = Self {
            live,
            site,
            port,
            origin,
            counts,
            snapshot: Arc::clone(&port.snapshot()),
            client,
            https: client.https || live.external_https,
            now: clock::monotonic(),
            wall_us: clock::wall_us(),
            wishes: Wishes::of(headers),
            kind: Kind::Other,
            pass: PassFact::None,
            held_pass: None,
            by_header: false,
            ticket: (TicketFact::None, None),
            stub: None,
        };
        let by_header = (headers.get(PASS), headers.get(TICKET));
        visit.by_header = by_header.0.is_some() || by_header.1.is_some();
        visit.recognise_pass(by_header.0, headers, metrics);
        if visit.pass != PassFact::Live || request.is_own {
            visit.ticket = visit.recognise_ticket(by_header.1, headers, metrics);
        }
        if visit.pass != PassFact::Live && !request.is_own {
            visit.kind = kind(request.method, headers);
        }
        visit
    }

    /// The same visitor once more, to be looked at in a newer picture of the room.
    pub(crate) fn again(&self) -> Self {
        Self {
            snapshot: Arc::clone(&self.port.snapshot()),
            wishes: self.wishes.clone(),
            ..*self
        }
    }

    fn recognise_pass(
        &mut self,
        header: Option<&HeaderValue>,
        headers: &HeaderMap,
        metrics: &WorkerMetrics,
    ) {
        let mut held = None;
        for text in texts(header, headers, self.site.cookies.pass(self.https)) {
            match self.live.keys.verify_pass(self.site.name(), text) {
                Ok(pass) if self.is_ours(pass.epoch) => {
                    held = Some(*pass);
                    break;
                }
                Ok(_) => {}
                Err(reason) => metrics.unbelieved(reason),
            }
        }
        let Some(pass) = held else { return };
        let line_us = self.line_us(pass.signed_us);
        self.pass = if self.snapshot.is_finished(pass.id) {
            PassFact::Finished
        } else if pass.until_us > line_us {
            PassFact::Live
        } else {
            let over_us = line_us - pass.until_us;
            let grace_us = u64::try_from(self.site.config.grace.as_micros()).unwrap_or(u64::MAX);
            PassFact::RanOut {
                within_grace: over_us <= grace_us,
            }
        };
        self.tell_of((pass.epoch, pass.signed_us), pass.number, pass.number);
        self.held_pass = Some(pass);
    }

    /// Line time. Before the line has told it, it is at least the latest time that anything authentic was signed at:
    /// what ran out long ago is not believed for longer than until somebody newer comes.
    fn line_us(&self, signed_us: u64) -> u64 {
        if self.snapshot.answer().is_some() {
            self.snapshot.line_us(self.now)
        } else {
            self.port.signed(signed_us)
        }
    }

    /// Tells the line of numbers that it has issued and called by what is shown here, if it may not know.
    fn tell_of(&self, (epoch, signed_us): (Epoch, u64), tail: u64, head: u64) {
        if self.snapshot.epoch().is_none() {
            // What is older than a day is of another event: its line stays ended.
            if signed_us + LINES_LAST_US > self.wall_us {
                self.port.shown(epoch, tail, head, signed_us);
            }
        } else if tail > self.snapshot.tail() || head > self.snapshot.head() {
            self.port.floor(epoch, tail, head);
        }
    }

    /// Whether this is the line's epoch; while no answer has told which one that is, any is believed.
    fn is_ours(&self, epoch: Epoch) -> bool {
        self.snapshot.epoch().is_none_or(|ours| ours == epoch)
    }

    fn recognise_ticket(
        &mut self,
        header: Option<&HeaderValue>,
        headers: &HeaderMap,
        metrics: &WorkerMetrics,
    ) -> (TicketFact, Option<Ticket>) {
        let mut fact = TicketFact::None;
        for text in texts(header, headers, self.site.cookies.ticket(self.https)) {
            match self.live.keys.verify_ticket(self.site.name(), text) {
                Ok(ticket) if self.is_ours(ticket.epoch) => {
                    self.tell_of((ticket.epoch, ticket.issued_us), ticket.number, 0);
                    let line_us = self.line_us(ticket.issued_us);
                    let inside = self.snapshot.is_inside(ticket.id, line_us);
                    return (TicketFact::Valid { inside }, Some(*ticket));
                }
                Ok(_) if fact == TicketFact::None => fact = TicketFact::Old,
                Ok(_) => {}
                Err(reason) => match self.recognise_stub(text, reason) {
                    Ok(stub) => self.stub = self.stub.or(Some(stub)),
                    Err(reason) => {
                        metrics.unbelieved(reason);
                        if matches!(reason, Rejected::UnknownKey(_)) {
                            // Beside one of a line that has ended, this one still may have a place to lose.
                            fact = TicketFact::UnknownKey;
                        }
                    }
                },
            }
        }
        if let Some(stub) = self.stub {
            return self.stand_in(&stub);
        }
        let numbered = self.held_pass.filter(|pass| pass.number > 0);
        let let_go = fact == TicketFact::None && self.pass != PassFact::Finished;
        match numbered
            .filter(|_| let_go)
            .and_then(|pass| self.ticket_of(&pass))
        {
            // The browser has let go of the ticket before the pass: its place is known all the same.
            Some(ticket) => (TicketFact::Valid { inside: false }, Some(ticket)),
            None => (fact, None),
        }
    }

    /// The number of a ticket: its index, or what was drawn for that. None before the opening, and where this replica
    /// cannot tell. This and [`Self::ticket_of`] are the only places where one becomes the other.
    pub(crate) fn number(&self, ticket: &Ticket) -> Option<u64> {
        self.snapshot.number_of(ticket.number)
    }

    /// A ticket as the line meets its visitor, once it has a number.
    pub(crate) fn visitor(&self, ticket: &Ticket) -> Option<Visitor> {
        let number = self.number(ticket)?;
        Some(Visitor {
            number,
            id: ticket.id,
        })
    }

    /// The ticket a pass came from, as far as the pass tells.
    fn ticket_of(&self, pass: &Pass) -> Option<Ticket> {
        Some(Ticket {
            epoch: pass.epoch,
            number: self.snapshot.index_of(pass.number)?,
            id: pass.id,
            issued_us: pass.entered_us,
            asked: false,
        })
    }

    /// What is no ticket for this reason may be a stub.
    fn recognise_stub(&self, text: &[u8], reason: Rejected) -> Result<Stub, Rejected> {
        if reason != Rejected::Malformed {
            return Err(reason);
        }
        let stub = self.live.keys.verify_stub(self.site.name(), text)?;
        Ok(*stub)
    }

    /// What a stub stands for: a ticket, once its number is known.
    fn stand_in(&self, stub: &Stub) -> (TicketFact, Option<Ticket>) {
        match self.ticket_by(stub) {
            Some(ticket) => {
                let line_us = self.snapshot.line_us(self.now);
                let inside = self.snapshot.is_inside(ticket.id, line_us);
                (TicketFact::Valid { inside }, Some(ticket))
            }
            None => {
                let lost = self.port.is_lost(&stub::arrival(stub));
                (TicketFact::Stub { lost }, None)
            }
        }
    }

    /// The ticket of a stub whose number is known here.
    pub(crate) fn ticket_by(&self, stub: &Stub) -> Option<Ticket> {
        let number = self.snapshot.number_by(&stub::arrival(stub))?;
        Some(Ticket {
            epoch: self.snapshot.epoch()?,
            number,
            id: stub.id,
            issued_us: stub.at_us.min(self.snapshot.line_us(self.now)),
            // Where the page enters by itself, it goes on asking.
            asked: self.site.config.enter == Enter::Auto,
        })
    }

    /// The stub, if the visitor has no more than that.
    pub(crate) fn stub(&self) -> Option<Stub> {
        self.stub.filter(|_| self.ticket.1.is_none())
    }

    /// Whether the visitor showed a stub and has a ticket by now: it is to get that.
    pub(crate) fn has_outgrown_stub(&self) -> bool {
        self.stub.is_some() && self.ticket.1.is_some()
    }

    /// What the ticket says.
    pub(crate) fn ticket_fact(&self) -> TicketFact {
        self.ticket.0
    }

    /// The ticket, if it is authentic and of this line.
    pub(crate) fn ticket(&self) -> Option<Ticket> {
        self.ticket.1
    }

    /// What the pass tells of this ticket's visitor.
    pub(crate) fn known(&self, ticket: &Ticket) -> Known {
        let is_its = self.held_pass.is_some_and(|pass| pass.id == ticket.id);
        Known {
            has_pass: is_its && self.pass == PassFact::Live,
            had_pass: is_its && matches!(self.pass, PassFact::RanOut { .. }),
            ..Known::default()
        }
    }

    /// The pass of this ticket, whose visitor is inside. However often it is asked for, it says when that one entered:
    /// the longest stay counts from there.
    pub(crate) fn pass_of(&self, ticket: &Ticket, stay: Stay) -> Pass {
        let now_us = self.port.snapshot().line_us(self.now);
        let entered_us = stay.entered_us.min(now_us);
        if self.held_pass.is_none_or(|pass| pass.id != ticket.id) {
            let waited_us = entered_us.saturating_sub(ticket.issued_us);
            self.counts.entered_after_us(waited_us);
        }
        Pass {
            epoch: ticket.epoch,
            // Nobody enters before it has a number.
            number: self.number(ticket).unwrap_or(ticket.number),
            id: ticket.id,
            signed_us: now_us,
            until_us: stay.until_us,
            entered_us,
        }
    }

    /// The facts to decide by.
    pub(crate) fn facts(&self, method: &Method) -> Facts {
        Facts {
            kind: self.kind,
            mode: self.snapshot.mode(),
            store_up: self.snapshot.is_up(),
            paced: self.snapshot.is_paced(),
            // Only an outage opens the doors, and not a start or a heal, which last a moment.
            doors_open: matches!(self.snapshot.health, Health::Away { .. })
                && self.site.config.on_store_failure == OnStoreFailure::Open,
            is_unsafe: !method.is_safe(),
            pass: self.pass,
            ticket: self.ticket_fact(),
        }
    }
}

/// A visitor's stay inside, as the line knows it.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Stay {
    /// When its pass runs out, in line time (microseconds).
    pub(crate) until_us: u64,
    /// When it entered, in line time (microseconds).
    pub(crate) entered_us: u64,
}

impl Stay {
    /// The stay of somebody who asked, if it is inside.
    pub(crate) fn of(asked: Asked) -> Option<Self> {
        match asked {
            Asked::Entered {
                until_us,
                entered_us,
            }
            | Asked::Standing(LineStanding::Inside {
                until_us,
                entered_us,
            }) => Some(Self {
                until_us,
                entered_us,
            }),
            Asked::Standing(_) | Asked::Away => None,
        }
    }
}

/// Where a request has come to, and from whom.
#[derive(Clone, Copy)]
pub(crate) struct Here<'a> {
    pub(crate) live: &'a Live,
    pub(crate) site: &'a Site,
    pub(crate) port: &'a Rc<Port>,
    pub(crate) origin: &'a LocalOrigin,
    pub(crate) counts: &'a WorkerRoom,
    pub(crate) client: &'a Client,
}

/// What of a request its visitor is recognised by.
#[derive(Clone, Copy)]
pub(crate) struct Shown<'h> {
    pub(crate) method: &'h Method,
    pub(crate) headers: &'h HeaderMap,
    /// The request is to one of the room's own addresses: the ticket matters even if the pass holds, and what kind of
    /// request it is does not.
    pub(crate) is_own: bool,
}

/// The texts shown in a header or under a cookie's name; the header outranks the cookies.
fn texts<'h>(
    header: Option<&'h HeaderValue>,
    headers: &'h HeaderMap,
    cookie: &'h str,
) -> impl Iterator<Item = &'h [u8]> {
    let header = header.map(HeaderValue::as_bytes);
    let cookies = cookies::named(headers, cookie)
        .filter(move |_| header.is_none())
        .take(COOKIES_MAX);
    header.into_iter().chain(cookies)
}

/// What kind of request this is (DESIGN §4).
fn kind(method: &Method, headers: &HeaderMap) -> Kind {
    if accept::is_navigation(method, headers) {
        return Kind::Navigation;
    }
    if *method == Method::HEAD || accept::is_speculative(headers) {
        return Kind::Speculative;
    }
    let asks_method = headers.contains_key(header::ACCESS_CONTROL_REQUEST_METHOD);
    if *method == Method::OPTIONS && asks_method && headers.contains_key(header::ORIGIN) {
        return Kind::Preflight;
    }
    if !method.is_safe() && accept::is_from_document(headers) {
        Kind::Form
    } else {
        Kind::Other
    }
}
