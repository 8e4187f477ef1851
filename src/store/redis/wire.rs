//! How an exchange and its answer are written between us and the script.
//!
//! An exchange is one string of fixed fields, one for the proposal, and then the lists' items, in columns that the script
//! hands to Redis in bulk. An answer is one string: fixed fields of eight bytes, big-endian, or of
//! hexadecimal text, then rows; Redis keeps that very string in case the answer gets lost.

use std::fmt::Display;

use redis::Cmd;

use crate::line::constants::settings_row;
use crate::line::exchange::Answer;
use crate::line::exchange::Counts;
use crate::line::exchange::Entered;
use crate::line::exchange::Exchange;
use crate::line::exchange::Measured;
use crate::line::exchange::Proposal;
use crate::line::exchange::Standing;
use crate::line::exchange::StubBlock;
use crate::line::exchange::StubSlice;
use crate::line::exchange::Turn;
use crate::line::exchange::Visitor;
use crate::line::ids::Epoch;
use crate::line::ids::KeyHash;
use crate::line::opening::Commitment;
use crate::line::opening::Opening;
use crate::line::settings::Mode;
use crate::line::settings::Settings;
use crate::store::StoreError;

/// The line's scalars as the script packs them; `answer.lua` has their names. Another release may have packed what is
/// read: what is new goes to the end, and nothing moves.
pub(crate) const STATE_FORMAT: &str = ">I8c16I8c32I8I8I8I8I8I8I8I8I8I8I8I8I8I8I8I8I8I8I8I8I8I8I8I8I8I8I8I8I8I8I8c32I8I8I8I8c96I8I8I8c40I8I8I8I8I8I8I8I8I8I8I8I8I8c64I8I8I8c48I8I8";
/// What the script remembers of the sets within them, each zero where a release did not know of it.
pub(crate) const DUE_FORMAT: &str = ">I8I8I8I8I8I8I8I8";
/// The answer's fixed fields as the script packs them; [`answer`] reads them.
pub(crate) const ANSWER_FORMAT: &str = ">I8I8c16I8I8I8I8I8I8I8I8I8I8I8I8I8I8I8I8I8I8I8I8I8I8I8I8I8I8I8I8c32I8I8I8I8I8I8I8I8I8I8I8I8I8I8I8I8I8c96I8I8I8I8";

/// An exchange's fixed fields as the script unpacks them; [`header`] writes them.
pub(crate) const EXCHANGE_FORMAT: &str =
    ">I8c16I8c32c16I8c16I8I8I8I8I8I8I8I8I8I8I8I8I8I8I8I8I8I8I8I8c24c96I8I8I8I8c16";
/// A slice of stubs, as the exchange carries it and the store keeps it.
pub(crate) const SLICE_FORMAT: &str = ">I8I8I8";
/// A block of numbered stubs, as the store keeps it and the answer carries it.
pub(crate) const BLOCK_FORMAT: &str = ">c16I8I8I8";
/// A lost stub, as the exchange carries it.
pub(crate) const LOST_FORMAT: &str = ">c16I8";
/// Length of a slice of stubs, as the exchange carries it and the store keeps it.
pub(crate) const SLICE_BYTES: usize = 24;
/// A proposal as the script unpacks it.
pub(crate) const PROPOSAL_FORMAT: &str = ">c32I8I8I8I8I8I8I8I8I8I8I8I8I8I8I8I8";
/// What is agreed of an opening, within the others: nothing is zeros.
pub(crate) const OPENING_FORMAT: &str = ">I8I8I8c64I8";
/// A seed that nobody committed to.
const NO_COMMITMENT: Commitment = Commitment([0; 32]);
/// The names that the codes of standings have in the script.
pub(crate) const STANDINGS: [&str; 8] = [
    "S_WAITING",
    "S_TURN",
    "S_LATE",
    "S_RETURNING",
    "S_ASKING",
    "S_INSIDE",
    "S_EXHAUSTED",
    "S_SPENT",
];

