//! The opening of a line: before it numbers are only issued, at it everybody who came is frozen as the early line.
//!
//! What is agreed of an opening is one small value, shown in every answer and reported by every replica, so that a store
//! that has lost it is given it back. Once open, a line stays open for as long as its epoch lasts, whatever clocks do.

use std::fmt;
use std::str::FromStr;

use serde::{Deserialize, Deserializer, Serialize, Serializer, de};

use crate::line::exchange::Exchange;
use crate::line::ids::ParseIdError;
use crate::line::settings::Mode;
use crate::line::settings::Settings;
use crate::line::state::Line;
use crate::line::state::Step;

/// The SHA-256 of a draw's seed, shown from the announcement on.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Commitment(pub [u8; 32]);

impl fmt::Display for Commitment {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.iter().try_for_each(|byte| write!(f, "{byte:02x}"))
    }
}

impl fmt::Debug for Commitment {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Commitment({self})")
    }
}

impl FromStr for Commitment {
    type Err = ParseIdError;

    fn from_str(text: &str) -> Result<Self, ParseIdError> {
        let digit = |byte: u8| match byte {
            b'0'..=b'9' => Ok(byte - b'0'),
            b'a'..=b'f' => Ok(byte - b'a' + 10),
            _ => Err(ParseIdError(64)),
        };
        let (pairs, rest) = text.as_bytes().as_chunks::<2>();
        if pairs.len() != 32 || !rest.is_empty() {
            return Err(ParseIdError(64));
        }
        let mut bytes = [0; 32];
        for (byte, &[high, low]) in bytes.iter_mut().zip(pairs) {
            *byte = digit(high)? << 4 | digit(low)?;
        }
        Ok(Self(bytes))
    }
}

impl Serialize for Commitment {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(self)
    }
}

impl<'de> Deserialize<'de> for Commitment {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let text = std::borrow::Cow::<'de, str>::deserialize(deserializer)?;
        text.parse().map_err(de::Error::custom)
    }
}

/// What is agreed of a line's opening.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Default, Serialize, Deserialize)]
pub struct Opening {
    /// When the line opens, by the store's clock (microseconds since 1970); 0 where nothing was announced.
    pub at_us: u64,
    /// Places of the early line are drawn; otherwise everybody keeps the order of arrival.
    pub draws: bool,
    /// Numbers up to this one were issued before an opening was announced, and stay what they are.
    pub after: u64,
    /// What the draw's seed must hash to: the first one told since this opening was announced.
    pub draw: Option<Commitment>,
    /// The last number issued before the line opened; `None` until then.
    pub early: Option<u64>,
}

impl Opening {
    /// An opening was announced and has not come yet: nobody is called or let in.
    #[must_use]
    pub fn is_awaited(&self) -> bool {
        self.at_us > 0 && self.early.is_none()
    }

    /// Of a line in which nobody has a number yet.
    pub(crate) fn of(settings: &Settings) -> Self {
        if settings.opens_at_us == 0 {
            return Self::default();
        }
        Self {
            at_us: settings.opens_at_us,
            draws: settings.draw,
            ..Self::default()
        }
    }
}

impl Line {
    /// Takes back what a store has lost of an opening, and the first commitment told.
    pub(crate) fn recall_opening(&mut self, exchange: &Exchange) {
        let (known, ours) = (exchange.known.opening, &mut self.opening);
        if known.at_us == 0 || ours.early.is_some() {
            return;
        }
        // Settings at revision 0 are nobody's: what was announced in this epoch has been lost with them.
        let lost = ours.at_us == 0 && self.revision == 0;
        if known.early.is_some() || lost {
            *ours = known;
        } else if (known.at_us, known.draws) == (ours.at_us, ours.draws) {
            ours.after = ours.after.min(known.after);
            ours.draw = ours.draw.or(known.draw);
        }
        self.tail = self.tail.max(self.opening.early.unwrap_or(0));
    }

    /// Follows settings that were just put in force: before the opening, another one replaces it.
    pub(crate) fn announce(&mut self) {
        let (settings, ours) = (&self.settings, &self.opening);
        let same = (settings.opens_at_us, settings.draw) == (ours.at_us, ours.draws);
        if same || ours.early.is_some() {
            return;
        }
        let after = if ours.at_us > 0 {
            ours.after
        } else {
            self.tail
        };
        let opening = Opening::of(settings);
        self.opening = if opening.at_us > 0 {
            Opening { after, ..opening }
        } else {
            opening
        };
    }

    /// Notes when in line time the opening comes, as long as it has not by the clock of the exchange before: a replica
    /// that is cut off from the store carries that time on, and line time itself stands still.
    pub(crate) fn foresee_opening(&mut self) {
        let ours = &self.opening;
        if ours.is_awaited() && self.clock_us < ours.at_us {
            self.opening_us = self.now_us + (ours.at_us - self.clock_us);
        }
    }

    /// Whether the line is about to open, so that stubs of whoever came before that are numbered first, and the others
    /// after. A draw without a commitment may take long: nobody waits for it.
    pub(crate) fn is_due_to_open(&self) -> bool {
        let ours = &self.opening;
        let settled = !ours.draws || ours.draw.is_some();
        ours.is_awaited() && settled && self.clock_us >= ours.at_us
    }

    /// Opens the line when its time has come; where there is somebody to draw, not before the seed is committed to.
    pub(crate) fn open(&mut self, step: &Step) {
        let ours = &self.opening;
        let unsettled = ours.draws && ours.draw.is_none() && self.tail > ours.after;
        if !ours.is_awaited() || step.healing || unsettled || self.clock_us < ours.at_us {
            return;
        }
        self.opening.early = Some(self.tail);
        // Everybody counts as present, and what was heard of indices says nothing about numbers.
        self.listen_us = self.now_us;
        self.slice_us = self.now_us;
        self.slice += 1;
        self.present.iter_mut().for_each(|slice| slice.reset());
        self.forget_places();
    }

    /// Ends booking when its time has come.
    pub(crate) fn close(&mut self) {
        let at_us = self.settings.closes_at_us;
        let over = matches!(self.settings.mode, Mode::Closed | Mode::SoldOut);
        if at_us > 0 && self.clock_us >= at_us && !over {
            self.set(Settings {
                mode: Mode::Closed,
                ..self.settings
            });
        }
    }
}
