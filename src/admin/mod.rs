//! The listener operators and monitoring reach: health, metrics, and the one way in for changes.
//!
//! `GET` never changes anything. On a public address every call needs the bearer token; the health of a replica is
//! told to anybody who can reach it.

mod listen;
mod rooms;

use std::convert::Infallible;
use std::io;
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use arc_swap::ArcSwapOption;
use bytes::Bytes;
use http::HeaderValue;
use http::Method;
use http::Request;
use http::Response;
use http::StatusCode;
use http::header;
use http_body_util::Full;
use hyper::body::Incoming;
use hyper::service::service_fn;
use hyper_util::rt::TokioIo;
use hyper_util::rt::TokioTimer;
use tokio::net::TcpListener;
use tokio::net::TcpStream;
use tokio::sync::Semaphore;
use tokio::sync::mpsc;
use tokio::sync::oneshot;
use tokio::time::timeout;
use tokio_util::sync::CancellationToken;
use tracing::warn;

use crate::telemetry::metrics::Metrics;

pub use listen::Listening;
pub use rooms::Rooms;

/// Operators' connections at once.
const CONNECTIONS_MAX: usize = 256;
/// How long a request's head may take.
const HEAD_DEADLINE: Duration = Duration::from_secs(10);
/// How long an order may take to be carried out.
const ORDER_DEADLINE: Duration = Duration::from_secs(30);
/// How long to wait after a connection could not be accepted.
const ACCEPT_BACKOFF: Duration = Duration::from_millis(100);

/// What the listener needs of the program around it.
pub struct Desk {
    /// Every series.
    pub metrics: Arc<Metrics>,
    /// Why this replica should get no visitors; empty when it should.
    pub unready: Box<dyn Fn() -> Vec<String> + Send + Sync>,
    /// Where orders go.
    pub orders: mpsc::Sender<Order>,
    /// The rooms, to ask and to tell.
    pub rooms: Rooms,
    /// The bearer token callers must show; none on loopback.
    pub token: Arc<Token>,
    /// Cancelled when this replica drains.
    pub draining: CancellationToken,
}

/// The bearer token, which may be replaced while the listener runs.
#[derive(Default)]
pub struct Token(ArcSwapOption<String>);

impl Token {
    /// Asks for this token from now on; for none, of callers on this machine. Whether that is another than before.
    pub fn set(&self, token: Option<&str>) -> bool {
        let before = self.0.swap(token.map(|token| Arc::new(token.to_owned())));
        before.as_deref().map(String::as_str) != token
    }
}

impl std::fmt::Debug for Token {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Token(…)")
    }
}

impl std::fmt::Debug for Desk {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Desk").finish_non_exhaustive()
    }
}

/// Something an operator wants done.
#[derive(Debug)]
pub enum Order {
    /// Read the configuration file again.
    Reload(oneshot::Sender<Outcome>),
}

/// What came of a reload.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Outcome {
    /// Nothing had changed.
    Unchanged,
    /// It is in force.
    Applied {
        /// What changed.
        live: Vec<String>,
        /// What changes with the next start.
        restart: Vec<String>,
    },
    /// Nothing was changed, and why.
    Refused(String),
}

/// Answers operators; the address, with the port that was chosen for port 0.
///
/// While this replica drains it goes on telling so, unless its successor listens on the same address by then.
///
/// # Errors
/// When the socket cannot be used.
pub fn start(listening: Listening, desk: Desk) -> io::Result<SocketAddr> {
    let at_drain = listening.at_drain()?;
    let listener = TcpListener::from_std(listening.socket)?;
    let addr = listener.local_addr()?;
    let desk = Arc::new(desk);
    tokio::spawn(async move {
        let accepting = accept(&listener, &desk);
        if !at_drain.is_ours() {
            return accepting.await;
        }
        tokio::select! {
            () = accepting => return,
            () = desk.draining.cancelled() => {}
        }
        drop(listener);
        if let Some(listener) = at_drain.go_on() {
            accept(&listener, &desk).await;
        }
    });
    Ok(addr)
}

async fn accept(listener: &TcpListener, desk: &Arc<Desk>) {
    let connections = Arc::new(Semaphore::new(CONNECTIONS_MAX));
    loop {
        let Ok(permit) = Arc::clone(&connections).acquire_owned().await else {
            return;
        };
        match listener.accept().await {
            Ok((stream, _)) => {
                let desk = Arc::clone(desk);
                tokio::spawn(async move {
                    serve(stream, desk).await;
                    drop(permit);
                });
            }
            Err(error) => {
                warn!(error = %error, "an operator's connection could not be accepted");
                tokio::time::sleep(ACCEPT_BACKOFF).await;
            }
        }
    }
}

async fn serve(stream: TcpStream, desk: Arc<Desk>) {
    let service = service_fn(move |request| {
        let desk = Arc::clone(&desk);
        async move { Ok::<_, Infallible>(answer(&desk, request).await) }
    });
    let mut http = hyper::server::conn::http1::Builder::new();
    http.timer(TokioTimer::new())
        .header_read_timeout(HEAD_DEADLINE);
    // A connection that breaks is its owner's to notice.
    http.serve_connection(TokioIo::new(stream), service)
        .await
        .ok();
}

/// RFC 9110 §15.5.6: with the methods that would do.
fn wrong_method(methods: &'static str) -> Response<Full<Bytes>> {
    let mut response = text(StatusCode::METHOD_NOT_ALLOWED, "wrong method\n");
    let methods = HeaderValue::from_static(methods);
    response.headers_mut().insert(header::ALLOW, methods);
    response
}

