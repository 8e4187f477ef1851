//! What every test here begins with: an origin, anteroom in front of it, and visitors of both kinds.

use std::fmt::Write as _;
use std::fs;
use std::net::SocketAddr;
use std::sync::atomic::AtomicBool;
use std::sync::atomic::Ordering;
use std::time::Duration;

use tempfile::TempDir;

use crate::support::anteroom::Anteroom;
use crate::support::anteroom::Place;
use crate::support::http;
use crate::support::http::Reply;
use crate::support::origin::Origin;
use crate::support::wait_for;

/// How long something that takes milliseconds may take on a machine that is busy with everything else.
pub(crate) const SOON: Duration = Duration::from_secs(60);
/// Lets one in and then nobody for an hour: whoever comes after the first waits, or has a turn and waits.
pub(crate) const ONE: &str = "1/h";
/// Lets in whoever comes.
pub(crate) const MANY: &str = "100/s";

/// What a browser sends when a person opens a page.
pub(crate) const BROWSER: [(&str, &str); 3] = [
    ("accept", "text/html,application/xhtml+xml"),
    ("sec-fetch-mode", "navigate"),
    ("sec-fetch-dest", "document"),
];
/// What an app sends.
pub(crate) const APP: (&str, &str) = ("accept", "application/json");

/// Whether it is a run with the machine to itself, by `ANTEROOM_FULL` in the environment.
pub(crate) fn is_full() -> bool {
    std::env::var_os("ANTEROOM_FULL").is_some()
}

/// The room of these tests: what its configuration says where it is not the same for all.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Toml<'a> {
    pub(crate) rate: &'a str,
    /// More lines of `[room.main]`.
    pub(crate) room: &'a str,
    /// More lines of `[server]`.
    pub(crate) server: &'a str,
    /// More lines of `[origin.portal]`.
    pub(crate) origin: &'a str,
    /// Whole sections.
    pub(crate) more: &'a str,
}

impl Default for Toml<'_> {
    fn default() -> Self {
        Self {
            rate: ONE,
            room: "",
            server: "",
            origin: "",
            more: "",
        }
    }
}

impl Toml<'_> {
    /// A room with this rate.
    pub(crate) fn rate(rate: &str) -> Toml<'_> {
        Toml {
            rate,
            ..Toml::default()
        }
    }

    /// The whole file for a replica at this place in front of this origin.
    pub(crate) fn text(&self, place: &Place, portal: SocketAddr) -> String {
        let mut text = String::new();
        let lines = [
            "[server]",
            &format!("listen = \"{}\"\nworkers = 1", place.server),
            self.server,
            "[admin]",
            &format!("listen = \"{}\"", place.admin),
            "[origin.portal]",
            &format!("url = \"http://{portal}\""),
            self.origin,
            "[room.main]",
            "origin = \"portal\"\npaths = [\"/booking/*\"]\nphone = \"800 123 456\"",
            &format!("rate = \"{}\"", self.rate),
            self.room,
            self.more,
        ];
        for line in lines {
            writeln!(text, "{line}").unwrap();
        }
        text
    }
}

/// Tells those in other threads who go on until it is over, also when the test fails: otherwise it would wait for them.
#[derive(Debug)]
pub(crate) struct Over<'a>(pub(crate) &'a AtomicBool);

impl Drop for Over<'_> {
    fn drop(&mut self) {
        self.0.store(true, Ordering::Relaxed);
    }
}

/// An origin with one replica in front of it.
pub(crate) struct Stage {
    pub(crate) anteroom: Anteroom,
    pub(crate) origin: Origin,
}

impl Stage {
    /// With an origin whose every page is `the portal`.
    pub(crate) fn new(toml: &Toml<'_>) -> Self {
        Self::before(Origin::start(), toml)
    }

    /// In front of this origin.
    pub(crate) fn before(origin: Origin, toml: &Toml<'_>) -> Self {
        let addr = origin.addr();
        Self {
            anteroom: Anteroom::start(|place| toml.text(place, addr)),
            origin,
        }
    }

    /// Where visitors connect.
    pub(crate) fn addr(&self) -> SocketAddr {
        self.anteroom.addr()
    }

    /// Writes another configuration file at once, as a careful editor does.
    pub(crate) fn rewrite(&self, toml: &Toml<'_>) {
        let text = toml.text(self.anteroom.place(), self.origin.addr());
        replace(&self.anteroom, &text);
    }

    /// Lets one in, so that everybody after it waits. Only with [`ONE`].
    pub(crate) fn first(&self) -> Reply {
        let reply = navigate(self.addr(), "/booking/first", &[]);
        assert_eq!(state(&reply), "entered", "{}", reply.text());
        reply
    }
}

/// Puts a file in the place of the configuration.
pub(crate) fn replace(anteroom: &Anteroom, text: &str) {
    let fresh = anteroom.place().dir.join("fresh.toml");
    fs::write(&fresh, text).unwrap();
    fs::rename(&fresh, anteroom.config()).unwrap();
}

