//! What the access log says, and what it does when it cannot.

use std::fs;
use std::io;
use std::io::Write;
use std::net::IpAddr;
use std::path::Path;
use std::sync::Arc;
use std::sync::Mutex;
use std::sync::mpsc;
use std::time::Duration;

use proptest::prelude::any;
use proptest::prop_assert;
use proptest::prop_assert_eq;
use proptest::proptest;

use crate::clock::Clock;
use crate::telemetry::access_log::AccessFormat;
use crate::telemetry::access_log::AccessLog;
use crate::telemetry::access_log::AccessTarget;
use crate::telemetry::access_log::BUFFER_BYTES;
use crate::telemetry::access_log::BUFFERS_MAX;
use crate::telemetry::access_log::Entry;
use crate::telemetry::access_log::Stamp;
use crate::telemetry::access_log::line;
use crate::telemetry::access_log::writer::Output;
use crate::telemetry::metrics::Decision;
use crate::telemetry::metrics::Metrics;

/// 2026-11-22T13:00:00Z.
const NOW_US: u64 = 1_795_352_400_000_000;
const LIMIT: Duration = Duration::from_secs(20);

fn metrics() -> Arc<Metrics> {
    Metrics::try_new(NOW_US).unwrap()
}

fn entry(clock: &Clock) -> Entry<'static> {
    Entry {
        started: clock.monotonic(),
        finished: clock.monotonic() + Duration::from_micros(1_850),
        peer: "203.0.113.7".parse().unwrap(),
        method: "GET",
        path: "/booking/new",
        status: 200,
        bytes: 5_120,
        room: "vaccination",
        decision: Decision::Forward,
    }
}

fn formatted(format: AccessFormat, clock: &Clock, entry: &Entry<'_>) -> String {
    let mut stamp = Stamp::new(clock.monotonic(), clock.wall_us());
    let mut to = Vec::new();
    match format {
        AccessFormat::Logfmt => line::logfmt(&mut to, &mut stamp, entry),
        AccessFormat::Json => line::json(&mut to, &mut stamp, entry),
    }
    String::from_utf8(to).unwrap()
}

#[test]
fn a_line_says_who_asked_for_what_and_what_was_done() {
    let (clock, _) = Clock::manual(NOW_US);
    assert_eq!(
        formatted(AccessFormat::Logfmt, &clock, &entry(&clock)),
        "time=2026-11-22T13:00:00.001Z peer=203.0.113.7 method=GET path=/booking/new status=200 bytes=5120 \
         duration_us=1850 room=vaccination decision=forward\n"
    );
    assert_eq!(
        formatted(AccessFormat::Json, &clock, &entry(&clock)),
        "{\"time\":\"2026-11-22T13:00:00.001Z\",\"peer\":\"203.0.113.7\",\"method\":\"GET\",\
         \"path\":\"/booking/new\",\"status\":200,\"bytes\":5120,\"duration_us\":1850,\
         \"room\":\"vaccination\",\"decision\":\"forward\"}\n"
    );
}

#[test]
fn queries_are_never_written() {
    let (clock, _) = Clock::manual(NOW_US);
    for path in ["/a?ticket=secret", "/a#secret", "/a?b#secret"] {
        for format in [AccessFormat::Logfmt, AccessFormat::Json] {
            let line = formatted(
                format,
                &clock,
                &Entry {
                    path,
                    ..entry(&clock)
                },
            );
            assert!(!line.contains("secret"), "{line}");
        }
    }
}

#[test]
fn times_follow_the_monotonic_clock_also_across_seconds_and_backwards() {
    let (clock, _) = Clock::manual(NOW_US);
    let mut stamp = Stamp::new(clock.monotonic(), clock.wall_us());
    for (ms, shown) in [
        (999, "13:00:00.999Z"),
        (1_000, "13:00:01.000Z"),
        (86_400_000, "13:00:00.000Z"),
        (5, "13:00:00.005Z"),
    ] {
        let mut to = Vec::new();
        let finished = clock.monotonic() + Duration::from_millis(ms);
        line::logfmt(
            &mut to,
            &mut stamp,
            &Entry {
                finished,
                ..entry(&clock)
            },
        );
        let text = String::from_utf8(to).unwrap();
        assert!(text.split(' ').next().unwrap().ends_with(shown), "{text}");
    }
    // A response that ended before the worker's last tick, and is written after it.
    let earlier = clock.monotonic();
    let mut late = Stamp::new(earlier + Duration::from_secs(2), NOW_US + 2_000_000);
    let mut to = Vec::new();
    line::logfmt(
        &mut to,
        &mut late,
        &Entry {
            finished: earlier,
            ..entry(&clock)
        },
    );
    assert!(to.starts_with(b"time=2026-11-22T13:00:00.000Z"));
}

