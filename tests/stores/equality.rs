//! The same histories, played to the pure line, to the embedded store and to a real Redis server.

use std::env;
use std::sync::Mutex;
use std::sync::atomic::AtomicU64;
use std::sync::atomic::Ordering;
use std::thread;
use std::time::Duration;

use anteroom::line::Line;
use anteroom::line::exchange::Answer;
use anteroom::line::exchange::Exchange;
use anteroom::line::exchange::Refused;
use anteroom::store::Settings;
use anteroom::store::Store;
use anteroom::store::StoreError;
use anteroom::store::memory;
use anteroom::store::redis::Settings as RedisSettings;
use tempfile::TempDir;

use crate::full::Met as FullMet;
use crate::history::Event;
use crate::history::History;
use crate::met::Met;
use crate::server::Server;
use crate::state;
use crate::stubs::Met as StubsMet;

/// Histories played unless `ANTEROOM_HISTORIES` says otherwise: as many as there is time for beside everything else.
const HISTORIES: u64 = 400;
/// So many meet everything that can happen.
const ENOUGH: u64 = 200;
/// Events of each.
const EVENTS: u64 = 220;
/// How long a busy machine may take over one exchange.
const PATIENCE: Duration = Duration::from_secs(60);
/// With as many histories as this, all that is looked for is met.
const HISTORIES_ENOUGH: u64 = 50;
/// Histories played side by side.
const PLAYERS: u64 = 3;

#[test]
fn line_memory_and_redis_agree_on_random_histories() {
    let server = Server::start();
    let one_seed = number_from("ANTEROOM_SEED");
    let histories = one_seed.map_or(
        number_from("ANTEROOM_HISTORIES").unwrap_or(HISTORIES),
        |_| 1,
    );
    let next = AtomicU64::new(0);
    let met = Mutex::new(Met::default());
    let guarded = Guarded::default();
    let stubs = StubsMet::default();
    let paced = Paced::default();
    let full = FullMet::default();
    thread::scope(|scope| {
        for _ in 0..PLAYERS {
            scope.spawn(|| {
                let runtime = tokio::runtime::Builder::new_current_thread()
                    .enable_all()
                    .build()
                    .expect("a runtime");
                loop {
                    let index = next.fetch_add(1, Ordering::Relaxed);
                    if index >= histories {
                        return;
                    }
                    let seed = one_seed.unwrap_or(index);
                    let one =
                        runtime.block_on(play(&server, seed, (&guarded, &stubs, &paced, &full)));
                    let mut met = met.lock().expect("nobody panicked");
                    *met = met.and(one);
                }
            });
        }
    });
    if histories >= ENOUGH {
        stubs.check();
    }
    full.check(histories >= ENOUGH);
    let met = met.into_inner().expect("nobody panicked");
    let Met {
        awaited,
        opened,
        drawn,
        recalled,
        closed,
    } = met;
    let least = awaited.min(opened).min(drawn).min(recalled).min(closed);
    assert!(least > 0 || histories < 100, "no history had all: {met:?}");
    let paced = [paced.leased, paced.withheld, paced.spent, paced.lost].map(AtomicU64::into_inner);
    println!("leased, withheld, let in beside what is withheld, lost: {paced:?}");
    assert!(
        histories < HISTORIES_ENOUGH || !paced.contains(&0),
        "the histories do not meet all there is of leases: {paced:?}"
    );
    let guarded = [guarded.slowed, guarded.stopped, guarded.let_in].map(AtomicU64::into_inner);
    println!("slowed, stopped, let in while held back: {guarded:?}");
    assert!(
        histories < HISTORIES_ENOUGH || !guarded.contains(&0),
        "the histories do not meet all there is: {guarded:?}"
    );
}

/// How many answers there were of what the histories are to meet of the guard.
#[derive(Default)]
struct Guarded {
    slowed: AtomicU64,
    stopped: AtomicU64,
    /// Entries granted at a pace that was held back.
    let_in: AtomicU64,
}

impl Guarded {
    fn note(&self, before: u64, answer: &Answer) {
        let add = |to: &AtomicU64, is: bool| to.fetch_add(u64::from(is), Ordering::Relaxed);
        let stopped = answer.measured.is_stopped();
        let held_back = answer.measured.held_back_ppm > 0;
        add(&self.stopped, stopped);
        add(&self.slowed, held_back && !stopped);
        add(&self.let_in, held_back && answer.counts.entered > before);
    }
}

/// How many answers there were of what the histories are to meet of leases.
#[derive(Default)]
struct Paced {
    leased: AtomicU64,
    withheld: AtomicU64,
    /// Entries granted while some of the pace was withheld.
    spent: AtomicU64,
    /// Histories at whose end something is withheld for replicas that a lost line knew.
    lost: AtomicU64,
}

impl Paced {
    fn note(&self, before: u64, answer: &Answer) {
        let add = |to: &AtomicU64, is: bool| to.fetch_add(u64::from(is), Ordering::Relaxed);
        let withheld = answer.withheld_per_hour > 0;
        add(&self.leased, answer.lease_per_hour > 0);
        add(&self.withheld, withheld);
        add(&self.spent, withheld && answer.counts.entered > before);
    }

