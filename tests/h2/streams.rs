//! What a stream may see in which state, its number, how many there may be, and priorities (RFC 9113 §5).

use crate::case::Case;
use crate::case::PROTOCOL_ERROR;
use crate::case::REFUSED_STREAM;
use crate::case::STREAM_CLOSED;
use crate::case::Want;
use crate::case::acts;
use crate::case::answer;
use crate::case::sends;
use crate::frames::AS_CONNECTION;
use crate::front::STREAMS_MAX;
use crate::wire::CONTINUATION;
use crate::wire::Client;
use crate::wire::DATA;
use crate::wire::END_HEADERS;
use crate::wire::END_STREAM;
use crate::wire::HEADERS;
use crate::wire::RST_STREAM;
use crate::wire::WHOLE;
use crate::wire::WITH_PRIORITY;
use crate::wire::frame;
use crate::wire::get;
use crate::wire::head;
use crate::wire::post;
use crate::wire::priority;
use crate::wire::reset;
use crate::wire::window_update;

const STATES: &str = "RFC 9113 §5.1";
const NUMBERS: &str = "RFC 9113 §5.1.1";
const MANY: &str = "RFC 9113 §5.1.2";

const NOT_ABOVE: &str = "the number is not above the last, which RFC 9113 §5.1.1 has this code for";

/// A request whose answer takes long enough for its stream to be half-closed meanwhile: nothing of it may be sent yet.
const NO_WINDOW: &[(u16, u32)] = &[(4, 0)];

pub(crate) fn cases() -> Vec<Case> {
    [idle(), half_closed(), closed(), numbers(), many()].concat()
}

fn idle() -> Vec<Case> {
    let bad = |name: &str, bytes| sends(name, STATES, &[bytes], Want::GoAway(PROTOCOL_ERROR));
    vec![
        bad("data before a request", frame(DATA, END_STREAM, 1, b"x")),
        bad("a reset before a request", reset(1, 8)),
        bad("a window before a request", window_update(1, 100)),
        bad(
            "the rest of a head before a request",
            frame(CONTINUATION, END_HEADERS, 1, &head("GET", "/x")),
        ),
        sends(
            "a priority before a request",
            STATES,
            &[priority(1, 0, 255), get(1, "/x")],
            Want::Answer(1, 200),
        ),
    ]
}

fn half_closed() -> Vec<Case> {
    let after = |name: &str, bytes: Vec<u8>, want| {
        sends(name, STATES, &[get(1, "/big/9000"), bytes], want).with(NO_WINDOW)
    };
    vec![
        after(
            "data after the end",
            frame(DATA, END_STREAM, 1, b"x"),
            Want::GoAway(PROTOCOL_ERROR),
        )
        .otherwise(Want::Reset(1, STREAM_CLOSED), AS_CONNECTION),
        after(
            "a head after the end",
            get(1, "/y"),
            Want::GoAway(PROTOCOL_ERROR),
        )
        .otherwise(Want::Reset(1, STREAM_CLOSED), AS_CONNECTION),
        after(
            "the rest of a head after the end",
            frame(CONTINUATION, END_HEADERS, 1, b""),
            Want::GoAway(PROTOCOL_ERROR),
        ),
        after(
            "a window after the end lets the answer come",
            window_update(1, 9_000),
            Want::Answer(1, 200),
        ),
        after(
            "a priority after the end",
            [priority(1, 0, 3), window_update(1, 9_000)].concat(),
            Want::Answer(1, 200),
        ),
        after("a reset after the end", reset(1, 8), Want::Goes),
    ]
}

fn closed() -> Vec<Case> {
    let reset_then = |name: &str, bytes: Vec<u8>, want| {
        let frames = [post(1, "/x"), reset(1, 8), bytes];
        sends(name, STATES, &frames, want)
    };
    vec![
        reset_then(
            "data after a reset",
            frame(DATA, END_STREAM, 1, b"x"),
            Want::Reset(1, STREAM_CLOSED),
        ),
        reset_then(
            "a head after a reset",
            get(1, "/y"),
            Want::GoAway(PROTOCOL_ERROR),
        )
        .otherwise(Want::GoAway(STREAM_CLOSED), NOT_ABOVE),
        reset_then(
            "the rest of a head after a reset",
            frame(CONTINUATION, END_HEADERS, 1, b""),
            Want::GoAway(PROTOCOL_ERROR),
        ),
        reset_then("a priority after a reset", priority(1, 0, 3), Want::Goes),
        reset_then("a window after a reset", window_update(1, 3), Want::Goes),
        reset_then("another reset", reset(1, 8), Want::Goes),
        acts("a window on a stream that is over", STATES, |client| {
            over(client, &window_update(1, 3))
        }),
        acts("a reset on a stream that is over", STATES, |client| {
            over(client, &reset(1, 8))
        }),
        acts("a priority on a stream that is over", STATES, |client| {
            over(client, &priority(1, 0, 3))
        }),
        acts("data on a stream that is over", STATES, |client| {
            over(client, &frame(DATA, END_STREAM, 1, b"x"))?;
            let told = client.find("a reset", |frame| frame.kind == RST_STREAM)?;
            match (told.stream, told.code()) {
                (1, STREAM_CLOSED) => Ok(()),
                other => Err(format!("{other:?}")),
            }
        }),
        acts("a head on a stream that is over", STATES, |client| {
            over(client, &get(1, "/y"))
        })
        .ends_with(PROTOCOL_ERROR)
        .otherwise(Want::GoAway(STREAM_CLOSED), NOT_ABOVE),
    ]
}

