//! Any bytes as an answer of the script: it is read to its last byte, or not at all.

use crate::store::redis::wire;

/// An answer.
pub(crate) fn answer(bytes: &[u8]) {
    let Ok(read) = wire::answer(bytes) else {
        return;
    };
    assert!(wire::answer(bytes).is_ok_and(|again| again == read));
    let rows = read.keyed.len()
        + read.standings.len()
        + read.entered.len()
        + read.finished.len()
        + read.turns.len()
        + read.stubs.len();
    assert!(rows * 8 <= bytes.len(), "more than was sent");
    let shorter = bytes
        .get(..bytes.len().saturating_sub(1))
        .unwrap_or_default();
    assert!(
        wire::answer(shorter).is_err(),
        "a byte less is an answer too"
    );
    assert!(
        wire::answer(&[bytes, &[0]].concat()).is_err(),
        "a byte more is an answer too"
    );
}
