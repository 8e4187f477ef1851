//! A changed file: noticing it, naming what changed, and what of it waits for a restart.

use std::collections::BTreeSet;
use std::fmt;
use std::fs::Metadata;
use std::io;
use std::os::unix::fs::MetadataExt;
use std::path::Path;
use std::sync::Arc;

use crate::config::Config;
use crate::config::Loaded;
use crate::config::Server;
use crate::config::keys;
use crate::config::keys::Apply;
use crate::config::secret::SecretSource;

/// What tells one state of a file from another without reading it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct FileMark {
    device: u64,
    inode: u64,
    bytes: u64,
    modified: (i64, i64),
    changed: (i64, i64),
}

/// Notices that a file has changed, by one look every second.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Watch {
    read: Option<FileMark>,
    seen: Option<FileMark>,
}

/// One key that differs between two configurations.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Change {
    /// The key with its path, or the path of a whole table that came or went.
    pub key: String,
    /// The value in force, as one would write it; `None` where there is none.
    pub before: Option<String>,
    /// The new value; `None` where there is none.
    pub after: Option<String>,
}

/// How a file differs from what is in force.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Changes {
    /// What a reload applies.
    pub live: Vec<Change>,
    /// What waits for a restart.
    pub restart: Vec<Change>,
    /// Rooms that are in force and no longer in the file.
    pub removed_rooms: Vec<String>,
}

impl FileMark {
    /// The mark of the file a path leads to now; links are followed.
    ///
    /// # Errors
    /// When there is none, or its folder cannot be searched.
    pub fn of(path: &Path) -> io::Result<Self> {
        std::fs::metadata(path).map(|metadata| Self::from(&metadata))
    }
}

impl From<&Metadata> for FileMark {
    fn from(metadata: &Metadata) -> Self {
        Self {
            device: metadata.dev(),
            inode: metadata.ino(),
            bytes: metadata.len(),
            modified: (metadata.mtime(), metadata.mtime_nsec()),
            changed: (metadata.ctime(), metadata.ctime_nsec()),
        }
    }
}

impl Watch {
    /// Watches a file that was read with this mark.
    #[must_use]
    pub fn new(read: Option<FileMark>) -> Self {
        Self { read, seen: read }
    }

    /// Takes note of one look. True when the file should be read: it is not as it was read last, and two looks in a
    /// row found it the same, so that a half-written file is left alone. Each state is reported once.
    pub fn look(&mut self, now: Option<FileMark>) -> bool {
        let settled = now == self.seen;
        self.seen = now;
        let fresh = settled && now.is_some() && now != self.read;
        if fresh {
            self.read = now;
        }
        fresh
    }
}

impl Changes {
    /// Whether nothing differs.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.live.is_empty() && self.restart.is_empty()
    }
}

impl fmt::Display for Change {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let value = |value: &Option<String>| value.clone().unwrap_or_else(|| String::from("none"));
        write!(
            f,
            "{}: {} → {}",
            self.key,
            value(&self.before),
            value(&self.after)
        )
    }
}

impl fmt::Display for Changes {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for change in &self.live {
            writeln!(f, "{change} (live)")?;
        }
        for change in &self.restart {
            writeln!(f, "{change} (restart)")?;
        }
        match self.live.len() + self.restart.len() {
            0 => f.write_str("nothing changed"),
            1 => f.write_str("1 change"),
            n => write!(f, "{n} changes"),
        }
    }
}

impl Loaded {
    /// Whether the other was read from the very same bytes.
    #[must_use]
    pub fn same_file(&self, other: &Self) -> bool {
        self.hash == other.hash
    }

