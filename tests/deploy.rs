//! The files in `deploy/` are true: configurations pass `check`, ports and paths agree, commands exist.

#![allow(
    clippy::unwrap_used,
    clippy::panic,
    clippy::print_stderr,
    reason = "in a test, a panic is how it fails, and what is left out is said"
)]

use std::fs;
use std::path::Path;
use std::path::PathBuf;
use std::process::Command;
use std::process::Output;
use std::sync::Arc;

use anteroom::config;
use anteroom::config::Config;
use anteroom::config::Surroundings;
use tempfile::TempDir;

const BINARY: &str = env!("CARGO_BIN_EXE_anteroom");

fn path(name: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR"))
        .join("deploy")
        .join(name)
}

fn text(name: &str) -> String {
    fs::read_to_string(path(name)).unwrap_or_else(|error| panic!("deploy/{name}: {error}"))
}

fn parsed(name: &str) -> Arc<Config> {
    match config::load(&path(name), &Surroundings::elsewhere()) {
        Ok(loaded) => loaded.config,
        Err(report) => panic!("deploy/{name}:\n{report}"),
    }
}

/// The configuration the containers read; its token comes from the environment, here from a file.
fn compose_config() -> Arc<Config> {
    let dir = TempDir::new().unwrap();
    let token = dir.path().join("token");
    fs::write(&token, "a token for this test").unwrap();
    let with_token = format!("[admin]\ntoken_file = \"{}\"", token.display());
    let file = dir.path().join("compose.toml");
    fs::write(&file, text("compose.toml").replace("[admin]", &with_token)).unwrap();
    match config::load(&file, &Surroundings::elsewhere()) {
        Ok(loaded) => loaded.config,
        Err(report) => panic!("deploy/compose.toml:\n{report}"),
    }
}

/// The values of `key=` in the unit, in order.
fn unit(key: &str) -> Vec<String> {
    values("anteroom.service", key)
}

/// The values of `key=` in this unit, in order.
fn values(unit: &str, key: &str) -> Vec<String> {
    let text = text(unit);
    let value = |line: &str| Some(line.strip_prefix(key)?.strip_prefix('=')?.to_owned());
    text.lines().filter_map(value).collect()
}

/// The arguments of a line of the image's file: `EXPOSE` gives `8080 9090`.
fn image(instruction: &str) -> Vec<String> {
    let text = text("Containerfile");
    let rest = |line: &str| Some(line.strip_prefix(instruction)?.trim().to_owned());
    text.lines().filter_map(rest).collect()
}

/// Runs a program if it is installed.
fn run(program: &str, args: &[&str], env: (&str, &str)) -> Option<Output> {
    let run = Command::new(program).args(args).env(env.0, env.1).output();
    if run.is_err() {
        eprintln!("{program} is not installed: its check is left out");
    }
    run.ok()
}

fn said(output: &Output) -> String {
    let [out, err] = [&output.stdout, &output.stderr].map(|text| String::from_utf8_lossy(text));
    format!("{out}{err}")
}

