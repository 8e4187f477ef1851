//! What the embedded store still knows after its process or its machine was stopped in the worst way.

use std::env;
use std::ffi::OsStr;
use std::fs;
use std::io::BufRead;
use std::io::BufReader;
use std::io::Write;
use std::path::Path;
use std::process::Command;
use std::process::Stdio;

use anteroom::line::exchange::Answer;
use anteroom::line::exchange::Exchange;
use anteroom::line::exchange::Known;
use anteroom::line::exchange::Proposal;
use anteroom::line::exchange::Standing;
use anteroom::line::exchange::Visitor;
use anteroom::line::ids::InstanceId;
use anteroom::line::ids::KeyHash;
use anteroom::line::ids::TicketId;
use anteroom::line::settings::Settings as LineSettings;
use anteroom::store::Settings;
use anteroom::store::Store;
use anteroom::store::StoreError;
use anteroom::store::memory;
use tempfile::TempDir;

use crate::random::Random;

const ROOM: &str = "main";
/// The test that is also the process that is killed.
const KILLED: &str = "durability::a_killed_process_loses_nothing_it_answered";
/// How the child is told where to work, and that it is the child.
const DIRECTORY: &str = "ANTEROOM_TEST_DIRECTORY";
/// How the child is told who it is.
const INSTANCE: &str = "ANTEROOM_TEST_INSTANCE";
/// Times the child is killed.
const ROUNDS: u64 = 6;

fn settings(directory: &Path) -> Settings {
    Settings::Memory(memory::Settings {
        directory: Some(directory.to_owned()),
    })
}

async fn open(directory: &Path) -> Store {
    Store::open(&settings(directory), ROOM)
        .await
        .expect("the store opens")
}

/// The visitor of this number, whose id says the same.
pub fn visitor(number: u64) -> Visitor {
    Visitor {
        number,
        id: TicketId(u128::from(number)),
    }
}

/// One replica of a test's own.
pub struct Replica {
    store: Store,
    instance: InstanceId,
    sequence: u64,
    pub known: Known,
}

impl Replica {
    /// Opens the store and asks for nothing, to learn where the line is.
    pub async fn open(directory: &Path, instance: u64) -> Self {
        let mut replica = Self {
            store: open(directory).await,
            instance: InstanceId(instance),
            sequence: 0,
            known: Known::default(),
        };
        let fast = LineSettings {
            rate_per_hour: 3_600_000,
            ..LineSettings::default()
        };
        let proposal = Some(Proposal {
            content: KeyHash(1),
            changed: true,
            settings: fast,
        });
        replica
            .send(Exchange {
                proposal,
                ..Exchange::default()
            })
            .await;
        replica
    }

    pub async fn send(&mut self, exchange: Exchange) -> Answer {
        self.sequence += 1;
        let exchange = Exchange {
            instance: self.instance,
            sequence: self.sequence,
            known: self.known,
            ..exchange
        };
        let answer = self.store.exchange(&exchange).await.expect("an answer");
        self.known = self.known.after(&answer);
        answer
    }

    pub async fn join(&mut self, joins: u64) -> Answer {
        self.send(Exchange {
            joins,
            ..Exchange::default()
        })
        .await
    }
}

/// What a child was answered before it was killed.
#[derive(Debug, Default)]
pub struct Facts {
    /// Of each exchange the first number and the last.
    pub blocks: Vec<(u64, u64)>,
    inside: Vec<u64>,
}

/// The process that is killed: joins and enters as fast as it can, and tells what it was answered.
async fn work(directory: &Path) -> ! {
    let instance = env::var(INSTANCE)
        .expect("an instance")
        .parse()
        .expect("a number");
    let mut replica = Replica::open(directory, instance).await;
    let mut random = Random::new(instance);
    let mut head = 0;
    loop {
        let exchange = Exchange {
            joins: random.below(40),
            keyed: vec![KeyHash(u128::from(random.any()))],
            asks: (head..head + 3).filter(|&n| n > 0).map(visitor).collect(),
            ..Exchange::default()
        };
        let answer = replica.send(exchange).await;
        head = answer.head;
        let inside: Vec<String> = answer
            .entered
            .iter()
            .map(|row| row.id.0.to_string())
            .collect();
        let last = answer.keyed.first().copied().unwrap_or(0);
        let line = format!("block {} {last} {}\n", answer.first, inside.join(" "));
        std::io::stdout()
            .write_all(line.as_bytes())
            .expect("somebody listens");
    }
}

