//! Several servers of one origin: who gets the next request, and what becomes of how it went.
//!
//! With one server none of this is asked: there is nobody to go to instead, so that one is never passed over.

use std::rc::Rc;
use std::time::Duration;

use http::Request;
use http::StatusCode;
use tracing::debug;
use tracing::info;
use tracing::warn;

use crate::proxy::carrier::Carrier;
use crate::proxy::check;
use crate::proxy::choice;
use crate::proxy::ejection::Mishap;
use crate::proxy::error::OriginError;
use crate::proxy::h2;
use crate::proxy::pool::InUse;
use crate::proxy::pool::Lease;
use crate::proxy::pool::OriginPool;
use crate::proxy::pool::RepeatCounts;
use crate::proxy::pool::Role;
use crate::proxy::request;
use crate::proxy::settings::OriginAddress;
use crate::proxy::standing::ServerStats;
use crate::proxy::standing::Standing;
use crate::proxy::standing::Verdict;
use crate::proxy::upload::Upload;

/// What kind of request a server is chosen for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Next {
    /// One that could be repeated elsewhere.
    Safe,
    /// Any other.
    Unsafe,
    /// One that failed at this server: another, where there is one in use.
    Instead(usize),
    /// One that tells nothing about a server.
    Unjudged,
}

impl Next {
    pub(super) fn of(request: &Request<Upload>) -> Self {
        if request::is_repeatable(request) {
            Self::Safe
        } else {
            Self::Unsafe
        }
    }
}

impl OriginPool {
    /// The server for the next request.
    pub(super) fn choose(self: &Rc<Self>, next: Next) -> InUse {
        let (server, role) = match self.servers.len() {
            0 | 1 => (0, Role::Usual),
            _ => self.pick(next),
        };
        let is_unjudged = next == Next::Unjudged;
        self.use_of(server, if is_unjudged { Role::Unjudged } else { role })
    }

    fn pick(&self, next: Next) -> (usize, Role) {
        let servers = &self.servers;
        let (is_safe, avoided) = match next {
            Next::Safe => (Some(true), None),
            Next::Unsafe => (Some(false), None),
            // What has failed once is nobody's trial.
            Next::Instead(server) => (None, Some(server)),
            Next::Unjudged => (None, None),
        };
        let due = |is_safe| {
            let mut all = servers.iter().enumerate();
            all.find_map(|(index, server)| {
                let trial = server.standing.try_begin_trial(is_safe)?;
                Some((index, Role::Trial(trial)))
            })
        };
        if let Some(trial) = is_safe.and_then(due) {
            return trial;
        }
        let is_in = |index: usize| servers[index].standing.is_in();
        let is_other = |index: usize| Some(index) != avoided;
        let load = |index: usize| servers[index].in_use.get();
        let (count, random) = (servers.len(), self.roll());
        let used = choice::of_two(count, random, |index| is_in(index) && is_other(index), load)
            .or_else(|| choice::of_two(count, random, is_in, load));
        if let Some(server) = used {
            return (server, Role::Usual);
        }
        // All are out of use: then all are used, and whoever is answered has found one that is back.
        let server = choice::of_two(count, random, is_other, load).unwrap_or(0);
        (server, Role::Resort)
    }

    fn use_of(self: &Rc<Self>, server: usize, role: Role) -> InUse {
        let in_use = &self.servers[server].in_use;
        in_use.set(in_use.get() + 1);
        InUse {
            pool: Rc::clone(self),
            server,
            role,
            client: None,
        }
    }

    pub(super) fn has_several(&self) -> bool {
        self.servers.len() > 1
    }

    /// Whether one more request may be repeated that was sent already; it counts then.
    pub(super) fn may_repeat(&self) -> bool {
        let may = self.budget.try_spend();
        if !may {
            self.repeats.count(|counts| counts.over_budget += 1);
        }
        may
    }

    pub(super) fn roll(&self) -> u64 {
        self.dice.roll()
    }

