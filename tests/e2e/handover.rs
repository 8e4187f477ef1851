//! One anteroom takes over from another under load, by sockets that outlive both or side by side on one port, and no
//! request fails.

use std::fs;
use std::fs::File;
use std::io;
use std::net::TcpListener;
use std::os::fd::OwnedFd;
use std::os::unix::net::UnixDatagram;
use std::process::Child;
use std::process::Command;
use std::process::Stdio;
use std::time::Duration;

use tempfile::TempDir;

use crate::load::Load;
use crate::stage::MANY;
use crate::stage::SOON;
use crate::stage::Toml;
use crate::stage::enter;
use crate::stage::is_full;
use crate::stage::join;
use crate::stage::shared;
use crate::support::anteroom::Place;
use crate::support::anteroom::binary;
use crate::support::end;
use crate::support::free_addr;
use crate::support::http;
use crate::support::origin::Origin;
use crate::support::redis::Redis;
use crate::support::signal;
use crate::support::tail;
use crate::support::wait_for;

/// How many times in a row one takes over from another.
fn times() -> usize {
    if is_full() { 20 } else { 4 }
}

/// One service, whose processes come and go.
struct Service {
    place: Place,
    /// Where they tell how far they are.
    told: UnixDatagram,
    dir: TempDir,
}

/// One of its processes; killed when dropped.
struct Process(Child);

impl Drop for Process {
    fn drop(&mut self) {
        end(&mut self.0);
    }
}

impl Service {
    fn new(text: impl Fn(&Place) -> String) -> Self {
        let dir = TempDir::new().unwrap();
        let place = Place {
            server: free_addr(),
            admin: free_addr(),
            dir: dir.path().to_owned(),
        };
        fs::write(dir.path().join("anteroom.toml"), text(&place)).unwrap();
        let told = UnixDatagram::bind(dir.path().join("notify")).unwrap();
        let look = Duration::from_millis(100);
        told.set_read_timeout(Some(look)).unwrap();
        Self { place, told, dir }
    }

    /// Runs this, which is to become anteroom, until it tells that it is ready.
    fn start(&self, mut command: Command) -> Process {
        let mut log = File::options();
        log.create(true).append(true);
        let log = log.open(self.dir.path().join("log")).unwrap();
        command
            .current_dir(self.dir.path())
            .env("NOTIFY_SOCKET", self.dir.path().join("notify"))
            .stderr(log);
        let mut process = Process(command.spawn().unwrap());
        wait_for("it is ready", SOON, || {
            let ended = process.0.try_wait().unwrap();
            assert!(ended.is_none(), "{}", tail(&self.dir.path().join("log")));
            self.hears("READY=1\n").then_some(())
        });
        process
    }

    /// Runs it on sockets of its own.
    fn start_beside(&self) -> Process {
        let mut command = Command::new(binary());
        command.args(["serve", "--config", "anteroom.toml"]);
        command.stdin(Stdio::null()).stdout(Stdio::null());
        self.start(command)
    }

    /// Runs it on these sockets, as a service manager does.
    fn start_on(&self, sockets: &Sockets) -> Process {
        let fd = |socket: &TcpListener| OwnedFd::from(socket.try_clone().unwrap());
        let mut command = Command::new("sh");
        let run = "exec env LISTEN_PID=$$ LISTEN_FDS=2 \"$0\" serve --config anteroom.toml \
                   3<&0 4<&1 0</dev/null 1>/dev/null";
        command.arg("-c").arg(run).arg(binary());
        command
            .stdin(fd(&sockets.server))
            .stdout(fd(&sockets.admin));
        self.start(command)
    }

    /// Whether this is the next that a process tells.
    fn hears(&self, what: &str) -> bool {
        let mut told = [0; 256];
        match self.told.recv(&mut told) {
            Ok(len) => told[..len] == *what.as_bytes(),
            Err(error) => {
                assert_eq!(error.kind(), io::ErrorKind::WouldBlock);
                false
            }
        }
    }

    /// Tells one to drain, and waits until it has ended.
    fn stop(&self, process: Process) {
        signal(&process.0, "TERM");
        self.stopped(process);
    }

    /// Waits until one that was told to drain has ended.
    fn stopped(&self, mut process: Process) {
        wait_for("it tells that it stops", SOON, || {
            self.hears("STOPPING=1\n").then_some(())
        });
        let ended = wait_for("it has drained", SOON, || process.0.try_wait().unwrap());
        let log = tail(&self.dir.path().join("log"));
        assert!(ended.success() && log.contains("cut=0"), "{log}");
    }

    /// Somebody who asks all the time.
    fn load(&self) -> Load {
        let (addr, admin) = (self.place.server, self.place.admin);
        wait_for("its line is known", SOON, || {
            let ready = http::get(admin, "/readyz", &[]).ok()?;
            (ready.status == 200).then_some(())
        });
        let pass = enter(addr, &join(addr).text);
        Load::new(
            addr,
            None,
            pass,
            &[("/booking/", |page| page == "the portal")],
        )
    }
}

