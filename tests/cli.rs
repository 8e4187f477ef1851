//! The command line as scripts meet it: exit codes, and what goes to which output.

use std::fs;
use std::path::Path;

use assert_cmd::Command;
use serde_json::Value;

/// The command, with these arguments, away from any configuration and secrets.
fn anteroom(folder: &Path, args: &[&str]) -> (i32, String, String) {
    let mut command = Command::cargo_bin("anteroom").expect("the binary was built for this test");
    let output = command
        .args(args)
        .current_dir(folder)
        .env_remove("ANTEROOM_ADMIN_TOKEN")
        .env_remove("ANTEROOM_STORE_PASSWORD")
        .output()
        .expect("the binary runs");
    let text = |bytes: Vec<u8>| String::from_utf8_lossy(&bytes).into_owned();
    (
        output.status.code().unwrap_or(-1),
        text(output.stdout),
        text(output.stderr),
    )
}

/// A folder with this configuration in it.
fn folder(config: &str) -> tempfile::TempDir {
    let folder = tempfile::tempdir().expect("a temporary folder");
    fs::write(folder.path().join("anteroom.toml"), config).expect("a file in it");
    folder
}

const MINIMAL: &str = include_str!("../config/minimal.toml");

#[test]
fn check_of_a_good_file_ends_with_0_and_says_what_it_understood() {
    let folder = folder(MINIMAL);
    let (code, out, err) = anteroom(folder.path(), &["check"]);
    assert_eq!((code, err.as_str()), (0, ""));
    assert_eq!(
        out,
        "anteroom.toml: ok; store memory:; rooms booking (120/min, open)\n"
    );
}

#[test]
fn check_of_a_bad_file_ends_with_3_and_nothing_on_standard_output() {
    let folder = folder(&MINIMAL.replace("rate", "rat"));
    let (code, out, err) = anteroom(folder.path(), &["check"]);
    assert_eq!((code, out.as_str()), (3, ""));
    assert!(
        err.contains("anteroom.toml:13:1") && err.contains("did you mean `rate`?"),
        "{err}"
    );
}

#[test]
fn check_of_no_file_ends_with_3() {
    let folder = tempfile::tempdir().expect("a temporary folder");
    let (code, _, err) = anteroom(folder.path(), &["check"]);
    assert_eq!(code, 3);
    assert!(err.contains("E000"), "{err}");
}

#[test]
fn warnings_pass_unless_they_are_denied() {
    let folder = folder(&MINIMAL.replace("phone", "# phone"));
    let (code, _, err) = anteroom(folder.path(), &["check"]);
    assert_eq!(code, 0);
    assert!(err.contains("W102"), "{err}");
    assert_eq!(anteroom(folder.path(), &["check", "--deny-warnings"]).0, 3);
}

#[test]
fn json_goes_to_standard_output_alone() {
    let folder = folder(&MINIMAL.replace("rate", "rat"));
    let (code, out, err) = anteroom(folder.path(), &["check", "--json"]);
    assert_eq!((code, err.as_str()), (3, ""));
    let report: Value = serde_json::from_str(&out).expect("JSON");
    assert_eq!(
        (&report["errors"], &report["problems"][0]["code"]),
        (&1.into(), &"E002".into())
    );
    assert_eq!(report["file"], "anteroom.toml");
}

#[test]
fn files_are_looked_for_unless_told_otherwise() {
    let folder = folder(&format!(
        "[server.tls]\ncert = \"c.pem\"\nkey = \"k.pem\"\n{MINIMAL}"
    ));
    assert_eq!(anteroom(folder.path(), &["check"]).0, 3);
    assert_eq!(anteroom(folder.path(), &["check", "--no-files"]).0, 0);
}

#[test]
fn a_wrong_call_ends_with_2() {
    let folder = folder(MINIMAL);
    assert_eq!(anteroom(folder.path(), &["chekc"]).0, 2);
    assert_eq!(anteroom(folder.path(), &["explain"]).0, 2);
}

