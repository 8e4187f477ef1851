//! A small booking portal that really breaks when it is overrun, as the ones this product exists for did.
//!
//! It serves real pages over HTTP/1.1 on its own thread and keeps a record of what came when. It knows nothing of
//! anteroom but the two headers it answers with: `Anteroom-Command: finish` with the confirmation, and
//! `Anteroom-Stock`.

mod capacity;
mod pages;
mod record;
#[cfg(test)]
mod tests;

use std::convert::Infallible;
use std::io;
use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::Mutex;
use std::sync::MutexGuard;
use std::sync::PoisonError;
use std::thread;
use std::thread::JoinHandle;
use std::time::Duration;
use std::time::Instant;

use bytes::Bytes;
use http::HeaderMap;
use http::HeaderValue;
use http::Method;
use http::Request;
use http::Response;
use http::StatusCode;
use http::header;
use http_body_util::BodyExt;
use http_body_util::Full;
use http_body_util::Limited;
use hyper::body::Incoming;
use hyper::server::conn::http1;
use hyper::service::service_fn;
use hyper_util::rt::TokioIo;
use hyper_util::rt::TokioTimer;
use tokio::net::TcpListener;
use tokio::net::TcpStream;
use tokio::time;
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;

pub use crate::demo::portal::capacity::Capacity;
pub use crate::demo::portal::capacity::Health;
pub use crate::demo::portal::record::Figures;
pub use crate::demo::portal::record::Second;

use crate::clock;
use crate::demo::portal::capacity::Desk;
use crate::demo::portal::record::Record;

/// The largest form that is read, in bytes.
const FORM_BYTES_MAX: usize = 16 * 1024;
/// A form must have arrived within this time.
const FORM_DEADLINE: Duration = Duration::from_secs(10);
/// Pause after a failed accept, as when descriptors run out.
const ACCEPT_BACKOFF: Duration = Duration::from_millis(50);
/// The portal's own cookie, by which it knows visitors when nothing in front of it does.
const COOKIE: &str = "booking-visit";

/// A running portal; it stops when dropped.
#[derive(Debug)]
pub struct Portal {
    addr: SocketAddr,
    shared: Arc<Shared>,
    stop: CancellationToken,
    thread: Option<JoinHandle<()>>,
}

impl Portal {
    /// Starts a portal on its own thread.
    ///
    /// # Errors
    /// The address cannot be bound, or no thread can be had.
    pub fn start(listen: SocketAddr, capacity: Capacity) -> io::Result<Self> {
        let runtime = tokio::runtime::Builder::new_current_thread()
            .enable_all()
            .build()?;
        let listener = runtime.block_on(TcpListener::bind(listen))?;
        let addr = listener.local_addr()?;
        let shared = Arc::new(Shared {
            began: clock::monotonic(),
            capacity,
            desk: Desk::new(capacity),
            record: Mutex::new(Record::new(capacity.appointments)),
        });
        let stop = CancellationToken::new();
        let serve = accept(listener, Arc::clone(&shared), stop.clone());
        let thread = thread::Builder::new()
            .name("portal".to_owned())
            .spawn(move || runtime.block_on(serve))?;
        Ok(Self {
            addr,
            shared,
            stop,
            thread: Some(thread),
        })
    }

    /// Where it listens.
    #[must_use]
    pub fn addr(&self) -> SocketAddr {
        self.addr
    }

    /// How it is doing and what has come so far.
    #[must_use]
    pub fn figures(&self) -> Figures {
        let (health, waiting, falls) = self.shared.desk.look();
        Figures {
            health,
            waiting,
            falls,
            ..self.shared.record().figures(self.shared.began.elapsed())
        }
    }

    /// The most visitors who came for the first time within any window of this length, wherever it begins.
    #[must_use]
    pub fn most_entries_within(&self, window: Duration) -> usize {
        self.shared.record().most_entries_within(window)
    }

    /// Opens more appointments.
    pub fn open_more(&self, appointments: u64) {
        let mut record = self.shared.record();
        record.left = record.left.saturating_add(appointments);
    }
}

impl Drop for Portal {
    fn drop(&mut self) {
        self.stop.cancel();
        if let Some(thread) = self.thread.take() {
            // A panic of the portal's thread was printed by that thread already.
            drop(thread.join());
        }
    }
}

/// What the connections of one portal share with its handle.
#[derive(Debug)]
struct Shared {
    began: Instant,
    capacity: Capacity,
    desk: Desk,
    record: Mutex<Record>,
}

