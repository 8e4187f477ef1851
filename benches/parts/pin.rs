//! Keeps a process on one core, so that what is measured and what measures do not take it from one another.

use std::process::Command;
use std::process::Stdio;

/// The core of what is measured.
pub(crate) const MEASURED: u32 = 0;
/// The core of everything else.
pub(crate) const OTHER: u32 = 1;

/// Whether there are two cores and the program to choose one.
pub(crate) fn is_possible() -> bool {
    let cores = std::thread::available_parallelism().map_or(1, usize::from);
    cores > 1 && set(std::process::id(), OTHER)
}

/// Moves all threads of a process to this core; false where that is not possible.
pub(crate) fn set(pid: u32, core: u32) -> bool {
    let moved = Command::new("taskset")
        .args(["-a", "-p", "-c", &core.to_string(), &pid.to_string()])
        .stdin(Stdio::null())
        .stdout(Stdio::null())
        .stderr(Stdio::null())
        .status();
    moved.is_ok_and(|status| status.success())
}

/// CPU that the process has used so far, in microseconds: what its threads' accounts say, to the nanosecond.
pub(crate) fn cpu_us(pid: u32) -> f64 {
    let threads = std::fs::read_dir(format!("/proc/{pid}/task")).expect("a running process");
    let nanoseconds = |thread: std::io::Result<std::fs::DirEntry>| -> f64 {
        // A thread may end between two looks.
        let account =
            thread.and_then(|thread| std::fs::read_to_string(thread.path().join("schedstat")));
        let first = account
            .ok()
            .and_then(|text| text.split(' ').next()?.parse().ok());
        first.unwrap_or(0.0)
    };
    threads.map(nanoseconds).sum::<f64>() / 1_000.0
}
