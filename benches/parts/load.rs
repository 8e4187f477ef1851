//! Connections that send the next request as soon as the last is answered.

use std::cell::RefCell;
use std::net::SocketAddr;
use std::rc::Rc;
use std::sync::Arc;
use std::time::Duration;
use std::time::Instant;

use anteroom::clock;
use rustls::ClientConfig;
use rustls::pki_types::ServerName;
use tokio::io::AsyncRead;
use tokio::io::AsyncReadExt as _;
use tokio::io::AsyncWrite;
use tokio::io::AsyncWriteExt as _;
use tokio::net::TcpStream;

use tokio_rustls::TlsConnector;

use crate::parts::pin;

/// Who is asked for what.
#[derive(Debug)]
pub(crate) struct Load<'a> {
    /// Who answers.
    pub(crate) addr: SocketAddr,
    /// How to speak TLS with it, if at all, as `localhost`.
    pub(crate) tls: Option<Arc<ClientConfig>>,
    /// How many ask at once.
    pub(crate) connections: usize,
    /// What they ask for, over and over.
    pub(crate) requests: &'a Rc<Vec<Vec<u8>>>,
}

/// What came of it.
#[derive(Debug)]
pub(crate) struct Run {
    /// Answers, all of them 200.
    pub(crate) answers: usize,
    /// How long it took, in seconds.
    pub(crate) seconds: f64,
    /// CPU of the process that answered, per answer, in microseconds.
    pub(crate) cpu_us: f64,
    /// Half of the answers came within this, in microseconds; and 99 of 100.
    pub(crate) p50_us: f64,
    pub(crate) p99_us: f64,
}

impl Run {
    /// Answers a second.
    pub(crate) fn per_s(&self) -> f64 {
        count(self.answers) / self.seconds
    }
}

/// Numbers of requests as numbers to divide by.
#[expect(clippy::cast_precision_loss, reason = "far fewer than 2^52 requests")]
pub(crate) fn count(number: usize) -> f64 {
    number as f64
}

/// Asks for this long, and looks at what the process that answers uses meanwhile.
///
/// # Panics
/// When an answer is not a 200: what is measured would be something else.
pub(crate) fn run(load: &Load<'_>, pid: u32, span: Duration) -> Run {
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()
        .expect("a runtime");
    let local = tokio::task::LocalSet::new();
    let times = Rc::new(RefCell::new(Vec::with_capacity(1_000_000)));
    let (seconds, cpu_us) = local.block_on(&runtime, async {
        let mut streams = Vec::new();
        for _ in 0..load.connections {
            streams.push(connect(load).await);
        }
        let (began, before) = (clock::monotonic(), pin::cpu_us(pid));
        let until = began + span;
        let tasks: Vec<_> = streams
            .into_iter()
            .enumerate()
            .map(|(at, stream)| {
                let (requests, times) = (Rc::clone(load.requests), Rc::clone(&times));
                // Each connection has a stretch of the requests of its own to begin with.
                let first = at * requests.len() / load.connections;
                tokio::task::spawn_local(ask(stream, requests, first, times, until))
            })
            .collect();
        for task in tasks {
            task.await.expect("a connection that was answered");
        }
        (
            (clock::monotonic() - began).as_secs_f64(),
            pin::cpu_us(pid) - before,
        )
    });
    let mut times = times.take();
    times.sort_unstable();
    let at = |percent: usize| f64::from(times[(times.len() - 1) * percent / 100]);
    Run {
        answers: times.len(),
        seconds,
        cpu_us: cpu_us / count(times.len()),
        p50_us: at(50) / 1_000.0,
        p99_us: at(99) / 1_000.0,
    }
}

/// A stream of either kind.
pub(crate) trait Stream: AsyncRead + AsyncWrite + Unpin {}

impl<T: AsyncRead + AsyncWrite + Unpin> Stream for T {}

/// One connection, with its handshake behind it.
pub(crate) async fn connect(load: &Load<'_>) -> Box<dyn Stream> {
    let stream = TcpStream::connect(load.addr).await.expect("a connection");
    stream.set_nodelay(true).expect("a socket");
    let Some(tls) = &load.tls else {
        return Box::new(stream);
    };
    let name = ServerName::try_from("localhost").expect("a name");
    let connecting = TlsConnector::from(Arc::clone(tls)).connect(name, stream);
    Box::new(connecting.await.expect("a handshake"))
}

async fn ask(
    mut stream: Box<dyn Stream>,
    requests: Rc<Vec<Vec<u8>>>,
    first: usize,
    times: Rc<RefCell<Vec<u32>>>,
    until: Instant,
) {
    let (mut got, mut part) = (Vec::new(), vec![0; 65_536]);
    let mut at = first;
    while clock::monotonic() < until {
        let began = clock::monotonic();
        let request = &requests[at % requests.len()];
        at += 1;
        stream.write_all(request).await.expect("a request is sent");
        stream.flush().await.expect("a request is sent");
        read(&mut stream, &mut got, &mut part).await;
        let nanoseconds = u32::try_from((clock::monotonic() - began).as_nanos());
        times.borrow_mut().push(nanoseconds.unwrap_or(u32::MAX));
    }
}

/// Reads one answer, whose length its head tells.
pub(crate) async fn read(stream: &mut Box<dyn Stream>, got: &mut Vec<u8>, part: &mut [u8]) {
    got.clear();
    let mut whole = None;
    while whole.is_none_or(|whole| got.len() < whole) {
        let n = stream.read(part).await.expect("an answer");
        assert!(n > 0, "the connection was closed: {}", text(got));
        got.extend_from_slice(&part[..n]);
        if whole.is_none() {
            whole = length(got);
        }
    }
    assert!(got.starts_with(b"HTTP/1.1 200"), "{}", text(got));
}

/// Bytes of the head and of the body it announces, once the head is there.
fn length(got: &[u8]) -> Option<usize> {
    let head = got.windows(4).position(|bytes| bytes == b"\r\n\r\n")? + 4;
    let text = text(got.get(..head)?).to_ascii_lowercase();
    let length = text.split("content-length: ").nth(1)?.split('\r').next()?;
    Some(head + length.parse::<usize>().expect("a length"))
}

fn text(bytes: &[u8]) -> String {
    String::from_utf8_lossy(bytes).into_owned()
}
