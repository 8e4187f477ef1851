//! What those inside notice of an attack, and what is left of it afterwards.
//!
//! The release binary, with one worker, on core 0, with an origin of its own; a visitor who is inside asks for a page a
//! hundred times a second on a connection it keeps, and on a new one every tenth time. Attackers come from the other core,
//! which they share with origin and visitor at the lowest priority; what they send comes over loopback, which the limits by
//! address say nothing of, so that those do not help. Each attack is played between two quiet stretches:
//!
//! - `slowhttptest` in its four modes at 4,000 connections (where it is installed): heads, bodies, ranges, reads;
//! - heads of just less than is allowed, which never end, on 4,000 connections;
//! - connections that are opened and reset at once, from 250 addresses, 100,000 of them;
//! - HTTP/2 with its windows shut: a hundred pages asked for on each connection and none of them taken.
//!
//! Goal: the p99 of those inside stays within twice the quiet one, or 10 ms; connections and memory go back.
//! `HOSTILE_SECONDS` (15) says how long each lasts, `HOSTILE_ONLY` names one.
#![allow(
    clippy::print_stdout,
    clippy::disallowed_methods,
    reason = "a benchmark measures by the machine's clock and prints what it measured"
)]

#[path = "../tests/support/mod.rs"]
mod support;

use std::env;
use std::fs;
use std::io;
use std::io::Read;
use std::io::Write;
use std::net::IpAddr;
use std::net::Ipv4Addr;
use std::net::SocketAddr;
use std::net::TcpStream;
use std::process::Child;
use std::process::Command;
use std::process::Stdio;
use std::thread;
use std::time::Duration;
use std::time::Instant;

use rustix::process::Resource;
use rustix::process::Rlimit;
use rustix::process::getrlimit;
use rustix::process::setrlimit;
use socket2::Domain;
use socket2::Socket;
use socket2::Type;

use crate::support::anteroom::Anteroom;
use crate::support::anteroom::Place;
use crate::support::end;
use crate::support::http;
use crate::support::http::Kept;
use crate::support::origin::Origin;
use crate::support::wait;
use crate::support::wait_for;

/// Connections of an attack that keeps them.
const CONNECTIONS: usize = 4_000;
/// Connections of the one that does not.
const DROPPED: usize = 100_000;
/// Addresses those come from.
const SOURCES: u8 = 250;
/// Between two requests of the visitor inside.
const EVERY: Duration = Duration::from_millis(10);
/// One request of so many has a connection of its own.
const NEW_EVERY: usize = 10;
/// How long it may take until nothing is left of an attack.
const BACK: Duration = Duration::from_secs(200);
const SOON: Duration = Duration::from_secs(60);
const GOAL: Duration = Duration::from_millis(10);
const APP: (&str, &str) = ("accept", "application/json");
const OPEN: &str = "anteroom_connections";

/// What a child of this process is told to do.
const ATTACK: &str = "HOSTILE_ATTACK";

/// The attacks, and what `slowhttptest` is told for those that are its own.
const ATTACKS: [(&str, Option<&str>); 7] = [
    ("slow heads", Some("-H -i 10 -x 24")),
    ("slow bodies", Some("-B -i 10 -s 8192 -x 10")),
    ("ranges", Some("-R -a 10 -b 3000")),
    ("slow reads", Some("-X -w 512 -y 1024 -n 5 -z 32 -k 3")),
    ("endless heads", None),
    ("dropped", None),
    ("shut windows", None),
];

/// How long requests took, and how many failed.
#[derive(Default)]
struct Times {
    all: Vec<Duration>,
    failed: usize,
}

impl Times {
    fn percentile(&mut self, of_100: usize) -> Duration {
        self.all.sort_unstable();
        let at = (self.all.len() * of_100 / 100).min(self.all.len().saturating_sub(1));
        self.all.get(at).copied().unwrap_or_default()
    }
}

