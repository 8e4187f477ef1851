//! What lets a TLS session begun at one replica be resumed at another: session tickets, sealed by the keys of the file.
//!
//! ```text
//! key id 4 · period 4 · salt 16 · nonce 12 · AES-256-GCM of the session, tag 16 · all before the nonce is authenticated
//! key = HKDF-SHA256 of the file's key, expanded for this purpose, the period and the salt
//! ```
//!
//! Every session has a key of its own, by its salt: random nonces never come near the number at which AES-GCM would have
//! to stop (2³² under one key), whatever the number of replicas, and nobody has to count. Any key of the file opens;
//! the one that signs seals.
//!
//! **How long a session lives.** A period is 12 hours; what was sealed is opened in its own and the one after it (and the
//! one before, as clocks differ), so no ticket is good for more than a day. With each resumption a client gets a new
//! ticket. With TLS 1.3 that one has secrets of its own; with TLS 1.2 it holds the same session and the same secret again,
//! so that whoever comes back every day keeps one for as long as the keys are in the file.
//!
//! **What a stolen key file tells.** That bounds resumption, not what whoever takes the file can derive: with TLS 1.3, recorded connections stay closed to it (each resumption makes new
//! keys by Diffie-Hellman, and there is no early data); with TLS 1.2 a recorded ticket holds the secret of its
//! connection, for as long as the key is in a file. Rotating and pruning keys ends that.

use std::fmt;

use aws_lc_rs::aead;
use aws_lc_rs::aead::AES_256_GCM;
use aws_lc_rs::aead::Aad;
use aws_lc_rs::aead::LessSafeKey;
use aws_lc_rs::aead::NONCE_LEN;
use aws_lc_rs::aead::Nonce;
use aws_lc_rs::aead::UnboundKey;
use aws_lc_rs::hkdf;
use aws_lc_rs::hkdf::Prk;

use crate::seal::random;
use crate::seal::value::KeyId;

/// How long one ticket may be used to resume at least, in seconds; twice that is the most.
pub const SESSION_PERIOD_S: u32 = 12 * 60 * 60;

/// Longest session sealed or opened, in bytes. One without client certificates has some hundred.
pub(super) const SESSION_MAX: usize = 4 * 1024;

const PURPOSE: &[u8] = b"anteroom tls sessions";
const SALT_LEN: usize = 16;
/// Key id, period and salt.
pub(super) const HEAD_LEN: usize = 4 + 4 + SALT_LEN;

/// Seals and opens TLS sessions.
#[derive(Clone)]
pub struct SessionKeys {
    keys: Vec<(KeyId, Prk)>,
    /// Index of the one that seals.
    signer: usize,
}

/// The secret a key of the file has for sessions.
pub(super) fn secret(key: &[u8]) -> Prk {
    hkdf::Salt::new(hkdf::HKDF_SHA256, PURPOSE).extract(key)
}

impl SessionKeys {
    pub(super) fn new(keys: Vec<(KeyId, Prk)>, signer: usize) -> Self {
        Self { keys, signer }
    }

    /// Seals a session, at this time in seconds since 1970; `None` when it is longer than any should be.
    #[must_use]
    pub fn seal(&self, now_s: u64, session: &[u8]) -> Option<Vec<u8>> {
        let (id, secret) = self.keys.get(self.signer)?;
        if session.len() > SESSION_MAX {
            return None;
        }
        let mut head = [0; HEAD_LEN];
        head[..4].copy_from_slice(&id.0.to_be_bytes());
        head[4..8].copy_from_slice(&period(now_s).to_be_bytes());
        head[8..].copy_from_slice(&random::bytes::<SALT_LEN>());
        let nonce: [u8; NONCE_LEN] = random::bytes();
        let mut sealed = session.to_vec();
        key(secret, &head)?
            .seal_in_place_append_tag(
                Nonce::assume_unique_for_key(nonce),
                Aad::from(head),
                &mut sealed,
            )
            .ok()?;
        Some([&head, &nonce[..], &sealed].concat())
    }

