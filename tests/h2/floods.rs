//! What costs the server more than the client: each flood ends, or stands still, and another client is served meanwhile.
//!
//! How long it takes is nobody's business here. What counts is how much the process took for it, in memory and in CPU,
//! how much of it went on to the origin, and that it was told of.

use std::sync::atomic::AtomicBool;
use std::sync::atomic::Ordering;
use std::thread;
use std::time::Duration;

use crate::case::answer;
use crate::front::Front;
use crate::process::Process;
use crate::support::wait_for;
use crate::wire::CONTINUATION;
use crate::wire::Client;
use crate::wire::DATA;
use crate::wire::END_HEADERS;
use crate::wire::GOAWAY;
use crate::wire::HEADERS;
use crate::wire::PING;
use crate::wire::PREFACE;
use crate::wire::WHOLE;
use crate::wire::frame;
use crate::wire::get;
use crate::wire::head;
use crate::wire::integer;
use crate::wire::post;
use crate::wire::priority;
use crate::wire::reset;
use crate::wire::settings;
use crate::wire::text;
use crate::wire::window_update;

/// Connections that flood, one after the other.
const WAVES: usize = 5;
/// Frames that each would send.
const FRAMES: u32 = 200_000;
/// Frames that are sent in one piece.
const PIECE: u32 = 500;

/// What all of a flood may cost: several times what it does.
const PEAK_KIB_MAX: u64 = 48 * 1024;
const CPU_MS_MAX: u64 = 4_000;

const FLOODS: &str = "anteroom_rejected_total{reason=\"flood\"}";

/// What a flood came to.
#[derive(Debug)]
struct Cost {
    /// At its worst, more than before it.
    peak_kib: u64,
    cpu_ms: u64,
    /// Frames that were taken, at least.
    frames: u32,
}

/// Sends `begin` and then frames until the server ends the connection; how many it took.
fn pour(front: &Front, begin: &[u8], next: &impl Fn(u32) -> Vec<u8>) -> u32 {
    let mut client = Client::raw(front).unwrap();
    let hello = [PREFACE, &settings(&[(1, 0)]), begin].concat();
    client.send(&hello);
    let mut sent = 0;
    while sent < FRAMES {
        let piece: Vec<u8> = (sent..sent + PIECE).flat_map(next).collect();
        if client.try_send(&piece).is_err() {
            break;
        }
        sent += PIECE;
        // Whoever does not read is stopped by that alone; this one does.
        if client.drain() {
            break;
        }
    }
    sent
}

/// Floods a server on [`WAVES`] connections, while another client is served.
fn flood(front: &Front, begin: &[u8], next: impl Fn(u32) -> Vec<u8> + Sync) -> Cost {
    let process = Process(front.anteroom.pid());
    process.forget_peak();
    let (rss_kib, cpu_ms) = (process.rss_kib(), process.cpu_ms());
    let is_over = AtomicBool::new(false);
    let frames = thread::scope(|scope| {
        let poured = scope.spawn(|| {
            let poured = (0..WAVES).map(|_| pour(front, begin, &next)).max();
            is_over.store(true, Ordering::Relaxed);
            poured.unwrap()
        });
        let mut other = Client::open(front, &[]).unwrap();
        for stream in (1..1_000).step_by(2) {
            other.send(&get(stream, "/other"));
            let (status, _) = answer(&mut other, stream).unwrap();
            assert_eq!(status, 200);
            if is_over.load(Ordering::Relaxed) {
                break;
            }
        }
        poured.join().unwrap()
    });
    Cost {
        peak_kib: process.peak_kib().saturating_sub(rss_kib),
        cpu_ms: process.cpu_ms() - cpu_ms,
        frames,
    }
}

/// The flood was ended on every connection, at little cost, and is in the metrics.
fn assert_ended(front: &Front, name: &str, before: f64, cost: &Cost) {
    assert!(cost.frames < FRAMES, "{name}: {cost:?}: nobody ended it");
    assert!(cost.peak_kib < PEAK_KIB_MAX, "{name}: {cost:?}");
    assert!(cost.cpu_ms < CPU_MS_MAX, "{name}: {cost:?}");
    wait_for(name, Duration::from_secs(30), || {
        let count = front.anteroom.metric(FLOODS).unwrap_or(0.0) - before;
        (count >= 5.0).then_some(())
    });
}

