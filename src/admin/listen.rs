//! The operators' listening socket: one replica's, but for the time that one takes over from another on the same port.

use std::io;
use std::net::SocketAddr;

use socket2::Domain;
use socket2::Protocol;
use socket2::Socket;
use socket2::Type;

/// Connections the kernel keeps until they are accepted.
const BACKLOG: i32 = 256;

/// Where operators connect, not accepted on yet.
#[derive(Debug)]
pub struct Listening {
    pub(super) socket: std::net::TcpListener,
    /// Whether a service manager opened it and keeps it.
    is_handed: bool,
}

impl Listening {
    /// Listens on this address; another anteroom of the same user may as well.
    ///
    /// # Errors
    /// When the address cannot be listened on.
    pub fn bind(addr: SocketAddr) -> io::Result<Self> {
        Ok(Self {
            socket: listen(addr)?,
            is_handed: false,
        })
    }

    /// A socket that listens already and outlives us.
    #[must_use]
    pub fn handed(socket: std::net::TcpListener) -> Self {
        Self {
            socket,
            is_handed: true,
        }
    }

    /// What to do at the beginning of a drain.
    pub(super) fn at_drain(&self) -> io::Result<AtDrain> {
        let addr = self.socket.local_addr()?;
        Ok(AtDrain((!self.is_handed).then_some(addr)))
    }
}

/// Whether the port is left to another anteroom when this one drains.
#[derive(Debug)]
pub(super) struct AtDrain(Option<SocketAddr>);

impl AtDrain {
    /// Called without a listener of our own: one to go on with, if nobody else listens there. Who asks whether a replica
    /// is ready would otherwise hear now of us and now of our successor.
    pub(super) fn go_on(&self) -> Option<tokio::net::TcpListener> {
        let addr = self.0?;
        drop(bound(addr, false).ok()?);
        tokio::net::TcpListener::from_std(listen(addr).ok()?).ok()
    }

    /// Whether there is anything to find out.
    pub(super) fn is_ours(&self) -> bool {
        self.0.is_some()
    }
}

fn listen(addr: SocketAddr) -> io::Result<std::net::TcpListener> {
    let socket = bound(addr, true)?;
    socket.set_nonblocking(true)?;
    socket.listen(BACKLOG)?;
    Ok(socket.into())
}

fn bound(addr: SocketAddr, beside_others: bool) -> io::Result<Socket> {
    let socket = Socket::new(Domain::for_address(addr), Type::STREAM, Some(Protocol::TCP))?;
    socket.set_reuse_address(true)?;
    socket.set_reuse_port(beside_others)?;
    socket.bind(&addr.into())?;
    Ok(socket)
}