/// How many bytes a format of eight-byte numbers and texts packs.
pub(crate) fn bytes_of(format: &str) -> usize {
    let numbers = format.matches("I8").count() * 8;
    let texts = format.split('c').skip(1);
    let lengths = texts.map(|text| {
        text.split('I')
            .next()
            .and_then(|length| length.parse().ok())
    });
    numbers
        + lengths
            .map(|length| length.unwrap_or(0_usize))
            .sum::<usize>()
}

/// Adds the arguments of an exchange, at a time of the test's choosing or the server's.
pub(crate) fn add_exchange(
    cmd: &mut Cmd,
    clock_us: Option<u64>,
    store: KeyHash,
    exchange: &Exchange,
) {
    cmd.arg(header(clock_us, store, exchange));
    cmd.arg(exchange.proposal.as_ref().map(proposal).unwrap_or_default());
    add_lists(cmd, exchange);
}

/// The fixed fields: numbers of eight bytes, big-endian, and identifiers as text. What there is none of is zero.
fn header(clock_us: Option<u64>, store: KeyHash, exchange: &Exchange) -> Vec<u8> {
    let mut to = Vec::with_capacity(512);
    let known = &exchange.known;
    // The zero epoch was answered while there was none for certain: it is none.
    let epoch = known.epoch.unwrap_or_default();
    number(&mut to, clock_us.unwrap_or(0));
    text(&mut to, exchange.instance);
    number(&mut to, exchange.sequence);
    text(&mut to, store);
    text(&mut to, exchange.nonce);
    number(&mut to, epoch.created_us);
    text(&mut to, epoch.nonce);
    for value in [
        known.tail,
        known.head,
        known.now_us,
        known.turns,
        known.entries,
        known.finished,
        exchange.told_us,
        exchange.joins,
        exchange.stock.map_or(0, |stock| stock + 1),
        u64::from(exchange.sold_out),
        u64::from(exchange.leaving),
    ] {
        number(&mut to, value);
    }
    for length in [
        exchange.eager.len(),
        exchange.keyed.len(),
        exchange.heard.len(),
        exchange.asks.len(),
        exchange.checks.len(),
        exchange.more.len(),
        exchange.finishes.len(),
        exchange.unasks.len(),
        exchange.renewals.len(),
    ] {
        number(&mut to, length as u64);
    }
    for count in [
        exchange.origin.answered,
        exchange.origin.failed,
        exchange.origin.slow,
    ] {
        number(&mut to, count);
    }
    opening(&mut to, &known.opening);
    for value in [known.stubs, known.instances, exchange.stubs.len() as u64] {
        number(&mut to, value);
    }
    number(&mut to, exchange.origin.witnesses);
    for value in [known.lease_per_hour, known.withheld_per_hour] {
        number(&mut to, value);
    }
    to
}

/// Slices of stubs, one after the other, as the store keeps them.
fn slices(slices: &[StubSlice]) -> Vec<u8> {
    let mut to = Vec::with_capacity(slices.len() * SLICE_BYTES);
    for slice in slices {
        number(&mut to, slice.at_us);
        number(&mut to, slice.first);
        number(&mut to, slice.count);
    }
    to
}

/// The opening; what there is none of is zero.
fn opening(to: &mut Vec<u8>, opening: &Opening) {
    for value in [opening.at_us, u64::from(opening.draws), opening.after] {
        number(to, value);
    }
    // Written as the script itself writes nothing: all of it.
    text(to, opening.draw.unwrap_or(NO_COMMITMENT));
    number(to, opening.early.map_or(0, |early| early + 1));
}

fn proposal(proposal: &Proposal) -> Vec<u8> {
    let mut to = Vec::with_capacity(128);
    text(&mut to, proposal.content);
    number(&mut to, u64::from(proposal.changed));
    for value in settings_row(&proposal.settings) {
        number(&mut to, value);
    }
    to
}

fn number(to: &mut Vec<u8>, value: u64) {
    to.extend(value.to_be_bytes());
}

fn text(to: &mut Vec<u8>, id: impl Display) {
    to.extend(id.to_string().bytes());
}

