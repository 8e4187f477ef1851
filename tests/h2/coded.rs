//! Fields in every form that RFC 7541 has.

use crate::case::Case;
use crate::case::Want;
use crate::case::acts;
use crate::case::answer;
use crate::case::sends;
use crate::wire::HEADERS;
use crate::wire::WHOLE;
use crate::wire::block;
use crate::wire::frame;
use crate::wire::integer;
use crate::wire::text;

/// `GET`, `http` and `/` are the static table's entries 2, 6 and 4 (RFC 7541 Appendix A).
const INDEXED: &[u8] = &[0x82, 0x86, 0x84];

/// With the authority, which is the first of the dynamic table from then on.
fn request() -> Vec<u8> {
    let mut block = INDEXED.to_vec();
    // The static table's first entry is `:authority`.
    block.push(0x41);
    text(&mut block, b"a.example");
    block
}

fn and(more: &[u8]) -> Vec<u8> {
    [&request(), more].concat()
}

fn case(name: &str, rfc: &'static str, block: &[u8]) -> Case {
    sends(
        name,
        rfc,
        &[frame(HEADERS, WHOLE, 1, block)],
        Want::Answer(1, 200),
    )
}

/// A field in this form, with a name of its own unless the first byte names one.
fn form(first: u8, name: Option<&[u8]>) -> Vec<u8> {
    let mut field = vec![first];
    if let Some(name) = name {
        text(&mut field, name);
    }
    text(&mut field, b"v");
    field
}

pub(crate) fn cases() -> Vec<Case> {
    [forms(), tables(), long()].concat()
}

fn forms() -> Vec<Case> {
    vec![
        case("fields by index", "RFC 7541 §6.1", &request()),
        case(
            "a literal that is indexed, its name by index",
            "RFC 7541 §6.2.1",
            &and(&form(0x40 | 58, None)),
        ),
        case(
            "a literal that is indexed, its name new",
            "RFC 7541 §6.2.1",
            &and(&form(0x40, Some(b"x-new"))),
        ),
        case(
            "a literal that is not indexed, its name by index",
            "RFC 7541 §6.2.2",
            &and(&[&[0x0f, 58 - 15][..], b"\x01v"].concat()),
        ),
        case(
            "a literal that is not indexed, its name new",
            "RFC 7541 §6.2.2",
            &and(&form(0, Some(b"x-new"))),
        ),
        case(
            "a literal that is never indexed, its name by index",
            "RFC 7541 §6.2.3",
            &and(&[&[0x1f, 58 - 15][..], b"\x01v"].concat()),
        ),
        case(
            "a literal that is never indexed, its name new",
            "RFC 7541 §6.2.3",
            &and(&form(0x10, Some(b"x-new"))),
        ),
        case(
            "a field out of the dynamic table",
            "RFC 7541 §2.3.2",
            // The authority was indexed first, the new field second: it is entry 62.
            &and(&[form(0x40, Some(b"x-new")), vec![0x80 | 62]].concat()),
        ),
    ]
}

fn tables() -> Vec<Case> {
    let mut resized = Vec::new();
    integer(&mut resized, 0x20, 5, 0);
    integer(&mut resized, 0x20, 5, 4_096);
    vec![
        case(
            "a value in Huffman coding",
            "RFC 7541 §5.2",
            // `www.example.com` (RFC 7541 §C.4.1).
            &[
                INDEXED,
                &[
                    0x41, 0x8c, 0xf1, 0xe3, 0xc2, 0xe5, 0xf2, 0x3a, 0x6b, 0xa0, 0xab, 0x90, 0xf4,
                    0xff,
                ],
            ]
            .concat(),
        ),
        case(
            "a table that shrinks and grows",
            "RFC 7541 §4.2",
            &[&resized[..], &request()].concat(),
        ),
    ]
}

fn long() -> Vec<Case> {
    vec![
        case(
            "an integer of several bytes",
            "RFC 7541 §5.1",
            &and(&block(&[("x-long", &"v".repeat(1_337))])),
        ),
        case(
            "an entry that is larger than the table",
            "RFC 7541 §4.4",
            &and(&{
                let mut field = vec![0x40];
                text(&mut field, b"x-long");
                text(&mut field, &[b'v'; 5_000]);
                field
            }),
        ),
        acts(
            "a table that is kept between requests",
            "RFC 7541 §2.2",
            |client| {
                let mut first = vec![0x82, 0x86, 0x84, 0x41];
                text(&mut first, b"a.example");
                client.send(&frame(HEADERS, WHOLE, 1, &first));
                client.send(&frame(HEADERS, WHOLE, 3, &[0x82, 0x86, 0x84, 0x80 | 62]));
                match (answer(client, 1)?, answer(client, 3)?) {
                    ((200, _), (200, _)) => Ok(()),
                    other => Err(format!("{other:?}")),
                }
            },
        ),
    ]
}
