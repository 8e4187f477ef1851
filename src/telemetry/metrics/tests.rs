//! Names, help and units of every series, and that what workers count arrives.

use std::collections::BTreeSet;
use std::sync::Arc;
use std::thread;
use std::time::Duration;

use crate::line::settings::Mode;
use crate::line::settings::NO_LIMIT;
use crate::seal::KeyId;
use crate::seal::Rejected;
use crate::telemetry::metrics::Class;
use crate::telemetry::metrics::Decision;
use crate::telemetry::metrics::Label;
use crate::telemetry::metrics::Limit;
use crate::telemetry::metrics::Metrics;
use crate::telemetry::metrics::OriginFailure;
use crate::telemetry::metrics::Repeat;
use crate::telemetry::metrics::Turned;
use crate::telemetry::metrics::Unbelieved;
use crate::telemetry::metrics::WorkerMetrics;

/// 2026-11-22T13:00:00Z.
const NOW_US: u64 = 1_795_352_400_000_000;

fn metrics() -> Arc<Metrics> {
    Metrics::try_new(NOW_US).unwrap()
}

fn assert_shows(metrics: &Metrics, line: &str) {
    let text = metrics.render().unwrap();
    assert!(
        text.lines().any(|shown| shown == line),
        "no {line} in\n{text}"
    );
}

#[test]
fn every_series_keeps_the_conventions() {
    let metrics = metrics();
    let described: Vec<_> = metrics
        .collectors()
        .into_iter()
        .map(|series| (*series.desc().first().unwrap()).clone())
        .collect();
    assert_eq!(described.len(), Metrics::SERIES.len());
    for (series, desc) in Metrics::SERIES.iter().zip(described) {
        let name = series.name;
        assert_eq!(name, desc.fq_name);
        assert!(name.starts_with("anteroom_"), "{name}");
        let plain = |byte: u8| byte.is_ascii_lowercase() || byte.is_ascii_digit() || byte == b'_';
        assert!(name.bytes().all(plain) && !name.contains("__"), "{name}");
        let counts = matches!(series.kind, "IntCounter" | "IntCounterVec");
        assert_eq!(
            name.ends_with("_total"),
            counts,
            "{name}: counters end in _total"
        );
        let histogram = series.kind == "SecondsVec";
        assert!(
            !histogram || name.ends_with("_seconds"),
            "{name}: times are in seconds"
        );
        for unit in [
            "_ms", "_us", "_millis", "_minutes", "_hours", "_kb", "_percent",
        ] {
            assert!(!name.contains(unit), "{name}: base units only");
        }
        assert!(
            desc.help
                .starts_with(|first: char| first.is_uppercase() || first.is_numeric())
        );
        assert!(
            desc.help.len() > 15 && !desc.help.ends_with('.'),
            "{name}: {}",
            desc.help
        );
        assert!(!desc.help.contains("  "), "{name}: {}", desc.help);
        for label in &desc.variable_labels {
            let known = [
                "version", "promise", "reason", "room", "decision", "class", "mode", "origin",
                "server", "limit",
            ];
            assert!(known.contains(&label.as_str()), "{name}: label {label}");
        }
    }
    let names: BTreeSet<_> = Metrics::SERIES.iter().map(|series| series.name).collect();
    assert_eq!(names.len(), Metrics::SERIES.len());
}

fn assert_label_is_closed<L: Label + std::fmt::Debug>() {
    let mut names = BTreeSet::new();
    for (index, value) in L::ALL.iter().enumerate() {
        assert_eq!(value.index(), index, "{value:?}");
        assert!(names.insert(value.name()), "{value:?}");
    }
}

#[test]
fn label_values_are_distinct_and_stand_at_their_index() {
    assert_label_is_closed::<Decision>();
    assert_label_is_closed::<Class>();
    assert_label_is_closed::<Turned>();
    assert_label_is_closed::<OriginFailure>();
    assert_label_is_closed::<Repeat>();
    assert_label_is_closed::<Limit>();
    assert_label_is_closed::<Unbelieved>();
}

#[test]
fn what_can_be_counted_is_shown_from_the_start() {
    let metrics = metrics();
    assert_shows(&metrics, "anteroom_rejected_total{reason=\"malformed\"} 0");
    assert_shows(&metrics, "anteroom_responses_total{class=\"5xx\"} 0");
    assert_shows(&metrics, "anteroom_start_time_seconds 1795352400");
    let version = env!("CARGO_PKG_VERSION");
    assert_shows(
        &metrics,
        &format!("anteroom_build_info{{version=\"{version}\"}} 1"),
    );
}

