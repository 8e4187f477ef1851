//! The table is whole: every default and example is a value its key takes.

use toml::de::DeValue;

use super::*;

#[test]
fn every_default_and_example_is_a_value_its_key_takes() {
    for section in SECTIONS {
        for key in section.keys {
            let value = DeValue::parse(key.default.text()).unwrap();
            let raw = key.kind.read(&value);
            assert!(raw.is_ok(), "{}.{}: {raw:?}", section.path, key.name);
        }
    }
}

#[test]
fn names_are_unique_and_explained() {
    for section in SECTIONS {
        let mut names: Vec<&str> = section.keys.iter().map(|key| key.name).collect();
        names.sort_unstable();
        names.dedup();
        assert_eq!(names.len(), section.keys.len(), "{}", section.path);
        assert!(
            section
                .keys
                .iter()
                .all(|key| key.why.len() > 20 && key.why.ends_with('.'))
        );
    }
}

#[test]
fn the_nearest_name_is_found_and_a_far_one_is_not() {
    let names = || room::ROOM.keys.iter().map(|key| key.name);
    assert_eq!(nearest("active_mx", names()), Some("active_max"));
    assert_eq!(nearest("pas_idle", names()), Some("pass_idle"));
    assert_eq!(nearest("colour", names()), None);
}

#[test]
fn a_key_is_found_by_any_of_its_paths() {
    for path in ["turn", "room.turn", "room.*.turn", "room.vaccination.turn"] {
        let found = find(path);
        assert_eq!(found.len(), 1, "{path}");
        assert_eq!(
            found.first().map(|(section, key)| (section.path, key.name)),
            Some(("room.*", "turn"))
        );
    }
    assert!(find("listen").len() > 1);
    assert!(find("nothing").is_empty());
    assert!(find("server.turn").is_empty());
}
