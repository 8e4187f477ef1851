//! The real `anteroom` binary, started with a configuration file of the test's own.

use std::fs;
use std::fs::File;
use std::net::SocketAddr;
use std::path::Path;
use std::path::PathBuf;
use std::process::Child;
use std::process::Command;
use std::process::ExitStatus;
use std::process::Stdio;
use std::time::Duration;

use tempfile::TempDir;

use super::PORT_TRIES;
use super::end;
use super::free_addr;
use super::http;
use super::signal;
use super::tail;
use super::wait;
use super::wait_for;

/// How long it may take until it is ready, on a busy machine.
const READY: Duration = Duration::from_secs(60);
/// How long it may take to drain.
const DRAINED: Duration = Duration::from_secs(40);

/// Where one replica shall listen and keep its files; a test writes its configuration from these.
#[derive(Debug, Clone)]
pub struct Place {
    /// `[server] listen`.
    pub server: SocketAddr,
    /// `[admin] listen`.
    pub admin: SocketAddr,
    /// A folder of its own, for `[store] path` and the like.
    pub dir: PathBuf,
}

/// A running replica; killed when dropped.
#[derive(Debug)]
pub struct Anteroom {
    place: Place,
    /// The most files it may have open; the system's limit where none.
    files: Option<u32>,
    child: Child,
    _dir: TempDir,
}

impl Anteroom {
    /// Starts a replica with the configuration that `toml` makes of its place, and waits until it is ready.
    ///
    /// # Panics
    /// When it ends instead, or is not ready in time; its log's end is told.
    pub fn start(toml: impl Fn(&Place) -> String) -> Self {
        Self::start_until(toml, "/readyz", None)
    }

    /// As [`Anteroom::start`], where the system allows it no more than so many open files.
    ///
    /// # Panics
    /// As there.
    pub fn start_with_files(files: u32, toml: impl Fn(&Place) -> String) -> Self {
        Self::start_until(toml, "/readyz", Some(files))
    }

    /// As [`Anteroom::start`], for a replica that cannot be ready yet: waits until it is there.
    ///
    /// # Panics
    /// As there.
    pub fn start_unready(toml: impl Fn(&Place) -> String) -> Self {
        Self::start_until(toml, "/livez", None)
    }

    fn start_until(toml: impl Fn(&Place) -> String, path: &str, files: Option<u32>) -> Self {
        for _ in 0..PORT_TRIES {
            let dir = TempDir::new().expect("a temporary folder");
            let place = Place {
                server: free_addr(),
                admin: free_addr(),
                dir: dir.path().to_owned(),
            };
            fs::write(config(&place), toml(&place)).expect("the configuration is written");
            let child = spawn(&place, files);
            let mut replica = Self {
                place,
                files,
                child,
                _dir: dir,
            };
            if replica.answers(path) {
                return replica;
            }
            let log = replica.log();
            // Somebody else took a port between our look and its bind: the next ones.
            assert!(log.contains("in use"), "anteroom did not start:\n{log}");
        }
        panic!("anteroom found no free ports");
    }

    /// Where visitors reach it.
    pub fn addr(&self) -> SocketAddr {
        self.place.server
    }

    /// Where its admin listener is.
    pub fn admin(&self) -> SocketAddr {
        self.place.admin
    }

    /// Its place.
    pub fn place(&self) -> &Place {
        &self.place
    }

    /// Its configuration file, to be edited.
    pub fn config(&self) -> PathBuf {
        config(&self.place)
    }

    /// Its process.
    pub fn pid(&self) -> u32 {
        self.child.id()
    }

    /// The end of what it wrote to standard error.
    pub fn log(&self) -> String {
        tail(&self.place.dir.join("anteroom.log"))
    }

    /// Everything it wrote to standard error.
    pub fn log_all(&self) -> String {
        fs::read_to_string(self.place.dir.join("anteroom.log")).unwrap_or_default()
    }

    /// Sends a signal by its name: `HUP`, `TERM`.
    ///
    /// # Panics
    /// When it cannot be sent.
    pub fn signal(&self, name: &str) {
        signal(&self.child, name);
    }

