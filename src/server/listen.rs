//! Listening sockets: one per worker and address, all on the same port, shared out by the kernel.
//!
//! Another anteroom of the same user may listen on the same port: that is how one takes over from another. Whoever
//! closes such a socket resets what the kernel has begun to accept for it, so [`take_no_more`] comes first.

use std::io;
use std::net::SocketAddr;
use std::time::Duration;

use socket2::Domain;
use socket2::Protocol;
use socket2::SockFilter;
use socket2::SockRef;
use socket2::Socket;
use socket2::Type;

use crate::server::ServerError;
use crate::server::handed::Handed;
use crate::server::settings::ListenSettings;
use crate::server::socket;

/// Connections the kernel keeps for us until they are accepted; it may allow fewer.
pub(super) const BACKLOG: u16 = 8_192;

/// Drops what asks for a new connection and takes everything else: a classic packet filter over the TCP header.
const NO_MORE: [SockFilter; 4] = [
    // The flags.
    SockFilter::new(0x30, 0, 0, 13),
    // Is SYN among them?
    SockFilter::new(0x45, 0, 1, 0x02),
    SockFilter::new(0x06, 0, 0, 0),
    SockFilter::new(0x06, 0, 0, u32::MAX),
];

/// One listening socket of one worker.
#[derive(Debug)]
pub(super) struct Listening {
    pub(super) socket: std::net::TcpListener,
    /// Whether it was handed over: others accept on it as well, and somebody will after us.
    pub(super) is_handed: bool,
}

/// One worker's listening sockets, in the order of the addresses.
pub(super) type Sockets = Vec<Listening>;

/// Binds every address that was not handed over once for every worker, and tells the real addresses. `send`: see
/// [`socket::prepare`].
pub(super) fn bind_all(
    listen: &[ListenSettings],
    workers: usize,
    send: Duration,
    mut handed: Handed,
) -> Result<(Vec<SocketAddr>, Vec<Sockets>), ServerError> {
    let mut addrs = Vec::with_capacity(listen.len());
    let mut sockets: Vec<Sockets> = (0..workers).map(|_| Sockets::new()).collect();
    for ListenSettings { addr, .. } in listen {
        let failed = |source| ServerError::Listen {
            addr: *addr,
            source,
        };
        let shared = handed.take(*addr);
        let mut real = *addr;
        for worker in &mut sockets {
            let socket = match &shared {
                Some(shared) => shared.try_clone().map_err(failed)?,
                None => bind(real).map_err(failed)?,
            };
            socket::prepare(&SockRef::from(&socket), send).map_err(failed)?;
            real = socket.local_addr().map_err(failed)?;
            worker.push(Listening {
                socket,
                is_handed: shared.is_some(),
            });
        }
        addrs.push(real);
    }
    // Whoever connected there would wait for ever.
    match handed.left().next() {
        Some(addr) => Err(ServerError::HandedElsewhere { addr }),
        None => Ok((addrs, sockets)),
    }
}

fn bind(addr: SocketAddr) -> io::Result<std::net::TcpListener> {
    let socket = unbound(addr)?;
    socket.set_reuse_port(true)?;
    socket.set_nonblocking(true)?;
    socket.bind(&addr.into())?;
    socket.listen(BACKLOG.into())?;
    Ok(socket.into())
}

fn unbound(addr: SocketAddr) -> io::Result<Socket> {
    let socket = Socket::new(Domain::for_address(addr), Type::STREAM, Some(Protocol::TCP))?;
    socket.set_reuse_address(true)?;
    Ok(socket)
}

/// Whether somebody listens on this address.
#[must_use]
pub fn is_taken(addr: SocketAddr) -> bool {
    let bound = unbound(addr).and_then(|socket| socket.bind(&addr.into()));
    bound.is_err_and(|error| error.kind() == io::ErrorKind::AddrInUse)
}

/// Has the kernel begin no connection for this socket any more. What has begun goes on and comes in; who asks for a new
/// one is not answered, and asks again a second later (RFC 6298 §2.1), by when it may be somebody else's.
pub(super) fn take_no_more(socket: &tokio::net::TcpListener) -> io::Result<()> {
    SockRef::from(socket).attach_filter(&NO_MORE)
}

#[cfg(test)]
mod tests {
    use std::io::Read as _;
    use std::io::Write as _;
    use std::net::TcpStream;
    use std::time::Duration;

    use super::*;

    #[tokio::test]
    async fn a_socket_that_takes_no_more_still_takes_what_has_begun() {
        for host in ["127.0.0.1:0", "[::1]:0"] {
            let listener = bind(host.parse().unwrap()).unwrap();
            let addr = listener.local_addr().unwrap();
            assert!(is_taken(addr));
            let listener = tokio::net::TcpListener::from_std(listener).unwrap();
            let mut before = TcpStream::connect(addr).unwrap();
            take_no_more(&listener).unwrap();
            let patience = Duration::from_millis(200);
            let after = TcpStream::connect_timeout(&addr, patience).unwrap_err();
            assert_eq!(after.kind(), io::ErrorKind::TimedOut);
            let (taken, _) = listener.accept().await.unwrap();
            before.write_all(b"here").unwrap();
            let mut taken = taken.into_std().unwrap();
            taken.set_nonblocking(false).unwrap();
            let mut said = [0; 4];
            taken.read_exact(&mut said).unwrap();
            assert_eq!(&said, b"here");
            // The next one on the port gets them.
            let next = bind(addr).unwrap();
            drop(listener);
            TcpStream::connect(addr).unwrap();
            drop(next);
            assert!(!is_taken(addr));
        }
    }
}
