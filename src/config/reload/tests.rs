//! Every change is named, and what waits for a restart stays as it was.

use crate::config::Surroundings;
use crate::config::keys::SECTIONS;
use crate::config::parse;

use super::*;

const BASE: &str = "[origin.portal]\nurl = \"http://127.0.0.1:8000\"\n[room.booking]\norigin = \"portal\"\n\
                    rate = \"120/min\"\nphone = \"800 123\"\n";

fn loaded(text: &str) -> Loaded {
    parse(
        Path::new("test.toml"),
        Path::new("/etc"),
        text,
        &Surroundings::elsewhere(),
    )
    .unwrap()
}

#[test]
fn a_changed_value_is_named_with_both_values() {
    let changes = loaded(&BASE.replace("120/min", "12/s")).changes(&loaded(BASE));
    assert_eq!(
        changes.to_string(),
        "room.booking.rate: \"120/min\" → \"12/s\" (live)\n1 change"
    );
}

#[test]
fn another_way_to_write_the_same_is_no_change() {
    let other = loaded(&format!("# a remark\n{}", BASE.replace("120/min", "2/s")));
    assert!(other.changes(&loaded(BASE)).is_empty());
    assert!(!other.same_file(&loaded(BASE)));
}

#[test]
fn a_removed_room_is_named() {
    let two = format!(
        "{BASE}[room.results]\norigin = \"portal\"\nrate = \"5/s\"\nphone = \"1 2\"\npaths = [\"/r/*\"]\n"
    );
    let changes = loaded(BASE).changes(&loaded(&two));
    assert_eq!(changes.removed_rooms, ["results"]);
    assert_eq!(changes.live.len(), 1);
    assert!(loaded(&two).changes(&loaded(BASE)).removed_rooms.is_empty());
}

#[test]
fn what_waits_for_a_restart_is_named_and_left_as_it_was() {
    let with = |listen, workers, prefix, store, log| {
        loaded(&format!(
            "[server]\nlisten = {listen}\nworkers = {workers}\nprefix = {prefix}\n\
             proxy_protocol = \"10.0.0.{workers}\"\n\
             handshake_timeout = \"{workers}s\"\nheader_timeout = \"{workers}s\"\nidle_timeout = \"{workers}s\"\n\
             send_timeout = \"{workers}s\"\nmin_send_rate = \"{workers} B/s\"\n\
             max_connections = {workers}\nmax_unsent_bytes = \"{workers} MiB\"\nmax_streams = {workers}\nmax_header_bytes = \"{workers}0 KiB\"\n\
             [server.redirect]\nlisten = \"0.0.0.0:8{workers}\"\nhosts = \"a\"\n\
             [admin]\nlisten = {log}\n\
             [store]\nurl = {store}\npath = {prefix}\nprefix = \"p{workers}\"\npassword_file = {prefix}\n\
             sentinel_password_file = {prefix}\nca_file = {prefix}\ncert_file = {prefix}\nkey_file = {prefix}\n\
             connect_timeout = \"{workers}s\"\ncommand_timeout = \"{workers}s\"\n\
             [log]\nformat = \"{}\"\naccess = {prefix}\n{BASE}",
            if workers == 1 { "text" } else { "json" }
        ))
    };
    let old = with(
        "\"0.0.0.0:1\"",
        1,
        "\"/a/\"",
        "\"rediss://q\"",
        "\"127.0.0.1:9\"",
    );
    let new = with("\"0.0.0.0:2\"", 2, "\"/b/\"", "\"rediss://r\"", "\"off\"");
    let changes = new.changes(&old);
    let restart: usize = SECTIONS
        .iter()
        .flat_map(|section| section.keys)
        .filter(|key| key.apply == Apply::Restart)
        .count();
    assert_eq!((changes.restart.len(), changes.live.len()), (restart, 0));
    let applied = new.applied_to(&old);
    assert_eq!(applied.config, old.config);
    assert_eq!(applied.effective, old.effective);
    assert!(applied.same_file(&new));
}

