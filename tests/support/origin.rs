//! An origin of one test's own: answers as the test says and remembers every request it saw.

use std::io;
use std::io::BufRead;
use std::io::BufReader;
use std::io::Read;
use std::io::Write;
use std::net::Shutdown;
use std::net::SocketAddr;
use std::net::TcpListener;
use std::net::TcpStream;
use std::sync::Arc;
use std::sync::Mutex;
use std::sync::MutexGuard;
use std::sync::PoisonError;
use std::sync::atomic::AtomicBool;
use std::sync::atomic::Ordering;
use std::thread;
use std::time::Duration;

use super::PORT_TRIES;
use super::free_addr;

/// Between two looks at whether held answers may go.
const HOLD: Duration = Duration::from_millis(10);

/// A request as it arrived.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Seen {
    /// The method.
    pub method: String,
    /// Path and query.
    pub target: String,
    /// Names in lower case, in the order they came.
    pub headers: Vec<(String, String)>,
    /// The body.
    pub body: Vec<u8>,
}

impl Seen {
    /// Every header of this name, joined as one list.
    pub fn header(&self, name: &str) -> Option<String> {
        let all = self.headers.iter().filter(|(held, _)| held == name);
        let values: Vec<_> = all.map(|(_, value)| value.as_str()).collect();
        (!values.is_empty()).then(|| values.join(", "))
    }
}

/// What to answer.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Answer {
    /// The status code.
    pub status: u16,
    /// Headers besides the length.
    pub headers: Vec<(&'static str, String)>,
    /// The body.
    pub body: String,
}

impl Answer {
    /// 200 with this page.
    pub fn page(body: &str) -> Self {
        Self {
            status: 200,
            headers: vec![("content-type", "text/html".to_owned())],
            body: body.to_owned(),
        }
    }

    /// And this header.
    pub fn with(mut self, name: &'static str, value: &str) -> Self {
        self.headers.push((name, value.to_owned()));
        self
    }
}

/// What answers requests.
type Answering = dyn Fn(&Seen) -> Answer + Send + Sync;

/// A running origin; gone when dropped.
pub struct Origin {
    addr: SocketAddr,
    shared: Arc<Shared>,
    acceptor: Option<thread::JoinHandle<()>>,
}

struct Shared {
    answering: Box<Answering>,
    seen: Mutex<Vec<Seen>>,
    connections: Mutex<Vec<TcpStream>>,
    stopped: AtomicBool,
}

impl Origin {
    /// An origin whose every page is `the portal`.
    pub fn start() -> Self {
        Self::answering(|_| Answer::page("the portal"))
    }

    /// An origin that answers like this.
    ///
    /// # Panics
    /// When no port is free.
    pub fn answering(answering: impl Fn(&Seen) -> Answer + Send + Sync + 'static) -> Self {
        let shared = Arc::new(Shared {
            answering: Box::new(answering),
            seen: Mutex::default(),
            connections: Mutex::default(),
            stopped: AtomicBool::new(false),
        });
        for _ in 0..PORT_TRIES {
            let addr = free_addr();
            let mut origin = Self {
                addr,
                shared: Arc::clone(&shared),
                acceptor: None,
            };
            if origin.listen().is_ok() {
                return origin;
            }
        }
        panic!("the origin found no free port");
    }

    /// As [`Origin::start`], but that holds its answers for as long as this says that it does not answer.
    pub fn holding(answers: &Arc<AtomicBool>) -> Self {
        let answers = Arc::clone(answers);
        Self::answering(move |_| {
            while !answers.load(Ordering::Relaxed) {
                thread::park_timeout(HOLD);
            }
            Answer::page("the portal")
        })
    }

    /// Where it listens.
    pub fn addr(&self) -> SocketAddr {
        self.addr
    }

    /// Every request so far.
    pub fn seen(&self) -> Vec<Seen> {
        lock(&self.shared.seen).clone()
    }

    /// How many requests it saw.
    pub fn count(&self) -> usize {
        lock(&self.shared.seen).len()
    }

    /// The last request.
    ///
    /// # Panics
    /// When there was none.
    pub fn last(&self) -> Seen {
        self.seen().pop().expect("a request at the origin")
    }

