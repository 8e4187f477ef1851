//! Visitors of six kinds, who know nothing but the wire contract.

use std::sync::Arc;
use std::time::Duration;

use crate::client::Client;
use crate::ground::Ground;
use crate::rng::Rng;
use crate::seen::Answer;
use crate::seen::Call;
use crate::seen::End;
use crate::seen::Kind;
use crate::seen::Person;
use crate::seen::Ticket;

/// The longest wait between two polls, whatever is told: a run is short.
const POLL_MAX: Duration = Duration::from_secs(3);
/// When an answer does not say when to come again.
const AGAIN: Duration = Duration::from_secs(1);
/// Polls in one go of somebody who hammers, and the time between two.
const VOLLEY: (u32, Duration) = (8, Duration::from_millis(20));

/// Who comes, when, and how.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Coming {
    pub(crate) index: usize,
    pub(crate) at_us: u64,
    pub(crate) kind: Kind,
    /// What else it does follows from this.
    pub(crate) seed: u64,
}

/// What an answer asks of its visitor.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Next {
    Wait,
    Press,
    Over,
}

struct Visitor {
    client: Client,
    rng: Rng,
    name: String,
    kind: Kind,
    home: usize,
    /// The first texts it was given, to be sent again.
    first: (Option<String>, Option<String>),
    /// When it goes away, and for how long; for good if for no time.
    leaves: Option<(u64, u64)>,
}

/// A whole visit. Whoever shares its ticket is a visitor of its own.
pub(crate) async fn visit(ground: Arc<Ground>, coming: Coming) -> Vec<Person> {
    let mut rng = Rng::new(coming.seed);
    let is_browser = rng.chance(500);
    let home = rng.index(ground.replicas.len());
    let mut visitor = Visitor {
        client: Client::new(Arc::clone(&ground), is_browser),
        rng,
        name: format!("{} ({:?})", coming.index, coming.kind),
        kind: coming.kind,
        home,
        first: (None, None),
        leaves: None,
    };
    let left_us = coming.at_us.saturating_sub(ground.now_us());
    ground.pace(Duration::from_micros(left_us)).await;
    if !visitor.join().await {
        return vec![visitor.ended(End::Waiting)];
    }
    if coming.kind != Kind::Sharing || visitor.client.pass.is_some() {
        return vec![visitor.stay().await];
    }
    let mut other = Visitor {
        client: Client::new(Arc::clone(&ground), !is_browser),
        rng: Rng::new(!coming.seed),
        name: format!("{} (second browser)", coming.index),
        home: home + 1,
        first: (None, None),
        leaves: None,
        ..visitor
    };
    other.client.ticket.clone_from(&visitor.client.ticket);
    let (one, other) = tokio::join!(visitor.stay(), other.stay());
    vec![one, other]
}

impl Visitor {
    /// Comes for a number, or straight in; false when all was over before.
    async fn join(&mut self) -> bool {
        let key = format!("key-{}-{}", self.name, self.rng.bits());
        let with_key = [("idempotency-key", key.as_str())];
        // Who replays also joins twice with one key.
        let repeats = self.kind == Kind::Replaying && !self.client.is_browser;
        let more: &[(&str, &str)] = if repeats { &with_key } else { &[] };
        while !self.client.ground.is_over() {
            let answer = self.ask(Call::Join, more).await;
            let numbered = self.client.ticket.as_deref().and_then(Ticket::read);
            if numbered.is_some() || self.client.pass.is_some() {
                self.first.0.clone_from(&self.client.ticket);
                return true;
            }
            self.poll_pace(answer.as_ref()).await;
        }
        false
    }

    /// From having a ticket to the end.
    async fn stay(mut self) -> Person {
        self.plan_absence();
        let mut next = Next::Wait;
        while !self.client.ground.is_over() {
            if self.client.pass.is_some() && self.inside().await {
                return self.ended(End::Served);
            }
            let now_us = self.client.ground.now_us();
            match self.leaves {
                Some((at_us, 0)) if now_us >= at_us => return self.ended(End::Gone),
                Some((at_us, away_us)) if now_us >= at_us => {
                    self.leaves = None;
                    self.client
                        .ground
                        .pace(Duration::from_micros(away_us))
                        .await;
                }
                _ => {}
            }
            let presses = next == Next::Press && self.kind != Kind::Vanishing;
            let answer = if presses {
                let reading = Duration::from_millis(self.rng.between(50, 500));
                self.client.ground.pace(reading).await;
                self.press().await
            } else {
                self.poll().await
            };
            if self.client.pass.is_some() {
                continue;
            }
            next = answer.as_ref().map_or(Next::Wait, next_of);
            match next {
                Next::Over => return self.ended(End::Spent),
                Next::Press => {}
                Next::Wait => self.poll_pace(answer.as_ref()).await,
            }
            if self.kind == Kind::Vanishing && next == Next::Press {
                self.poll_pace(answer.as_ref()).await;
            }
        }
        self.ended(End::Waiting)
    }

