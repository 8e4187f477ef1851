//! What happens to a key file on disk.

use std::fs;
use std::fs::Permissions;
use std::os::unix::fs::PermissionsExt;
use std::os::unix::fs::symlink;
use std::path::Path;
use std::path::PathBuf;

use tempfile::TempDir;

use crate::line::ids::Epoch;
use crate::line::ids::TicketId;
use crate::seal::KEYS_MAX;
use crate::seal::KeyFileError;
use crate::seal::KeyProblem;
use crate::seal::Ticket;
use crate::seal::list;
use crate::seal::load;
use crate::seal::load_or_create;
use crate::seal::prune;
use crate::seal::rotate;

/// 2026-11-22T13:00:00Z.
const NOW_US: u64 = 1_795_352_400_000_000;
const SECRET: &str = "000102030405060708090a0b0c0d0e0f101112131415161718191a1b1c1d1e1f";

fn folder() -> (TempDir, PathBuf) {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("ticket.keys");
    (folder, path)
}

fn write(path: &Path, text: &str, mode: u32) {
    fs::write(path, text).unwrap();
    fs::set_permissions(path, Permissions::from_mode(mode)).unwrap();
}

fn mode(path: &Path) -> u32 {
    fs::metadata(path).unwrap().permissions().mode() & 0o7777
}

fn ticket() -> Ticket {
    Ticket {
        epoch: Epoch::default(),
        number: 1,
        id: TicketId(1),
        issued_us: 1,
        asked: false,
    }
}

fn problem(error: &KeyFileError) -> String {
    error.problem.to_string()
}

#[test]
fn a_missing_file_is_made_private_and_then_kept() {
    let (folder, path) = folder();
    let first = load_or_create(&path, NOW_US).unwrap();
    assert!(first.created);
    assert_eq!(mode(&path), 0o600);
    let second = load_or_create(&path, NOW_US + 1).unwrap();
    assert!(!second.created);
    assert_eq!(first.ring.signer(), second.ring.signer());
    let names: Vec<_> = fs::read_dir(folder.path()).unwrap().collect();
    assert_eq!(names.len(), 1, "nothing is left beside it: {names:?}");
    let keys = list(&path).unwrap();
    assert_eq!(keys.len(), 1);
    assert!(keys[0].signs);
    assert_eq!(keys[0].created.to_string(), "2026-11-22T13:00:00Z");
}

#[test]
fn replicas_that_start_together_agree_on_one_file() {
    let (_folder, path) = folder();
    let signers: Vec<_> = std::thread::scope(|scope| {
        let starts: Vec<_> = (0..8)
            .map(|_| scope.spawn(|| load_or_create(&path, NOW_US).unwrap()))
            .collect();
        starts
            .into_iter()
            .map(|start| start.join().unwrap())
            .collect()
    });
    assert_eq!(signers.iter().filter(|opened| opened.created).count(), 1);
    let signer = signers[0].ring.signer();
    assert!(signers.iter().all(|opened| opened.ring.signer() == signer));
}

#[test]
fn a_file_others_can_read_is_refused_with_a_remedy() {
    let (_folder, path) = folder();
    for exposed in [0o640, 0o604, 0o620, 0o644] {
        write(
            &path,
            &format!("0000000a 2026-01-01T00:00:00Z {SECRET}\n"),
            exposed,
        );
        let error = load(&path).unwrap_err().to_string();
        assert!(error.contains(&format!("mode {exposed:04o}")), "{error}");
        assert!(error.contains("chmod 600"), "{error}");
        assert!(error.contains("ticket.keys"), "{error}");
        assert!(load_or_create(&path, NOW_US).is_err());
        assert!(rotate(&path, NOW_US).is_err());
    }
    fs::set_permissions(&path, Permissions::from_mode(0o400)).unwrap();
    assert!(load(&path).is_ok());
}

#[test]
fn what_is_no_key_file_is_refused() {
    let (folder, path) = folder();
    assert!(matches!(
        load(&path).unwrap_err().problem,
        KeyProblem::Read(_)
    ));
    assert!(matches!(
        load(folder.path()).unwrap_err().problem,
        KeyProblem::NotAFile
    ));
    write(&path, "# nothing here\n", 0o600);
    assert_eq!(problem(&load(&path).unwrap_err()), "there is no key");
    write(&path, &"# long\n".repeat(20_000), 0o600);
    assert!(matches!(
        load(&path).unwrap_err().problem,
        KeyProblem::TooLarge
    ));
}

