//! What runs beside the workers: the configuration in force, and how it is replaced while requests go on.
//!
//! A reload reads, checks and builds everything new before anything changes; then one pointer is swapped. A request
//! that has begun ends with what it began with.

use std::collections::BTreeMap;
use std::path::PathBuf;
use std::sync::Arc;

use arc_swap::ArcSwap;
use tokio::sync::Mutex;
use tokio_util::sync::CancellationToken;
use tracing::error;
use tracing::info;
use tracing::warn;

use crate::admin::Token;
use crate::app::build;
use crate::app::build::BuildError;
use crate::app::build::ServerTls;
use crate::app::certificates::Certificates;
use crate::app::origin_tls;
use crate::clock;
use crate::config;
use crate::config::Config;
use crate::config::Loaded;
use crate::config::Surroundings;
use crate::config::reload::Change;
use crate::config::reload::Changes;
use crate::config::secret::Secret;
use crate::config::secret::SecretError;
use crate::config::secret::SecretSource;
use crate::gate::CookieNames;
use crate::gate::Joins;
use crate::gate::Live;
use crate::gate::Routes;
use crate::gate::Site;
use crate::gate::VisitorLimits;
use crate::page::Pages;
use crate::page::Texts;
use crate::proxy::OriginSettings;
use crate::room::Draw;
use crate::room::Health;
use crate::room::Room;
use crate::seal;
use crate::seal::KeyFileError;
use crate::seal::KeyRing;
use crate::server::SharedTls;
use crate::store::Store;
use crate::store::StoreError;
use crate::telemetry::logs::Logs;
use crate::telemetry::metrics::Metrics;

/// Everything that outlives one configuration.
pub(crate) struct Control {
    /// The configuration file; none when everything was given on the command line.
    pub(crate) file: Option<PathBuf>,
    pub(crate) live: Arc<ArcSwap<Live>>,
    pub(crate) metrics: Arc<Metrics>,
    pub(crate) tls: Option<SharedTls>,
    pub(crate) certificates: Certificates,
    pub(crate) token: Arc<Token>,
    logs: Option<Logs>,
    loaded: Mutex<Loaded>,
    draining: CancellationToken,
}

/// What a reload came to.
#[derive(Debug)]
pub(crate) enum Reloaded {
    /// The file and all that it names are what they were.
    Unchanged,
    /// It is in force, but for what needs a restart.
    Applied(Changes),
}

