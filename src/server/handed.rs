//! Listening sockets that a service manager has opened for us and hands over, as systemd's socket activation does.
//!
//! Such a socket outlives us: whoever connects while one anteroom has ended and the next has not begun waits in its
//! queue. It belongs to the `listen` that names its address, never to one by its order or its name: what the file says
//! of an address (TLS, or a token for operators) must hold for the socket.
//!
//! There is one per address, so workers share it: each accepts on a descriptor of its own, and whoever is first gets the
//! connection. The kernel does not spread connections then as it does over sockets of our own.

use std::io;
use std::net::SocketAddr;
use std::net::TcpListener;

use listenfd::ListenFd;
use socket2::SockRef;

/// Sockets one process may be handed.
const SOCKETS_MAX: usize = 256;

/// Sockets handed over and not taken yet.
#[derive(Debug, Default)]
pub struct Handed(Vec<(SocketAddr, TcpListener)>);

/// Why what was handed over cannot be used.
#[derive(Debug, thiserror::Error)]
pub enum HandedError {
    /// Not a socket, or one of another kind.
    #[error("descriptor {index} of those handed over cannot be listened on")]
    Unusable {
        /// Which of them, from 0.
        index: usize,
        /// Why not.
        #[source]
        source: io::Error,
    },
    /// Two on one address: whoever connects to the second would never be answered.
    #[error("two sockets on {0} were handed over")]
    Twice(SocketAddr),
    /// More than a process may be handed.
    #[error("{0} sockets were handed over, which is more than {SOCKETS_MAX}")]
    TooMany(usize),
}

impl Handed {
    /// Takes over what `LISTEN_FDS` and `LISTEN_PID` tell; nothing when they are for somebody else or not there.
    ///
    /// To be called before there are other threads: it removes the two from the environment, so that no child takes
    /// them for its own.
    ///
    /// # Errors
    ///
    /// When one of them is no listening TCP socket, or two have one address.
    pub fn from_environment() -> Result<Self, HandedError> {
        let mut passed = ListenFd::from_env();
        if passed.len() > SOCKETS_MAX {
            return Err(HandedError::TooMany(passed.len()));
        }
        let mut handed = Self::default();
        for index in 0..passed.len() {
            let unusable = |source| HandedError::Unusable { index, source };
            if let Some(socket) = passed.take_tcp_listener(index).map_err(unusable)? {
                let addr = prepare(&socket).map_err(unusable)?;
                handed.add(addr, socket)?;
            }
        }
        Ok(handed)
    }

    fn add(&mut self, addr: SocketAddr, socket: TcpListener) -> Result<(), HandedError> {
        if self.has(addr) {
            return Err(HandedError::Twice(addr));
        }
        self.0.push((addr, socket));
        Ok(())
    }

    /// Whether there are none, or none left.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// Whether there is a socket on this address.
    #[must_use]
    pub fn has(&self, addr: SocketAddr) -> bool {
        self.0.iter().any(|(held, _)| *held == addr)
    }

    /// The socket on this address, if there is one left.
    pub fn take(&mut self, addr: SocketAddr) -> Option<TcpListener> {
        let index = self.0.iter().position(|(held, _)| *held == addr)?;
        Some(self.0.swap_remove(index).1)
    }

    /// The addresses of those that nobody has taken.
    pub(super) fn left(&self) -> impl Iterator<Item = SocketAddr> + '_ {
        self.0.iter().map(|(addr, _)| *addr)
    }
}

/// Makes a socket ready to be accepted on, if it is one that listens; its address.
fn prepare(socket: &TcpListener) -> io::Result<SocketAddr> {
    if !SockRef::from(socket).is_listener()? {
        return Err(io::Error::new(
            io::ErrorKind::InvalidInput,
            "it does not listen: hand over connections' listener, not connections (Accept=no)",
        ));
    }
    socket.set_nonblocking(true)?;
    socket.local_addr()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_socket_is_found_by_its_address_once() {
        let socket = TcpListener::bind("127.0.0.1:0").unwrap();
        let (addr, second) = (prepare(&socket).unwrap(), socket.try_clone().unwrap());
        let mut handed = Handed::default();
        handed.add(addr, socket).unwrap();
        assert!(
            matches!(handed.add(addr, second), Err(HandedError::Twice(twice)) if twice == addr)
        );
        assert!(handed.left().eq([addr]));
        assert!(
            handed
                .take(SocketAddr::from(([127, 0, 0, 2], addr.port())))
                .is_none()
        );
        assert!(handed.take(addr).is_some());
        assert!(handed.take(addr).is_none());
        assert_eq!(handed.left().count(), 0);
    }

    #[test]
    fn a_socket_that_does_not_listen_is_refused() {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let connected = std::net::TcpStream::connect(listener.local_addr().unwrap()).unwrap();
        let connected = TcpListener::from(std::os::fd::OwnedFd::from(connected));
        assert!(prepare(&connected).is_err());
    }
}
