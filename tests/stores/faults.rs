//! The shared store when its server forgets, hangs, dies, comes back or loses an answer.

use std::io::Read;
use std::io::Write;
use std::net::Shutdown;
use std::os::unix::net::UnixListener;
use std::os::unix::net::UnixStream;
use std::path::PathBuf;
use std::sync::Arc;
use std::sync::atomic::AtomicBool;
use std::sync::atomic::Ordering;
use std::thread;
use std::time::Duration;

use anteroom::line::exchange::Answer;
use anteroom::line::exchange::Exchange;
use anteroom::line::exchange::Known;
use anteroom::line::ids::InstanceId;
use anteroom::line::ids::Nonce;
use anteroom::store::Settings;
use anteroom::store::Store;
use anteroom::store::StoreError;
use anteroom::store::redis::Settings as RedisSettings;
use tempfile::TempDir;

use crate::server::Server;

/// One replica of a test's own.
pub struct Replica {
    pub store: Store,
    pub room: String,
    pub instance: InstanceId,
    sequence: u64,
    known: Known,
}

impl Replica {
    /// A replica whose store is there; its answers may take as long as a busy machine needs.
    pub async fn open(url: String) -> Self {
        Self::patient(url, Duration::from_secs(30)).await
    }

    pub async fn patient(url: String, deadline: Duration) -> Self {
        Self::with(RedisSettings {
            connect_deadline: deadline,
            answer_deadline: deadline,
            ..RedisSettings::new(url.parse().expect("a url"))
        })
        .await
    }

    /// A replica with a store of the test's own making.
    pub async fn with(settings: RedisSettings) -> Self {
        Self::in_room("main", settings).await
    }

    /// The same, in this room.
    pub async fn in_room(room: &str, settings: RedisSettings) -> Self {
        let settings = Settings::Redis(Box::new(settings));
        Self {
            store: Store::open(&settings, room).await.expect("a store"),
            room: room.to_owned(),
            instance: InstanceId(1),
            sequence: 0,
            known: Known::default(),
        }
    }

    /// Sends one exchange, which is repeated until it is answered.
    pub async fn send(&mut self, exchange: Exchange) -> Answer {
        let exchange = self.next(exchange);
        loop {
            match self.store.exchange(&exchange).await {
                Ok(answer) => {
                    self.known = self.known.after(&answer);
                    return answer;
                }
                Err(error) => assert!(error.is_away(), "{error}"),
            }
        }
    }

    /// Sends one exchange at this time of the store's clock.
    pub async fn send_at(&mut self, clock_us: u64, exchange: Exchange) -> Answer {
        let exchange = self.next(exchange);
        let answer = self.store.exchange_at(clock_us, &exchange).await;
        let answer = answer.expect("an answer");
        self.known = self.known.after(&answer);
        answer
    }

    fn next(&mut self, exchange: Exchange) -> Exchange {
        self.sequence += 1;
        Exchange {
            instance: self.instance,
            sequence: self.sequence,
            nonce: Nonce(1),
            known: self.known,
            ..exchange
        }
    }

    /// Sends idle exchanges until the line has healed.
    pub async fn heal(&mut self) {
        while self.send(Exchange::default()).await.healing {}
    }

    /// Goes on with another store, knowing what it knows.
    pub async fn move_to(&mut self, settings: RedisSettings) {
        let settings = Settings::Redis(Box::new(settings));
        self.store = Store::open(&settings, &self.room).await.expect("a store");
    }

    /// Joins until numbers are issued, and gives them.
    pub async fn numbers(&mut self, joins: u64) -> Vec<u64> {
        loop {
            let answer = self.join(joins).await;
            if answer.issued > 0 {
                return (answer.first..answer.first + answer.issued).collect();
            }
        }
    }

    pub async fn join(&mut self, joins: u64) -> Answer {
        self.send(Exchange {
            joins,
            ..Exchange::default()
        })
        .await
    }

    /// Tries one exchange once, without noting it as sent.
    pub async fn try_join(&mut self, joins: u64) -> Result<Answer, StoreError> {
        let exchange = Exchange {
            instance: self.instance,
            sequence: self.sequence + 1,
            known: self.known,
            joins,
            ..Exchange::default()
        };
        self.store.exchange(&exchange).await
    }
}

#[tokio::test]
async fn a_server_that_forgot_the_script_is_given_it_again() {
    let server = Server::start();
    let mut replica = Replica::open(server.url()).await;
    replica.heal().await;
    assert_eq!(replica.join(3).await.tail, 3);
    redis::cmd("SCRIPT")
        .arg("FLUSH")
        .exec(&mut server.connect())
        .expect("an answer");
    assert_eq!(replica.join(3).await.tail, 6);
}

