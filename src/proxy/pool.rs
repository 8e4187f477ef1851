//! One worker's connections to one origin: which server, which connection, and when to let go of one.
//!
//! A connection is driven by whoever waits for something from it: there is no task per connection, and an idle one
//! costs nothing. That it was closed meanwhile is seen when it is next used, or by a look once a second.

use std::cell::Cell;
use std::cell::RefCell;
use std::future::Future;
use std::io;
use std::net::SocketAddr;
use std::rc::Rc;
use std::rc::Weak;
use std::sync::Arc;
use std::task::Context;
use std::task::Waker;
use std::time::Duration;

use crate::message::told::Teller;
use crate::proxy::Background;
use crate::proxy::balance::Next;
use crate::proxy::budget::Budget;
use crate::proxy::choice::Dice;
use crate::proxy::connect;
use crate::proxy::connect::Driver;
use crate::proxy::connect::Sender;
use crate::proxy::connect::Target;
use crate::proxy::ejection::Mishap;
use crate::proxy::error::OriginError;
use crate::proxy::error::OriginErrorKind;
use crate::proxy::h2::Connections;
use crate::proxy::preamble::Preamble;
use crate::proxy::settings::OriginAddress;
use crate::proxy::settings::OriginSettings;
use crate::proxy::share::Share;
use crate::proxy::standing::Standing;
use crate::proxy::ticker::Ticker;
use crate::seal;

/// How often idle connections are looked at.
const SWEEP: Duration = Duration::from_secs(1);

/// One origin as one worker sees it.
#[derive(Debug)]
pub struct OriginPool {
    pub(super) settings: OriginSettings,
    pub(super) background: Background,
    pub(super) share: Rc<Share>,
    pub(super) teller: Teller,
    pub(super) tunnels: Rc<Cell<usize>>,
    pub(super) servers: Vec<Server>,
    pub(super) dice: Dice,
    pub(super) budget: Budget,
    pub(super) repeats: Repeats,
    /// Another pool has taken its place: it ends what it has begun.
    pub(super) is_retired: Cell<bool>,
    /// This worker is the one that checks how the servers are.
    pub(super) is_watching: Cell<bool>,
    connected: Cell<u64>,
    tunnelled: Cell<(u64, u64)>,
}

/// What a pool is doing, for metrics.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct OriginStats {
    /// Requests in flight.
    pub in_flight: usize,
    /// Requests waiting for one in flight to end.
    pub waiting: usize,
    /// Idle connections kept.
    pub idle: usize,
    /// Upgraded connections open.
    pub tunnels: usize,
    /// Connections made since the pool was.
    pub connected: u64,
    /// Bytes that ended upgraded connections carried to the origin.
    pub tunnelled_up: u64,
    /// Bytes that ended upgraded connections carried to clients.
    pub tunnelled_down: u64,
}

/// How often a request was sent to the origin a second time, since this was last asked.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct RepeatCounts {
    /// After no byte of it had been sent.
    pub unsent: u64,
    /// After it had been sent, which was safe to repeat.
    pub safe: u64,
    /// Not, because as many were repeated as may be.
    pub over_budget: u64,
}

/// [`RepeatCounts`] that are counted.
#[derive(Debug, Default)]
pub(super) struct Repeats(Cell<RepeatCounts>);

impl Repeats {
    pub(super) fn count(&self, add: impl FnOnce(&mut RepeatCounts)) {
        let mut counts = self.0.get();
        add(&mut counts);
        self.0.set(counts);
    }

    pub(super) fn take(&self) -> RepeatCounts {
        self.0.take()
    }
}

#[derive(Debug)]
pub(super) struct Server {
    pub(super) address: OriginAddress,
    pub(super) standing: Arc<Standing>,
    /// Last in, first out: the busiest connections stay warm, the others age.
    #[expect(
        clippy::vec_box,
        reason = "a link is large, and moves with every request"
    )]
    idle: RefCell<Vec<Box<Link>>>,
    /// Where HTTP/2 is spoken.
    shared: Rc<Connections>,
    pub(super) in_use: Cell<usize>,
}

