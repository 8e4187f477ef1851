//! What tests outside the crate share: real servers on free ports, started by a condition and gone when dropped.

#![allow(
    dead_code,
    unreachable_pub,
    reason = "each test binary uses its own part of what they share"
)]
#![allow(
    clippy::disallowed_methods,
    clippy::panic,
    reason = "tests wait by the machine's clock, and a test that cannot go on panics"
)]

pub mod anteroom;
pub mod http;
pub mod machines;
pub mod origin;
pub mod redis;

use std::fs;
use std::net::Ipv4Addr;
use std::net::SocketAddr;
use std::net::TcpListener;
use std::path::Path;
use std::process::Child;
use std::process::Command;
use std::sync::atomic::AtomicU32;
use std::sync::atomic::Ordering;
use std::thread;
use std::time::Duration;
use std::time::Instant;

/// Ports tried before a server gives up on finding a free one.
pub const PORT_TRIES: u32 = 50;

/// Between two looks at a condition.
const LOOK_EVERY: Duration = Duration::from_millis(20);

/// Waits until `condition` gives a value.
///
/// # Panics
/// When it does not within `deadline`.
pub fn wait_for<T>(what: &str, deadline: Duration, condition: impl FnMut() -> Option<T>) -> T {
    let value = wait(deadline, condition);
    value.unwrap_or_else(|| panic!("{what}: not within {} s", deadline.as_secs()))
}

/// Waits until `condition` gives a value; none when it does not within `deadline`.
pub fn wait<T>(deadline: Duration, mut condition: impl FnMut() -> Option<T>) -> Option<T> {
    let until = Instant::now() + deadline;
    loop {
        let value = condition();
        if value.is_some() || Instant::now() >= until {
            return value;
        }
        thread::sleep(LOOK_EVERY);
    }
}

/// A loopback address whose port was free a moment ago.
///
/// It lies below the range that outgoing connections are given ports from, so that a busy client does not take it
/// before its server has, nor while a server is restarted on it. Another process still may: whoever starts a server
/// on it tries the next one then.
///
/// # Panics
/// When no port is free.
pub fn free_addr() -> SocketAddr {
    static NEXT: AtomicU32 = AtomicU32::new(0);
    // Test binaries that run side by side begin in different places.
    let begin = std::process::id().wrapping_mul(7_919);
    for _ in 0..20_000 {
        let step = begin.wrapping_add(NEXT.fetch_add(1, Ordering::Relaxed));
        let port = u16::try_from(10_000 + step % 20_000).expect("a port is below 30,000");
        let addr = SocketAddr::from((Ipv4Addr::LOCALHOST, port));
        if TcpListener::bind(addr).is_ok() {
            return addr;
        }
    }
    panic!("no port is free");
}

/// The end of a log, for a failure's message.
pub fn tail(log: &Path) -> String {
    let text = fs::read_to_string(log).unwrap_or_default();
    let lines: Vec<_> = text.lines().collect();
    lines[lines.len().saturating_sub(30)..].join("\n")
}

/// Sends a process a signal by its name: `HUP`, `TERM`.
///
/// # Panics
/// When it cannot be sent.
pub fn signal(child: &Child, name: &str) {
    let sent = Command::new("kill")
        .args([format!("-{name}"), child.id().to_string()])
        .status();
    assert!(sent.is_ok_and(|status| status.success()), "kill -{name}");
}

/// Kills a child and waits until it is gone.
pub fn end(child: &mut Child) {
    // It may be gone already.
    drop(child.kill());
    drop(child.wait());
}
