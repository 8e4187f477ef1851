//! The states a visitor can be in, as its page and its status name them.

/// What a visitor's page says; the names are part of the wire contract.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum State {
    /// The room opens later; everybody here waits for the opening.
    Early,
    /// In the line.
    Waiting,
    /// In the line, and to be called within about five minutes.
    Near,
    /// Called, and on time.
    Turn,
    /// Called while away, or the turn ran out: may still enter.
    Late,
    /// Asked to enter, and will be let in within seconds.
    Entering,
    /// Let in: the pass is there to be fetched.
    Entered,
    /// Was inside and idled out: may enter again.
    Returning,
    /// The operator has paused the room.
    Paused,
    /// The origin is in trouble, and nobody is let in meanwhile.
    Origin,
    /// The line takes nobody more; this visitor is not in it.
    Full,
    /// Nothing is left to book.
    SoldOut,
    /// Booking is over.
    Closed,
    /// The ticket or the code is not known here.
    Invalid,
    /// The ticket's line has ended.
    Expired,
    /// The place is open on another device.
    Moved,
    /// The browser keeps no cookies.
    Cookies,
    /// The visitor gave its place up.
    Left,
}

impl State {
    /// Every state.
    pub const ALL: [Self; 18] = [
        Self::Early,
        Self::Waiting,
        Self::Near,
        Self::Turn,
        Self::Late,
        Self::Entering,
        Self::Entered,
        Self::Returning,
        Self::Paused,
        Self::Origin,
        Self::Full,
        Self::SoldOut,
        Self::Closed,
        Self::Invalid,
        Self::Expired,
        Self::Moved,
        Self::Cookies,
        Self::Left,
    ];

    /// The state's name in the status, in `Anteroom-State` and in the keys of its texts.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Self::Early => "early",
            Self::Waiting => "waiting",
            Self::Near => "near",
            Self::Turn => "turn",
            Self::Late => "late",
            Self::Entering => "entering",
            Self::Entered => "entered",
            Self::Returning => "returning",
            Self::Paused => "paused",
            Self::Origin => "origin",
            Self::Full => "full",
            Self::SoldOut => "sold-out",
            Self::Closed => "closed",
            Self::Invalid => "invalid",
            Self::Expired => "expired",
            Self::Moved => "moved",
            Self::Cookies => "cookies",
            Self::Left => "left",
        }
    }

    /// The state of this name.
    #[must_use]
    pub fn parse(name: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|state| state.name() == name)
    }

    /// Nothing will change by waiting: a page in this state stops asking.
    #[must_use]
    pub fn is_final(self) -> bool {
        matches!(
            self,
            Self::Entered
                | Self::Full
                | Self::SoldOut
                | Self::Closed
                | Self::Invalid
                | Self::Expired
                | Self::Left
        )
    }

    /// The visitor has a place in the line that the page shows.
    #[must_use]
    pub fn has_place(self) -> bool {
        matches!(
            self,
            Self::Waiting | Self::Near | Self::Paused | Self::Origin | Self::Cookies
        )
    }
}

#[cfg(test)]
mod tests {
    use super::State;

    #[test]
    fn every_name_is_read_back_and_only_those() {
        for state in State::ALL {
            assert_eq!(State::parse(state.name()), Some(state));
        }
        assert_eq!(State::parse("Waiting"), None);
        assert_eq!(State::parse(""), None);
    }
}