/// One connection to a server.
#[derive(Debug)]
pub(super) struct Link {
    pub(super) sender: Sender,
    /// Whom the server takes everything on it to come from, where it was told.
    client: Option<SocketAddr>,
    /// `None` once the connection has ended.
    pub(super) driver: Option<Driver>,
    pub(super) idle_since_ms: u64,
    /// Not used any more from then on.
    renew_at_ms: u64,
    pub(super) is_reused: bool,
}

/// A connection in use. Dropped, it is closed; [`Lease::give_back`] keeps it.
#[derive(Debug)]
pub(super) struct Lease {
    pub(super) link: Box<Link>,
    pub(super) in_use: InUse,
}

/// A server that is being used; dropping it says that it is used less.
#[derive(Debug)]
pub(super) struct InUse {
    pub(super) pool: Rc<OriginPool>,
    pub(super) server: usize,
    pub(super) role: Role,
    /// Whom a connection is for, where the server is told that.
    pub(super) client: Option<SocketAddr>,
}

/// What a request is to the server it is sent to.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Role {
    /// One of many.
    Usual,
    /// The one sent to a server that is passed over, under its number: what becomes of it decides.
    Trial(u64),
    /// Sent to a server that is passed over because all are: an answer brings it back, a failure is nothing new.
    Resort,
    /// Our own, about its health: it is judged elsewhere.
    Check,
    /// For a protocol that the server need not speak: it is none the worse for not speaking it.
    Unjudged,
}

impl OriginPool {
    /// A pool without connections, on the worker that will use it.
    ///
    /// Must be called on a `LocalSet`: a task looks after idle connections.
    #[must_use]
    pub fn new(settings: OriginSettings, background: Background) -> Rc<Self> {
        Self::after(None, settings, background)
    }

    /// A pool in the place of one with other settings. What is in flight there goes on there, and counts here.
    #[must_use]
    pub fn after(
        before: Option<&Self>,
        settings: OriginSettings,
        background: Background,
    ) -> Rc<Self> {
        let server = |address: &OriginAddress| Server {
            address: address.clone(),
            standing: settings.standings.of(address),
            idle: RefCell::default(),
            shared: Rc::default(),
            in_use: Cell::new(0),
        };
        let shares = before.map(|before| &before.share);
        let share = match shares.filter(|share| share.is_of(&settings.pot)) {
            Some(share) => {
                share.set_waiting_max(settings.waiting_max);
                Rc::clone(share)
            }
            None => Share::new(
                settings.in_flight_max,
                settings.waiting_max,
                Arc::clone(&settings.pot),
            ),
        };
        let (tasks, looking_after) = (background.tasks.clone(), background.clone());
        let pool = Rc::new(Self {
            servers: settings.servers.iter().map(server).collect(),
            share,
            teller: Teller::new(settings.forwarding),
            tunnels: before.map_or_else(Rc::default, |before| Rc::clone(&before.tunnels)),
            dice: Dice::new(seal::seed()),
            budget: Budget::default(),
            repeats: Repeats::default(),
            is_retired: Cell::new(false),
            is_watching: Cell::new(false),
            connected: Cell::new(0),
            tunnelled: Cell::new((0, 0)),
            settings,
            background,
        });
        if pool.settings.check.is_none() {
            // Nobody would ever say otherwise.
            pool.servers
                .iter()
                .for_each(|server| server.standing.set_down(false));
        }
        if pool.settings.ejection.after == 0 {
            // What was passed over by another rule is not by this one.
            pool.servers
                .iter()
                .for_each(|server| server.standing.forgive());
        }
        // Unconstrained: with its budget used up, every further connection would look alive.
        let sweeping = tokio::task::unconstrained(sweep(Rc::downgrade(&pool), looking_after));
        tasks.spawn_local(sweeping);
        pool
    }

    /// Changes how many requests this worker may have in flight.
    pub fn set_in_flight_max(&self, max: usize) {
        self.share.set_max(max);
    }

    /// Has this worker take from what all workers of this replica may have in flight together.
    pub fn share_in_flight_max(&self, max: usize) {
        self.share.set_pooled(max);
    }