/// A name, what comes first, and the frame that follows again and again.
type Flood = (&'static str, Vec<u8>, fn(u32) -> Vec<u8>);

fn assert_floods_end(floods: &[Flood]) {
    let front = Front::with(100);
    for (name, begin, next) in floods {
        let before = front.anteroom.metric(FLOODS).unwrap();
        let cost = flood(&front, begin, next);
        assert_ended(&front, name, before, &cost);
    }
}

#[test]
fn frames_that_lead_nowhere_are_ended_as_a_flood() {
    assert_floods_end(&[
        ("pings", Vec::new(), |_| frame(PING, 0, 0, &[7; 8])),
        ("pongs", Vec::new(), |_| frame(PING, 1, 0, &[7; 8])),
        ("settings", Vec::new(), |n| settings(&[(4, n % 9)])),
        ("priorities", Vec::new(), |n| priority(2 * n + 1, 0, 7)),
        ("windows", Vec::new(), |_| window_update(0, 1)),
        ("unknown frames", Vec::new(), |_| frame(0x42, 0, 0, b"")),
        ("empty data", post(1, "/x"), |_| frame(DATA, 0, 1, b"")),
        ("data of a byte", post(1, "/x"), |_| {
            frame(DATA, 8, 1, b"\x03x\0\0\0")
        }),
    ]);
}

#[test]
fn a_head_that_never_ends_is_ended_as_a_flood() {
    let begun = frame(HEADERS, 1, 1, &head("GET", "/x"));
    assert_floods_end(&[
        ("nothing more of a head", begun.clone(), |_| {
            frame(CONTINUATION, 0, 1, b"")
        }),
        ("more and more of a head", begun, |_| {
            frame(
                CONTINUATION,
                0,
                1,
                &[&[0, 1, b'x', 100][..], &[b'y'; 100]].concat(),
            )
        }),
    ]);
}

/// A field of 4,000 bytes is put in the table once and named thousands of times by one byte each.
#[test]
fn a_small_head_of_many_large_fields_is_ended_as_a_flood() {
    let mut large = vec![0x40];
    text(&mut large, b"x-large");
    text(&mut large, &[b'v'; 4_000]);
    let first = [head("GET", "/x"), large].concat();
    let mut named = Vec::new();
    integer(&mut named, 0x80, 7, 62);
    let bomb = [head("GET", "/x"), named.repeat(12_000)].concat();
    let front = Front::with(100);
    let before = front.anteroom.metric(FLOODS).unwrap();
    let begin = frame(HEADERS, WHOLE, 1, &first);
    let cost = flood(&front, &begin, |n| frame(HEADERS, WHOLE, 2 * n + 3, &bomb));
    assert_ended(&front, "large fields", before, &cost);
}

#[test]
fn requests_reset_as_they_come_are_ended_as_a_flood_and_few_reach_the_origin() {
    let front = Front::with(100);
    let before = front.anteroom.metric(FLOODS).unwrap();
    let cost = flood(&front, b"", |n| {
        let stream = 2 * n + 1;
        [get(stream, "/reset"), reset(stream, 8)].concat()
    });
    assert_ended(&front, "resets", before, &cost);
    let reached = front.origin.seen();
    let reached = reached.iter().filter(|seen| seen.target == "/reset");
    let (reached, most) = (reached.count(), 1_000 * WAVES);
    assert!(reached <= most, "{reached} reached the origin");
}

/// A client that has the server reset its streams (CVE-2025-8671), by a window beyond the most.
#[test]
fn requests_that_the_server_is_made_to_reset_are_ended_as_a_flood() {
    let front = Front::with(100);
    let before = front.anteroom.metric(FLOODS).unwrap();
    let cost = flood(&front, b"", |n| {
        let stream = 2 * n + 1;
        [post(stream, "/made"), window_update(stream, 0x7fff_ffff)].concat()
    });
    assert_ended(&front, "windows beyond the most", before, &cost);
    let before = front.anteroom.metric(FLOODS).unwrap();
    let cost = flood(&front, b"", |n| {
        let malformed = [head("GET", "/made"), vec![0, 2, b't', b'e', 1, b'x']].concat();
        frame(HEADERS, END_HEADERS, 2 * n + 1, &malformed)
    });
    assert_ended(&front, "malformed requests", before, &cost);
}

#[test]
fn a_flood_is_told_that_it_is_one() {
    let front = Front::with(100);
    let mut client = Client::open(&front, &[]).unwrap();
    client.send(&get(1, "/x"));
    answer(&mut client, 1).unwrap();
    // One ping after the other, each answered first: nothing is lost when the connection ends.
    let told = (0..5_000).find_map(|_| {
        client.send(&frame(PING, 0, 0, &[7; 8]));
        let told = client.find("a pong", |frame| matches!(frame.kind, PING | GOAWAY));
        Some(told.unwrap()).filter(|frame| frame.kind == GOAWAY)
    });
    let told = told.expect("5,000 pings are a flood");
    assert_eq!((told.code(), &told.payload[..4]), (11, &[0, 0, 0, 1][..]));
}

/// Answers of a megabyte each on a hundred streams of each of twenty connections, and nobody takes a byte of them
/// (CVE-2019-9517): what is kept for them is bounded by stream, whichever window is shut.
#[test]
fn answers_that_nobody_takes_cost_bounded_memory() {
    const CONNECTIONS: u64 = 20;
    const STREAMS: u32 = 100;
    // What may be kept: what each origin's connection has read ahead, and what is on its way to each client.
    const KIB_MAX: u64 = CONNECTIONS * (STREAMS as u64 * (64 + 16) + 512);
    for (name, window) in [
        ("no window", 0),
        ("a window of a byte", 1),
        ("all windows", 0x7fff_ffff),
    ] {
        let front = Front::with(STREAMS);
        let process = Process(front.anteroom.pid());
        process.forget_peak();
        let before_kib = process.rss_kib();
        let clients: Vec<_> = (0..CONNECTIONS)
            .map(|_| {
                let mut client = Client::raw(&front).unwrap();
                let hello = [
                    PREFACE,
                    &settings(&[(4, window)]),
                    &window_update(0, 0x7fff_0000),
                ];
                let gets = (0..STREAMS).map(|n| get(2 * n + 1, "/big/1000000"));
                client.send(&[hello.concat(), gets.collect::<Vec<_>>().concat()].concat());
                client
            })
            .collect();
        let all = usize::try_from(CONNECTIONS).unwrap() * STREAMS as usize;
        wait_for(name, Duration::from_secs(60), || {
            (front.origin.count() >= all).then_some(())
        });
        let mut other = Client::open(&front, &[]).unwrap();
        other.send(&get(1, "/other"));
        assert_eq!(answer(&mut other, 1).unwrap().0, 200, "{name}");
        // The origin is asked before anything of its answers is kept.
        let settled_kib = process.settled_kib();
        let kib = process
            .peak_kib()
            .max(settled_kib)
            .saturating_sub(before_kib);
        assert!(kib < KIB_MAX, "{name}: {kib} KiB for {all} streams");
        drop(clients);
    }
}

/// More than may be on its way over all streams of a connection waits in streams that are not taken; what is taken is
/// served all the same.
#[test]
fn streams_that_are_not_taken_keep_no_other_waiting() {
    const WINDOW: u32 = 40_000;
    let front = Front::with(100);
    let mut client = Client::open(&front, &[(4, WINDOW)]).unwrap();
    client.send(&window_update(0, 0x7fff_0000));
    let stalled: Vec<_> = (0..30).map(|n| 2 * n + 1).collect();
    for stream in &stalled {
        client.send(&get(*stream, "/big/200000"));
    }
    // Each has been sent as much as its window has room for.
    let mut left: u32 = 30 * WINDOW;
    while left > 0 {
        let data = client.find("data", |frame| frame.kind == DATA).unwrap();
        left -= u32::try_from(data.payload.len()).unwrap();
    }
    client.send(&[get(101, "/big/900000"), window_update(101, 1_000_000)].concat());
    assert_eq!(answer(&mut client, 101).unwrap(), (200, 900_000));
    for stream in stalled {
        client.send(&window_update(stream, 1_000_000));
        assert_eq!(answer_rest(&mut client, stream), 160_000);
    }
}

/// What is left of an answer whose head has come.
fn answer_rest(client: &mut Client, wanted: u32) -> usize {
    let mut bytes = 0;
    loop {
        let data = client.find("the rest", |frame| {
            frame.kind == DATA && frame.stream == wanted
        });
        let data = data.unwrap();
        bytes += data.payload.len();
        if data.ends_stream() {
            return bytes;
        }
    }
}
