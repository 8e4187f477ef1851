//! What the programs for libFuzzer have in common.

/// Plays an input to the target of this name.
///
/// # Panics
/// When there is no such target, or it does not hold.
pub fn play(target: &str, bytes: &[u8]) {
    let found = anteroom::fuzz::target(target);
    found.expect("every program here has a target")(bytes);
}
