//! What an operator sets and the line obeys: pace, mode and the windows of time.
//!
//! Integers only: rates are entries per hour (every `N/s`, `N/min` and `N/h` is a whole number of them), times are
//! microseconds, shares are millionths.

use serde::{Deserialize, Serialize};

/// The largest integer the line uses: beyond it the script in Redis would lose exactness.
pub const INTEGER_MAX: u64 = (1 << 53) - 1;

/// No limit on visitors inside.
pub const NO_LIMIT: u64 = INTEGER_MAX;

/// The highest rate: 100,000 entries a second.
pub const RATE_PER_HOUR_MAX: u64 = 360_000_000;

/// What a room does with visitors.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Default, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Mode {
    /// Visitors are numbered, called and let in at the pace.
    #[default]
    Open,
    /// Numbers are still issued; nobody is called or let in.
    Paused,
    /// No numbers, no calls, no entries: booking is over.
    Closed,
    /// No numbers, no calls, no entries: nothing is left to book.
    SoldOut,
    /// Everybody goes through with a pass, unnumbered.
    Bypass,
    /// As `Bypass`, while counting whom `Open` would have kept waiting.
    Observe,
}

impl Mode {
    /// Every mode, in the order their codes have in the store.
    pub const ALL: [Self; 6] = [
        Self::Open,
        Self::Paused,
        Self::Closed,
        Self::SoldOut,
        Self::Bypass,
        Self::Observe,
    ];

    /// The mode's code in the store.
    #[must_use]
    pub fn code(self) -> u64 {
        match self {
            Self::Open => 0,
            Self::Paused => 1,
            Self::Closed => 2,
            Self::SoldOut => 3,
            Self::Bypass => 4,
            Self::Observe => 5,
        }
    }

    /// The mode with this code, if there is one.
    #[must_use]
    pub fn from_code(code: u64) -> Option<Self> {
        Self::ALL.into_iter().find(|mode| mode.code() == code)
    }

    /// The mode as it is written in the configuration and shown in metrics.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Self::Open => "open",
            Self::Paused => "paused",
            Self::Closed => "closed",
            Self::SoldOut => "sold-out",
            Self::Bypass => "bypass",
            Self::Observe => "observe",
        }
    }

    /// Whether the line issues numbers in this mode.
    #[must_use]
    pub fn issues(self) -> bool {
        matches!(self, Self::Open | Self::Paused)
    }
}

/// A room's settings as the line knows them; every replica of the room obeys the same ones.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub struct Settings {
    /// Entries per hour, 0 to [`RATE_PER_HOUR_MAX`].
    pub rate_per_hour: u64,
    /// How many may be inside at once; [`NO_LIMIT`] for no limit.
    pub active_max: u64,
    /// What the room does with visitors.
    pub mode: Mode,
    /// How long a visitor counts as present after it was heard from, in microseconds (1 s to 1 h).
    pub presence_us: u64,
    /// How long a called visitor may enter on time, in microseconds (1 s to 24 h).
    pub turn_us: u64,
    /// The least share of entries for late and returning visitors, in millionths (0 to 1,000,000).
    pub late_share_ppm: u64,
    /// How long a pass lasts without being used, in microseconds (1 s to 24 h).
    pub pass_idle_us: u64,
    /// How many times somebody may come back in after idling out (0 to 13).
    pub returns: u64,
    /// How many of those present may wait at once; further visitors are told that the line is full.
    pub line_max: u64,
    /// The share of failed or slow responses at which the guard slows the pace, in millionths (1 to 1,000,000); 0
    /// switches the guard off.
    #[serde(default)]
    pub guard_share_ppm: u64,
    /// How long the guard takes from a stopped pace back to the whole rate, in microseconds (1 s to 1 h).
    #[serde(default = "default_guard_recovery_us")]
    pub guard_recovery_us: u64,
    /// When the line opens, by the store's clock (microseconds since 1970); 0 for a line that is open.
    #[serde(default)]
    pub opens_at_us: u64,
    /// Places of those who came before the opening are drawn.
    #[serde(default)]
    pub draw: bool,
    /// When the mode becomes closed, by the store's clock (microseconds since 1970); 0 for never.
    #[serde(default)]
    pub closes_at_us: u64,
    /// While its store is away a replica goes on with its leased share of the pace, and the line withholds that.
    #[serde(default)]
    pub paced: bool,
}

impl Default for Settings {
    fn default() -> Self {
        Self {
            rate_per_hour: 7_200,
            active_max: NO_LIMIT,
            mode: Mode::Open,
            presence_us: 150_000_000,
            turn_us: 600_000_000,
            late_share_ppm: 500_000,
            pass_idle_us: 900_000_000,
            returns: 3,
            line_max: 1_000_000,
            guard_share_ppm: 500_000,
            guard_recovery_us: default_guard_recovery_us(),
            opens_at_us: 0,
            draw: false,
            closes_at_us: 0,
            paced: false,
        }
    }
}

fn default_guard_recovery_us() -> u64 {
    60_000_000
}