#[test]
fn the_image_runs_as_nobody_in_particular_and_exposes_what_is_listened_on() {
    assert_eq!(image("USER"), ["65532:65532"]);
    let config = compose_config();
    let ports = config.server.listen.iter().chain(&config.admin.listen);
    let ports: Vec<_> = ports.map(|addr| addr.port().to_string()).collect();
    assert_eq!(image("EXPOSE"), [ports.join(" ")]);
    assert_eq!(image("ENTRYPOINT"), [r#"["/usr/local/bin/anteroom"]"#]);
    assert_eq!(image("STOPSIGNAL"), ["SIGTERM"]);
}

#[test]
fn the_image_is_built_with_the_toolchain_the_crate_asks_for() {
    let manifest = include_str!("../Cargo.toml");
    let version = manifest
        .lines()
        .find_map(|line| line.strip_prefix("rust-version = "));
    let builder = format!(
        "docker.io/library/rust:{}-slim-bookworm AS build",
        version.unwrap().trim_matches('"')
    );
    assert!(image("FROM").contains(&builder), "{builder}");
}

#[test]
fn balancer_replicas_and_redis_name_each_other_as_they_are() {
    let (compose, balancer) = (text("compose.yaml"), text("haproxy.cfg"));
    let config = compose_config();
    let server = config.server.listen[0].port();
    let admin = config.admin.listen.unwrap().port();
    for replica in ["replica-1", "replica-2"] {
        assert!(
            compose.contains(&format!("\n  {replica}:\n    <<: *replica\n")),
            "{replica}"
        );
        assert!(
            balancer.contains(&format!("server {replica} {replica}:{server}\n")),
            "{replica}"
        );
    }
    assert!(balancer.contains(&format!("default-server check port {admin} ")));
    assert!(balancer.contains("uri /readyz "));
    assert!(
        !config.server.trusted_proxies.is_empty(),
        "the balancer is believed"
    );
    assert!(compose.contains("\n  redis:\n"));
    assert_eq!(config.store.url.to_string(), "redis://redis:6379/0");
    for option in [
        "--appendonly\n      - \"yes\"",
        "--maxmemory-policy\n      - noeviction",
    ] {
        assert!(compose.contains(option), "{option}");
    }
    assert!(
        !compose.contains(&format!("\"{admin}:{admin}\"")),
        "operators' port is not published"
    );
}

#[test]
fn keys_and_lines_are_kept_where_the_service_may_write() {
    let state = Path::new("/var/lib/anteroom");
    let single = parsed("anteroom.toml");
    assert_eq!(unit("StateDirectory"), ["anteroom"]);
    assert_eq!(unit("WorkingDirectory"), ["/var/lib/anteroom"]);
    for kept in [&single.tickets.key_file, &single.store.path] {
        assert!(kept.starts_with(state), "{}", kept.display());
    }
    assert!(compose_config().tickets.key_file.starts_with(state));
    assert_eq!(image("VOLUME"), ["/var/lib/anteroom"]);
    assert!(text("compose.yaml").contains("- keys:/var/lib/anteroom\n"));
}

#[test]
fn the_sockets_that_systemd_keeps_are_those_that_are_listened_on() {
    let config = parsed("anteroom.toml");
    let listened = config.server.listen.iter().chain(&config.admin.listen);
    let listened: Vec<_> = listened.map(ToString::to_string).collect();
    let kept = values("anteroom.socket", "ListenStream");
    assert!(!kept.is_empty());
    assert!(kept.iter().all(|addr| listened.contains(addr)), "{kept:?}");
    // Only a program that says when it is ready is started so.
    assert_eq!(unit("Type"), ["notify"]);
}

#[test]
fn whatever_stops_a_replica_waits_for_it_to_drain() {
    let unit_s: u64 = unit("TimeoutStopSec")[0].parse().unwrap();
    let compose = text("compose.yaml");
    let grace = compose
        .lines()
        .find_map(|line| line.trim().strip_prefix("stop_grace_period: "));
    let compose_s: u64 = grace.unwrap().trim_end_matches('s').parse().unwrap();
    assert!(unit_s > parsed("anteroom.toml").server.drain.as_secs());
    assert!(compose_s > compose_config().server.drain.as_secs());
}

#[test]
fn every_command_that_is_named_exists() {
    let mut commands: Vec<String> = ["ExecStartPre", "ExecStart", "ExecReload"]
        .iter()
        .flat_map(|key| unit(key))
        .collect();
    commands.retain(|command| command.starts_with("/usr/local/bin/anteroom "));
    assert_eq!(commands.len(), 3);
    let mut names: Vec<String> = commands
        .iter()
        .map(|line| line.split(' ').nth(1).unwrap().to_owned())
        .collect();
    let start = image("CMD").remove(0);
    names.push(start.split('"').nth(1).unwrap().to_owned());
    let readme = text("README.md");
    let spans = readme
        .split('`')
        .filter_map(|span| span.strip_prefix("anteroom "));
    names.extend(spans.filter_map(|span| Some(span.split(' ').next()?.to_owned())));
    for name in names {
        let help = Command::new(BINARY)
            .args([&name, "--help"])
            .output()
            .unwrap();
        assert!(help.status.success(), "anteroom {name}: {}", said(&help));
    }
}

#[test]
fn every_file_that_is_named_is_there() {
    let readme = text("README.md");
    let named = readme
        .split('`')
        .filter(|span| path(span).is_file())
        .count();
    let held = fs::read_dir(path("")).unwrap().count();
    assert!(
        named >= held - 1,
        "{held} files, of which the README names {named}"
    );
    let compose = text("compose.yaml");
    for mount in compose
        .lines()
        .filter_map(|line| line.trim().strip_prefix("- ./"))
    {
        let file = mount.split(':').next().unwrap();
        assert!(path(file).is_file(), "deploy/{file} is mounted");
    }
}

#[test]
fn systemd_finds_nothing_wrong_with_the_unit() {
    let dir = TempDir::new().unwrap();
    let copy = dir.path().join("anteroom.service");
    // systemd looks whether the program is there.
    let here = text("anteroom.service").replace("/usr/local/bin/anteroom", BINARY);
    fs::write(&copy, here).unwrap();
    let sockets = dir.path().join("anteroom.socket");
    fs::write(&sockets, text("anteroom.socket")).unwrap();
    let [copy, sockets] = [&copy, &sockets].map(|path| path.to_str().unwrap());
    let none = ("LC_ALL", "C");
    if let Some(output) = run(
        "systemd-analyze",
        &["verify", "--man=no", copy, sockets],
        none,
    ) {
        assert!(
            output.status.success() && said(&output).is_empty(),
            "{}",
            said(&output)
        );
    }
    // Its exposure score, in tenths: 0 is closed, 100 open.
    let security = ["security", "--offline=true", "--threshold=20", copy];
    if let Some(output) = run("systemd-analyze", &security, none) {
        assert!(output.status.success(), "{}", said(&output));
    }
}

#[test]
fn haproxy_finds_nothing_wrong_with_the_balancer() {
    let dir = TempDir::new().unwrap();
    let copy = dir.path().join("haproxy.cfg");
    // Names are known within the containers' network only.
    let mut here = text("haproxy.cfg");
    for replica in ["replica-1", "replica-2"] {
        here = here.replace(&format!(" {replica}:"), " 127.0.0.1:");
    }
    fs::write(&copy, here).unwrap();
    let token = ("ANTEROOM_ADMIN_TOKEN", "a token for this test");
    let args = ["-c", "-q", "-f", copy.to_str().unwrap()];
    if let Some(output) = run("haproxy", &args, token) {
        assert!(
            output.status.success() && said(&output).is_empty(),
            "{}",
            said(&output)
        );
    }
}
