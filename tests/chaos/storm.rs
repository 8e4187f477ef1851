//! Plays a run: brings the visitors, deals the blows one after the other, and lets everybody drain at the end.

use std::sync::Arc;
use std::thread;
use std::time::Duration;

use tokio::runtime::Handle;
use tokio::task::JoinSet;
use tokio::time;

use crate::checks::Violation;
use crate::link::Link;
use crate::link::Mode;
use crate::plan::Fault;
use crate::plan::Plan;
use crate::plan::Way;
use crate::seen::Person;
use crate::seen::Rate;
use crate::seen::Run;
use crate::seen::Touches;
use crate::seen::Trouble;
use crate::stage::Stage;
use crate::stage::named;
use crate::support::wait;
use crate::visitor;
use crate::weather::Weather;

/// How long nothing happens after the last blow.
const CALM: Duration = Duration::from_secs(7);
/// How long a fail-over may take on a busy machine.
const FAIL_OVER: Duration = Duration::from_secs(60);
/// How long the last ones may take to get in once all is well and the rate is high.
const DRAIN: Duration = Duration::from_secs(60);

/// What was seen, and what went wrong with the parts themselves.
pub(crate) struct Played {
    pub(crate) run: Run,
    pub(crate) violations: Vec<Violation>,
    pub(crate) logs: String,
}

struct Storm {
    stage: Stage,
    run: Run,
    violations: Vec<Violation>,
    /// The store was emptied, and has forgotten which files it was told of before.
    forgot: bool,
}

/// Plays this plan from its beginning to its end.
pub(crate) fn play(plan: &Plan, runtime: &Handle) -> Played {
    let stage = Stage::new(&plan.size, runtime);
    let rate = Rate {
        per_second: stage.rate,
        from_us: 0,
        until_us: u64::MAX,
    };
    let mut storm = Storm {
        stage,
        run: Run {
            rates: vec![rate],
            returns: 3,
            ..Run::default()
        },
        violations: Vec::new(),
        forgot: false,
    };
    let mut visits = JoinSet::new();
    for &coming in &plan.comings {
        let ground = Arc::clone(&storm.stage.ground);
        visits.spawn_on(visitor::visit(ground, coming), runtime);
    }
    let admins = storm
        .stage
        .replicas
        .iter()
        .map(|replica| replica.anteroom.admin());
    let sentinel = storm.stage.watched.sentinels[0].port;
    let weather = Weather::watch(&storm.stage.ground, sentinel, admins.collect());
    let end_us = plan.size.seconds * 1_000_000;
    for blow in &plan.blows {
        // The schedule is the scenario: this waits for no condition.
        thread::sleep(Duration::from_micros(blow.after_us));
        if storm.stage.ground.now_us() >= end_us {
            break;
        }
        storm.deal(blow.fault);
    }
    // Everything is whole, and many still wait: the pace is to be used now.
    thread::sleep(CALM);
    storm.deal(Fault::Rate {
        per_second: plan.size.last_rate,
    });
    let mut people: Vec<Person> = Vec::new();
    let ground = Arc::clone(&storm.stage.ground);
    runtime.block_on(async {
        let all = async {
            while let Some(visit) = visits.join_next().await {
                people.extend(visit.expect("a visitor does not panic"));
            }
        };
        // Whoever is left by then says so.
        drop(time::timeout(DRAIN, all).await);
        ground.end();
        while let Some(visit) = visits.join_next().await {
            people.extend(visit.expect("a visitor does not panic"));
        }
    });
    storm.run.troubles.extend(weather.seen());
    storm.run.people = people;
    storm.run.arrivals = storm.stage.origin.arrivals();
    Played {
        logs: storm.stage.logs(),
        run: storm.run,
        violations: storm.violations,
    }
}

impl Storm {
    /// Deals one blow, and goes on when every replica is ready again.
    fn deal(&mut self, fault: Fault) {
        let what = format!("{fault:?}");
        let touches = fault.touches();
        if touches == Touches::Loss {
            self.stage.armed();
        }
        let from_us = self.stage.ground.now_us();
        self.forgot |= matches!(fault, Fault::Flush | Fault::EmptyRestart);
        self.act(fault);
        let ready = self.stage.ready();
        self.broke("the store is used again when it is there", ready);
        self.run.troubles.push(Trouble {
            from_us,
            until_us: self.stage.ground.now_us(),
            touches,
            what,
        });
    }

    fn broke(&mut self, what: &str, result: Result<(), String>) {
        if let Err(why) = result {
            self.violations.push(Violation::of_parts(what, &why));
        }
    }

