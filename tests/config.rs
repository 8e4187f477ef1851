//! The configuration as operators meet it: the files in `config/`, and what is said about bad ones.

#[path = "config/certificates.rs"]
mod certificates;

use std::fs;
use std::path::Path;
use std::path::PathBuf;

use anteroom::config;
use anteroom::config::Surroundings;
use anteroom::config::WithoutFile;
use anteroom::config::keys;
use anteroom::config::keys::SECTIONS;
use anteroom::config::url::StoreUrl;
use anteroom::line::settings::NO_LIMIT;
use anteroom::line::settings::Settings;
use proptest::prelude::*;

/// The files of a folder of this repository, in the order of their names.
fn files(folder: &str) -> Vec<PathBuf> {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join(folder);
    let entries = fs::read_dir(&folder).expect("the folder is part of the repository");
    let mut files: Vec<PathBuf> = entries
        .filter_map(|entry| Some(entry.ok()?.path()))
        .filter(|path| {
            path.extension()
                .is_some_and(|extension| extension == "toml")
        })
        .collect();
    files.sort();
    assert!(!files.is_empty(), "{}", folder.display());
    files
}

#[test]
fn every_example_file_is_without_errors_and_warnings() {
    for file in files("config") {
        let report = match config::load(&file, &Surroundings::elsewhere()) {
            Ok(loaded) => loaded.report,
            Err(report) => report,
        };
        assert!(report.problems().is_empty(), "{report}");
    }
}

#[test]
fn the_reference_file_is_what_the_table_of_keys_says() {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("config/reference.toml");
    let written = fs::read_to_string(path).unwrap();
    for section in SECTIONS {
        for key in section.keys {
            let line = format!("{} = ", key.name);
            let named = written
                .lines()
                .any(|text| text.trim_start_matches("# ").starts_with(&line));
            assert!(
                named,
                "{}.{} is not in config/reference.toml",
                section.path, key.name
            );
        }
    }
    assert!(
        written == keys::reference(),
        "write it anew: anteroom explain --all > config/reference.toml"
    );
}

#[test]
fn the_reference_file_means_the_same_as_the_least_file() {
    let load = |name: &str| {
        let path = Path::new(env!("CARGO_MANIFEST_DIR"))
            .join("config")
            .join(name);
        config::load(&path, &Surroundings::elsewhere()).unwrap()
    };
    let (minimal, reference) = (load("minimal.toml"), load("reference.toml"));
    assert_eq!(minimal.config.server, reference.config.server);
    assert_eq!(minimal.config.store, reference.config.store);
    let settings = |loaded: &config::Loaded| {
        loaded
            .config
            .rooms
            .values()
            .next()
            .map(|room| room.settings())
    };
    assert_eq!(settings(&minimal), Some(Settings::default()));
    assert_eq!(settings(&reference), Some(Settings::default()));
}

#[test]
fn every_bad_file_gets_all_its_problems_told_with_place_and_remedy() {
    for file in files("tests/config/bad") {
        let name = file.file_stem().unwrap().to_string_lossy().into_owned();
        let text = fs::read_to_string(&file).unwrap();
        let shown = Path::new("anteroom.toml");
        let report = match config::parse(
            shown,
            Path::new("/etc/anteroom"),
            &text,
            &Surroundings::elsewhere(),
        ) {
            Ok(loaded) => {
                let warned = ["warnings", "walked_past"];
                assert!(warned.contains(&name.as_str()), "{name} is no bad file");
                loaded.report
            }
            Err(report) => report,
        };
        assert!(
            !report.to_string().contains("hunter2"),
            "a secret was shown"
        );
        insta::with_settings!({
            snapshot_path => "config/bad", prepend_module_to_snapshot => false, omit_expression => true
        }, {
            insta::assert_snapshot!(name.as_str(), report.to_string());
        });
    }
}