    fn line(&self, state: &serde_json::Value) {
        let lost = state["leases"]["lost_per_hour"] != 0;
        self.lost.fetch_add(u64::from(lost), Ordering::Relaxed);
    }
}

fn number_from(variable: &str) -> Option<u64> {
    let text = env::var(variable).ok()?;
    Some(text.parse().expect("a number in the environment"))
}

/// Prints the seed when a history fails.
struct Seed(u64);

impl Drop for Seed {
    fn drop(&mut self) {
        if thread::panicking() {
            println!("to play this history again: ANTEROOM_SEED={}", self.0);
        }
    }
}

/// The three that must agree.
struct Players {
    line: Line,
    memory: Option<Store>,
    memory_settings: Settings,
    redis: Store,
    room: String,
    dir: TempDir,
}

impl Players {
    async fn open(server: &Server, seed: u64) -> Self {
        let dir = TempDir::new().expect("a temporary folder");
        let memory_settings = Settings::Memory(memory::Settings {
            directory: Some(dir.path().to_owned()),
        });
        let room = format!("history-{seed}");
        let redis_settings = Settings::Redis(Box::new(RedisSettings {
            prefix: "equal".to_owned(),
            connect_deadline: PATIENCE,
            answer_deadline: PATIENCE,
            ..RedisSettings::new(server.url().parse().expect("a url"))
        }));
        Self {
            line: Line::new(),
            memory: Some(
                Store::open(&memory_settings, &room)
                    .await
                    .expect("a memory store"),
            ),
            memory_settings,
            redis: Store::open(&redis_settings, &room)
                .await
                .expect("a Redis store"),
            room,
            dir,
        }
    }

    /// Plays one exchange to all three.
    async fn exchange(&mut self, clock_us: u64, exchange: &Exchange) -> Result<Answer, Refused> {
        let expected = self.line.apply(clock_us, exchange);
        let redis = refusal(self.redis.exchange_at(clock_us, exchange).await);
        assert_eq!(redis, expected, "Redis, at {exchange:#?}");
        let memory = self.memory.as_mut().expect("it is open");
        let memory = refusal(memory.exchange_at(clock_us, exchange).await);
        assert_eq!(memory, expected, "memory, at {exchange:#?}");
        expected
    }

    /// Takes everything from all three.
    async fn empty(&mut self, redis: &mut redis::Connection) {
        self.line = Line::new();
        let keys: Vec<String> = redis::cmd("KEYS")
            .arg(format!("{{equal:1:{}}}:*", self.room))
            .query(redis)
            .expect("keys");
        if !keys.is_empty() {
            redis::cmd("DEL").arg(keys).exec(redis).expect("an answer");
        }
        self.close_memory().await;
        for file in std::fs::read_dir(self.dir.path()).expect("a folder") {
            std::fs::remove_file(file.expect("a file").path()).expect("it goes");
        }
        self.open_memory().await;
    }

    async fn close_memory(&mut self) {
        if let Some(memory) = self.memory.take() {
            memory.close().await.expect("it closes");
        }
    }

    async fn open_memory(&mut self) {
        let memory = Store::open(&self.memory_settings, &self.room).await;
        self.memory = Some(memory.expect("it opens again"));
    }
}

fn refusal(result: Result<Answer, StoreError>) -> Result<Answer, Refused> {
    result.map_err(|error| {
        let StoreError::Refused(refused) = error else {
            panic!("{error}");
        };
        refused
    })
}

/// Plays one history to its end.
async fn play(
    server: &Server,
    seed: u64,
    (guarded, stubs, paced, full): (&Guarded, &StubsMet, &Paced, &FullMet),
) -> Met {
    let _seed = Seed(seed);
    let mut history = History::new(seed);
    let mut redis = server.connect();
    let mut players = Players::open(server, seed).await;
    let mut event = history.opening();
    let mut entered = 0;
    for _ in 0..EVENTS {
        match event {
            Event::Exchange(clock_us, exchange) => {
                if let Ok(answer) = players.exchange(clock_us, &exchange).await {
                    guarded.note(entered, &answer);
                    paced.note(entered, &answer);
                    entered = answer.counts.entered;
                    stubs.answer(&exchange, &answer);
                    full.answer(&exchange, &answer);
                    history.learn(&exchange, &answer);
                }
                history.sent(&exchange);
            }
            Event::Emptied => players.empty(&mut redis).await,
            Event::Restarted => {
                players.close_memory().await;
                players.open_memory().await;
            }
        }
        event = history.next();
    }
    let expected = state::of_line(&players.line);
    stubs.line(&expected);
    paced.line(&expected);
    full.line(&expected);
    let actual = state::of_redis(&mut redis, "equal", &players.room);
    for (name, value) in expected.as_object().expect("an object") {
        assert_eq!(actual[name], *value, "{name} in Redis");
    }
    players.empty(&mut redis).await;
    history.met
}