/// Runs [`a_killed_process_loses_nothing_it_answered`] once more as the process that is killed, in this environment; kills
/// it when it has told this much.
pub fn run_and_kill(
    directory: &Path,
    instance: u64,
    lines: usize,
    facts: &mut Facts,
    environment: &[(&str, &OsStr)],
) {
    let mut child = Command::new(env::current_exe().expect("this test"))
        .args(["--exact", KILLED, "--nocapture"])
        .envs(environment.iter().copied())
        .env(DIRECTORY, directory)
        .env(INSTANCE, instance.to_string())
        .stdout(Stdio::piped())
        .spawn()
        .expect("the child starts");
    let told = BufReader::new(child.stdout.take().expect("its output"));
    let mut told = told.lines().map_while(Result::ok);
    let read = |line: String, facts: &mut Facts| {
        let Some(line) = line.split_once("block ").map(|(_, line)| line.to_owned()) else {
            return;
        };
        let mut numbers = line
            .split_whitespace()
            .map(|text| text.parse().expect("a number"));
        let first = numbers.next().expect("a first number");
        facts
            .blocks
            .push((first, numbers.next().expect("a last number")));
        facts.inside.extend(numbers);
    };
    told.by_ref().take(lines).for_each(|line| read(line, facts));
    child.kill().expect("the child is killed");
    // What it had told before is still to be read; its last line may be cut off.
    let rest: Vec<String> = told.collect();
    rest.into_iter()
        .rev()
        .skip(1)
        .rev()
        .for_each(|line| read(line, facts));
    child.wait().expect("the child is gone");
}

#[tokio::test]
async fn a_killed_process_loses_nothing_it_answered() {
    if let Some(directory) = env::var_os(DIRECTORY) {
        work(Path::new(&directory)).await;
    }
    let directory = TempDir::new().expect("a temporary folder");
    let mut random = Random::new(1);
    let mut facts = Facts::default();
    for round in 1..=ROUNDS {
        let lines = usize::try_from(random.within(50, 400)).expect("small");
        run_and_kill(directory.path(), round, lines, &mut facts, &[]);
    }
    let mut before = 0;
    for &(first, last) in &facts.blocks {
        assert!(first > before, "{first} was issued again after {before}");
        before = last.max(first - 1);
    }
    let mut replica = Replica::open(directory.path(), 99).await;
    assert!(replica.join(1).await.first > before);
    assert!(facts.inside.len() > 100, "{} entered", facts.inside.len());
    for some in facts.inside.chunks(500) {
        let checks = some.iter().map(|&number| visitor(number)).collect();
        let answer = replica
            .send(Exchange {
                checks,
                ..Exchange::default()
            })
            .await;
        let inside = |standing: &Standing| matches!(standing, Standing::Inside { .. });
        assert!(
            answer.standings.iter().all(inside),
            "{:?}",
            answer.standings
        );
    }
}

#[tokio::test]
async fn a_second_anteroom_is_told_that_the_line_is_in_use() {
    let directory = TempDir::new().expect("a temporary folder");
    let first = open(directory.path()).await;
    let second = Store::open(&settings(directory.path()), ROOM).await;
    assert!(
        matches!(second, Err(StoreError::Locked { .. })),
        "{second:?}"
    );
    assert!(
        Store::open(&settings(directory.path()), "other")
            .await
            .is_ok()
    );
    first.close().await.expect("it closes");
    open(directory.path()).await;
}

