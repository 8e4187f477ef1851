//! The README is true: its walk works as written, its tables are the program's, what it names is there.

#![allow(
    clippy::unwrap_used,
    clippy::panic,
    reason = "in a test, a panic is how it fails"
)]

#[path = "support/mod.rs"]
mod support;

use std::fs;
use std::io;
use std::io::Read;
use std::io::Write;
use std::net::Ipv4Addr;
use std::net::SocketAddr;
use std::net::TcpListener;
use std::net::TcpStream;
use std::path::Path;
use std::process::Child;
use std::process::Command;
use std::process::Stdio;
use std::sync::Arc;
use std::sync::Mutex;
use std::thread;
use std::time::Duration;

use anteroom::cli::exit::Exit;
use anteroom::config;
use anteroom::config::Surroundings;
use anteroom::telemetry::metrics::Metrics;
use anteroom::telemetry::metrics::Series;
use support::PORT_TRIES;
use support::end;
use support::free_addr;
use support::http;
use support::tail;
use support::wait_for;
use tempfile::TempDir;

const README: &str = include_str!("../README.md");
const ROOT: &str = env!("CARGO_MANIFEST_DIR");
/// What the origin answers everything with.
const PAGE: &str = "<h1>the portal</h1>";
/// Stands between the outputs of two steps.
const STEP: &str = "--- step ---";

/// The fenced blocks of this language that follow a heading, up to the next one.
fn blocks(heading: &str, language: &str) -> Vec<String> {
    let mut found: Vec<String> = Vec::new();
    let (mut here, mut fenced, mut wanted) = (false, false, false);
    for line in README.lines() {
        if let Some(rest) = line.strip_prefix("```") {
            fenced = !fenced;
            wanted = fenced && here && rest == language;
            if wanted {
                found.push(String::new());
            }
        } else if !fenced && line.starts_with('#') {
            here = line.trim_start_matches('#').trim() == heading;
        } else if wanted && let Some(block) = found.last_mut() {
            block.push_str(line);
            block.push('\n');
        }
    }
    assert!(!found.is_empty(), "no {language} under “{heading}”");
    found
}

/// The rows of the first table under a heading, without its head.
fn table(heading: &str) -> Vec<String> {
    let heading = format!("# {heading}");
    let under = README.lines().skip_while(|line| !line.ends_with(&heading));
    let rows = under
        .skip_while(|line| !line.starts_with('|'))
        .take_while(|line| line.starts_with('|'));
    rows.skip(2).map(str::to_owned).collect()
}

/// An origin that notes what it is asked for.
struct Origin {
    addr: SocketAddr,
    asked: Arc<Mutex<Vec<String>>>,
}

impl Origin {
    fn start() -> Self {
        let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).unwrap();
        let addr = listener.local_addr().unwrap();
        let asked = Arc::new(Mutex::new(Vec::new()));
        let notes = Arc::clone(&asked);
        thread::spawn(move || {
            for stream in listener.incoming() {
                // Somebody who hangs up early is no request.
                let line = stream.and_then(answer).unwrap_or_default();
                notes.lock().unwrap().push(line);
            }
        });
        Self { addr, asked }
    }

    fn asked(&self) -> Vec<String> {
        self.asked.lock().unwrap().clone()
    }
}

/// Answers one request and closes; gives its first line.
fn answer(mut stream: TcpStream) -> io::Result<String> {
    let mut head = Vec::new();
    let mut byte = [0];
    while !head.ends_with(b"\r\n\r\n") && stream.read(&mut byte)? == 1 {
        head.push(byte[0]);
    }
    let length = PAGE.len();
    write!(
        stream,
        "HTTP/1.1 200 OK\r\ncontent-length: {length}\r\nconnection: close\r\n\r\n{PAGE}"
    )?;
    let head = String::from_utf8_lossy(&head);
    Ok(head.lines().next().unwrap_or_default().to_owned())
}

/// anteroom as the README starts it, on other ports.
struct Running {
    addr: SocketAddr,
    child: Child,
    dir: TempDir,
}

impl Running {
    /// Starts what follows `cargo run --release --`.
    fn start(command: &str, origin: SocketAddr) -> Self {
        let args = command.split_once("-- ").unwrap().1;
        let args = args.replace("127.0.0.1:8000", &origin.to_string());
        for _ in 0..PORT_TRIES {
            let (addr, admin) = (free_addr(), free_addr());
            let dir = TempDir::new().unwrap();
            let log = fs::File::create(dir.path().join("log")).unwrap();
            let child = Command::new(env!("CARGO_BIN_EXE_anteroom"))
                .args(args.split_whitespace())
                .args(["--listen", &addr.to_string()])
                .args(["--admin", &admin.to_string()])
                .current_dir(dir.path())
                .stdin(Stdio::null())
                .stdout(Stdio::null())
                .stderr(log)
                .spawn()
                .unwrap();
            let mut running = Self { addr, child, dir };
            let ready = wait_for("anteroom is ready", Duration::from_secs(60), || {
                if running.child.try_wait().unwrap().is_some() {
                    return Some(false);
                }
                let ready = http::get(admin, "/readyz", &[]).is_ok_and(|reply| reply.status == 200);
                ready.then_some(true)
            });
            if ready {
                return running;
            }
            let log = tail(&running.dir.path().join("log"));
            assert!(log.contains("in use"), "anteroom did not start:\n{log}");
        }
        panic!("anteroom found no free ports");
    }
}