/// Sockets that outlive the processes that use them.
struct Sockets {
    server: TcpListener,
    admin: TcpListener,
}

#[test]
fn a_restart_on_sockets_that_are_handed_over_fails_no_request() {
    let origin = Origin::start();
    let toml = Toml::rate(MANY);
    let service = Service::new(|place| {
        // More than one worker takes from the one socket.
        let text = toml.text(place, origin.addr());
        text.replace("workers = 1", "workers = 2\ndrain = \"20s\"")
    });
    let sockets = Sockets {
        server: TcpListener::bind(service.place.server).unwrap(),
        admin: TcpListener::bind(service.place.admin).unwrap(),
    };
    let mut process = Some(service.start_on(&sockets));
    let load = service.load();
    load.during(|| {
        for _ in 0..times() {
            service.stop(process.take().unwrap());
            process = Some(service.start_on(&sockets));
            load.goes_on();
        }
    });
    let metrics = http::get(service.place.admin, "/metrics", &[]).unwrap();
    assert_eq!(metrics.status, 200);
}

#[test]
fn systemd_starts_it_when_the_first_visitor_connects() {
    let origin = Origin::start();
    let toml = Toml::rate(MANY);
    let service = Service::new(|place| toml.text(place, origin.addr()));
    let (addr, admin) = (service.place.server, service.place.admin);
    let mut command = Command::new("systemd-socket-activate");
    command
        .args([
            "--listen",
            &addr.to_string(),
            "--listen",
            &admin.to_string(),
        ])
        .arg(binary())
        .args(["serve", "--config", "anteroom.toml"])
        .current_dir(service.dir.path())
        .stderr(Stdio::null());
    let Ok(child) = command.spawn() else {
        eprintln!("systemd-socket-activate is not installed: its check is left out");
        return;
    };
    let mut process = Process(child);
    let page = wait_for("the first visitor is answered", SOON, || {
        assert!(process.0.try_wait().unwrap().is_none());
        http::get(addr, "/outside", &[]).ok()
    });
    assert_eq!(page.text(), "the portal");
    assert_eq!(http::get(admin, "/livez", &[]).unwrap().status, 200);
}

#[test]
fn one_takes_over_beside_another_on_the_same_port_and_fails_no_request() {
    let (origin, redis, keys) = (Origin::start(), Redis::start(), TempDir::new().unwrap());
    let more = shared(&redis.url(), &keys);
    let toml = Toml {
        more: &more,
        ..Toml::rate(MANY)
    };
    let service = Service::new(|place| {
        let text = toml.text(place, origin.addr());
        text.replace("workers = 1", "workers = 2\ndrain = \"20s\"")
    });
    let mut process = service.start_beside();
    let load = service.load();
    load.during(|| {
        for _ in 0..times() {
            let next = service.start_beside();
            let last = std::mem::replace(&mut process, next);
            signal(&last.0, "TERM");
            load.goes_on();
            service.stopped(last);
            load.goes_on();
        }
    });
}

#[test]
fn only_a_successor_may_share_the_operators_port() {
    let origin = Origin::start();
    let toml = Toml::rate(MANY);
    let service = Service::new(|place| toml.text(place, origin.addr()));
    let _first = service.start_beside();
    let text = fs::read_to_string(service.dir.path().join("anteroom.toml")).unwrap();
    let elsewhere = text
        .replace(&service.place.server.to_string(), &free_addr().to_string())
        .replace("[admin]", "[store]\npath = \"other\"\n[admin]");
    fs::write(service.dir.path().join("other.toml"), elsewhere).unwrap();
    let second = Command::new(binary())
        .args(["serve", "--config", "other.toml"])
        .current_dir(service.dir.path())
        .output()
        .unwrap();
    let told = String::from_utf8_lossy(&second.stderr);
    assert!(
        !second.status.success() && told.contains("in use"),
        "{told}"
    );
}

#[test]
fn a_socket_that_no_address_is_for_stops_the_start() {
    let origin = Origin::start();
    let toml = Toml::rate(MANY);
    let service = Service::new(|place| toml.text(place, origin.addr()));
    let elsewhere = TcpListener::bind("127.0.0.1:0").unwrap();
    let named = elsewhere.local_addr().unwrap().to_string();
    let run = "exec env LISTEN_PID=$$ LISTEN_FDS=1 \"$0\" serve --config anteroom.toml 3<&0";
    let output = Command::new("sh")
        .arg("-c")
        .arg(run)
        .arg(binary())
        .current_dir(service.dir.path())
        .stdin(OwnedFd::from(elsewhere))
        .output()
        .unwrap();
    let told = String::from_utf8_lossy(&output.stderr);
    assert!(!output.status.success() && told.contains(&named), "{told}");
}
