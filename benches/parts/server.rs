//! What a Redis server tells of itself.

use crate::support::redis::Redis;

/// One value of `INFO`.
fn info(server: &Redis, section: &str, name: &str) -> f64 {
    let info = server.ask(&format!("INFO {section}"));
    let value = info
        .lines()
        .find_map(|line| line.strip_prefix(name)?.strip_prefix(':'));
    value
        .and_then(|value| value.trim().parse().ok())
        .expect("INFO has it")
}

/// Its CPU so far, in microseconds.
pub(crate) fn cpu_us(server: &Redis) -> f64 {
    (info(server, "cpu", "used_cpu_user") + info(server, "cpu", "used_cpu_sys")) * 1e6
}

/// Its process.
#[expect(
    clippy::cast_possible_truncation,
    clippy::cast_sign_loss,
    reason = "a process's number is a small whole one"
)]
pub(crate) fn pid(server: &Redis) -> u32 {
    info(server, "server", "process_id") as u32
}

/// Bytes that the keys of a room take.
pub(crate) fn memory(server: &Redis, room: &str) -> f64 {
    let bytes = |key: &str| -> f64 {
        let answer = server.ask(&format!("MEMORY USAGE {key} SAMPLES 0"));
        let bytes = answer
            .strip_prefix(':')
            .and_then(|text| text.lines().next()?.parse().ok());
        bytes.unwrap_or(0.0)
    };
    let keys = server.ask(&format!("KEYS *:{room}}}:*"));
    keys.lines()
        .filter(|line| line.starts_with('{'))
        .map(bytes)
        .sum()
}

/// Notes every command that takes longer than a tenth of a millisecond, from now on.
pub(crate) fn watch_slowest(server: &Redis) {
    server.ask("CONFIG SET slowlog-log-slower-than 100");
    server.ask("CONFIG SET slowlog-max-len 100000");
    server.ask("SLOWLOG RESET");
}

/// The longest command noted, in milliseconds; those of administration left out.
pub(crate) fn slowest_ms(server: &Redis) -> f64 {
    let client = redis::Client::open(server.url()).expect("it is the address of a server");
    let mut connection = client.get_connection().expect("a connection");
    let rows: Vec<(i64, i64, i64, Vec<redis::Value>, String, String)> = redis::cmd("SLOWLOG")
        .arg("GET")
        .arg(-1)
        .query(&mut connection)
        .expect("the slow log");
    let is_ours = |arguments: &[redis::Value]| {
        let first: Option<String> = arguments
            .first()
            .and_then(|v| redis::from_redis_value(v.clone()).ok());
        first.is_some_and(|name| name.to_ascii_lowercase().starts_with("eval"))
    };
    let ours = rows.iter().filter(|row| is_ours(&row.3));
    let slowest = ours
        .map(|row| u32::try_from(row.2).unwrap_or(u32::MAX))
        .max();
    f64::from(slowest.unwrap_or(0)) / 1_000.0
}