    /// What this pool is doing.
    #[must_use]
    pub fn stats(&self) -> OriginStats {
        OriginStats {
            in_flight: self.share.in_flight(),
            waiting: self.share.waiting(),
            idle: self
                .servers
                .iter()
                .map(|server| server.idle.borrow().len() + server.shared.idle())
                .sum(),
            tunnels: self.tunnels.get(),
            connected: self.connected.get(),
            tunnelled_up: self.tunnelled.get().0,
            tunnelled_down: self.tunnelled.get().1,
        }
    }

    pub(super) fn add_tunnelled(&self, up: u64, down: u64) {
        let (all_up, all_down) = self.tunnelled.get();
        self.tunnelled
            .set((all_up.saturating_add(up), all_down.saturating_add(down)));
    }

    pub(super) fn ticker(&self) -> &Rc<Ticker> {
        &self.background.ticker
    }

    /// An idle connection to use, or where to connect to.
    pub(super) fn lease_idle(
        self: &Rc<Self>,
        next: Next,
        client: Option<SocketAddr>,
    ) -> Result<Lease, InUse> {
        let in_use = self.choose(next).told(client);
        match in_use.pop_idle() {
            Some(link) => Ok(Lease { link, in_use }),
            None => Err(in_use),
        }
    }

    /// A new connection to use. Another server is tried when this one does not take it, unless this is the `last` try;
    /// whether it still might be comes back.
    pub(super) async fn lease_new(
        self: &Rc<Self>,
        in_use: InUse,
        is_last: bool,
    ) -> Result<(Lease, bool), OriginError> {
        let error = match in_use.connect().await {
            Ok(link) => return Ok((Lease { link, in_use }, is_last)),
            Err(error) => error,
        };
        if is_last || self.servers.len() == 1 {
            return Err(error);
        }
        let (server, client) = (in_use.server, in_use.client);
        drop(in_use);
        let in_use = self.choose(Next::Instead(server)).told(client);
        self.repeats.count(|counts| counts.unsent += 1);
        let link = in_use.connect().await?;
        Ok((Lease { link, in_use }, true))
    }

    /// A connection of its own at this server.
    pub(super) async fn lease_own(&self, in_use: InUse) -> Result<Lease, OriginError> {
        let link = match in_use.pop_idle() {
            Some(link) => link,
            None => in_use.connect().await?,
        };
        Ok(Lease { link, in_use })
    }

    /// Whether no server is spoken to over TLS.
    pub(super) fn is_cleartext(&self) -> bool {
        self.servers.iter().all(|server| !server.address.tls)
    }

    /// Lets go of idle connections that are old or were closed.
    fn sweep(&self) {
        self.budget.second();
        let keep_ms = u64::try_from(self.settings.timeouts.keep.as_millis()).unwrap_or(u64::MAX);
        let now_ms = self.ticker().now_ms();
        for server in &self.servers {
            let mut idle = server.idle.take();
            idle.retain_mut(|link| {
                let is_fresh = now_ms.saturating_sub(link.idle_since_ms) < keep_ms
                    && now_ms < link.renew_at_ms;
                is_fresh && link.is_alive()
            });
            // Nothing else ran meanwhile: there is no await between taking and putting back.
            server.idle.replace(idle);
            let keep_ms = if self.is_retired.get() { 0 } else { keep_ms };
            server.shared.sweep(now_ms, keep_ms);
        }
    }
}

impl InUse {
    pub(super) fn server(&self) -> &Server {
        &self.pool.servers[self.server]
    }

    /// The same for this client, if the server is told whom a connection is for.
    pub(super) fn told(mut self, client: Option<SocketAddr>) -> Self {
        self.client = client;
        self
    }

    /// The connections that streams share.
    pub(super) fn connections(&self) -> &Rc<Connections> {
        &self.server().shared
    }

    pub(super) fn now_ms(&self) -> u64 {
        self.pool.ticker().now_ms()
    }

