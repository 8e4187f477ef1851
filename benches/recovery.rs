//! How soon a line issues numbers again after its store has lost something: the time from the moment the store is there
//! again until every replica has given a newcomer a number.
//!
//! Real parts: two replicas of the release binary with deadlines as a file without them has, Redis alone, under three
//! sentinels with a replica, and as a cluster. Newcomers come to both replicas all the time and no number is given
//! twice. “There again” is when an emptied Redis has answered `FLUSHALL`, a restarted one answers at all, one that is
//! promoted says that it is a primary; replicas that were killed as well are there when they answer `/livez`.
//!
//! `RECOVERY_ROUNDS` (5) says how often each is played.
#![allow(
    clippy::print_stdout,
    clippy::disallowed_methods,
    reason = "a benchmark measures by the machine's clock and prints what it measured"
)]

#[path = "../tests/support/mod.rs"]
mod support;

use std::collections::BTreeSet;
use std::net::SocketAddr;
use std::thread;
use std::time::Duration;
use std::time::Instant;

use tempfile::TempDir;

use crate::support::anteroom::Anteroom;
use crate::support::anteroom::Place;
use crate::support::http;
use crate::support::machines::Cluster;
use crate::support::machines::Machine;
use crate::support::machines::Watched;
use crate::support::origin::Origin;
use crate::support::wait_for;

/// How long a recovery may take at most.
const SOON: Duration = Duration::from_secs(60);
/// Numbers that are out before anything happens.
const BEFORE: usize = 20;
/// Plays one of the losses; how long the recovery took.
type Play = fn() -> Duration;
const APP: (&str, &str) = ("accept", "application/json");

/// Two replicas of one line, and what they gave.
struct Pair {
    replicas: Vec<Anteroom>,
    room: String,
    issued: BTreeSet<u64>,
    /// Of whoever came last.
    ticket: String,
    _origin: Origin,
    _keys: TempDir,
}

impl Pair {
    fn new(store: &str, room: &str) -> Self {
        let origin = Origin::start();
        let keys = TempDir::new().expect("a temporary folder");
        let key_file = keys.path().join("ticket.keys");
        let text = |place: &Place| {
            format!(
                "[server]\nlisten = \"{}\"\nworkers = 1\n[admin]\nlisten = \"{}\"\n[store]\nurl = \"{store}\"\n\
                 [tickets]\nkey_file = \"{}\"\n[origin.portal]\nurl = \"http://{}\"\n\
                 [room.{room}]\norigin = \"portal\"\npaths = [\"/booking/*\"]\nphone = \"800 123 456\"\n\
                 rate = \"1/h\"\nactive_max = 1\n",
                place.server,
                place.admin,
                key_file.display(),
                origin.addr(),
            )
        };
        let replicas = (0..2).map(|_| Anteroom::start(text)).collect();
        let mut pair = Self {
            replicas,
            room: room.to_owned(),
            issued: BTreeSet::new(),
            ticket: String::new(),
            _origin: origin,
            _keys: keys,
        };
        for at in 0..BEFORE {
            let addr = pair.replicas[at % 2].addr();
            let (number, ticket) = wait_for("a number", SOON, || join(addr, room));
            pair.note(number);
            pair.ticket = ticket;
        }
        pair
    }

    fn note(&mut self, number: u64) {
        assert!(self.issued.insert(number), "{number} was issued twice");
    }

    /// Newcomers come to every replica until it gives one of them a number: when the last of them did.
    fn recovered(&mut self) -> Instant {
        let room = self.room.as_str();
        let given = thread::scope(|scope| {
            let replicas = self.replicas.iter();
            let asking = replicas.map(|replica| {
                let addr = replica.addr();
                scope.spawn(move || {
                    let (number, _) = wait_for("a number again", SOON, || join(addr, room));
                    (number, Instant::now())
                })
            });
            let asking: Vec<_> = asking.collect();
            let given = asking.into_iter().map(|it| it.join().expect("a number"));
            given.collect::<Vec<_>>()
        });
        for &(number, _) in &given {
            self.note(number);
        }
        given.into_iter().map(|(_, at)| at).max().expect("replicas")
    }

    /// Waits until both have noticed that their store is away.
    fn noticed(&self) {
        for replica in &self.replicas {
            wait_for("it notices", SOON, || {
                (replica.readyz().status == 503).then_some(())
            });
        }
    }
}

