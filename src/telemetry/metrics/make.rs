//! How a series of each kind is made.

use prometheus::GaugeVec;
use prometheus::IntCounter;
use prometheus::IntCounterVec;
use prometheus::IntGauge;
use prometheus::IntGaugeVec;
use prometheus::Opts;

use crate::telemetry::metrics::SecondsVec;

pub(super) fn counter(opts: Opts) -> Result<IntCounter, prometheus::Error> {
    IntCounter::with_opts(opts)
}

pub(super) fn counters(opts: Opts, labels: &[&str]) -> Result<IntCounterVec, prometheus::Error> {
    IntCounterVec::new(opts, labels)
}

pub(super) fn gauge(opts: Opts) -> Result<IntGauge, prometheus::Error> {
    IntGauge::with_opts(opts)
}

pub(super) fn gauges(opts: Opts, labels: &[&str]) -> Result<IntGaugeVec, prometheus::Error> {
    IntGaugeVec::new(opts, labels)
}

pub(super) fn float_gauges(opts: Opts, labels: &[&str]) -> Result<GaugeVec, prometheus::Error> {
    GaugeVec::new(opts, labels)
}

pub(super) fn seconds(
    opts: Opts,
    label: &str,
    bounds_us: &'static [u64],
) -> Result<SecondsVec, prometheus::Error> {
    SecondsVec::try_new(opts, label, bounds_us)
}