/// Lines of `[store]` and `[tickets]` for replicas that share one line and one key file.
pub(crate) fn shared(store: &str, keys: &TempDir) -> String {
    format!(
        "[store]\nurl = \"{store}\"\nconnect_timeout = \"500ms\"\ncommand_timeout = \"500ms\"\n\
         [tickets]\nkey_file = \"{}\"",
        keys.path().join("ticket.keys").display()
    )
}

/// Opens a page with these further headers.
pub(crate) fn navigate(addr: SocketAddr, path: &str, headers: &[(&str, &str)]) -> Reply {
    let headers: Vec<_> = BROWSER.iter().chain(headers).copied().collect();
    http::get(addr, path, &headers).unwrap()
}

/// Opens a page with these cookies.
pub(crate) fn navigate_with(addr: SocketAddr, path: &str, cookies: &str) -> Reply {
    navigate(addr, path, &[("cookie", cookies)])
}

/// What a browser sends when a form is sent from one of our own pages.
pub(crate) fn submit(addr: SocketAddr, path: &str, cookies: &str, body: &str) -> Reply {
    let own = format!("http://{addr}");
    let form = ("content-type", "application/x-www-form-urlencoded");
    let from = [("origin", own.as_str()), ("sec-fetch-site", "same-origin")];
    let headers: Vec<_> = BROWSER
        .iter()
        .chain(&from)
        .chain(&[("cookie", cookies), form])
        .copied()
        .collect();
    http::post(addr, path, &headers, body.as_bytes()).unwrap()
}

/// A number and its ticket.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Ticket {
    pub(crate) number: u64,
    pub(crate) text: String,
}

/// Joins as an app does.
pub(crate) fn join(addr: SocketAddr) -> Ticket {
    ticket(&try_join(addr, &[]))
}

/// Joins as an app does, with these further headers.
pub(crate) fn try_join(addr: SocketAddr, headers: &[(&str, &str)]) -> Reply {
    let headers: Vec<_> = [APP].iter().chain(headers).copied().collect();
    http::post(addr, "/.anteroom/main/join", &headers, b"").unwrap()
}

/// The ticket of a join's answer.
pub(crate) fn ticket(reply: &Reply) -> Ticket {
    let body = reply.json();
    Ticket {
        number: body["number"].as_u64().unwrap(),
        text: body["ticket"].as_str().unwrap().to_owned(),
    }
}

/// A ticket's own state.
pub(crate) fn status(addr: SocketAddr, ticket: &str) -> serde_json::Value {
    let headers = [APP, ("anteroom-ticket", ticket)];
    http::get(addr, "/.anteroom/main/status", &headers)
        .unwrap()
        .json()
}

/// Asks to enter as an app does.
pub(crate) fn ask(addr: SocketAddr, ticket: &str) -> Reply {
    let headers = [APP, ("anteroom-ticket", ticket)];
    http::post(addr, "/.anteroom/main/enter", &headers, b"").unwrap()
}

/// Asks until it is let in: the pass.
pub(crate) fn enter(addr: SocketAddr, ticket: &str) -> String {
    wait_for("the ticket enters", SOON, || {
        let reply = ask(addr, ticket);
        (reply.status == 200).then(|| reply.json()["pass"].as_str().unwrap().to_owned())
    })
}

/// Calls the portal as an app that is inside.
pub(crate) fn call(addr: SocketAddr, path: &str, pass: &str) -> Reply {
    http::get(addr, path, &[APP, ("anteroom-pass", pass)]).unwrap()
}

/// What a response says about its visitor's state; empty when it says nothing.
pub(crate) fn state(reply: &Reply) -> &str {
    reply.header("anteroom-state").unwrap_or_default()
}

/// The number a response names.
pub(crate) fn number(reply: &Reply) -> Option<u64> {
    reply.header("anteroom-number")?.parse().ok()
}

/// Every `Set-Cookie` of a response.
pub(crate) fn set_cookies(reply: &Reply) -> Vec<&str> {
    let set = reply
        .headers
        .iter()
        .filter(|(name, _)| name == "set-cookie");
    set.map(|(_, value)| value.as_str()).collect()
}

/// The value of a cookie that a response sets.
pub(crate) fn cookie(reply: &Reply, name: &str) -> Option<String> {
    let sets = set_cookies(reply).into_iter();
    let mut pairs = sets.filter_map(|set| set.split(';').next()?.split_once('='));
    let (_, value) = pairs.find(|(held, _)| *held == name)?;
    Some(value.to_owned())
}

/// Whether it is a problem document that tells when to come back.
pub(crate) fn is_problem(reply: &Reply) -> bool {
    reply.status == 503
        && reply.header("content-type") == Some("application/problem+json")
        && reply.header("retry-after").is_some()
}
