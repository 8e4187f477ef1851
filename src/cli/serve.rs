//! `anteroom serve`: runs until told to stop.

use std::io;
use std::io::Write;
use std::path::PathBuf;

use clap::Args;
use tokio::signal::unix::Signal;
use tokio::signal::unix::SignalKind;
use tokio::signal::unix::signal;
use tracing::info;
use tracing::warn;

use crate::app;
use crate::app::Progress;
use crate::app::cause;
use crate::app::notify;
use crate::cli::CONFIG_FILE;
use crate::cli::exit::Exit;
use crate::config;
use crate::config::Loaded;
use crate::config::Surroundings;
use crate::config::WithoutFile;
use crate::config::server::Format;
use crate::server::Handed;
use crate::server::raise_descriptor_limit;
use crate::telemetry::logs::LogFormat;
use crate::telemetry::logs::Logs;

/// Arguments of `serve`.
#[derive(Debug, Args)]
pub struct Serve {
    /// The configuration file; without it and without --origin, anteroom.toml
    #[arg(long, short, value_name = "FILE", conflicts_with = "origin")]
    pub config: Option<PathBuf>,
    /// Run without a file: the portal to put the room in front of, as `http://127.0.0.1:8000`
    #[arg(long, value_name = "URL")]
    pub origin: Option<String>,
    /// Run without a file: how many visitors to let in, as 120/min
    #[arg(
        long,
        value_name = "RATE",
        default_value = "120/min",
        requires = "origin"
    )]
    pub rate: String,
    /// Run without a file: where visitors connect
    #[arg(long, value_name = "ADDR", requires = "origin")]
    pub listen: Option<String>,
    /// Run without a file: where operators connect
    #[arg(long, value_name = "ADDR", requires = "origin")]
    pub admin: Option<String>,
    /// Run without a file: where the line lives, as `redis://127.0.0.1:6379`, or another address of Redis
    #[arg(long, value_name = "URL", requires = "origin")]
    pub store: Option<String>,
}

impl Serve {
    /// Serves until a signal says to stop; ends with 3 if the configuration cannot be used.
    ///
    /// # Errors
    /// When what is wrong cannot be written.
    pub fn run(&self, err: &mut dyn Write) -> io::Result<Exit> {
        let loaded = match self.load() {
            Ok(loaded) => loaded,
            Err(report) => {
                writeln!(err, "{report}")?;
                return Ok(Exit::ConfigInvalid);
            }
        };
        let log = &loaded.config.log;
        let logs = match Logs::try_init(log_format(log.format), log.level.name()) {
            Ok(logs) => logs,
            Err(error) => {
                writeln!(err, "the logs cannot be set up: {error}")?;
                return Ok(Exit::Failed);
            }
        };
        // While there are no other threads.
        let handed = match Handed::from_environment() {
            Ok(handed) => handed,
            Err(error) => {
                writeln!(err, "anteroom cannot start: {}", cause(&error))?;
                return Ok(Exit::Failed);
            }
        };
        let runtime = tokio::runtime::Builder::new_current_thread()
            .enable_all()
            .build()?;
        match runtime.block_on(serve(loaded, self.file(), logs, handed)) {
            Ok(()) => Ok(Exit::Ok),
            Err(error) => {
                writeln!(err, "anteroom cannot start: {error}")?;
                Ok(Exit::Failed)
            }
        }
    }

    /// The file it was started with, if it was started with one.
    fn file(&self) -> Option<PathBuf> {
        match (&self.config, &self.origin) {
            (Some(file), _) => Some(file.clone()),
            (None, None) => Some(PathBuf::from(CONFIG_FILE)),
            (None, Some(_)) => None,
        }
    }

    fn load(&self) -> Result<Loaded, config::Report> {
        let surroundings = Surroundings::here();
        match (self.file(), &self.origin) {
            (None, Some(origin)) => WithoutFile {
                origin,
                rate: &self.rate,
                listen: self.listen.as_deref(),
                admin: self.admin.as_deref(),
                store: self.store.as_deref(),
            }
            .load(&surroundings),
            (file, _) => config::load(
                &file.unwrap_or_else(|| PathBuf::from(CONFIG_FILE)),
                &surroundings,
            ),
        }
    }
}

async fn serve(
    loaded: Loaded,
    file: Option<PathBuf>,
    logs: Logs,
    handed: Handed,
) -> Result<(), Box<dyn std::error::Error>> {
    if let Some(warnings) = loaded.warnings() {
        warn!("the configuration has warnings:\n{warnings}");
    }
    let limit = raise_descriptor_limit();
    info!(
        open_files_max = limit.now,
        version = env!("CARGO_PKG_VERSION"),
        "anteroom starts"
    );
    let (mut changes, mut stops) = (Changes::listen()?, Stops::listen()?);
    let running = app::start(loaded, file, Some(logs), handed).await?;
    notify(Progress::Ready);
    loop {
        tokio::select! {
            _ = changes.reload.recv() => {
                notify(Progress::Reloading);
                running.reload().await;
                notify(Progress::Ready);
            }
            _ = changes.reopen.recv() => running.reopen_logs(),
            () = stops.recv() => break,
        }
    }
    notify(Progress::Stopping);
    info!("draining: no new connections; a second signal ends everything now");
    let stopped = running.stop(stops.recv()).await;
    info!(
        finished = stopped.finished,
        cut = stopped.cut,
        "anteroom stopped"
    );
    Ok(())
}

/// The signals that change something: SIGHUP reads the configuration again, SIGUSR1 opens the access log anew.
struct Changes {
    reload: Signal,
    reopen: Signal,
}

impl Changes {
    fn listen() -> io::Result<Self> {
        Ok(Self {
            reload: signal(SignalKind::hangup())?,
            reopen: signal(SignalKind::user_defined1())?,
        })
    }
}

/// The signals that stop it: SIGTERM and SIGINT mean the same.
struct Stops {
    terminate: Signal,
    interrupt: Signal,
}

impl Stops {
    fn listen() -> io::Result<Self> {
        Ok(Self {
            terminate: signal(SignalKind::terminate())?,
            interrupt: signal(SignalKind::interrupt())?,
        })
    }

    async fn recv(&mut self) {
        tokio::select! {
            _ = self.terminate.recv() => {}
            _ = self.interrupt.recv() => {}
        }
    }
}

fn log_format(format: Format) -> LogFormat {
    match format {
        Format::Text => LogFormat::Text,
        Format::Json => LogFormat::Json,
    }
}
