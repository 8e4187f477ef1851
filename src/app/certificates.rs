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
use crate::config::certificate::Certificate;
use crate::config::certificate::Print;
use crate::config::reload::Change;
use crate::config::server::CertificateFiles;
use crate::config::server::DEFAULT_CERTIFICATE;
use crate::server;
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
    /// What was read, and from where.
    print: Print,
    files: CertificateFiles,
    said: Option<Said>,
}

/// What the log says of a certificate, each once.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
enum Said {
    Soon,
    Over,
}

impl Ending {
    /// The certificate of this name, which was read from these files.
    pub(crate) fn new(name: &str, files: &CertificateFiles, certificate: &Certificate) -> Self {
        Self {
            name: name.to_owned(),
            ends_s: certificate.ends_s,
            print: certificate.print(),
            files: files.clone(),
            said: None,
        }
    }

    /// When it ends, as a change of the configuration says it.
    fn until(&self) -> String {
        format!("a certificate until {}", self.at())
    }

    fn at(&self) -> Timestamp {
        Timestamp::from_second(self.ends_s).unwrap_or(Timestamp::MAX)
    }

    /// Whether its files hold another one by now, which would be good for longer.
    fn is_renewed(&self) -> bool {
        let read = Certificate::load(&self.files, &server::tls::provider());
        read.is_ok_and(|read| read.ends_s > self.ends_s)
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
    /// Takes these in place of those before; what has changed of those that were there. One that is the same as before
    /// is spoken of no more than it was.
    pub(crate) fn take(&self, mut endings: Vec<Ending>, metrics: &Metrics) -> Vec<Change> {
        let mut known = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        for gone in known.iter() {
            if endings.iter().all(|kept| kept.name != gone.name) {
                metrics.forget_certificate(&gone.name);
            }
        }
        let mut changes = Vec::new();
        for ending in &mut endings {
            metrics.set_certificate(&ending.name, ending.ends_s);
            let Some(before) = known.iter().find(|old| old.name == ending.name) else {
                continue;
            };
            if before.ends_s == ending.ends_s {
                ending.said = before.said;
            }
            if before.print != ending.print {
                changes.push(Change {
                    key: path(&ending.name),
                    before: Some(before.until()),
                    after: Some(ending.until()),
                });
            }
        }
        *known = endings;
        drop(known);
        self.look();
        changes
    }

    /// Says what is to be said now.
    fn look(&self) {
        let now_s = i64::try_from(clock::wall_us() / 1_000_000).unwrap_or(i64::MAX);
        let mut known = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        for ending in known.iter_mut() {
            let Some(said) = ending.say(now_s) else {
                continue;
            };
            let remedy = if ending.is_renewed() {
                "its files hold a new one: reload"
            } else {
                "renew it, then reload"
            };
            let (certificate, at) = (&ending.name, ending.at());
            match said {
                Said::Soon => warn!(%certificate, ends = %at, "a certificate ends soon: {remedy}"),
                Said::Over => {
                    error!(%certificate, ended = %at, "a certificate has ended, browsers refuse it: {remedy}");
                }
            }
        }
    }
}

/// Where the certificate of this name is in the file.
fn path(name: &str) -> String {
    if name == DEFAULT_CERTIFICATE {
        String::from("server.tls")
    } else {
        format!("server.tls.certificate.{name}")
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
    use std::fs;
    use std::path::Path;

    use super::*;

    fn ending(name: &str, ends_s: i64, print: &str) -> Ending {
        Ending {
            name: name.to_owned(),
            ends_s,
            print: Print::of([print]),
            files: CertificateFiles {
                cert: "there-is-none".into(),
                key: "there-is-none".into(),
                ocsp: None,
            },
            said: None,
        }
    }

    /// Writes a certificate that ends in this year.
    fn issue(folder: &Path, year: i32) -> CertificateFiles {
        let key = rcgen::KeyPair::generate().unwrap();
        let mut params = rcgen::CertificateParams::new(["a.example".to_owned()]).unwrap();
        params.not_after = rcgen::date_time_ymd(year, 1, 1);
        let (cert, own) = (folder.join("cert.pem"), folder.join("key.pem"));
        fs::write(&cert, params.self_signed(&key).unwrap().pem()).unwrap();
        fs::write(&own, key.serialize_pem()).unwrap();
        CertificateFiles {
            cert,
            key: own,
            ocsp: None,
        }
    }

    #[test]
    fn a_renewed_certificate_is_a_change_and_the_same_one_is_none() {
        let metrics = Metrics::try_new(0).unwrap();
        let certificates = Certificates::default();
        let folder = tempfile::tempdir().unwrap();
        let read = |files: &CertificateFiles| {
            let certificate = Certificate::load(files, &server::tls::provider()).unwrap();
            Ending::new(DEFAULT_CERTIFICATE, files, &certificate)
        };
        let files = issue(folder.path(), 2050);
        assert_eq!(certificates.take(vec![read(&files)], &metrics), []);
        assert_eq!(certificates.take(vec![read(&files)], &metrics), []);
        let old = read(&files);
        assert!(!old.is_renewed());
        issue(folder.path(), 2051);
        assert!(old.is_renewed());
        let changes = certificates.take(vec![read(&files)], &metrics);
        let told: Vec<_> = changes.iter().map(ToString::to_string).collect();
        assert_eq!(
            told,
            [
                "server.tls: a certificate until 2050-01-01T00:00:00Z → a certificate until 2051-01-01T00:00:00Z"
            ]
        );
    }

    #[test]
    fn an_end_is_spoken_of_once_when_it_is_near_and_once_when_it_has_come() {
        let mut one = ending("a", 10 * AHEAD_S, "");
        let said = [
            0,
            9 * AHEAD_S,
            9 * AHEAD_S + 1,
            10 * AHEAD_S,
            10 * AHEAD_S + 1,
            i64::MAX,
        ]
        .map(|now_s| one.say(now_s));
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
        certificates.take(vec![ending("a", 1, ""), ending("b", 1, "")], &metrics);
        certificates.take(vec![ending("a", 1, "")], &metrics);
        assert_eq!(said("a"), Some(Said::Over));
        let shown = metrics.render().unwrap();
        assert!(
            shown.contains("certificate_ends_timestamp_seconds{certificate=\"a\"} 1"),
            "{shown}"
        );
        assert!(!shown.contains("certificate=\"b\""), "{shown}");
        certificates.take(vec![ending("a", i64::MAX, "new")], &metrics);
        assert_eq!(said("a"), None);
    }
}