/// Somebody inside.
struct Inside<'a> {
    addr: SocketAddr,
    pass: &'a str,
    kept: Option<Kept>,
}

impl Inside<'_> {
    fn ask(kept: &mut Kept, pass: &str) -> io::Result<()> {
        let reply = kept.request("GET /booking/", &[APP, ("anteroom-pass", pass)])?;
        if reply.status == 200 {
            Ok(())
        } else {
            Err(io::Error::other(format!("status {}", reply.status)))
        }
    }

    fn once(&mut self, is_new: bool) -> io::Result<()> {
        if is_new {
            return Self::ask(&mut Kept::connect(self.addr)?, self.pass);
        }
        let mut kept = match self.kept.take() {
            Some(kept) => kept,
            None => Kept::connect(self.addr)?,
        };
        Self::ask(&mut kept, self.pass)?;
        self.kept = Some(kept);
        Ok(())
    }

    /// Asks steadily until `is_over`; each request's time counts from when it was to be sent.
    fn live(&mut self, is_over: impl Fn(Duration) -> bool) -> Times {
        let (began, mut times) = (Instant::now(), Times::default());
        let mut due = began;
        for at in 0.. {
            if is_over(began.elapsed()) {
                break;
            }
            thread::sleep(due.saturating_duration_since(Instant::now()));
            match self.once(at % NEW_EVERY == 0) {
                Ok(()) => times.all.push(due.elapsed()),
                Err(error) => {
                    println!("  a request of somebody inside failed: {error}");
                    times.failed += 1;
                }
            }
            due = (due + EVERY).max(Instant::now() - Duration::from_secs(1));
        }
        times
    }
}

/// What is in memory of a process, in MiB.
fn resident_mib(pid: u32) -> u64 {
    let status = fs::read_to_string(format!("/proc/{pid}/status")).unwrap_or_default();
    let line = status.lines().find_map(|line| line.strip_prefix("VmRSS:"));
    let kib = line.and_then(|line| line.split_whitespace().next()?.parse::<u64>().ok());
    kib.unwrap_or(0) / 1_024
}

fn pin(pid: u32, core: u32) {
    let set = Command::new("taskset")
        .args(["-acp", &core.to_string(), &pid.to_string()])
        .stdout(Stdio::null())
        .status();
    assert!(set.is_ok_and(|status| status.success()), "taskset");
}

/// As many files as the system allows: each connection of an attacker is one.
fn raise_descriptor_limit() {
    let limit = getrlimit(Resource::Nofile);
    let raised = Rlimit {
        current: limit.maximum,
        ..limit
    };
    assert!(setrlimit(Resource::Nofile, raised).is_ok(), "open files");
}

/// Starts an attack; none where its tool is not installed.
fn attack(name: &str, tool: Option<&str>, addr: SocketAddr, last: Duration) -> Option<Child> {
    let mut command = Command::new("nice");
    command.args(["-n", "19"]);
    if let Some(options) = tool {
        Command::new("slowhttptest")
            .arg("-h")
            .stdout(Stdio::null())
            .status()
            .ok()?;
        let url = format!("http://{addr}/booking/");
        command
            .arg("slowhttptest")
            .args(["-c", &CONNECTIONS.to_string(), "-r", "1000"])
            .args(["-l", &last.as_secs().to_string(), "-p", "3", "-u", &url])
            .args(options.split(' '));
    } else {
        let own = env::current_exe().ok()?;
        command.arg(own).env(ATTACK, format!("{name}@{addr}"));
    }
    command
        .stdout(Stdio::null())
        .stderr(Stdio::null())
        .spawn()
        .ok()
}

fn toml(place: &Place, origin: SocketAddr) -> String {
    format!(
        "[server]\nlisten = \"{}\"\nworkers = 1\n[admin]\nlisten = \"{}\"\n\
         [origin.portal]\nurl = \"http://{origin}\"\n[room.main]\norigin = \"portal\"\n\
         paths = [\"/booking/*\"]\nphone = \"800 123 456\"\nrate = \"1/h\"\n",
        place.server, place.admin
    )
}

