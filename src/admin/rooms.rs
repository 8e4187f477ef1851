//! What operators ask and tell about one room: `GET /api/v1/rooms/{room}`, `POST /api/v1/rooms/{room}/stock`.

use std::time::Duration;

use bytes::Bytes;
use http::HeaderValue;
use http::Method;
use http::Request;
use http::Response;
use http::StatusCode;
use http::header;
use http_body_util::BodyExt as _;
use http_body_util::Full;
use http_body_util::Limited;
use hyper::body::Incoming;
use serde_json::json;
use tokio::time::timeout;

use crate::admin::json;
use crate::line::settings::INTEGER_MAX;

/// Bytes of a call's body.
const BODY_BYTES_MAX: usize = 1_024;
/// How long a call's body may take.
const BODY_DEADLINE: Duration = Duration::from_secs(10);
/// The most there can be left to book.
const STOCK_MAX: u64 = INTEGER_MAX / 2;

/// What is asked of one room.
type Ask = dyn Fn(&str) -> Option<serde_json::Value> + Send + Sync;
/// What is told to one room; whether there is such a room and it could be told.
type Tell = dyn Fn(&str, u64) -> Option<bool> + Send + Sync;

/// The rooms, as far as operators reach them.
pub struct Rooms {
    /// How a room does; `None` where there is none of that name.
    pub status: Box<Ask>,
    /// So many are left to book; `None` where there is no room of that name, `false` when it could not be told.
    pub stock: Box<Tell>,
}

impl std::fmt::Debug for Rooms {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Rooms").finish_non_exhaustive()
    }
}

/// Answers a call to a path below `/api/v1/rooms/`.
pub(super) async fn answer(
    rooms: &Rooms,
    path: &str,
    request: Request<Incoming>,
) -> Response<Full<Bytes>> {
    let (room, call) = path.split_once('/').unwrap_or((path, ""));
    match (call, request.method()) {
        ("", &Method::GET | &Method::HEAD) => {
            (rooms.status)(room).map_or_else(unknown, |status| json(StatusCode::OK, &status))
        }
        ("stock", &Method::POST) => match stock(request).await {
            Ok(left) => told((rooms.stock)(room, left)),
            Err(why) => {
                let why = json!({ "result": "refused", "why": why });
                json(StatusCode::UNPROCESSABLE_ENTITY, &why)
            }
        },
        ("" | "stock", _) => {
            let why = json!({ "result": "wrong method" });
            let mut response = json(StatusCode::METHOD_NOT_ALLOWED, &why);
            let methods = if call.is_empty() { "GET, HEAD" } else { "POST" };
            let methods = HeaderValue::from_static(methods);
            response.headers_mut().insert(header::ALLOW, methods);
            response
        }
        _ => json(StatusCode::NOT_FOUND, &json!({ "result": "unknown call" })),
    }
}

fn told(told: Option<bool>) -> Response<Full<Bytes>> {
    match told {
        None => unknown(),
        Some(true) => json(StatusCode::ACCEPTED, &json!({ "result": "told" })),
        Some(false) => json(
            StatusCode::SERVICE_UNAVAILABLE,
            &json!({ "result": "busy" }),
        ),
    }
}

fn unknown() -> Response<Full<Bytes>> {
    json(StatusCode::NOT_FOUND, &json!({ "result": "unknown room" }))
}

/// How many are left, as `{"stock": 120}` says; or what is wrong with it.
async fn stock(request: Request<Incoming>) -> Result<u64, &'static str> {
    let body = Limited::new(request.into_body(), BODY_BYTES_MAX).collect();
    let body = timeout(BODY_DEADLINE, body).await;
    let body = body.map_err(|_| "the body took too long")?;
    let body = body.map_err(|_| "the body is broken or too long")?;
    let call: serde_json::Value = serde_json::from_slice(&body.to_bytes())
        .map_err(|_| "the body is not JSON like {\"stock\": 120}")?;
    let left = call.get("stock").and_then(serde_json::Value::as_u64);
    left.filter(|&left| left <= STOCK_MAX)
        .ok_or("\"stock\" is not a whole number from 0 to 4503599627370495")
}
