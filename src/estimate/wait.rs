//! A wait as it is told: a range, a window on the clock, and whether it has moved.

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
