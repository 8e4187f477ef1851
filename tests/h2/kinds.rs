//! Every kind of frame where it does not belong, or not as it should be (RFC 9113 §6).

use crate::case::Case;
use crate::case::FLOW_CONTROL_ERROR;
use crate::case::FRAME_SIZE_ERROR;
use crate::case::PROTOCOL_ERROR;
use crate::case::Want;
use crate::case::acts;
use crate::case::answer;
use crate::case::sends;
use crate::frames::AS_CONNECTION;
use crate::frames::AS_PROTOCOL;
use crate::wire::ACK;
use crate::wire::CONTINUATION;
use crate::wire::DATA;
use crate::wire::END_HEADERS;
use crate::wire::END_STREAM;
use crate::wire::GOAWAY;
use crate::wire::HEADERS;
use crate::wire::PADDED;
use crate::wire::PING;
use crate::wire::PRIORITY;
use crate::wire::PUSH_PROMISE;
use crate::wire::RST_STREAM;
use crate::wire::SETTINGS;
use crate::wire::WHOLE;
use crate::wire::WINDOW_UPDATE;
use crate::wire::frame;
use crate::wire::get;
use crate::wire::head;
use crate::wire::post;
use crate::wire::reset;
use crate::wire::settings as values;
use crate::wire::window_update;

const BAD: Want = Want::GoAway(PROTOCOL_ERROR);

/// The connection ends; the letter has a code of its own for frames that are too short or too long.
fn of_wrong_size(name: &str, rfc: &'static str, frames: &[Vec<u8>]) -> Case {
    sends(name, rfc, frames, BAD).otherwise(Want::GoAway(FRAME_SIZE_ERROR), AS_PROTOCOL)
}

pub(crate) fn cases() -> Vec<Case> {
    [data_and_heads(), of_streams(), of_connections()].concat()
}

fn data_and_heads() -> Vec<Case> {
    let post = || post(1, "/x");
    let padding_is_all = [&[8][..], &head("GET", "/x")[..7]].concat();
    vec![
        sends(
            "data on no stream",
            "RFC 9113 §6.1",
            &[frame(DATA, END_STREAM, 0, b"x")],
            BAD,
        ),
        sends(
            "data with more padding than there is",
            "RFC 9113 §6.1",
            &[post(), frame(DATA, END_STREAM | PADDED, 1, b"\x06hello")],
            BAD,
        ),
        sends(
            "data whose padding is as long as itself",
            "RFC 9113 §6.1",
            &[post(), frame(DATA, END_STREAM | PADDED, 1, b"\x03\0\0")],
            BAD,
        ),
        sends(
            "padded data without the length of its padding",
            "RFC 9113 §6.1",
            &[post(), frame(DATA, END_STREAM | PADDED, 1, b"")],
            BAD,
        )
        .otherwise(Want::GoAway(FRAME_SIZE_ERROR), AS_PROTOCOL),
        sends(
            "a head on no stream",
            "RFC 9113 §6.2",
            &[frame(HEADERS, WHOLE, 0, &head("GET", "/x"))],
            BAD,
        ),
        sends(
            "a head with more padding than there is",
            "RFC 9113 §6.2",
            &[frame(HEADERS, WHOLE | PADDED, 1, &padding_is_all)],
            BAD,
        ),
    ]
}

fn of_streams() -> Vec<Case> {
    let post = || post(1, "/x");
    vec![
        sends(
            "a priority on no stream",
            "RFC 9113 §6.3",
            &[frame(PRIORITY, 0, 0, &[0; 5])],
            BAD,
        ),
        of_wrong_size(
            "a priority that is too short",
            "RFC 9113 §6.3",
            &[frame(PRIORITY, 0, 1, &[0; 4])],
        ),
        of_wrong_size(
            "a priority that is too long",
            "RFC 9113 §6.3",
            &[frame(PRIORITY, 0, 1, &[0; 6])],
        ),
        sends("a reset on no stream", "RFC 9113 §6.4", &[reset(0, 8)], BAD),
        sends(
            "a reset of a stream to come",
            "RFC 9113 §6.4",
            &[reset(3, 8)],
            BAD,
        ),
        of_wrong_size(
            "a reset that is too short",
            "RFC 9113 §6.4",
            &[post(), frame(RST_STREAM, 0, 1, &[0; 3])],
        ),
        of_wrong_size(
            "a reset that is too long",
            "RFC 9113 §6.4",
            &[post(), frame(RST_STREAM, 0, 1, &[0; 5])],
        ),
        sends(
            "a promise of a client",
            "RFC 9113 §8.4",
            &[
                post(),
                frame(
                    PUSH_PROMISE,
                    END_HEADERS,
                    1,
                    &[&[0, 0, 0, 2], head("GET", "/x").as_slice()].concat(),
                ),
            ],
            BAD,
        ),
    ]
}

