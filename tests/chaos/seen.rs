//! What was seen from outside during a run: every answer to every visitor, every visit at the origin, every trouble.
//!
//! The checks read this and nothing else. Times are microseconds since the run began, on one clock of the test's own;
//! line times are those that tickets and passes carry.

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;

/// A generation of the line, and a ticket's own name, as they stand in signed values.
pub(crate) type Epoch = [u8; 16];
/// A ticket's id.
pub(crate) type Id = u128;

/// What a ticket says; read without its key, as anybody who holds one can.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Ticket {
    pub(crate) epoch: Epoch,
    pub(crate) number: u64,
    pub(crate) id: Id,
}

/// What a pass says.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Pass {
    pub(crate) epoch: Epoch,
    pub(crate) number: u64,
    pub(crate) id: Id,
    /// Line times, in microseconds.
    pub(crate) until_us: u64,
    pub(crate) entered_us: u64,
}

/// A ticket's or a pass's payload: version, kind, key id, a room's name, the payload, 32 bytes of signature.
fn payload(text: &str, kind: u8) -> Option<Vec<u8>> {
    let bytes = URL_SAFE_NO_PAD.decode(text).ok()?;
    let room = usize::from(*bytes.get(6)?);
    let end = bytes.len().checked_sub(32)?;
    let payload = bytes.get(7 + room..end)?.to_vec();
    (bytes.get(1) == Some(&kind)).then_some(payload)
}

fn word(bytes: &[u8], at: usize) -> Option<u64> {
    let word = bytes.get(at..at + 8)?;
    Some(u64::from_be_bytes(word.try_into().ok()?))
}

impl Ticket {
    /// Reads a ticket; a stub, which has no number yet, is none.
    pub(crate) fn read(text: &str) -> Option<Self> {
        let bytes = payload(text, 1)?;
        Some(Self {
            epoch: bytes.get(..16)?.try_into().ok()?,
            number: word(&bytes, 16)?,
            id: u128::from_be_bytes(bytes.get(24..40)?.try_into().ok()?),
        })
    }
}

/// Whether this is a stub: what a newcomer holds until there are numbers again.
pub(crate) fn is_stub(text: &str) -> bool {
    payload(text, 3).is_some()
}

impl Pass {
    /// Reads a pass.
    pub(crate) fn read(text: &str) -> Option<Self> {
        let bytes = payload(text, 2)?;
        Some(Self {
            epoch: bytes.get(..16)?.try_into().ok()?,
            number: word(&bytes, 16)?,
            id: u128::from_be_bytes(bytes.get(24..40)?.try_into().ok()?),
            until_us: word(&bytes, 48)?,
            entered_us: word(&bytes, 56)?,
        })
    }
}

/// What a visitor asked for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Call {
    /// `POST join`, or the first navigation of a browser.
    Join,
    /// `GET status`.
    Poll,
    /// `POST enter`.
    Enter,
    /// A page of the portal, with a pass.
    Page,
    /// `POST leave`.
    Leave,
}

/// An answer, as far as the checks need it.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub(crate) struct Answer {
    pub(crate) status: u16,
    /// The origin wrote it.
    pub(crate) from_origin: bool,
    pub(crate) state: String,
    pub(crate) number: Option<u64>,
    pub(crate) place: Option<u64>,
    /// The head.
    pub(crate) serving: Option<u64>,
    pub(crate) asked: bool,
    pub(crate) poll_ms: Option<u64>,
    pub(crate) ticket: Option<Ticket>,
    /// It brought a stub instead.
    pub(crate) stub: bool,
    pub(crate) pass: Option<Pass>,
}

/// Which process answered: a replica, and which of its lives it was in throughout.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub(crate) struct Life {
    pub(crate) replica: usize,
    pub(crate) life: u32,
}

/// One request and what came of it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Heard {
    pub(crate) sent_us: u64,
    pub(crate) got_us: u64,
    pub(crate) replica: usize,
    /// None when the replica was killed, started, stopped or drained meanwhile.
    pub(crate) life: Option<Life>,
    pub(crate) call: Call,
    /// Or why there was none.
    pub(crate) answer: Result<Answer, String>,
}

/// How a visitor behaves.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Kind {
    /// Polls as told, presses when called, follows at once.
    Steady,
    /// Closes the tab while waiting and never comes back.
    Vanishing,
    /// Goes away while waiting and comes back.
    Late,
    /// Sends old tickets, joins and presses again and again.
    Replaying,
    /// Uses its ticket in two browsers.
    Sharing,
    /// Polls far too fast.
    Hammering,
}