#[tokio::test]
async fn a_line_whose_last_record_is_torn_goes_on_without_it() {
    let directory = TempDir::new().expect("a temporary folder");
    let mut replica = Replica::open(directory.path(), 1).await;
    replica.join(10).await;
    replica.join(10).await;
    let journal = fs::read(directory.path().join("main.journal")).expect("a journal");
    let snapshot = fs::read(directory.path().join("main.snapshot")).expect("a snapshot");
    replica.store.close().await.expect("it closes");
    fs::write(
        directory.path().join("main.journal"),
        &journal[..journal.len() - 9],
    )
    .expect("written");
    fs::write(directory.path().join("main.snapshot"), snapshot).expect("written");
    let answer = Replica::open(directory.path(), 2).await.join(1).await;
    assert_eq!((answer.first, answer.tail), (11, 11));
}

#[tokio::test]
async fn numbers_that_may_have_been_lost_are_not_issued_again() {
    let directory = TempDir::new().expect("a temporary folder");
    let path = |kind: &str| directory.path().join(format!("main.{kind}"));
    let mut replica = Replica::open(directory.path(), 1).await;
    replica.join(10).await;
    let early = fs::read(path("journal")).expect("a journal");
    let snapshot = fs::read(path("snapshot")).expect("a snapshot");
    replica.join(500).await;
    let late = fs::read(path("journal")).expect("a journal");
    let reserved = fs::read_to_string(path("reserved")).expect("a reservation");
    replica.store.close().await.expect("it closes");

    // The machine lost its power, and with it the end of the journal.
    let other_boot = reserved
        .split("\"boot\":\"")
        .next()
        .expect("text")
        .to_owned()
        + "\"boot\":\"another\"}";
    fs::write(path("journal"), early).expect("written");
    fs::write(path("snapshot"), &snapshot).expect("written");
    fs::write(path("reserved"), other_boot).expect("written");
    let mut replica = Replica::open(directory.path(), 2).await;
    let first = replica.join(1).await.first;
    assert!(first > 510, "{first} may have been issued before");
    replica.store.close().await.expect("it closes");

    // The journal is damaged in its middle.
    let middle = late.len() - late.len() / 3;
    let mut damaged = late;
    damaged[middle] ^= 1;
    fs::write(path("journal"), damaged).expect("written");
    fs::write(path("snapshot"), snapshot).expect("written");
    fs::write(path("reserved"), reserved).expect("written");
    let first = Replica::open(directory.path(), 3).await.join(1).await.first;
    assert!(first > 510, "{first} may have been issued before");
}

#[tokio::test]
async fn files_of_another_version_are_refused_and_left_alone() {
    let directory = TempDir::new().expect("a temporary folder");
    let path = directory.path().join("main.snapshot");
    let newer = r#"{"version":2,"generation":1,"line":"what it will look like then"}"#;
    fs::write(&path, newer).expect("written");
    let opened = Store::open(&settings(directory.path()), ROOM).await;
    let error = opened.expect_err("it is not read").to_string();
    assert!(error.contains("version 2"), "{error}");
    assert_eq!(fs::read_to_string(&path).expect("still there"), newer);
}

#[tokio::test]
async fn a_long_journal_gives_way_to_a_snapshot() {
    let directory = TempDir::new().expect("a temporary folder");
    let mut replica = Replica::open(directory.path(), 1).await;
    let generation = || {
        let snapshot =
            fs::read_to_string(directory.path().join("main.snapshot")).expect("a snapshot");
        snapshot.split(',').nth(1).map(str::to_owned)
    };
    let first = generation();
    let heard: Vec<u64> = (1..=1_500).map(|n| n + 1_000_000_000 / 2).collect();
    let mut sent = 0;
    while generation() == first {
        let heard = heard.clone();
        replica
            .send(Exchange {
                heard,
                ..Exchange::default()
            })
            .await;
        sent += 1;
        assert!(sent < 1_000, "the journal grows without end");
    }
    let journal = fs::metadata(directory.path().join("main.journal")).expect("a journal");
    assert!(journal.len() < 4 << 20);
}
