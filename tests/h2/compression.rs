//! Header blocks that cannot be decoded (RFC 7541), which would leave the two tables of a connection in disagreement.

use crate::case::COMPRESSION_ERROR;
use crate::case::Case;
use crate::case::PROTOCOL_ERROR;
use crate::case::Want;
use crate::case::sends;
use crate::frames::AS_PROTOCOL;
use crate::wire::HEADERS;
use crate::wire::WHOLE;
use crate::wire::frame;
use crate::wire::integer;

const REQUEST: &[u8] = &[0x82, 0x86, 0x84, 0x41, 1, b'a'];

fn bad(name: &str, rfc: &'static str, field: &[u8]) -> Case {
    let block = [REQUEST, field].concat();
    let want = Want::GoAway(PROTOCOL_ERROR);
    sends(name, rfc, &[frame(HEADERS, WHOLE, 1, &block)], want)
        .otherwise(Want::GoAway(COMPRESSION_ERROR), AS_PROTOCOL)
}

fn number(first: u8, bits: u32, value: usize) -> Vec<u8> {
    let mut bytes = Vec::new();
    integer(&mut bytes, first, bits, value);
    bytes
}

/// A value whose name is this entry of the tables.
fn valued(first: u8, bits: u32, value: usize) -> Vec<u8> {
    [number(first, bits, value), b"\x01v".to_vec()].concat()
}

pub(crate) fn cases() -> Vec<Case> {
    [indices(), numbers(), strings()].concat()
}

fn indices() -> Vec<Case> {
    vec![
        bad("an index of nothing", "RFC 7541 §6.1", &[0x80]),
        bad(
            "an index beyond the tables",
            "RFC 7541 §2.3.3",
            &number(0x80, 7, 70),
        ),
        bad(
            "an index far beyond the tables",
            "RFC 7541 §2.3.3",
            &number(0x80, 7, 1_000_000),
        ),
        bad(
            "a name beyond the tables",
            "RFC 7541 §2.3.3",
            &valued(0x40, 6, 70),
        ),
        bad(
            "a name beyond the tables, not indexed",
            "RFC 7541 §2.3.3",
            &valued(0, 4, 70),
        ),
        bad(
            "a name beyond the tables, never indexed",
            "RFC 7541 §2.3.3",
            &valued(0x10, 4, 70),
        ),
        bad(
            "a table's size behind a field",
            "RFC 7541 §4.2",
            &number(0x20, 5, 1),
        ),
        sends(
            "a table beyond what was agreed",
            "RFC 7541 §6.3",
            &[frame(
                HEADERS,
                WHOLE,
                1,
                &[&number(0x20, 5, 4_097), REQUEST].concat(),
            )],
            Want::GoAway(PROTOCOL_ERROR),
        )
        .otherwise(Want::GoAway(COMPRESSION_ERROR), AS_PROTOCOL),
    ]
}

fn numbers() -> Vec<Case> {
    vec![
        bad(
            "an integer that never ends",
            "RFC 7541 §5.1",
            &[
                0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0x7f,
            ],
        ),
        bad(
            "an integer beyond 32 bits",
            "RFC 7541 §5.1",
            &[0xff, 0x80, 0x80, 0x80, 0x80, 0x80, 0x01],
        ),
        bad("an integer that breaks off", "RFC 7541 §5.1", &[0xff, 0x80]),
    ]
}

fn strings() -> Vec<Case> {
    vec![
        bad(
            "a string that breaks off",
            "RFC 7541 §5.2",
            &[0x00, 5, b'x', b'-', b'a'],
        ),
        bad(
            "a value that is missing",
            "RFC 7541 §6.2.2",
            &[0x00, 3, b'x', b'-', b'a'],
        ),
        // `x-test: test`, then padding of eight bits, of zeros, and the end of all strings amid it.
        bad(
            "padding of a whole byte",
            "RFC 7541 §5.2",
            &[
                0x00, 0x85, 0xf2, 0xb2, 0x4a, 0x84, 0xff, 0x84, 0x49, 0x50, 0x9f, 0xff,
            ],
        ),
        bad(
            "padding that is not the end's first bits",
            "RFC 7541 §5.2",
            &[
                0x00, 0x85, 0xf2, 0xb2, 0x4a, 0x84, 0xff, 0x83, 0x49, 0x50, 0x90,
            ],
        ),
        bad(
            "the end of all strings in a string",
            "RFC 7541 §5.2",
            &[
                0x00, 0x85, 0xf2, 0xb2, 0x4a, 0x84, 0xff, 0x88, 0x49, 0x52, 0x54, 0xff, 0xff, 0xff,
                0xff, 0xff,
            ],
        ),
    ]
}
