//! A recording origin, a raw client, and a front that forwards everything.

use std::future::Future;
use std::net::IpAddr;
use std::net::Ipv4Addr;
use std::net::SocketAddr;
use std::rc::Rc;
use std::sync::Arc;
use std::sync::Mutex;
use std::sync::atomic::AtomicUsize;
use std::sync::atomic::Ordering::SeqCst;
use std::time::Duration;

use anteroom::clock;
use anteroom::line::ids::TicketId;
use anteroom::message::Asked;
use anteroom::message::Body;
use anteroom::message::Ended;
use anteroom::message::Fault;
use anteroom::message::Handler;
use anteroom::message::Record;
use anteroom::message::Trouble;
use anteroom::message::TrustedProxies;
use anteroom::message::Unheard;
use anteroom::proxy::OriginAddress;
use anteroom::proxy::OriginErrorKind;
use anteroom::proxy::OriginPool;
use anteroom::proxy::OriginSettings;
use anteroom::proxy::Passage;
use anteroom::server;
use anteroom::server::Running;
use anteroom::server::ServerSettings;
use http::Response;
use tokio::io::AsyncReadExt;
use tokio::io::AsyncWriteExt;
use tokio::net::TcpListener;
use tokio::net::TcpStream;

/// Nothing here takes this long unless it hangs, on a machine that is busy with everything else.
pub(crate) const PATIENCE: Duration = Duration::from_secs(60);

pub(crate) const VISITOR: TicketId = TicketId(0x2a);

/// Awaits something that must happen.
pub(crate) async fn soon<F: Future>(future: F) -> F::Output {
    tokio::time::timeout(PATIENCE, future)
        .await
        .expect("it took too long")
}

/// Waits until something is true.
pub(crate) async fn until(mut is_true: impl FnMut() -> bool) {
    soon(async {
        while !is_true() {
            tokio::time::sleep(Duration::from_millis(1)).await;
        }
    })
    .await;
}

/// A number that has not changed for so long has settled.
const STILL: Duration = Duration::from_millis(200);

/// Waits until a number has grown and then stays as it is for a while.
pub(crate) async fn settles(number: &AtomicUsize) -> usize {
    let (mut last, mut since) = (0, clock::monotonic());
    until(|| {
        let now = number.load(SeqCst);
        if now != last {
            (last, since) = (now, clock::monotonic());
        }
        last > 0 && since.elapsed() >= STILL
    })
    .await;
    last
}

/// What the front saw.
#[derive(Debug, Default)]
pub(crate) struct Seen {
    pub(crate) errors: Vec<(OriginErrorKind, bool)>,
    pub(crate) causes: Vec<String>,
    pub(crate) log: Vec<String>,
    pub(crate) orders: Vec<String>,
    pub(crate) unheard: Vec<Unheard>,
    pub(crate) ended: Vec<Ended>,
    /// Connections that were parked, and of these the ones that are no more.
    pub(crate) parked: usize,
    pub(crate) woke: usize,
    /// Connections that were opened, and of these the ones that are no more.
    pub(crate) opened: usize,
    pub(crate) closed: usize,
    /// Bytes that waited for clients when that was last told.
    pub(crate) holds: u64,
}

/// A server whose handler forwards everything.
pub(crate) struct Front {
    pub(crate) addr: SocketAddr,
    pub(crate) running: Option<Running>,
    pub(crate) seen: Arc<Mutex<Seen>>,
}

/// One connection is allowed from here.
pub(crate) const CROWDED: IpAddr = IpAddr::V4(Ipv4Addr::new(203, 0, 113, 1));

struct ForwardAll {
    pool: Rc<OriginPool>,
    seen: Arc<Mutex<Seen>>,
}

impl Handler for ForwardAll {
    fn connections_max_from(&self, ip: IpAddr) -> Option<usize> {
        (ip == CROWDED).then_some(1)
    }

    fn at_once(&self, asked: &Asked) -> Option<Response<Body>> {
        assert!(asked.request.uri().path() != "/panic-at-once", "asked for");
        let is_it = asked.request.uri().path() == "/at-once";
        is_it.then(|| Response::new(Body::full("at once")))
    }

