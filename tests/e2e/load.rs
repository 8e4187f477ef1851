//! Visitors inside who ask without a pause, on connections they keep and on new ones, and of whom no request may fail.

use std::io;
use std::io::BufRead;
use std::io::BufReader;
use std::io::Read;
use std::io::Write;
use std::net::SocketAddr;
use std::net::TcpStream;
use std::sync::Arc;
use std::sync::Mutex;
use std::sync::atomic::AtomicBool;
use std::sync::atomic::AtomicU64;
use std::sync::atomic::Ordering;
use std::thread;
use std::time::Duration;

use rustls::ClientConfig;
use rustls::ClientConnection;
use rustls::StreamOwned;

use crate::stage::Over;
use crate::stage::SOON;
use crate::support::wait_for;

/// How long one answer is waited for: an address is connected to again after one, three and seven seconds.
const DEADLINE: Duration = Duration::from_secs(30);

/// Threads of each kind: one keeps its connection, one makes a new one for every request.
const KINDS: [Kind; 2] = [Kind::Kept, Kind::Fresh];

/// What is asked for, and whether a page is an answer to it.
pub(crate) type Asked = (&'static str, fn(&str) -> bool);

/// How a visitor uses connections.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Kind {
    /// The next request follows the last answer on the same one, unless the answer says that there is no more.
    Kept,
    /// A new one for every request.
    Fresh,
}

/// Who asks for what.
pub(crate) struct Load {
    addr: SocketAddr,
    tls: Option<Arc<ClientConfig>>,
    pass: String,
    paths: Vec<Asked>,
    over: AtomicBool,
    asked: [AtomicU64; KINDS.len()],
    failed: Mutex<Vec<String>>,
}

/// A connection, encrypted or not.
trait Line: Read + Write {}
impl<T: Read + Write> Line for T {}
type Connection = BufReader<Box<dyn Line>>;

impl Load {
    /// Somebody with this pass, who asks for these in turn.
    pub(crate) fn new(
        addr: SocketAddr,
        tls: Option<Arc<ClientConfig>>,
        pass: String,
        paths: &[Asked],
    ) -> Self {
        Self {
            addr,
            tls,
            pass,
            paths: paths.to_vec(),
            over: AtomicBool::new(false),
            asked: Default::default(),
            failed: Mutex::default(),
        }
    }

    /// Somebody who enters first.
    ///
    /// # Panics
    /// When it does not get in.
    pub(crate) fn entered(
        addr: SocketAddr,
        tls: Option<Arc<ClientConfig>>,
        paths: &[Asked],
    ) -> Self {
        let ask = |line: &str, header: &str| {
            let mut connection = connect(addr, tls.as_ref()).unwrap();
            let (_, page) = exchange(&mut connection, line, header).ok()?;
            serde_json::from_str::<serde_json::Value>(&page).ok()
        };
        let text = |of: &serde_json::Value, name: &str| Some(of.get(name)?.as_str()?.to_owned());
        let ticket = wait_for("it joins", SOON, || {
            text(&ask("POST /.anteroom/main/join", "")?, "ticket")
        });
        let header = format!("anteroom-ticket: {ticket}\r\n");
        let pass = wait_for("it enters", SOON, || {
            text(&ask("POST /.anteroom/main/enter", &header)?, "pass")
        });
        Self::new(addr, tls, pass, paths)
    }

    /// What is answered to this, on a connection of its own.
    pub(crate) fn page(&self, path: &str) -> io::Result<String> {
        let mut connection = connect(self.addr, self.tls.as_ref())?;
        let pass = format!("anteroom-pass: {}\r\n", self.pass);
        Ok(exchange(&mut connection, &format!("GET {path}"), &pass)?.1)
    }

    /// Does this under load. How many requests there were, of which none failed.
    ///
    /// # Panics
    /// When one failed.
    pub(crate) fn during(&self, act: impl FnOnce()) -> u64 {
        thread::scope(|scope| {
            let ending = Over(&self.over);
            for (kind, asked) in KINDS.into_iter().zip(&self.asked) {
                // Two of each, so that connections come and go at any moment.
                for _ in 0..2 {
                    scope.spawn(move || {
                        if let Err(error) = self.ask_on(kind, asked) {
                            let told = format!("{kind:?}, after {asked:?} answers: {error}");
                            self.failed.lock().unwrap().push(told);
                        }
                    });
                }
            }
            self.goes_on();
            act();
            self.goes_on();
            drop(ending);
        });
        let failed = self.failed.lock().unwrap();
        assert!(failed.is_empty(), "{failed:#?}");
        self.asked
            .iter()
            .map(|asked| asked.load(Ordering::Relaxed))
            .sum()
    }

