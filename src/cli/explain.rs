//! `anteroom explain`: what a configuration key does, or where a URL goes and why.

use std::io;
use std::io::Write;
use std::path::PathBuf;

use clap::Args;
use http::Method;
use http::Uri;

use crate::cli::CONFIG_FILE;
use crate::cli::exit::Exit;
use crate::config;
use crate::config::Config;
use crate::config::Surroundings;
use crate::config::keys;
use crate::config::keys::SECTIONS;
use crate::config::routes::Found;
use crate::config::routes::Routes;
use crate::config::routes::normal_path;

/// Arguments of `explain`.
#[derive(Debug, Args)]
pub struct Explain {
    /// A key, like "rate" or "room.turn"; or a URL, like <https://booking.example.org/new>
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
        let Some((uri, path)) = target(url) else {
            writeln!(
                err,
                "not a URL: {url}\nwrite it like https://booking.example.org/new"
            )?;
            return Ok(Exit::Failed);
        };
        write!(
            out,
            "{}",
            whereabouts(&loaded.config, &self.method, &uri, &path)
        )?;
        Ok(Exit::Ok)
    }
}

/// A URL and its path in the form patterns are matched against.
fn target(url: &str) -> Option<(Uri, String)> {
    let uri: Uri = url.parse().ok()?;
    let path = normal_path(uri.path())?.into_owned();
    Some((uri, path))
}

/// Where a request goes, and the patterns that say so.
fn whereabouts(config: &Config, method: &Method, uri: &Uri, path: &str) -> String {
    let mut lines = vec![format!("{method} {uri}")];
    let mut line = |name: &str, value: &str| lines.push(format!("  {name:<8} {value}"));
    if path != uri.path() {
        line("read as", path);
    }
    if path.starts_with(&config.server.prefix) {
        line("to", "anteroom itself");
        line(
            "because",
            &format!("its own pages live under {}", config.server.prefix),
        );
        lines.push(String::new());
        return lines.join("\n");
    }
    let routes = Routes::new(config);
    match routes.find(method, uri.host().unwrap_or_default(), path) {
        Found::Room {
            room,
            origin,
            host,
            path,
        } => {
            line("room", &room.name);
            line(
                "origin",
                &format!(
                    "{} ({})",
                    origin.name,
                    origin
                        .urls
                        .first()
                        .map(ToString::to_string)
                        .unwrap_or_default()
                ),
            );
            line("pace", &format!("{}, {}", room.rate, room.mode.name()));
            let host = host.map_or_else(|| String::from("any host"), |host| format!("host {host}"));
            line(
                "because",
                &format!("{host} and path {path} are its closest match"),
            );
        }
        Found::Bypass { room, origin, path } => {
            line("to", &format!("origin {}, without waiting", origin.name));
            line(
                "because",
                &format!("bypass {path} of room {} matches", room.name),
            );
        }
        Found::Outside { origin } => {
            line("to", &format!("origin {}, without waiting", origin.name));
            line("because", "it belongs to no room");
        }
        Found::Nowhere => {
            line("to", "nobody: it is answered 404");
            line(
                "because",
                "it belongs to no room, and no single origin takes this host's other requests",
            );
        }
    }
    lines.push(String::new());
    lines.join("\n")
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
