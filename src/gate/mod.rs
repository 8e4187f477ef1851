//! The gate: every request is routed, recognised, decided about, and acted upon.
//!
//! [`Gate`] is one worker's handler. A poll, which waits for nothing, is answered by [`Handler::at_once`]; for every
//! other request [`Handler::handle`] is the walk: find the route, recognise the visitor by its ticket and pass ([`visit`]),
//! decide by a pure table ([`decide`]), act ([`act`], [`forward`], [`api`]). It alone knows rooms, pages, seals and the
//! proxy, which know nothing of one another.

mod act;
mod answers;
mod api;
mod calm;
mod cookies;
mod counted;
mod decide;
mod divide;
mod forward;
#[cfg(any(test, fuzzing))]
pub(crate) mod fuzz;
mod joins;
mod limits;
mod live;
mod local;
mod names;
mod opening;
mod poll;
mod query;
mod redirect;
mod reply;
pub mod routes;
mod show;
mod standing;
mod streams;
mod stub;
mod turned_away;
mod visit;

use std::cell::Cell;
use std::cell::RefCell;
use std::net::IpAddr;
use std::rc::Rc;
use std::sync::Arc;

use arc_swap::ArcSwap;
use http::HeaderMap;
use http::Request;
use http::Response;
use http::StatusCode;
use http::header;
use hyper::body::Incoming;
use tracing::warn;

use crate::clock;
use crate::gate::act::Going;
use crate::gate::calm::calm;
use crate::gate::calm::host_of;
use crate::gate::calm::nothing_here;
use crate::gate::local::Local;
use crate::gate::local::LocalOrigin;
use crate::gate::names::counted;
use crate::gate::names::ended;
use crate::gate::names::failure;
use crate::gate::names::turned;
use crate::gate::poll::Hammering;
use crate::gate::streams::Streams;
use crate::gate::turned_away::TurnedAway;
use crate::gate::visit::Shown;
use crate::gate::visit::Visit;
use crate::message::Asked;
use crate::message::Body;
use crate::message::Ended;
use crate::message::Fault;
use crate::message::Handler;
use crate::message::NormalPath;
use crate::message::Peer;
use crate::message::Record;
use crate::message::Trouble;
use crate::message::Unheard;
use crate::page::Calm;
use crate::proxy::Background;
use crate::proxy::OriginError;
use crate::proxy::OriginErrorKind;
use crate::proxy::Passage;
use crate::telemetry::access_log::Entry;
use crate::telemetry::access_log::WorkerLog;
use crate::telemetry::metrics::Decision;
use crate::telemetry::metrics::Label;
use crate::telemetry::metrics::Turned;
use crate::telemetry::metrics::WorkerMetrics;
use crate::telemetry::metrics::WorkerOrigin;

pub use cookies::CookieNames;
pub use divide::Place;
pub use joins::Joins;
pub use limits::VisitorLimits;
pub use live::Live;
pub use live::Site;
pub use redirect::Redirects;
pub use routes::Route;
pub use routes::Routes;

/// One worker's handler.
#[derive(Debug)]
pub struct Gate {
    live: Arc<ArcSwap<Live>>,
    local: RefCell<Rc<Local>>,
    place: Place,
    background: Background,
    metrics: Arc<WorkerMetrics>,
    log: Option<RefCell<WorkerLog>>,
    hammering: RefCell<Hammering>,
    /// Requests held while their visitors wait to be let in.
    held: Cell<usize>,
    /// Preflights being forwarded.
    preflights: Cell<usize>,
    turned_away: TurnedAway,
    /// Responses that go on after their head was sent.
    streams: Streams,
}

impl Gate {
    /// A handler for the worker this is called on.
    #[must_use]
    pub fn new(
        live: Arc<ArcSwap<Live>>,
        background: Background,
        metrics: Arc<WorkerMetrics>,
        log: Option<WorkerLog>,
        place: Place,
    ) -> Rc<Self> {
        let local = Local::new(live.load_full(), None, &background, &metrics);
        local.divide(place, clock::monotonic());
        local.watch(place);
        Rc::new(Self {
            live,
            local: RefCell::new(Rc::new(local)),
            place,
            background,
            metrics,
            log: log.map(RefCell::new),
            hammering: RefCell::new(Hammering::new(clock::monotonic())),
            held: Cell::new(0),
            preflights: Cell::new(0),
            turned_away: TurnedAway::default(),
            streams: Streams::default(),
        })
    }

