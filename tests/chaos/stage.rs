//! The real parts of a run: Redis under Sentinel, replicas of the real binary, an origin, and links between them.

use std::fs;
use std::net::SocketAddr;
use std::path::Path;
use std::sync::Arc;
use std::thread;
use std::time::Duration;

use tempfile::TempDir;
use tokio::runtime::Handle;

use crate::ground::Ground;
use crate::link::Link;
use crate::origin::Origin;
use crate::plan::REPLICAS;
use crate::plan::Size;
use crate::support::anteroom::Anteroom;
use crate::support::anteroom::Place;
use crate::support::http;
use crate::support::machines::Machine;
use crate::support::machines::Watched;
use crate::support::wait;

/// How long parts may take to be well again on a machine that is busy with everything else.
const WELL: Duration = Duration::from_secs(60);

/// A replica, and its ways to the store.
pub(crate) struct Replica {
    pub(crate) anteroom: Anteroom,
    /// To the two servers and to the sentinels.
    pub(crate) links: Vec<Link>,
    /// The store's address as its file names it.
    url: String,
}

/// Everything a run is played on.
pub(crate) struct Stage {
    pub(crate) ground: Arc<Ground>,
    pub(crate) watched: Watched,
    pub(crate) replicas: Vec<Replica>,
    pub(crate) origin: Origin,
    /// The way of every replica to the origin.
    pub(crate) way: Link,
    keys: TempDir,
    pub(crate) rate: u64,
    first_rate: u64,
}

impl Stage {
    /// Starts all of it; ready when this returns.
    pub(crate) fn new(size: &Size, runtime: &Handle) -> Self {
        let watched = Watched::with(size.sentinels, "");
        let keys = TempDir::new().expect("a temporary folder");
        let began = tokio::time::Instant::now();
        let origin = runtime.block_on(Origin::start(began));
        let way = runtime.block_on(Link::to(origin.addr()));
        let rate = size.rates[0];
        let start = |_| {
            let (links, url) = runtime.block_on(links(&watched));
            let text = |place: &Place| config(place, &url, keys.path(), way.addr(), rate);
            Replica {
                anteroom: Anteroom::start(text),
                links,
                url,
            }
        };
        // The first one makes the keys that all share.
        let mut replicas = vec![start(0)];
        thread::scope(|scope| {
            let others: Vec<_> = (1..REPLICAS)
                .map(|at| scope.spawn(move || start(at)))
                .collect();
            let others = others.into_iter().map(|other| other.join());
            replicas.extend(others.map(|other| other.expect("a replica starts")));
        });
        let addrs = replicas.iter().map(|replica| replica.anteroom.addr());
        let mut ground = Ground::new(addrs);
        ground.began = began;
        Self {
            ground: Arc::new(ground),
            watched,
            replicas,
            origin,
            way,
            keys,
            rate,
            first_rate: rate,
        }
    }

    /// Writes a replica's file as it is to be now, or as it was at first.
    pub(crate) fn write_file(&self, at: usize, is_first: bool) {
        let replica = &self.replicas[at];
        let rate = if is_first { self.first_rate } else { self.rate };
        let place = replica.anteroom.place();
        let text = config(place, &replica.url, self.keys.path(), self.way.addr(), rate);
        let fresh = place.dir.join("fresh.toml");
        fs::write(&fresh, text).expect("a file is written");
        fs::rename(&fresh, replica.anteroom.config()).expect("a file is replaced");
    }

    /// Adds a key, and waits until every replica has read it; who does not, if any.
    pub(crate) fn rotate_keys(&self) -> Result<(), String> {
        let revision = |replica: &Replica| metric(replica, "anteroom_config_revision");
        let before: Vec<_> = self.replicas.iter().map(revision).collect();
        let file = self.keys.path().join("ticket.keys");
        let now_us = anteroom::clock::wall_us();
        anteroom::seal::rotate(&file, now_us).expect("a key is added");
        self.reload();
        for (at, (replica, before)) in self.replicas.iter().zip(before).enumerate() {
            let reads = wait(WELL, || (revision(replica) > before).then_some(()));
            reads.ok_or_else(|| format!("replica {at} does not read the new key"))?;
        }
        Ok(())
    }

    /// Has every replica read its file again.
    pub(crate) fn reload(&self) {
        for replica in &self.replicas {
            replica.anteroom.signal("HUP");
        }
    }

    /// Waits until every replica goes by this rate; who does not, if any.
    pub(crate) fn goes_by(&self, per_second: u64) -> Result<(), String> {
        let told = |replica: &Replica| metric(replica, "anteroom_rate_target{room=\"main\"}");
        for (at, replica) in self.replicas.iter().enumerate() {
            let goes = wait(WELL, || (told(replica) == Some(per_second)).then_some(()));
            goes.ok_or_else(|| {
                format!(
                    "replica {at} goes by {:?} and not by {per_second}/s",
                    told(replica)
                )
            })?;
        }
        Ok(())
    }