    fn plan_absence(&mut self) {
        let now_us = self.client.ground.now_us();
        let at_us = now_us + self.rng.between(200_000, 6_000_000);
        let away_us = self.rng.between(2_000_000, 6_000_000);
        self.leaves = match self.kind {
            Kind::Vanishing => Some((at_us, 0)),
            Kind::Late => Some((at_us, away_us)),
            Kind::Steady | Kind::Replaying | Kind::Sharing | Kind::Hammering => None,
        };
    }

    async fn poll(&mut self) -> Option<Answer> {
        match self.kind {
            Kind::Hammering => {
                let mut last = None;
                for _ in 0..VOLLEY.0 {
                    // What it is told when it is told anything: above five a second it is not.
                    let answer = self.ask(Call::Poll, &[]).await;
                    last = answer.filter(|answer| answer.status == 200).or(last);
                    self.client.ground.pace(VOLLEY.1).await;
                }
                return last;
            }
            Kind::Replaying if self.rng.chance(400) => {
                if self.rng.chance(500) {
                    self.ask(Call::Join, &[]).await;
                } else {
                    // As it was before it ever asked.
                    let newest = self.client.ticket.clone();
                    self.client.ticket.clone_from(&self.first.0);
                    self.ask(Call::Poll, &[]).await;
                    self.client.ticket = newest;
                }
            }
            Kind::Steady | Kind::Vanishing | Kind::Late | Kind::Replaying | Kind::Sharing => {}
        }
        self.ask(Call::Poll, &[]).await
    }

    async fn press(&mut self) -> Option<Answer> {
        let answer = self.ask(Call::Enter, &[]).await;
        if self.kind == Kind::Replaying {
            self.first.1.clone_from(&self.client.pass);
            let pass = self.client.pass.take();
            self.ask(Call::Enter, &[]).await;
            self.client.pass = self.client.pass.take().or(pass);
        }
        answer
    }

    /// Follows at once and looks around; whether it was served.
    async fn inside(&mut self) -> bool {
        let mut served = false;
        for page in 0..self.rng.between(3, 6) {
            if self.client.ground.is_over() {
                break;
            }
            if self.kind == Kind::Replaying && page == 2 && self.first.1.is_some() {
                self.client.pass.clone_from(&self.first.1);
            }
            let answer = self.ask(Call::Page, &[]).await;
            served |= answer.is_some_and(|answer| answer.from_origin);
            let thinking = self.rng.between(200, 1_200);
            self.client
                .ground
                .pace(Duration::from_millis(thinking))
                .await;
        }
        if served && self.kind == Kind::Steady && self.rng.chance(400) {
            self.ask(Call::Leave, &[]).await;
        }
        if !served {
            // Back to the line, as a person whose page does not open.
            self.client.pass = None;
        }
        served
    }

    /// Asks the replica it usually reaches, or now and then another; where none answers, the next one.
    async fn ask(&mut self, call: Call, more: &[(&str, &str)]) -> Option<Answer> {
        let count = self.client.ground.replicas.len();
        if self.rng.chance(100) {
            self.home = self.rng.index(count);
        }
        let at = self.home % count;
        let answer = self.client.ask(at, call, more).await;
        if answer.is_none() {
            self.home = at + 1;
            let reloading = self.rng.between(100, 500);
            self.client
                .ground
                .pace(Duration::from_millis(reloading))
                .await;
        }
        answer
    }

    /// Waits as long as it is told, or as long as a person waits who was told nothing.
    async fn poll_pace(&mut self, answer: Option<&Answer>) {
        let told = answer.and_then(|answer| answer.poll_ms);
        let told = told.map_or(AGAIN, Duration::from_millis).min(POLL_MAX);
        let told = told * u32::try_from(self.rng.between(85, 100)).unwrap_or(100) / 100;
        self.client.ground.pace(told).await;
    }

    fn ended(self, end: End) -> Person {
        Person {
            name: self.name,
            kind: self.kind,
            end,
            heard: self.client.heard,
        }
    }
}

fn next_of(answer: &Answer) -> Next {
    match answer.state.as_str() {
        "turn" | "late" | "returning" if !answer.asked => Next::Press,
        // It was let in, and its pass waits to be fetched.
        "entered" => Next::Press,
        "left" | "cookies" => Next::Over,
        _ => Next::Wait,
    }
}
