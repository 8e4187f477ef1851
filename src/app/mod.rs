//! Puts the parts together: configuration, stores, rooms, workers, admin listener; and takes them apart again.
//!
//! Everything that is not a visitor's request runs on the caller's runtime: the exchangers, the admin listener,
//! reloads and signals.

mod build;
mod certificates;
mod control;
mod notify;
mod origin_tls;
mod rooms;
mod sockets;
mod watch;

use std::net::SocketAddr;
use std::path::PathBuf;
use std::rc::Rc;
use std::sync::Arc;
use std::time::Duration;

use arc_swap::ArcSwap;
use tokio::sync::mpsc;
use tokio::task::JoinHandle;
use tracing::info;
use tracing::warn;

use crate::admin;
use crate::admin::Token;
use crate::app::build::BuildError;
use crate::app::control::Control;
use crate::app::control::Handles;
use crate::app::control::Parts;
use crate::app::control::ReloadError;
use crate::clock;
use crate::config::Loaded;
use crate::config::secret::Secret;
use crate::gate;
use crate::gate::Gate;
use crate::gate::Live;
use crate::page::Pages;
use crate::server;
use crate::server::Handed;
use crate::server::ListenSettings;
use crate::server::ServerSettings;
use crate::server::Worker;
use crate::telemetry;
use crate::telemetry::access_log::AccessFormat;
use crate::telemetry::access_log::AccessLog;
use crate::telemetry::logs::Logs;
use crate::telemetry::metrics::Metrics;
use crate::telemetry::metrics::WorkerMetrics;

pub(crate) use build::cause;
pub use notify::Progress;
pub use notify::notify;

/// How long the last lines of the access log may take to be written.
const LOG_DEADLINE: Duration = Duration::from_secs(5);
/// How long telling the stores that this replica stops may take.
const LEAVE_DEADLINE: Duration = Duration::from_secs(3);

/// Why anteroom could not start.
#[derive(Debug, thiserror::Error)]
pub enum StartError {
    /// Something the configuration names cannot be used.
    #[error("{0}")]
    Unusable(String),
    /// The texts cannot be used.
    #[error("{0}")]
    Texts(String),
    /// A listener.
    #[error("{0}")]
    Listen(String),
    /// The access log.
    #[error("the access log cannot be opened: {0}")]
    AccessLog(String),
    /// Metrics could not be set up.
    #[error("metrics cannot be set up: {0}")]
    Metrics(String),
}

/// A running anteroom.
pub struct Running {
    control: Arc<Control>,
    server: server::Running,
    admin: Option<SocketAddr>,
    access_log: Option<Arc<AccessLog>>,
    tasks: Vec<JoinHandle<()>>,
}

impl std::fmt::Debug for Running {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Running")
            .field("server", &self.server)
            .field("admin", &self.admin)
            .finish_non_exhaustive()
    }
}

/// What a stop came to.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Stopped {
    /// Connections that ended by themselves.
    pub finished: usize,
    /// Connections cut off because their time was up.
    pub cut: usize,
}

/// Starts anteroom with this configuration; `file` is read again by reloads, which change the level of `logs`.
///
/// Sockets that were `handed` over are used where the configuration names their addresses.
///
/// # Errors
/// [`StartError`] when something it names cannot be used; nothing is left running.
pub async fn start(
    loaded: Loaded,
    file: Option<PathBuf>,
    logs: Option<Logs>,
    mut handed: Handed,
) -> Result<Running, StartError> {
    let config = Arc::clone(&loaded.config);
    let metrics = Metrics::try_new(clock::wall_us())
        .map_err(|error| StartError::Metrics(error.to_string()))?;
    let unusable = |error: ReloadError| StartError::Unusable(error.to_string());
    let keys = control::keys(&config).map_err(|error| unusable(error.into()))?;
    let pages = Arc::new(Pages::load().map_err(|error| StartError::Texts(error.to_string()))?);
    let tls = config
        .server
        .tls
        .as_ref()
        .map(|tls| build::server_tls(tls, &keys))
        .transpose();
    let tls = tls.map_err(|error: BuildError| unusable(error.into()))?;
    let parts = Parts {
        config: Arc::clone(&config),
        keys,
        pages,
    };
    let live = control::assemble(parts, None, &metrics)
        .await
        .map_err(unusable)?;
    let token = Arc::new(Token::default());
    let shown = control::token(&config).map_err(|error| unusable(error.into()))?;
    token.set(shown.as_ref().map(Secret::expose));
    let handles = Handles { tls, token, logs };
    let control = Control::new(file, loaded, live, handles, Arc::clone(&metrics));
    let control = Arc::new(control);

    let access_log = open_access_log(&config, &metrics)?;
    let takes_over = sockets::takes_over(&config, &handed);
    if takes_over {
        sockets::lines_known(&control.live.load_full()).await;
    }
    let operators = sockets::operators(&config, takes_over, &mut handed)?;
    let server = start_server(&config, &control, access_log.as_ref(), handed)?;
    let (orders, inbox) = mpsc::channel(16);
    let admin = operators.map(|listening| start_admin(listening, &control, orders));
    let admin = admin.transpose()?;
    let tasks = vec![
        tokio::spawn(watch::orders(Arc::clone(&control), inbox)),
        tokio::spawn(watch::file(Arc::clone(&control))),
        tokio::spawn(certificates::watch(Arc::clone(&control))),
    ];
    for addr in server.addrs() {
        info!(addr = %addr, workers = build::workers(&config), "listening for visitors");
    }
    Ok(Running {
        control,
        server,
        admin,
        access_log,
        tasks,
    })
}

