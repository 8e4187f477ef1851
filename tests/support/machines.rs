//! Real Redis servers on free ports: alone, with a replica and sentinels, as a cluster, over TLS.

use std::fs;
use std::net::Ipv4Addr;
use std::net::TcpListener;
use std::process::Child;
use std::thread;
use std::time::Duration;
use std::time::Instant;

use tempfile::TempDir;

use super::PORT_TRIES;
use super::end;
use super::redis::spawn_in;
use super::signal;
use super::wait_for;

/// How long servers may take to start, to find each other or to fail over.
const READY: Duration = Duration::from_secs(60);

/// One `redis-server` or sentinel; killed when dropped.
#[derive(Debug)]
pub struct Machine {
    pub port: u16,
    pub dir: TempDir,
    /// How a test itself connects: with the login its options ask for.
    client: redis::Client,
    options: Vec<String>,
    child: Child,
}

impl Machine {
    /// A server that keeps nothing on disk, with these options besides its port.
    pub fn start(options: &[&str]) -> Self {
        let none = ["--save", "", "--appendonly", "no"];
        Self::start_as("", "", &[&none[..], options].concat())
    }

    /// With this login for the test's own commands, `user:password@` or nothing, and this file, if any.
    pub fn start_as(login: &str, file: &str, options: &[&str]) -> Self {
        for _ in 0..PORT_TRIES {
            let (port, dir) = (free_port(), TempDir::new().expect("a temporary folder"));
            let mut all = Vec::new();
            if !file.is_empty() {
                let path = dir.path().join("redis.conf");
                fs::write(&path, file).expect("its file is written");
                all.push(path.display().to_string());
            }
            all.extend(["--port".to_owned(), port.to_string()]);
            all.extend(options.iter().map(|&option| option.to_owned()));
            let child = spawn(&dir, &all);
            let url = format!("redis://{login}127.0.0.1:{port}");
            let mut machine = Self {
                port,
                dir,
                client: redis::Client::open(url).expect("a url"),
                options: all,
                child,
            };
            if machine.is_up() {
                return machine;
            }
            // Somebody else took the port: the next one.
            let log = machine.log();
            assert!(log.contains("in use"), "redis-server did not start:\n{log}");
        }
        panic!("redis-server found no free port");
    }

    /// Where it listens.
    pub fn addr(&self) -> String {
        format!("127.0.0.1:{}", self.port)
    }

    /// Sends one command, whose words are separated by blanks.
    pub fn ask<T: redis::FromRedisValue>(&self, command: &str) -> T {
        let answer = self.try_ask(command);
        answer.unwrap_or_else(|error| panic!("{command}: {error}"))
    }

    /// As [`Machine::ask`], where it may fail.
    pub fn try_ask<T: redis::FromRedisValue>(&self, command: &str) -> redis::RedisResult<T> {
        let mut words = command.split(' ');
        let mut cmd = redis::cmd(words.next().unwrap_or_default());
        for word in words {
            cmd.arg(word);
        }
        cmd.query(&mut self.client.get_connection()?)
    }

    /// What `INFO` says in this field.
    pub fn info(&self, field: &str) -> String {
        let info: String = self.ask("INFO");
        let line = info
            .lines()
            .find_map(|line| line.strip_prefix(field)?.strip_prefix(':'));
        line.unwrap_or_default().trim().to_owned()
    }

    /// Tells when it has become a primary, watching it meanwhile.
    pub fn promotion(&self) -> thread::JoinHandle<Instant> {
        let client = self.client.clone();
        thread::spawn(move || {
            wait_for("it is a primary", READY, || {
                let mut connection = client.get_connection_with_timeout(READY).ok()?;
                let info: String = redis::cmd("INFO").query(&mut connection).ok()?;
                info.contains("role:master").then(Instant::now)
            })
        })
    }

    /// Kills it as a power cut would.
    pub fn kill(&mut self) {
        end(&mut self.child);
    }

    /// Starts it again at its place, after a kill, without waiting until it is there.
    pub fn restart(&mut self) {
        self.kill();
        self.child = spawn(&self.dir, &self.options);
    }

    /// The same, with further options.
    pub fn restart_with(&mut self, options: &[&str]) {
        self.options
            .extend(options.iter().map(|&option| option.to_owned()));
        self.restart();
    }

    /// Stops it from answering without ending it.
    pub fn freeze(&self) {
        signal(&self.child, "STOP");
    }

    /// Lets a frozen one go on.
    pub fn thaw(&self) {
        signal(&self.child, "CONT");
    }

    /// Whether it answers; false when it ended instead.
    fn is_up(&mut self) -> bool {
        wait_for("redis-server answers", READY, || {
            if self.child.try_wait().expect("a child's state").is_some() {
                return Some(false);
            }
            let mut connection = self.client.get_connection().ok()?;
            redis::cmd("PING").query::<()>(&mut connection).ok()?;
            Some(true)
        })
    }

    pub fn log(&self) -> String {
        fs::read_to_string(self.dir.path().join("redis.log")).unwrap_or_default()
    }
}

impl Drop for Machine {
    fn drop(&mut self) {
        self.kill();
    }
}