    async fn handle(self: Rc<Self>, asked: Asked) -> Result<Response<Body>, Fault> {
        assert!(asked.request.uri().path() != "/panic", "asked for");
        asked.note.decision.set(Some("forward"));
        let client = TrustedProxies::default().client(asked.peer, asked.request.headers());
        let named = asked.request.headers().get("x-visitor");
        let named = named.map(|id| TicketId(id.to_str().unwrap().parse().unwrap()));
        let passage = Passage {
            client: &client,
            visitor: Some(named.unwrap_or(VISITOR)),
            path: None,
            note: &asked.note,
        };
        match self.pool.forward(asked.request, &passage).await {
            Ok(forwarded) => {
                let orders = format!("{:?} {:?}", forwarded.command, forwarded.stock);
                self.seen.lock().unwrap().orders.push(orders);
                Ok(forwarded.response)
            }
            Err(error) => {
                let mut seen = self.seen.lock().unwrap();
                seen.errors.push((error.kind, error.was_sent));
                seen.causes.push(error.cause());
                Err(Fault::from(&error))
            }
        }
    }

    fn rescue(&self, trouble: &Trouble<'_>) -> Response<Body> {
        Response::new(Body::full(format!("calm: {}", trouble.fault)))
    }

    fn unheard(&self, why: Unheard) {
        self.seen.lock().unwrap().unheard.push(why);
    }

    fn ended(&self, why: Ended) {
        self.seen.lock().unwrap().ended.push(why);
    }

    fn opened(&self) {
        self.seen.lock().unwrap().opened += 1;
    }

    fn closed(&self) {
        self.seen.lock().unwrap().closed += 1;
    }

    fn holds(&self, bytes: u64) {
        self.seen.lock().unwrap().holds = bytes;
    }

    fn parked(&self) {
        self.seen.lock().unwrap().parked += 1;
    }

    fn woke(&self) {
        self.seen.lock().unwrap().woke += 1;
    }

    fn log(&self, record: &Record<'_>) {
        let status = record.status.map_or(0, |status| status.as_u16());
        let line = format!(
            "{} {} {status} {} {}",
            record.method, record.path, record.body_bytes, record.is_complete
        );
        self.seen.lock().unwrap().log.push(line);
    }
}

/// The settings tests start from.
pub(crate) fn origin_at(addr: SocketAddr) -> OriginSettings {
    OriginSettings::new("portal", vec![address(addr)])
}

pub(crate) fn address(addr: SocketAddr) -> OriginAddress {
    OriginAddress {
        host: addr.ip().to_string(),
        port: addr.port(),
        tls: false,
    }
}

pub(crate) fn loopback() -> SocketAddr {
    SocketAddr::from(([127, 0, 0, 1], 0))
}

pub(crate) fn one_worker() -> ServerSettings {
    ServerSettings {
        workers: 1,
        ..ServerSettings::plain([loopback()])
    }
}

impl Front {
    pub(crate) fn before(origin: SocketAddr) -> Self {
        Self::start(one_worker(), origin_at(origin))
    }

    pub(crate) fn start(server: ServerSettings, origin: OriginSettings) -> Self {
        let seen = Arc::<Mutex<Seen>>::default();
        let shared = Arc::clone(&seen);
        let running = server::start(server, move |worker| {
            let pool = OriginPool::new(origin.clone(), worker.background);
            if worker.index == 0 {
                pool.watch();
            }
            Rc::new(ForwardAll {
                pool,
                seen: Arc::clone(&shared),
            })
        });
        let running = running.unwrap();
        Self {
            addr: running.addrs()[0],
            running: Some(running),
            seen,
        }
    }

    pub(crate) async fn client(&self) -> Raw {
        Raw(soon(TcpStream::connect(self.addr)).await.unwrap())
    }

    /// One request on a connection of its own; the whole answer.
    pub(crate) async fn ask(&self, request: &str) -> String {
        let mut client = self.client().await;
        client.send(request).await;
        client.message().await
    }

    /// As [`Front::ask`], but no further than the head.
    pub(crate) async fn ask_head(&self, request: &str) -> String {
        let mut client = self.client().await;
        client.send(request).await;
        client.head().await
    }

    pub(crate) fn errors(&self) -> Vec<(OriginErrorKind, bool)> {
        self.seen.lock().unwrap().errors.clone()
    }

    /// Connections that were accepted.
    pub(crate) fn opened(&self) -> usize {
        self.seen.lock().unwrap().opened
    }

    /// Why connections ended before a request, once there are as many.
    pub(crate) async fn unheard(&self, count: usize) -> Vec<Unheard> {
        until(|| self.seen.lock().unwrap().unheard.len() >= count).await;
        self.seen.lock().unwrap().unheard.clone()
    }

    pub(crate) fn ended(&self) -> Vec<Ended> {
        self.seen.lock().unwrap().ended.clone()
    }

    /// Connections that are open.
    pub(crate) fn open(&self) -> usize {
        let seen = self.seen.lock().unwrap();
        seen.opened - seen.closed
    }

    /// Connections that are parked.
    pub(crate) fn parked(&self) -> usize {
        let seen = self.seen.lock().unwrap();
        seen.parked - seen.woke
    }

