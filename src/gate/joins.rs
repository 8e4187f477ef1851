//! How many numbers newcomers from one network are given, and what those on top of it meet.
//!
//! A script that drops its cookies is a newcomer with each request. Its places cost those behind it nothing, since nobody
//! is there to be called; but a few seconds of it fill a line up to `line_max`, and then everybody else finds it full. So
//! what comes from one network is bounded, generously: behind one IPv4 address of a mobile network may be a thousand
//! phones, which all come in the minute of an opening, and a household or a phone with IPv6 has a /64 to itself (see
//! [`Network`]). Who rents a /48 has many of those; what comes from a /48 is bounded as well, so high that each /64 of it
//! may join.
//!
//! Each network has as many numbers as `max_joins_per_address` says; what is taken comes back evenly within
//! [`WINDOW_US`]. That is kept as one time per network and room, when all of them will be there again, in a table of fixed
//! size. Where it is full, whoever took least is forgotten, and may take more than it should: an attacker from more
//! networks than fit is not stopped by their number, but nobody is ever turned away for the joins of another.
//!
//! Only whoever would be given something new is concerned: no ticket, no stub and no pass is ever refused here, and no
//! poll counts. The workers of a replica count together, and each replica by itself.

use std::hash::BuildHasher;
use std::hash::RandomState;
use std::net::IpAddr;
use std::sync::Mutex;
use std::sync::MutexGuard;
use std::sync::PoisonError;
use std::time::Duration;
use std::time::Instant;

use http::HeaderValue;
use http::Response;
use http::StatusCode;
use http::header;

use crate::gate::Gate;
use crate::gate::reply;
use crate::gate::reply::Media;
use crate::gate::show;
use crate::gate::show::Look;
use crate::gate::visit::Visit;
use crate::message::Body;
use crate::message::Network;
use crate::page::Calm;
use crate::page::State;
use crate::seal;
use crate::telemetry::metrics::Turned;

/// Within this time everything a network took comes back, in microseconds.
const WINDOW_US: u64 = 600_000_000;
/// How many times as much comes from a /48 as from one of its networks.
const WIDE_TIMES: u64 = 16;
/// Networks remembered together, which displace one another.
const WAYS: usize = 8;
/// So many times.
const SETS: usize = 4_096;
/// Whoever is turned away comes back after so many seconds at least and at most, and up to as many again as at least.
const RETRY_S: std::ops::RangeInclusive<u64> = 10..=60;

/// What newcomers took of late, by room and network.
#[derive(Debug)]
pub struct Joins {
    began: Instant,
    /// Networks are of clients' choosing: nobody but us knows where one goes.
    hasher: RandomState,
    sets: Box<[Mutex<[Taken; WAYS]>]>,
}

/// What one network took in one room.
#[derive(Debug, Clone, Copy, Default)]
struct Taken {
    /// Which: a hash.
    key: u64,
    /// When nothing of it will be missing any more, in microseconds since the beginning.
    whole_us: u64,
}

impl Joins {
    /// Nobody took anything.
    #[must_use]
    pub fn new(now: Instant) -> Self {
        Self {
            began: now,
            hasher: RandomState::new(),
            sets: (0..SETS).map(|_| Mutex::default()).collect(),
        }
    }

    /// One more for somebody at this address; how long it has to wait where `max` are taken. Whoever is refused has taken
    /// nothing, neither of its network nor of the wide one.
    fn take(&self, room: &str, ip: IpAddr, max: u64, now: Instant) -> Option<Duration> {
        let network = Network::of(ip);
        let now_us = now.saturating_duration_since(self.began).as_micros();
        let now_us = u64::try_from(now_us).unwrap_or(u64::MAX / 2);
        let refused = self.of(room, network, max).take(now_us);
        let Some(wide) = network.wide().filter(|_| refused.is_none()) else {
            return refused;
        };
        // One lock at a time, or two who come at once could wait for each other: what was taken first is given back.
        let wait = self.of(room, wide, max * WIDE_TIMES).take(now_us)?;
        self.of(room, network, max).give_back();
        Some(wait)
    }

    fn of(&self, room: &str, network: Network, max: u64) -> Account<'_> {
        let key = self.hasher.hash_one((room, network));
        // The remainder is below SETS.
        let at = usize::try_from(key % SETS as u64).unwrap_or(0);
        Account {
            set: self.sets[at].lock().unwrap_or_else(PoisonError::into_inner),
            key,
            each_us: (WINDOW_US / max.max(1)).max(1),
        }
    }
}

/// What one network took in one room, while nobody else looks at it.
struct Account<'a> {
    set: MutexGuard<'a, [Taken; WAYS]>,
    key: u64,
    /// The time in which one comes back, in microseconds.
    each_us: u64,
}

impl Account<'_> {
    fn held(&mut self) -> Option<&mut Taken> {
        let key = self.key;
        self.set.iter_mut().find(|taken| taken.key == key)
    }

    /// One more; how long it has to wait where there is none.
    fn take(&mut self, now_us: u64) -> Option<Duration> {
        let (key, each_us) = (self.key, self.each_us);
        let held = self.held();
        let whole_us = held.as_ref().map_or(now_us, |held| held.whole_us);
        let whole_us = whole_us.max(now_us) + each_us;
        if let Some(late_us) = whole_us
            .checked_sub(now_us + WINDOW_US)
            .filter(|&late_us| late_us > 0)
        {
            return Some(Duration::from_micros(late_us));
        }
        let taken = Taken { key, whole_us };
        if let Some(held) = held {
            *held = taken;
        } else if let Some(place) = self.set.iter_mut().min_by_key(|taken| taken.whole_us) {
            *place = taken;
        }
        None
    }

    /// One that was taken is not needed. (Forgotten meanwhile, it is as if none had been taken.)
    fn give_back(&mut self) {
        let each_us = self.each_us;
        if let Some(held) = self.held() {
            held.whole_us = held.whole_us.saturating_sub(each_us);
        }
    }
}

