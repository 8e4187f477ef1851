//! Resumption of TLS sessions without state: at every replica that has the key file, and across reloads.

use rustls::server::ProducesTickets;

use crate::clock;
use crate::seal::SESSION_PERIOD_S;
use crate::seal::SessionKeys;

/// Makes rustls' session tickets with the keys of the key file.
#[derive(Debug)]
pub(super) struct Resumption(pub(super) SessionKeys);

impl ProducesTickets for Resumption {
    fn enabled(&self) -> bool {
        true
    }

    fn lifetime(&self) -> u32 {
        SESSION_PERIOD_S
    }

    fn encrypt(&self, plain: &[u8]) -> Option<Vec<u8>> {
        self.0.seal(now_s(), plain)
    }

    fn decrypt(&self, cipher: &[u8]) -> Option<Vec<u8>> {
        self.0.open(now_s(), cipher)
    }
}

fn now_s() -> u64 {
    clock::wall_us() / 1_000_000
}