    /// Hands over what has gathered: presence to the rooms, counts, lines of the log. Called every 250 ms.
    pub fn tick(&self) {
        let local = self.local();
        let now = clock::monotonic();
        for (room, site) in local.rooms.iter().zip(&local.live.sites) {
            room.port.flush(now, site.config.guard.latency);
        }
        local.divide(self.place, now);
        local.count(self.place);
        self.streams.tick(now);
        self.metrics.flush();
        if let Some(log) = &self.log {
            log.borrow_mut().tick(clock::monotonic(), clock::wall_us());
        }
    }

    /// This worker's parts of the configuration in force.
    fn local(&self) -> Rc<Local> {
        let live = self.live.load();
        let local = Rc::clone(&self.local.borrow());
        if local.live.generation == live.generation {
            return local;
        }
        let fresh = Rc::new(Local::new(
            Arc::clone(&live),
            Some(&local),
            &self.background,
            &self.metrics,
        ));
        fresh.divide(self.place, clock::monotonic());
        fresh.watch(self.place);
        *self.local.borrow_mut() = Rc::clone(&fresh);
        fresh
    }

    async fn route(&self, asked: Asked) -> (Decision, Result<Response<Body>, Fault>) {
        let local = self.local();
        let live = &local.live;
        let Asked {
            request,
            peer,
            note,
        } = asked;
        let client = live.trusted.client(peer, request.headers());
        let uri = request.uri().clone();
        // A request for "*" (RFC 9112 §3.2.4) is about the server as a whole.
        let path = if uri.path() == "*" { "/" } else { uri.path() };
        let normal = match NormalPath::parse(path) {
            Ok(normal) => normal,
            Err(error) => return (Decision::Error, Err(Fault::Refused(error.into()))),
        };
        let host = host_of(&client, &request);
        let here = |room: usize| {
            *note.room.borrow_mut() = Some(Rc::clone(&local.rooms[room].name));
            local.here(room, &client)
        };
        match live.routes.find(request.method(), &host, normal.as_str()) {
            Route::Protected { room } => {
                let shown = Shown {
                    method: request.method(),
                    headers: request.headers(),
                    is_own: false,
                };
                let visit = Visit::new(here(room), shown, &self.metrics);
                let going = Going {
                    path: normal.rewritten(),
                    uri: uri.clone(),
                    note: &note,
                    request,
                };
                let (act, response) = self.protect(&visit, going).await;
                (counted(act, &response), response)
            }
            Route::Reserved { room, call } => {
                let shown = Shown {
                    method: request.method(),
                    headers: request.headers(),
                    is_own: true,
                };
                let visit = Visit::new(here(room), shown, &self.metrics);
                Box::pin(self.call(&visit, request, call)).await
            }
            Route::Open { origin } => {
                let (client, path, note) = (&client, normal.rewritten(), &note);
                let passage = Passage {
                    client,
                    visitor: None,
                    path,
                    note,
                };
                let response = self.open(&local.origins[origin], request, &passage).await;
                (Decision::Bypass, response)
            }
            Route::Unknown | Route::Nowhere => (Decision::Error, Ok(nothing_here(live, &request))),
        }
    }

    /// At the address for cleartext: come again over TLS.
    fn redirect(&self, asked: &Asked) -> Response<Body> {
        let local = self.local();
        let answer = local.live.redirects.answer(&asked.request);
        let decision = answer
            .as_ref()
            .map_or(Decision::Error, |_| Decision::Redirect);
        local.outside.request(decision);
        asked.note.decision.set(Some(decision.name()));
        answer.unwrap_or_else(|| {
            let mut answer = nothing_here(&local.live, &asked.request);
            *answer.status_mut() = StatusCode::MISDIRECTED_REQUEST;
            answer
        })
    }

    /// Outside every room: straight to the origin.
    async fn open(
        &self,
        origin: &LocalOrigin,
        request: Request<Incoming>,
        passage: &Passage<'_>,
    ) -> Result<Response<Body>, Fault> {
        let started = clock::monotonic();
        match origin.pool.forward(request, passage).await {
            Ok(forwarded) => {
                origin.counts.answered(clock::monotonic() - started);
                Ok(forwarded.response)
            }
            Err(error) => {
                self.origin_failed(&origin.counts, &error);
                Err(Fault::from(&error))
            }
        }
    }

