//! The bounds at which a connection ends before its client is done with it, for whoever counts them.

/// Why a connection, or one response on it, was ended by us.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Ended {
    /// As many connections are open from its address as may be: it was closed as it came.
    Address,
    /// A request's head did not come in its time.
    HeadSlow,
    /// The client did not take what it had asked for.
    TakingSlow,
    /// It was to end, or to send the rest of a request that was answered, and its client did neither.
    Lingering,
    /// Too much waited in memory for its client, and for others.
    HoldsTooMuch,
}