#[tokio::test]
async fn a_server_killed_and_restarted_goes_on_with_the_same_line() {
    let mut server = Server::start_with(&["--appendonly", "yes", "--appendfsync", "always"]);
    let mut replica = Replica::open(server.url()).await;
    replica.heal().await;
    let epoch = replica.join(5).await.epoch;
    server.kill();
    let error = replica.try_join(5).await.expect_err("nobody answers");
    assert!(matches!(error, StoreError::Unreachable { .. }), "{error}");
    server.restart();
    let answer = replica.join(5).await;
    assert!(
        answer.healing,
        "another process answers, which may have lost writes"
    );
    assert_eq!((answer.issued, answer.tail, answer.epoch), (0, 5, epoch));
    replica.heal().await;
    assert_eq!(replica.join(5).await.first, 6);
}

#[tokio::test]
async fn a_server_that_lost_everything_is_told_the_line_it_had() {
    let mut server = Server::start();
    let mut replica = Replica::open(server.url()).await;
    replica.heal().await;
    let epoch = replica.join(7).await.epoch;
    server.restart();
    replica.heal().await;
    let answer = replica.join(1).await;
    assert_eq!((answer.first, answer.epoch), (8, epoch));
}

#[tokio::test]
async fn a_server_that_hangs_is_given_up_at_the_deadline_and_applies_once() {
    let server = Server::start();
    Replica::open(server.url()).await.heal().await;
    let mut replica = Replica::patient(server.url(), Duration::from_millis(300)).await;
    replica.sequence = 1_000_000;
    let before = replica.join(2).await.tail;
    server.freeze();
    let error = replica.try_join(4).await.expect_err("nobody answers");
    assert!(matches!(error, StoreError::Timeout { .. }), "{error}");
    let error = replica.try_join(4).await.expect_err("nobody answers");
    assert!(matches!(error, StoreError::Timeout { .. }), "{error}");
    server.thaw();
    assert_eq!(replica.join(4).await.tail, before + 4);
}

/// Stands between a client and a server and, when told to, loses the next answer and the connection with it.
struct Between {
    dir: TempDir,
    lose_next: Arc<AtomicBool>,
}

impl Between {
    fn start(server: &Server) -> Self {
        let dir = TempDir::new().expect("a temporary folder");
        let lose_next = Arc::new(AtomicBool::new(false));
        let listener = UnixListener::bind(dir.path().join("between.sock")).expect("a socket");
        let (socket, lose) = (server.socket(), Arc::clone(&lose_next));
        thread::spawn(move || {
            for client in listener.incoming() {
                pass_on(client.expect("a client"), &socket, &lose);
            }
        });
        Self { dir, lose_next }
    }

    fn url(&self) -> String {
        format!("redis+unix://{}/between.sock", self.dir.path().display())
    }
}

fn pass_on(mut client: UnixStream, socket: &PathBuf, lose: &Arc<AtomicBool>) {
    let mut server = UnixStream::connect(socket).expect("a server");
    let mut from_client = client.try_clone().expect("a stream");
    let mut to_server = server.try_clone().expect("a stream");
    thread::spawn(move || {
        // Ends with the connection, whichever end it is cut at.
        drop(std::io::copy(&mut from_client, &mut to_server));
        drop(to_server.shutdown(Shutdown::Both));
    });
    let lose = Arc::clone(lose);
    thread::spawn(move || {
        let mut buffer = [0; 1 << 16];
        while let Ok(length @ 1..) = server.read(&mut buffer) {
            if lose.swap(false, Ordering::SeqCst) || client.write_all(&buffer[..length]).is_err() {
                break;
            }
        }
        drop(client.shutdown(Shutdown::Both));
    });
}

#[tokio::test]
async fn an_answer_lost_on_its_way_is_given_again_and_applied_once() {
    let server = Server::start();
    let between = Between::start(&server);
    let mut replica = Replica::open(between.url()).await;
    replica.heal().await;
    assert_eq!(replica.join(2).await.tail, 2);
    for round in 1..=10 {
        between.lose_next.store(true, Ordering::SeqCst);
        let answer = replica.join(3).await;
        assert!(
            !between.lose_next.load(Ordering::SeqCst),
            "an answer was lost"
        );
        assert_eq!((answer.first, answer.tail), (3 * round, 3 * round + 2));
    }
}

#[tokio::test]
async fn no_message_shows_the_password() {
    let settings = RedisSettings {
        password: Some("correct-horse".to_owned().into()),
        ..RedisSettings::new("redis://battery@127.0.0.1:1/0".parse().expect("a url"))
    };
    let mut replica = Replica::with(settings.clone()).await;
    let error = replica.try_join(1).await.expect_err("nobody is there");
    let shown = format!("{error} {error:?} {:?} {settings:?}", replica.store);
    assert!(!shown.contains("correct-horse"), "{shown}");
    assert!(shown.contains("127.0.0.1:1"), "{shown}");
}