/// Adds the lists, each field of theirs as a column.
fn add_lists(cmd: &mut Cmd, exchange: &Exchange) {
    let Exchange {
        eager,
        keyed,
        heard,
        asks,
        unasks,
        more,
        checks,
        renewals,
        finishes,
        ..
    } = exchange;
    let texts = |cmd: &mut Cmd, items: &mut dyn Iterator<Item = String>| {
        for item in items {
            cmd.arg(item);
        }
    };
    texts(cmd, &mut eager.iter().map(ToString::to_string));
    texts(cmd, &mut keyed.iter().map(ToString::to_string));
    for &number in heard {
        cmd.arg(number);
    }
    let finishing = || finishes.iter().map(|finish| &finish.visitor);
    let id = |visitor: &Visitor| visitor.id.to_string();
    let visitors = asks.iter().chain(checks).chain(finishing()).chain(unasks);
    texts(cmd, &mut visitors.map(id));
    texts(cmd, &mut renewals.iter().map(|r| r.id.to_string()));
    // Numbers are members of sorted sets, whose order is that of their text.
    let number = |number: u64| format!("{number:010}");
    let of = |visitor: &Visitor| number(visitor.number);
    texts(cmd, &mut asks.iter().chain(checks).map(of));
    texts(cmd, &mut more.iter().map(|&n| number(n)));
    texts(cmd, &mut finishing().chain(unasks).map(of));
    for until_us in renewals.iter().map(|renewal| renewal.until_us) {
        cmd.arg(until_us);
    }
    for entered_us in renewals.iter().map(|renewal| renewal.entered_us) {
        cmd.arg(entered_us);
    }
    for until_us in finishes.iter().map(|finish| finish.until_us) {
        cmd.arg(until_us);
    }
    if !exchange.stubs.is_empty() {
        cmd.arg(slices(&exchange.stubs));
    }
    if !exchange.lost.is_empty() {
        let mut to = Vec::with_capacity(exchange.lost.len() * bytes_of(LOST_FORMAT));
        for lost in &exchange.lost {
            text(&mut to, lost.instance);
            self::number(&mut to, lost.index);
        }
        cmd.arg(to);
    }
}

/// Reads an answer.
///
/// # Errors
/// [`StoreError::Unreadable`] when it is not one the script of this release wrote.
pub(crate) fn answer(bytes: &[u8]) -> Result<Answer, StoreError> {
    let mut from = Reader(bytes);
    let sequence = from.number()?;
    let epoch = Epoch {
        created_us: from.number()?,
        nonce: from.id::<_, 16>()?,
    };
    let [
        healing,
        more,
        now_us,
        turn_now_us,
        tail,
        head,
        first,
        issued,
    ] = from.numbers()?;
    let [entries, turns_to, finished_to, slice] = from.numbers()?;
    let settings = settings(from.numbers()?)?;
    let revision = from.number()?;
    let content = from.id::<_, 32>()?;
    let counts = counts(from.numbers()?);
    let [delay_us, share_ppm, effective_rate_per_hour, stock] = from.numbers()?;
    let [keyed_n, standing_n, entered_n, finished_n, turns_n] = from.numbers()?;
    let [held_back_ppm, clock_us] = from.numbers()?;
    let opening = read_opening(&mut from)?;
    let [stubs_n, stubs_to] = from.numbers()?;
    let [lease_per_hour, withheld_per_hour] = from.numbers()?;
    let answer = Answer {
        sequence,
        epoch,
        healing: healing != 0,
        more: more != 0,
        now_us,
        turn_now_us,
        tail,
        head,
        first,
        issued,
        keyed: from.rows(keyed_n, Reader::number)?,
        standings: from.rows(standing_n, standing)?,
        entered: from.rows(entered_n, entered_row)?,
        entries,
        finished: from.rows(finished_n, entered_row)?,
        finished_to,
        turns: from.rows(turns_n, turn_row)?,
        turns_to,
        slice,
        settings,
        revision,
        content,
        counts,
        measured: Measured {
            delay_us,
            share_ppm,
            effective_rate_per_hour,
            held_back_ppm,
        },
        stock: stock.checked_sub(1),
        clock_us,
        opening,
        stubs: from.rows(stubs_n, block_row)?,
        stubs_to,
        lease_per_hour,
        withheld_per_hour,
    };
    from.end().map(|()| answer)
}

