//! Every series of anteroom, in one struct with its own registry.
//!
//! Series of a room's line (waiting, inside, entered, …) show the line all replicas share, as this one last saw it: take
//! the maximum over replicas. Everything else is this process's own: take the sum.

mod certificates;
mod labels;
mod make;
mod room;
mod seconds;
mod servers;
mod worker;

use std::sync::Arc;

use prometheus::GaugeVec;
use prometheus::IntCounter;
use prometheus::IntCounterVec;
use prometheus::IntGauge;
use prometheus::IntGaugeVec;
use prometheus::Opts;
use prometheus::Registry;
use prometheus::TextEncoder;
#[cfg(test)]
use prometheus::core::Collector;

use crate::line::promises::WATCHED;
use crate::line::settings::Mode;
use crate::telemetry::metrics::make::counter;
use crate::telemetry::metrics::make::counters;
use crate::telemetry::metrics::make::float_gauges;
use crate::telemetry::metrics::make::gauge;
use crate::telemetry::metrics::make::gauges;
use crate::telemetry::metrics::make::seconds;
use crate::telemetry::metrics::seconds::EXCHANGE_US;
use crate::telemetry::metrics::seconds::ORIGIN_US;
use crate::telemetry::metrics::seconds::WAIT_US;

pub use self::labels::Class;
pub use self::labels::Decision;
pub use self::labels::Label;
pub use self::labels::Limit;
pub use self::labels::OriginFailure;
pub use self::labels::Repeat;
pub use self::labels::Turned;
pub use self::labels::Unbelieved;
pub use self::room::RoomMetrics;
pub use self::room::Shown;
pub use self::seconds::Seconds;
pub use self::seconds::SecondsVec;
pub use self::servers::ServerCounts;
pub use self::servers::WorkerServer;
pub use self::worker::WorkerMetrics;
pub use self::worker::WorkerOrigin;
pub use self::worker::WorkerRoom;

/// What the text of [`Metrics::render`] is, for its `Content-Type`.
pub const CONTENT_TYPE: &str = prometheus::TEXT_FORMAT;

/// A series as it is described to whoever reads it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Series {
    /// Its name.
    pub name: &'static str,
    /// What it says.
    pub help: &'static str,
    /// The Rust type that holds it.
    pub kind: &'static str,
}