impl Drop for Running {
    fn drop(&mut self) {
        end(&mut self.child);
    }
}

/// One paragraph of a walk: what is typed, and what the README says comes of it.
struct Step {
    typed: String,
    expected: Vec<String>,
}

fn steps(block: &str) -> Vec<Step> {
    let step = |paragraph: &str| Step {
        typed: paragraph.to_owned(),
        expected: paragraph
            .lines()
            .filter_map(|line| line.strip_prefix("#> "))
            .map(str::to_owned)
            .collect(),
    };
    block.split("\n\n").map(step).collect()
}

/// Types every step into one shell; gives what each printed.
fn type_in(steps: &[Step], running: &Running) -> Vec<String> {
    let mut script = String::from("set -euo pipefail\n");
    for step in steps {
        let typed = step
            .typed
            .replace("127.0.0.1:8080", &running.addr.to_string());
        script.push_str(&format!("{typed}\nprintf '%s\\n' '{STEP}'\n"));
    }
    let output = Command::new("bash")
        .arg("-c")
        .arg(script)
        .current_dir(running.dir.path())
        .stdin(Stdio::null())
        .output()
        .expect("bash is installed");
    let out = String::from_utf8_lossy(&output.stdout).replace('\r', "");
    let err = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success(), "the walk fails:\n{out}\n{err}");
    out.split(STEP).map(|part| part.trim().to_owned()).collect()
}

#[test]
fn the_walk_works_as_written() {
    let origin = Origin::start();
    let start = blocks("Walk through it with curl", "sh").remove(0);
    let serve = start
        .lines()
        .find(|line| line.contains("-- serve"))
        .unwrap();
    let running = Running::start(serve, origin.addr);
    let steps = steps(&blocks("Walk through it with curl", "sh")[1]);
    let printed = type_in(&steps, &running);
    for (step, printed) in steps.iter().zip(&printed) {
        if !step.expected.is_empty() {
            let printed: Vec<_> = printed.lines().collect();
            assert_eq!(step.expected, printed, "{}", step.typed);
        }
    }
    let typed = |what: &str| {
        let found = steps.iter().position(|step| step.typed.contains(what));
        found.unwrap_or_else(|| panic!("the walk has no {what}"))
    };
    assert_eq!(printed[typed("curl -sL")], PAGE);
    // What Ann asked for with her pass, and nothing that was forged or had none.
    let asked = origin.asked();
    assert_eq!(asked, ["GET / HTTP/1.1", "GET /?again HTTP/1.1"]);
}

#[test]
fn the_table_of_metrics_is_every_series() {
    let kind = |series: &Series| match series.kind {
        "IntCounter" | "IntCounterVec" => "counter",
        "SecondsVec" => "histogram",
        _ => "gauge",
    };
    let row =
        |series: &Series| format!("| `{}` | {} | {} |", series.name, kind(series), series.help);
    let expected: Vec<_> = Metrics::SERIES.iter().map(row).collect();
    let expected = expected.join("\n");
    assert!(
        table("Metrics").join("\n") == expected,
        "the table should be:\n{expected}"
    );
}

#[test]
fn the_exit_codes_are_those_of_the_program() {
    let all = [
        Exit::Ok,
        Exit::Failed,
        Exit::Usage,
        Exit::ConfigInvalid,
        Exit::NeedsConfirmation,
        Exit::NotReachable,
        Exit::Refused,
        Exit::Differences,
    ];
    let told: Vec<_> = table("Exit codes")
        .iter()
        .filter_map(|row| row.split('|').nth(1)?.trim().parse::<u8>().ok())
        .collect();
    assert_eq!(told, all.map(Exit::code));
}

#[test]
fn the_map_names_every_module() {
    let mut modules: Vec<_> = fs::read_dir(Path::new(ROOT).join("src"))
        .unwrap()
        .map(|entry| entry.unwrap().file_name().into_string().unwrap())
        .map(|name| name.trim_end_matches(".rs").to_owned())
        .filter(|name| name != "lib" && name != "main")
        .collect();
    let rows = table("The map");
    let named = rows.iter().flat_map(|row| row.split('|').nth(2));
    let mut named: Vec<_> = named
        .flat_map(|cell| cell.split('`').skip(1).step_by(2))
        .map(str::to_owned)
        .collect();
    modules.sort();
    named.sort();
    assert_eq!(named, modules);
}

#[test]
fn configurations_it_shows_can_be_used() {
    for block in blocks("In front of your own portal", "toml") {
        let loaded = config::parse(
            Path::new("README.md"),
            Path::new(ROOT),
            &block,
            &Surroundings::elsewhere(),
        );
        loaded.unwrap_or_else(|report| panic!("{block}\n{report}"));
    }
}

#[test]
fn whatever_it_links_to_is_there() {
    let links = README
        .split("](")
        .skip(1)
        .filter_map(|rest| rest.split(')').next());
    for link in links.filter(|link| !link.contains("://")) {
        let (path, anchor) = link.split_once('#').unwrap_or((link, ""));
        assert!(Path::new(ROOT).join(path).exists(), "{link}");
        let headings = README.lines().filter(|line| line.starts_with('#'));
        let mut anchors = headings.map(|line| {
            let words = line.trim_start_matches('#').trim().to_lowercase();
            words.replace(' ', "-").replace([',', '.', '’'], "")
        });
        assert!(
            anchor.is_empty() || anchors.any(|held| held == anchor),
            "{link}"
        );
    }
}
