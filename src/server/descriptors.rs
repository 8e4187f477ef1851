//! The limit on open files, raised as far as it goes: every connection is one.

use rustix::process::Resource;
use rustix::process::Rlimit;
use rustix::process::getrlimit;
use rustix::process::setrlimit;

/// How many files this process may have open.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct DescriptorLimit {
    /// Before it was raised; `None` for no limit.
    pub before: Option<u64>,
    /// Now; `None` for no limit.
    pub now: Option<u64>,
}

/// Raises the limit on open files as far as we may, and says how far that was.
#[must_use]
pub fn raise_descriptor_limit() -> DescriptorLimit {
    let before = getrlimit(Resource::Nofile);
    let raised = Rlimit {
        current: before.maximum,
        maximum: before.maximum,
    };
    let now = match setrlimit(Resource::Nofile, raised) {
        Ok(()) => before.maximum,
        Err(_) => before.current,
    };
    DescriptorLimit {
        before: before.current,
        now,
    }
}

/// How many files this process may have open; `None` for no limit.
#[must_use]
pub fn descriptors_max() -> Option<u64> {
    getrlimit(Resource::Nofile).current
}
