//! Parking changes nothing that a client can see, and happens only between requests.

use std::cell::Cell;
use std::cell::RefCell;
use std::convert::Infallible;
use std::net::IpAddr;
use std::net::Ipv4Addr;
use std::net::SocketAddr;
use std::rc::Rc;

use bytes::Bytes;
use http::Response;
use http_body_util::BodyExt as _;
use proptest::prelude::*;
use tokio::io::AsyncReadExt as _;
use tokio::io::AsyncWriteExt as _;
use tokio::io::DuplexStream;
use tokio::net::TcpListener;
use tokio::net::TcpStream;
use tokio::task::LocalSet;
use tokio_util::task::TaskTracker;
use tower::Service;

use super::*;
use crate::message::Asked;
use crate::message::Body as Answer;
use crate::message::Fault;
use crate::message::Peer;
use crate::message::Trouble;
use crate::proxy::Ticker;
use crate::server::ServerSettings;
use crate::server::connection::Speaker;
use crate::server::connections::Connections;
use crate::server::connections::Place;
use crate::server::log::Sent;
use crate::server::stack::Arrived;
use crate::server::stack::stack;

/// Answers with what it was asked, and with the body but for `/deaf`, `/held`, `/large` and `/never`.
#[derive(Debug, Default)]
struct Echo {
    paths: RefCell<Vec<String>>,
    /// Bodies that nobody reads and nobody lets go of.
    held: RefCell<Vec<Incoming>>,
    parked: Cell<usize>,
    woke: Cell<usize>,
}

impl Handler for Echo {
    async fn handle(self: Rc<Self>, asked: Asked) -> Result<Response<Answer>, Fault> {
        let (parts, body) = asked.request.into_parts();
        let path = parts.uri.path().to_owned();
        self.paths.borrow_mut().push(path.clone());
        let text = match path.as_str() {
            "/deaf" => Bytes::from_static(b"heard enough"),
            "/held" => {
                self.held.borrow_mut().push(body);
                Bytes::from_static(b"held")
            }
            "/large" => Bytes::from(vec![b'x'; LARGE]),
            "/never" => std::future::pending().await,
            _ => {
                let body = body.collect().await.map_err(|_| Fault::ClientGone)?;
                let echo = [parts.method.as_str(), " ", &path, ": "].concat();
                [echo.as_bytes(), &body.to_bytes()].concat().into()
            }
        };
        Ok(Response::new(Answer::full(text)))
    }

    fn rescue(&self, trouble: &Trouble<'_>) -> Response<Answer> {
        Response::new(Answer::full(trouble.fault.to_string()))
    }

    fn parked(&self) {
        self.parked.set(self.parked.get() + 1);
    }

    fn woke(&self) {
        self.woke.set(self.woke.get() + 1);
    }
}

/// Bytes of an answer that is larger than what a client takes unread, and smaller than what we keep for it.
const LARGE: usize = 10_000;

/// Bytes a client takes unread.
const TAKEN: usize = 1_024;

/// Bytes of the task of a connection, over TLS or not, for all of its life.
const TASK_MAX: usize = 640;

/// A connection with its client on the same thread.
struct Stage {
    handler: Rc<Echo>,
    connections: Rc<Connections>,
    place: Option<Place>,
    client: DuplexStream,
    served: tokio::task::JoinHandle<Result<(), Ended>>,
}

impl Stage {
    /// Begins to serve; `taken` are the bytes either side takes unread.
    fn new(taken: usize) -> Self {
        let handler = Rc::<Echo>::default();
        let connections = Connections::open_to_all(Ticker::new(), 1);
        let speaker = speaker(&handler, &connections);
        let place = connections.enter(Some(Ipv4Addr::LOCALHOST.into())).unwrap();
        let connection = Rc::clone(&place.connection);
        let (client, stream) = tokio::io::duplex(taken);
        let served =
            tokio::task::spawn_local(async move { speaker.http1(stream, PEER, &connection).await });
        Self {
            handler,
            connections,
            place: Some(place),
            client,
            served,
        }
    }

    async fn send(&mut self, bytes: impl AsRef<[u8]>) {
        self.client.write_all(bytes.as_ref()).await.unwrap();
        settle().await;
    }

    /// Asks for it to be parked, as a sweep does; whether it is.
    async fn park(&self) -> bool {
        if let Some(place) = &self.place {
            place.connection.ask_to_park();
        }
        settle().await;
        self.handler.parked.get() > self.handler.woke.get()
    }

    /// The next answer's body.
    async fn body(&mut self) -> String {
        let mut head = Vec::new();
        while !head.ends_with(b"\r\n\r\n") {
            head.push(self.client.read_u8().await.unwrap());
        }
        let head = String::from_utf8(head).unwrap();
        let len = head
            .lines()
            .find_map(|line| line.strip_prefix("content-length: "));
        let mut body = vec![0; len.unwrap().parse().unwrap()];
        self.client.read_exact(&mut body).await.unwrap();
        String::from_utf8(body).unwrap()
    }

