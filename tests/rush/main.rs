//! Luxembourg's minute: everybody comes at once, everybody has a number, and the portal is never overrun.
//!
//! Real processes over loopback: two replicas with one Redis, and one replica with the embedded store, in front of an
//! origin that answers 503 above 1,000 connections. `ANTEROOM_FULL=1` plays 25,000 visitors within a minute; without
//! it the same rush lasts six seconds. A run ends when all have their numbers.
//!
//! The pace is checked at the origin in two ways. From the rush's beginning to any moment, no more visitors came than the
//! rate and the burst allow: that holds however late they follow, so it is always asked. Within any one second it holds
//! for visitors who follow at once, which a machine with other work to do cannot promise: it is asked of the full run.

#![expect(
    clippy::unwrap_used,
    clippy::print_stdout,
    reason = "a test that cannot go on panics, and a run's figures are printed"
)]

#[path = "../support/mod.rs"]
mod support;

use std::net::IpAddr;
use std::net::Ipv4Addr;
use std::net::SocketAddr;
use std::path::Path;
use std::sync::Mutex;
use std::sync::PoisonError;
use std::time::Duration;

use anteroom::demo::crowd::Crowd;
use anteroom::demo::crowd::Habits;
use anteroom::demo::crowd::Numbering;
use anteroom::demo::crowd::Plan;
use anteroom::demo::crowd::Tally;
use anteroom::demo::portal::Capacity;
use anteroom::demo::portal::Portal;
use support::anteroom::Anteroom;
use support::anteroom::Place;
use support::redis::Redis;
use support::wait;
use tempfile::TempDir;

/// The origin answers 503 above this many connections.
const ORIGIN_CONNECTIONS_MAX: usize = 1_000;
/// Entries a minute, over all replicas.
const RATE_PER_MIN: u64 = 1_000;
/// How long the last ones may take to get their numbers after everybody has come.
const LAST_NUMBERS: Duration = Duration::from_secs(30);
const SECOND: Duration = Duration::from_secs(1);
const LOCAL: SocketAddr = SocketAddr::new(IpAddr::V4(Ipv4Addr::LOCALHOST), 0);

/// One rush at a time: each is meant to have the machine to itself.
static ONE_AT_A_TIME: Mutex<()> = Mutex::new(());

#[test]
fn everybody_has_a_number_from_two_replicas_with_one_redis() {
    let _alone = ONE_AT_A_TIME.lock().unwrap_or_else(PoisonError::into_inner);
    let redis = Redis::start();
    let origin = Portal::start(LOCAL, Capacity::connections_only(ORIGIN_CONNECTIONS_MAX)).unwrap();
    let keys = TempDir::new().unwrap();
    let start = || {
        Anteroom::start(|place| {
            let store = format!("url = \"{}\"", redis.url());
            config(place, &store, keys.path(), &origin)
        })
    };
    let replicas = [start(), start()];
    rush(&replicas, &origin);
}

#[test]
fn everybody_has_a_number_from_one_replica_with_the_embedded_store() {
    let _alone = ONE_AT_A_TIME.lock().unwrap_or_else(PoisonError::into_inner);
    let origin = Portal::start(LOCAL, Capacity::connections_only(ORIGIN_CONNECTIONS_MAX)).unwrap();
    let keys = TempDir::new().unwrap();
    let replica = Anteroom::start(|place| {
        let path = place.dir.join("line");
        let store = format!("url = \"memory:\"\npath = \"{}\"", path.display());
        config(place, &store, keys.path(), &origin)
    });
    rush(&[replica], &origin);
}

fn config(place: &Place, store: &str, keys: &Path, origin: &Portal) -> String {
    format!(
        "[server]\nlisten = \"{server}\"\n\
         [admin]\nlisten = \"{admin}\"\n\
         [store]\n{store}\n\
         [tickets]\nkey_file = \"{keys}\"\n\
         [origin.portal]\nurl = \"http://{origin}\"\nmax_in_flight = 200\n\
         [room.vaccination]\norigin = \"portal\"\npaths = [\"/booking/*\"]\nrate = \"{RATE_PER_MIN}/min\"\n",
        server = place.server,
        admin = place.admin,
        keys = keys.join("ticket.keys").display(),
        origin = origin.addr(),
    )
}

