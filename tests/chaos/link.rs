//! A stretch of network that goes wrong when told to: it passes, delays, falls silent, refuses, loses answers, cuts.
//!
//! It stands between a replica and a server and never reorders or changes what it carries, save that it puts its own
//! kind in the place of the servers that a sentinel names: whoever asks through a link is sent on through links.

use std::io;
use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::Mutex;
use std::sync::PoisonError;
use std::sync::atomic::AtomicBool;
use std::sync::atomic::Ordering;
use std::time::Duration;

use socket2::SockRef;
use tokio::io::AsyncReadExt;
use tokio::io::AsyncWriteExt;
use tokio::net::TcpListener;
use tokio::net::TcpStream;
use tokio::net::tcp::ReadHalf;
use tokio::net::tcp::WriteHalf;
use tokio::sync::watch;
use tokio::task::JoinSet;
use tokio::time;

use crate::support::PORT_TRIES;
use crate::support::free_addr;

/// How long the server behind may take to accept.
const CONNECT: Duration = Duration::from_secs(5);
/// Between two tries to have the own port back after it refused.
const REBIND: Duration = Duration::from_millis(10);
/// Read at once, in bytes.
const CHUNK: usize = 64 * 1024;

/// What a link does with what comes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Mode {
    /// Passes it on.
    Pass,
    /// Passes every piece on this much later.
    Delay(Duration),
    /// Accepts and says nothing. What was on its way arrives when this ends, as after a partition.
    Silent,
    /// Nobody listens, and whoever was connected is cut off.
    Refuse,
    /// Forwards requests; at the first answer it loses it and cuts the connection.
    LoseAnswers,
}

#[derive(Debug, Clone, Copy)]
struct State {
    mode: Mode,
    /// How often every connection was cut, and how often half of each was closed.
    cuts: u64,
    halves: u64,
}

#[derive(Debug)]
struct Shared {
    addr: SocketAddr,
    target: SocketAddr,
    /// Ports that an answer names, and those to be named instead: five digits each, so that nothing moves.
    renamed: Mutex<Vec<(String, String)>>,
    state: watch::Sender<State>,
    has_lost: AtomicBool,
}

/// A link to one server; gone when dropped.
#[derive(Debug)]
pub(crate) struct Link {
    shared: Arc<Shared>,
    _tasks: JoinSet<()>,
}

impl Link {
    /// A link to this server, which passes.
    ///
    /// # Panics
    /// When no port is free.
    pub(crate) async fn to(target: SocketAddr) -> Self {
        for _ in 0..PORT_TRIES {
            let addr = free_addr();
            let Ok(listener) = TcpListener::bind(addr).await else {
                continue;
            };
            let state = State {
                mode: Mode::Pass,
                cuts: 0,
                halves: 0,
            };
            let shared = Arc::new(Shared {
                addr,
                target,
                renamed: Mutex::default(),
                state: watch::Sender::new(state),
                has_lost: AtomicBool::new(false),
            });
            let mut tasks = JoinSet::new();
            tasks.spawn(listen(Arc::clone(&shared), listener));
            return Self {
                shared,
                _tasks: tasks,
            };
        }
        panic!("a link found no free port");
    }

    /// Where it listens.
    pub(crate) fn addr(&self) -> SocketAddr {
        self.shared.addr
    }

    /// Names this link's port where an answer names that of the server behind it.
    pub(crate) fn rename(&self, others: &[&Self]) {
        let bulk = |port: u16| format!("$5\r\n{port}\r\n");
        let pairs = others
            .iter()
            .map(|link| (bulk(link.shared.target.port()), bulk(link.addr().port())));
        *lock(&self.shared.renamed) = pairs.collect();
    }

    /// From now on does this.
    pub(crate) fn set(&self, mode: Mode) {
        self.shared.has_lost.store(false, Ordering::SeqCst);
        self.shared.state.send_modify(|state| state.mode = mode);
    }

    /// Resets every connection there is.
    pub(crate) fn cut(&self) {
        self.shared.state.send_modify(|state| state.cuts += 1);
    }

    /// Ends what every client is told, while what it says still arrives.
    pub(crate) fn half_close(&self) {
        self.shared.state.send_modify(|state| state.halves += 1);
    }