    /// Everything until the end, without what the time of day makes of it.
    async fn rest(mut self) -> (String, Rc<Echo>) {
        let mut rest = String::new();
        self.client.read_to_string(&mut rest).await.unwrap();
        self.served.await.unwrap().unwrap();
        let lines = rest.split_inclusive('\n');
        let lines = lines.filter(|line| !line.starts_with("date: "));
        (lines.collect(), self.handler)
    }
}

const PEER: Peer = Peer {
    addr: SocketAddr::new(IpAddr::V4(Ipv4Addr::LOCALHOST), 1),
    tls: false,
    redirected: false,
};

/// What speaks on the connections of a worker.
fn speaker(
    handler: &Rc<Echo>,
    connections: &Connections,
) -> Speaker<
    impl Service<Arrived, Response = Response<Sent<Echo>>, Error = Infallible> + Clone + use<>,
    Echo,
> {
    let settings = ServerSettings::plain([]);
    let max = settings.limits.in_flight_max;
    let layers = stack(handler, connections.in_flight(), max);
    Speaker::new(
        layers,
        handler,
        TaskTracker::new(),
        Ticker::new(),
        &settings,
    )
}

/// Lets everything happen that can.
async fn settle() {
    for _ in 0..32 {
        tokio::task::yield_now().await;
    }
}

fn run<F: Future>(future: F) -> F::Output {
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()
        .unwrap();
    LocalSet::new().block_on(&runtime, future)
}

const GET: &str = "GET /a HTTP/1.1\r\nHost: a\r\n\r\n";
const POST: &str = "POST /b HTTP/1.1\r\nHost: a\r\nContent-Length: 31\r\n\r\n\
    GET /c HTTP/1.1\r\nHost: hidden\r\n";
const CHUNKED: &str = "POST /d HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n\
    b;x=y\r\nhello world\r\n0\r\nA: b\r\n\r\n";
const OLD: &str = "GET /e HTTP/1.0\r\nHost: a\r\nConnection: keep-alive\r\n\r\n";
const HEAD: &str = "HEAD /f HTTP/1.1\r\nHost: a\r\n\r\n";
const BLANK: &str = "\r\nGET /g HTTP/1.1\r\nHost: a\r\n\r\n";
const LAST: &str = "GET /last HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n";

/// What comes back when these bytes are sent in these pieces, with the connection asked to park after each or not; how
/// often it was parked, and how many requests there were.
fn answers(pieces: &[&str], is_parking: bool) -> (String, usize, usize) {
    run(async {
        let mut stage = Stage::new(1 << 20);
        for piece in pieces {
            stage.send(piece).await;
            if is_parking {
                stage.park().await;
            }
        }
        let (rest, handler) = stage.rest().await;
        assert_eq!(handler.parked.get(), handler.woke.get());
        (rest, handler.parked.get(), handler.paths.borrow().len())
    })
}

proptest! {
    #[test]
    fn parking_changes_no_answer_wherever_bytes_are_cut(
        requests in prop::collection::vec(
            prop::sample::select(vec![GET, POST, CHUNKED, OLD, HEAD, BLANK]),
            1..6,
        ),
        cuts in prop::collection::btree_set(1_usize..600, 0..40),
        at_ends in prop::collection::vec(any::<bool>(), 6),
    ) {
        let all = [&requests.concat(), LAST].concat();
        let mut ends = Vec::new();
        for request in &requests {
            ends.push(ends.last().unwrap_or(&0) + request.len());
        }
        let mut cuts = cuts;
        cuts.extend(ends.iter().zip(&at_ends).filter_map(|(end, is_cut)| is_cut.then_some(*end)));
        cuts.retain(|cut| *cut < all.len());
        let starts = std::iter::once(0).chain(cuts.iter().copied());
        let pieces = starts.zip(cuts.iter().copied().chain([all.len()]));
        let pieces: Vec<_> = pieces.map(|(start, end)| all.get(start..end).unwrap()).collect();
        let count = requests.len() + 1;
        let (whole, never, seen) = answers(&[&all], false);
        prop_assert_eq!((never, seen), (0, count));
        let (parked, times, seen) = answers(&pieces, true);
        prop_assert_eq!(parked, whole);
        // Between requests, and only there.
        let between = ends.iter().filter(|end| cuts.contains(end)).count();
        prop_assert_eq!((times, seen), (between, count));
    }
}

#[test]
fn what_is_not_sent_to_its_end_is_not_parked() {
    run(async {
        let mut stage = Stage::new(TAKEN);
        stage.send("GET /large HTTP/1.1\r\nHost: a\r\n\r\n").await;
        // All of the answer was taken from the handler; most of it waits for the client to read.
        assert_eq!(stage.connections.in_flight().get(), 0);
        assert!(!stage.park().await);
        assert_eq!(stage.body().await.len(), LARGE);
        assert!(stage.park().await);
        stage.send(GET).await;
        assert_eq!(stage.body().await, "GET /a: ");
    });
}