#[test]
fn explain_knows_keys_by_any_of_their_paths() {
    let folder = folder(MINIMAL);
    let (code, out, _) = anteroom(folder.path(), &["explain", "room.booking.turn"]);
    assert_eq!(code, 0);
    assert!(
        out.starts_with("room.*.turn\n") && out.contains("\"10m\""),
        "{out}"
    );
    let (code, out, err) = anteroom(folder.path(), &["explain", "trun"]);
    assert_eq!((code, out.as_str()), (1, ""));
    assert!(err.contains("did you mean `turn`?"), "{err}");
}

#[test]
fn explain_says_where_a_url_goes_and_why() {
    let config = include_str!("../config/production.toml");
    let folder = folder(config);
    let explain = |args: &[&str]| anteroom(folder.path(), &[&["explain"], args].concat()).1;
    let out = explain(&["https://booking.example.org/booking/%6eew?x=1"]);
    assert!(
        out.contains("read as  /booking/new")
            && out.contains("to       room vaccination at 120/min"),
        "{out}"
    );
    assert!(
        explain(&["https://booking.example.org/booking/static/a.css"])
            .contains("`bypass` of room vaccination")
    );
    assert!(explain(&["https://booking.example.org/"]).contains("it belongs to no room"));
    assert!(
        explain(&["https://booking.example.org/.anteroom/results/status"])
            .contains("anteroom itself")
    );
}

#[test]
fn explain_all_is_the_reference_file() {
    let folder = folder(MINIMAL);
    let (code, out, _) = anteroom(folder.path(), &["explain", "--all"]);
    assert_eq!(code, 0);
    assert!(out == include_str!("../config/reference.toml"));
}

#[test]
fn keys_are_added_at_once_and_dropped_only_when_somebody_says_so() {
    let folder = folder(MINIMAL);
    let lines = |text: &str| text.lines().count();
    assert_eq!(anteroom(folder.path(), &["keys", "list"]).0, 1);
    let file = folder.path().join("ticket.keys");
    let made = anteroom::seal::load_or_create(&file, 1_795_352_400_000_000);
    assert!(made.expect("a key file").created);
    let (code, out, _) = anteroom(folder.path(), &["keys", "rotate"]);
    assert_eq!(code, 0, "{out}");
    let (_, out, _) = anteroom(folder.path(), &["keys", "list"]);
    assert_eq!(lines(&out), 2);
    assert!(out.ends_with("signs\n"), "{out}");
    let (code, out, err) = anteroom(folder.path(), &["keys", "prune"]);
    assert_eq!((code, out.as_str()), (4, ""));
    assert!(err.contains("would drop") && err.contains("--yes"), "{err}");
    let (code, out, _) = anteroom(folder.path(), &["keys", "prune", "--yes"]);
    assert_eq!((code, lines(&out)), (0, 1));
    let (_, out, _) = anteroom(folder.path(), &["keys", "list"]);
    assert_eq!(lines(&out), 1);
}

/// What is published of a draw among ten, whose seed is 32 times 7.
fn draw(commitment: &str) -> String {
    let seed = "07".repeat(32);
    serde_json::json!({
        "v": 1, "room": "main", "epoch": "1-0000000000000001", "opens_at_us": 1,
        "algorithm": "anteroom-draw-1", "commitment": commitment, "first": 1, "last": 10, "seed": seed,
    })
    .to_string()
}

