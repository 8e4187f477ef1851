//! The demonstration: a portal that breaks, anteroom in front of it, a crowd over real HTTP, and a view of all three.
//!
//! It starts the portal and the crowd itself; anteroom is started by a function the caller gives, so that nothing here
//! knows how a server is put together. In a terminal it goes on, crowd after crowd, until Ctrl-C; without one it
//! prints plain lines and ends by itself when its crowd is through.

pub mod crowd;
pub mod dice;
pub mod portal;
mod rows;
mod summary;
#[cfg(test)]
mod tests;
mod view;

use std::fmt;
use std::io;
use std::net::IpAddr;
use std::net::Ipv4Addr;
use std::net::SocketAddr;
use std::time::Duration;
use std::time::Instant;

use tokio::signal::unix::Signal;
use tokio::signal::unix::SignalKind;
use tokio::signal::unix::signal;
use tokio::time;

pub use crate::demo::summary::Summary;
pub use crate::demo::view::Screen;

use crate::clock;
use crate::demo::crowd::Crowd;
use crate::demo::crowd::Habits;
use crate::demo::crowd::Plan;
use crate::demo::portal::Capacity;
use crate::demo::portal::Portal;
use crate::demo::rows::Heading;
use crate::demo::rows::Scene;
use crate::demo::view::View;

/// The demonstration's one room.
pub const ROOM: &str = "vaccination";
/// The paths that room protects.
pub const PATHS: &str = "/booking/*";

/// Visitors who come in one second of a crowd's arrival, unless that is over too soon or too late.
const ARRIVALS_PER_S: u32 = 50;
/// Between two crowds.
const BETWEEN_CROWDS: Duration = Duration::from_secs(15);
/// A crowd that takes so much longer than its numbers and the pace explain is sent home.
const CROWD_GRACE: Duration = Duration::from_secs(180);
/// How often the screen is drawn in a terminal, and a line is printed without one.
const FRAME: Duration = Duration::from_millis(250);
const LINE: Duration = Duration::from_secs(1);
/// Connections the crowd keeps open at most.
const CONNECTIONS_MAX: usize = 1_000;
/// Appointments kept for whoever watches and comes to book.
const APPOINTMENTS_SPARE: u64 = 100;

/// What to play.
#[derive(Debug, Clone)]
pub struct Options {
    /// How many visitors a crowd has; by default 500, or 1,500 in a terminal, where somebody wants to see the line.
    pub visitors: Option<u32>,
    /// The pace, in entries per hour (54,000 by default, which is 15 a second).
    pub rate_per_hour: u64,
    /// Leave the waiting room out and send the crowd straight to the portal.
    pub without: bool,
    /// Plays the same crowd again.
    pub seed: u64,
    /// Where the site answers: anteroom, or the portal itself when `without`.
    pub listen: SocketAddr,
}

impl Default for Options {
    fn default() -> Self {
        Self {
            visitors: None,
            rate_per_hour: 54_000,
            without: false,
            seed: 1,
            listen: SocketAddr::new(IpAddr::V4(Ipv4Addr::LOCALHOST), 8080),
        }
    }
}

/// The anteroom that the demonstration wants in front of its portal; logs must not go to standard output.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Wanted {
    /// Where it shall listen.
    pub listen: SocketAddr,
    /// The portal.
    pub origin: SocketAddr,
    /// The room's name.
    pub room: &'static str,
    /// The path pattern it protects.
    pub paths: &'static str,
    /// Its rate, in entries per hour.
    pub rate_per_hour: u64,
}

/// A running anteroom, told to drain and waited for when the demonstration ends.
pub struct Running {
    /// Where visitors reach it.
    pub addr: SocketAddr,
    /// Where its admin listener is.
    pub admin: Option<SocketAddr>,
    /// Stops it; returns when it has stopped.
    pub stop: Box<dyn FnOnce() + Send>,
}

impl fmt::Debug for Running {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Running")
            .field("addr", &self.addr)
            .field("admin", &self.admin)
            .finish_non_exhaustive()
    }
}

/// An error of the caller's own making.
pub type StartError = Box<dyn std::error::Error + Send + Sync>;