    pub(crate) fn log(&self) -> Vec<String> {
        self.seen.lock().unwrap().log.clone()
    }
}

/// A connection of which every byte is seen.
pub(crate) struct Raw(pub(crate) TcpStream);

impl Raw {
    pub(crate) async fn send(&mut self, bytes: impl AsRef<[u8]>) {
        soon(self.0.write_all(bytes.as_ref())).await.unwrap();
    }

    /// Everything up to and including the empty line; empty when the other side ended instead.
    pub(crate) async fn head(&mut self) -> String {
        let mut head = Vec::new();
        while !head.ends_with(b"\r\n\r\n") {
            let mut byte = [0];
            match soon(self.0.read(&mut byte)).await {
                Ok(1) => head.push(byte[0]),
                _ => return String::new(),
            }
        }
        String::from_utf8(head).unwrap()
    }

    /// Everything up to and including the end of the line; empty when the other side ended instead.
    pub(crate) async fn line(&mut self) -> String {
        let mut line = Vec::new();
        while !line.ends_with(b"\r\n") {
            let mut byte = [0];
            match soon(self.0.read(&mut byte)).await {
                Ok(1) => line.push(byte[0]),
                _ => return String::new(),
            }
        }
        String::from_utf8_lossy(&line).into_owned()
    }

    pub(crate) async fn bytes(&mut self, len: usize) -> Vec<u8> {
        let mut bytes = vec![0; len];
        soon(self.0.read_exact(&mut bytes)).await.unwrap();
        bytes
    }

    /// A head and the body that its `Content-Length` tells; empty when the other side ended instead.
    pub(crate) async fn message(&mut self) -> String {
        let head = self.head().await;
        let len = header(&head, "content-length").map_or(0, |len| len.parse().unwrap());
        let body = self.bytes(len).await;
        head + &String::from_utf8(body).unwrap()
    }

    pub(crate) async fn rest(&mut self) -> Vec<u8> {
        let mut rest = Vec::new();
        // A reset is an end as well.
        soon(self.0.read_to_end(&mut rest)).await.ok();
        rest
    }
}

/// The first value of a header.
pub(crate) fn header<'a>(head: &'a str, name: &str) -> Option<&'a str> {
    head.lines()
        .take_while(|line| !line.is_empty())
        .find_map(|line| {
            let (key, value) = line.split_once(": ")?;
            key.eq_ignore_ascii_case(name).then_some(value)
        })
}

/// An origin that does on each connection what a test tells it to.
pub(crate) struct Origin {
    pub(crate) addr: SocketAddr,
    pub(crate) connections: Arc<Mutex<usize>>,
    task: tokio::task::JoinHandle<()>,
}

impl Origin {
    pub(crate) async fn start<F, T>(behave: F) -> Self
    where
        F: Fn(Raw, usize) -> T + Send + 'static,
        T: Future<Output = ()> + Send + 'static,
    {
        let listener = TcpListener::bind(loopback()).await.unwrap();
        let addr = listener.local_addr().unwrap();
        let connections = Arc::<Mutex<usize>>::default();
        let count = Arc::clone(&connections);
        let task = tokio::spawn(async move {
            loop {
                let (stream, _) = listener.accept().await.unwrap();
                let index = {
                    let mut count = count.lock().unwrap();
                    *count += 1;
                    *count - 1
                };
                tokio::spawn(behave(Raw(stream), index));
            }
        });
        Self {
            addr,
            connections,
            task,
        }
    }

    /// An origin that reads whatever comes and never answers.
    pub(crate) async fn silent() -> Self {
        let origin = Self::start(|mut connection, _| async move {
            connection.rest().await;
        });
        origin.await
    }

    /// An origin that answers `200` to every head, and keeps the heads.
    pub(crate) async fn recording(answer: &'static str) -> (Self, Arc<Mutex<Vec<String>>>) {
        let heads = Arc::<Mutex<Vec<String>>>::default();
        let kept = Arc::clone(&heads);
        let origin = Self::start(move |mut connection, _| {
            let kept = Arc::clone(&kept);
            async move {
                loop {
                    let request = connection.message().await;
                    if request.is_empty() {
                        return;
                    }
                    kept.lock().unwrap().push(request);
                    connection.send(answer).await;
                }
            }
        });
        (origin.await, heads)
    }

    pub(crate) fn connections(&self) -> usize {
        *self.connections.lock().unwrap()
    }
}

impl Drop for Origin {
    fn drop(&mut self) {
        self.task.abort();
    }
}

pub(crate) const OK: &str = "HTTP/1.1 200 OK\r\ncontent-length: 2\r\n\r\nok";
