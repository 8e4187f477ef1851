//! What is shown of each server of an origin.

use std::cell::Cell;

use prometheus::IntCounter;
use prometheus::IntGauge;

use crate::telemetry::metrics::Metrics;
use crate::telemetry::metrics::WorkerMetrics;

/// How a server stands with this replica; counts since it was first known.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct ServerCounts {
    /// Unless its checks fail.
    pub is_up: bool,
    /// It is passed over.
    pub is_ejected: bool,
    /// See [`Metrics::origin_server_ejections_total`].
    pub ejections: u64,
    /// See [`Metrics::origin_server_checks_total`].
    pub checks: u64,
    /// See [`Metrics::origin_server_checks_failed_total`].
    pub checks_failed: u64,
}

/// One worker's series of one server. What this worker has in flight there is taken off when dropped.
#[derive(Debug)]
pub struct WorkerServer {
    /// In flight when last told.
    told: Cell<i64>,
    in_flight: IntGauge,
    up: IntGauge,
    ejected: IntGauge,
    ejections: IntCounter,
    checks: IntCounter,
    checks_failed: IntCounter,
}

impl WorkerServer {
    /// This worker has so many requests in flight to it.
    pub fn in_flight(&self, count: usize) {
        let count = i64::try_from(count).unwrap_or(i64::MAX);
        self.in_flight.add(count - self.told.replace(count));
    }

    /// How it stands; to be told by one of the workers.
    pub fn stands(&self, counts: &ServerCounts) {
        self.up.set(i64::from(counts.is_up));
        self.ejected.set(i64::from(counts.is_ejected));
        for (counter, total) in [
            (&self.ejections, counts.ejections),
            (&self.checks, counts.checks),
            (&self.checks_failed, counts.checks_failed),
        ] {
            counter.inc_by(total.saturating_sub(counter.get()));
        }
    }
}

impl Drop for WorkerServer {
    fn drop(&mut self) {
        self.in_flight.sub(self.told.get());
    }
}

impl WorkerMetrics {
    /// This worker's series for a server of an origin. To be asked when a configuration is taken into use.
    #[must_use]
    pub fn server(&self, origin: &str, server: &str) -> WorkerServer {
        let metrics = self.metrics();
        let labels = &[origin, server];
        WorkerServer {
            told: Cell::new(0),
            in_flight: metrics.origin_server_in_flight.with_label_values(labels),
            up: metrics.origin_server_up.with_label_values(labels),
            ejected: metrics.origin_server_ejected.with_label_values(labels),
            ejections: metrics
                .origin_server_ejections_total
                .with_label_values(labels),
            checks: metrics.origin_server_checks_total.with_label_values(labels),
            checks_failed: metrics
                .origin_server_checks_failed_total
                .with_label_values(labels),
        }
    }
}

impl Metrics {
    /// Shows a server of an origin no more, once no configuration has it.
    pub fn forget_server(&self, origin: &str, server: &str) {
        let labels = &[origin, server];
        for series in [
            &self.origin_server_up,
            &self.origin_server_ejected,
            &self.origin_server_in_flight,
        ] {
            series.remove_label_values(labels).ok();
        }
        for series in [
            &self.origin_server_ejections_total,
            &self.origin_server_checks_total,
            &self.origin_server_checks_failed_total,
        ] {
            series.remove_label_values(labels).ok();
        }
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use super::*;

    fn shown(metrics: &Metrics, series: &str) -> Option<String> {
        let line = format!("anteroom_origin_server_{series}{{origin=\"portal\",server=\"a:1\"}} ");
        let text = metrics.render().ok()?;
        text.lines()
            .find_map(|shown| shown.strip_prefix(&line).map(str::to_owned))
    }

    #[test]
    fn what_workers_have_in_flight_adds_up_and_what_they_share_does_not() {
        let metrics = Metrics::try_new(0).unwrap();
        let workers = [(); 2].map(|()| WorkerMetrics::new(Arc::clone(&metrics)));
        let [one, two] = workers
            .each_ref()
            .map(|worker| worker.server("portal", "a:1"));
        let counts = ServerCounts {
            is_up: true,
            is_ejected: true,
            ejections: 2,
            checks: 10,
            checks_failed: 3,
        };
        for (server, in_flight) in [(&one, 5), (&two, 4), (&one, 3)] {
            server.in_flight(in_flight);
            server.stands(&counts);
        }
        drop(two);
        // A configuration later.
        let again = workers[0].server("portal", "a:1");
        again.stands(&counts);
        for (series, value) in [
            ("in_flight", "3"),
            ("up", "1"),
            ("ejected", "1"),
            ("ejections_total", "2"),
            ("checks_total", "10"),
            ("checks_failed_total", "3"),
        ] {
            assert_eq!(shown(&metrics, series).as_deref(), Some(value), "{series}");
        }
        metrics.forget_server("portal", "a:1");
        assert!(!metrics.render().unwrap().contains("a:1"));
    }
}