/// Why a reload changed nothing.
#[derive(Debug, thiserror::Error)]
pub(crate) enum ReloadError {
    #[error("there is no file to read again: everything was given on the command line")]
    NoFile,
    #[error("anteroom is stopping")]
    Draining,
    #[error("{0}")]
    Invalid(config::Report),
    #[error(
        "room {room} has {waiting} people waiting; close it before it is taken out of the file"
    )]
    RoomInUse { room: String, waiting: u64 },
    #[error(transparent)]
    Build(#[from] BuildError),
    #[error(transparent)]
    Keys(#[from] KeyFileError),
    #[error("room {room}: {source}")]
    Store { room: String, source: StoreError },
    #[error(transparent)]
    Token(#[from] SecretError),
}

/// What runs already and is changed in place by a reload.
#[derive(Default)]
pub(crate) struct Handles {
    /// TLS towards visitors.
    pub(crate) tls: Option<ServerTls>,
    /// The operators' token.
    pub(crate) token: Arc<Token>,
    /// This process's own logs; none where somebody else set them up.
    pub(crate) logs: Option<Logs>,
}

impl Control {
    pub(crate) fn new(
        file: Option<PathBuf>,
        loaded: Loaded,
        live: Live,
        handles: Handles,
        metrics: Arc<Metrics>,
    ) -> Self {
        let Handles { tls, token, logs } = handles;
        let certificates = Certificates::default();
        let tls = tls.map(|tls| {
            certificates.take(tls.endings, &metrics);
            Arc::new(ArcSwap::new(tls.config))
        });
        metrics.config_revision.set(1);
        show_settings(&metrics, &loaded.config);
        Self {
            file,
            live: Arc::new(ArcSwap::from_pointee(live)),
            metrics,
            tls,
            certificates,
            token,
            logs,
            loaded: Mutex::new(loaded),
            draining: CancellationToken::new(),
        }
    }

    /// Reads the file again and takes it into use; whatever is wrong with it changes nothing.
    pub(crate) async fn reload(&self) -> Result<Reloaded, ReloadError> {
        let result = self.try_reload().await;
        match &result {
            Ok(Reloaded::Unchanged) => info!("reload: nothing has changed"),
            Ok(Reloaded::Applied(changes)) => {
                self.metrics.config_revision.inc();
                for change in &changes.live {
                    info!(change = %change, "reload: in force");
                }
                for change in &changes.restart {
                    warn!(change = %change, "reload: needs a restart");
                }
            }
            Err(error) => {
                self.metrics.config_reload_failed_total.inc();
                error!("reload refused, nothing was changed:\n{error}");
            }
        }
        result
    }

    async fn try_reload(&self) -> Result<Reloaded, ReloadError> {
        let mut in_force = self.loaded.lock().await;
        if self.draining.is_cancelled() {
            return Err(ReloadError::Draining);
        }
        let file = self.file.as_ref().ok_or(ReloadError::NoFile)?;
        let read = config::load(file, &Surroundings::here()).map_err(ReloadError::Invalid)?;
        let keys = seal::load(&read.config.tickets.key_file)?;
        let tls = read
            .config
            .server
            .tls
            .as_ref()
            .map(|tls| build::server_tls(tls, &keys))
            .transpose()?;
        let applied = read.applied_to(&in_force);
        let token = token(&applied.config)?;
        let to_origins = origin_tls::all(&applied.config)?;
        let before = self.live.load_full();
        let same_keys = keys.ids().eq(before.keys.ids());
        let mut changes = read.changes(&in_force);
        // Certificates and the token may be others in the same files.
        let take_files = || {
            let mut taken = Vec::new();
            if let (Some(shared), Some(tls)) = (&self.tls, tls) {
                shared.store(tls.config);
                taken = self.certificates.take(tls.endings, &self.metrics);
            }
            taken.extend(origin_tls::follow(&before.origins, &to_origins));
            if self.token.set(token.as_ref().map(Secret::expose)) {
                taken.push(another_token());
            }
            taken
        };
        if changes.is_empty() && same_keys {
            changes.live = take_files();
            return Ok(if changes.is_empty() {
                Reloaded::Unchanged
            } else {
                Reloaded::Applied(changes)
            });
        }
        for room in &changes.removed_rooms {
            refuse_to_lose(&before, room)?;
        }
        let parts = Parts {
            config: Arc::clone(&applied.config),
            keys: Arc::new(keys),
            pages: Arc::clone(&before.pages),
        };
        let live = assemble(parts, Some(&before), &self.metrics).await?;
        changes.live.extend(take_files());
        self.take_level(&applied.config);
        self.take(&before, live);
        *in_force = applied;
        Ok(Reloaded::Applied(changes))
    }

    fn take_level(&self, config: &Config) {
        if let Some(logs) = &self.logs
            && let Err(error) = logs.set_filter(config.log.level.name())
        {
            warn!(%error, "the level of the log stays as it was");
        }
    }

    /// Puts a configuration in force and tells the lines what has changed for them.
    fn take(&self, before: &Live, live: Live) {
        let live = Arc::new(live);
        self.live.store(Arc::clone(&live));
        for site in &live.sites {
            let known = before
                .sites
                .iter()
                .find(|known| Arc::ptr_eq(&known.room, &site.room));
            let plan = build::plan(&site.config);
            if known.is_some_and(|known| build::plan(&known.config) != plan) {
                site.room.follow(plan, true);
            }
            site.room.draw_with(Arc::clone(&live.keys));
        }
        for gone in before.sites.iter().filter(|site| {
            live.sites
                .iter()
                .all(|kept| !Arc::ptr_eq(&kept.room, &site.room))
        }) {
            let room = Arc::clone(&gone.room);
            info!(room.name = %room.name(), "the room is gone: its line is left");
            self.metrics.forget_room(room.name());
            tokio::spawn(async move { room.leave().await });
        }
        for gone in &before.origins {
            let kept = live.origins.iter().find(|kept| kept.name == gone.name);
            if kept.is_none() {
                self.metrics.forget_origin(&gone.name);
            }
            let kept = kept.map_or(&[][..], |kept| kept.servers.as_slice());
            gone.standings.keep_only(kept);
            for server in gone.servers.iter().filter(|server| !kept.contains(server)) {
                self.metrics.forget_server(&gone.name, &server.to_string());
            }
        }
    }

    /// Notes that this replica stops.
    pub(crate) fn drain(&self) {
        self.draining.cancel();
    }

    /// Cancelled when this replica stops.
    pub(crate) fn draining(&self) -> CancellationToken {
        self.draining.clone()
    }

    /// Whether this replica should get visitors, and why not.
    pub(crate) fn unready(&self) -> Vec<String> {
        let mut reasons = Vec::new();
        if self.draining.is_cancelled() {
            reasons.push("draining".to_owned());
        }
        for site in &self.live.load().sites {
            let snapshot = site.room.snapshot();
            let reason = match snapshot.health {
                Health::Up if snapshot.draw == Draw::Foreign => {
                    "the draw was committed to with a key that is not in the key file".to_owned()
                }
                Health::Up => continue,
                Health::Starting => "the store has not answered yet".to_owned(),
                Health::Healing => "the line heals".to_owned(),
                Health::Away { .. } => {
                    let away = snapshot.away_for(clock::monotonic()).unwrap_or_default();
                    format!("the store is away, for {} s by now", away.as_secs())
                }
            };
            reasons.push(format!("room {}: {reason}", site.name()));
        }
        reasons
    }

    /// Tells every line that this replica stops.
    pub(crate) async fn leave(&self) {
        let mut leaving = tokio::task::JoinSet::new();
        for site in &self.live.load_full().sites {
            let room = Arc::clone(&site.room);
            // One whose store is away must not use up the time of the others.
            leaving.spawn(async move { room.leave().await });
        }
        leaving.join_all().await;
    }
}

/// A room with people in its line is not taken away from under them.
fn refuse_to_lose(live: &Live, room: &str) -> Result<(), ReloadError> {
    let Some(site) = live.sites.iter().find(|site| site.name() == room) else {
        return Ok(());
    };
    let snapshot = site.room.snapshot();
    let waiting = snapshot.tail().saturating_sub(snapshot.head());
    if waiting > 0 && snapshot.mode().issues() {
        return Err(ReloadError::RoomInUse {
            room: room.to_owned(),
            waiting,
        });
    }
    Ok(())
}

/// What a [`Live`] is assembled from.
pub(crate) struct Parts {
    pub(crate) config: Arc<Config>,
    pub(crate) keys: Arc<KeyRing>,
    pub(crate) pages: Arc<Pages>,
}

/// Builds a configuration's rooms and routes; rooms that run already go on.
pub(crate) async fn assemble(
    parts: Parts,
    before: Option<&Live>,
    metrics: &Metrics,
) -> Result<Live, ReloadError> {
    let Parts {
        config,
        keys,
        pages,
    } = parts;
    let mut origins = build::origins(&config)?;
    if let Some(before) = before {
        origin_tls::keep(&before.origins, &mut origins);
    }
    keep_what_is_known(&mut origins, before);
    let running: BTreeMap<&str, &Arc<Room>> = before
        .into_iter()
        .flat_map(|live| &live.sites)
        .map(|site| (site.name(), &site.room))
        .collect();
    let store = build::store(&config)?;
    let mut sites = Vec::with_capacity(config.rooms.len());
    for room in config.rooms.values() {
        let line = match running.get(room.name.as_str()) {
            Some(running) => Arc::clone(running),
            None => {
                let started = start_room(&store, room, metrics).await?;
                started.draw_with(Arc::clone(&keys));
                started
            }
        };
        let origin = config
            .origins
            .keys()
            .position(|name| *name == room.origin)
            .unwrap_or(0);
        sites.push(Arc::new(Site {
            texts: build::texts(room),
            room: line,
            base: format!("{}{}", config.server.prefix, room.name),
            limits: VisitorLimits::of(room, limits_of(before, &room.name)),
            cookies: CookieNames::new(room),
            origin,
            config: Arc::clone(room),
        }));
    }
    let texts = sites.first().map_or_else(
        || Texts::new(crate::page::Localized::default()),
        |site| site.texts.clone(),
    );
    Ok(Live {
        generation: before.map_or(1, |live| live.generation + 1),
        routes: Routes::new(&config),
        trusted: build::trusted(&config),
        redirects: build::redirects(&config),
        hsts: build::hsts(&config),
        joins: before.map_or_else(
            || Arc::new(Joins::new(clock::monotonic())),
            |live| Arc::clone(&live.joins),
        ),
        external_https: config
            .server
            .external_url
            .as_ref()
            .is_some_and(|url| url.tls),
        keys,
        pages,
        sites,
        origins,
        texts,
        config,
    })
}

/// What is known of a room's visitors and what they ask for.
fn limits_of<'a>(before: Option<&'a Live>, room: &str) -> Option<&'a Arc<VisitorLimits>> {
    let sites = &before?.sites;
    sites
        .iter()
        .find(|site| site.name() == room)?
        .limits
        .as_ref()
}

