//! What a process costs, as the kernel counts it.

use std::fs;
use std::time::Duration;

use crate::support::wait_for;

/// Clock ticks of the kernel each second, as every Linux has them in `/proc`.
const TICKS_PER_S: u64 = 100;

/// A process, by its number.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Process(pub(crate) u32);

impl Process {
    /// Memory in use, in KiB.
    pub(crate) fn rss_kib(self) -> u64 {
        self.status_kib("VmRSS:")
    }

    /// The most memory that was in use since [`Process::forget_peak`], in KiB.
    pub(crate) fn peak_kib(self) -> u64 {
        self.status_kib("VmHWM:")
    }

    /// From now on, what is in use now is the most that was.
    pub(crate) fn forget_peak(self) {
        fs::write(format!("/proc/{}/clear_refs", self.0), "5").unwrap();
    }

    /// Memory in use once it grows no more, in KiB.
    pub(crate) fn settled_kib(self) -> u64 {
        const LOOKS: u32 = 100;
        let (mut most, mut looks) = (0, 0);
        wait_for("memory stands still", Duration::from_secs(60), || {
            let now = self.rss_kib();
            looks = if now > most { 0 } else { looks + 1 };
            most = now.max(most);
            (looks == LOOKS).then_some(most)
        })
    }

    fn status_kib(self, name: &str) -> u64 {
        let status = fs::read_to_string(format!("/proc/{}/status", self.0)).unwrap();
        let line = status.lines().find_map(|line| line.strip_prefix(name));
        let words = line.unwrap().split_whitespace();
        words.into_iter().next().unwrap().parse().unwrap()
    }

    /// CPU used since it began, in milliseconds.
    pub(crate) fn cpu_ms(self) -> u64 {
        let stat = fs::read_to_string(format!("/proc/{}/stat", self.0)).unwrap();
        // The second field is a name in brackets, which may have spaces; utime and stime are the 14th and the 15th.
        let (_, fields) = stat.rsplit_once(") ").unwrap();
        let fields: Vec<_> = fields.split(' ').collect();
        let ticks: u64 = fields[11..13]
            .iter()
            .map(|field| field.parse::<u64>().unwrap())
            .sum();
        ticks * 1_000 / TICKS_PER_S
    }
}
