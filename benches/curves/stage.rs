//! One length of the line: a Redis server that has it, and a replica in front of it.

use std::net::SocketAddr;
use std::rc::Rc;
use std::time::Duration;

use anteroom::clock;
use anteroom::line::exchange::Answer;
use anteroom::line::exchange::Exchange;
use anteroom::line::exchange::JOINS_MAX;
use anteroom::line::settings::Settings as LineSettings;
use anteroom::seal;
use anteroom::seal::Pass;
use anteroom::seal::Ticket;

use crate::parts::load;
use crate::parts::load::Load;
use crate::parts::load::Run;
use crate::parts::pin;
use crate::parts::rig::Rig;
use crate::parts::server;
use crate::stall;
use crate::support::anteroom::Anteroom;
use crate::support::redis::Redis;

/// Tickets that poll: many, so that none is taken for somebody who hammers.
const TICKETS: u64 = 40_000;
/// Passes that go through.
const PASSES: u64 = 1_000;
/// How often the exchanges are measured; the slowest command is that of all.
const RUNS: usize = 3;
/// Connections that ask.
const CONNECTIONS: usize = 64;
/// How long a bare loop looks for the stalls of a core.
const STALL_SPAN: Duration = Duration::from_secs(5);
/// Numbers heard from in one exchange: as many as a replica sends at most.
const HEARD: u64 = 500;
/// Exchanges of a kind in one run.
const EXCHANGES: u32 = 300;

/// One length.
pub(crate) struct Stage {
    pub(crate) waiting: u64,
    redis: Redis,
    anteroom: Anteroom,
    polls: Rc<Vec<Vec<u8>>>,
    admitted: Rc<Vec<Vec<u8>>>,
    memory: f64,
}

/// What exchanges cost the server.
#[derive(Debug)]
pub(crate) struct Exchanged {
    pub(crate) idle_us: f64,
    pub(crate) heard_us: f64,
    pub(crate) joins_us: f64,
    /// The exchange that finds nearly the whole line absent and calls the last visitors.
    pub(crate) skip_us: f64,
    pub(crate) slowest_ms: f64,
    pub(crate) stall_ms: f64,
    /// Bytes of the room's keys.
    pub(crate) memory: f64,
}

impl Exchanged {
    /// Bytes of them for each who waits.
    #[expect(clippy::cast_precision_loss, reason = "far fewer than 2^52 visitors")]
    pub(crate) fn per_visitor(&self, waiting: u64) -> f64 {
        self.memory / waiting as f64
    }
}

impl Stage {
    /// Starts the servers and fills the line.
    pub(crate) fn open(waiting: u64, portal: SocketAddr) -> Self {
        let redis = Redis::start();
        let url = redis.url();
        let anteroom = Anteroom::start(|place| {
            format!(
                "[server]\nlisten = \"{}\"\nworkers = 1\n[admin]\nlisten = \"{}\"\n[store]\nurl = \"{url}\"\n\
                 [origin.portal]\nurl = \"http://{portal}\"\n[room.main]\norigin = \"portal\"\n\
                 rate = \"1/h\"\npresence = \"1h\"\npass_idle = \"24h\"\npass_max = \"48h\"\n\
                 line_max = 100000000\n",
                place.server, place.admin
            )
        });
        pin::set(anteroom.pid(), pin::MEASURED);
        pin::set(server::pid(&redis), pin::OTHER);
        let mut rig = Rig::of(&redis, "main");
        let answer = rig.fill(waiting);
        rig.leave();
        let memory = server::memory(&redis, "main");
        println!("  {waiting} wait");
        let keys =
            seal::load(&anteroom.place().dir.join("ticket.keys")).expect("the replica's keys");
        let polls = (0..TICKETS).map(|at| poll(&keys, &answer, at)).collect();
        let admitted = (0..PASSES).map(|_| admitted(&keys, &answer)).collect();
        Self {
            waiting,
            redis,
            anteroom,
            polls: Rc::new(polls),
            admitted: Rc::new(admitted),
            memory,
        }
    }

    fn run(&self, requests: &Rc<Vec<Vec<u8>>>, span: Duration) -> Run {
        let load = Load {
            addr: self.anteroom.addr(),
            tls: None,
            connections: CONNECTIONS,
            requests,
        };
        load::run(&load, self.anteroom.pid(), span)
    }

    /// Polls of waiting tickets, spread over the line.
    pub(crate) fn poll(&self, span: Duration) -> Run {
        self.run(&self.polls, span)
    }

    /// Requests of visitors inside.
    pub(crate) fn admit(&self, span: Duration) -> Run {
        self.run(&self.admitted, span)
    }

    /// Newcomers, who make the line longer; and the server's CPU for each, in microseconds.
    pub(crate) fn join(&mut self, span: Duration) -> (Run, f64) {
        let request = "POST /.anteroom/main/join HTTP/1.1\r\nhost: portal.example\r\n\
                       accept: application/json\r\ncontent-length: 0\r\n\r\n";
        let requests = Rc::new(vec![request.as_bytes().to_vec()]);
        let before = server::cpu_us(&self.redis);
        let run = self.run(&requests, span);
        let redis_us = (server::cpu_us(&self.redis) - before) / load::count(run.answers);
        (run, redis_us)
    }