/// Why the demonstration could not be played.
#[derive(Debug, thiserror::Error)]
pub enum DemoError {
    /// The portal did not start.
    #[error("cannot start the portal on {addr}")]
    Portal {
        /// Where it should have listened.
        addr: SocketAddr,
        /// Why not.
        #[source]
        source: io::Error,
    },
    /// anteroom did not start.
    #[error("cannot start anteroom on {addr}")]
    Room {
        /// Where it should have listened.
        addr: SocketAddr,
        /// Why not.
        #[source]
        source: StartError,
    },
    /// The crowd did not set out.
    #[error("cannot start the crowd")]
    Crowd(#[source] io::Error),
    /// The view could not be written, or signals not be heard.
    #[error("cannot show the demonstration")]
    View(#[from] io::Error),
}

/// Plays the demonstration on standard output and blocks until it is over.
///
/// It is over at Ctrl-C or SIGTERM, and when the crowd is through and `screen` is no terminal. `start` is not called
/// when the room is left out.
///
/// # Errors
/// A part cannot be started, or standard output cannot be written.
pub fn run(
    options: &Options,
    screen: Screen,
    start: impl FnOnce(&Wanted) -> Result<Running, StartError>,
) -> Result<Summary, DemoError> {
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()?;
    let stage = Stage::set(options, screen, start)?;
    let mut view = View::new(io::stdout(), screen);
    let played = runtime.block_on(stage.play(&mut view));
    view.close()?;
    if let Some(room) = stage.room {
        (room.stop)();
    }
    let summary = played?;
    view.print(&summary.to_string())?;
    Ok(summary)
}

/// Everything that was started, and what is played on it.
#[derive(Debug)]
struct Stage {
    portal: Portal,
    room: Option<Running>,
    plan: Plan,
    rate_per_hour: u64,
    goes_on: bool,
}

impl Stage {
    fn set(
        options: &Options,
        screen: Screen,
        start: impl FnOnce(&Wanted) -> Result<Running, StartError>,
    ) -> Result<Self, DemoError> {
        let goes_on = screen.is_terminal();
        let visitors = options
            .visitors
            .unwrap_or(if goes_on { 1_500 } else { 500 });
        let free = SocketAddr::new(options.listen.ip(), 0);
        let addr = if options.without {
            options.listen
        } else {
            free
        };
        let appointments = u64::from(visitors) + APPOINTMENTS_SPARE;
        let portal = Portal::start(addr, Capacity::clinic(appointments))
            .map_err(|source| DemoError::Portal { addr, source })?;
        let wanted = Wanted {
            listen: options.listen,
            origin: portal.addr(),
            room: ROOM,
            paths: PATHS,
            rate_per_hour: options.rate_per_hour,
        };
        let addr = options.listen;
        let room = (!options.without).then(|| start(&wanted));
        let room = room
            .transpose()
            .map_err(|source| DemoError::Room { addr, source })?;
        let site = room.as_ref().map_or(portal.addr(), |room| room.addr);
        let plan = Plan {
            servers: vec![site],
            host: site.to_string(),
            room: room.as_ref().map(|_| ROOM.to_owned()),
            visitors,
            within: Duration::from_secs(u64::from((visitors / ARRIVALS_PER_S).clamp(1, 60))),
            seed: options.seed,
            connections_max: CONNECTIONS_MAX,
            patience: Duration::from_secs(10),
            habits: Habits::default(),
        };
        Ok(Self {
            portal,
            room,
            plan,
            rate_per_hour: options.rate_per_hour,
            goes_on,
        })
    }

    /// Plays crowds until told to stop, or one when it does not go on.
    async fn play<W: io::Write>(&self, view: &mut View<W>) -> Result<Summary, DemoError> {
        let mut stop = [
            signal(SignalKind::interrupt())?,
            signal(SignalKind::terminate())?,
        ];
        let heading = self.heading();
        view.open(&heading)?;
        let mut plan = self.plan.clone();
        let mut crowd = Crowd::start(plan.clone()).map_err(DemoError::Crowd)?;
        let began = clock::monotonic();
        let mut crowd_began = began;
        let mut through: Option<Instant> = None;
        let mut stopped = false;
        loop {
            let tally = crowd.tally();
            let figures = self.portal.figures();
            view.show(&Scene {
                heading: &heading,
                elapsed: began.elapsed(),
                tally: &tally,
                figures: &figures,
            })?;
            let over = crowd.is_through() || crowd_began.elapsed() > self.longest();
            if stopped || (over && !self.goes_on) {
                return Ok(Summary::new(tally, figures, &plan));
            }
            through = through.or(over.then(clock::monotonic));
            if through.is_some_and(|since| since.elapsed() >= BETWEEN_CROWDS) {
                plan.seed = plan.seed.wrapping_add(1);
                self.portal.open_more(u64::from(plan.visitors));
                crowd = Crowd::start(plan.clone()).map_err(DemoError::Crowd)?;
                crowd_began = clock::monotonic();
                through = None;
            }
            let pause = if self.goes_on { FRAME } else { LINE };
            stopped = pause_or_stop(pause, &mut stop).await;
        }
    }

    fn heading(&self) -> Heading {
        Heading {
            site: self.plan.servers.first().copied(),
            portal: self.portal.addr(),
            admin: self.room.as_ref().and_then(|room| room.admin),
            without: self.room.is_none(),
            rate_per_hour: self.rate_per_hour,
            visitors: self.plan.visitors,
            within: self.plan.within,
        }
    }

    /// The longest a crowd may take.
    fn longest(&self) -> Duration {
        let visitors = u64::from(self.plan.visitors) * 3_600;
        let paced = visitors.checked_div(self.rate_per_hour).unwrap_or(0);
        self.plan.within + Duration::from_secs(paced) + CROWD_GRACE
    }
}

/// Waits; true when told to stop meanwhile.
async fn pause_or_stop(pause: Duration, stop: &mut [Signal; 2]) -> bool {
    let [interrupt, terminate] = stop;
    tokio::select! {
        () = time::sleep(pause) => false,
        _ = interrupt.recv() => true,
        _ = terminate.recv() => true,
    }
}