async fn answer(desk: &Desk, request: Request<Incoming>) -> Response<Full<Bytes>> {
    let get = *request.method() == Method::GET || *request.method() == Method::HEAD;
    let path = request.uri().path().to_owned();
    match path.as_str() {
        "/livez" if get => text(StatusCode::OK, "ok\n"),
        "/readyz" if get => ready(desk),
        _ if !may(desk, &request) => unauthorized(),
        "/metrics" if get => metrics(desk),
        "/api/v1/reload" if *request.method() == Method::POST => reload(desk).await,
        "/livez" | "/readyz" | "/metrics" => wrong_method("GET, HEAD"),
        "/api/v1/reload" => wrong_method("POST"),
        other => match other.strip_prefix("/api/v1/rooms/") {
            Some(path) => rooms::answer(&desk.rooms, path, request).await,
            None => text(
                StatusCode::NOT_FOUND,
                "nothing is here; try /livez, /readyz, /metrics, /api/v1/rooms/{room} or POST /api/v1/reload\n",
            ),
        },
    }
}

fn ready(desk: &Desk) -> Response<Full<Bytes>> {
    let reasons = (desk.unready)();
    if reasons.is_empty() {
        return text(StatusCode::OK, "ok\n");
    }
    text(
        StatusCode::SERVICE_UNAVAILABLE,
        &format!("{}\n", reasons.join("\n")),
    )
}

fn metrics(desk: &Desk) -> Response<Full<Bytes>> {
    match desk.metrics.render() {
        Ok(exposition) => {
            let mut response = text(StatusCode::OK, &exposition);
            let format = HeaderValue::from_static("text/plain; version=0.0.4; charset=utf-8");
            response.headers_mut().insert(header::CONTENT_TYPE, format);
            response
        }
        Err(error) => {
            warn!(error = %error, "the metrics could not be written");
            text(
                StatusCode::INTERNAL_SERVER_ERROR,
                "the metrics could not be written\n",
            )
        }
    }
}

async fn reload(desk: &Desk) -> Response<Full<Bytes>> {
    let (reply, outcome) = oneshot::channel();
    if desk.orders.try_send(Order::Reload(reply)).is_err() {
        return json(
            StatusCode::SERVICE_UNAVAILABLE,
            &serde_json::json!({ "result": "busy" }),
        );
    }
    match timeout(ORDER_DEADLINE, outcome).await {
        Ok(Ok(Outcome::Unchanged)) => json(
            StatusCode::OK,
            &serde_json::json!({ "result": "unchanged" }),
        ),
        Ok(Ok(Outcome::Applied { live, restart })) => {
            let body =
                serde_json::json!({ "result": "applied", "live": live, "needs_restart": restart });
            json(StatusCode::OK, &body)
        }
        Ok(Ok(Outcome::Refused(why))) => json(
            StatusCode::UNPROCESSABLE_ENTITY,
            &serde_json::json!({ "result": "refused", "why": why }),
        ),
        Ok(Err(_)) | Err(_) => json(
            StatusCode::GATEWAY_TIMEOUT,
            &serde_json::json!({ "result": "unknown" }),
        ),
    }
}

/// Whether the caller may see and change things: on loopback without a token, anybody on this machine, but no web page
/// that had its own name resolved to it (RFC 6750 §2.1 for the token).
fn may(desk: &Desk, request: &Request<Incoming>) -> bool {
    let token = desk.token.0.load();
    let Some(token) = token.as_deref() else {
        return is_local(request) && !request.headers().contains_key(header::ORIGIN);
    };
    let shown = request
        .headers()
        .get(header::AUTHORIZATION)
        .and_then(|value| value.to_str().ok());
    let shown = shown
        .and_then(|value| value.strip_prefix("Bearer "))
        .unwrap_or("");
    aws_lc_rs::constant_time::verify_slices_are_equal(shown.as_bytes(), token.as_bytes()).is_ok()
}

/// Whether the request names this machine by an address or as `localhost`.
fn is_local(request: &Request<Incoming>) -> bool {
    let host = request
        .headers()
        .get(header::HOST)
        .and_then(|value| value.to_str().ok())
        .unwrap_or("localhost");
    host.parse::<SocketAddr>().is_ok()
        || host.parse::<std::net::IpAddr>().is_ok()
        || host.split(':').next() == Some("localhost")
}

fn unauthorized() -> Response<Full<Bytes>> {
    let mut response = text(
        StatusCode::UNAUTHORIZED,
        "show the token: Authorization: Bearer ...\n",
    );
    response
        .headers_mut()
        .insert(header::WWW_AUTHENTICATE, HeaderValue::from_static("Bearer"));
    response
}

fn text(status: StatusCode, body: &str) -> Response<Full<Bytes>> {
    whole(status, "text/plain; charset=utf-8", body.to_owned())
}

fn json(status: StatusCode, body: &serde_json::Value) -> Response<Full<Bytes>> {
    whole(status, "application/json", format!("{body}\n"))
}

fn whole(status: StatusCode, media: &'static str, body: String) -> Response<Full<Bytes>> {
    let mut response = Response::new(Full::new(Bytes::from(body)));
    *response.status_mut() = status;
    response
        .headers_mut()
        .insert(header::CONTENT_TYPE, HeaderValue::from_static(media));
    response
        .headers_mut()
        .insert(header::CACHE_CONTROL, HeaderValue::from_static("no-store"));
    response
}

#[cfg(test)]
mod tests;