    /// Waits until each kind has had some more answers.
    ///
    /// # Panics
    /// When one of them failed.
    pub(crate) fn goes_on(&self) {
        let now = || {
            self.asked
                .each_ref()
                .map(|asked| asked.load(Ordering::Relaxed))
        };
        let before = now();
        wait_for("everybody is answered", SOON, || {
            let failed = self.failed.lock().unwrap();
            assert!(failed.is_empty(), "{failed:#?}");
            drop(failed);
            let more = |(now, before)| now >= before + 10;
            now().into_iter().zip(before).all(more).then_some(())
        });
    }

    fn ask_on(&self, kind: Kind, asked: &AtomicU64) -> io::Result<()> {
        let mut kept = None;
        for (path, is_right) in self.paths.iter().cycle() {
            if self.over.load(Ordering::Relaxed) {
                return Ok(());
            }
            let mut line = match kept.take() {
                Some(line) => line,
                None => connect(self.addr, self.tls.as_ref())
                    .map_err(|error| during("connecting", &error))?,
            };
            let close = if kind == Kind::Fresh {
                "connection: close\r\n"
            } else {
                ""
            };
            let headers = format!("anteroom-pass: {}\r\n{close}", self.pass);
            let (is_last, page) = exchange(&mut line, &format!("GET {path}"), &headers)?;
            if !is_right(&page) {
                return Err(io::Error::other(format!("to {path}: {page}")));
            }
            asked.fetch_add(1, Ordering::Relaxed);
            kept = (!is_last && kind == Kind::Kept).then_some(line);
        }
        Ok(())
    }
}

/// What is answered to somebody who shows nothing, on a connection of its own.
pub(crate) fn page_at(
    addr: SocketAddr,
    tls: Option<&Arc<ClientConfig>>,
    path: &str,
) -> io::Result<String> {
    let mut connection = connect(addr, tls)?;
    Ok(exchange(&mut connection, &format!("GET {path}"), "")?.1)
}

/// One request with these header lines, and its answer.
fn exchange(line: &mut Connection, request: &str, headers: &str) -> io::Result<(bool, String)> {
    let length = if request.starts_with("POST") {
        "content-length: 0\r\n"
    } else {
        ""
    };
    let head = format!(
        "{request} HTTP/1.1\r\nhost: localhost\r\naccept: application/json\r\n{length}{headers}\r\n"
    );
    line.get_mut()
        .write_all(head.as_bytes())
        .map_err(|error| during("asking", &error))?;
    answer(line).map_err(|error| during("hearing", &error))
}

fn connect(addr: SocketAddr, tls: Option<&Arc<ClientConfig>>) -> io::Result<Connection> {
    let stream = TcpStream::connect_timeout(&addr, DEADLINE)?;
    stream.set_read_timeout(Some(DEADLINE))?;
    stream.set_write_timeout(Some(DEADLINE))?;
    stream.set_nodelay(true)?;
    let line: Box<dyn Line> = match tls {
        None => Box::new(stream),
        Some(tls) => {
            let name = "localhost".try_into().map_err(io::Error::other)?;
            let tls = ClientConnection::new(Arc::clone(tls), name);
            Box::new(StreamOwned::new(tls.map_err(io::Error::other)?, stream))
        }
    };
    Ok(BufReader::new(line))
}

fn during(what: &str, error: &io::Error) -> io::Error {
    io::Error::new(error.kind(), format!("{what}: {error}"))
}

/// Whether it is the last one on this connection, and its page. Anything but a page is an error.
fn answer(line: &mut impl BufRead) -> io::Result<(bool, String)> {
    let mut head = String::new();
    while !head.ends_with("\r\n\r\n") {
        if line.read_line(&mut head)? == 0 {
            let error = format!("closed after {head:?}");
            return Err(io::Error::new(io::ErrorKind::UnexpectedEof, error));
        }
    }
    let lower = head.to_ascii_lowercase();
    let length = lower
        .lines()
        .find_map(|line| line.strip_prefix("content-length:"));
    let length = length.and_then(|length| length.trim().parse().ok());
    let (true, Some(length)) = (head.starts_with("HTTP/1.1 200 "), length) else {
        return Err(io::Error::other(head));
    };
    let mut page = vec![0; length];
    line.read_exact(&mut page)?;
    let is_last = lower.contains("\r\nconnection: close\r\n");
    Ok((is_last, String::from_utf8_lossy(&page).into_owned()))
}