    /// Where to connect.
    pub(super) fn target(&self) -> Target<'_> {
        let settings = &self.pool.settings;
        Target {
            address: &self.server().address,
            tls: settings.tls.as_deref(),
            preamble: match (self.client, self.role) {
                (Some(client), _) => Preamble::Client(client),
                (None, Role::Check) if settings.proxy_protocol => Preamble::Local,
                (None, _) => Preamble::None,
            },
            limit: settings.timeouts.connect,
        }
    }

    fn pop_idle(&self) -> Option<Box<Link>> {
        let mut idle = self.server().idle.borrow_mut();
        let mut link = match self.client {
            None => idle.pop()?,
            Some(_) => {
                let at = idle.iter().rposition(|link| link.client == self.client)?;
                idle.remove(at)
            }
        };
        link.is_reused = true;
        Some(link)
    }

    pub(super) async fn connect(&self) -> Result<Box<Link>, OriginError> {
        let made = self.attempt(connect::connect(&self.target())).await;
        made.map(|(sender, driver)| Link::new(sender, driver, self))
    }

    /// Waits for a connection, and takes note of how that went.
    pub(super) async fn attempt<T>(
        &self,
        connecting: impl Future<Output = io::Result<T>>,
    ) -> Result<T, OriginError> {
        let attempted = self.attempt_unjudged(connecting).await;
        attempted.inspect_err(|_| self.failed(Mishap::Unreached))
    }

    /// The same, for a server that serves meanwhile.
    pub(super) async fn attempt_unjudged<T>(
        &self,
        connecting: impl Future<Output = io::Result<T>>,
    ) -> Result<T, OriginError> {
        let pool = &self.pool;
        let limit = pool.settings.timeouts.connect;
        let (kind, source) = match pool.ticker().within(limit, connecting).await {
            Some(Ok(made)) => {
                pool.connected.set(pool.connected.get() + 1);
                return Ok(made);
            }
            Some(Err(error)) => (OriginErrorKind::Connect, Some(error.into())),
            None => (OriginErrorKind::ConnectTimeout, None),
        };
        Err(OriginError {
            kind,
            was_sent: false,
            source,
        })
    }
}

impl Drop for InUse {
    fn drop(&mut self) {
        let server = self.server();
        server.in_use.set(server.in_use.get() - 1);
        if let Role::Trial(trial) = self.role {
            server.standing.end_trial(trial);
        }
    }
}

impl Lease {
    /// Keeps the connection for the next request, if it is good for one and there is room for it.
    pub(super) fn give_back(self) {
        let Self { mut link, in_use } = self;
        let pool = &in_use.pool;
        if pool.background.closing.is_cancelled() || pool.is_retired.get() || !link.is_usable() {
            return;
        }
        link.idle_since_ms = pool.ticker().now_ms();
        if link.idle_since_ms >= link.renew_at_ms {
            return;
        }
        let mut idle = in_use.server().idle.borrow_mut();
        let idle_max = pool.settings.idle_max;
        if idle.len() >= idle_max && idle_max > 0 {
            // One that only its client could use may have outlived that client.
            idle.remove(0);
        }
        if idle.len() < idle_max {
            idle.push(link);
        }
    }
}

impl Link {
    pub(super) fn new(sender: Sender, driver: Driver, in_use: &InUse) -> Box<Self> {
        Box::new(Self {
            sender,
            client: in_use.client,
            driver: Some(driver),
            idle_since_ms: 0,
            renew_at_ms: in_use.pool.renew_at_ms(),
            is_reused: false,
        })
    }

    /// Whether a request could be sent on this connection, as far as we can know.
    fn is_usable(&mut self) -> bool {
        (self.driver.is_some() && self.sender.is_ready()) || self.is_alive()
    }

    /// The same, after a look at the socket.
    fn is_alive(&mut self) -> bool {
        Driver::drive(&mut self.driver, &mut Context::from_waker(Waker::noop()));
        self.driver.as_ref().is_some_and(|driver| !driver.is_done()) && self.sender.is_ready()
    }
}

async fn sweep(pool: Weak<OriginPool>, background: Background) {
    let mut interval = tokio::time::interval(SWEEP);
    interval.set_missed_tick_behavior(tokio::time::MissedTickBehavior::Delay);
    loop {
        tokio::select! {
            () = background.closing.cancelled() => return,
            _ = interval.tick() => {}
        }
        let Some(pool) = pool.upgrade() else { return };
        pool.sweep();
    }
}
