//! The series of certificates: when each of those in use ends.

use crate::telemetry::metrics::Metrics;

impl Metrics {
    /// Shows when a certificate ends, in seconds since 1970.
    pub fn set_certificate(&self, name: &str, ends_s: i64) {
        let shown = self
            .certificate_ends_timestamp_seconds
            .with_label_values(&[name]);
        shown.set(ends_s);
    }

    /// Shows a certificate no more, once no configuration has it.
    pub fn forget_certificate(&self, name: &str) {
        let shown = &self.certificate_ends_timestamp_seconds;
        shown.remove_label_values(&[name]).ok();
    }
}
