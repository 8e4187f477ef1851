//! What the embedded store still knows after a loss of power: only what was synced to the disk, wherever it was cut off.

use std::ffi::OsStr;
use std::fs;
use std::path::Path;
use std::path::PathBuf;
use std::process::Command;

use anteroom::line::exchange::Exchange;
use anteroom::line::exchange::JOINS_MAX;
use anteroom::line::ids::KeyHash;
use tempfile::TempDir;

use crate::durability::Facts;
use crate::durability::Replica;
use crate::durability::run_and_kill;
use crate::random::Random;

/// Times the power is lost.
const ROUNDS: u64 = 4;
/// Exchanges of a round: with twenty joins each, far more numbers than are reserved at a time.
const EXCHANGES: u64 = 1_500;

/// Builds what notes each sync of a process.
fn disk_watch(folder: &Path) -> PathBuf {
    let library = folder.join("power.so");
    let source = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/stores/power.c");
    let built = Command::new("cc")
        .args(["-shared", "-fPIC", "-O1", "-Wall", "-Werror", "-o"])
        .args([&library, &source])
        .arg("-ldl")
        .status();
    assert!(built.is_ok_and(|status| status.success()), "cc");
    library
}

/// Leaves in the folder what was synced, and of another start of the machine.
fn lose_power(folder: &Path, disk: &Path) {
    for file in fs::read_dir(folder).expect("a folder") {
        fs::remove_file(file.expect("a file").path()).expect("it goes");
    }
    let names = fs::read_to_string(disk.join("names")).expect("the folder was synced");
    for line in names.lines() {
        let (inode, name) = line.split_once(' ').expect("an inode and a name");
        if let Ok(content) = fs::read(disk.join(inode)) {
            fs::write(folder.join(name), content).expect("written");
        }
    }
    let path = folder.join("main.reserved");
    let reserved = fs::read_to_string(&path).expect("a reservation is on the disk");
    let (before, _) = reserved.split_once("\"boot\":\"").expect("a boot");
    fs::write(&path, format!("{before}\"boot\":\"another\"}}")).expect("written");
}

#[tokio::test]
async fn no_number_is_issued_twice_though_the_power_was_lost() {
    let (tools, folder) = (TempDir::new().unwrap(), TempDir::new().unwrap());
    let library = disk_watch(tools.path());
    let mut random = Random::new(7);
    let (mut facts, mut told) = (Facts::default(), 0);
    for round in 1..=ROUNDS {
        let disk = TempDir::new().unwrap();
        let env: [(&str, &OsStr); 2] = [
            ("LD_PRELOAD", library.as_os_str()),
            ("ANTEROOM_TEST_DISK", disk.path().as_os_str()),
        ];
        let lines = usize::try_from(EXCHANGES + random.below(EXCHANGES)).unwrap();
        run_and_kill(folder.path(), round, lines, &mut facts, &env);
        lose_power(folder.path(), disk.path());
        for &(first, last) in &facts.blocks[told..] {
            let before = facts.blocks[..told].iter().map(|block| block.1).max();
            assert!(Some(first) > before, "{first} was issued before the loss");
            assert!(last >= first);
        }
        told = facts.blocks.len();
    }
    let last = facts.blocks.iter().map(|block| block.1).max().unwrap();
    assert!(last > ROUNDS * 10_000, "only {last} numbers were issued");
    let mut replica = Replica::open(folder.path(), 99).await;
    let first = replica.join(1).await.first;
    assert!(first > last, "{first} was issued before the loss");
}

#[tokio::test]
async fn every_number_is_reserved_before_it_is_issued_in_whatever_way() {
    let folder = TempDir::new().unwrap();
    let reserved = || {
        let text = fs::read_to_string(folder.path().join("main.reserved")).expect("it is there");
        let json: serde_json::Value = serde_json::from_str(&text).expect("json");
        json["tail"].as_u64().expect("a number")
    };
    let mut replica = Replica::open(folder.path(), 1).await;
    // From the last number reserved on, each way to a higher one.
    for way in 0..4 {
        let mut tail = replica.join(1).await.tail;
        while tail < reserved() {
            tail = replica.join((reserved() - tail).min(JOINS_MAX)).await.tail;
        }
        assert_eq!(tail, reserved());
        let mut exchange = Exchange::default();
        match way {
            0 => exchange.joins = JOINS_MAX,
            1 => exchange.keyed = (0..500).map(|key| KeyHash(10 + key)).collect(),
            2 => replica.known.tail = tail + 50_000,
            _ => replica.known.head = tail + 50_000,
        }
        let answer = replica.send(exchange).await;
        assert!(answer.tail > tail, "nothing was issued");
        assert!(
            answer.tail <= reserved(),
            "{} was not reserved",
            answer.tail
        );
    }
}
