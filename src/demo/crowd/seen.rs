//! What a visitor reads out of a response: the state, its number, and when to look again.

use std::time::Duration;

use bytes::Bytes;
use http::HeaderMap;
use http::Response;
use http::header;
use serde::Deserialize;

/// How long until the next look at the line when the response does not say.
const POLL_DEFAULT: Duration = Duration::from_secs(5);
/// The longest wait a response can ask for.
const POLL_MAX: Duration = Duration::from_secs(300);

/// What a visitor does about the state it is shown.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Kind {
    /// Nothing: look again later.
    Wait,
    /// Press the button.
    Press,
    /// Open the portal's page.
    Open,
    /// Nothing is left.
    SoldOut,
    /// The ticket is not known any more.
    Lost,
    /// Go home.
    Over,
}

/// A state as it was shown.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Seen {
    pub(crate) kind: Kind,
    pub(crate) number: Option<u64>,
    pub(crate) poll: Duration,
}

/// The part of the status answer that a visitor needs.
#[derive(Debug, Deserialize)]
struct Status {
    state: String,
    #[serde(default, rename = "final")]
    is_final: bool,
    number: Option<u64>,
    poll_ms: Option<u64>,
    #[serde(default)]
    asked: bool,
    turn: Option<Turn>,
}

#[derive(Debug, Deserialize)]
struct Turn {
    #[serde(default)]
    asked: bool,
}

impl Seen {
    /// What the page in answer to a navigation shows; none when it is the portal's own.
    pub(crate) fn on_page(headers: &HeaderMap, first_poll: Duration) -> Option<Self> {
        let state = headers.get("anteroom-state")?.to_str().ok()?;
        let kind = kind(state, false, false);
        (kind != Kind::Open).then(|| Self {
            kind,
            number: number(headers),
            poll: first_poll,
        })
    }

    /// What a status or enter answer says; none when it cannot be read.
    pub(crate) fn in_status(resp: &Response<Bytes>) -> Option<Self> {
        let status: Status = serde_json::from_slice(resp.body()).ok()?;
        let asked = status.asked || status.turn.is_some_and(|turn| turn.asked);
        let told = retry_after(resp.headers());
        let poll = status.poll_ms.map(Duration::from_millis).or(told);
        Some(Self {
            kind: kind(&status.state, status.is_final, asked),
            number: status.number,
            poll: poll.unwrap_or(POLL_DEFAULT).min(POLL_MAX),
        })
    }

    /// Nothing was learnt: look again after what the response asked for.
    pub(crate) fn nothing(headers: &HeaderMap) -> Self {
        Self {
            kind: Kind::Wait,
            number: None,
            poll: retry_after(headers).unwrap_or(POLL_DEFAULT).min(POLL_MAX),
        }
    }
}

/// The number a response tells.
pub(crate) fn number(headers: &HeaderMap) -> Option<u64> {
    headers.get("anteroom-number")?.to_str().ok()?.parse().ok()
}

fn retry_after(headers: &HeaderMap) -> Option<Duration> {
    let seconds = headers.get(header::RETRY_AFTER)?.to_str().ok()?;
    seconds.parse().ok().map(Duration::from_secs)
}

fn kind(state: &str, is_final: bool, asked: bool) -> Kind {
    match state {
        "entered" => Kind::Open,
        "turn" | "late" | "returning" if !asked => Kind::Press,
        "sold-out" => Kind::SoldOut,
        "invalid" => Kind::Lost,
        "closed" | "expired" | "moved" | "cookies" | "left" | "full" => Kind::Over,
        _ if is_final => Kind::Over,
        _ => Kind::Wait,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn status(json: &'static str) -> Option<Seen> {
        Seen::in_status(&Response::new(Bytes::from_static(json.as_bytes())))
    }

    #[test]
    fn a_status_tells_what_to_do_and_when() {
        let seen = status(r#"{"v":1,"state":"waiting","number":7,"poll_ms":1500}"#).unwrap();
        assert_eq!((seen.kind, seen.number), (Kind::Wait, Some(7)));
        assert_eq!(seen.poll, Duration::from_millis(1_500));
        for (json, kind) in [
            (r#"{"state":"turn","turn":{"called":1}}"#, Kind::Press),
            (r#"{"state":"late","asked":true}"#, Kind::Wait),
            (r#"{"state":"turn","turn":{"asked":true}}"#, Kind::Wait),
            (r#"{"state":"entering"}"#, Kind::Wait),
            (r#"{"state":"entered","pass":"x"}"#, Kind::Open),
            (r#"{"state":"sold-out","final":true}"#, Kind::SoldOut),
            (r#"{"state":"invalid"}"#, Kind::Lost),
            (r#"{"state":"new-one","final":true}"#, Kind::Over),
            (r#"{"state":"new-one"}"#, Kind::Wait),
        ] {
            assert_eq!(status(json).unwrap().kind, kind, "{json}");
        }
        assert_eq!(status("<html>"), None);
    }

    #[test]
    fn a_page_without_a_state_or_with_an_entered_one_is_the_portals() {
        let mut headers = HeaderMap::new();
        assert_eq!(Seen::on_page(&headers, POLL_DEFAULT), None);
        headers.insert("anteroom-state", http::HeaderValue::from_static("entered"));
        headers.insert("anteroom-number", http::HeaderValue::from_static("12"));
        assert_eq!(Seen::on_page(&headers, POLL_DEFAULT), None);
        assert_eq!(number(&headers), Some(12));
        headers.insert("anteroom-state", http::HeaderValue::from_static("near"));
        let seen = Seen::on_page(&headers, POLL_MAX).unwrap();
        assert_eq!(
            (seen.kind, seen.number, seen.poll),
            (Kind::Wait, Some(12), POLL_MAX)
        );
    }

    #[test]
    fn an_unreadable_wait_is_bounded() {
        let mut headers = HeaderMap::new();
        assert_eq!(Seen::nothing(&headers).poll, POLL_DEFAULT);
        headers.insert(header::RETRY_AFTER, http::HeaderValue::from_static("99999"));
        assert_eq!(Seen::nothing(&headers).poll, POLL_MAX);
    }
}
