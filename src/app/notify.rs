//! Tells a service manager how far we are, as systemd's `Type=notify` has it.

use std::env;
use std::ffi::OsStr;
use std::io;
use std::os::linux::net::SocketAddrExt as _;
use std::os::unix::ffi::OsStrExt as _;
use std::os::unix::net::SocketAddr;
use std::os::unix::net::UnixDatagram;

use rustix::time::ClockId;
use rustix::time::clock_gettime;
use tracing::debug;

/// What a service manager is told.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Progress {
    /// Visitors are served; after a reload, with what came of it.
    Ready,
    /// The configuration is read again.
    Reloading,
    /// It drains.
    Stopping,
}

/// Tells it; nothing where nobody wants to know.
pub fn notify(progress: Progress) {
    let Some(path) = env::var_os("NOTIFY_SOCKET") else {
        return;
    };
    if let Err(error) = send(&path, &text(progress)) {
        // It finds out by itself, later.
        debug!(%error, ?progress, "the service manager was not told");
    }
}

fn text(progress: Progress) -> String {
    match progress {
        Progress::Ready => "READY=1\n".to_owned(),
        Progress::Reloading => {
            let now = clock_gettime(ClockId::Monotonic);
            let us = now.tv_sec * 1_000_000 + now.tv_nsec / 1_000;
            format!("RELOADING=1\nMONOTONIC_USEC={us}\n")
        }
        Progress::Stopping => "STOPPING=1\n".to_owned(),
    }
}

/// The path of a socket, or a name in the abstract namespace after an `@`.
fn send(path: &OsStr, text: &str) -> io::Result<()> {
    let addr = match path.as_bytes() {
        [b'@', name @ ..] => SocketAddr::from_abstract_name(name)?,
        _ => SocketAddr::from_pathname(path)?,
    };
    let socket = UnixDatagram::unbound()?;
    // What it does not take at once is not worth waiting for.
    socket.set_nonblocking(true)?;
    socket.connect_addr(&addr)?;
    socket.send(text.as_bytes())?;
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn it_is_told_by_path_and_by_name() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("notify");
        let name = format!("anteroom-test-{}", std::process::id());
        let named = SocketAddr::from_abstract_name(&name).unwrap();
        let named = UnixDatagram::bind_addr(&named).unwrap();
        let at_path = UnixDatagram::bind(&path).unwrap();
        let mut told = [0; 256];
        for (socket, to) in [
            (at_path, path.into_os_string()),
            (named, format!("@{name}").into()),
        ] {
            send(&to, &text(Progress::Ready)).unwrap();
            let len = socket.recv(&mut told).unwrap();
            assert_eq!(told.get(..len), Some(&b"READY=1\n"[..]));
        }
    }

    #[test]
    fn a_reload_is_told_with_its_time() {
        let text = text(Progress::Reloading);
        let (_, us) = text.split_once("RELOADING=1\nMONOTONIC_USEC=").unwrap();
        assert!(us.trim_end().parse::<u64>().unwrap() > 0);
    }
}