fn read_opening(from: &mut Reader<'_>) -> Result<Opening, StoreError> {
    let [at_us, draws, after] = from.numbers()?;
    let draw: Commitment = from.id::<_, 64>()?;
    let early = from.number()?;
    Ok(Opening {
        at_us,
        draws: draws != 0,
        after,
        draw: Some(draw).filter(|&draw| draw != NO_COMMITMENT),
        early: early.checked_sub(1),
    })
}

fn counts(row: [u64; 6]) -> Counts {
    let [inside, asking, asking_late, turns, entered, instances] = row;
    Counts {
        inside,
        asking,
        asking_late,
        turns,
        entered,
        instances,
    }
}

fn settings(row: [u64; 15]) -> Result<Settings, StoreError> {
    let [
        rate_per_hour,
        active_max,
        mode,
        presence_us,
        turn_us,
        late_share_ppm,
        pass_idle_us,
        returns,
        line_max,
        guard_share_ppm,
        guard_recovery_us,
        opens_at_us,
        draw,
        closes_at_us,
        paced,
    ] = row;
    Ok(Settings {
        rate_per_hour,
        active_max,
        mode: Mode::from_code(mode).ok_or(StoreError::Unreadable("no such mode"))?,
        presence_us,
        turn_us,
        late_share_ppm,
        pass_idle_us,
        returns,
        line_max,
        guard_share_ppm,
        guard_recovery_us,
        opens_at_us,
        draw: draw != 0,
        closes_at_us,
        paced: paced != 0,
    })
}

fn standing(from: &mut Reader<'_>) -> Result<Standing, StoreError> {
    let [code, until_us, entered_us] = from.numbers()?;
    Ok(match code {
        0 => Standing::Waiting,
        1 => Standing::Turn { until_us },
        2 => Standing::Late,
        3 => Standing::Returning,
        4 => Standing::Asking,
        5 => Standing::Inside {
            until_us,
            entered_us,
        },
        6 => Standing::Exhausted { until_us },
        7 => Standing::Spent,
        _ => return Err(StoreError::Unreadable("no such standing")),
    })
}

fn entered_row(from: &mut Reader<'_>) -> Result<Entered, StoreError> {
    Ok(Entered {
        id: from.id::<_, 32>()?,
        until_us: from.number()?,
    })
}

fn turn_row(from: &mut Reader<'_>) -> Result<Turn, StoreError> {
    let [number, until_us] = from.numbers()?;
    Ok(Turn { number, until_us })
}

fn block_row(from: &mut Reader<'_>) -> Result<StubBlock, StoreError> {
    let instance = from.id::<_, 16>()?;
    let [first, count, number] = from.numbers()?;
    Ok(StubBlock {
        instance,
        first,
        count,
        number,
    })
}

/// What is left of an answer to read.
struct Reader<'a>(&'a [u8]);

impl Reader<'_> {
    fn bytes<const N: usize>(&mut self) -> Result<[u8; N], StoreError> {
        let (bytes, rest) = self
            .0
            .split_first_chunk::<N>()
            .ok_or(StoreError::Unreadable("it is too short"))?;
        self.0 = rest;
        Ok(*bytes)
    }

    fn number(&mut self) -> Result<u64, StoreError> {
        self.bytes().map(u64::from_be_bytes)
    }

    fn numbers<const N: usize>(&mut self) -> Result<[u64; N], StoreError> {
        let mut numbers = [0; N];
        for number in &mut numbers {
            *number = self.number()?;
        }
        Ok(numbers)
    }

    fn id<T: std::str::FromStr, const N: usize>(&mut self) -> Result<T, StoreError> {
        let bytes = self.bytes::<N>()?;
        std::str::from_utf8(&bytes)
            .ok()
            .and_then(|text| text.parse().ok())
            .ok_or(StoreError::Unreadable("an identifier is not one"))
    }

    fn rows<T>(
        &mut self,
        length: u64,
        row: impl Fn(&mut Self) -> Result<T, StoreError>,
    ) -> Result<Vec<T>, StoreError> {
        (0..length).map(|_| row(self)).collect()
    }

    fn end(&self) -> Result<(), StoreError> {
        match self.0 {
            [] => Ok(()),
            _ => Err(StoreError::Unreadable("it is too long")),
        }
    }
}