/// A port that was free a moment ago, below the range that outgoing connections are given theirs from, and low enough
/// for a cluster's second one.
pub fn free_port() -> u16 {
    let mut bytes = [0; 2];
    for _ in 0..1_000 {
        aws_lc_rs::rand::fill(&mut bytes).expect("random bytes");
        let port = 12_000 + u16::from_be_bytes(bytes) % 8_000;
        let free = |port| TcpListener::bind((Ipv4Addr::LOCALHOST, port)).is_ok();
        if free(port) && free(port + 10_000) {
            return port;
        }
    }
    panic!("no free port");
}

fn spawn(dir: &TempDir, options: &[String]) -> Child {
    let options = options.iter().map(String::as_str);
    spawn_in(dir.path(), options.chain(["--bind", "127.0.0.1"]))
}

/// A primary, its replica, and sentinels that know them as `main`.
#[derive(Debug)]
pub struct Watched {
    pub primary: Machine,
    pub replica: Machine,
    pub sentinels: Vec<Machine>,
}

impl Watched {
    /// Starts them with three sentinels, and waits until all know of each other. The sentinels ask for this password,
    /// if for any.
    pub fn start(password: &str) -> Self {
        Self::with(3, password)
    }

    /// The same with this many sentinels, most of whom have to agree on a fail-over. A single one has nobody to ask.
    pub fn with(sentinels: usize, password: &str) -> Self {
        let primary = Machine::start(&["--repl-diskless-sync-delay", "0"]);
        let of = primary.port.to_string();
        let replica = Machine::start(&["--replicaof", "127.0.0.1", &of]);
        wait_for("the replica follows", READY, || {
            (replica.info("master_link_status") == "up").then_some(())
        });
        let known = format!("slaves=1,sentinels={sentinels}");
        let quorum = sentinels / 2 + 1;
        let sentinels = (0..sentinels).map(|_| sentinel(primary.port, quorum, password));
        let sentinels = sentinels.collect();
        let watched = Self {
            primary,
            replica,
            sentinels,
        };
        wait_for(
            "the sentinels know each other and the replica",
            READY,
            || {
                let knows = |sentinel: &Machine| {
                    let info: String = sentinel.ask("INFO sentinel");
                    info.contains(&known)
                };
                watched.sentinels.iter().all(knows).then_some(())
            },
        );
        watched
    }

    /// Their address as the configuration names it.
    pub fn url(&self) -> String {
        let addrs: Vec<_> = self.sentinels.iter().map(Machine::addr).collect();
        format!("redis+sentinel://{}/main", addrs.join(","))
    }
}

fn sentinel(primary: u16, quorum: usize, password: &str) -> Machine {
    // Three who vote for themselves at once elect nobody, and try again after twice the time that a fail-over may take.
    let mut text = format!(
        "sentinel monitor main 127.0.0.1 {primary} {quorum}\n\
         sentinel down-after-milliseconds main 1000\n\
         sentinel failover-timeout main 2000\n"
    );
    let mut login = String::new();
    if !password.is_empty() {
        text.push_str(&format!(
            "requirepass {password}\nsentinel sentinel-pass {password}\n"
        ));
        login = format!(":{password}@");
    }
    Machine::start_as(&login, &text, &["--sentinel"])
}

/// Three primaries and a replica of the first.
#[derive(Debug)]
pub struct Cluster {
    pub nodes: Vec<Machine>,
    /// Each one's name in the cluster.
    pub ids: Vec<String>,
}

impl Cluster {
    /// Starts them, and waits until all of them say that all is well.
    pub fn start() -> Self {
        let options = [
            "--cluster-enabled",
            "yes",
            "--cluster-node-timeout",
            "1500",
            "--cluster-replica-validity-factor",
            "0",
            "--repl-diskless-sync-delay",
            "0",
        ];
        let nodes: Vec<_> = (0..4).map(|_| Machine::start(&options)).collect();
        let ids = nodes.iter().map(|node| node.ask("CLUSTER MYID")).collect();
        let cluster = Self { nodes, ids };
        let nodes = &cluster.nodes;
        for (node, slots) in nodes.iter().zip(["0 5460", "5461 10922", "10923 16383"]) {
            node.ask::<()>(&format!("CLUSTER ADDSLOTSRANGE {slots}"));
        }
        for node in &nodes[1..] {
            node.ask::<()>(&format!("CLUSTER MEET 127.0.0.1 {}", nodes[0].port));
        }
        wait_for("the nodes know each other", READY, || {
            let known: String = nodes[3].ask("CLUSTER NODES");
            (known.lines().count() == 4).then_some(())
        });
        let replicate = format!("CLUSTER REPLICATE {}", cluster.ids[0]);
        wait_for("the fourth follows the first", READY, || {
            nodes[3].try_ask::<()>(&replicate).ok()
        });
        wait_for("the cluster is well", READY, || {
            let well = |node: &Machine| {
                let info: String = node.ask("CLUSTER INFO");
                let known: String = node.ask("CLUSTER NODES");
                info.contains("cluster_state:ok") && known.contains("slave")
            };
            (nodes.iter().all(well) && nodes[3].info("master_link_status") == "up").then_some(())
        });
        cluster
    }

    /// Its address as the configuration names it.
    pub fn url(&self) -> String {
        let addrs: Vec<_> = self.nodes.iter().map(Machine::addr).collect();
        format!("redis+cluster://{}", addrs.join(","))
    }
}
