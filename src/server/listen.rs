//! Listening sockets: one per worker and address, all on the same port, shared out by the kernel.

use std::io;
use std::net::SocketAddr;
use std::time::Duration;

use socket2::Domain;
use socket2::Protocol;
use socket2::Socket;
use socket2::Type;

use crate::server::ServerError;
use crate::server::settings::ListenSettings;
use crate::server::socket;

/// Connections the kernel keeps for us until they are accepted; it may allow fewer.
const BACKLOG: i32 = 8_192;

/// One worker's listening sockets, in the order of the addresses.
pub(super) type Sockets = Vec<std::net::TcpListener>;

/// Binds every address once for every worker, and tells the real addresses. `send`: see [`socket::prepare`].
pub(super) fn bind_all(
    listen: &[ListenSettings],
    workers: usize,
    send: Duration,
) -> Result<(Vec<SocketAddr>, Vec<Sockets>), ServerError> {
    let mut addrs = Vec::with_capacity(listen.len());
    let mut sockets: Vec<Sockets> = (0..workers).map(|_| Sockets::new()).collect();
    for ListenSettings { addr, .. } in listen {
        let failed = |source| ServerError::Listen {
            addr: *addr,
            source,
        };
        let mut real = *addr;
        for worker in &mut sockets {
            let socket = bind(real, send).map_err(failed)?;
            real = socket.local_addr().map_err(failed)?;
            worker.push(socket);
        }
        addrs.push(real);
    }
    Ok((addrs, sockets))
}

fn bind(addr: SocketAddr, send: Duration) -> io::Result<std::net::TcpListener> {
    let socket = Socket::new(Domain::for_address(addr), Type::STREAM, Some(Protocol::TCP))?;
    socket.set_reuse_address(true)?;
    socket.set_reuse_port(true)?;
    socket.set_nonblocking(true)?;
    socket::prepare(&socket, send)?;
    socket.bind(&addr.into())?;
    socket.listen(BACKLOG)?;
    Ok(socket.into())
}