    fn act(&mut self, fault: Fault) {
        match fault {
            Fault::KillReplica { at, after_us } => self.restart(at, |storm| {
                storm.stage.replicas[at].anteroom.kill();
                thread::sleep(Duration::from_micros(after_us));
            }),
            Fault::KillToOldFile { at } => {
                // A store that was emptied takes an old file for a new one: there, it comes back with the one in force.
                let is_old = !self.forgot;
                self.restart(at, |storm| {
                    storm.stage.replicas[at].anteroom.kill();
                    storm.stage.write_file(at, is_old);
                });
                // What it says now was said before: it follows, as the others do.
                let goes = self.stage.goes_by(self.stage.rate);
                self.broke("an old file changes nothing", goes);
            }
            Fault::DrainReplica { at } => self.restart(at, |storm| {
                storm.stage.replicas[at].anteroom.drain();
            }),
            Fault::FreezeReplica { at, for_us } => {
                let port = &self.stage.ground.replicas[at];
                port.disturb();
                self.stage.replicas[at].anteroom.signal("STOP");
                thread::sleep(Duration::from_micros(for_us));
                self.stage.replicas[at].anteroom.signal("CONT");
                port.settle();
            }
            Fault::FreezePrimary { for_us } => {
                let (primary, _) = self.stage.armed();
                primary.freeze();
                thread::sleep(Duration::from_micros(for_us));
                primary.thaw();
            }
            Fault::FailOver => self.fail_over(),
            Fault::Flush => {
                let (primary, _) = self.stage.armed();
                primary.ask::<()>("FLUSHALL");
            }
            Fault::EmptyRestart => {
                let (primary, _) = self.stage.armed();
                primary.kill();
                primary.restart_with(&["--replicaof", "no", "one"]);
                let up = wait(FAIL_OVER, || primary.try_ask::<()>("PING").ok());
                up.expect("the server is there again");
            }
            Fault::Link { at, way } => trouble(&self.stage.replicas[at].links, way),
            Fault::Origin { way } => trouble(std::slice::from_ref(&self.stage.way), way),
            Fault::Rate { per_second } => self.set_rate(per_second),
            Fault::RotateKeys => {
                let read = self.stage.rotate_keys();
                self.broke("a new key is used by every replica", read);
            }
        }
    }

    /// Ends a replica in this way and starts it again.
    fn restart(&mut self, at: usize, end: impl Fn(&mut Self)) {
        self.stage.ground.replicas[at].disturb();
        end(self);
        self.stage.replicas[at].anteroom.restart();
        self.stage.ground.replicas[at].settle();
    }

    fn fail_over(&mut self) {
        let (primary, other) = self.stage.armed();
        let port = other.port;
        primary.kill();
        let promoted = wait(FAIL_OVER, || {
            let told: String = other.try_ask("INFO replication").ok()?;
            told.contains("role:master").then_some(())
        });
        promoted.expect("the sentinels put the other in its place");
        primary.restart_with(&["--replicaof", "127.0.0.1", &port.to_string()]);
        let sentinels = &self.stage.watched.sentinels;
        let all = || {
            sentinels
                .iter()
                .all(|sentinel| named(sentinel) == Some(port))
        };
        wait(FAIL_OVER, || all().then_some(())).expect("every sentinel names it");
    }

    fn set_rate(&mut self, per_second: u64) {
        let from_us = self.stage.ground.now_us();
        self.stage.rate = per_second;
        for at in 0..self.stage.replicas.len() {
            self.stage.write_file(at, false);
        }
        self.stage.reload();
        let goes = self.stage.goes_by(per_second);
        self.broke("a rate is in force at every replica", goes);
        let until_us = self.stage.ground.now_us();
        if let Some(before) = self.run.rates.last_mut() {
            before.until_us = until_us;
        }
        self.run.rates.push(Rate {
            per_second,
            from_us,
            until_us: u64::MAX,
        });
    }
}

/// Does this to every one of these links, for as long as it lasts.
fn trouble(links: &[Link], way: Way) {
    let set = |mode| links.iter().for_each(|link| link.set(mode));
    let (mode, for_us) = match way {
        Way::Cut => return links.iter().for_each(Link::cut),
        Way::HalfClose => return links.iter().for_each(Link::half_close),
        Way::Delay { us, for_us } => (Mode::Delay(Duration::from_micros(us)), for_us),
        Way::Silent { for_us } => (Mode::Silent, for_us),
        Way::Refuse { for_us } => (Mode::Refuse, for_us),
        Way::LoseAnswers { for_us } => (Mode::LoseAnswers, for_us),
    };
    set(mode);
    thread::sleep(Duration::from_micros(for_us));
    set(Mode::Pass);
}
