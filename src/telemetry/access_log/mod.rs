//! The access log: one line per request, written without any request waiting for it.
//!
//! Each worker formats lines into a buffer of its own and hands the whole buffer to one writing thread, when it is full
//! or at the tick. When the writer cannot keep up, lines are dropped and counted; a slow disk never slows a visitor.
//!
//! A line has the time, peer, method, path, status, bytes, duration, room and decision, and nothing else: no query, no
//! cookie, no header.

mod line;
mod writer;

use std::fmt;
use std::io;
use std::net::IpAddr;
use std::path::PathBuf;
use std::sync::Arc;
use std::sync::Mutex;
use std::sync::atomic::AtomicBool;
use std::sync::atomic::Ordering;
use std::sync::mpsc;
use std::sync::mpsc::Receiver;
use std::sync::mpsc::SyncSender;
use std::sync::mpsc::TrySendError;
use std::time::Duration;
use std::time::Instant;

use crate::telemetry::access_log::line::Stamp;
use crate::telemetry::access_log::writer::Output;
use crate::telemetry::metrics::Decision;
use crate::telemetry::metrics::Metrics;

/// How many bytes a worker gathers before it hands them over without waiting for the tick.
pub const BUFFER_BYTES: usize = 64 * 1024;

/// How many full buffers may wait for the writer: 4 MiB, then lines are dropped.
pub const BUFFERS_MAX: usize = 64;

/// Longest path that is written whole, in bytes; what follows is cut off.
pub const PATH_BYTES_MAX: usize = 1_024;

/// How a line is written.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum AccessFormat {
    /// `key=value` pairs, values with spaces or special characters in quotes.
    #[default]
    Logfmt,
    /// One JSON object per line.
    Json,
}

/// Where lines go.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum AccessTarget {
    /// Standard output.
    Stdout,
    /// A file, appended to, made (mode 0640) when missing.
    File(PathBuf),
}

/// One request, when its response has ended.
#[derive(Debug, Clone, Copy)]
pub struct Entry<'a> {
    /// When its head was read.
    pub started: Instant,
    /// When the last byte of its response was handed over, or its connection broke.
    pub finished: Instant,
    /// The client, as far as it can be believed.
    pub peer: IpAddr,
    /// The method.
    pub method: &'a str,
    /// The path; a query is cut off here, and a path that carries a secret must not be given.
    pub path: &'a str,
    /// The status answered; 0 when none was.
    pub status: u16,
    /// Bytes of the response's body that were sent.
    pub bytes: u64,
    /// The room, or nothing.
    pub room: &'a str,
    /// What was done with it.
    pub decision: Decision,
}

/// The running access log.
#[derive(Debug)]
pub struct AccessLog {
    format: AccessFormat,
    lines: SyncSender<Vec<u8>>,
    reopen: Arc<AtomicBool>,
    /// Told by the writing thread when it ends; behind a lock only so that workers' makers can share the log.
    ended: Mutex<Receiver<()>>,
    metrics: Arc<Metrics>,
}

impl AccessLog {
    /// Opens the target and starts the writing thread.
    ///
    /// # Errors
    /// When the file cannot be opened or the thread not be started.
    pub fn try_open(
        target: AccessTarget,
        format: AccessFormat,
        metrics: Arc<Metrics>,
    ) -> io::Result<Self> {
        Self::start(Output::try_open(target)?, format, metrics)
    }

    fn start(output: Output, format: AccessFormat, metrics: Arc<Metrics>) -> io::Result<Self> {
        let (lines, incoming) = mpsc::sync_channel(BUFFERS_MAX);
        let (ending, ended) = mpsc::sync_channel(1);
        let reopen = Arc::new(AtomicBool::new(false));
        let (asked, counted) = (Arc::clone(&reopen), Arc::clone(&metrics));
        std::thread::Builder::new()
            .name("access-log".to_owned())
            .spawn(move || {
                writer::run(output, &incoming, &asked, &counted);
                // Nobody listens when the log was dropped and not closed.
                ending.send(()).ok();
            })?;
        Ok(Self {
            format,
            lines,
            reopen,
            ended: Mutex::new(ended),
            metrics,
        })
    }

    /// The lines of one worker. `now` and `now_us` are the same moment on the two clocks.
    #[must_use]
    pub fn worker(&self, now: Instant, now_us: u64) -> WorkerLog {
        WorkerLog {
            format: self.format,
            buffer: Vec::with_capacity(BUFFER_BYTES),
            count: 0,
            stamp: Stamp::new(now, now_us),
            lines: self.lines.clone(),
            metrics: Arc::clone(&self.metrics),
        }
    }

    /// Opens the file anew before the next line, after it was moved away; without effect on standard output.
    pub fn reopen(&self) {
        self.reopen.store(true, Ordering::Release);
        // Wakes the writer; when the channel is full it is awake already.
        self.lines.try_send(Vec::new()).ok();
    }

    /// Waits until everything handed over is written; `false` when that took longer than `limit`. Every
    /// [`WorkerLog`] must have been dropped.
    #[must_use]
    pub fn close(self, limit: Duration) -> bool {
        drop(self.lines);
        let ended = self
            .ended
            .into_inner()
            .unwrap_or_else(std::sync::PoisonError::into_inner);
        ended.recv_timeout(limit).is_ok()
    }
}

/// The lines of one worker that are not handed over yet.
pub struct WorkerLog {
    format: AccessFormat,
    buffer: Vec<u8>,
    /// Lines in `buffer`.
    count: u64,
    stamp: Stamp,
    lines: SyncSender<Vec<u8>>,
    metrics: Arc<Metrics>,
}

impl WorkerLog {
    /// Writes down one request.
    pub fn write(&mut self, entry: &Entry<'_>) {
        match self.format {
            AccessFormat::Logfmt => line::logfmt(&mut self.buffer, &mut self.stamp, entry),
            AccessFormat::Json => line::json(&mut self.buffer, &mut self.stamp, entry),
        }
        self.count += 1;
        if self.buffer.len() >= BUFFER_BYTES {
            self.flush();
        }
    }

    /// To be called every [`crate::telemetry::TICK`]: sets the clock of the time stamps, and hands over what there is.
    pub fn tick(&mut self, now: Instant, now_us: u64) {
        self.stamp = Stamp::new(now, now_us);
        self.flush();
    }

    /// Hands over what there is. Never waits: what the writer has no room for is dropped and counted.
    pub fn flush(&mut self) {
        if self.buffer.is_empty() {
            return;
        }
        let count = std::mem::take(&mut self.count);
        // A line may reach over the mark, so the next buffer has room for that as well.
        let capacity = self.buffer.len().clamp(4 * 1024, BUFFER_BYTES + 4 * 1024);
        let full = std::mem::replace(&mut self.buffer, Vec::with_capacity(capacity));
        match self.lines.try_send(full) {
            Ok(()) => {}
            Err(TrySendError::Full(mut dropped) | TrySendError::Disconnected(mut dropped)) => {
                self.metrics.access_log_dropped_total.inc_by(count);
                dropped.clear();
                self.buffer = dropped;
            }
        }
    }
}

impl Drop for WorkerLog {
    fn drop(&mut self) {
        self.flush();
    }
}

impl fmt::Debug for WorkerLog {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("WorkerLog")
            .field("format", &self.format)
            .field("lines", &self.count)
            .finish_non_exhaustive()
    }
}

#[cfg(test)]
mod tests;