/// Whether the whole minute is played.
fn is_full() -> bool {
    std::env::var_os("ANTEROOM_FULL").is_some_and(|full| full == "1")
}

/// How many come, and within which time.
fn crowd_size() -> (u32, Duration) {
    if is_full() {
        (25_000, Duration::from_secs(60))
    } else {
        (2_500, Duration::from_secs(6))
    }
}

fn rush(replicas: &[Anteroom], origin: &Portal) {
    let (visitors, within) = crowd_size();
    let began = origin.age();
    let plan = Plan {
        servers: replicas.iter().map(Anteroom::addr).collect(),
        host: "portal.test".to_owned(),
        room: Some("vaccination".to_owned()),
        visitors,
        within,
        seed: 20_210_421,
        connections_max: 2_000,
        patience: Duration::from_secs(20),
        habits: Habits::steady(),
    };
    let crowd = Crowd::start(plan).unwrap();
    // Whether it ended in time is judged when the figures are printed.
    wait(within + LAST_NUMBERS, || crowd.is_answered().then_some(()));
    let tally = crowd.tally();
    // Nobody is left on the way to the origin while its record is read.
    drop(crowd);
    report(&tally, origin);
    for replica in replicas {
        assert_eq!(
            tally.server_errors(),
            0,
            "{:?}\n{}",
            tally.statuses,
            replica.log()
        );
        assert_eq!(
            tally.unanswered,
            0,
            "{:?}\n{}",
            tally.troubles,
            replica.log()
        );
    }
    let everybody = Numbering {
        issued: u64::from(visitors),
        distinct: u64::from(visitors),
        lowest: 1,
        highest: u64::from(visitors),
        missing: 0,
    };
    assert_eq!(tally.numbering(), everybody);
    assert_eq!(
        (tally.unnumbered, tally.lost_place, tally.thrown_out),
        (0, 0, 0)
    );
    let figures = origin.figures();
    assert_eq!(figures.refused, 0, "the origin answered 503");
    assert!(
        figures.connections_peak <= ORIGIN_CONNECTIONS_MAX,
        "{figures:?}"
    );
    assert!(
        figures.entries > 0 && tally.straight_in > 0,
        "nobody was let in"
    );
    for (before, time) in origin.entry_times().into_iter().enumerate() {
        let allowed = entries_by(time.saturating_sub(began));
        assert!(before < allowed, "{} entries by {time:?}", before + 1);
    }
    let most = origin.most_entries_within(SECOND);
    let allowed = entries_by(SECOND);
    assert!(
        !is_full() || most <= allowed,
        "{most} entries within a second"
    );
}

/// The most entries within this time, from any moment: the rate, and the burst, which is a second of rate.
fn entries_by(time: Duration) -> usize {
    let credit = u128::from(RATE_PER_MIN) * (time + SECOND).as_micros() / 60_000_000;
    usize::try_from(credit).unwrap()
}

fn report(tally: &Tally, origin: &Portal) {
    let figures = origin.figures();
    let rows = [
        ("visitors", tally.arrived),
        ("of whom answered", tally.answered),
        ("distinct numbers", tally.numbering().distinct),
        ("missing numbers", tally.numbering().missing),
        ("let straight in", tally.straight_in),
        ("entered", tally.entered),
        ("entries at the origin", figures.entries),
        ("answers 5xx", tally.server_errors()),
        ("requests unanswered", tally.unanswered),
    ];
    for (what, count) in rows {
        println!("{what:>26}  {count}");
    }
    let peak = figures.connections_peak;
    println!(
        "{:>26}  {peak} of {ORIGIN_CONNECTIONS_MAX}",
        "connections at the origin"
    );
    let most = origin.most_entries_within(SECOND);
    println!(
        "{:>26}  {most} of {} allowed",
        "entries in any second",
        entries_by(SECOND)
    );
    println!("{:>26}  {:?}", "answers by status", tally.statuses);
}
