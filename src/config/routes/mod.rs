//! Which room a request belongs to: the closest host, then the closest path; and where it goes if it belongs to none.

use std::borrow::Cow;
use std::sync::Arc;

use http::Method;

use crate::config::Config;
use crate::config::Origin;
use crate::config::Room;
use crate::config::pattern::Closeness;
use crate::config::pattern::HostPattern;
use crate::config::pattern::PathPattern;

/// Every room's routes, closest first.
#[derive(Debug, Clone)]
pub struct Routes {
    routes: Vec<Route>,
    origins: Vec<Outside>,
}

/// One host and path of a room.
#[derive(Debug, Clone)]
struct Route {
    host: Option<HostPattern>,
    path: PathPattern,
    room: Arc<Room>,
    origin: Arc<Origin>,
}

/// Where one host's requests go that belong to no room.
#[derive(Debug, Clone)]
struct Outside {
    host: Option<HostPattern>,
    origin: Option<Arc<Origin>>,
}

/// Where a request belongs, and the patterns that say so.
#[derive(Debug, Clone)]
pub enum Found<'a> {
    /// To a room: it needs a pass.
    Room {
        /// The room.
        room: &'a Arc<Room>,
        /// Its origin.
        origin: &'a Arc<Origin>,
        /// The host pattern that matched; `None` where the room takes every host.
        host: Option<&'a HostPattern>,
        /// The path pattern that matched.
        path: &'a PathPattern,
    },
    /// To a room's exceptions: it goes straight to the origin.
    Bypass {
        /// The room.
        room: &'a Arc<Room>,
        /// Its origin.
        origin: &'a Arc<Origin>,
        /// The exception that matched.
        path: &'a PathPattern,
    },
    /// To no room: it goes straight to this origin.
    Outside {
        /// The origin.
        origin: &'a Arc<Origin>,
    },
    /// To nothing.
    Nowhere,
}

impl Routes {
    /// The routes of a configuration.
    #[must_use]
    pub fn new(config: &Config) -> Self {
        let mut routes = Vec::new();
        for room in config.rooms.values() {
            let Some(origin) = config.origins.get(&room.origin) else {
                continue;
            };
            for host in hosts(&room.hosts) {
                for path in &room.paths {
                    let (path, room, origin) = (path.clone(), Arc::clone(room), Arc::clone(origin));
                    routes.push(Route {
                        host: host.clone(),
                        path,
                        room,
                        origin,
                    });
                }
            }
        }
        routes.sort_by_key(|route| {
            std::cmp::Reverse((closeness(route.host.as_ref()), route.path.closeness()))
        });
        let mut origins: Vec<Outside> = Vec::new();
        for origin in config.origins.values() {
            for host in hosts(&origin.hosts) {
                match origins.iter_mut().find(|outside| outside.host == host) {
                    // Two origins for one host: neither is meant.
                    Some(outside) => outside.origin = None,
                    None => origins.push(Outside {
                        host,
                        origin: Some(Arc::clone(origin)),
                    }),
                }
            }
        }
        origins.sort_by_key(|outside| std::cmp::Reverse(closeness(outside.host.as_ref())));
        Self { routes, origins }
    }

    /// Where a request belongs: `host` without its port, `path` as [`normal_path`] makes it.
    #[must_use]
    pub fn find(&self, method: &Method, host: &str, path: &str) -> Found<'_> {
        let on_host = |pattern: &Option<HostPattern>| {
            pattern.as_ref().is_none_or(|pattern| pattern.matches(host))
        };
        let claims = |route: &&Route| {
            on_host(&route.host)
                && (route.room.methods.is_empty() || route.room.methods.contains(method))
                && route.path.matches(path)
        };
        if let Some(Route {
            host,
            path: pattern,
            room,
            origin,
        }) = self.routes.iter().find(claims)
        {
            // What is still encoded could mean something else to an origin that decodes twice.
            let bypass = room
                .bypass
                .iter()
                .find(|bypass| !path.contains('%') && bypass.matches(path));
            return match bypass {
                Some(path) => Found::Bypass { room, origin, path },
                None => Found::Room {
                    room,
                    origin,
                    host: host.as_ref(),
                    path: pattern,
                },
            };
        }
        let outside = self.origins.iter().find(|outside| on_host(&outside.host));
        match outside.and_then(|outside| outside.origin.as_ref()) {
            Some(origin) => Found::Outside { origin },
            None => Found::Nowhere,
        }
    }
}

/// A request's path in the one form patterns are matched against; `None` if it is not one (a broken percent sign, no
/// slash at its beginning, or a step above the root).
///
/// Whatever an origin might read as the same path has the same form, or a protected page could be asked for by
/// another name: percent signs are decoded once, backslashes are slashes, what follows a semicolon in a segment is
/// dropped, slashes in a row are one, and dot segments are resolved (RFC 3986 §5.2.4). The path that is forwarded
/// stays as it came.
#[must_use]
pub fn normal_path(path: &str) -> Option<Cow<'_, str>> {
    let plain = path.starts_with('/')
        && !path.bytes().any(|b| matches!(b, b'%' | b'\\' | b';'))
        && !["//", "/./", "/../"].iter().any(|part| path.contains(part))
        && !path.ends_with("/.")
        && !path.ends_with("/..");
    if plain {
        return Some(Cow::Borrowed(path));
    }
    let decoded = percent_decoded(path)?.replace('\\', "/");
    let mut segments: Vec<&str> = Vec::new();
    let mut folder = false;
    for segment in decoded.strip_prefix('/')?.split('/') {
        let segment = segment.split(';').next().unwrap_or_default();
        folder = matches!(segment, "" | "." | "..");
        match segment {
            "" | "." => {}
            ".." => {
                segments.pop()?;
            }
            name => segments.push(name),
        }
    }
    let mut normal = String::with_capacity(decoded.len());
    for segment in &segments {
        normal.push('/');
        normal.push_str(segment);
    }
    if folder || segments.is_empty() {
        normal.push('/');
    }
    Some(Cow::Owned(normal))
}

/// Percent signs decoded once; bytes that are not UTF-8 become the replacement character, which no pattern names.
fn percent_decoded(path: &str) -> Option<String> {
    let mut bytes = Vec::with_capacity(path.len());
    let mut rest = path.bytes();
    while let Some(byte) = rest.next() {
        if byte == b'%' {
            let mut digit = || char::from(rest.next()?).to_digit(16);
            let code = digit()? * 16 + digit()?;
            bytes.push(u8::try_from(code).ok()?);
        } else {
            bytes.push(byte);
        }
    }
    Some(String::from_utf8_lossy(&bytes).into_owned())
}

/// Hosts as routes have them: an empty list is one entry that takes every host.
fn hosts(hosts: &[HostPattern]) -> Vec<Option<HostPattern>> {
    if hosts.is_empty() {
        vec![None]
    } else {
        hosts.iter().cloned().map(Some).collect()
    }
}

/// How closely a host is named; not at all is the least.
fn closeness(host: Option<&HostPattern>) -> Option<Closeness> {
    host.map(HostPattern::closeness)
}

#[cfg(test)]
mod tests;
