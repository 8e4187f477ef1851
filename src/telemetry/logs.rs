//! Logs: what happened, as text or JSON on standard error.
//!
//! The filter can be changed while anteroom runs. What must never be logged (cookies, tickets, passes, keys, query
//! strings) is kept out where the events are made; nothing here could find it.

use std::fmt;
use std::io;
use std::io::IsTerminal;

use tracing_subscriber::EnvFilter;
use tracing_subscriber::Layer;
use tracing_subscriber::Registry;
use tracing_subscriber::fmt::MakeWriter;
use tracing_subscriber::layer::SubscriberExt;
use tracing_subscriber::reload;
use tracing_subscriber::util::SubscriberInitExt;

/// How a log line is written.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum LogFormat {
    /// For people.
    #[default]
    Text,
    /// One JSON object per line.
    Json,
}

/// Logs that cannot be set up or changed.
#[derive(Debug, thiserror::Error)]
pub enum LogsError {
    /// The filter cannot be read.
    #[error("log filter {0:?} is not like \"info\" or \"info,anteroom::store=debug\"")]
    Filter(String),
    /// Something else in this process has set up logs already.
    #[error("logs are set up already")]
    SetUpAlready,
    /// The logs of this handle are no more.
    #[error("logs have ended")]
    Ended,
}

/// The running logs.
#[derive(Clone)]
pub struct Logs {
    filter: reload::Handle<EnvFilter, Registry>,
}

impl Logs {
    /// Sends this process's logs to standard error. `filter` is a level, or levels by module:
    /// `"info,anteroom::store=debug"`.
    ///
    /// # Errors
    /// When the filter cannot be read, or logs are set up already.
    pub fn try_init(format: LogFormat, filter: &str) -> Result<Self, LogsError> {
        let ansi = io::stderr().is_terminal() && std::env::var_os("NO_COLOR").is_none();
        let (logs, subscriber) = Self::build(format, filter, ansi, io::stderr)?;
        subscriber.try_init().map_err(|_| LogsError::SetUpAlready)?;
        Ok(logs)
    }

    /// Changes the filter from now on.
    ///
    /// # Errors
    /// When the filter cannot be read; the old one stays.
    pub fn set_filter(&self, filter: &str) -> Result<(), LogsError> {
        self.filter
            .reload(parse(filter)?)
            .map_err(|_| LogsError::Ended)
    }

    /// The filter in force.
    #[must_use]
    pub fn filter(&self) -> String {
        self.filter
            .with_current(ToString::to_string)
            .unwrap_or_default()
    }

    fn build<W>(
        format: LogFormat,
        filter: &str,
        ansi: bool,
        writer: W,
    ) -> Result<(Self, impl SubscriberInitExt), LogsError>
    where
        W: for<'a> MakeWriter<'a> + Send + Sync + 'static,
    {
        let (filter, handle) = reload::Layer::new(parse(filter)?);
        let lines = tracing_subscriber::fmt::layer()
            .with_writer(writer)
            .with_ansi(ansi);
        let lines = match format {
            LogFormat::Text => lines.boxed(),
            LogFormat::Json => lines.json().flatten_event(true).boxed(),
        };
        let subscriber = tracing_subscriber::registry().with(filter).with(lines);
        Ok((Self { filter: handle }, subscriber))
    }
}

impl fmt::Debug for Logs {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Logs")
            .field("filter", &self.filter())
            .finish()
    }
}

/// Whether a filter can be read, for checking a configuration.
///
/// # Errors
/// When it cannot.
pub fn check_filter(filter: &str) -> Result<(), LogsError> {
    parse(filter).map(|_| ())
}

fn parse(filter: &str) -> Result<EnvFilter, LogsError> {
    EnvFilter::builder()
        .parse(filter)
        .map_err(|_| LogsError::Filter(filter.to_owned()))
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;
    use std::sync::Mutex;

    use super::*;

    #[derive(Clone, Default)]
    struct Sink(Arc<Mutex<Vec<u8>>>);

    impl io::Write for Sink {
        fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
            self.0.lock().unwrap().extend_from_slice(bytes);
            Ok(bytes.len())
        }

        fn flush(&mut self) -> io::Result<()> {
            Ok(())
        }
    }

    impl Sink {
        fn take(&self) -> String {
            String::from_utf8(std::mem::take(&mut *self.0.lock().unwrap())).unwrap()
        }
    }

    fn logs(format: LogFormat, filter: &str) -> (Logs, Sink, tracing::subscriber::DefaultGuard) {
        let sink = Sink::default();
        let writer = sink.clone();
        let (logs, subscriber) =
            Logs::build(format, filter, false, move || writer.clone()).unwrap();
        (logs, sink, subscriber.set_default())
    }

    #[test]
    fn the_filter_can_be_changed_while_it_runs() {
        let (logs, sink, _guard) = logs(LogFormat::Text, "info");
        tracing::debug!("not yet");
        tracing::info!(room.name = "vaccination", "opened");
        let text = sink.take();
        assert!(!text.contains("not yet"), "{text}");
        assert!(
            text.contains("opened") && text.contains("vaccination"),
            "{text}"
        );
        logs.set_filter("debug").unwrap();
        assert_eq!(logs.filter(), "debug");
        tracing::debug!("now");
        assert!(sink.take().contains("now"));
    }

    #[test]
    fn a_bad_filter_is_named_and_changes_nothing() {
        let (logs, _, _guard) = logs(LogFormat::Text, "warn");
        let error = logs.set_filter("anteroom=loud").unwrap_err().to_string();
        assert!(error.contains("anteroom=loud"), "{error}");
        assert_eq!(logs.filter(), "warn");
        assert!(check_filter("info,anteroom::store=debug").is_ok());
        assert!(check_filter("=,=").is_err());
    }

    #[test]
    fn a_json_line_is_one_object_with_its_values_as_fields() {
        let (_logs, sink, _guard) = logs(LogFormat::Json, "info");
        tracing::warn!(room.name = "a\nb", wait_ms = 17, "store away");
        let text = sink.take();
        assert_eq!(text.lines().count(), 1, "{text}");
        let read: serde_json::Value = serde_json::from_str(&text).unwrap();
        assert_eq!(read["message"], "store away");
        assert_eq!(read["room.name"], "a\nb");
        assert_eq!(read["wait_ms"], 17);
        assert_eq!(read["level"], "WARN");
    }
}