    /// Closes its port and every connection.
    pub fn stop(&mut self) {
        self.shared.stopped.store(true, Ordering::SeqCst);
        for connection in lock(&self.shared.connections).drain(..) {
            // It may be closed already.
            drop(connection.shutdown(Shutdown::Both));
        }
        // Wakes the acceptor, which then sees that it is over.
        drop(TcpStream::connect(self.addr));
        if let Some(acceptor) = self.acceptor.take() {
            drop(acceptor.join());
        }
    }

    /// Listens again at the same address.
    ///
    /// # Panics
    /// When the port was taken meanwhile.
    pub fn start_again(&mut self) {
        self.listen().expect("the origin's port is still free");
    }

    fn listen(&mut self) -> io::Result<()> {
        let listener = TcpListener::bind(self.addr)?;
        self.shared.stopped.store(false, Ordering::SeqCst);
        let shared = Arc::clone(&self.shared);
        self.acceptor = Some(thread::spawn(move || shared.accept(&listener)));
        Ok(())
    }
}

impl Drop for Origin {
    fn drop(&mut self) {
        self.stop();
    }
}

impl Shared {
    fn accept(self: Arc<Self>, listener: &TcpListener) {
        for stream in listener.incoming() {
            if self.stopped.load(Ordering::SeqCst) {
                return;
            }
            let Ok(stream) = stream else { continue };
            if let Ok(other) = stream.try_clone() {
                lock(&self.connections).push(other);
            }
            let shared = Arc::clone(&self);
            // A connection that breaks is its client's to notice.
            thread::spawn(move || drop(shared.serve(stream)));
        }
    }

    fn serve(&self, stream: TcpStream) -> io::Result<()> {
        let mut writer = stream.try_clone()?;
        let mut reader = BufReader::new(stream);
        while let Some(seen) = read(&mut reader)? {
            let is_head = seen.method == "HEAD";
            lock(&self.seen).push(seen.clone());
            let answer = (self.answering)(&seen);
            let mut text = format!("HTTP/1.1 {} Whatever\r\n", answer.status);
            for (name, value) in &answer.headers {
                text.push_str(&format!("{name}: {value}\r\n"));
            }
            text.push_str(&format!("content-length: {}\r\n\r\n", answer.body.len()));
            if !is_head {
                text.push_str(&answer.body);
            }
            writer.write_all(text.as_bytes())?;
        }
        Ok(())
    }
}

/// One request; `None` when the connection ends between two.
fn read(reader: &mut BufReader<TcpStream>) -> io::Result<Option<Seen>> {
    let Some(first) = line(reader)? else {
        return Ok(None);
    };
    let mut words = first.split(' ').map(str::to_owned);
    let (method, target) = (
        words.next().unwrap_or_default(),
        words.next().unwrap_or_default(),
    );
    let mut headers = Vec::new();
    while let Some(text) = line(reader)?.filter(|text| !text.is_empty()) {
        let (name, value) = text.split_once(':').unwrap_or((&text, ""));
        headers.push((name.to_ascii_lowercase(), value.trim().to_owned()));
    }
    let mut seen = Seen {
        method,
        target,
        headers,
        body: Vec::new(),
    };
    if seen.header("transfer-encoding").is_some() {
        seen.body = chunks(reader)?;
    } else if let Some(length) = seen.header("content-length") {
        seen.body = vec![0; length.parse().map_err(io::Error::other)?];
        reader.read_exact(&mut seen.body)?;
    }
    Ok(Some(seen))
}

fn line(reader: &mut BufReader<TcpStream>) -> io::Result<Option<String>> {
    let mut text = String::new();
    let read = reader.read_line(&mut text)?;
    Ok((read > 0).then(|| text.trim_end().to_owned()))
}

fn chunks(reader: &mut BufReader<TcpStream>) -> io::Result<Vec<u8>> {
    let mut body = Vec::new();
    loop {
        let size = line(reader)?.unwrap_or_default();
        let size = usize::from_str_radix(&size, 16).map_err(io::Error::other)?;
        let mut chunk = vec![0; size];
        reader.read_exact(&mut chunk)?;
        body.extend_from_slice(&chunk);
        line(reader)?;
        if size == 0 {
            return Ok(body);
        }
    }
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}