#[test]
fn a_bad_line_is_named() {
    let (_folder, path) = folder();
    let good = format!("0000000a 2026-01-01T00:00:00Z {SECRET}\n");
    for (bad, says) in [
        (
            "0000000b 2026-01-01T00:00:00Z".to_owned(),
            "line 3: a key is written as",
        ),
        (
            format!("b 2026-01-01T00:00:00Z {SECRET}"),
            "line 3: the key id is not a 8-digit",
        ),
        (
            format!("0000000b yesterday {SECRET}"),
            "line 3: the creation time",
        ),
        (
            format!("0000000b 2026-01-01T00:00:00Z {SECRET}00"),
            "line 3: the secret is not 64",
        ),
        (
            format!("0000000b 2026-01-01T00:00:00Z é{}", SECRET.split_at(2).1),
            "line 3: the secret",
        ),
        (
            good.clone(),
            "line 3: the key id 0000000a stands on line 2 already",
        ),
    ] {
        write(&path, &format!("# keys\n{good}{bad}\n"), 0o600);
        let error = problem(&load(&path).unwrap_err());
        assert!(error.starts_with(says), "{error}");
        assert!(!error.contains(SECRET), "{error}");
    }
}

#[test]
fn the_newest_key_signs_wherever_it_stands() {
    let (_folder, path) = folder();
    write(
        &path,
        &format!(
            "0000000a 2026-03-01T00:00:00Z {SECRET}\n\n  # older\n0000000b 2026-02-01T00:00:00Z {SECRET}\n"
        ),
        0o600,
    );
    assert_eq!(load(&path).unwrap().signer().to_string(), "0000000a");
    let ids: Vec<String> = list(&path)
        .unwrap()
        .iter()
        .map(|key| key.id.to_string())
        .collect();
    assert_eq!(ids, ["0000000b", "0000000a"]);
}

#[test]
fn rotation_appends_a_key_that_signs_and_nobody_loses_a_place() {
    let (_folder, path) = folder();
    let before = load_or_create(&path, NOW_US).unwrap().ring;
    let text = before.sign_ticket("booking", &ticket());
    // Also when the clock was set back meanwhile.
    let id = rotate(&path, NOW_US - 60_000_000).unwrap();
    let after = load(&path).unwrap();
    assert_eq!(after.signer(), id);
    assert!(after.verify_ticket("booking", text.as_bytes()).is_ok());
    assert!(fs::read_to_string(&path).unwrap().starts_with("# The keys"));
    assert_eq!(mode(&path), 0o600);
}

#[test]
fn rotation_stops_at_the_bound_and_goes_on_after_pruning() {
    let (_folder, path) = folder();
    load_or_create(&path, NOW_US).unwrap();
    for _ in 1..KEYS_MAX {
        rotate(&path, NOW_US).unwrap();
    }
    let full = load(&path).unwrap();
    assert!(matches!(
        rotate(&path, NOW_US).unwrap_err().problem,
        KeyProblem::Full
    ));
    let dropped = prune(&path, 2).unwrap();
    assert_eq!(dropped, full.ids().take(KEYS_MAX - 2).collect::<Vec<_>>());
    assert_eq!(load(&path).unwrap().signer(), full.signer());
    assert!(rotate(&path, NOW_US).is_ok());
    assert!(prune(&path, 10).unwrap().is_empty());
    assert!(matches!(
        prune(&path, 0).unwrap_err().problem,
        KeyProblem::NoneLeft
    ));
}

#[test]
fn a_link_to_the_file_stays_a_link_and_its_mode_stays() {
    let (folder, path) = folder();
    load_or_create(&path, NOW_US).unwrap();
    fs::set_permissions(&path, Permissions::from_mode(0o400)).unwrap();
    let link = folder.path().join("link.keys");
    symlink(&path, &link).unwrap();
    let id = rotate(&link, NOW_US).unwrap();
    assert!(fs::symlink_metadata(&link).unwrap().is_symlink());
    assert_eq!(mode(&path), 0o400);
    assert_eq!(load(&path).unwrap().signer(), id);
}
