//! What the kernel is told about visitors' connections before they come.
//!
//! Linux gives a connection the options of the socket that accepted it, so that none of this costs a connection a system
//! call.

use std::io;
use std::time::Duration;

use socket2::SockRef;
use socket2::Socket;
use tokio::net::TcpStream;

/// Bytes that the kernel keeps for a client beyond what is on its way to it.
///
/// Without a bound that is megabytes for each client that does not read; and it would say that there is room for more only
/// when a third of them are gone, by which nobody could tell a slow client from one that takes nothing.
pub(super) const UNSENT_MAX: u32 = 64 * 1024;

/// The least time for a client to say that it got something: what is lost on the way is sent again several times.
const UNHEARD_MIN: Duration = Duration::from_secs(10);

/// Sets what connections accepted by `listener` are to have. A client that says nothing of what it was sent, or has no
/// room for any of it, is given up by the kernel after twice `send`, to the byte, also where we have handed over
/// everything and forgotten it; nothing happens to one that is idle.
pub(super) fn prepare(listener: &Socket, send: Duration) -> io::Result<()> {
    // Delayed sending would hold back the end of every answer.
    listener.set_tcp_nodelay(true)?;
    #[cfg(target_os = "linux")]
    {
        listener.set_tcp_notsent_lowat(UNSENT_MAX)?;
        listener.set_tcp_user_timeout(Some((send * 2).max(UNHEARD_MIN)))?;
    }
    Ok(())
}

/// Has a connection closed without a farewell: what waits for one would cost the kernel more than the connection did.
pub(super) fn refuse(stream: &TcpStream) {
    if let Err(error) = SockRef::from(stream).set_linger(Some(Duration::ZERO)) {
        tracing::debug!(%error, "a connection too many is closed the long way");
    }
}
