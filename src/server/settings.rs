//! What an operator sets about the server, as plain data.

use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use arc_swap::ArcSwap;
use ipnet::IpNet;

use crate::proxy::Pace;
use crate::server::socket::UNSENT_MAX;

/// How many times shorter times are when there are nearly too many connections, how long at least and how long at most.
const HURRY: u32 = 10;
const HURRIED_MIN: Duration = Duration::from_secs(2);
const HURRIED_MAX: Duration = Duration::from_secs(10);
/// What the slowest mobile networks carry (bytes per second): nobody on one is taken for somebody who takes nothing.
const SLOWEST: u64 = 2 * 1024;
/// Within this a connection is looked at more than once.
const LOOKS: Duration = Duration::from_secs(3);

/// TLS that can be replaced while connections are open; new ones get the new one.
pub type SharedTls = Arc<ArcSwap<rustls::ServerConfig>>;

/// Where to listen, how many workers, and the bounds of each.
#[derive(Debug, Clone)]
pub struct ServerSettings {
    /// Addresses to listen on; every worker listens on all of them.
    pub listen: Vec<ListenSettings>,
    /// Worker threads (1 or more); usually one per core.
    pub workers: usize,
    /// Networks whose connections begin with a PROXY protocol header, and are refused without one.
    pub proxy_protocol: Vec<IpNet>,
    /// The bounds of each worker.
    pub limits: Limits,
}

/// One address to listen on.
#[derive(Debug, Clone)]
pub struct ListenSettings {
    /// The address. Port 0 lets the system choose one, the same for all workers.
    pub addr: SocketAddr,
    /// TLS, if connections to this address use it.
    pub tls: Option<SharedTls>,
    /// Whether requests that come here are only told to come again over TLS: the handler's to do, by
    /// [`crate::message::Peer::redirected`].
    pub redirects: bool,
}

/// The bounds of one worker.
#[derive(Debug, Clone, Copy)]
pub struct Limits {
    /// Connections open at once; further ones wait in the backlog.
    pub connections_max: usize,
    /// Requests in flight at once, bodies included; further ones are refused.
    pub in_flight_max: usize,
    /// Bytes of a request's head.
    pub head_bytes_max: usize,
    /// Requests in flight on one HTTP/2 connection.
    pub streams_max: u32,
    /// TLS handshake, or the first byte of a cleartext connection.
    pub handshake: Duration,
    /// From the first byte of a request's head to its last.
    pub head: Duration,
    /// Without a request on a connection.
    pub idle: Duration,
    /// Without the client taking a byte of an answer that it could take.
    pub send: Duration,
    /// Bytes per second that it has to take over time; 0 for any rate (see [`crate::proxy::Patience`]).
    pub send_rate_min: u64,
    /// Bytes of answers that wait in memory for clients over HTTP/2.
    pub held_max: u64,
    /// Once told to drain: for connections and requests that were on their way before anybody could know.
    pub last_call: Duration,
}

impl Default for Limits {
    fn default() -> Self {
        Self {
            connections_max: 65_536,
            in_flight_max: 32_768,
            head_bytes_max: 32 * 1024,
            streams_max: 128,
            handshake: Duration::from_secs(10),
            head: Duration::from_secs(15),
            idle: Duration::from_secs(75),
            send: Duration::from_secs(60),
            send_rate_min: 500,
            held_max: 256 * 1024 * 1024,
            last_call: Duration::from_secs(1),
        }
    }
}

impl Limits {
    /// What a client has to keep up while it takes an answer. The kernel tells that a client took something only in
    /// large pieces: their time comes on top.
    pub(super) fn taking(&self) -> Pace {
        self.taking_pieces_at(self.send_rate_min)
    }

    /// The same when there are nearly too many connections: that time is what the slowest networks need.
    pub(super) fn taking_hurried(&self) -> Pace {
        let rate = match self.send_rate_min {
            0 => 0,
            rate => rate.max(SLOWEST),
        };
        self.hurried().taking_pieces_at(rate)
    }

    fn taking_pieces_at(&self, rate: u64) -> Pace {
        let piece_ms = u64::from(UNSENT_MAX) * 1_000;
        let piece_ms = piece_ms.checked_div(rate).unwrap_or(0);
        Pace {
            pause: self.send.saturating_add(Duration::from_millis(piece_ms)),
            bytes_per_s: self.send_rate_min,
        }
    }

    /// What a client has to keep up while anything waits in memory for it over HTTP/2. Twice the time that a stream has,
    /// and a few looks at it: by then those are ended that can be ended by themselves.
    pub(super) fn holding(&self) -> Pace {
        Pace {
            pause: self.send.saturating_mul(2).saturating_add(LOOKS),
            bytes_per_s: self.send_rate_min,
        }
    }

    /// The same for a stream of HTTP/2 by itself, of which every byte is seen.
    pub(super) fn taking_stream(&self) -> Pace {
        Pace {
            pause: self.send,
            bytes_per_s: self.send_rate_min,
        }
    }

    /// The times when nearly as many connections are open as may be: whoever does nothing has to make room for whoever
    /// is not served at all.
    pub(super) fn hurried(&self) -> Self {
        let shorter = |time: Duration| (time / HURRY).clamp(time.min(HURRIED_MIN), HURRIED_MAX);
        Self {
            head: shorter(self.head),
            idle: shorter(self.idle),
            send: shorter(self.send),
            ..*self
        }
    }
}

impl ServerSettings {
    /// One worker per core, plain HTTP on these addresses, every bound at its default.
    pub fn plain(addrs: impl IntoIterator<Item = SocketAddr>) -> Self {
        let listen = addrs.into_iter().map(|addr| ListenSettings {
            addr,
            tls: None,
            redirects: false,
        });
        let workers = std::thread::available_parallelism().map_or(1, usize::from);
        Self {
            listen: listen.collect(),
            workers,
            proxy_protocol: Vec::new(),
            limits: Limits::default(),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn in_a_crowd_an_answer_that_is_not_taken_gets_the_time_of_the_slowest_network_and_no_more() {
        let limits = Limits::default();
        assert_eq!(limits.taking().pause, Duration::from_millis(191_072));
        let hurried = limits.taking_hurried();
        assert_eq!(hurried.pause, Duration::from_secs(6 + 32));
        assert_eq!(hurried.bytes_per_s, limits.send_rate_min);
        let by_pause = Limits {
            send_rate_min: 0,
            ..limits
        };
        assert_eq!(by_pause.taking_hurried().pause, Duration::from_secs(6));
    }
}