#[test]
fn the_body_of_a_request_that_was_answered_without_it_is_not_read_as_a_request() {
    run(async {
        for rest in [GET.len(), GET.len() + 1] {
            let mut stage = Stage::new(TAKEN);
            let head = format!("POST /deaf HTTP/1.1\r\nHost: a\r\nContent-Length: {rest}\r\n\r\n");
            stage.send(head).await;
            assert_eq!(stage.body().await, "heard enough");
            assert!(!stage.park().await);
            // It may be closed by now.
            drop(stage.client.write_all(GET.as_bytes()).await);
            stage.park().await;
            drop(stage.client.write_all(GET.as_bytes()).await);
            stage.client.shutdown().await.unwrap();
            settle().await;
            let seen = stage.handler.paths.borrow().clone();
            assert!(
                seen == ["/deaf"] || (rest == GET.len() && seen == ["/deaf", "/a"]),
                "{seen:?}"
            );
        }
    });
}

#[test]
fn a_body_that_waits_to_be_read_is_not_lost() {
    run(async {
        let mut stage = Stage::new(TAKEN);
        stage
            .send("POST /held HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n")
            .await;
        stage.send("3\r\nhel\r\n2\r\nlo\r\n0\r\n\r\n").await;
        assert_eq!(stage.body().await, "held");
        assert!(!stage.park().await);
        let body = stage.handler.held.borrow_mut().pop().unwrap();
        assert_eq!(body.collect().await.unwrap().to_bytes(), "hello");
        settle().await;
        assert!(stage.park().await);
        stage.send(GET).await;
        assert_eq!(stage.body().await, "GET /a: ");
    });
}

#[test]
fn a_request_that_comes_when_it_is_to_be_parked_is_served() {
    run(async {
        let mut stage = Stage::new(TAKEN);
        settle().await;
        assert!(stage.place.as_ref().unwrap().connection.ask_to_park());
        stage.send("GET /never HTTP/1.1\r\nHost: a\r\n\r\n").await;
        assert_eq!(stage.connections.in_flight().get(), 1);
        assert_eq!(stage.handler.parked.get(), 0);
    });
}

#[test]
fn a_request_in_flight_or_one_that_is_refused_is_not_parked() {
    run(async {
        let mut stage = Stage::new(TAKEN);
        stage.send("GET /never HTTP/1.1\r\nHost: a\r\n\r\n").await;
        assert!(!stage.park().await);
        let mut stage = Stage::new(TAKEN);
        stage.send("GET / HTTP/1.1\nHost: a\r\n\r\n").await;
        assert!(!stage.park().await);
        assert_eq!(stage.rest().await.1.parked.get(), 0);
    });
}

#[test]
fn a_parked_connection_ends_at_once_when_it_is_told_to_or_its_client_has_ended() {
    run(async {
        for order in [Some(Order::Finish), Some(Order::Cut), None] {
            let mut stage = Stage::new(TAKEN);
            stage.send(GET).await;
            assert_eq!(stage.body().await, "GET /a: ");
            assert!(stage.park().await);
            match order {
                Some(order) => stage.connections.tell_all(order),
                None => stage.client.shutdown().await.unwrap(),
            }
            let (rest, handler) = stage.rest().await;
            assert_eq!((rest.as_str(), handler.woke.get()), ("", 1), "{order:?}");
        }
    });
}

#[test]
fn a_connection_that_was_told_to_finish_is_parked_no_more() {
    run(async {
        let mut stage = Stage::new(TAKEN);
        stage.send("GET /never HTTP/1.1\r\nHost: a\r\n\r\n").await;
        stage.connections.tell_all(Order::Finish);
        settle().await;
        let place = stage.place.take().unwrap();
        assert!(!place.connection.ask_to_park());
    });
}

#[test]
fn a_head_that_is_half_there_when_the_connection_is_to_finish_is_answered() {
    for (path, answer) in [("/deaf", "heard enough"), ("/", "GET /: ")] {
        run(async {
            let mut stage = Stage::new(TAKEN);
            stage.send(["GET ", path, " HTTP/1.1\r\nHo"].concat()).await;
            stage.connections.tell_all(Order::Finish);
            settle().await;
            stage.send("st: a\r\n\r\n").await;
            let (said, _) = stage.rest().await;
            assert!(said.ends_with(answer), "{said:?}");
        });
    }
}

#[test]
fn the_task_of_a_connection_is_small() {
    run(async {
        let connections = Connections::open_to_all(Ticker::new(), 1);
        let speaker = speaker(&Rc::default(), &connections);
        let listener = TcpListener::bind(PEER.addr.ip().to_string() + ":0")
            .await
            .unwrap();
        let stream = TcpStream::connect(listener.local_addr().unwrap())
            .await
            .unwrap();
        let task = Rc::new(speaker).serve(
            stream,
            PEER,
            None,
            connections.enter(Some(PEER.addr.ip())).unwrap(),
        );
        assert!(size_of_val(&task) <= TASK_MAX, "{}", size_of_val(&task));
    });
}