fn of_connections() -> Vec<Case> {
    vec![
        sends(
            "a ping on a stream",
            "RFC 9113 §6.7",
            &[frame(PING, 0, 1, &[0; 8])],
            BAD,
        ),
        of_wrong_size(
            "a ping that is too short",
            "RFC 9113 §6.7",
            &[frame(PING, 0, 0, &[0; 6])],
        ),
        of_wrong_size(
            "a ping that is too long",
            "RFC 9113 §6.7",
            &[frame(PING, 0, 0, &[0; 9])],
        ),
        sends(
            "going away on a stream",
            "RFC 9113 §6.8",
            &[frame(GOAWAY, 0, 1, &[0; 8])],
            BAD,
        ),
        of_wrong_size(
            "going away too shortly",
            "RFC 9113 §6.8",
            &[frame(GOAWAY, 0, 0, &[0; 7])],
        ),
    ]
}

pub(crate) fn settings() -> Vec<Case> {
    const FORM: &str = "RFC 9113 §6.5";
    const VALUES: &str = "RFC 9113 §6.5.2";
    let bad = |name: &str, id, value| sends(name, VALUES, &[values(&[(id, value)])], BAD);
    vec![
        of_wrong_size(
            "an acknowledgement that says something",
            FORM,
            &[frame(SETTINGS, ACK, 0, &[0; 6])],
        ),
        sends(
            "settings on a stream",
            FORM,
            &[frame(SETTINGS, 0, 1, &[])],
            BAD,
        ),
        of_wrong_size(
            "settings of half a value",
            FORM,
            &[frame(SETTINGS, 0, 0, &[0; 7])],
        ),
        bad("pushes neither on nor off", 2, 2),
        bad("a window that is too large", 4, 0x8000_0000)
            .otherwise(Want::GoAway(FLOW_CONTROL_ERROR), AS_PROTOCOL),
        bad("frames that are too small", 5, 16_383),
        bad("frames that are too large", 5, 0x100_0000),
        sends(
            "settings that are acknowledged though nobody sent any",
            FORM,
            &[frame(SETTINGS, ACK, 0, &[])],
            BAD,
        ),
        acts(
            "the last of several values counts",
            "RFC 9113 §6.5.3",
            |client| {
                client.send(&[values(&[(4, 100), (4, 1)]), get(1, "/x")].concat());
                let data = client.find("data", |frame| frame.kind == DATA)?;
                if data.payload.len() != 1 {
                    return Err(format!("{} bytes", data.payload.len()));
                }
                client.send(&window_update(1, 1_000));
                answer(client, 1).map(|_| ())
            },
        ),
        acts("settings are acknowledged", "RFC 9113 §6.5.3", |client| {
            client.send(&values(&[(3, 7)]));
            let told = client.find("an acknowledgement", |frame| {
                frame.kind == SETTINGS && frame.flags & ACK != 0
            })?;
            if told.payload.is_empty() && told.stream == 0 {
                Ok(())
            } else {
                Err(format!("{told:?}"))
            }
        }),
    ]
}

pub(crate) fn windows() -> Vec<Case> {
    [growth(), limits(), first_windows()].concat()
}

fn growth() -> Vec<Case> {
    const FORM: &str = "RFC 9113 §6.9";
    vec![
        sends(
            "a connection's window that grows by nothing",
            FORM,
            &[window_update(0, 0)],
            BAD,
        ),
        sends(
            "a stream's window that grows by nothing",
            FORM,
            &[post(1, "/x"), window_update(1, 0)],
            BAD,
        )
        .otherwise(Want::Reset(1, PROTOCOL_ERROR), AS_CONNECTION),
        of_wrong_size(
            "a window's growth that is too short",
            FORM,
            &[frame(WINDOW_UPDATE, 0, 0, &[0; 3])],
        ),
        of_wrong_size(
            "a window's growth that is too long",
            FORM,
            &[frame(WINDOW_UPDATE, 0, 0, &[0; 5])],
        ),
    ]
}

