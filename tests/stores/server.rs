//! A real `redis-server` on a socket of its own.

use std::fs::File;
use std::path::PathBuf;
use std::process::Child;
use std::process::Command;
use std::process::Stdio;
use std::thread;
use std::time::Duration;
use std::time::Instant;

use tempfile::TempDir;

/// How long a server may take to answer after its start.
const READY: Duration = Duration::from_secs(20);

/// A running server; killed when dropped.
#[derive(Debug)]
pub struct Server {
    dir: TempDir,
    options: Vec<String>,
    child: Child,
}

impl Server {
    /// Starts a server that keeps nothing on disk.
    pub fn start() -> Self {
        Self::start_with(&["--save", "", "--appendonly", "no"])
    }

    /// Starts a server with these options besides its socket and folder.
    pub fn start_with(options: &[&str]) -> Self {
        let dir = TempDir::new().expect("a temporary folder");
        let options: Vec<_> = options.iter().map(|&option| option.to_owned()).collect();
        let child = spawn(&dir, &options);
        let mut server = Self {
            dir,
            options,
            child,
        };
        server.await_ready();
        server
    }

    /// Where it listens.
    pub fn socket(&self) -> PathBuf {
        self.dir.path().join("redis.sock")
    }

    /// Its address as the configuration names it.
    pub fn url(&self) -> String {
        format!("redis+unix://{}", self.socket().display())
    }

    /// A plain connection.
    pub fn connect(&self) -> redis::Connection {
        let client = redis::Client::open(self.url()).expect("a url");
        client.get_connection().expect("a connection")
    }

    /// Kills it as a power cut would.
    pub fn kill(&mut self) {
        end(&mut self.child);
    }

    /// Starts it again on the same socket and folder, after a kill.
    pub fn restart(&mut self) {
        end(&mut self.child);
        self.child = spawn(&self.dir, &self.options);
        self.await_ready();
    }

    /// Stops it from answering without ending it, as a machine that hangs.
    pub fn freeze(&self) {
        self.signal("STOP");
    }

    /// Lets a frozen one go on.
    pub fn thaw(&self) {
        self.signal("CONT");
    }

    fn await_ready(&mut self) {
        let client = redis::Client::open(self.url()).expect("a url");
        wait_for("redis-server answers", || {
            assert!(
                self.child.try_wait().expect("a child's state").is_none(),
                "redis-server ended: is it installed?"
            );
            let mut connection = client.get_connection().ok()?;
            redis::cmd("PING").query::<()>(&mut connection).ok()
        });
    }

    fn signal(&self, name: &str) {
        let sent = Command::new("kill")
            .args([format!("-{name}"), self.child.id().to_string()])
            .status();
        assert!(sent.is_ok_and(|status| status.success()), "kill -{name}");
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        end(&mut self.child);
    }
}

/// Waits until `condition` gives a value.
pub fn wait_for<T>(what: &str, mut condition: impl FnMut() -> Option<T>) -> T {
    let until = Instant::now() + READY;
    loop {
        if let Some(value) = condition() {
            return value;
        }
        assert!(Instant::now() < until, "{what}: not in {READY:?}");
        thread::sleep(Duration::from_millis(5));
    }
}

fn spawn(dir: &TempDir, options: &[String]) -> Child {
    let log = File::create(dir.path().join("redis.log")).expect("a log file");
    Command::new("redis-server")
        .args(["--port", "0", "--unixsocket"])
        .arg(dir.path().join("redis.sock"))
        .args(options)
        .current_dir(dir.path())
        .stdin(Stdio::null())
        .stderr(Stdio::null())
        .stdout(log)
        .spawn()
        .expect("redis-server is installed")
}

fn end(child: &mut Child) {
    // It may be gone already.
    drop(child.kill());
    drop(child.wait());
}
