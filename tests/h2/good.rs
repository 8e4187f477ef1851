//! What is valid: every kind of frame and every form of a field as a client may send them.

use crate::case::Case;
use crate::case::FLOW_CONTROL_ERROR;
use crate::case::Want;
use crate::case::acts;
use crate::case::sends;
use crate::wire::ACK;
use crate::wire::CONTINUATION;
use crate::wire::DATA;
use crate::wire::END_HEADERS;
use crate::wire::END_STREAM;
use crate::wire::GOAWAY;
use crate::wire::HEADERS;
use crate::wire::PADDED;
use crate::wire::PING;
use crate::wire::WHOLE;
use crate::wire::WITH_PRIORITY;
use crate::wire::block;
use crate::wire::frame;
use crate::wire::get;
use crate::wire::head;
use crate::wire::post;
use crate::wire::priority;
use crate::wire::reset;
use crate::wire::settings;
use crate::wire::window_update;

const OK: Want = Want::Answer(1, 200);

fn whole(flags: u8, payload: &[u8]) -> Vec<u8> {
    frame(HEADERS, WHOLE | flags, 1, payload)
}

pub(crate) fn cases() -> Vec<Case> {
    [
        requests(),
        bodies(),
        heads(),
        heads_in_pieces(),
        fields(),
        own_settings(),
        frames(),
        talks(),
    ]
    .concat()
}

fn body(flags: u8, payload: &[u8]) -> Vec<u8> {
    frame(DATA, flags, 1, payload)
}

/// The head of a `POST` with more fields.
fn post_with(fields: &[(&str, &str)]) -> Vec<u8> {
    let head = [head("POST", "/x"), block(fields)].concat();
    frame(HEADERS, END_HEADERS, 1, &head)
}

/// A `GET` with more fields.
fn get_with(fields: &[(&str, &str)]) -> Vec<u8> {
    whole(0, &[head("GET", "/x"), block(fields)].concat())
}

fn requests() -> Vec<Case> {
    vec![
        sends("a request", "RFC 9113 §8.1", &[get(1, "/x")], OK),
        sends(
            "a request for a head",
            "RFC 9110 §9.3.2",
            &[frame(HEADERS, WHOLE, 1, &head("HEAD", "/x"))],
            OK,
        ),
        sends(
            "a request with a body",
            "RFC 9113 §8.1",
            &[post(1, "/x"), body(END_STREAM, b"hello")],
            OK,
        ),
    ]
}

fn bodies() -> Vec<Case> {
    let trailers = frame(HEADERS, WHOLE, 1, &block(&[("x-sum", "1")]));
    vec![
        sends(
            "a body in pieces",
            "RFC 9113 §6.1",
            &[post(1, "/x"), body(0, b"he"), body(END_STREAM, b"llo")],
            OK,
        ),
        sends(
            "a body with padding",
            "RFC 9113 §6.1",
            &[
                post(1, "/x"),
                body(END_STREAM | PADDED, b"\x05hello\0\0\0\0\0"),
            ],
            OK,
        ),
        sends(
            "a body of padding alone",
            "RFC 9113 §6.1",
            &[post(1, "/x"), body(END_STREAM | PADDED, &[3, 0, 0, 0])],
            OK,
        ),
        sends(
            "a body that ends with an empty frame",
            "RFC 9113 §6.1",
            &[post(1, "/x"), body(0, b"hello"), body(END_STREAM, b"")],
            OK,
        ),
        sends(
            "a body of the length it said",
            "RFC 9113 §8.1.1",
            &[
                post_with(&[("content-length", "4")]),
                body(0, b"ab"),
                body(END_STREAM, b"cd"),
            ],
            OK,
        ),
        sends(
            "a request with trailers",
            "RFC 9113 §8.1",
            &[post(1, "/x"), body(0, b"hello"), trailers.clone()],
            OK,
        ),
        sends(
            "trailers without a body",
            "RFC 9113 §8.1",
            &[post(1, "/x"), trailers],
            OK,
        ),
        sends(
            "a body that waits to be asked for",
            "RFC 9110 §10.1.1",
            &[
                post_with(&[("expect", "100-continue"), ("content-length", "2")]),
                body(END_STREAM, b"hi"),
            ],
            OK,
        ),
    ]
}

fn heads() -> Vec<Case> {
    let get_head = head("GET", "/x");
    let padded = [&[4], get_head.as_slice(), &[0; 4]].concat();
    let weighed = [&[0, 0, 0, 0, 200], get_head.as_slice()].concat();
    let both = [&[3, 0x80, 0, 0, 0, 255], get_head.as_slice(), &[0; 3]].concat();
    vec![
        sends(
            "a head with padding",
            "RFC 9113 §6.2",
            &[whole(PADDED, &padded)],
            OK,
        ),
        sends(
            "a head with a priority",
            "RFC 9113 §6.2",
            &[whole(WITH_PRIORITY, &weighed)],
            OK,
        ),
        sends(
            "a head with both",
            "RFC 9113 §6.2",
            &[whole(PADDED | WITH_PRIORITY, &both)],
            OK,
        ),
    ]
}

fn heads_in_pieces() -> Vec<Case> {
    let get_head = head("GET", "/x");
    let (first, rest) = get_head.split_at(10);
    let (second, third) = rest.split_at(10);
    vec![
        sends(
            "a head in two frames",
            "RFC 9113 §6.10",
            &[
                frame(HEADERS, END_STREAM, 1, first),
                frame(CONTINUATION, END_HEADERS, 1, rest),
            ],
            OK,
        ),
        sends(
            "a head in three frames",
            "RFC 9113 §6.10",
            &[
                frame(HEADERS, END_STREAM, 1, first),
                frame(CONTINUATION, 0, 1, second),
                frame(CONTINUATION, END_HEADERS, 1, third),
            ],
            OK,
        ),
        sends(
            "a head whose first and last frame are empty",
            "RFC 9113 §6.10",
            &[
                frame(HEADERS, END_STREAM, 1, b""),
                frame(CONTINUATION, 0, 1, &get_head),
                frame(CONTINUATION, END_HEADERS, 1, b""),
            ],
            OK,
        ),
    ]
}