impl Gate {
    /// Counts somebody who is about to get a number; how long it has to wait for that if too many came from where it is.
    pub(crate) fn crowded(&self, visit: &Visit<'_>) -> Option<Duration> {
        let (live, ip) = (visit.live, visit.client.ip);
        let max = live.config.server.max_joins_per_address;
        if max == 0 || live.is_exempt(ip) {
            return None;
        }
        let wait = live.joins.take(visit.site.name(), ip, max, visit.now)?;
        self.metrics.turned(Turned::Joins);
        Some(wait)
    }
}

/// What somebody gets who cannot have a number yet: a page that comes back by itself, or a problem for apps.
pub(crate) fn page(
    visit: &Visit<'_>,
    look: &Look<'_>,
    wait: Duration,
    html: bool,
) -> Response<Body> {
    // Those who come from one place do not all come back at once.
    let spread_s = u64::try_from(seal::ticket_id().0 % u128::from(*RETRY_S.start())).unwrap_or(0);
    let retry_s = wait.as_secs().clamp(*RETRY_S.start(), *RETRY_S.end()) + spread_s;
    let standing = show::without_ticket(visit, State::Waiting);
    let mut view = show::view(visit, look, None, &standing);
    view.poll_ms = retry_s * 1_000;
    let (pages, status) = (&visit.live.pages, StatusCode::TOO_MANY_REQUESTS);
    let mut response = if html {
        let page = pages.calm(Calm::Crowded, &view);
        reply::ours(status, Media::Html, page, pages.csp())
    } else {
        let problem = pages.calm_problem(Calm::Crowded, &view, status.as_u16());
        reply::ours(status, Media::Problem, problem, "")
    };
    reply::retry_after(response.headers_mut(), retry_s);
    if html {
        let refresh = HeaderValue::from(retry_s);
        response.headers_mut().insert(header::REFRESH, refresh);
    }
    response
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::clock;

    const ROOM: &str = "main";

    fn ip(text: &str) -> IpAddr {
        text.parse().unwrap()
    }

    /// How many of `tries` newcomers from this address get a number now.
    fn given(joins: &Joins, from: IpAddr, tries: usize, now: Instant) -> usize {
        let gets = |_: &usize| joins.take(ROOM, from, 100, now).is_none();
        (0..tries).filter(gets).count()
    }

    #[test]
    fn a_network_gets_so_many_at_once_and_then_as_they_come_back() {
        let now = clock::monotonic();
        let joins = Joins::new(now);
        let one = ip("192.0.2.1");
        assert_eq!(given(&joins, one, 150, now), 100);
        // Six seconds each.
        let wait = joins.take(ROOM, one, 100, now).unwrap();
        assert_eq!(wait, Duration::from_secs(6));
        assert_eq!(given(&joins, one, 150, now + Duration::from_secs(60)), 10);
        assert_eq!(
            given(&joins, one, 150, now + Duration::from_secs(6_000)),
            100
        );
    }

    #[test]
    fn nobody_is_turned_away_for_the_joins_of_another_network_or_room() {
        let now = clock::monotonic();
        let joins = Joins::new(now);
        given(&joins, ip("192.0.2.1"), 100, now);
        assert_eq!(given(&joins, ip("192.0.2.2"), 100, now), 100);
        assert!(joins.take("other", ip("192.0.2.1"), 100, now).is_none());
    }

    #[test]
    fn the_addresses_of_a_household_count_together_and_a_wide_network_has_room_for_many() {
        let now = clock::monotonic();
        let joins = Joins::new(now);
        assert_eq!(given(&joins, ip("2001:db8:1:1::1"), 60, now), 60);
        assert_eq!(given(&joins, ip("2001:db8:1:1::2"), 60, now), 40);
        let of = |at: u16| IpAddr::from([0x2001, 0xdb8, 1, at, 0, 0, 0, 1]);
        let all: usize = (2..40).map(|at| given(&joins, of(at), 100, now)).sum();
        assert_eq!(all, 1_500, "with those before, sixteen times a hundred");
        assert_eq!(given(&joins, ip("2001:db8:2:1::1"), 100, now), 100);
    }

    #[test]
    fn whoever_is_refused_for_its_wide_network_has_taken_nothing_of_its_own() {
        let now = clock::monotonic();
        let joins = Joins::new(now);
        let of = |at: u16| IpAddr::from([0x2001, 0xdb8, 1, at, 0, 0, 0, 1]);
        let all: usize = (1..=16).map(|at| given(&joins, of(at), 100, now)).sum();
        assert_eq!(all, 1_600, "the wide network has no more");
        assert_eq!(given(&joins, of(17), 500, now), 0);
        // 375 ms are one of the wide network, 37.5 s are a hundred.
        let later = now + Duration::from_millis(37_500);
        assert_eq!(given(&joins, of(17), 100, later), 100);
    }

    #[test]
    fn more_networks_than_fit_make_it_forget_and_never_refuse() {
        let now = clock::monotonic();
        let joins = Joins::new(now);
        given(&joins, ip("192.0.2.1"), 100, now);
        for at in 0..u32::try_from(SETS * WAYS).unwrap() * 4 {
            let other = IpAddr::from((0x0a00_0000 + at).to_be_bytes());
            assert!(joins.take(ROOM, other, 100, now).is_none());
        }
        // What took most is what is forgotten last.
        assert_eq!(given(&joins, ip("192.0.2.1"), 10, now), 0);
    }
}
