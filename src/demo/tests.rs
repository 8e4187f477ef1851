//! The demonstration: its frames fit, its lines are plain, and the crowd really breaks the bare portal.

use std::collections::VecDeque;

use super::*;
use crate::demo::crowd::Tally;
use crate::demo::portal::Figures;
use crate::demo::portal::Health;
use crate::demo::portal::Second;
use crate::demo::rows::Paint;

fn heading(without: bool) -> Heading {
    let addr = "[2001:db8:1111:2222:3333:4444:5555:6666]:65535"
        .parse()
        .unwrap();
    Heading {
        site: Some(addr),
        portal: addr,
        admin: (!without).then_some(addr),
        without,
        rate_per_hour: 54_000,
        visitors: 100_000,
        within: Duration::from_secs(60),
    }
}

fn overrun() -> (Tally, Figures) {
    let tally = Tally {
        arrived: 1_000_000,
        waiting: 999_999,
        entered: 100_000,
        booked: 100_000,
        waits_ms: vec![99_999_999],
        ..Tally::default()
    };
    let second = Second {
        requests: 999_999,
        refused: 999_999,
        slowest_ms: 99_999,
        ..Second::default()
    };
    let figures = Figures {
        health: Health::Down,
        falls: 999,
        refused: 99_999_999,
        left: 1_000_000,
        last: second,
        worst: second,
        ..Figures::default()
    };
    (tally, figures)
}

#[test]
fn a_frame_fits_eighty_columns_and_twenty_four_rows() {
    let (tally, figures) = overrun();
    let history: VecDeque<u64> = (1_000_000..1_000_050).collect();
    for without in [false, true] {
        let scene = Scene {
            heading: &heading(without),
            elapsed: Duration::from_secs(99_999),
            tally: &tally,
            figures: &figures,
        };
        let lines = rows::frame(&scene, [&history, &history], Paint(false));
        assert!(lines.len() <= 23, "{} lines", lines.len());
        for line in &lines {
            assert!(line.chars().count() <= 80, "{line}");
            assert!(!line.contains('\x1b'), "no colour was wanted: {line}");
        }
        let coloured = rows::frame(&scene, [&history, &history], Paint(true));
        assert!(coloured.iter().any(|line| line.contains('\x1b')));
    }
}

#[test]
fn a_terminal_is_given_back_and_plain_lines_have_no_escapes() {
    let (tally, figures) = overrun();
    let heading = heading(false);
    let scene = Scene {
        heading: &heading,
        elapsed: Duration::from_secs(3),
        tally: &tally,
        figures: &figures,
    };
    let shown = |screen| {
        let mut out = Vec::new();
        let mut view = View::new(&mut out, screen);
        view.open(&heading).unwrap();
        view.show(&scene).unwrap();
        view.close().unwrap();
        view.close().unwrap();
        String::from_utf8(out).unwrap()
    };
    let terminal = shown(Screen::Terminal { colour: true });
    assert!(terminal.starts_with("\x1b[?1049h") && terminal.ends_with("\x1b[?1049l"));
    assert_eq!(terminal.matches("\x1b[?1049l").count(), 1);
    let plain = shown(Screen::Plain);
    assert!(!plain.contains('\x1b') && plain.ends_with('\n'));
    assert!(plain.contains("15 a second"), "{plain}");
}

#[test]
fn paces_are_said_in_the_easiest_unit() {
    let said = [54_000, 7_200, 5_400, 60, 59, 0].map(rows::pace);
    let easiest = [
        "15 a second",
        "2 a second",
        "90 a minute",
        "1 a minute",
        "59 an hour",
        "0 an hour",
    ];
    assert_eq!(said, easiest);
}

#[test]
fn a_crowd_breaks_the_bare_portal_and_the_summary_says_so() {
    let options = Options {
        visitors: Some(400),
        without: true,
        listen: "127.0.0.1:0".parse().unwrap(),
        ..Options::default()
    };
    let mut stage = Stage::set(&options, Screen::Plain, |_| Err("not wanted".into())).unwrap();
    stage.plan.within = Duration::from_secs(1);
    stage.plan.habits.reloads_max = 1;
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()
        .unwrap();
    let mut out = Vec::new();
    let mut view = View::new(&mut out, Screen::Plain);
    let summary = runtime.block_on(stage.play(&mut view)).unwrap();
    assert_eq!(summary.tally.done, 400);
    assert!(summary.figures.falls > 0, "{summary}");
    assert!(
        summary.tally.server_errors() > 0 && summary.tally.gave_up > 0,
        "{summary}"
    );
    let text = summary.to_string();
    assert!(
        text.contains("GAVE UP") && text.contains("anteroom demo"),
        "{text}"
    );
    assert!(String::from_utf8(out).unwrap().lines().count() > 3);
}

#[test]
fn a_room_that_does_not_start_is_named() {
    let options = Options {
        listen: "127.0.0.1:1".parse().unwrap(),
        ..Options::default()
    };
    let failed = Stage::set(&options, Screen::Plain, |wanted| {
        assert_eq!((wanted.room, wanted.paths), (ROOM, PATHS));
        Err("no".into())
    });
    assert_eq!(
        failed.unwrap_err().to_string(),
        "cannot start anteroom on 127.0.0.1:1"
    );
}