fn limits() -> Vec<Case> {
    const LIMIT: &str = "RFC 9113 §6.9.1";
    const MOST: u32 = 0x7fff_ffff;
    vec![
        sends(
            "a connection's window beyond the most",
            LIMIT,
            &[window_update(0, MOST), window_update(0, MOST)],
            Want::GoAway(FLOW_CONTROL_ERROR),
        ),
        sends(
            "a stream's window beyond the most",
            LIMIT,
            &[
                post(1, "/x"),
                window_update(1, MOST),
                window_update(1, MOST),
            ],
            Want::Reset(1, FLOW_CONTROL_ERROR),
        ),
        sends(
            "a stream's window beyond the most by settings",
            "RFC 9113 §6.9.2",
            &[
                get(1, "/big/9"),
                window_update(1, MOST),
                values(&[(4, 100_000)]),
            ],
            Want::GoAway(FLOW_CONTROL_ERROR),
        )
        .with(&[(4, 0)]),
        acts("an answer byte by byte", LIMIT, |client| {
            client.send(&[values(&[(4, 1)]), get(1, "/big/3")].concat());
            for byte in 0..3 {
                let data = client.find("a byte", |frame| frame.kind == DATA)?;
                if data.payload.len() != 1 {
                    return Err(format!(
                        "{} bytes, not one, as byte {byte}",
                        data.payload.len()
                    ));
                }
                client.send(&window_update(1, 1));
            }
            Ok(())
        }),
    ]
}

fn first_windows() -> Vec<Case> {
    const FIRST: &str = "RFC 9113 §6.9.2";
    vec![
        acts(
            "a window that is made larger while it is used",
            FIRST,
            |client| {
                client.send(&[values(&[(4, 0)]), get(1, "/big/10")].concat());
                client.find("a head", |frame| frame.kind == HEADERS)?;
                client.send(&values(&[(4, 10)]));
                match answer_after_head(client)? {
                    10 => Ok(()),
                    other => Err(format!("{other} bytes")),
                }
            },
        ),
        acts(
            "a window that is made smaller than what was sent",
            FIRST,
            |client| {
                client.send(&[values(&[(4, 3)]), get(1, "/big/10")].concat());
                let first = client.find("three bytes", |frame| frame.kind == DATA)?;
                // Now it is two below nothing: growing by two lets nothing come, by one more one byte.
                client.send(&[values(&[(4, 1)]), window_update(1, 2)].concat());
                client.send(&frame(PING, 0, 0, b"so far??"));
                let next = client.find("nothing", |frame| matches!(frame.kind, DATA | PING))?;
                if first.payload.len() != 3 || next.kind == DATA {
                    return Err(format!("{first:?} {next:?}"));
                }
                client.send(&window_update(1, 1));
                let one = client.find("a byte", |frame| frame.kind == DATA)?;
                client.send(&window_update(1, 100));
                match (one.payload.len(), answer_after_head(client)?) {
                    (1, 6) => Ok(()),
                    other => Err(format!("{other:?} bytes")),
                }
            },
        ),
    ]
}

/// How many bytes come until the stream ends.
fn answer_after_head(client: &mut crate::wire::Client) -> Result<usize, String> {
    let mut bytes = 0;
    loop {
        let data = client.find("the rest", |frame| frame.kind == DATA)?;
        bytes += data.payload.len();
        if data.ends_stream() {
            return Ok(bytes);
        }
    }
}

pub(crate) fn continuations() -> Vec<Case> {
    const RFC: &str = "RFC 9113 §6.10";
    let begun = || frame(HEADERS, END_STREAM, 1, &head("GET", "/x"));
    let more = |stream| frame(CONTINUATION, END_HEADERS, stream, b"");
    vec![
        sends(
            "the rest of a head on no stream",
            RFC,
            &[begun(), more(0)],
            BAD,
        ),
        sends(
            "the rest of a head that has ended",
            RFC,
            &[get(1, "/x"), more(1)],
            BAD,
        ),
        sends(
            "the rest of a head that has ended with its rest",
            RFC,
            &[begun(), more(1), more(1)],
            BAD,
        ),
        sends(
            "the rest of a head after data",
            RFC,
            &[post(1, "/x"), frame(DATA, END_STREAM, 1, b"x"), more(1)],
            BAD,
        ),
        sends(
            "the rest of the head of another stream",
            RFC,
            &[begun(), more(3)],
            BAD,
        ),
    ]
}