#[test]
fn verify_draw_gives_every_number_of_an_honest_draw_and_ends_with_1_at_a_changed_seed() {
    let folder = folder(MINIMAL);
    let honest = draw("4bb06f8e4e3a7715d201d573d0aa423762e55dabd61a2c02278fa56cc6d294e0");
    fs::write(folder.path().join("draw.json"), &honest).expect("a file");
    let verify = |args: &[&str]| {
        let args: Vec<_> = ["verify-draw", "draw.json"]
            .iter()
            .chain(args)
            .copied()
            .collect();
        anteroom(folder.path(), &args)
    };
    let (code, out, err) = verify(&["--index", "5", "--index", "1"]);
    assert_eq!((code, out.as_str()), (0, "5 10\n1 7\n"), "{err}");
    let (code, out, _) = verify(&[
        "--all",
        "--commitment",
        "4bb06f8e4e3a7715d201d573d0aa423762e55dabd61a2c02278fa56cc6d294e0",
    ]);
    assert_eq!((code, out.lines().count()), (0, 10));
    assert_eq!(verify(&["--index", "11"]).0, 1);
    assert_eq!(verify(&["--commitment", &"0".repeat(64)]).0, 1);
    let changed = draw(&"ab".repeat(32));
    fs::write(folder.path().join("draw.json"), changed).expect("a file");
    let (code, out, err) = verify(&["--all"]);
    assert_eq!((code, out.as_str()), (1, ""));
    assert!(err.contains("it was changed"), "{err}");
    fs::write(folder.path().join("draw.json"), "[]").expect("a file");
    assert_eq!(verify(&[]).0, 1);
    // What it cannot know, what cannot be, and what would speak to a terminal.
    let mut odd: Value = serde_json::from_str(&honest).expect("a document");
    let mut verify_with = |field: &str, value: Value| {
        let before = std::mem::replace(&mut odd[field], value);
        fs::write(folder.path().join("draw.json"), odd.to_string()).expect("a file");
        odd[field] = before;
        verify(&[])
    };
    assert_eq!(verify_with("v", 2.into()).0, 1);
    assert_eq!(verify_with("first", 12.into()).0, 1);
    let (code, _, err) = verify_with("room", "\u{1b}[2Jmain".into());
    assert_eq!((code, err.contains('\u{1b}')), (0, false), "{err:?}");
}

#[test]
fn the_program_in_the_manual_gives_the_same_numbers() {
    let program = Path::new(env!("CARGO_MANIFEST_DIR")).join("deploy/verify_draw.py");
    let published = draw("4bb06f8e4e3a7715d201d573d0aa423762e55dabd61a2c02278fa56cc6d294e0");
    let run = Command::new("python3")
        .arg(program)
        .args(["5", "1"])
        .write_stdin(published)
        .output()
        .expect("python3 runs");
    assert_eq!(String::from_utf8_lossy(&run.stdout), "5 10\n1 7\n");
}

#[test]
fn check_at_a_time_shows_what_is_in_force_then_in_the_zone_of_the_room() {
    let folder = folder(&format!(
        "{MINIMAL}\ntime_zone = \"Europe/Rome\"\nopens_at = \"2027-03-01T09:00\"\n\
         closes_at = \"2027-06-01T20:00\"\n\
         [[room.booking.schedule]]\nat = \"2027-03-01T12:00\"\nrate = \"240/min\"\nactive_max = 2000\n\
         [[room.booking.schedule]]\nat = \"2027-05-01T00:00+02:00\"\nmode = \"paused\"\n"
    ));
    let at = |time: &str| {
        let (code, out, err) = anteroom(folder.path(), &["check", "--at", time]);
        assert_eq!(code, 0, "{err}");
        out.lines()
            .skip(1)
            .map(|line| format!("{line}\n"))
            .collect::<String>()
    };
    assert_eq!(
        at("2027-03-01T08:59:59"),
        "room booking at 2027-03-01 08:59:59 CET: early, nobody is let in; then open, rate 120/min\n  \
         from 2027-03-01 09:00:00 CET on: open, rate 120/min\n"
    );
    assert_eq!(
        at("2027-03-01T12:00"),
        "room booking at 2027-03-01 12:00:00 CET: open, rate 240/min, active_max 2000\n  \
         since 2027-03-01 12:00:00 CET\n  \
         from 2027-05-01 00:00:00 CEST on: paused, rate 240/min, active_max 2000\n"
    );
    assert_eq!(
        at("2027-06-01T18:00Z"),
        "room booking at 2027-06-01 20:00:00 CEST: closed, rate 240/min, active_max 2000\n  \
         since 2027-06-01 20:00:00 CEST\n  nothing changes after that\n"
    );
    let (code, _, err) = anteroom(folder.path(), &["check", "--at", "2027-03-28T02:30"]);
    assert_eq!(code, 1);
    let both = "2027-03-28T01:30:00+01:00\" or \"2027-03-28T03:30:00+02:00";
    assert!(err.contains(both), "{err}");
}
