//! When certificates end: shown as a metric, and said in the log in time.

use std::sync::Arc;
use std::sync::Mutex;
use std::sync::PoisonError;
use std::time::Duration;

use jiff::Timestamp;
use tokio::time::interval;
use tracing::error;
use tracing::warn;

use crate::app::control::Control;
use crate::clock;
use crate::telemetry::metrics::Metrics;

/// How long before its end the log says so: what renews certificates has failed several times by then.
const AHEAD_S: i64 = 14 * 24 * 60 * 60;

/// How often is looked.
const LOOK: Duration = Duration::from_secs(60 * 60);

/// The certificates in use, and what has been said about each.
#[derive(Debug, Default)]
pub(crate) struct Certificates(Mutex<Vec<Ending>>);

/// When a certificate ends.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Ending {
    name: String,
    ends_s: i64,
    said: Option<Said>,
}

/// What the log says of a certificate, each once.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
enum Said {
    Soon,
    Over,
}

impl Ending {
    /// A certificate of this name, and when it ends in seconds since 1970.
    pub(crate) fn new(name: &str, ends_s: i64) -> Self {
        Self {
            name: name.to_owned(),
            ends_s,
            said: None,
        }
    }

    /// What is to be said now and has not been.
    fn say(&mut self, now_s: i64) -> Option<Said> {
        let left_s = self.ends_s.saturating_sub(now_s);
        let due = match left_s {
            ..0 => Some(Said::Over),
            0..AHEAD_S => Some(Said::Soon),
            AHEAD_S.. => None,
        };
        let is_news = due > self.said;
        self.said = self.said.max(due);
        due.filter(|_| is_news)
    }
}

impl Certificates {
    /// Takes these in place of those before. One that is the same as before is spoken of no more than it was.
    pub(crate) fn take(&self, mut endings: Vec<Ending>, metrics: &Metrics) {
        let mut known = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        for gone in known.iter() {
            if endings.iter().all(|kept| kept.name != gone.name) {
                metrics.forget_certificate(&gone.name);
            }
        }
        for ending in &mut endings {
            metrics.set_certificate(&ending.name, ending.ends_s);
            let before = |old: &&Ending| (&old.name, old.ends_s) == (&ending.name, ending.ends_s);
            ending.said = known.iter().find(before).and_then(|old| old.said);
        }
        *known = endings;
        drop(known);
        self.look();
    }

    /// Says what is to be said now.
    fn look(&self) {
        let now_s = i64::try_from(clock::wall_us() / 1_000_000).unwrap_or(i64::MAX);
        let mut known = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        for ending in known.iter_mut() {
            let at = Timestamp::from_second(ending.ends_s).unwrap_or(Timestamp::MAX);
            match ending.say(now_s) {
                Some(Said::Soon) => {
                    warn!(certificate = %ending.name, ends = %at, "a certificate ends soon: renew it");
                }
                Some(Said::Over) => {
                    error!(certificate = %ending.name, ended = %at, "a certificate has ended: browsers refuse it");
                }
                None => {}
            }
        }
    }
}

/// Looks at when certificates end for as long as this runs.
pub(crate) async fn watch(control: Arc<Control>) {
    let mut every = interval(LOOK);
    loop {
        every.tick().await;
        control.certificates.look();
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_end_is_spoken_of_once_when_it_is_near_and_once_when_it_has_come() {
        let mut ending = Ending::new("a", 10 * AHEAD_S);
        let said = [
            0,
            9 * AHEAD_S,
            9 * AHEAD_S + 1,
            10 * AHEAD_S,
            10 * AHEAD_S + 1,
            i64::MAX,
        ]
        .map(|now_s| ending.say(now_s));
        let (soon, over) = (Some(Said::Soon), Some(Said::Over));
        assert_eq!(said, [None, None, soon, None, over, None]);
    }

    #[test]
    fn a_renewed_certificate_is_spoken_of_anew_and_one_that_is_gone_is_not_shown() {
        let metrics = Metrics::try_new(0).unwrap();
        let certificates = Certificates::default();
        let said = |name: &str| {
            let known = certificates.0.lock().unwrap();
            let found = known.iter().find(|ending| ending.name == name);
            found.and_then(|ending| ending.said)
        };
        certificates.take(vec![Ending::new("a", 1), Ending::new("b", 1)], &metrics);
        certificates.take(vec![Ending::new("a", 1)], &metrics);
        assert_eq!(said("a"), Some(Said::Over));
        let shown = metrics.render().unwrap();
        assert!(
            shown.contains("certificate_ends_timestamp_seconds{certificate=\"a\"} 1"),
            "{shown}"
        );
        assert!(!shown.contains("certificate=\"b\""), "{shown}");
        certificates.take(vec![Ending::new("a", i64::MAX)], &metrics);
        assert_eq!(said("a"), None);
    }
}