fn main() {
    if let Ok(told) = env::var(ATTACK) {
        let (name, addr) = told.split_once('@').unwrap_or_default();
        be_hostile(name, addr.parse().expect("an address"));
        return;
    }
    let seconds = env::var("HOSTILE_SECONDS").ok();
    let seconds = seconds.and_then(|text| text.parse().ok()).unwrap_or(15);
    let only = env::var("HOSTILE_ONLY").ok();
    raise_descriptor_limit();
    let origin = Origin::start();
    let portal = origin.addr();
    let anteroom = Anteroom::start(|place| toml(place, portal));
    pin(anteroom.pid(), 0);
    pin(std::process::id(), 1);
    let pass = wait_for("somebody is inside", SOON, || enter(anteroom.addr()));
    let mut inside = Inside {
        addr: anteroom.addr(),
        pass: &pass,
        kept: None,
    };
    let last = Duration::from_secs(seconds);
    inside.live(|gone| gone > Duration::from_secs(2));
    println!(
        "{:<14} {:>10} {:>10} {:>10} {:>10} {:>8} {:>6} {:>20} {:>14} {:>6}",
        "attack",
        "quiet p50",
        "quiet p99",
        "p50",
        "p99",
        "requests",
        "failed",
        "MiB before/most/after",
        "open most/after",
        "goal"
    );
    for (name, tool) in ATTACKS {
        if only.as_deref().is_none_or(|only| only == name) {
            play(name, tool, &anteroom, &mut inside, last);
        }
    }
}

/// Plays one attack after a quiet stretch, and prints what came of it.
fn play(
    name: &str,
    tool: Option<&str>,
    anteroom: &Anteroom,
    inside: &mut Inside<'_>,
    last: Duration,
) {
    let mut quiet = inside.live(|gone| gone > last);
    let before = resident_mib(anteroom.pid());
    let Some(mut child) = attack(name, tool, anteroom.addr(), last) else {
        println!("{name:<14} is left out: there is no slowhttptest here");
        return;
    };
    let (mut times, (most_mib, most_open)) = thread::scope(|scope| {
        let watching = scope.spawn(|| watch(anteroom, &mut child, last));
        let times = inside.live(|_| watching.is_finished());
        let most = watching.join().unwrap_or_default();
        (times, most)
    });
    end(&mut child);
    let back = wait(BACK, || {
        let open = anteroom.metric(OPEN)?;
        (open < 20.0).then_some(open)
    });
    let after = resident_mib(anteroom.pid());
    let (quiet_99, p99) = (quiet.percentile(99), times.percentile(99));
    let is_met = p99 <= (quiet_99 * 2).max(GOAL) && times.failed == 0 && back.is_some();
    println!(
        "{name:<14} {:>10.2?} {quiet_99:>10.2?} {:>10.2?} {p99:>10.2?} {:>8} {:>6} {:>20} {:>14} {:>6}",
        quiet.percentile(50),
        times.percentile(50),
        times.all.len(),
        times.failed,
        format!("{before}/{most_mib}/{after}"),
        format!(
            "{most_open}/{}",
            back.map_or("many".to_owned(), |open| open.to_string())
        ),
        if is_met { "met" } else { "missed" }
    );
}

/// The most memory and connections while an attack lasts.
fn watch(anteroom: &Anteroom, child: &mut Child, last: Duration) -> (u64, f64) {
    let began = Instant::now();
    let (mut mib, mut open) = (0, 0.0_f64);
    while began.elapsed() < last && child.try_wait().is_ok_and(|ended| ended.is_none()) {
        mib = mib.max(resident_mib(anteroom.pid()));
        open = open.max(anteroom.metric(OPEN).unwrap_or(0.0));
        thread::sleep(Duration::from_millis(500));
    }
    (mib, open)
}

