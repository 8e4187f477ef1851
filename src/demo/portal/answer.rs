//! How the demonstration's portal answers: which page, after how much work, and what is written down.

use std::time::Duration;

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
use tokio::time;

use crate::demo::portal::Counted;
use crate::demo::portal::Shared;
use crate::demo::portal::pages;

/// The largest form that is read, in bytes.
const FORM_BYTES_MAX: usize = 16 * 1024;
/// A form must have arrived within this time.
const FORM_DEADLINE: Duration = Duration::from_secs(10);
/// The portal's own cookie, by which it knows visitors when nothing in front of it does.
const COOKIE: &str = "booking-visit";

/// Answers one request and writes down that it came and how it went.
pub(super) async fn answer(counted: &Counted, req: Request<Incoming>) -> Response<Full<Bytes>> {
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
