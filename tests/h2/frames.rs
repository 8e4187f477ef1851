//! How a connection begins, the form of frames, what is unknown, and error codes (RFC 9113 §3.4, §4, §5.4, §5.5, §7).

use crate::case::COMPRESSION_ERROR;
use crate::case::Case;
use crate::case::FRAME_SIZE_ERROR;
use crate::case::PROTOCOL_ERROR;
use crate::case::Play;
use crate::case::Want;
use crate::case::acts;
use crate::case::sends;
use crate::wire::ACK;
use crate::wire::CONTINUATION;
use crate::wire::DATA;
use crate::wire::END_HEADERS;
use crate::wire::END_STREAM;
use crate::wire::FRAME_MAX;
use crate::wire::GOAWAY;
use crate::wire::HEADERS;
use crate::wire::PING;
use crate::wire::PREFACE;
use crate::wire::SETTINGS;
use crate::wire::WHOLE;
use crate::wire::frame;
use crate::wire::get;
use crate::wire::head;
use crate::wire::number;
use crate::wire::post;
use crate::wire::priority;
use crate::wire::reset;
use crate::wire::settings;
use crate::wire::window_update;

const FORM: &str = "RFC 9113 §4.1";
const SIZE: &str = "RFC 9113 §4.2";
const FIELDS: &str = "RFC 9113 §4.3";
const EXTENSIONS: &str = "RFC 9113 §5.5";

pub(crate) const AS_PROTOCOL: &str =
    "the library has one code for whatever is malformed; the connection ends all the same";

const NO_SETTINGS: &str = "the library goes by the values of RFC 9113 §6.5.2 until a client tells others, as it has to in any case";

pub(crate) const AS_CONNECTION: &str =
    "the library ends the connection instead of the stream, as RFC 9113 §5.4.1 allows";

pub(crate) fn cases() -> Vec<Case> {
    [begins(), forms(), sizes(), fields(), extensions(), codes()].concat()
}

fn begins() -> Vec<Case> {
    const BEGINS: &str = "RFC 9113 §3.4";
    let first = |name: &str, bytes: &[&[u8]], want| {
        Case::new(name, BEGINS, Play::First(bytes.concat()), want)
    };
    let hello = settings(&[(1, 0)]);
    vec![
        first(
            "a preface, and settings",
            &[PREFACE, &hello, &get(1, "/x")],
            Want::Answer(1, 200),
        ),
        first(
            "a request before the server's settings came",
            &[PREFACE, &hello, &get(1, "/x"), &get(3, "/y")],
            Want::Answer(3, 200),
        ),
        first(
            "a preface that goes wrong",
            &[b"PRI * HTTP/2.0\r\n\r\nXX\r\n\r\n", &hello],
            Want::End,
        ),
        first(
            "a preface of another version",
            &[b"PRI * HTTP/3.0\r\n\r\nSM\r\n\r\n", &hello],
            Want::End,
        ),
        first(
            "a preface without settings",
            &[PREFACE, &frame(PING, 0, 0, &[0; 8])],
            Want::Goes,
        )
        .otherwise(Want::GoAway(PROTOCOL_ERROR), NO_SETTINGS),
        first(
            "a request before settings",
            &[PREFACE, &get(1, "/x")],
            Want::Answer(1, 200),
        )
        .otherwise(Want::GoAway(PROTOCOL_ERROR), NO_SETTINGS),
        acts(
            "the server's settings come first and say its bounds",
            "RFC 9113 §6.5.2",
            |client| {
                let told = client.find("settings", |frame| {
                    frame.kind == SETTINGS && frame.flags & ACK == 0
                })?;
                let value = |id: u16| {
                    let values = told.payload.chunks_exact(6);
                    let mut found = values.filter(|value| value[..2] == id.to_be_bytes());
                    found.next().map(|value| number(value, 2))
                };
                // Streams at once, the largest header list, and no push to be enabled by a server.
                let bounds = (value(3), value(6).is_some(), value(2));
                match bounds {
                    (Some(crate::front::STREAMS_MAX), true, None) => Ok(()),
                    other => Err(format!("{other:?}")),
                }
            },
        ),
    ]
}

fn forms() -> Vec<Case> {
    let mut reserved = frame(PING, 0, 0, &[1; 8]);
    reserved[5] |= 0x80;
    let mut reserved_get = get(1, "/x");
    reserved_get[5] |= 0x80;
    vec![
        sends(
            "an unknown kind of frame is ignored",
            FORM,
            &[frame(0x16, 0, 0, &[0; 8])],
            Want::Goes,
        ),
        sends(
            "an unknown kind on an open stream is ignored",
            FORM,
            &[
                post(1, "/x"),
                frame(0x42, 0xff, 1, &[7; 100]),
                frame(DATA, END_STREAM, 1, b"hi"),
            ],
            Want::Answer(1, 200),
        ),
        sends(
            "flags without a meaning are ignored",
            FORM,
            &[frame(PING, 0x16, 0, &[0; 8])],
            Want::Goes,
        ),
        sends(
            "flags of another kind of frame are ignored",
            FORM,
            &[post(1, "/x"), frame(DATA, END_STREAM | 0x24, 1, b"hi")],
            Want::Answer(1, 200),
        ),
        sends("the reserved bit is ignored", FORM, &[reserved], Want::Goes),
        sends(
            "the reserved bit of a request is ignored",
            FORM,
            &[reserved_get],
            Want::Answer(1, 200),
        ),
    ]
}

