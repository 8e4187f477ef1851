//! A crowd of simulated visitors over real HTTP: they arrive, read their number, poll, press the button, book, leave.
//!
//! It speaks to a site as browsers do and knows nothing but the wire contract, so it plays the same crowd at a
//! portal behind a waiting room and at the bare portal. It runs on its own thread; the same seed plays the same
//! habits and arrival times (what the network makes of them is its own).

mod jar;
mod pool;
mod seen;
mod tally;
#[cfg(test)]
mod tests;
mod visitor;

use std::io;
use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::Mutex;
use std::sync::MutexGuard;
use std::sync::PoisonError;
use std::thread;
use std::thread::JoinHandle;
use std::time::Duration;

use tokio::task::JoinSet;
use tokio::time;
use tokio::time::Instant;
use tokio_util::sync::CancellationToken;

pub use crate::demo::crowd::tally::Numbering;
pub use crate::demo::crowd::tally::Tally;

use crate::clock;
use crate::demo::crowd::pool::Pool;
use crate::demo::crowd::visitor::Visitor;
use crate::demo::dice::Dice;

/// From which to which time something takes; each visitor rolls its own.
pub type Span = (Duration, Duration);

/// A crowd to be played.
#[derive(Debug, Clone)]
pub struct Plan {
    /// Where the site answers: the replicas, or the portal itself. Each request goes to any of them.
    pub servers: Vec<SocketAddr>,
    /// The site's name as visitors type it (the `Host` header).
    pub host: String,
    /// The room in front of the portal; none when there is none.
    pub room: Option<String>,
    /// How many visitors come.
    pub visitors: u32,
    /// Within which time they all come.
    pub within: Duration,
    /// Decides arrival times and habits.
    pub seed: u64,
    /// Keep-alive connections to each server at most.
    pub connections_max: usize,
    /// How long an answer is waited for.
    pub patience: Duration,
    /// What the visitors are like.
    pub habits: Habits,
}

/// What visitors are like.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Habits {
    /// So many of a hundred go away while waiting and never come back.
    pub vanish_percent: u64,
    /// So many of a hundred go away while waiting and come back later.
    pub late_percent: u64,
    /// How long those stay away.
    pub away: Span,
    /// From opening the waiting page to its first look at the line.
    pub first_poll: Span,
    /// From seeing one's turn to pressing the button.
    pub press: Span,
    /// Between two pages of the portal.
    pub think: Span,
    /// From an error to pressing reload.
    pub reload: Span,
    /// After so many errors in a row a visitor gives up.
    pub reloads_max: u32,
}

impl Default for Habits {
    fn default() -> Self {
        let span = |low, high| (Duration::from_millis(low), Duration::from_millis(high));
        Self {
            vanish_percent: 8,
            late_percent: 8,
            away: span(8_000, 16_000),
            first_poll: span(1_500, 4_000),
            press: span(500, 2_500),
            think: span(400, 1_600),
            reload: span(700, 2_500),
            reloads_max: 12,
        }
    }
}

impl Habits {
    /// Everybody stays and presses the button.
    #[must_use]
    pub fn steady() -> Self {
        Self {
            vanish_percent: 0,
            late_percent: 0,
            ..Self::default()
        }
    }
}

/// A crowd on its way; it is sent home when dropped.
#[derive(Debug)]
pub struct Crowd {
    ground: Arc<Ground>,
    stop: CancellationToken,
    thread: Option<JoinHandle<()>>,
}

impl Crowd {
    /// Sends a crowd out on its own thread.
    ///
    /// # Errors
    /// No runtime or thread can be had, or the plan names no server.
    pub fn start(plan: Plan) -> io::Result<Self> {
        if plan.servers.is_empty() {
            return Err(io::Error::new(
                io::ErrorKind::InvalidInput,
                "the crowd has nowhere to go",
            ));
        }
        let runtime = tokio::runtime::Builder::new_current_thread()
            .enable_all()
            .build()?;
        let pool = |&addr| Pool::new(addr, plan.connections_max, plan.patience);
        let ground = Arc::new(Ground {
            pools: plan.servers.iter().map(pool).collect(),
            plan,
            tally: Mutex::default(),
        });
        let stop = CancellationToken::new();
        let play = play(Arc::clone(&ground), stop.clone());
        let thread = thread::Builder::new()
            .name("crowd".to_owned())
            .spawn(move || runtime.block_on(play))?;
        Ok(Self {
            ground,
            stop,
            thread: Some(thread),
        })
    }

    /// The sums so far.
    #[must_use]
    pub fn tally(&self) -> Tally {
        self.ground.tally().clone()
    }

    /// Whether every visitor is done.
    #[must_use]
    pub fn is_through(&self) -> bool {
        self.ground.tally().done == u64::from(self.ground.plan.visitors)
    }

    /// Whether every visitor has had its first answer.
    #[must_use]
    pub fn is_answered(&self) -> bool {
        self.ground.tally().answered == u64::from(self.ground.plan.visitors)
    }
}

impl Drop for Crowd {
    fn drop(&mut self) {
        self.stop.cancel();
        if let Some(thread) = self.thread.take() {
            // A panic of the crowd's thread was printed by that thread already.
            drop(thread.join());
        }
    }
}

/// What the visitors of one crowd share.
#[derive(Debug)]
struct Ground {
    plan: Plan,
    pools: Vec<Pool>,
    tally: Mutex<Tally>,
}

impl Ground {
    fn tally(&self) -> MutexGuard<'_, Tally> {
        self.tally.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Sends visitors out at their times and waits until all are done, or until it is told to stop.
async fn play(ground: Arc<Ground>, stop: CancellationToken) {
    let mut visitors = JoinSet::new();
    let began = Instant::from_std(clock::monotonic());
    let send_out = async {
        for index in 0..ground.plan.visitors {
            time::sleep_until(began + arrival(&ground.plan, index)).await;
            visitors.spawn(Visitor::new(Arc::clone(&ground), u64::from(index)).walk());
            while visitors.try_join_next().is_some() {}
        }
        while visitors.join_next().await.is_some() {}
    };
    tokio::select! {
        () = send_out => {}
        () = stop.cancelled() => {}
    }
}

/// When a visitor sets out: the time is cut into as many parts as there are visitors, and each comes somewhere
/// within its own.
fn arrival(plan: &Plan, index: u32) -> Duration {
    let part = plan.within / plan.visitors.max(1);
    let mut dice = Dice::of(plan.seed, u64::from(index));
    plan.within
        .mul_f64(f64::from(index) / f64::from(plan.visitors.max(1)))
        + dice.between(Duration::ZERO, part)
}
