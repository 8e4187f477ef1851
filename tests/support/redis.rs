//! A real `redis-server` of one test's own.

use std::ffi::OsStr;
use std::fs::File;
use std::io::Read;
use std::io::Write;
use std::net::SocketAddr;
use std::net::TcpStream;
use std::path::Path;
use std::path::PathBuf;
use std::process::Child;
use std::process::Command;
use std::process::Stdio;
use std::time::Duration;

use tempfile::TempDir;

use super::PORT_TRIES;
use super::end;
use super::free_addr;
use super::signal;
use super::tail;
use super::wait_for;

/// How long a server may take to answer after its start.
const READY: Duration = Duration::from_secs(20);

/// A running server; killed when dropped.
#[derive(Debug)]
pub struct Redis {
    addr: SocketAddr,
    dir: TempDir,
    options: Vec<String>,
    child: Child,
}

impl Redis {
    /// Starts a server that keeps nothing on disk.
    pub fn start() -> Self {
        Self::start_with(&["--save", "", "--appendonly", "no"])
    }

    /// Starts a server that writes every command to disk before it answers, so that a killed one forgets nothing.
    pub fn start_durable() -> Self {
        Self::start_with(&["--appendonly", "yes", "--appendfsync", "always"])
    }

    /// Starts a server with these options besides its address and folder.
    ///
    /// # Panics
    /// When it does not start.
    pub fn start_with(options: &[&str]) -> Self {
        let options: Vec<_> = options.iter().map(|&option| option.to_owned()).collect();
        for _ in 0..PORT_TRIES {
            let addr = free_addr();
            let dir = TempDir::new().expect("a temporary folder");
            let child = spawn(addr, &dir, &options);
            let mut server = Self {
                addr,
                dir,
                options: options.clone(),
                child,
            };
            if server.is_up() {
                return server;
            }
            // Somebody else took the port: the next one.
            assert!(
                server.log_text().contains("in use"),
                "redis-server did not start:\n{}",
                server.log_text()
            );
        }
        panic!("redis-server found no free port");
    }

    /// Where it listens.
    pub fn addr(&self) -> SocketAddr {
        self.addr
    }

    /// Its address as the configuration names it.
    pub fn url(&self) -> String {
        format!("redis://{}", self.addr)
    }

    /// Kills it as a power cut would.
    pub fn kill(&mut self) {
        end(&mut self.child);
    }

    /// Starts it again on the same address and folder, after a kill.
    ///
    /// # Panics
    /// When it does not start.
    pub fn restart(&mut self) {
        end(&mut self.child);
        self.child = spawn(self.addr, &self.dir, &self.options);
        assert!(
            self.is_up(),
            "redis-server did not start again:\n{}",
            self.log_text()
        );
    }

    /// Stops it from answering without ending it (SIGSTOP), as a machine that hangs.
    pub fn freeze(&self) {
        signal(&self.child, "STOP");
    }

    /// Lets a frozen one go on.
    pub fn thaw(&self) {
        signal(&self.child, "CONT");
    }

    /// Sends one inline command and gives the raw answer.
    ///
    /// # Panics
    /// When there is none within 10 s.
    pub fn ask(&self, command: &str) -> String {
        ask(self.addr, command).expect("an answer from redis-server")
    }

    /// How often each command was called, from `INFO commandstats`: `("eval", 12)`.
    pub fn calls(&self) -> Vec<(String, u64)> {
        let info = self.ask("INFO commandstats");
        let line = |line: &str| {
            let (name, rest) = line.strip_prefix("cmdstat_")?.split_once(":calls=")?;
            let calls = rest.split(',').next()?.parse().ok()?;
            Some((name.to_owned(), calls))
        };
        info.lines().filter_map(line).collect()
    }

    /// All commands called so far, those inside scripts included, without those of [`Redis::ask`].
    pub fn calls_total(&self) -> u64 {
        let calls = self.calls();
        let others = calls
            .iter()
            .filter(|(name, _)| name != "info" && name != "quit");
        others.map(|(_, calls)| calls).sum()
    }

    /// Whether it answers; false when it ended instead.
    fn is_up(&mut self) -> bool {
        let (addr, child) = (self.addr, &mut self.child);
        wait_for("redis-server answers", READY, || {
            if child.try_wait().expect("a child's state").is_some() {
                return Some(false);
            }
            let pong = ask(addr, "PING").is_ok_and(|answer| answer.starts_with("+PONG"));
            pong.then_some(true)
        })
    }

    fn log(&self) -> PathBuf {
        self.dir.path().join("redis.log")
    }

    fn log_text(&self) -> String {
        tail(&self.log())
    }
}

impl Drop for Redis {
    fn drop(&mut self) {
        end(&mut self.child);
    }
}

fn spawn(addr: SocketAddr, dir: &TempDir, options: &[String]) -> Child {
    let (ip, port) = (addr.ip().to_string(), addr.port().to_string());
    let own = ["--bind", &ip, "--port", &port, "--maxclients", "1000"];
    let options = own.into_iter().chain(options.iter().map(String::as_str));
    spawn_in(dir.path(), options)
}

/// Starts a `redis-server` with these options that works in this folder, and adds to `redis.log` there.
///
/// # Panics
/// When there is none.
pub fn spawn_in<S: AsRef<OsStr>>(dir: &Path, options: impl IntoIterator<Item = S>) -> Child {
    let log = File::options()
        .create(true)
        .append(true)
        .open(dir.join("redis.log"))
        .expect("a log file");
    Command::new("redis-server")
        .args(options)
        .args(["--daemonize", "no"])
        .current_dir(dir)
        .stdin(Stdio::null())
        .stderr(log.try_clone().expect("the log file again"))
        .stdout(log)
        .spawn()
        .expect("redis-server is installed")
}

/// One inline command on a connection of its own; `INFO` and the like answer with a bulk string.
fn ask(addr: SocketAddr, command: &str) -> std::io::Result<String> {
    let wait = Duration::from_secs(10);
    let mut stream = TcpStream::connect_timeout(&addr, wait)?;
    stream.set_read_timeout(Some(wait))?;
    stream.write_all(format!("{command}\r\nQUIT\r\n").as_bytes())?;
    let mut answer = Vec::new();
    stream.read_to_end(&mut answer)?;
    Ok(String::from_utf8_lossy(&answer).into_owned())
}