impl Shared {
    fn record(&self) -> MutexGuard<'_, Record> {
        self.record.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// An open connection, counted until it is dropped.
struct Counted {
    shared: Arc<Shared>,
    within_limit: bool,
}

impl Counted {
    fn new(shared: Arc<Shared>) -> Self {
        let within_limit = shared.record().connected(shared.capacity.connections_max);
        Self {
            shared,
            within_limit,
        }
    }
}

impl Drop for Counted {
    fn drop(&mut self) {
        self.shared.record().connections -= 1;
    }
}

async fn accept(listener: TcpListener, shared: Arc<Shared>, stop: CancellationToken) {
    let connections = TaskTracker::new();
    loop {
        let accepted = tokio::select! {
            accepted = listener.accept() => accepted,
            () = stop.cancelled() => return,
        };
        match accepted {
            Ok((stream, _)) => {
                let counted = Counted::new(Arc::clone(&shared));
                connections.spawn(serve(stream, counted));
            }
            Err(_) => time::sleep(ACCEPT_BACKOFF).await,
        }
    }
}

async fn serve(stream: TcpStream, counted: Counted) {
    // Only delay is at stake: a socket without the option still works.
    drop(stream.set_nodelay(true));
    let counted = &counted;
    let service = service_fn(|req| async move { Ok::<_, Infallible>(answer(counted, req).await) });
    let connection = http1::Builder::new()
        .timer(TokioTimer::new())
        .serve_connection(TokioIo::new(stream), service);
    // A visitor that hangs up is nothing to report.
    drop(connection.await);
}

/// Answers one request and writes down that it came and how it went.
async fn answer(counted: &Counted, req: Request<Incoming>) -> Response<Full<Bytes>> {
    let shared = &counted.shared;
    let came = shared.began.elapsed();
    let visitor = known(req.headers());
    shared.record().came(came, visitor.as_deref());
    let mut resp = if counted.within_limit {
        work(shared, req).await
    } else {
        let mut resp = html(StatusCode::SERVICE_UNAVAILABLE, pages::broken());
        let close = HeaderValue::from_static("close");
        resp.headers_mut().insert(header::CONNECTION, close);
        resp
    };
    let now = shared.began.elapsed();
    let mut record = shared.record();
    if visitor.is_none() && resp.status() == StatusCode::OK {
        let name = record.newcomer(now);
        let cookie = HeaderValue::from_str(&format!("{COOKIE}={name}; Path=/; HttpOnly"));
        if let Ok(cookie) = cookie {
            resp.headers_mut().insert(header::SET_COOKIE, cookie);
        }
    }
    let refused = resp.status() == StatusCode::SERVICE_UNAVAILABLE;
    record.answered(now, now.saturating_sub(came), refused);
    resp
}

/// The page that was asked for, after the work it takes.
async fn work(shared: &Shared, req: Request<Incoming>) -> Response<Full<Bytes>> {
    let path = req.uri().path().to_owned();
    let query = req.uri().query().unwrap_or_default().to_owned();
    match (req.method(), path.as_str()) {
        (&Method::GET | &Method::HEAD, "/") => return home(),
        (&Method::POST, "/booking/form") => return book(shared, &query, req.into_body()).await,
        (&Method::GET | &Method::HEAD, "/booking/" | "/booking/times" | "/booking/form") => {}
        _ => return html(StatusCode::NOT_FOUND, pages::missing()),
    }
    if shared.desk.work().await.is_err() {
        return html(StatusCode::SERVICE_UNAVAILABLE, pages::broken());
    }
    let left = shared.record().left;
    let page = match path.as_str() {
        "/booking/" => pages::start(left),
        "/booking/times" => pages::times(left),
        _ => pages::form(&query),
    };
    stocked(html(StatusCode::OK, page), left)
}

/// Books an appointment: it is taken first and confirmed after the work, so that a fall between the two leaves a
/// booking nobody was told of.
async fn book(shared: &Shared, query: &str, form: Incoming) -> Response<Full<Bytes>> {
    let form = Limited::new(form, FORM_BYTES_MAX).collect();
    match time::timeout(FORM_DEADLINE, form).await {
        Ok(Ok(_)) => {}
        Ok(Err(_)) => return html(StatusCode::PAYLOAD_TOO_LARGE, pages::broken()),
        Err(_) => return html(StatusCode::REQUEST_TIMEOUT, pages::broken()),
    }
    let (free, number, left) = {
        let mut record = shared.record();
        (record.book(), record.booked, record.left)
    };
    let lost = shared.desk.work().await.is_err();
    if lost {
        shared.record().half_done += u64::from(free);
        return html(StatusCode::SERVICE_UNAVAILABLE, pages::broken());
    }
    if !free {
        return stocked(html(StatusCode::OK, pages::start(0)), 0);
    }
    let page = html(StatusCode::OK, pages::confirmation(query, number));
    let mut resp = stocked(page, left);
    let finish = HeaderValue::from_static("finish");
    resp.headers_mut().insert("anteroom-command", finish);
    resp
}

fn home() -> Response<Full<Bytes>> {
    let mut resp = html(StatusCode::SEE_OTHER, String::new());
    let booking = HeaderValue::from_static("/booking/");
    resp.headers_mut().insert(header::LOCATION, booking);
    resp
}

fn html(status: StatusCode, page: String) -> Response<Full<Bytes>> {
    let mut resp = Response::new(Full::new(Bytes::from(page)));
    *resp.status_mut() = status;
    let headers = resp.headers_mut();
    let text = HeaderValue::from_static("text/html; charset=utf-8");
    headers.insert(header::CONTENT_TYPE, text);
    let no_store = HeaderValue::from_static("no-store");
    headers.insert(header::CACHE_CONTROL, no_store);
    resp
}

/// Tells what is left, unless there is no limit.
fn stocked(mut resp: Response<Full<Bytes>>, left: u64) -> Response<Full<Bytes>> {
    if left < u64::MAX {
        resp.headers_mut().insert("anteroom-stock", left.into());
    }
    resp
}

/// What a visitor is known by: the waiting room's word for it, or the portal's own cookie.
fn known(headers: &HeaderMap) -> Option<Vec<u8>> {
    if let Some(id) = headers.get("anteroom-visitor") {
        return Some(id.as_bytes().to_vec());
    }
    headers
        .get_all(header::COOKIE)
        .iter()
        .filter_map(|value| value.to_str().ok())
        .flat_map(|value| value.split(';'))
        .filter_map(|pair| pair.trim().strip_prefix(COOKIE)?.strip_prefix('='))
        .map(|name| name.as_bytes().to_vec())
        .next()
}