fn enter(addr: SocketAddr) -> Option<String> {
    let joined = http::post(addr, "/.anteroom/main/join", &[APP], b"").ok()?;
    let ticket = joined.json()["ticket"].as_str()?.to_owned();
    let headers = [APP, ("anteroom-ticket", ticket.as_str())];
    wait(Duration::from_secs(5), || {
        let reply = http::post(addr, "/.anteroom/main/enter", &headers, b"").ok()?;
        reply.json()["pass"].as_str().map(str::to_owned)
    })
}

/// What a child of this process does until it is killed, or done.
fn be_hostile(name: &str, addr: SocketAddr) {
    raise_descriptor_limit();
    match name {
        "dropped" => (0..DROPPED).for_each(|at| drop(open_and_reset(addr, at))),
        "endless heads" => {
            let line = format!("X: {}\r\n", "x".repeat(1_000)).repeat(30);
            let bomb = format!("GET /booking/ HTTP/1.1\r\nHost: a\r\n{line}");
            hold_many(addr, bomb.as_bytes());
        }
        _ => hold_many(addr, &shut_windows()),
    }
}

fn open_and_reset(addr: SocketAddr, at: usize) -> io::Result<()> {
    let socket = Socket::new(Domain::IPV4, Type::STREAM, None)?;
    let host = u8::try_from(at % usize::from(SOURCES)).unwrap_or(0) + 2;
    let source = SocketAddr::new(IpAddr::V4(Ipv4Addr::new(127, 0, 0, host)), 0);
    socket.bind(&source.into())?;
    socket.set_linger(Some(Duration::ZERO))?;
    socket.connect(&addr.into())
}

/// Keeps as many connections busy as it may, and opens another wherever one is ended.
fn hold_many(addr: SocketAddr, bytes: &[u8]) {
    let mut held: Vec<TcpStream> = Vec::new();
    loop {
        held.retain_mut(|stream| !has_ended(stream));
        for _ in 0..(CONNECTIONS - held.len()).min(500) {
            let Ok(mut stream) = TcpStream::connect(addr) else {
                break;
            };
            if stream.set_nonblocking(true).is_ok() && stream.write_all(bytes).is_ok() {
                held.push(stream);
            }
        }
        thread::sleep(Duration::from_millis(500));
    }
}

/// Reads what there is, for the other side not to be waited for.
fn has_ended(stream: &mut TcpStream) -> bool {
    let mut sink = [0; 4_096];
    loop {
        match stream.read(&mut sink) {
            Ok(0) => return true,
            Ok(_) => {}
            Err(error) => return error.kind() != io::ErrorKind::WouldBlock,
        }
    }
}

/// A hundred pages over HTTP/2 (RFC 9113), of which not a byte may be sent.
fn shut_windows() -> Vec<u8> {
    let frame = |kind: u8, flags: u8, stream: u32, payload: &[u8]| {
        let len = u32::try_from(payload.len()).unwrap_or(0).to_be_bytes();
        let mut frame = len[1..].to_vec();
        frame.extend([kind, flags]);
        frame.extend(stream.to_be_bytes());
        frame.extend(payload);
        frame
    };
    let text = |text: &str| {
        let mut bytes = vec![u8::try_from(text.len()).unwrap_or(0)];
        bytes.extend(text.as_bytes());
        bytes
    };
    let mut head = vec![0x82, 0x86, 4];
    head.extend(text("/booking/"));
    head.push(1);
    head.extend(text("a.example"));
    for (name, value) in [
        ("accept", "text/html"),
        ("sec-fetch-mode", "navigate"),
        ("sec-fetch-dest", "document"),
    ] {
        head.push(0);
        head.extend([text(name), text(value)].concat());
    }
    let settings = frame(4, 0, 0, &[0, 4, 0, 0, 0, 0]);
    let mut bytes = [&b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n"[..], &settings].concat();
    for stream in 0..100 {
        bytes.extend(frame(1, 5, stream * 2 + 1, &head));
    }
    bytes
}