    /// How `self` differs from what is in force.
    #[must_use]
    pub fn changes(&self, in_force: &Self) -> Changes {
        let mut changes = Changes::default();
        let comes_or_goes = |section: &str| {
            self.effective.contains_key(section) != in_force.effective.contains_key(section)
        };
        let sections: BTreeSet<&String> = self
            .effective
            .keys()
            .chain(in_force.effective.keys())
            .collect();
        for section in sections {
            match (in_force.effective.get(section), self.effective.get(section)) {
                (Some(before), Some(after)) => {
                    let names: BTreeSet<&&'static str> =
                        before.keys().chain(after.keys()).collect();
                    for name in names {
                        let change = Change {
                            key: format!("{section}.{name}"),
                            before: before.get(name).cloned(),
                            after: after.get(name).cloned(),
                        };
                        changes.sort_in(change, section, name);
                    }
                }
                (before, after) => {
                    let there = |there: bool| there.then(|| String::from("a table"));
                    let (before, after) = (there(before.is_some()), there(after.is_some()));
                    if after.is_none()
                        && let Some(room) = section.strip_prefix("room.")
                        && !room.contains('.')
                    {
                        changes.removed_rooms.push(room.to_owned());
                    }
                    let is_tls = |section: &str| section.split('.').take(2).eq(["server", "tls"]);
                    let waits = section == "server.redirect"
                        || is_tls(section) && comes_or_goes("server.tls");
                    let change = Change {
                        key: section.clone(),
                        before,
                        after,
                    };
                    if waits {
                        changes.restart.push(change);
                    } else {
                        changes.live.push(change);
                    }
                }
            }
        }
        changes
    }

    /// What is in force once `self` is applied by a reload: everything of it but what waits for a restart.
    #[must_use]
    pub fn applied_to(&self, in_force: &Self) -> Self {
        let mut applied = self.clone();
        applied.config = Arc::new(self.config.applied_to(&in_force.config));
        for change in self.changes(in_force).restart {
            if let Some(values) = in_force.effective.get(&change.key) {
                applied.effective.insert(change.key, values.clone());
            } else if let Some((section, name)) = change.key.rsplit_once('.')
                && let Some(values) = applied.effective.get_mut(section)
                && let Some(key) = keys::find(&change.key).first()
            {
                match change.before {
                    Some(before) => values.insert(key.1.name, before),
                    None => values.remove(name),
                };
            } else {
                applied.effective.remove(&change.key);
            }
        }
        applied
    }
}

impl Changes {
    /// Puts a difference where it belongs; what does not differ is nothing.
    fn sort_in(&mut self, change: Change, section: &str, name: &str) {
        if change.before == change.after {
            return;
        }
        let apply = keys::find(&format!("{section}.{name}"))
            .first()
            .map_or(Apply::Restart, |(_, key)| key.apply);
        let appears = change.before.is_none() != change.after.is_none();
        match apply {
            Apply::Live => self.live.push(change),
            Apply::LiveOnceSet if !appears => self.live.push(change),
            Apply::LiveOnceSet | Apply::Restart => self.restart.push(change),
        }
    }
}

impl Config {
    /// This configuration with every value that waits for a restart as it is in force.
    fn applied_to(&self, in_force: &Self) -> Self {
        let mut applied = self.clone();
        let Server {
            listen,
            workers,
            proxy_protocol,
            prefix,
            handshake_timeout,
            header_timeout,
            send_timeout,
            min_send_rate,
            idle_timeout,
            max_connections,
            max_unsent_bytes,
            max_streams,
            max_header_bytes,
            ..
        } = in_force.server.clone();
        let server = &mut applied.server;
        (server.listen, server.workers, server.prefix) = (listen, workers, prefix);
        server.proxy_protocol = proxy_protocol;
        server.handshake_timeout = handshake_timeout;
        server.header_timeout = header_timeout;
        server.send_timeout = send_timeout;
        server.min_send_rate = min_send_rate;
        server.idle_timeout = idle_timeout;
        server.max_connections = max_connections;
        server.max_unsent_bytes = max_unsent_bytes;
        server.max_streams = max_streams;
        server.max_header_bytes = max_header_bytes;
        if applied.server.tls.is_some() != in_force.server.tls.is_some() {
            applied.server.tls = in_force.server.tls.clone();
        }
        match (&mut applied.server.redirect, &in_force.server.redirect) {
            (Some(new), Some(old)) => new.listen = old.listen,
            (new, old) => new.clone_from(old),
        }
        applied.admin.listen = in_force.admin.listen;
        let in_file = |token: &Option<SecretSource>| matches!(token, Some(SecretSource::File(_)));
        if in_file(&applied.admin.token) != in_file(&in_force.admin.token) {
            // The address that goes without a token is not the one listened on yet.
            applied.admin.token = in_force.admin.token.clone();
        }
        applied.store = in_force.store.clone();
        applied.log.format = in_force.log.format;
        applied.log.access = in_force.log.access.clone();
        applied
    }
}

#[cfg(test)]
mod tests;