fn fields() -> Vec<Case> {
    vec![
        sends(
            "two requests at once",
            "RFC 9113 §5",
            &[get(1, "/x"), get(3, "/y")],
            Want::Answer(3, 200),
        ),
        sends(
            "stream numbers left out",
            "RFC 9113 §5.1.1",
            &[get(1, "/x"), get(1_001, "/y")],
            Want::Answer(1_001, 200),
        ),
        sends(
            "cookies crumb by crumb",
            "RFC 9113 §8.2.3",
            &[get_with(&[("cookie", "a=1"), ("cookie", "b=2")])],
            OK,
        ),
        sends(
            "trailers announced",
            "RFC 9113 §8.2.2",
            &[get_with(&[("te", "trailers")])],
            OK,
        ),
        sends(
            "a host instead of an authority",
            "RFC 9113 §8.3.1",
            &[whole(
                0,
                &block(&[
                    (":method", "GET"),
                    (":scheme", "http"),
                    (":path", "/x"),
                    ("host", "a.example"),
                ]),
            )],
            OK,
        ),
        sends(
            "pseudo-headers in another order",
            "RFC 9113 §8.3",
            &[whole(
                0,
                &block(&[
                    (":path", "/x"),
                    (":authority", "a.example"),
                    (":scheme", "http"),
                    (":method", "GET"),
                ]),
            )],
            OK,
        ),
        sends(
            "options for the server itself",
            "RFC 9113 §8.3.1",
            &[whole(0, &head("OPTIONS", "*"))],
            OK,
        ),
    ]
}

fn own_settings() -> Vec<Case> {
    vec![
        sends(
            "settings of every kind",
            "RFC 9113 §6.5.2",
            &[
                settings(&[
                    (1, 100),
                    (2, 0),
                    (3, 10),
                    (4, 70_000),
                    (5, 20_000),
                    (6, 9_000),
                ]),
                settings(&[(1, 0)]),
            ],
            Want::Goes,
        ),
        sends(
            "settings without a value",
            "RFC 9113 §6.5",
            &[settings(&[])],
            Want::Goes,
        ),
        sends(
            "settings nobody knows",
            "RFC 9113 §6.5.2",
            &[settings(&[(0xff, 1), (0x0a0a, 0)])],
            Want::Goes,
        ),
    ]
}

fn frames() -> Vec<Case> {
    vec![
        sends(
            "a pong nobody asked for",
            "RFC 9113 §6.7",
            &[frame(PING, ACK, 0, b"12345678")],
            Want::Goes,
        ),
        sends(
            "windows that grow",
            "RFC 9113 §6.9",
            &[window_update(0, 1), post(1, "/x"), window_update(1, 1)],
            Want::Goes,
        ),
        sends(
            "a stream that is cancelled",
            "RFC 9113 §6.4",
            &[post(1, "/x"), reset(1, 8)],
            Want::Goes,
        ),
        sends(
            "a priority for a stream to come",
            "RFC 9113 §5.3.2",
            &[priority(3, 0, 15), get(1, "/x")],
            OK,
        ),
        sends(
            "a client that goes away is answered first",
            "RFC 9113 §6.8",
            &[get(1, "/x"), frame(GOAWAY, 0, 0, &[0; 8])],
            Want::GoAway(0),
        ),
    ]
}

fn talks() -> Vec<Case> {
    vec![
        acts(
            "a ping is answered with its data",
            "RFC 9113 §6.7",
            |client| {
                client.send(&frame(PING, 0, 0, b"\x00\xff bytes"));
                let pong = client.find("a pong", |frame| frame.kind == PING)?;
                let is_good =
                    pong.flags == ACK && pong.stream == 0 && pong.payload == b"\x00\xff bytes";
                if is_good {
                    Ok(())
                } else {
                    Err(format!("{pong:?}"))
                }
            },
        ),
        acts(
            "a large answer keeps within the windows",
            "RFC 9113 §6.9.1",
            |client| {
                client.send(&get(1, "/big/100000"));
                // The windows are 65,535 bytes at first: no more comes until they grow.
                let mut bytes = 0;
                while bytes < 65_535 {
                    let data = client.find("data", |frame| frame.kind == DATA)?;
                    bytes += data.payload.len();
                }
                client.send(&frame(PING, 0, 0, b"is there"));
                let next = client.find("a pong and no data", |frame| {
                    matches!(frame.kind, DATA | PING)
                })?;
                if bytes > 65_535 || next.kind == DATA {
                    return Err(format!("{bytes} bytes, and {next:?}"));
                }
                client.send(&[window_update(0, 50_000), window_update(1, 50_000)].concat());
                match answer_rest(client, bytes)? {
                    100_000 => Ok(()),
                    other => Err(format!("{other} bytes, not 100,000 ({FLOW_CONTROL_ERROR})")),
                }
            },
        ),
    ]
}

/// Reads data until the stream ends, and counts it to what came before.
fn answer_rest(client: &mut crate::wire::Client, before: usize) -> Result<usize, String> {
    let mut bytes = before;
    loop {
        let data = client.find("the rest", |frame| frame.kind == DATA)?;
        bytes += data.payload.len();
        if data.ends_stream() {
            return Ok(bytes);
        }
    }
}
