//! What an operator sees: every series by its name, and a line per request that tells no secrets.

use std::fs;

use anteroom::telemetry::metrics::Metrics;

use crate::stage::APP;
use crate::stage::SOON;
use crate::stage::Stage;
use crate::stage::Toml;
use crate::stage::call;
use crate::stage::cookie;
use crate::stage::join;
use crate::stage::navigate;
use crate::stage::navigate_with;
use crate::stage::status;
use crate::support::http;
use crate::support::wait_for;

#[test]
fn metrics_tell_what_happened_under_their_names() {
    let stage = Stage::new(&Toml::default());
    let page = stage.first();
    let cookies = page.cookies();
    navigate_with(stage.addr(), "/booking/", &cookies);
    let mine = join(stage.addr());
    for _ in 0..3 {
        join(stage.addr());
    }
    status(stage.addr(), &mine.text);
    http::get(stage.addr(), "/booking/", &[APP]).unwrap();
    let is = |name: &str, value: f64| {
        let series = format!("anteroom_{name}{{room=\"main\"}}");
        stage.anteroom.metric(&series) == Some(value)
    };
    wait_for("everything is counted", SOON, || {
        let counted = is("joined_total", 5.0)
            && is("entered_total", 1.0)
            && is("inside", 1.0)
            && stage
                .anteroom
                .metric("anteroom_responses_total{class=\"5xx\"}")
                == Some(1.0)
            && stage
                .anteroom
                .metric("anteroom_requests_total{decision=\"problem\",room=\"main\"}")
                == Some(1.0);
        counted.then_some(())
    });
    assert!(is("store_up", 1.0) && is("instances", 1.0));
    let all = stage.anteroom.metrics();
    for line in all.lines().filter(|line| !line.starts_with('#')) {
        let name = line.split(['{', ' ']).next().unwrap();
        let base = ["_bucket", "_sum", "_count"]
            .iter()
            .find_map(|end| name.strip_suffix(end))
            .unwrap_or(name);
        let known = Metrics::SERIES
            .iter()
            .any(|series| series.name == name || series.name == base);
        assert!(known || name.starts_with("process_"), "{name}");
    }
    for series in Metrics::SERIES {
        let told = all.contains(&format!("# HELP {} {}", series.name, series.help));
        let shown = all.lines().any(|line| line.starts_with(series.name));
        assert!(told || !shown, "{} has no help", series.name);
    }
}

#[test]
fn a_poll_is_counted_once_however_it_comes() {
    let stage = Stage::new(&Toml::default());
    let mine = join(stage.addr());
    let polls = || {
        let series = "anteroom_requests_total{decision=\"status\",room=\"main\"}";
        stage.anteroom.metric(series)
    };
    let shown = [APP, ("anteroom-ticket", mine.text.as_str())];
    for (number, path) in (1..).zip([
        "/.anteroom/main/status",
        "/.anteroom/main/%73tatus",
        "/./.anteroom/main/status",
        "/.anteroom/main/status?have=%zz&have=&lang=xx&lang",
    ]) {
        let reply = http::get(stage.addr(), path, &shown).unwrap();
        assert_eq!(reply.json()["number"], mine.number, "{path}");
        wait_for("it is counted", SOON, || {
            (polls() >= Some(f64::from(number))).then_some(())
        });
        assert_eq!(polls(), Some(f64::from(number)), "{path}");
    }
}

#[test]
fn the_access_log_has_a_line_per_request_and_no_secrets() {
    let stage = Stage::new(&Toml {
        more: "[log]\naccess = \"access.log\"",
        ..Toml::default()
    });
    let dir = stage.anteroom.place().dir.clone();
    let (file, rotated) = (dir.join("access.log"), dir.join("access.log.1"));
    let text = |file| fs::read_to_string(file).unwrap_or_default();
    let page = stage.first();
    let pass = cookie(&page, "anteroom-main-pass").unwrap();
    call(stage.addr(), "/booking/page?secret=swordfish", &pass);
    let waiting = join(stage.addr());
    status(stage.addr(), &waiting.text);
    let path = format!("/.anteroom/main/status?t={}", waiting.text);
    http::get(stage.addr(), &path, &[APP]).unwrap();
    navigate(stage.addr(), "/elsewhere", &[]);
    wait_for("six lines", SOON, || {
        (text(&file).lines().count() == 6).then_some(())
    });
    let lines = text(&file);
    for part in [
        "path=/booking/first",
        "path=/booking/page ",
        "path=/.anteroom/main/status ",
        "decision=forward",
        "decision=join",
        "decision=status",
        "status=200",
        "method=POST",
        "room=main",
        "peer=127.0.0.1",
    ] {
        assert!(lines.contains(part), "{part} is not in\n{lines}");
    }
    let secrets = [pass.as_str(), waiting.text.as_str(), "swordfish", "?"];
    let log = stage.anteroom.log_all();
    for secret in secrets {
        assert!(!lines.contains(secret), "{secret} is in\n{lines}");
        assert!(
            secret == "?" || !log.contains(secret),
            "{secret} is in\n{log}"
        );
    }

    fs::rename(&file, &rotated).unwrap();
    stage.anteroom.signal("USR1");
    wait_for("the file is opened anew", SOON, || {
        call(stage.addr(), "/booking/rotated", &pass);
        text(&file).contains("path=/booking/rotated").then_some(())
    });
    assert_eq!(text(&rotated).lines().next(), lines.lines().next());
}

#[test]
fn the_last_lines_are_written_before_it_ends() {
    let mut stage = Stage::new(&Toml {
        more: "[log]\naccess = \"access.log\"\nformat = \"json\"",
        ..Toml::default()
    });
    for at in 0..50 {
        let path = format!("/elsewhere/{at}");
        http::get(stage.addr(), &path, &[APP]).unwrap();
    }
    assert!(stage.anteroom.drain().success());
    let text = fs::read_to_string(stage.anteroom.place().dir.join("access.log")).unwrap();
    let lines: Vec<serde_json::Value> = text
        .lines()
        .map(|line| serde_json::from_str(line).unwrap())
        .collect();
    assert_eq!(lines.len(), 50);
    assert_eq!(lines[49]["path"], "/elsewhere/49");
}
