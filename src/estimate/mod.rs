//! How long a visitor is going to wait: a range, and a window on the clock that stays where it is.
//!
//! Pure: times are arguments. A replica feeds an [`Estimator`] from its exchanges and publishes its [`Forecast`];
//! polls read that. Times are microseconds: line time for measuring, wall-clock time (since 1970) for what is shown.

/// How the window has moved lately.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Default)]
pub enum Trend {
    /// It stays, or came nearer a little.
    #[default]
    Steady,
    /// It had to be moved to later than was said before.
    Slower,
    /// It could be moved to clearly earlier.
    Faster,
}

impl Trend {
    /// Its name in the status.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Self::Steady => "steady",
            Self::Slower => "slower",
            Self::Faster => "faster",
        }
    }
}

/// How long until a place is called.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct Wait {
    /// There is something to say; when not, the other fields are 0.
    pub known: bool,
    /// The shortest it may take, in seconds.
    pub lo_s: u64,
    /// The longest it is expected to take, in seconds; above [`Wait::LONG_S`] the page says "more than".
    pub hi_s: u64,
    /// The window's beginning on the wall clock, in microseconds since 1970.
    pub from_us: i64,
    /// The window's end on the wall clock, in microseconds since 1970.
    pub to_us: i64,
    /// How the window has moved lately.
    pub trend: Trend,
}

impl Wait {
    /// Nothing is known yet, or nothing moves.
    pub const UNKNOWN: Self = Self {
        known: false,
        lo_s: 0,
        hi_s: 0,
        from_us: 0,
        to_us: 0,
        trend: Trend::Steady,
    };

    /// Beyond this many seconds a wait has no upper end.
    pub const LONG_S: u64 = 3 * 3600;

    /// Known, and over within five minutes.
    #[must_use]
    pub fn is_near(&self) -> bool {
        self.known && self.hi_s <= 300
    }

    /// Known, and longer than is worth telling in minutes.
    #[must_use]
    pub fn is_long(&self) -> bool {
        self.known && self.hi_s > Self::LONG_S
    }
}

/// What a replica saw of its line at one moment.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct Sample {
    /// Line time, in microseconds.
    pub now_us: u64,
    /// The wall clock at that moment, in microseconds since 1970.
    pub wall_us: i64,
    /// The last number called.
    pub head: u64,
    /// The highest number issued.
    pub tail: u64,
    /// The pace set, in entries per hour; 0 while nobody is let in (paused, closed, or the origin is in trouble).
    pub rate_per_hour: u64,
}