/// Joins as an app; the number and the ticket, once there is a number.
fn join(addr: SocketAddr, room: &str) -> Option<(u64, String)> {
    let path = format!("/.anteroom/{room}/join");
    let told = http::post(addr, &path, &[APP], b"").ok()?.json();
    Some((
        told["number"].as_u64()?,
        told["ticket"].as_str()?.to_owned(),
    ))
}

/// Waits until a Redis that was started answers.
fn there(machine: &Machine) -> Instant {
    wait_for("redis-server answers", SOON, || {
        machine.try_ask::<()>("PING").ok().map(|()| Instant::now())
    })
}

fn flushed() -> Duration {
    let redis = Machine::start(&[]);
    let mut pair = Pair::new(&format!("redis://{}", redis.addr()), "main");
    redis.ask::<()>("FLUSHALL");
    let since = Instant::now();
    pair.recovered() - since
}

fn restarted_empty() -> Duration {
    let mut redis = Machine::start(&[]);
    let mut pair = Pair::new(&format!("redis://{}", redis.addr()), "main");
    redis.kill();
    pair.noticed();
    redis.restart();
    let since = there(&redis);
    pair.recovered() - since
}

fn all_restarted_empty() -> Duration {
    let mut redis = Machine::start(&[]);
    let mut pair = Pair::new(&format!("redis://{}", redis.addr()), "main");
    redis.kill();
    for replica in &mut pair.replicas {
        replica.kill();
    }
    redis.restart();
    there(&redis);
    for replica in &mut pair.replicas {
        replica.restart_until("/livez");
    }
    let since = Instant::now();
    // Nobody but those who wait knows of the line any more: one of them comes back first.
    let addr = pair.replicas[0].addr();
    let headers = [APP, ("anteroom-ticket", pair.ticket.as_str())];
    wait_for("the ticket's own number", SOON, || {
        let reply = http::post(addr, "/.anteroom/main/join", &headers, b"").ok()?;
        let number = reply.json()["number"].as_u64()?;
        pair.issued.contains(&number).then_some(())
    });
    pair.recovered() - since
}

fn failed_over() -> Duration {
    let mut watched = Watched::with(3, "");
    let mut pair = Pair::new(&watched.url(), "main");
    let caught_up: u64 = watched.primary.ask("WAIT 1 10000");
    assert_eq!(caught_up, 1, "the replica has what was written so far");
    watched.replica.freeze();
    watched.primary.ask::<u64>("CLIENT KILL TYPE replica");
    for at in 0..BEFORE {
        let addr = pair.replicas[at % 2].addr();
        let (number, _) = wait_for("a number", SOON, || join(addr, "main"));
        pair.note(number);
    }
    watched.primary.kill();
    watched.replica.thaw();
    let promotion = watched.replica.promotion();
    pair.noticed();
    let recovered = pair.recovered();
    recovered - promotion.join().expect("it is a primary")
}

fn cluster_primary_lost() -> Duration {
    let mut cluster = Cluster::start();
    let is_first = |room: &String| {
        let slot: u64 = cluster.nodes[0].ask(&format!("CLUSTER KEYSLOT {{anteroom:1:{room}}}"));
        slot < 5_461
    };
    let mut names = (0..1_000).map(|n| format!("room-{n}"));
    let room = names.find(is_first).expect("a room of the first node");
    let mut pair = Pair::new(&cluster.url(), &room);
    cluster.nodes[0].kill();
    let promotion = cluster.nodes[3].promotion();
    pair.noticed();
    let recovered = pair.recovered();
    recovered - promotion.join().expect("it is a primary")
}

fn main() {
    let rounds = std::env::var("RECOVERY_ROUNDS").map_or(5, |text| {
        text.parse::<usize>().expect("RECOVERY_ROUNDS is a number")
    });
    let troubles: [(&str, Play); 5] = [
        ("FLUSHALL", flushed),
        ("Redis restarted empty", restarted_empty),
        ("Redis and both replicas", all_restarted_empty),
        ("fail-over that lost writes", failed_over),
        ("cluster primary lost", cluster_primary_lost),
    ];
    println!(
        "from when the store is there again until both replicas issue numbers, {rounds} rounds, ms"
    );
    println!(
        "{:<28} {:>8} {:>8} {:>8}",
        "trouble", "least", "median", "most"
    );
    for (name, play) in troubles {
        let mut times: Vec<_> = (0..rounds.max(1)).map(|_| play().as_millis()).collect();
        times.sort_unstable();
        let (least, most) = (times[0], times[times.len() - 1]);
        println!(
            "{name:<28} {least:>8} {:>8} {most:>8}",
            times[times.len() / 2]
        );
    }
}
