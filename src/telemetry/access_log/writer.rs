//! The one thread that writes the access log.

use std::fs::File;
use std::fs::OpenOptions;
use std::io;
use std::io::Write;
use std::os::unix::fs::OpenOptionsExt;
use std::path::Path;
use std::path::PathBuf;
use std::sync::atomic::AtomicBool;
use std::sync::atomic::Ordering;
use std::sync::mpsc::Receiver;

use crate::telemetry::access_log::AccessTarget;
use crate::telemetry::metrics::Metrics;

/// Where lines are written.
pub(super) enum Output {
    /// Something that stays open: standard output.
    Fixed(Box<dyn Write + Send>),
    /// A file that can be opened anew.
    File(PathBuf, File),
}

impl Output {
    /// Opens a target.
    pub(super) fn try_open(target: AccessTarget) -> io::Result<Self> {
        match target {
            AccessTarget::Stdout => Ok(Self::Fixed(Box::new(io::stdout()))),
            AccessTarget::File(path) => {
                let file = open(&path)?;
                Ok(Self::File(path, file))
            }
        }
    }

    fn write(&mut self, lines: &[u8]) -> io::Result<()> {
        match self {
            Self::Fixed(output) => {
                output.write_all(lines)?;
                output.flush()
            }
            Self::File(_, file) => file.write_all(lines),
        }
    }

    fn reopen(&mut self) {
        if let Self::File(path, file) = self {
            match open(path) {
                Ok(opened) => *file = opened,
                Err(error) => tracing::error!(
                    path = %path.display(),
                    %error,
                    "the access log could not be opened anew and goes on where it was"
                ),
            }
        }
    }
}

/// Writes what comes in until every sender is gone.
pub(super) fn run(
    mut output: Output,
    incoming: &Receiver<Vec<u8>>,
    reopen: &AtomicBool,
    metrics: &Metrics,
) {
    let mut failing = false;
    for lines in incoming {
        if reopen.swap(false, Ordering::AcqRel) {
            output.reopen();
        }
        if lines.is_empty() {
            continue;
        }
        match output.write(&lines) {
            Ok(()) => failing = false,
            Err(error) => {
                let newlines = lines.iter().filter(|byte| **byte == b'\n').count();
                let count = u64::try_from(newlines).unwrap_or(u64::MAX);
                metrics.access_log_dropped_total.inc_by(count);
                // Once until it works again: a full disk must not fill the other log.
                if !failing {
                    tracing::error!(%error, "the access log cannot be written, its lines are dropped");
                }
                failing = true;
            }
        }
    }
}

fn open(path: &Path) -> io::Result<File> {
    OpenOptions::new()
        .append(true)
        .create(true)
        .mode(0o640)
        .open(path)
}