/// Has a request answered to its end, and sends more on its stream.
fn over(client: &mut Client, more: &[u8]) -> Result<(), String> {
    client.send(&get(1, "/x"));
    answer(client, 1)?;
    client.send(more);
    Ok(())
}

fn numbers() -> Vec<Case> {
    let bad =
        |name: &str, frames: &[Vec<u8>]| sends(name, NUMBERS, frames, Want::GoAway(PROTOCOL_ERROR));
    vec![
        bad("an even number", &[get(2, "/x")]),
        bad("a number below the last", &[get(5, "/x"), get(3, "/y")]),
        bad(
            "an even number after a good one",
            &[get(1, "/x"), get(4, "/y")],
        ),
        sends(
            "the largest number",
            NUMBERS,
            &[
                post(0x7fff_ffff, "/x"),
                frame(DATA, END_STREAM, 0x7fff_ffff, b"x"),
            ],
            Want::Answer(0x7fff_ffff, 200),
        )
        .nothing_after(),
    ]
}

fn many() -> Vec<Case> {
    let open = |count: u32| -> Vec<Vec<u8>> { (0..count).map(|n| post(2 * n + 1, "/x")).collect() };
    let last = 2 * STREAMS_MAX + 1;
    let mut too_many = open(STREAMS_MAX);
    too_many.push(get(last, "/x"));
    let mut freed = open(STREAMS_MAX);
    freed.push(reset(1, 8));
    freed.push(get(last, "/x"));
    let mut ended = open(STREAMS_MAX);
    ended.extend((0..STREAMS_MAX).map(|n| frame(DATA, END_STREAM, 2 * n + 1, b"x")));
    vec![
        sends(
            "one stream too many",
            MANY,
            &too_many,
            Want::Reset(last, REFUSED_STREAM),
        )
        .with(NO_WINDOW)
        .nothing_after(),
        sends(
            "a stream in the place of one cancelled",
            MANY,
            &freed,
            Want::Answer(last, 200),
        )
        .nothing_after(),
        sends(
            "as many streams as there may be",
            MANY,
            &ended,
            Want::Answer(2 * STREAMS_MAX - 1, 200),
        ),
    ]
}

/// Priorities have no meaning any more, and their form is still checked.
pub(crate) fn priorities() -> Vec<Case> {
    const PRIORITIES: &str = "RFC 9113 §5.3";
    let weighed = |on: u32, weight: u8| {
        let mut payload = on.to_be_bytes().to_vec();
        payload.push(weight);
        payload.extend(head("GET", "/x"));
        frame(HEADERS, WHOLE | WITH_PRIORITY, 1, &payload)
    };
    let answered = Want::Answer(1, 200);
    vec![
        sends("the least weight", PRIORITIES, &[weighed(0, 0)], answered),
        sends(
            "the greatest weight",
            PRIORITIES,
            &[weighed(0, 255)],
            answered,
        ),
        sends(
            "an exclusive dependency",
            PRIORITIES,
            &[weighed(0x8000_0000, 9)],
            answered,
        ),
        sends(
            "a dependency on a stream to come",
            PRIORITIES,
            &[weighed(7, 9)],
            answered,
        ),
        sends(
            "dependencies in a circle",
            PRIORITIES,
            &[priority(3, 5, 1), priority(5, 3, 1), get(1, "/x")],
            answered,
        ),
        sends(
            "a request that depends on itself",
            "RFC 7540 §5.3.1",
            &[weighed(1, 9)],
            Want::Reset(1, PROTOCOL_ERROR),
        ),
        sends(
            "a priority that depends on itself",
            "RFC 7540 §5.3.1",
            &[priority(1, 1, 9)],
            Want::Reset(1, PROTOCOL_ERROR),
        ),
    ]
}
