//! A real `redis-server` on a socket of its own.

use std::path::PathBuf;
use std::process::Child;
use std::time::Duration;

use tempfile::TempDir;

use crate::support::end;
use crate::support::redis::spawn_in;
use crate::support::signal;
use crate::support::wait_for;

/// How long a server may take to start, and others to find it.
pub const READY: Duration = Duration::from_secs(20);

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
        signal(&self.child, "STOP");
    }

    /// Lets a frozen one go on.
    pub fn thaw(&self) {
        signal(&self.child, "CONT");
    }

    fn await_ready(&mut self) {
        let client = redis::Client::open(self.url()).expect("a url");
        wait_for("redis-server answers", READY, || {
            assert!(
                self.child.try_wait().expect("a child's state").is_none(),
                "redis-server ended: is it installed?"
            );
            let mut connection = client.get_connection().ok()?;
            redis::cmd("PING").query::<()>(&mut connection).ok()
        });
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        end(&mut self.child);
    }
}

fn spawn(dir: &TempDir, options: &[String]) -> Child {
    let socket = dir.path().join("redis.sock").display().to_string();
    let own = ["--port", "0", "--unixsocket", &socket];
    let options = own.into_iter().chain(options.iter().map(String::as_str));
    spawn_in(dir.path(), options)
}
