//! What a crowd that means no good may make this process keep in memory, by what the system says of it.

use std::fs;
use std::io::Read;
use std::io::Write;
use std::net::TcpStream;

use anteroom::server::raise_descriptor_limit;

use crate::stage::MANY;
use crate::stage::SOON;
use crate::stage::Stage;
use crate::stage::Toml;
use crate::stage::navigate;
use crate::support::anteroom::Anteroom;
use crate::support::wait_for;

const KIB: u64 = 1 << 10;
const MIB: u64 = 1 << 20;

/// What is in memory of the process, in bytes.
fn resident(anteroom: &Anteroom) -> u64 {
    let status = fs::read_to_string(format!("/proc/{}/status", anteroom.pid())).unwrap();
    let line = status.lines().find_map(|line| line.strip_prefix("VmRSS:"));
    let kib = line.and_then(|line| line.split_whitespace().next()?.parse().ok());
    kib.map(|kib: u64| kib * KIB).unwrap()
}

fn connect(stage: &Stage) -> TcpStream {
    let stream = TcpStream::connect_timeout(&stage.addr(), SOON).unwrap();
    stream.set_read_timeout(Some(SOON)).unwrap();
    stream
}

/// Heads that do not end, of just less than may be.
const BOMBS: u64 = 1_000;

#[test]
fn a_thousand_heads_that_never_end_cost_no_more_than_is_said() {
    let _limit = raise_descriptor_limit();
    let stage = Stage::new(&Toml {
        server: "header_timeout = \"120s\"",
        ..Toml::rate(MANY)
    });
    navigate(stage.addr(), "/booking/", &[]);
    let before = resident(&stage.anteroom);
    let bomb = format!(
        "GET /booking/ HTTP/1.1\r\nHost: a\r\n{}",
        format!("X: {}\r\n", "x".repeat(1_000)).repeat(30)
    );
    let sent: Vec<_> = (0..BOMBS)
        .map(|_| {
            let mut stream = connect(&stage);
            stream.write_all(bomb.as_bytes()).unwrap();
            stream
        })
        .collect();
    wait_for("all are in", SOON, || {
        let open = stage.anteroom.metric("anteroom_connections")?;
        (open >= 1_000.0).then_some(())
    });
    assert_eq!(
        navigate(stage.addr(), "/booking/", &[]).text(),
        "the portal"
    );
    let grown = resident(&stage.anteroom).saturating_sub(before);
    assert!(
        grown < BOMBS * 200 * KIB,
        "{} KiB each",
        grown / BOMBS / KIB
    );
    drop(sent);
    wait_for("they are gone", SOON, || {
        let open = stage.anteroom.metric("anteroom_connections")?;
        (open < 10.0).then_some(())
    });
}

/// Connections with their windows shut, and answers that wait on each.
const SHUT: usize = 60;
const STREAMS: usize = 100;

/// A frame of HTTP/2 (RFC 9113 §4.1).
fn frame(kind: u8, flags: u8, stream: u32, payload: &[u8]) -> Vec<u8> {
    let len = u32::try_from(payload.len()).unwrap().to_be_bytes();
    let mut frame = len[1..].to_vec();
    frame.extend([kind, flags]);
    frame.extend(stream.to_be_bytes());
    frame.extend(payload);
    frame
}

/// A field that is not indexed (RFC 7541 §6.2.2), of a known name or with its own.
fn field(name: Result<u8, &str>, value: &str) -> Vec<u8> {
    let text = |text: &str| {
        let mut bytes = vec![u8::try_from(text.len()).unwrap()];
        bytes.extend(text.as_bytes());
        bytes
    };
    let mut bytes = match name {
        Ok(index) => vec![index],
        Err(name) => [vec![0], text(name)].concat(),
    };
    bytes.extend(text(value));
    bytes
}

/// Opens a page on each of many streams and lets nothing of it through; ends when all are answered, or the other side
/// has ended it.
fn open_many(stage: &Stage) -> TcpStream {
    let mut stream = connect(stage);
    // SETTINGS_INITIAL_WINDOW_SIZE is nothing.
    let settings = frame(4, 0, 0, &[0, 4, 0, 0, 0, 0]);
    let mut bytes = [&b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n"[..], &settings].concat();
    let head = [
        vec![0x82, 0x86],
        field(Ok(4), "/booking/"),
        field(Ok(1), "a.example"),
        field(Err("accept"), "text/html"),
        field(Err("sec-fetch-mode"), "navigate"),
        field(Err("sec-fetch-dest"), "document"),
    ]
    .concat();
    for at in 0..STREAMS {
        let id = u32::try_from(at * 2 + 1).unwrap();
        bytes.extend(frame(1, 5, id, &head));
    }
    // It may be ended before all of it is out.
    if stream.write_all(&bytes).is_err() {
        return stream;
    }
    let mut answered = 0;
    let mut start = [0; 9];
    while answered < STREAMS && stream.read_exact(&mut start).is_ok() {
        let len = u32::from_be_bytes([0, start[0], start[1], start[2]]);
        let mut payload = vec![0; usize::try_from(len).unwrap()];
        if stream.read_exact(&mut payload).is_err() {
            break;
        }
        answered += usize::from(start[3] == 1);
    }
    stream
}

#[test]
fn pages_that_are_asked_for_and_never_taken_are_kept_up_to_a_bound() {
    let stage = Stage::new(&Toml {
        server: "max_unsent_bytes = \"8 MiB\"",
        ..Toml::default()
    });
    stage.first();
    let page = navigate(stage.addr(), "/booking/", &[]);
    let all = u64::try_from(page.body.len() * STREAMS * SHUT).unwrap();
    let before = resident(&stage.anteroom);
    let shut: Vec<_> = (0..SHUT).map(|_| open_many(&stage)).collect();
    let rejected = "anteroom_rejected_total{reason=\"unsent\"}";
    wait_for("those that hold most are cut", SOON, || {
        (stage.anteroom.metric(rejected)? > 0.0).then_some(())
    });
    wait_for("what waits is told, and within its bound", SOON, || {
        let held = stage.anteroom.metric("anteroom_unsent_bytes")?;
        (1.0..=8.0 * 1_048_576.0).contains(&held).then_some(())
    });
    let grown = resident(&stage.anteroom).saturating_sub(before);
    // What counts them, and what the library knows of each, comes on top.
    let bound = 32 * MIB;
    assert!(all > 2 * bound, "the bound does not show: {all}");
    assert!(grown < bound, "{} MiB of {}", grown / MIB, all / MIB);
    assert_eq!(navigate(stage.addr(), "/booking/", &[]).status, 200);
    drop(shut);
    wait_for("nothing is left of it", SOON, || {
        (stage.anteroom.metric("anteroom_unsent_bytes") == Some(0.0)).then_some(())
    });
}
