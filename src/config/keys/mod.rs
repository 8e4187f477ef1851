//! The one table of every configuration key: its type, default, range, how it is applied, and why it is there.
//!
//! The reader checks values with this table and refuses what is not in it; `explain`, the reference file and the
//! comparison at a reload are made from it. So none of them can drift from what is really read.

pub(crate) mod forms;
mod kind;
mod origin;
mod reference;
mod room;
mod server;
mod suggest;
mod tls;

pub use crate::config::keys::kind::Kind;
pub use crate::config::keys::kind::Raw;
pub use crate::config::keys::kind::Words;
pub(crate) use crate::config::keys::kind::quote;
pub use crate::config::keys::reference::explain;
pub use crate::config::keys::reference::reference;
pub use crate::config::keys::suggest::find;
pub use crate::config::keys::suggest::nearest;

/// A table of the file, like `[server]` or, for every name, `[room.*]`.
#[derive(Debug)]
pub struct Section {
    /// Its path; a last `*` stands for a name the operator chooses.
    pub path: &'static str,
    /// What it is about, in one sentence.
    pub about: &'static str,
    /// Its keys, in the order they are explained.
    pub keys: &'static [Key],
}

/// One key.
#[derive(Debug)]
pub struct Key {
    /// Its name within its section.
    pub name: &'static str,
    /// What it takes.
    pub kind: Kind,
    /// What holds when it is not written.
    pub default: Default,
    /// What it takes to apply a change.
    pub apply: Apply,
    /// What it does, and why one would change it.
    pub why: &'static str,
}

/// What holds when a key is not written. Values are TOML text.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Default {
    /// This value.
    Value(&'static str),
    /// Nothing; an example of what could be written.
    Nothing(&'static str),
    /// Nothing, and a warning that says so; an example.
    Advised(&'static str),
    /// It must be written; an example.
    Required(&'static str),
    /// It must be written unless this other key is; an example.
    RequiredUnless(&'static str, &'static str),
}

/// What it takes to apply a changed value.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Apply {
    /// A reload.
    Live,
    /// A reload; but a restart where the key appears or disappears.
    LiveOnceSet,
    /// A restart.
    Restart,
}

/// Every section, in the order of the reference file.
pub const SECTIONS: [&Section; 11] = [
    &server::SERVER,
    &tls::TLS,
    &tls::CERTIFICATE,
    &tls::REDIRECT,
    &server::ADMIN,
    &server::STORE,
    &server::TICKETS,
    &server::LOG,
    &origin::ORIGIN,
    &room::ROOM,
    &room::SCHEDULE,
];

impl Section {
    /// The section with this path, if there is one.
    #[must_use]
    pub fn find(path: &str) -> Option<&'static Self> {
        SECTIONS.into_iter().find(|section| section.path == path)
    }

    /// The key with this name, if there is one.
    #[must_use]
    pub fn key(&self, name: &str) -> Option<&'static Key> {
        self.keys.iter().find(|key| key.name == name)
    }

    /// The section's path without its star: `room` for `[room.*]`.
    #[must_use]
    pub fn stem(&self) -> &'static str {
        self.path.strip_suffix(".*").unwrap_or(self.path)
    }

    /// Whether its tables are the elements of a list.
    #[must_use]
    pub fn is_listed(&self) -> bool {
        self.path.contains(".*.")
    }

    /// Whether the operator names tables of this section.
    #[must_use]
    pub fn is_named(&self) -> bool {
        self.path.ends_with(".*")
    }
}

impl Default {
    /// The TOML text that holds, or an example of what could be written.
    #[must_use]
    pub fn text(self) -> &'static str {
        match self {
            Self::Value(text)
            | Self::Nothing(text)
            | Self::Advised(text)
            | Self::Required(text)
            | Self::RequiredUnless(_, text) => text,
        }
    }
}

impl Apply {
    /// The word for people.
    #[must_use]
    pub fn text(self) -> &'static str {
        match self {
            Self::Live => "live",
            Self::LiveOnceSet => "live; a restart when it appears or disappears",
            Self::Restart => "restart",
        }
    }
}

#[cfg(test)]
mod tests;