    /// Opens what any replica with one of these keys has sealed, at this time in seconds since 1970; `None` when it is
    /// anything else, or too old.
    #[must_use]
    pub fn open(&self, now_s: u64, sealed: &[u8]) -> Option<Vec<u8>> {
        if sealed.len() > HEAD_LEN + NONCE_LEN + SESSION_MAX + aead::MAX_TAG_LEN {
            return None;
        }
        let (head, rest) = sealed.split_first_chunk::<HEAD_LEN>()?;
        let (nonce, rest) = rest.split_first_chunk::<NONCE_LEN>()?;
        let [id, when] = [&head[..4], &head[4..8]]
            .map(|part| part.first_chunk().copied().map_or(0, u32::from_be_bytes));
        if period(now_s).abs_diff(when) > 1 {
            return None;
        }
        let (_, secret) = self.keys.iter().find(|(key, _)| key.0 == id)?;
        let mut session = rest.to_vec();
        let nonce = Nonce::assume_unique_for_key(*nonce);
        let len = key(secret, head)?
            .open_in_place(nonce, Aad::from(head), &mut session)
            .ok()?
            .len();
        session.truncate(len);
        Some(session)
    }
}

/// The number of the period that a time is in.
fn period(now_s: u64) -> u32 {
    u32::try_from(now_s / u64::from(SESSION_PERIOD_S)).unwrap_or(u32::MAX)
}

/// The key of one session.
fn key(secret: &Prk, head: &[u8; HEAD_LEN]) -> Option<LessSafeKey> {
    let info = [PURPOSE, &head[..]];
    let key = secret.expand(&info, &AES_256_GCM).ok()?;
    Some(LessSafeKey::new(UnboundKey::from(key)))
}

impl fmt::Debug for SessionKeys {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let ids: Vec<_> = self.keys.iter().map(|(id, _)| id).collect();
        f.debug_struct("SessionKeys").field("keys", &ids).finish()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::seal::KeyRing;
    use crate::seal::SecretKey;

    const NOW: u64 = 1_795_000_000;
    const PERIOD: u64 = SESSION_PERIOD_S as u64;

    fn keys(ids: &[u32]) -> SessionKeys {
        let key = |id: &u32| SecretKey::new(KeyId(*id), [u8::try_from(*id).unwrap(); 32]);
        let keys: Vec<_> = ids.iter().map(key).collect();
        KeyRing::try_new(&keys).unwrap().sessions()
    }

    #[test]
    fn replicas_with_one_key_in_common_open_what_it_sealed_until_it_is_dropped() {
        let session = b"a session";
        let sealed = keys(&[1]).seal(NOW, session).unwrap();
        for others in [&[1][..], &[1, 2], &[0, 1, 2]] {
            assert_eq!(keys(others).open(NOW, &sealed).unwrap(), session);
        }
        assert_eq!(keys(&[2]).open(NOW, &sealed), None);
        let rotated = keys(&[1, 2]).seal(NOW, session).unwrap();
        assert_eq!(keys(&[1]).open(NOW, &rotated), None);
        assert_eq!(keys(&[2]).open(NOW, &rotated).unwrap(), session);
    }

    #[test]
    fn a_session_is_opened_for_half_a_day_and_no_longer_than_a_day() {
        let start = NOW - NOW % PERIOD;
        let keys = keys(&[1]);
        for sealed_at in [start, start + PERIOD - 1] {
            let sealed = keys.seal(sealed_at, b"x").unwrap();
            for good in [
                start - PERIOD,
                start,
                start + PERIOD,
                start + 2 * PERIOD - 1,
            ] {
                assert!(keys.open(good, &sealed).is_some());
            }
            for bad in [0, start - PERIOD - 1, start + 2 * PERIOD, u64::MAX] {
                assert_eq!(keys.open(bad, &sealed), None);
            }
        }
    }

    #[test]
    fn nothing_but_what_was_sealed_is_opened() {
        let keys = keys(&[1]);
        let sealed = keys.seal(NOW, b"a session").unwrap();
        for at in 0..sealed.len() {
            let mut forged = sealed.clone();
            forged[at] ^= 1;
            assert_eq!(keys.open(NOW, &forged), None, "{at}");
            assert_eq!(keys.open(NOW, &sealed[..at]), None, "{at}");
        }
        // The period of another time, neither too early nor too late.
        let mut moved = sealed.clone();
        let later = period(NOW) + 1;
        moved[4..8].copy_from_slice(&later.to_be_bytes());
        assert_eq!(keys.open(NOW, &moved), None);
        assert_ne!(sealed, keys.seal(NOW, b"a session").unwrap());
        assert!(keys.seal(NOW, &[0; SESSION_MAX]).is_some());
        assert_eq!(keys.seal(NOW, &[0; SESSION_MAX + 1]), None);
        assert_eq!(keys.open(NOW, &[0; 65_535]), None);
    }
}