#[test]
fn workers_hand_over_exactly_what_they_counted() {
    let metrics = metrics();
    thread::scope(|scope| {
        for _ in 0..4 {
            scope.spawn(|| {
                let worker = WorkerMetrics::new(Arc::clone(&metrics));
                let (room, origin) = (worker.room("vaccination"), worker.origin("portal"));
                for _ in 0..250 {
                    worker.opened();
                    worker.parked();
                    room.request(Decision::Status);
                    room.request(Decision::Forward);
                    worker.response(200);
                    origin.answered(Duration::from_millis(3));
                    worker.woke();
                    worker.closed();
                    worker.flush();
                }
                worker.opened();
                worker.parked();
                worker.turned(Turned::HeadSize);
                worker.unbelieved(Rejected::UnknownKey(KeyId(1)));
                origin.failed(OriginFailure::Timeout);
                worker.flush();
            });
        }
    });
    for line in [
        "anteroom_accepted_total 1004",
        "anteroom_connections 4",
        "anteroom_connections_parked 4",
        "anteroom_requests_total{decision=\"forward\",room=\"vaccination\"} 1000",
        "anteroom_status_requests_total{room=\"vaccination\"} 1000",
        "anteroom_responses_total{class=\"2xx\"} 1000",
        "anteroom_rejected_total{reason=\"head-size\"} 4",
        "anteroom_unbelieved_total{reason=\"unknown-key\"} 4",
        "anteroom_origin_errors_total{origin=\"portal\",reason=\"timeout\"} 4",
        "anteroom_origin_seconds_bucket{origin=\"portal\",le=\"0.0025\"} 0",
        "anteroom_origin_seconds_bucket{origin=\"portal\",le=\"0.005\"} 1000",
        "anteroom_origin_seconds_bucket{origin=\"portal\",le=\"+Inf\"} 1000",
        "anteroom_origin_seconds_sum{origin=\"portal\"} 3",
        "anteroom_origin_seconds_count{origin=\"portal\"} 1000",
    ] {
        assert_shows(&metrics, line);
    }
}

#[test]
fn a_time_on_a_bound_belongs_below_it_and_the_longest_counts_too() {
    let metrics = metrics();
    let room = metrics.room("vaccination");
    room.exchange_seconds.observe(Duration::from_millis(1));
    room.exchange_seconds.observe(Duration::from_secs(60));
    for line in [
        "anteroom_exchange_seconds_bucket{room=\"vaccination\",le=\"0.0005\"} 0",
        "anteroom_exchange_seconds_bucket{room=\"vaccination\",le=\"0.001\"} 1",
        "anteroom_exchange_seconds_bucket{room=\"vaccination\",le=\"1\"} 1",
        "anteroom_exchange_seconds_bucket{room=\"vaccination\",le=\"+Inf\"} 2",
        "anteroom_exchange_seconds_sum{room=\"vaccination\"} 60.001",
    ] {
        assert_shows(&metrics, line);
    }
}

#[test]
fn settings_are_shown_in_base_units() {
    let metrics = metrics();
    metrics.set_settings("vaccination", 7_200, 2_000, Mode::Open);
    metrics.set_stock("vaccination", Some(17));
    assert_shows(&metrics, "anteroom_rate_target{room=\"vaccination\"} 2");
    assert_shows(&metrics, "anteroom_active_max{room=\"vaccination\"} 2000");
    assert_shows(
        &metrics,
        "anteroom_state{mode=\"open\",room=\"vaccination\"} 1",
    );
    metrics.set_settings("vaccination", 0, NO_LIMIT, Mode::SoldOut);
    metrics.set_stock("vaccination", None);
    assert_shows(
        &metrics,
        "anteroom_state{mode=\"open\",room=\"vaccination\"} 0",
    );
    assert_shows(
        &metrics,
        "anteroom_state{mode=\"sold-out\",room=\"vaccination\"} 1",
    );
    let text = metrics.render().unwrap();
    assert!(!text.contains("anteroom_active_max"), "{text}");
    assert!(!text.contains("anteroom_stock"), "{text}");
}

#[test]
fn a_removed_room_and_origin_leave_nothing_behind() {
    let metrics = metrics();
    let worker = WorkerMetrics::new(Arc::clone(&metrics));
    {
        let room = metrics.room("summer-sale");
        room.joined.inc_by(5);
        metrics.set_settings("summer-sale", 7_200, 2_000, Mode::Open);
        let counts = worker.room("summer-sale");
        counts.request(Decision::Join);
        counts.entered_after_us(3_000_000);
        worker.origin("old-portal").failed(OriginFailure::Connect);
    }
    worker.flush();
    assert_shows(&metrics, "anteroom_joined_total{room=\"summer-sale\"} 5");
    metrics.forget_room("summer-sale");
    metrics.forget_origin("old-portal");
    let text = metrics.render().unwrap();
    assert!(
        !text.contains("summer-sale") && !text.contains("old-portal"),
        "{text}"
    );
}