fn open_access_log(
    config: &crate::config::Config,
    metrics: &Arc<Metrics>,
) -> Result<Option<Arc<AccessLog>>, StartError> {
    let Some(target) = build::access(config) else {
        return Ok(None);
    };
    let format = match config.log.format {
        crate::config::server::Format::Text => AccessFormat::Logfmt,
        crate::config::server::Format::Json => AccessFormat::Json,
    };
    let log = AccessLog::try_open(target, format, Arc::clone(metrics));
    log.map(|log| Some(Arc::new(log)))
        .map_err(|error| StartError::AccessLog(build::io_cause(&error)))
}

fn start_server(
    config: &crate::config::Config,
    control: &Arc<Control>,
    access_log: Option<&Arc<AccessLog>>,
    handed: Handed,
) -> Result<server::Running, StartError> {
    let visitors = config.server.listen.iter().map(|&addr| ListenSettings {
        addr,
        tls: control.tls.clone(),
        redirects: false,
    });
    let redirect = config.server.redirect.iter();
    let redirect = redirect.map(|redirect| ListenSettings {
        addr: redirect.listen,
        tls: None,
        redirects: true,
    });
    let files_max = server::descriptors_max();
    let (wanted, allowed) = (
        config.server.max_connections,
        build::connections_max(config, files_max),
    );
    if allowed < wanted {
        warn!(
            max_connections = wanted,
            allowed,
            open_files_max = files_max,
            "fewer connections than configured: the system allows fewer open files (LimitNOFILE, ulimit -n)"
        );
    }
    let settings = ServerSettings {
        listen: visitors.chain(redirect).collect(),
        workers: build::workers(config),
        proxy_protocol: config.server.proxy_protocol.clone(),
        limits: build::limits(config, files_max),
    };
    let (live, metrics, log) = (
        Arc::clone(&control.live),
        Arc::clone(&control.metrics),
        access_log.cloned(),
    );
    let make = move |worker: Worker| make_gate(&live, &metrics, log.as_deref(), &worker);
    let started = server::start_on(handed, settings, make);
    started.map_err(|error| StartError::Listen(cause(&error)))
}

/// One worker's handler, and what it does every 250 ms.
fn make_gate(
    live: &Arc<ArcSwap<Live>>,
    metrics: &Arc<Metrics>,
    log: Option<&AccessLog>,
    worker: &Worker,
) -> Rc<Gate> {
    let counters = Arc::new(WorkerMetrics::new(Arc::clone(metrics)));
    let lines = log.map(|log| log.worker(clock::monotonic(), clock::wall_us()));
    let place = gate::Place {
        index: worker.index,
        workers: worker.workers,
    };
    let background = worker.background.clone();
    let gate = Gate::new(Arc::clone(live), background, counters, lines, place);
    let ticking = Rc::downgrade(&gate);
    tokio::task::spawn_local(async move {
        let mut every = tokio::time::interval(telemetry::TICK);
        loop {
            every.tick().await;
            let Some(gate) = ticking.upgrade() else {
                return;
            };
            gate.tick();
        }
    });
    gate
}

fn start_admin(
    listening: admin::Listening,
    control: &Arc<Control>,
    orders: mpsc::Sender<admin::Order>,
) -> Result<SocketAddr, StartError> {
    let ready = Arc::clone(control);
    let desk = admin::Desk {
        metrics: Arc::clone(&control.metrics),
        unready: Box::new(move || ready.unready()),
        orders,
        rooms: rooms::reach(control),
        token: Arc::clone(&control.token),
        draining: control.draining(),
    };
    let addr = admin::start(listening, desk).map_err(|error| {
        StartError::Listen(format!("the admin listener cannot be used: {error}"))
    })?;
    info!(addr = %addr, "listening for operators");
    Ok(addr)
}

impl Running {
    /// Where visitors connect.
    #[must_use]
    pub fn addrs(&self) -> &[SocketAddr] {
        self.server.addrs()
    }

    /// Where operators connect.
    #[must_use]
    pub fn admin(&self) -> Option<SocketAddr> {
        self.admin
    }

    /// Reads the configuration file again; what came of it is in the log.
    pub async fn reload(&self) {
        // What came of it is logged where it happens.
        self.control.reload().await.ok();
    }

    /// Opens the access log's file anew.
    pub fn reopen_logs(&self) {
        if let Some(log) = &self.access_log {
            log.reopen();
        }
    }

    /// Stops: no new connections, what is in flight may finish in its time, then everything ends. Ends at once when
    /// `hurry` does.
    pub async fn stop(self, hurry: impl Future<Output = ()>) -> Stopped {
        self.control.drain();
        let grace = self.control.live.load().config.server.drain;
        self.server.drain(grace);
        let drained = self.server.ended_unless(hurry).await;
        if tokio::time::timeout(LEAVE_DEADLINE, self.control.leave())
            .await
            .is_err()
        {
            warn!("stopped without telling every store");
        }
        for task in self.tasks {
            task.abort();
        }
        // The workers' ends of the log are gone with them.
        if let Some(log) = self.access_log.and_then(Arc::into_inner)
            && !tokio::task::spawn_blocking(move || log.close(LOG_DEADLINE))
                .await
                .unwrap_or(false)
        {
            warn!("the last lines of the access log were not written in time");
        }
        Stopped {
            finished: drained.finished,
            cut: drained.cut,
        }
    }
}