proptest! {
    #[test]
    fn no_request_can_write_a_second_line_or_field(path in any::<String>(), method in any::<String>()) {
        let (clock, _) = Clock::manual(NOW_US);
        let hostile = Entry { path: &path, method: &method, ..entry(&clock) };
        let line = formatted(AccessFormat::Logfmt, &clock, &hostile);
        prop_assert_eq!(line.find('\n'), Some(line.len() - 1));
        prop_assert!(line.is_ascii());
        // Outside of quotes there are exactly nine fields.
        let (mut quoted, mut escaped, mut fields) = (false, false, 0);
        for character in line.chars() {
            match character {
                _ if escaped => escaped = false,
                '\\' => escaped = true,
                '"' => quoted = !quoted,
                '=' if !quoted => fields += 1,
                _ => {}
            }
        }
        prop_assert_eq!((fields, quoted), (9, false));

        let line = formatted(AccessFormat::Json, &clock, &hostile);
        let read: serde_json::Value = serde_json::from_str(&line).unwrap();
        prop_assert_eq!(read.as_object().unwrap().len(), 9);
        prop_assert_eq!(line.find('\n'), Some(line.len() - 1));
    }

    #[test]
    fn addresses_and_numbers_are_written_as_usual(bits in any::<u128>(), four in any::<u32>(), bytes in any::<u64>()) {
        let (clock, _) = Clock::manual(NOW_US);
        for peer in [IpAddr::from(bits.to_be_bytes()), IpAddr::from(four.to_be_bytes())] {
            let line = formatted(AccessFormat::Logfmt, &clock, &Entry { peer, bytes, ..entry(&clock) });
            let shown = format!(" peer={} ", peer.to_canonical());
            prop_assert!(line.contains(&shown));
            let shown = format!(" bytes={bytes} ");
            prop_assert!(line.contains(&shown));
        }
    }
}

fn file_log(path: &Path) -> AccessLog {
    let target = AccessTarget::File(path.to_path_buf());
    AccessLog::try_open(target, AccessFormat::Logfmt, metrics()).unwrap()
}

#[test]
fn every_line_of_every_worker_reaches_the_file() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("access.log");
    let (clock, _) = Clock::manual(NOW_US);
    let log = file_log(&path);
    std::thread::scope(|scope| {
        for _ in 0..3 {
            let mut worker = log.worker(clock.monotonic(), clock.wall_us());
            let clock = clock.clone();
            scope.spawn(move || {
                // More than one buffer's worth, and a rest that goes with the worker's end.
                for _ in 0..1_000 {
                    worker.write(&entry(&clock));
                }
            });
        }
    });
    assert!(log.close(LIMIT));
    let text = fs::read_to_string(&path).unwrap();
    assert_eq!(text.lines().count(), 3_000);
    assert!(text.lines().all(|line| line.ends_with("decision=forward")));
}

#[test]
fn a_moved_file_is_left_behind_when_the_log_is_opened_anew() {
    let folder = tempfile::tempdir().unwrap();
    let (path, moved) = (
        folder.path().join("access.log"),
        folder.path().join("access.log.1"),
    );
    let (clock, _) = Clock::manual(NOW_US);
    let log = file_log(&path);
    let mut worker = log.worker(clock.monotonic(), clock.wall_us());
    worker.write(&entry(&clock));
    worker.tick(clock.monotonic(), clock.wall_us());
    // The first line may be in either file, depending on how soon the writer looks; the second only in the new one.
    fs::rename(&path, &moved).unwrap();
    log.reopen();
    worker.write(&Entry {
        room: "staff",
        ..entry(&clock)
    });
    drop(worker);
    assert!(log.close(LIMIT));
    let (old, new) = (fs::read_to_string(&moved), fs::read_to_string(&path));
    let (old, new) = (old.unwrap_or_default(), new.unwrap());
    assert!(new.contains("room=staff"), "{new}");
    assert_eq!(old.lines().count() + new.lines().count(), 2);
}

/// A disk that lets nobody through until it is told to.
struct Stuck(mpsc::Receiver<()>, Arc<Mutex<Vec<u8>>>);

impl Write for Stuck {
    fn write(&mut self, lines: &[u8]) -> io::Result<usize> {
        // Ends when the test lets go of its end.
        self.0.recv().ok();
        self.1.lock().unwrap().extend_from_slice(lines);
        Ok(lines.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

#[test]
fn a_stuck_disk_costs_lines_and_never_a_request() {
    let (clock, _) = Clock::manual(NOW_US);
    let metrics = metrics();
    let (go_on, stuck) = mpsc::channel();
    let written = Arc::new(Mutex::new(Vec::new()));
    let output = Output::Fixed(Box::new(Stuck(stuck, Arc::clone(&written))));
    let log = AccessLog::start(output, AccessFormat::Logfmt, Arc::clone(&metrics)).unwrap();
    let mut worker = log.worker(clock.monotonic(), clock.wall_us());
    let line_bytes = formatted(AccessFormat::Logfmt, &clock, &entry(&clock)).len();
    let lines = (BUFFERS_MAX + 10) * BUFFER_BYTES / line_bytes;
    for _ in 0..lines {
        worker.write(&entry(&clock));
    }
    drop(worker);
    drop(go_on);
    assert!(log.close(LIMIT));
    let kept = written
        .lock()
        .unwrap()
        .iter()
        .filter(|byte| **byte == b'\n')
        .count();
    let dropped = usize::try_from(metrics.access_log_dropped_total.get()).unwrap();
    assert!(dropped > 0);
    assert_eq!(kept + dropped, lines);
}

/// A full disk.
struct Full;

impl Write for Full {
    fn write(&mut self, _: &[u8]) -> io::Result<usize> {
        Err(io::ErrorKind::StorageFull.into())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

#[test]
fn lines_a_full_disk_refuses_are_counted() {
    let (clock, _) = Clock::manual(NOW_US);
    let metrics = metrics();
    let output = Output::Fixed(Box::new(Full));
    let log = AccessLog::start(output, AccessFormat::Json, Arc::clone(&metrics)).unwrap();
    let mut worker = log.worker(clock.monotonic(), clock.wall_us());
    for _ in 0..7 {
        worker.write(&entry(&clock));
    }
    drop(worker);
    assert!(log.close(LIMIT));
    assert_eq!(metrics.access_log_dropped_total.get(), 7);
}