    fn origin_failed(&self, counts: &WorkerOrigin, error: &OriginError) {
        counts.failed(failure(error.kind));
        if error.kind == OriginErrorKind::Busy {
            if let Some(requests) = self.turned_away.note(clock::monotonic()) {
                warn!(
                    requests,
                    "the origin had no room for requests: as many are in flight as it may get"
                );
            }
        } else if !error.kind.is_client() {
            warn!(
                reason = error.kind.name(),
                sent = error.was_sent,
                cause = error.cause(),
                "a request failed at the origin"
            );
        }
    }
}

impl Drop for Gate {
    fn drop(&mut self) {
        // The last counts; the log writes its last lines by itself.
        self.metrics.flush();
    }
}

impl Handler for Gate {
    fn at_once(&self, asked: &Asked) -> Option<Response<Body>> {
        if asked.peer.redirected {
            return Some(self.redirect(asked));
        }
        self.poll(asked)
    }

    async fn handle(self: Rc<Self>, asked: Asked) -> Result<Response<Body>, Fault> {
        let note = Rc::clone(&asked.note);
        let (decision, response) = self.route(asked).await;
        let local = self.local();
        let room = note.room.borrow();
        let counts = room
            .as_ref()
            .and_then(|name| local.rooms.iter().find(|room| room.name == *name));
        counts
            .map_or(&local.outside, |room| &room.counts)
            .request(decision);
        note.decision.set(Some(decision.name()));
        response
    }

    fn rescue(&self, trouble: &Trouble<'_>) -> Response<Body> {
        let local = self.local();
        let kind = match trouble.fault {
            Fault::Refused(_) => Calm::BadRequest,
            Fault::Overloaded | Fault::OriginBusy => Calm::TooMany,
            Fault::OriginDown | Fault::OriginSlow => Calm::InsideOrigin,
            Fault::ClientGone | Fault::ClientSlow | Fault::TooLarge => Calm::BadRequest,
            Fault::Panicked => Calm::Trouble,
        };
        if let Some(reason) = turned(trouble.fault) {
            self.metrics.turned(reason);
        }
        let accept = trouble.languages.and_then(|value| value.to_str().ok());
        calm(
            &local.live,
            kind,
            trouble.status,
            trouble.is_navigation,
            accept,
        )
    }

    fn dress(&self, peer: Peer, headers: &mut HeaderMap) {
        if !peer.tls {
            // RFC 6797 §7.2: only over TLS.
            return;
        }
        // In the place of the origin's: browsers go by the first, and the operator of TLS is the one who can tell.
        if let Some(hsts) = &self.live.load().hsts {
            headers.insert(header::STRICT_TRANSPORT_SECURITY, hsts.clone());
        }
    }

    fn opened(&self) {
        self.metrics.opened();
    }

    fn closed(&self) {
        self.metrics.closed();
    }

    fn unheard(&self, why: Unheard) {
        self.metrics.turned(match why {
            Unheard::ProxyProtocol => Turned::ProxyProtocol,
            Unheard::Handshake => Turned::Handshake,
            Unheard::HandshakeTimeout => Turned::HandshakeTimeout,
            Unheard::Silent => Turned::Silent,
        });
    }

    fn connections_max_from(&self, ip: IpAddr) -> Option<usize> {
        self.live.load().connections_max_from(ip)
    }

    fn ended(&self, why: Ended) {
        self.metrics.turned(ended(why));
    }

    fn holds(&self, bytes: u64) {
        self.metrics.unsent(bytes);
    }

    fn flooded(&self) {
        self.metrics.turned(Turned::Flood);
    }

    fn parked(&self) {
        self.metrics.parked();
    }

    fn woke(&self) {
        self.metrics.woke();
    }

    fn log(&self, record: &Record<'_>) {
        let status = record.status.map_or(499, |status| status.as_u16());
        self.metrics.response(status);
        let Some(log) = &self.log else { return };
        let room = record.note.room.borrow();
        let name = record.note.decision.get();
        let decision = Decision::ALL
            .iter()
            .copied()
            .find(|decision| Some(decision.name()) == name);
        let finished = record.finished;
        log.borrow_mut().write(&Entry {
            started: finished.checked_sub(record.duration).unwrap_or(finished),
            finished,
            peer: record.peer.addr.ip(),
            method: record.method.as_str(),
            path: record.path,
            status,
            bytes: record.body_bytes,
            room: room.as_deref().unwrap_or(""),
            decision: decision.unwrap_or(Decision::Error),
        });
    }
}
