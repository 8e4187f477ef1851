//! `anteroom explain`: what a configuration key does, or where a URL goes and why.

use std::io;
use std::io::Write;
use std::path::PathBuf;
use std::sync::Arc;

use clap::Args;
use http::Method;
use http::Uri;

use crate::cli::CONFIG_FILE;
use crate::cli::exit::Exit;
use crate::config;
use crate::config::Config;
use crate::config::Origin;
use crate::config::Room;
use crate::config::Surroundings;
use crate::config::keys;
use crate::config::keys::SECTIONS;
use crate::gate::routes::Route;
use crate::gate::routes::Routes;
use crate::message::target::NormalPath;

/// What becomes of a request that nothing takes.
const NOBODY: &str = "nobody: it is answered 404";

/// Arguments of `explain`.
#[derive(Debug, Args)]
pub struct Explain {
    /// A key, or a URL.
    #[arg(help = "A key, like rate or room.turn; or a URL, like https://booking.example.org/new")]
    #[arg(value_name = "KEY|URL", required_unless_present = "all")]
    pub what: Option<String>,
    /// Print the whole reference file
    #[arg(long, conflicts_with = "what")]
    pub all: bool,
    /// The configuration a URL is looked up in
    #[arg(long, value_name = "FILE", default_value = CONFIG_FILE)]
    pub config: PathBuf,
    /// The method the URL is asked for with
    #[arg(long, default_value_t = Method::GET)]
    pub method: Method,
}

impl Explain {
    /// Explains what was asked for; ends with 1 if there is no such key.
    ///
    /// # Errors
    /// When the output cannot be written.
    pub fn run(&self, out: &mut dyn Write, err: &mut dyn Write) -> io::Result<Exit> {
        match self.what.as_deref() {
            None => {
                out.write_all(keys::reference().as_bytes())?;
                Ok(Exit::Ok)
            }
            Some(url) if url.contains('/') => self.url(url, out, err),
            Some(key) => explain_key(key, out, err),
        }
    }

    fn url(&self, url: &str, out: &mut dyn Write, err: &mut dyn Write) -> io::Result<Exit> {
        let loaded = match config::load(&self.config, &Surroundings::elsewhere()) {
            Ok(loaded) => loaded,
            Err(report) => {
                writeln!(err, "{report}")?;
                return Ok(Exit::ConfigInvalid);
            }
        };
        let Ok(uri) = url.parse::<Uri>() else {
            writeln!(
                err,
                "not a URL: {url}\nwrite it like https://booking.example.org/new"
            )?;
            return Ok(Exit::Failed);
        };
        let lines = match NormalPath::parse(uri.path()) {
            Ok(path) => whereabouts(&loaded.config, &self.method, &uri, path.as_str()),
            Err(error) => vec![
                ("to", String::from("nobody: it is answered 400")),
                ("because", error.to_string()),
            ],
        };
        writeln!(out, "{} {uri}", self.method)?;
        for (name, value) in lines {
            writeln!(out, "  {name:<8} {value}")?;
        }
        Ok(Exit::Ok)
    }
}

/// Where a request goes, and what in the configuration says so.
fn whereabouts(
    config: &Config,
    method: &Method,
    uri: &Uri,
    path: &str,
) -> Vec<(&'static str, String)> {
    let host = uri.host().unwrap_or_default();
    let room_at = |room: usize| config.rooms.values().nth(room);
    let (to, because) = match Routes::new(config).find(method, host, path) {
        Route::Protected { room } => {
            let Some(room) = room_at(room) else {
                return Vec::new();
            };
            let origin = config
                .origins
                .get(&room.origin)
                .map(|origin| listed(origin))
                .unwrap_or_default();
            let to = format!(
                "room {} at {}, {}; then origin {origin}",
                room.name,
                room.rate,
                room.mode.name()
            );
            (to, closest(room, host, path))
        }
        Route::Open { origin } => {
            let origin = config
                .origins
                .values()
                .nth(origin)
                .map(|origin| listed(origin))
                .unwrap_or_default();
            let to = format!("origin {origin}, without waiting");
            let bypass = config
                .rooms
                .values()
                .find(|room| bypasses(room, host, path));
            let named = |room: &Arc<Room>| format!("`bypass` of room {} names it", room.name);
            (
                to,
                bypass.map_or_else(|| String::from("it belongs to no room"), named),
            )
        }
        Route::Reserved { room, .. } => {
            let name = room_at(room)
                .map(|room| room.name.as_str())
                .unwrap_or_default();
            let because = format!("its own pages live under {}", config.server.prefix);
            (format!("anteroom itself, for room {name}"), because)
        }
        Route::Unknown => (
            String::from(NOBODY),
            format!("no room has pages there, under {}", config.server.prefix),
        ),
        Route::Nowhere => (
            String::from(NOBODY),
            String::from("it belongs to no room, and no origin takes this host"),
        ),
    };
    let mut lines = vec![("to", to), ("because", because)];
    if path != uri.path() {
        lines.insert(0, ("read as", path.to_owned()));
    }
    lines
}

/// Whether a room lets this request through without waiting.
fn bypasses(room: &Room, host: &str, path: &str) -> bool {
    let hosts = room.hosts.is_empty() || room.hosts.iter().any(|pattern| pattern.matches(host));
    let in_room = room.paths.iter().any(|pattern| pattern.matches(path));
    hosts && in_room && room.bypass.iter().any(|pattern| pattern.matches(path))
}

/// The patterns that brought a request into this room: the closest of those that match.
fn closest(room: &Room, host: &str, path: &str) -> String {
    let hosts = room.hosts.iter().filter(|pattern| pattern.matches(host));
    let host = hosts.max_by_key(|pattern| pattern.closeness());
    let host = host.map_or_else(|| String::from("any host"), |host| format!("host {host}"));
    let paths = room.paths.iter().filter(|pattern| pattern.matches(path));
    let path = paths.max_by_key(|pattern| pattern.closeness());
    format!(
        "{host} and path {} are the closest match",
        path.map(ToString::to_string).unwrap_or_default()
    )
}

/// An origin and its servers in one line.
fn listed(origin: &Origin) -> String {
    let urls: Vec<String> = origin.urls.iter().map(ToString::to_string).collect();
    format!("{} ({})", origin.name, urls.join(", "))
}

fn explain_key(path: &str, out: &mut dyn Write, err: &mut dyn Write) -> io::Result<Exit> {
    let found = keys::find(path);
    for (at, (section, key)) in found.iter().enumerate() {
        let between = if at > 0 { "\n" } else { "" };
        write!(out, "{between}{}", keys::explain(section, key))?;
    }
    if !found.is_empty() {
        return Ok(Exit::Ok);
    }
    let name = path.rsplit('.').next().unwrap_or(path);
    let names = SECTIONS
        .into_iter()
        .flat_map(|section| section.keys)
        .map(|key| key.name);
    let near = keys::nearest(name, names)
        .map(|near| format!("; did you mean `{near}`?"))
        .unwrap_or_default();
    writeln!(
        err,
        "no key is called `{path}`{near}\n`anteroom explain --all` lists every key"
    )?;
    Ok(Exit::Failed)
}