    /// When a connection made now is not used any more, by the ticker: up to a quarter sooner than it may be, so that
    /// those made together do not end together.
    pub(super) fn renew_at_ms(&self) -> u64 {
        let Some(longest) = self.settings.timeouts.renew else {
            return u64::MAX;
        };
        let quarter_ms = u64::try_from((longest / 4).as_millis()).unwrap_or(u64::MAX);
        let sooner = Duration::from_millis(self.roll() % quarter_ms.saturating_add(1).max(1));
        self.ticker().in_ms(longest.saturating_sub(sooner))
    }

    /// Has this worker check how the servers are, if that is configured, for as long as the pool is in use.
    pub fn watch(self: &Rc<Self>) {
        let Some(settings) = &self.settings.check else {
            return;
        };
        if self.is_watching.replace(true) {
            return;
        }
        for server in 0..self.servers.len() {
            let watching = check::watch(Rc::downgrade(self), server, settings.clone());
            self.background.tasks.spawn_local(watching);
        }
    }

    /// Each server and how it stands, in the order of the configuration.
    pub fn servers(&self) -> impl Iterator<Item = (&OriginAddress, ServerStats)> {
        self.servers.iter().map(|server| {
            let stats = server.standing.stats(server.in_use.get());
            (&server.address, stats)
        })
    }

    /// What was sent a second time since this was last asked.
    #[must_use]
    pub fn take_repeats(&self) -> RepeatCounts {
        self.repeats.take()
    }

    /// Another pool has taken its place, or none: it ends what it has begun, and keeps nothing for later.
    pub fn retire(&self) {
        self.is_retired.set(true);
    }

    pub(super) fn is_retired(&self) -> bool {
        self.is_retired.get()
    }

    pub(super) fn standing(&self, server: usize) -> &Standing {
        &self.servers[server].standing
    }

    pub(super) fn address(&self, server: usize) -> &OriginAddress {
        &self.servers[server].address
    }

    /// A new connection to one server, for a question of our own.
    pub(super) async fn lease_for_check(
        self: &Rc<Self>,
        server: usize,
    ) -> Result<Carrier, OriginError> {
        let in_use = self.use_of(server, Role::Check);
        if self.settings.http2 {
            return h2::lease_apart(self, in_use).await;
        }
        let link = in_use.connect().await?;
        Ok(Carrier::Own(Lease { link, in_use }))
    }
}

impl InUse {
    /// Whether anything follows for the server from how it goes.
    fn is_judged(&self) -> bool {
        self.pool.has_several() && !matches!(self.role, Role::Check | Role::Unjudged)
    }

    /// Whether an answer brings a server back that is passed over.
    fn brings_back(&self) -> bool {
        matches!(self.role, Role::Trial(_) | Role::Resort)
    }

    /// A response of this status has begun.
    pub(super) fn answered(&self, status: StatusCode) {
        if !self.is_judged() {
            return;
        }
        let is_unavailable = matches!(status.as_u16(), 502..=504);
        if is_unavailable && self.pool.settings.ejection.by_status {
            self.failed(Mishap::Unavailable);
        } else if self.server().standing.answered(self.brings_back()) {
            let (origin, server) = (&self.pool.settings.name, &self.server().address);
            info!(origin.name = %origin, %server, "a server answers again");
        }
    }

    /// A request to it failed.
    pub(super) fn failed(&self, mishap: Mishap) {
        if !self.is_judged() {
            return;
        }
        let trial = match self.role {
            Role::Trial(trial) => Some(trial),
            Role::Usual | Role::Resort | Role::Check | Role::Unjudged => None,
        };
        let (origin, server) = (&self.pool.settings.name, &self.server().address);
        let (rule, random) = (&self.pool.settings.ejection, self.pool.roll());
        let standing = &self.server().standing;
        match standing.failed(mishap, trial, rule, random) {
            Verdict::Stays => {}
            Verdict::Ejected(for_ms) => {
                let reason = mishap.name();
                warn!(origin.name = %origin, %server, reason, for_ms, "a server is passed over");
            }
            // Said when that began.
            Verdict::StaysOut(for_ms) => {
                debug!(origin.name = %origin, %server, for_ms, "a server is still passed over");
            }
        }
    }
}