    /// Whether it has lost an answer since its mode was set.
    pub(crate) fn has_lost(&self) -> bool {
        self.shared.has_lost.load(Ordering::SeqCst)
    }
}

/// Accepts, save while it refuses.
async fn listen(shared: Arc<Shared>, listener: TcpListener) {
    let mut state = shared.state.subscribe();
    let mut listening = Some(listener);
    let mut carried = JoinSet::new();
    loop {
        let refuses = state.borrow_and_update().mode == Mode::Refuse;
        match &listening {
            _ if refuses => {
                listening = None;
                // The sender lives as long as this task's owner.
                if state.changed().await.is_err() {
                    return;
                }
            }
            None => match TcpListener::bind(shared.addr).await {
                Ok(listener) => listening = Some(listener),
                Err(_) => time::sleep(REBIND).await,
            },
            Some(listener) => tokio::select! {
                accepted = listener.accept() => {
                    if let Ok((client, _)) = accepted {
                        carried.spawn(carry(Arc::clone(&shared), client));
                    }
                }
                Some(_) = carried.join_next() => {}
                changed = state.changed() => if changed.is_err() { return },
            },
        }
    }
}

/// Carries one connection until both sides have ended it or it is cut.
async fn carry(shared: Arc<Shared>, mut client: TcpStream) {
    let mut state = shared.state.subscribe();
    let born = *state.borrow();
    let connected = time::timeout(CONNECT, TcpStream::connect(shared.target)).await;
    let Ok(Ok(mut server)) = connected else {
        reset(&client);
        return;
    };
    // What small commands wait for must be the faults only.
    for stream in [&client, &server] {
        drop(stream.set_nodelay(true));
    }
    let is_whole = {
        let (from_client, to_client) = client.split();
        let (from_server, to_server) = server.split();
        let up = pump(&shared, from_client, to_server, Way::Up);
        let down = pump(&shared, from_server, to_client, Way::Down);
        let cut = async {
            let is_cut = |now: &State| now.cuts != born.cuts || now.mode == Mode::Refuse;
            drop(state.wait_for(is_cut).await);
        };
        tokio::select! {
            both = async { tokio::try_join!(up, down) } => both.is_ok(),
            _ = cut => false,
        }
    };
    if !is_whole {
        reset(&client);
        reset(&server);
    }
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Way {
    Up,
    Down,
}

/// Passes one direction on until its end.
async fn pump(
    shared: &Shared,
    mut from: ReadHalf<'_>,
    mut to: WriteHalf<'_>,
    way: Way,
) -> io::Result<()> {
    let mut state = shared.state.subscribe();
    let halves = state.borrow().halves;
    let mut is_closed = false;
    let mut buffer = vec![0; CHUNK];
    loop {
        let closing = async { drop(state.wait_for(|now| now.halves != halves).await) };
        let read = tokio::select! {
            read = from.read(&mut buffer) => read?,
            _ = closing, if way == Way::Down && !is_closed => {
                to.shutdown().await?;
                is_closed = true;
                continue;
            }
        };
        if read == 0 {
            // The other side may have reset the connection already.
            drop(to.shutdown().await);
            return Ok(());
        }
        let passing = state.wait_for(|now| now.mode != Mode::Silent).await;
        let mode = passing.map(|now| now.mode).map_err(io::Error::other)?;
        match mode {
            Mode::Delay(time) => time::sleep(time).await,
            Mode::LoseAnswers if way == Way::Down => {
                shared.has_lost.store(true, Ordering::SeqCst);
                return Err(io::ErrorKind::ConnectionReset.into());
            }
            Mode::Pass | Mode::Silent | Mode::Refuse | Mode::LoseAnswers => {}
        }
        if way == Way::Down {
            rename(&mut buffer[..read], &lock(&shared.renamed));
        }
        if !is_closed {
            to.write_all(&buffer[..read]).await?;
        }
    }
}

fn rename(bytes: &mut [u8], names: &[(String, String)]) {
    for (old, new) in names {
        let found = bytes
            .windows(old.len())
            .position(|piece| piece == old.as_bytes());
        if let Some(at) = found {
            bytes[at..at + old.len()].copy_from_slice(new.as_bytes());
            // One answer names one server: renaming it back would undo it.
            return;
        }
    }
}

/// Its peer is told that the connection broke, and not that it ended.
fn reset(stream: &TcpStream) {
    // Where the peer was faster there is nothing left to reset.
    drop(SockRef::from(stream).set_linger(Some(Duration::ZERO)));
}

fn lock<T>(mutex: &Mutex<T>) -> std::sync::MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

#[cfg(test)]
mod tests {
    use super::*;

    const SOON: Duration = Duration::from_secs(20);

    /// A server that answers every byte with the next letter.
    async fn server() -> (SocketAddr, JoinSet<()>) {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let addr = listener.local_addr().unwrap();
        let mut tasks = JoinSet::new();
        tasks.spawn(async move {
            let mut served = JoinSet::new();
            while let Ok((mut client, _)) = listener.accept().await {
                served.spawn(async move {
                    let mut byte = [0];
                    while client.read_exact(&mut byte).await.is_ok() {
                        byte[0] += 1;
                        client.write_all(&byte).await.unwrap();
                    }
                });
            }
        });
        (addr, tasks)
    }

    async fn ask(client: &mut TcpStream, byte: u8) -> io::Result<u8> {
        client.write_all(&[byte]).await?;
        let mut answer = [0];
        let read = time::timeout(SOON, client.read_exact(&mut answer)).await;
        read.expect("an answer or an end").map(|_| answer[0])
    }

    #[tokio::test]
    async fn a_link_does_to_its_connections_what_it_is_told() {
        let (target, _server) = server().await;
        let link = Link::to(target).await;
        let connect = || TcpStream::connect(link.addr());
        let mut client = connect().await.unwrap();
        assert_eq!(ask(&mut client, b'a').await.unwrap(), b'b');

        link.cut();
        let cut = ask(&mut client, b'a').await.unwrap_err();
        assert_ne!(cut.kind(), io::ErrorKind::UnexpectedEof, "{cut}");

        let mut client = connect().await.unwrap();
        assert_eq!(ask(&mut client, b'c').await.unwrap(), b'd');
        link.half_close();
        let ended = ask(&mut client, b'a').await.unwrap_err();
        assert_eq!(ended.kind(), io::ErrorKind::UnexpectedEof, "{ended}");

        let mut client = connect().await.unwrap();
        assert_eq!(ask(&mut client, b'c').await.unwrap(), b'd');
        link.set(Mode::LoseAnswers);
        assert!(!link.has_lost());
        assert!(ask(&mut client, b'e').await.is_err());
        assert!(link.has_lost());

        link.set(Mode::Refuse);
        let refused = time::timeout(SOON, async {
            while connect().await.is_ok() {
                tokio::task::yield_now().await;
            }
        });
        refused.await.expect("nobody listens");
        link.set(Mode::Pass);
        let again = time::timeout(SOON, async {
            loop {
                if let Ok(client) = connect().await {
                    return client;
                }
                tokio::task::yield_now().await;
            }
        });
        let mut client = again.await.expect("somebody listens again");
        assert_eq!(ask(&mut client, b'g').await.unwrap(), b'h');
    }

    #[tokio::test]
    async fn a_silent_link_accepts_and_delivers_in_order_when_that_ends() {
        let (target, _server) = server().await;
        let link = Link::to(target).await;
        link.set(Mode::Silent);
        let mut client = TcpStream::connect(link.addr()).await.unwrap();
        client.write_all(b"abc").await.unwrap();
        let mut answer = [0; 3];
        let early = client.try_read(&mut answer);
        assert_eq!(early.unwrap_err().kind(), io::ErrorKind::WouldBlock);
        link.set(Mode::Delay(Duration::from_millis(1)));
        let read = time::timeout(SOON, client.read_exact(&mut answer)).await;
        read.expect("an answer").unwrap();
        assert_eq!(&answer, b"bcd");
    }

    #[test]
    fn an_answer_names_links_where_it_named_servers() {
        let mut bytes = *b"*2\r\n$9\r\n127.0.0.1\r\n$5\r\n12345\r\n";
        let bulk = |port: &str| format!("$5\r\n{port}\r\n");
        let names = [
            (bulk("54321"), bulk("11111")),
            (bulk("12345"), bulk("22222")),
        ];
        rename(&mut bytes, &names);
        assert_eq!(&bytes, b"*2\r\n$9\r\n127.0.0.1\r\n$5\r\n22222\r\n");
    }
}
