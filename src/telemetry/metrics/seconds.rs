//! Histograms of durations: counted by a worker on its own, added up for whoever asks.
//!
//! The histograms of the `prometheus` crate take one observation at a time, which would make a handover as long as the
//! work since the last one. These hand over their buckets.

use std::collections::HashMap;
use std::fmt;
use std::sync::Arc;
use std::sync::Mutex;
use std::sync::MutexGuard;
use std::sync::PoisonError;
use std::sync::atomic::AtomicU64;
use std::sync::atomic::Ordering;
use std::time::Duration;

use prometheus::Opts;
use prometheus::core::Collector;
use prometheus::core::Desc;
use prometheus::proto;

/// Upper bounds of exchange times, in microseconds.
pub(super) const EXCHANGE_US: &[u64] = &[
    100, 250, 500, 1_000, 2_500, 5_000, 10_000, 25_000, 50_000, 100_000, 250_000, 500_000,
    1_000_000,
];

/// Upper bounds of origin times, in microseconds.
pub(super) const ORIGIN_US: &[u64] = &[
    1_000, 2_500, 5_000, 10_000, 25_000, 50_000, 100_000, 250_000, 500_000, 1_000_000, 2_500_000,
    5_000_000, 10_000_000, 30_000_000,
];

/// Upper bounds of waits, in microseconds: a second to eight hours.
pub(super) const WAIT_US: &[u64] = &[
    1_000_000,
    10_000_000,
    30_000_000,
    60_000_000,
    120_000_000,
    300_000_000,
    600_000_000,
    1_200_000_000,
    1_800_000_000,
    3_600_000_000,
    7_200_000_000,
    14_400_000_000,
    28_800_000_000,
];

/// One histogram. Observing is two additions to memory that only this worker writes.
#[derive(Debug)]
pub struct Seconds {
    bounds_us: &'static [u64],
    /// One count for each bound and one for what is above the last.
    counts: Box<[AtomicU64]>,
    sum_us: AtomicU64,
}

impl Seconds {
    /// An empty histogram with these upper bounds, ascending, in microseconds.
    #[must_use]
    pub fn new(bounds_us: &'static [u64]) -> Self {
        Self {
            bounds_us,
            counts: (0..=bounds_us.len()).map(|_| AtomicU64::new(0)).collect(),
            sum_us: AtomicU64::new(0),
        }
    }

    /// Counts one duration.
    pub fn observe(&self, duration: Duration) {
        self.observe_us(u64::try_from(duration.as_micros()).unwrap_or(u64::MAX));
    }

    /// Counts one duration, given in microseconds.
    pub fn observe_us(&self, us: u64) {
        let at = self.bounds_us.partition_point(|bound| *bound < us);
        if let Some(count) = self.counts.get(at) {
            count.fetch_add(1, Ordering::Relaxed);
        }
        self.sum_us.fetch_add(us, Ordering::Relaxed);
    }

    /// How many durations were counted.
    #[must_use]
    pub fn count(&self) -> u64 {
        let counts = self.counts.iter();
        counts.map(|count| count.load(Ordering::Relaxed)).sum()
    }

    /// Moves everything counted here into `to`, which has the same bounds.
    pub(super) fn drain_into(&self, to: &Self) {
        for (from, to) in self.counts.iter().zip(&to.counts) {
            let count = from.swap(0, Ordering::Relaxed);
            if count > 0 {
                to.fetch_add(count, Ordering::Relaxed);
            }
        }
        to.sum_us
            .fetch_add(self.sum_us.swap(0, Ordering::Relaxed), Ordering::Relaxed);
    }

    fn exposed(&self) -> proto::Histogram {
        let mut total = 0;
        let mut buckets = Vec::with_capacity(self.bounds_us.len());
        for (bound, count) in self.bounds_us.iter().zip(&self.counts) {
            total += count.load(Ordering::Relaxed);
            let mut bucket = proto::Bucket::default();
            bucket.set_upper_bound(seconds(*bound));
            bucket.set_cumulative_count(total);
            buckets.push(bucket);
        }
        if let Some(above) = self.counts.last() {
            total += above.load(Ordering::Relaxed);
        }
        let mut histogram = proto::Histogram::default();
        histogram.set_bucket(buckets);
        histogram.set_sample_count(total);
        histogram.set_sample_sum(seconds(self.sum_us.load(Ordering::Relaxed)));
        histogram
    }
}

/// A histogram for each value of one label. Clones are the same histograms.
#[derive(Clone)]
pub struct SecondsVec(Arc<Inner>);

struct Inner {
    desc: Desc,
    bounds_us: &'static [u64],
    rows: Mutex<Vec<(String, Arc<Seconds>)>>,
}

impl SecondsVec {
    /// No histogram yet; each will have these bounds, in microseconds.
    ///
    /// # Errors
    /// When name, help or label are not what Prometheus allows.
    pub(super) fn try_new(
        opts: Opts,
        label: &str,
        bounds_us: &'static [u64],
    ) -> Result<Self, prometheus::Error> {
        let labels = vec![label.to_owned()];
        let desc = Desc::new(opts.name, opts.help, labels, HashMap::new())?;
        Ok(Self(Arc::new(Inner {
            desc,
            bounds_us,
            rows: Mutex::default(),
        })))
    }

    /// The histogram for this label value, made when there is none.
    #[must_use]
    pub fn of(&self, value: &str) -> Arc<Seconds> {
        let mut rows = self.rows();
        if let Some((_, found)) = rows.iter().find(|(name, _)| name == value) {
            return Arc::clone(found);
        }
        let made = Arc::new(Seconds::new(self.0.bounds_us));
        rows.push((value.to_owned(), Arc::clone(&made)));
        made
    }

    /// Forgets the histogram of a label value that is no more.
    pub(super) fn forget(&self, value: &str) {
        self.rows().retain(|(name, _)| name != value);
    }

    /// An empty histogram with the same bounds, for one worker.
    pub(super) fn local(&self) -> Seconds {
        Seconds::new(self.0.bounds_us)
    }

    fn rows(&self) -> MutexGuard<'_, Vec<(String, Arc<Seconds>)>> {
        self.0.rows.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Collector for SecondsVec {
    fn desc(&self) -> Vec<&Desc> {
        vec![&self.0.desc]
    }

    fn collect(&self) -> Vec<proto::MetricFamily> {
        let rows = self.rows();
        let metrics: Vec<proto::Metric> = rows
            .iter()
            .map(|(value, histogram)| {
                let mut label = proto::LabelPair::default();
                label.set_name(self.0.desc.variable_labels.concat());
                label.set_value(value.clone());
                let mut metric = proto::Metric::from_label(vec![label]);
                metric.set_histogram(histogram.exposed());
                metric
            })
            .collect();
        if metrics.is_empty() {
            return Vec::new();
        }
        let mut family = proto::MetricFamily::default();
        family.set_name(self.0.desc.fq_name.clone());
        family.set_help(self.0.desc.help.clone());
        family.set_field_type(proto::MetricType::HISTOGRAM);
        family.set_metric(metrics);
        vec![family]
    }
}

impl fmt::Debug for SecondsVec {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("SecondsVec")
            .field(&self.0.desc.fq_name)
            .finish()
    }
}

/// Microseconds as seconds.
fn seconds(us: u64) -> f64 {
    Duration::from_micros(us).as_secs_f64()
}