    /// Waits until every replica has heard from the store twice from now on, so that it knows what befell the store, and
    /// says that it is ready; who does not, if any.
    pub(crate) fn ready(&self) -> Result<(), String> {
        let series = "anteroom_exchange_seconds_count{room=\"main\"}";
        let before = self.replicas.iter().map(|replica| metric(replica, series));
        let before: Vec<_> = before.collect();
        for (at, (replica, before)) in self.replicas.iter().zip(before).enumerate() {
            let twice = before.unwrap_or(0) + 2;
            let hears = wait(WELL, || metric(replica, series).filter(|&now| now >= twice));
            hears.ok_or_else(|| format!("replica {at} hears nothing of the store"))?;
            let ask = || http::get(replica.anteroom.admin(), "/readyz", &[]);
            let ready = wait(WELL, || {
                ask().is_ok_and(|reply| reply.status == 200).then_some(())
            });
            ready.ok_or_else(|| {
                let why = ask().map_or_else(|e| e.to_string(), |reply| reply.text());
                format!(
                    "replica {at} does not get ready: {why}\n{}",
                    replica.anteroom.log()
                )
            })?;
        }
        Ok(())
    }

    /// The server that the sentinels name, once it is a primary, has a replica that keeps up, and they know it; and the
    /// other one.
    ///
    /// # Panics
    /// When that does not come to be.
    pub(crate) fn armed(&mut self) -> (&mut Machine, &mut Machine) {
        let watched = &mut self.watched;
        let first = wait(WELL, || {
            let named = watched
                .sentinels
                .iter()
                .map(named)
                .collect::<Option<Vec<_>>>()?;
            let is_first = named.iter().all(|&port| port == watched.primary.port);
            if !is_first && named.iter().any(|&port| port != watched.replica.port) {
                return None;
            }
            let (primary, other) = if is_first {
                (&watched.primary, &watched.replica)
            } else {
                (&watched.replica, &watched.primary)
            };
            let follows: String = other.try_ask("INFO replication").ok()?;
            if follows.contains("role:master") {
                // One that woke up after it was replaced. The sentinels would wait for ten seconds.
                let command = format!("REPLICAOF 127.0.0.1 {}", primary.port);
                other.try_ask::<()>(&command).ok()?;
            }
            let told: String = primary.try_ask("INFO replication").ok()?;
            let keeps_up = told.contains("role:master")
                && told.contains(&format!("port={},state=online", other.port));
            let known = watched.sentinels.iter().all(|sentinel| {
                let told = sentinel.try_ask::<String>("INFO sentinel");
                told.is_ok_and(|told| told.contains("status=ok") && told.contains("slaves=1"))
            });
            (keeps_up && known).then_some(is_first)
        });
        let first = first.expect("the store has a primary and a replica");
        if first {
            (&mut watched.primary, &mut watched.replica)
        } else {
            (&mut watched.replica, &mut watched.primary)
        }
    }

    /// What every replica logged, for a failure's message.
    pub(crate) fn logs(&self) -> String {
        let logs = self
            .replicas
            .iter()
            .enumerate()
            .map(|(at, replica)| format!("== replica {at}\n{}\n", replica.anteroom.log_all()));
        logs.collect()
    }
}

/// A whole number among a replica's metrics.
fn metric(replica: &Replica, series: &str) -> Option<u64> {
    let text = http::get(replica.anteroom.admin(), "/metrics", &[]);
    let text = text.ok()?.text();
    let line = text.lines().find_map(|line| line.strip_prefix(series))?;
    line.trim().parse().ok()
}

/// The port of the primary that a sentinel names.
pub(crate) fn named(sentinel: &Machine) -> Option<u16> {
    let told = sentinel.try_ask::<Vec<String>>("SENTINEL get-master-addr-by-name main");
    told.ok()?.get(1)?.parse().ok()
}

/// A replica's own links to the servers and the sentinels, and the store's address by way of them.
async fn links(watched: &Watched) -> (Vec<Link>, String) {
    let addr = |machine: &Machine| -> SocketAddr { machine.addr().parse().expect("an address") };
    let mut links = Vec::new();
    for machine in [&watched.primary, &watched.replica] {
        links.push(Link::to(addr(machine)).await);
    }
    let mut sentinels = Vec::new();
    for sentinel in &watched.sentinels {
        let link = Link::to(addr(sentinel)).await;
        link.rename(&[&links[0], &links[1]]);
        sentinels.push(link);
    }
    let addrs: Vec<_> = sentinels
        .iter()
        .map(|link| link.addr().to_string())
        .collect();
    let url = format!("redis+sentinel://{}/main", addrs.join(","));
    links.extend(sentinels);
    (links, url)
}

/// Without the guard: it slows the pace for up to a minute after the origin was in trouble, which is longer than a run
/// lasts, and P4 could never be judged. What it does is judged by its own tests.
fn config(place: &Place, store: &str, keys: &Path, origin: SocketAddr, rate: u64) -> String {
    format!(
        "[server]\nlisten = \"{server}\"\nworkers = 1\n\
         [admin]\nlisten = \"{admin}\"\n\
         [store]\nurl = \"{store}\"\nconnect_timeout = \"500ms\"\ncommand_timeout = \"500ms\"\n\
         [tickets]\nkey_file = \"{keys}\"\n\
         [origin.portal]\nurl = \"http://{origin}\"\nmax_in_flight = 500\n\
         [room.main]\norigin = \"portal\"\npaths = [\"/booking/*\"]\nphone = \"800 123 456\"\n\
         rate = \"{rate}/s\"\npresence = \"10s\"\npass_idle = \"20s\"\nhold = \"300ms\"\n\
         guard = false\n",
        server = place.server,
        admin = place.admin,
        keys = keys.join("ticket.keys").display(),
    )
}