#[test]
fn live_values_are_applied_while_others_wait() {
    let old = loaded(BASE);
    let new = loaded(&format!(
        "[server]\nlisten = \"0.0.0.0:2\"\ndrain = \"5s\"\n[server.tls]\ncert = \"c\"\nkey = \"k\"\n{}",
        BASE.replace("120/min", "5/s")
    ));
    let applied = new.applied_to(&old);
    assert_eq!(applied.config.server.listen, old.config.server.listen);
    assert_eq!(applied.config.server.tls, None);
    assert_eq!(applied.config.server.drain, new.config.server.drain);
    assert_eq!(applied.config.rooms, new.config.rooms);
    let waiting: Vec<String> = new
        .changes(&applied)
        .restart
        .into_iter()
        .map(|change| change.key)
        .collect();
    assert_eq!(waiting, ["server.listen", "server.tls"]);
}

#[test]
fn a_renewed_certificate_is_live_and_a_first_one_is_not() {
    let tls = |cert: &str| {
        loaded(&format!(
            "[server.tls]\ncert = \"{cert}\"\nkey = \"k\"\n{BASE}"
        ))
    };
    assert_eq!(tls("b").changes(&tls("a")).live.len(), 1);
    assert_eq!(tls("a").changes(&loaded(BASE)).restart.len(), 1);
    assert_eq!(loaded(BASE).changes(&tls("a")).restart.len(), 1);
}

#[test]
fn one_certificate_more_is_live_unless_it_comes_with_the_first() {
    let first = "[server.tls]\ncert = \"c\"\nkey = \"k\"\n";
    let more = "[server.tls.certificate.more]\ncert = \"c\"\nkey = \"k\"\n";
    let (none, one) = (loaded(BASE), loaded(&format!("{first}{BASE}")));
    let two = loaded(&format!("{first}{more}{BASE}"));
    for (new, old) in [(&two, &one), (&one, &two)] {
        let changes = new.changes(old);
        assert_eq!((changes.live.len(), changes.restart.len()), (1, 0));
        assert_eq!(new.applied_to(old).config.server.tls, new.config.server.tls);
    }
    for (new, old) in [(&two, &none), (&none, &two)] {
        let changes = new.changes(old);
        assert_eq!((changes.live.len(), changes.restart.len()), (0, 2));
        assert_eq!(new.applied_to(old).config.server.tls, old.config.server.tls);
        assert_eq!(new.applied_to(old).effective, old.effective);
    }
}

#[test]
fn another_token_file_is_live_and_a_first_or_last_one_is_not() {
    let with = |file: &str| loaded(&format!("[admin]\ntoken_file = \"{file}\"\n{BASE}"));
    let (none, one, other) = (loaded(BASE), with("a"), with("b"));
    assert_eq!(other.changes(&one).live.len(), 1);
    assert_eq!(other.applied_to(&one).config.admin, other.config.admin);
    for (new, old) in [(&one, &none), (&none, &one)] {
        assert_eq!(new.changes(old).restart.len(), 1);
        assert_eq!(new.applied_to(old).config.admin, old.config.admin);
        assert_eq!(new.applied_to(old).effective, old.effective);
    }
}

#[test]
fn a_change_is_seen_once_it_has_settled_and_only_once() {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("a.toml");
    std::fs::write(&path, "one").unwrap();
    let first = FileMark::of(&path).ok();
    let mut watch = Watch::new(first);
    assert!(!watch.look(first));
    std::fs::write(&path, "three").unwrap();
    let second = FileMark::of(&path).ok();
    assert_ne!(first, second);
    assert_eq!(
        [watch.look(second), watch.look(second), watch.look(second)],
        [false, true, false]
    );
    assert_eq!([watch.look(None), watch.look(None)], [false, false]);
    assert!(!watch.look(second));
    let renamed = dir.path().join("b.toml");
    std::fs::write(&renamed, "three").unwrap();
    std::fs::rename(&renamed, &path).unwrap();
    let third = FileMark::of(&path).ok();
    assert_eq!([watch.look(third), watch.look(third)], [false, true]);
}
