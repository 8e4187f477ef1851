//! The gate: every request is routed, recognised, decided about, and acted upon.
//!
//! [`Gate`] is one worker's handler. A poll, which waits for nothing, is answered by [`Handler::at_once`]; for every
//! other request [`Handler::handle`] is the walk: find the route, recognise the visitor by its ticket and pass ([`visit`]),
//! decide by a pure table ([`decide`]), act ([`act`], [`forward`], [`api`]). It alone knows rooms, pages, seals and the
//! proxy, which know nothing of one another.

mod act;
mod answers;
mod api;
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
use http::Request;
use http::Response;
use http::StatusCode;
use http::header;
use hyper::body::Incoming;
use tracing::warn;

use crate::clock;
use crate::gate::act::Going;
use crate::gate::local::Local;
use crate::gate::local::LocalOrigin;
use crate::gate::names::counted;
use crate::gate::names::ended;
use crate::gate::names::failure;
use crate::gate::names::turned;
use crate::gate::poll::Hammering;
use crate::gate::reply::Media;
use crate::gate::streams::Streams;
use crate::gate::turned_away::TurnedAway;
use crate::gate::visit::Shown;
use crate::gate::visit::Visit;
use crate::message::Asked;
use crate::message::Body;
use crate::message::Client;
use crate::message::Ended;
use crate::message::Fault;
use crate::message::Handler;
use crate::message::NormalPath;
use crate::message::Record;
use crate::message::Trouble;
use crate::page::Calm;
use crate::page::State;
use crate::page::View;
use crate::page::negotiate;
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

    fn opened(&self) {
        self.metrics.opened();
    }

    fn closed(&self) {
        self.metrics.closed();
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

/// The host the visitor asked for, without its port, in lower case.
fn host_of(client: &Client, request: &Request<Incoming>) -> String {
    let host = client
        .host
        .as_ref()
        .or_else(|| request.headers().get(header::HOST));
    name_of(host.and_then(|host| host.to_str().ok()).unwrap_or(""))
}

fn name_of(host: &str) -> String {
    let name = match host.rsplit_once(':') {
        Some((name, port)) if port.bytes().all(|b| b.is_ascii_digit()) => name,
        _ => host,
    };
    // A name that ends in a dot is the same name (RFC 3986 §3.2.2): it must not lead past the room.
    name.strip_suffix('.').unwrap_or(name).to_ascii_lowercase()
}

/// Nothing is at this address.
fn nothing_here(live: &Live, request: &Request<Incoming>) -> Response<Body> {
    let is_navigation = crate::message::accept::is_navigation(request.method(), request.headers());
    let accept = request
        .headers()
        .get(header::ACCEPT_LANGUAGE)
        .and_then(|value| value.to_str().ok());
    calm(
        live,
        Calm::NotFound,
        StatusCode::NOT_FOUND,
        is_navigation,
        accept,
    )
}

/// A calm answer that concerns no room.
fn calm(
    live: &Live,
    kind: Calm,
    status: StatusCode,
    is_navigation: bool,
    accept: Option<&str>,
) -> Response<Body> {
    let now = i64::try_from(clock::wall_us())
        .ok()
        .and_then(|us| jiff::Timestamp::from_microsecond(us).ok());
    let mut view = View::new(
        &live.texts,
        State::Origin,
        now.unwrap_or(jiff::Timestamp::UNIX_EPOCH),
    );
    view.lang = negotiate(None, accept, &live.texts.languages).lang;
    let pages = &live.pages;
    let mut response = if is_navigation {
        reply::ours(status, Media::Html, pages.calm(kind, &view), pages.csp())
    } else {
        reply::ours(
            status,
            Media::Problem,
            pages.calm_problem(kind, &view, status.as_u16()),
            "",
        )
    };
    if status == StatusCode::SERVICE_UNAVAILABLE || status == StatusCode::TOO_MANY_REQUESTS {
        reply::retry_after(response.headers_mut(), 5);
    }
    response
}

#[cfg(test)]
mod tests {
    use super::name_of;

    #[test]
    fn a_host_is_one_name_however_it_is_written() {
        for host in [
            "portal.example",
            "Portal.Example:8443",
            "portal.example.",
            "portal.example.:80",
        ] {
            assert_eq!(name_of(host), "portal.example", "{host}");
        }
        assert_eq!(name_of("[::1]:8080"), "[::1]");
        assert_eq!(name_of(""), "");
    }
}