#[test]
fn json_has_the_same_problems_with_their_places() {
    let text = "[origin.portal]\nurl = \"http://127.0.0.1:8000\"\n[room.booking]\norigin = \"portal\"\nrat = \"1/s\"\n";
    let file = Path::new("anteroom.toml");
    let report = config::parse(file, Path::new(""), text, &Surroundings::elsewhere()).unwrap_err();
    let json = report.to_json();
    assert_eq!(json["errors"], 1);
    assert_eq!(json["warnings"], 1);
    let unknown = &json["problems"]
        .as_array()
        .unwrap()
        .iter()
        .find(|problem| problem["code"] == "E002")
        .unwrap();
    assert_eq!(unknown["key"], "room.booking.rat");
    assert_eq!(
        (&unknown["line"], &unknown["column"], &unknown["column_end"]),
        (&5.into(), &1.into(), &4.into())
    );
    assert_eq!(unknown["remedy"], "did you mean `rate`?");
}

#[test]
fn a_file_that_is_not_there_or_not_text_is_told_and_nothing_panics() {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("anteroom.toml");
    let load = || {
        config::load(&path, &Surroundings::elsewhere())
            .unwrap_err()
            .to_string()
    };
    assert!(load().contains("E000"));
    fs::write(&path, b"[server]\nprefix = \"\xff\"\n").unwrap();
    assert!(load().contains("anteroom.toml:2:11"));
    fs::write(&path, "#".repeat(2 << 20)).unwrap();
    assert!(load().contains("larger than 1 MiB"));
}

#[test]
fn named_files_are_looked_for_beside_the_configuration() {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("anteroom.toml");
    let minimal = include_str!("../config/minimal.toml");
    fs::write(
        &path,
        format!("[store]\npassword_file = \"redis.password\"\n{minimal}"),
    )
    .unwrap();
    let here = Surroundings {
        files: true,
        variables: Vec::new(),
    };
    assert!(
        config::load(&path, &here)
            .unwrap_err()
            .to_string()
            .contains("E014")
    );
    fs::write(dir.path().join("redis.password"), "hunter2\n").unwrap();
    let store = config::load(&path, &here).unwrap().config.store.clone();
    assert_eq!(store.password.unwrap().read().unwrap().expose(), "hunter2");
    assert_eq!(store.path, dir.path().join("anteroom.store"));
}

#[test]
fn serve_without_a_file_is_one_room_in_front_of_one_origin() {
    let words = WithoutFile {
        origin: "http://127.0.0.1:8000",
        rate: "120/min",
        ..WithoutFile::default()
    };
    let loaded = words.load(&Surroundings::elsewhere()).unwrap();
    let room = &loaded.config.rooms["main"];
    assert_eq!(room.rate.per_hour(), 7_200);
    assert_eq!(room.active_max, NO_LIMIT);
    assert!(room.paths.iter().all(|path| path.matches("/any/thing")));
    assert_eq!(loaded.config.store.url, StoreUrl::Memory);
    let wrong = WithoutFile {
        origin: "8000",
        rate: "fast\"\nrate = 1",
        listen: Some("x"),
        ..words
    };
    assert_eq!(
        wrong.load(&Surroundings::elsewhere()).unwrap_err().errors(),
        3
    );
}

#[test]
fn only_what_the_line_obeys_makes_new_content() {
    let base = include_str!("../config/minimal.toml");
    let content = |text: &str| {
        let loaded = config::parse(
            Path::new("t"),
            Path::new(""),
            text,
            &Surroundings::elsewhere(),
        )
        .unwrap();
        loaded.config.rooms["booking"].content()
    };
    assert_eq!(content(base), content(&base.replace("120/min", "2/s")));
    assert_eq!(content(base), content(&base.replace("800", "900")));
    assert_ne!(content(base), content(&base.replace("120/min", "121/min")));
}

proptest! {
    #[test]
    fn no_file_makes_the_check_panic_and_every_problem_has_its_place(
        cut in 0_usize..20_000, length in 0_usize..60, put in "[\\[\\]\"'=.,#{}a-z0-9é\\n\\t ]{0,12}"
    ) {
        let reference = include_str!("../config/reference.toml");
        let text: String = reference.chars().take(cut).chain(put.chars())
            .chain(reference.chars().skip(cut + length)).collect();
        let file = Path::new("anteroom.toml");
        if let Err(report) = config::parse(file, Path::new(""), &text, &Surroundings::elsewhere()) {
            prop_assert!(report.errors() > 0);
            for problem in report.problems() {
                prop_assert!(problem.span.end <= text.len());
                prop_assert!(report.place(&problem.span).is_some());
            }
            prop_assert!(report.to_string().ends_with(['r', 's', 'g']));
        }
    }
}