impl Kind {
    pub(crate) const ALL: [Self; 6] = [
        Self::Steady,
        Self::Vanishing,
        Self::Late,
        Self::Replaying,
        Self::Sharing,
        Self::Hammering,
    ];
}

/// How a visit ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum End {
    /// It was let in and saw what it came for.
    Served,
    /// It went away for good, as it meant to.
    Gone,
    /// It was still in line, or without a number, when the run was over.
    Waiting,
    /// It was told that its ticket has done its work.
    Spent,
}

/// A visitor and everything it was told.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Person {
    pub(crate) name: String,
    pub(crate) kind: Kind,
    pub(crate) end: End,
    pub(crate) heard: Vec<Heard>,
}

impl Person {
    /// Its answers, in the order they came.
    pub(crate) fn answers(&self) -> impl Iterator<Item = (&Heard, &Answer)> {
        let answered = |heard: &'_ Heard| heard.answer.is_ok();
        self.heard
            .iter()
            .filter(move |heard| answered(heard))
            .map(|heard| {
                let answer = heard.answer.as_ref();
                (heard, answer.expect("those without an answer are left out"))
            })
    }
}

/// A request as the origin saw it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Arrival {
    pub(crate) at_us: u64,
    /// `Anteroom-Visitor`; none when it named nobody.
    pub(crate) id: Option<Id>,
}

/// What a trouble touches, for the checks that make allowances.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Touches {
    /// The whole store, and it may have lost what it was told last.
    Loss,
    /// The store or its way to everybody: nothing is lost.
    Store,
    /// One replica, or its way to the store.
    Replica(usize),
    /// Everything: the machine was busy with something else.
    Machine,
    /// The origin, or the way to it.
    Origin,
    /// Which keys are known where.
    Keys,
    /// Nothing that may be noticed but the pace.
    Pace,
}

/// Something that went wrong or was changed, from its beginning until every replica was ready again.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Trouble {
    pub(crate) from_us: u64,
    pub(crate) until_us: u64,
    pub(crate) touches: Touches,
    pub(crate) what: String,
}

/// A rate, from when the first replica may have known of it until the last one went by another.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Rate {
    pub(crate) per_second: u64,
    pub(crate) from_us: u64,
    pub(crate) until_us: u64,
}

/// Everything that was seen of one run.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub(crate) struct Run {
    pub(crate) people: Vec<Person>,
    pub(crate) arrivals: Vec<Arrival>,
    pub(crate) troubles: Vec<Trouble>,
    pub(crate) rates: Vec<Rate>,
    /// How many entries somebody whose pass ran out may have after the first.
    pub(crate) returns: u64,
}

impl Run {
    /// The troubles of this sort that overlap this time.
    pub(crate) fn troubled(
        &self,
        from_us: u64,
        until_us: u64,
        is: impl Fn(Touches) -> bool,
    ) -> Option<&Trouble> {
        let mut all = self.troubles.iter();
        all.find(|t| is(t.touches) && t.from_us <= until_us && from_us <= t.until_us)
    }
}

#[cfg(test)]
mod tests {
    use anteroom::line::ids;
    use anteroom::seal;

    use super::*;

    #[test]
    fn signed_values_are_read_as_they_were_signed() {
        let ring = seal::KeyRing::random();
        let epoch = ids::Epoch {
            created_us: 5,
            nonce: ids::Nonce(7),
        };
        let ticket = seal::Ticket {
            epoch,
            number: 11,
            id: ids::TicketId(13),
            issued_us: 17,
            asked: true,
        };
        let text = ring.sign_ticket("main", &ticket);
        let read = Ticket::read(&text).unwrap();
        assert_eq!((read.number, read.id), (11, 13));
        assert_eq!(Pass::read(&text), None);
        let pass = seal::Pass {
            epoch,
            number: 11,
            id: ids::TicketId(13),
            signed_us: 19,
            until_us: 23,
            entered_us: 29,
        };
        let read_pass = Pass::read(&ring.sign_pass("main", &pass)).unwrap();
        assert_eq!((read_pass.until_us, read_pass.entered_us), (23, 29));
        assert_eq!((read_pass.number, read_pass.id), (11, 13));
        assert_eq!(read_pass.epoch, read.epoch);
        assert_eq!(Ticket::read("nonsense"), None);
    }
}