    /// Exchanges with a line of this length: the server alone on its core, everything else on the other.
    pub(crate) fn exchange(&mut self) -> Exchanged {
        // Still on the core that the server will have for itself.
        let stall_ms = stall::longest_ms(STALL_SPAN);
        pin::set(std::process::id(), pin::MEASURED);
        server::watch_slowest(&self.redis);
        let mut costs: [Vec<f64>; 4] = Default::default();
        for run in 0..RUNS {
            // A room of its own, so that the line of the replica stays as long as it is.
            let mut rig = Rig::of(&self.redis, &format!("exchange-{run}"));
            rig.set(settings(3_600_000_000, 1));
            rig.fill(self.waiting);
            let (redis, waiting) = (&self.redis, self.waiting);
            let spread = (0..HEARD).map(|at| 1 + at * 997 % waiting);
            let heard = Exchange {
                heard: spread.collect(),
                ..Exchange::default()
            };
            costs[0].push(measure(redis, &mut rig, &Exchange::default(), EXCHANGES));
            costs[1].push(measure(redis, &mut rig, &heard, EXCHANGES));
            costs[3].push(skip(redis, &mut rig));
            let rush = Exchange {
                joins: JOINS_MAX,
                ..Exchange::default()
            };
            costs[2].push(measure(redis, &mut rig, &rush, EXCHANGES / 10));
            rig.leave();
        }
        let slowest_ms = server::slowest_ms(&self.redis);
        pin::set(std::process::id(), pin::OTHER);
        let [idle_us, heard_us, joins_us, skip_us] = costs.map(|mut costs| {
            costs.sort_by(f64::total_cmp);
            costs[costs.len() / 2]
        });
        println!("  {} waiting: exchanges measured", self.waiting);
        Exchanged {
            idle_us,
            heard_us,
            joins_us,
            skip_us,
            slowest_ms,
            stall_ms,
            memory: self.memory,
        }
    }
}

/// The server's CPU for each exchange, in microseconds.
fn measure(redis: &Redis, rig: &mut Rig, exchange: &Exchange, times: u32) -> f64 {
    let before = server::cpu_us(redis);
    for _ in 0..times {
        rig.send(exchange);
    }
    (server::cpu_us(redis) - before) / f64::from(times)
}

/// Settings for a line of the benchmark's own.
fn settings(presence_us: u64, rate_per_hour: u64) -> LineSettings {
    LineSettings {
        presence_us,
        rate_per_hour,
        line_max: 1 << 40,
        ..LineSettings::default()
    }
}

/// Everybody but the last has gone: the exchange in which that is proven, and `head` goes over all of them.
fn skip(redis: &Redis, rig: &mut Rig) -> f64 {
    let tail = rig.set(settings(1_000_000, 36_000)).tail;
    let last = Exchange {
        heard: vec![tail],
        ..Exchange::default()
    };
    let began = clock::monotonic();
    loop {
        let before = server::cpu_us(redis);
        let answer = rig.send(&last);
        if answer.head == tail {
            return server::cpu_us(redis) - before;
        }
        assert!(
            clock::monotonic() - began < Duration::from_secs(60),
            "{answer:?}"
        );
        // As a replica that hears of nobody: line time goes on, and listening is unbroken.
        std::thread::sleep(Duration::from_millis(250));
    }
}

/// A poll as a waiting page sends it. None is of the first few, who are called.
fn poll(keys: &seal::KeyRing, answer: &Answer, at: u64) -> Vec<u8> {
    let waiting = answer.tail - answer.head;
    let ticket = Ticket {
        epoch: answer.epoch,
        number: answer.tail - at * 997 % (waiting / 2),
        id: seal::ticket_id(),
        issued_us: answer.now_us,
        asked: false,
    };
    let text = keys.sign_ticket("main", &ticket);
    let request = format!(
        "GET /.anteroom/main/status?have=waiting&lang=en HTTP/1.1\r\nhost: portal.example\r\n\
         accept: application/json\r\ncookie: anteroom-main={text}\r\n\r\n"
    );
    request.into_bytes()
}

/// A request of somebody inside.
fn admitted(keys: &seal::KeyRing, answer: &Answer) -> Vec<u8> {
    let pass = Pass {
        epoch: answer.epoch,
        number: 1,
        id: seal::ticket_id(),
        signed_us: answer.now_us,
        until_us: answer.now_us + 86_400_000_000,
        entered_us: answer.now_us,
    };
    let text = keys.sign_pass("main", &pass);
    let request = format!(
        "GET /x HTTP/1.1\r\nhost: portal.example\r\naccept: */*\r\ncookie: anteroom-main-pass={text}\r\n\r\n"
    );
    request.into_bytes()
}