/// What the workers share about an origin outlives a reload: what is in flight there, and how its servers stand.
fn keep_what_is_known(origins: &mut [OriginSettings], before: Option<&Live>) {
    for origin in origins {
        let known = before.and_then(|live| live.origins.iter().find(|o| o.name == origin.name));
        let Some(known) = known else { continue };
        origin.pot = Arc::clone(&known.pot);
        origin.standings = Arc::clone(&known.standings);
    }
}

async fn start_room(
    store: &crate::store::Settings,
    room: &config::Room,
    metrics: &Metrics,
) -> Result<Arc<Room>, ReloadError> {
    let opened = Store::open(store, &room.name).await;
    let opened = opened.map_err(|source| ReloadError::Store {
        room: room.name.clone(),
        source,
    })?;
    Ok(Room::start(
        &room.name,
        opened,
        build::plan(room),
        metrics.room(&room.name),
    ))
}

/// Shows what the file says, until the lines say what holds.
fn show_settings(metrics: &Metrics, config: &Config) {
    for room in config.rooms.values() {
        metrics.set_settings(&room.name, room.rate.per_hour(), room.active_max, room.mode);
    }
}

fn another_token() -> Change {
    Change {
        key: String::from("admin.token"),
        before: Some(String::from("the one before")),
        after: Some(String::from("another")),
    }
}

/// The operators' token of this configuration, if there is one.
pub(crate) fn token(config: &Config) -> Result<Option<Secret>, SecretError> {
    config
        .admin
        .token
        .as_ref()
        .map(SecretSource::read)
        .transpose()
}

/// The keys of this configuration; made when there is no file of them yet.
pub(crate) fn keys(config: &Config) -> Result<Arc<KeyRing>, KeyFileError> {
    let path = &config.tickets.key_file;
    let opened = seal::load_or_create(path, clock::wall_us())?;
    if opened.created {
        info!(file = %path.display(), "made a key file; replicas of one line need the same one");
    }
    Ok(Arc::new(opened.ring))
}