fn sizes() -> Vec<Case> {
    let too_large = vec![0; FRAME_MAX + 1];
    vec![
        sends(
            "the largest frame",
            SIZE,
            &[
                post(1, "/x"),
                frame(DATA, END_STREAM, 1, &too_large[..FRAME_MAX]),
            ],
            Want::Answer(1, 200),
        ),
        sends(
            "data that is too large",
            SIZE,
            &[post(1, "/x"), frame(DATA, END_STREAM, 1, &too_large)],
            Want::GoAway(FRAME_SIZE_ERROR),
        ),
        sends(
            "a head that is too large for its frame",
            SIZE,
            &[frame(HEADERS, WHOLE, 1, &too_large)],
            Want::GoAway(FRAME_SIZE_ERROR),
        ),
        sends(
            "settings that are too large",
            SIZE,
            &[frame(SETTINGS, 0, 0, &[0; FRAME_MAX + 2])],
            Want::GoAway(FRAME_SIZE_ERROR),
        ),
        sends(
            "an unknown frame that is too large",
            SIZE,
            &[frame(0x16, 0, 0, &too_large)],
            Want::GoAway(FRAME_SIZE_ERROR),
        ),
    ]
}

fn fields() -> Vec<Case> {
    let open = frame(HEADERS, END_STREAM, 1, &head("GET", "/x"));
    let mut cases = vec![
        sends(
            "a block that is none",
            FIELDS,
            &[frame(HEADERS, WHOLE, 1, &[0x40])],
            Want::GoAway(PROTOCOL_ERROR),
        )
        .otherwise(Want::GoAway(COMPRESSION_ERROR), AS_PROTOCOL),
    ];
    for (what, between) in [
        ("a priority", priority(1, 0, 15)),
        ("a ping", frame(PING, 0, 0, &[0; 8])),
        ("settings", settings(&[])),
        ("a window", window_update(0, 1)),
        ("a reset", reset(1, 8)),
        ("data", frame(DATA, END_STREAM, 1, b"x")),
        ("another head", get(3, "/y")),
        (
            "the rest of another head",
            frame(CONTINUATION, END_HEADERS, 3, b""),
        ),
    ] {
        cases.push(sends(
            &format!("{what} amid a block"),
            FIELDS,
            &[
                open.clone(),
                between,
                frame(CONTINUATION, END_HEADERS, 1, b""),
            ],
            Want::GoAway(PROTOCOL_ERROR),
        ));
    }
    cases
}

fn extensions() -> Vec<Case> {
    vec![
        sends(
            "a frame of an extension",
            EXTENSIONS,
            &[frame(0xfe, 0, 5, b"extension")],
            Want::Goes,
        ),
        sends(
            "a frame of an extension amid a block",
            EXTENSIONS,
            &[
                frame(HEADERS, END_STREAM, 1, &head("GET", "/x")),
                frame(0xfe, 0, 1, b"extension"),
                frame(CONTINUATION, END_HEADERS, 1, b""),
            ],
            Want::GoAway(PROTOCOL_ERROR),
        ),
        sends(
            "priorities as RFC 9218 has them",
            EXTENSIONS,
            &[frame(0x10, 0, 0, b"\0\0\0\x01u=3"), get(1, "/x")],
            Want::Answer(1, 200),
        ),
    ]
}

fn codes() -> Vec<Case> {
    const CODES: &str = "RFC 9113 §7";
    vec![
        sends(
            "going away with a code nobody knows",
            CODES,
            &[frame(GOAWAY, 0, 0, &[0, 0, 0, 0, 0, 0, 0, 0xff])],
            Want::End,
        ),
        sends(
            "a reset with a code nobody knows",
            CODES,
            &[post(1, "/x"), reset(1, 0xff)],
            Want::Goes,
        ),
        acts(
            "an error of the connection is told before it ends",
            "RFC 9113 §5.4.1",
            |client| {
                // The stream before it is named as the last that was looked at.
                client.send(&[get(1, "/x"), frame(PING, 0, 1, &[0; 8])].concat());
                let told = client.find("going away", |frame| frame.kind == GOAWAY)?;
                if (number(&told.payload, 0), told.code()) != (1, PROTOCOL_ERROR) {
                    return Err(format!("{told:?}"));
                }
                Ok(())
            },
        )
        .ends(),
    ]
}
