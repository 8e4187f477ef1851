//! The series of one room's line, as whoever talks to its store holds them.

use std::sync::Arc;

use prometheus::Gauge;
use prometheus::IntCounter;
use prometheus::IntGauge;
use prometheus::IntGaugeVec;

use crate::line::promises::Promise;
use crate::line::promises::WATCHED;
use crate::line::settings::Mode;
use crate::line::settings::NO_LIMIT;
use crate::telemetry::metrics::Seconds;
use crate::telemetry::metrics::clamped;
use crate::telemetry::metrics::per_second;

/// The series of one room's line.
#[derive(Debug, Clone)]
pub struct RoomMetrics {
    /// What the room goes by.
    pub shown: Shown,
    /// See [`super::Metrics::guard_ratio`].
    pub guard_ratio: Gauge,
    /// See [`super::Metrics::waiting`].
    pub waiting: IntGauge,
    /// See [`super::Metrics::inside`].
    pub inside: IntGauge,
    /// See [`super::Metrics::asking`].
    pub asking: IntGauge,
    /// See [`super::Metrics::turns`].
    pub turns: IntGauge,
    /// See [`super::Metrics::instances`].
    pub instances: IntGauge,
    /// See [`super::Metrics::settings_revision`].
    pub settings_revision: IntGauge,
    /// See [`super::Metrics::store_up`].
    pub store_up: IntGauge,
    /// See [`super::Metrics::store_away_seconds`].
    pub store_away: IntGauge,
    /// See [`super::Metrics::paced_entered_total`].
    pub paced_entered: IntCounter,
    /// See [`super::Metrics::paced_refused_total`].
    pub paced_refused: IntCounter,
    /// See [`super::Metrics::paced_rate`].
    pub paced_rate: Gauge,
    /// See [`super::Metrics::withheld_rate`].
    pub withheld: Gauge,
    /// See [`super::Metrics::stubs_total`].
    pub stubs: IntCounter,
    /// See [`super::Metrics::stubs_waiting`].
    pub stubs_waiting: IntGauge,
    /// See [`super::Metrics::joined_total`].
    pub joined: IntCounter,
    /// See [`super::Metrics::called_total`].
    pub called: IntCounter,
    /// See [`super::Metrics::entered_total`].
    pub entered: IntCounter,
    /// See [`super::Metrics::exchange_errors_total`].
    pub exchange_errors: IntCounter,
    /// See [`super::Metrics::promise_broken_total`].
    pub promise_broken: [(Promise, IntCounter); WATCHED.len()],
    /// See [`super::Metrics::exchange_seconds`].
    pub exchange_seconds: Arc<Seconds>,
}

/// What a room goes by, as its line says: another replica's file may have said it.
#[derive(Debug, Clone)]
pub struct Shown {
    pub(super) room: String,
    pub(super) rate_target: Gauge,
    pub(super) active_max: IntGaugeVec,
    pub(super) state: IntGaugeVec,
    pub(super) stock: IntGaugeVec,
}

impl Shown {
    /// Shows the settings the room obeys. A rate is given in entries per hour, as the line has it.
    pub fn settings(&self, rate_per_hour: u64, active_max: u64, mode: Mode) {
        self.rate_target.set(per_second(rate_per_hour));
        let limit = (active_max != NO_LIMIT).then_some(active_max);
        set_or_remove(&self.active_max, &self.room, limit);
        for other in Mode::ALL {
            let value = i64::from(other == mode);
            self.state
                .with_label_values(&[self.room.as_str(), other.name()])
                .set(value);
        }
    }

    /// Shows how many the origin says are left, if it said.
    pub fn stock(&self, stock: Option<u64>) {
        set_or_remove(&self.stock, &self.room, stock);
    }
}

fn set_or_remove(series: &IntGaugeVec, room: &str, value: Option<u64>) {
    match value {
        Some(value) => series.with_label_values(&[room]).set(clamped(value)),
        None => {
            series.remove_label_values(&[room]).ok();
        }
    }
}