macro_rules! metrics {
    ($($(#[doc = $help:literal])+ $name:ident: $type:ident = $make:ident($($arg:expr),*);)+) => {
        /// Every series; a field's documentation is its help text.
        #[derive(Debug)]
        pub struct Metrics {
            registry: Registry,
            $($(#[doc = $help])+ pub $name: $type,)+
        }

        impl Metrics {
            /// Every series, in the order they are declared in.
            pub const SERIES: &'static [Series] = &[$(Series {
                name: concat!("anteroom_", stringify!($name)),
                help: concat!($($help),+).trim_ascii(),
                kind: stringify!($type),
            },)+];

            fn register() -> Result<Self, prometheus::Error> {
                let registry = Registry::new();
                $(
                    let opts = Opts::new(
                        concat!("anteroom_", stringify!($name)),
                        concat!($($help),+).trim_ascii(),
                    );
                    let $name: $type = $make(opts, $($arg),*)?;
                    registry.register(Box::new($name.clone()))?;
                )+
                Ok(Self { registry, $($name),+ })
            }

            #[cfg(test)]
            fn collectors(&self) -> Vec<&dyn Collector> {
                vec![$(&self.$name),+]
            }
        }
    };
}

metrics! {
    /// The running version, as a label; always 1
    build_info: IntGaugeVec = gauges(&["version"]);
    /// When this process started, in seconds since 1970
    start_time_seconds: IntGauge = gauge();
    /// How often this process took a configuration into use, the one it started with included
    config_revision: IntGauge = gauge();
    /// Reloads that were refused because the configuration was invalid
    config_reload_failed_total: IntCounter = counter();

    /// Connections open to visitors
    connections: IntGauge = gauge();
    /// Bytes of responses that wait in memory for clients over HTTP/2
    unsent_bytes: IntGauge = gauge();
    /// Connections among them that are idle, and taken apart until their next byte
    connections_parked: IntGauge = gauge();
    /// Connections accepted from visitors
    accepted_total: IntCounter = counter();
    /// Connections and requests turned away at a bound, before a room saw them
    rejected_total: IntCounterVec = counters(&["reason"]);
    /// Requests by what was done with them; the room is empty where none was concerned
    requests_total: IntCounterVec = counters(&["room", "decision"]);
    /// Responses to visitors by class of status
    responses_total: IntCounterVec = counters(&["class"]);
    /// Polls of waiting visitors
    status_requests_total: IntCounterVec = counters(&["room"]);
    /// Requests of somebody inside that were more than one visitor may make
    visitor_limited_total: IntCounterVec = counters(&["room", "limit"]);
    /// Texts shown as a ticket or a pass that were not believed
    unbelieved_total: IntCounterVec = counters(&["reason"]);
    /// When a certificate shown to visitors ends, in seconds since 1970
    certificate_ends_timestamp_seconds: IntGaugeVec = gauges(&["certificate"]);
    /// Lines of the access log that were dropped because it could not be written fast enough
    access_log_dropped_total: IntCounter = counter();

    /// Visitors with a number that is not called yet, in the line all replicas share
    waiting: IntGaugeVec = gauges(&["room"]);
    /// Visitors inside, holding a live pass
    inside: IntGaugeVec = gauges(&["room"]);
    /// Visitors who want to enter now and are not in yet
    asking: IntGaugeVec = gauges(&["room"]);
    /// Turns of visitors who are not asking yet
    turns: IntGaugeVec = gauges(&["room"]);
    /// Most visitors inside at once; absent where there is no limit
    active_max: IntGaugeVec = gauges(&["room"]);
    /// Entries per second that the operator set
    rate_target: GaugeVec = float_gauges(&["room"]);
    /// What the guard leaves of the rate: 1 when the origin is well, 0 when the pace is stopped
    guard_ratio: GaugeVec = float_gauges(&["room"]);
    /// 1 for the mode the room is in, 0 for the others
    state: IntGaugeVec = gauges(&["room", "mode"]);
    /// Numbers issued to newcomers
    joined_total: IntCounterVec = counters(&["room"]);
    /// Numbers called, each once
    called_total: IntCounterVec = counters(&["room"]);
    /// Entries granted to visitors
    entered_total: IntCounterVec = counters(&["room"]);
    /// Time from joining to entering
    wait_seconds: SecondsVec = seconds("room", WAIT_US);
    /// What the origin says is left to book; absent where it says nothing
    stock: IntGaugeVec = gauges(&["room"]);
    /// Replicas that share the room's line
    instances: IntGaugeVec = gauges(&["room"]);
    /// The revision of the room's settings in force
    settings_revision: IntGaugeVec = gauges(&["room"]);

    /// Time from sending an exchange to its answer
    exchange_seconds: SecondsVec = seconds("room", EXCHANGE_US);
    /// Exchanges with the store that failed
    exchange_errors_total: IntCounterVec = counters(&["room"]);
    /// Answers of the store that broke a promise of the line, which should never happen
    promise_broken_total: IntCounterVec = counters(&["room", "promise"]);
    /// 1 while the room's store answers
    store_up: IntGaugeVec = gauges(&["room"]);
    /// How long the room's store has been away; 0 while it answers
    store_away_seconds: IntGaugeVec = gauges(&["room"]);
    /// Visitors this replica let in by itself while the room's store was away
    paced_entered_total: IntCounterVec = counters(&["room"]);
    /// Asks of visitors that found no room in what this replica remembers of those while the store was away
    paced_refused_total: IntCounterVec = counters(&["room"]);
    /// Entries per second that this replica lets in by itself; 0 while the room's store answers
    paced_rate: GaugeVec = float_gauges(&["room"]);
    /// Entries per second that the line withholds for replicas that may let people in by themselves
    withheld_rate: GaugeVec = float_gauges(&["room"]);
    /// Places in the order of arrival given to newcomers while there were no numbers
    stubs_total: IntCounterVec = counters(&["room"]);
    /// Newcomers with such a place at this replica whom the line has not numbered yet
    stubs_waiting: IntGaugeVec = gauges(&["room"]);

    /// Time from sending a request to the origin to the head of its response
    origin_seconds: SecondsVec = seconds("origin", ORIGIN_US);
    /// Requests in flight to the origin from this replica
    origin_in_flight: IntGaugeVec = gauges(&["origin"]);
    /// Most requests in flight to the origin from this replica: its share of `max_in_flight`
    origin_in_flight_max: IntGaugeVec = gauges(&["origin"]);
    /// Requests that wait at this replica for one in flight to the origin to end
    origin_waiting: IntGaugeVec = gauges(&["origin"]);
    /// Requests that failed at the origin
    origin_errors_total: IntCounterVec = counters(&["origin", "reason"]);
    /// Requests sent to the origin a second time, by why that was right, and those that were not for being too many
    origin_repeats_total: IntCounterVec = counters(&["origin", "reason"]);
    /// 1 unless the server fails the checks of its health
    origin_server_up: IntGaugeVec = gauges(&["origin", "server"]);
    /// 1 while the server is passed over because requests to it failed
    origin_server_ejected: IntGaugeVec = gauges(&["origin", "server"]);
    /// Requests in flight to the server from this replica
    origin_server_in_flight: IntGaugeVec = gauges(&["origin", "server"]);
    /// Times that the server was passed over, trials that failed included
    origin_server_ejections_total: IntCounterVec = counters(&["origin", "server"]);
    /// Checks of the server's health
    origin_server_checks_total: IntCounterVec = counters(&["origin", "server"]);
    /// Checks of the server's health that failed
    origin_server_checks_failed_total: IntCounterVec = counters(&["origin", "server"]);
}

impl Metrics {
    /// All series, at their start.
    ///
    /// # Errors
    /// Never in a build whose tests pass: when two series share a name, or one is not named as Prometheus allows.
    pub fn try_new(started_us: u64) -> Result<Arc<Self>, prometheus::Error> {
        let metrics = Self::register()?;
        let version = env!("CARGO_PKG_VERSION");
        metrics.build_info.with_label_values(&[version]).set(1);
        metrics
            .start_time_seconds
            .set(clamped(started_us / 1_000_000));
        // What is counted by a closed list is shown from the start: a rate over a series that appears with its first
        // event would miss that event.
        for reason in Turned::ALL {
            metrics.rejected_total.with_label_values(&[reason.name()]);
        }
        for reason in Unbelieved::ALL {
            metrics.unbelieved_total.with_label_values(&[reason.name()]);
        }
        for class in Class::ALL {
            metrics.responses_total.with_label_values(&[class.name()]);
        }
        Ok(Arc::new(metrics))
    }

    /// Everything, in Prometheus' text format.
    ///
    /// # Errors
    /// Never in a build whose tests pass: when a series has no name or no value.
    pub fn render(&self) -> Result<String, prometheus::Error> {
        TextEncoder::new().encode_to_string(&self.registry.gather())
    }

    /// The series of one room's line, for whoever talks to its store.
    #[must_use]
    pub fn room(&self, room: &str) -> RoomMetrics {
        let label = &[room];
        RoomMetrics {
            shown: Shown {
                room: room.to_owned(),
                rate_target: self.rate_target.with_label_values(label),
                active_max: self.active_max.clone(),
                state: self.state.clone(),
                stock: self.stock.clone(),
            },
            guard_ratio: self.guard_ratio.with_label_values(label),
            waiting: self.waiting.with_label_values(label),
            inside: self.inside.with_label_values(label),
            asking: self.asking.with_label_values(label),
            turns: self.turns.with_label_values(label),
            instances: self.instances.with_label_values(label),
            settings_revision: self.settings_revision.with_label_values(label),
            store_up: self.store_up.with_label_values(label),
            store_away: self.store_away_seconds.with_label_values(label),
            paced_entered: self.paced_entered_total.with_label_values(label),
            paced_refused: self.paced_refused_total.with_label_values(label),
            paced_rate: self.paced_rate.with_label_values(label),
            withheld: self.withheld_rate.with_label_values(label),
            stubs: self.stubs_total.with_label_values(label),
            stubs_waiting: self.stubs_waiting.with_label_values(label),
            joined: self.joined_total.with_label_values(label),
            called: self.called_total.with_label_values(label),
            entered: self.entered_total.with_label_values(label),
            exchange_errors: self.exchange_errors_total.with_label_values(label),
            promise_broken: WATCHED.map(|promise| {
                let labels = &[room, &promise.to_string()];
                (promise, self.promise_broken_total.with_label_values(labels))
            }),
            exchange_seconds: self.exchange_seconds.of(room),
        }
    }

    /// Shows the settings a room obeys. A rate is given in entries per hour, as the line has it.
    pub fn set_settings(&self, room: &str, rate_per_hour: u64, active_max: u64, mode: Mode) {
        self.room(room)
            .shown
            .settings(rate_per_hour, active_max, mode);
    }

    /// Shows what the origin says is left to book.
    pub fn set_stock(&self, room: &str, stock: Option<u64>) {
        self.room(room).shown.stock(stock);
    }

    /// Shows a room no more, once no configuration has it.
    pub fn forget_room(&self, room: &str) {
        let label = &[room];
        for series in [
            &self.waiting,
            &self.inside,
            &self.asking,
            &self.turns,
            &self.active_max,
            &self.stock,
            &self.instances,
            &self.settings_revision,
            &self.store_up,
            &self.store_away_seconds,
            &self.stubs_waiting,
        ] {
            series.remove_label_values(label).ok();
        }
        for series in [
            &self.status_requests_total,
            &self.joined_total,
            &self.called_total,
            &self.entered_total,
            &self.exchange_errors_total,
            &self.stubs_total,
            &self.paced_entered_total,
            &self.paced_refused_total,
        ] {
            series.remove_label_values(label).ok();
        }
        self.rate_target.remove_label_values(label).ok();
        self.guard_ratio.remove_label_values(label).ok();
        self.paced_rate.remove_label_values(label).ok();
        self.withheld_rate.remove_label_values(label).ok();
        for promise in WATCHED {
            let labels = &[room, &promise.to_string()];
            self.promise_broken_total.remove_label_values(labels).ok();
        }
        for series in [&self.wait_seconds, &self.exchange_seconds] {
            series.forget(room);
        }
        for mode in Mode::ALL {
            self.state.remove_label_values(&[room, mode.name()]).ok();
        }
        for limit in Limit::ALL {
            let labels = &[room, limit.name()];
            self.visitor_limited_total.remove_label_values(labels).ok();
        }
        for decision in Decision::ALL {
            let labels = &[room, decision.name()];
            self.requests_total.remove_label_values(labels).ok();
        }
    }

    /// Shows an origin no more, once no configuration has it.
    pub fn forget_origin(&self, origin: &str) {
        self.origin_seconds.forget(origin);
        for series in [
            &self.origin_in_flight,
            &self.origin_in_flight_max,
            &self.origin_waiting,
        ] {
            series.remove_label_values(&[origin]).ok();
        }
        for reason in OriginFailure::ALL {
            let labels = &[origin, reason.name()];
            self.origin_errors_total.remove_label_values(labels).ok();
        }
        for reason in Repeat::ALL {
            let labels = &[origin, reason.name()];
            self.origin_repeats_total.remove_label_values(labels).ok();
        }
    }
}

/// Millionths as a gauge takes a share of the whole.
#[must_use]
pub fn ratio(ppm: u64) -> f64 {
    f64::from(u32::try_from(ppm).unwrap_or(u32::MAX)) / 1_000_000.0
}

/// Entries per hour as entries per second.
#[must_use]
#[expect(
    clippy::cast_precision_loss,
    reason = "an hourly rate is far below 2^53, so that this is exact"
)]
pub fn per_second(per_hour: u64) -> f64 {
    per_hour as f64 / 3_600.0
}

/// A count as a gauge takes it.
#[must_use]
pub fn clamped(count: u64) -> i64 {
    i64::try_from(count).unwrap_or(i64::MAX)
}

#[cfg(test)]
mod tests;