    /// Kills it as a power cut would.
    pub fn kill(&mut self) {
        end(&mut self.child);
    }

    /// Starts it again at the same place and with its configuration file as it is now, and waits until it is ready.
    ///
    /// # Panics
    /// When it does not start.
    pub fn restart(&mut self) {
        self.restart_until("/readyz");
    }

    /// As [`Anteroom::restart`], until this path of its admin listener answers well.
    ///
    /// # Panics
    /// As there.
    pub fn restart_until(&mut self, path: &str) {
        end(&mut self.child);
        self.child = spawn(&self.place, self.files);
        assert!(
            self.answers(path),
            "anteroom did not start again:\n{}",
            self.log()
        );
    }

    /// Sends SIGTERM and waits until it has drained and ended.
    ///
    /// # Panics
    /// When it does not end in time.
    pub fn drain(&mut self) -> ExitStatus {
        self.signal("TERM");
        self.ended()
    }

    /// Waits until it has ended by itself.
    ///
    /// # Panics
    /// When it does not end in time.
    pub fn ended(&mut self) -> ExitStatus {
        let child = &mut self.child;
        wait_for("anteroom drains", DRAINED, || {
            child.try_wait().expect("a child's state")
        })
    }

    /// Everything `/metrics` tells.
    ///
    /// # Panics
    /// When it does not answer.
    pub fn metrics(&self) -> String {
        let reply = http::get(self.place.admin, "/metrics", &[]);
        reply.expect("an answer to /metrics").text()
    }

    /// What `/readyz` answers.
    ///
    /// # Panics
    /// When it does not answer.
    pub fn readyz(&self) -> http::Reply {
        http::get(self.place.admin, "/readyz", &[]).expect("an answer to /readyz")
    }

    /// The value of one series, as `/metrics` writes it: `anteroom_waiting{room="main"}`.
    pub fn metric(&self, series: &str) -> Option<f64> {
        let text = self.metrics();
        let mut lines = text.lines().filter_map(|line| line.strip_prefix(series));
        lines.next()?.trim().parse().ok()
    }

    /// Whether the admin listener answers 200; false when the process ended instead.
    fn answers(&mut self, path: &str) -> bool {
        let (admin, child) = (self.place.admin, &mut self.child);
        let mut last = String::new();
        let ready = wait(READY, || {
            if child.try_wait().expect("a child's state").is_some() {
                return Some(false);
            }
            let reply = http::get(admin, path, &[]).ok()?;
            last = reply.text();
            (reply.status == 200).then_some(true)
        });
        ready.unwrap_or_else(|| panic!("not ready in time: {last}\n{}", self.log()))
    }
}

impl Drop for Anteroom {
    fn drop(&mut self) {
        end(&mut self.child);
    }
}

/// Runs the binary to its end with these arguments.
///
/// # Panics
/// When it cannot be run.
pub fn run(args: &[&str]) -> std::process::Output {
    Command::new(binary())
        .args(args)
        .stdin(Stdio::null())
        .output()
        .expect("the binary runs")
}

/// The program itself.
pub fn binary() -> &'static Path {
    Path::new(env!("CARGO_BIN_EXE_anteroom"))
}

fn config(place: &Place) -> PathBuf {
    place.dir.join("anteroom.toml")
}

fn spawn(place: &Place, files: Option<u32>) -> Child {
    let log = File::options()
        .create(true)
        .append(true)
        .open(place.dir.join("anteroom.log"))
        .expect("a log file");
    let mut command = match files {
        None => Command::new(binary()),
        Some(files) => {
            let mut shell = Command::new("sh");
            let limited = format!("ulimit -n {files} && exec \"$0\" \"$@\"");
            shell.arg("-c").arg(limited).arg(binary());
            shell
        }
    };
    command
        .args(["serve", "--config"])
        .arg(config(place))
        .current_dir(&place.dir)
        .stdin(Stdio::null())
        .stdout(Stdio::null())
        .stderr(log)
        .spawn()
        .expect("the binary runs")
}
