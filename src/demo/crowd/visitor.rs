//! One simulated visitor, from setting out to leaving.

use std::sync::Arc;
use std::time::Duration;
use std::time::Instant;

use bytes::Bytes;
use http::Method;
use http::Request;
use http::Response;
use http::StatusCode;
use http::header;
use http_body_util::Full;
use tokio::time;

use crate::clock;
use crate::demo::crowd::Ground;
use crate::demo::crowd::Span;
use crate::demo::crowd::jar::Jar;
use crate::demo::crowd::pool::Trouble;
use crate::demo::crowd::seen;
use crate::demo::crowd::seen::Kind;
use crate::demo::crowd::seen::Seen;
use crate::demo::dice::Dice;
use crate::demo::portal;

/// The page everybody comes for.
const START: &str = "/booking/";
/// How often a visitor goes from the line to the portal and back before it gives up.
const ROUNDS_MAX: u32 = 6;

/// How a visit ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum End {
    Booked,
    SoldOut,
    Vanished,
    GaveUp,
    LostPlace,
    TurnedAway,
}

/// What a visitor does while it waits.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Habit {
    Stays,
    VanishesAtOnce,
    VanishesAtItsTurn,
    ComesBackLate,
}

/// One visitor.
#[derive(Debug)]
pub(super) struct Visitor {
    ground: Arc<Ground>,
    dice: Dice,
    habit: Habit,
    jar: Jar,
    number: Option<u64>,
    set_out: Instant,
    answered: bool,
    entered: bool,
}

impl Visitor {
    /// The visitor with this index in its crowd.
    pub(super) fn new(ground: Arc<Ground>, index: u64) -> Self {
        // Arrival times are rolled from the plain seed: habits get dice of their own.
        let mut dice = Dice::of(!ground.plan.seed, index);
        let habits = ground.plan.habits;
        let habit = match dice.below(100) {
            roll if roll < habits.vanish_percent / 2 => Habit::VanishesAtOnce,
            roll if roll < habits.vanish_percent => Habit::VanishesAtItsTurn,
            roll if roll < habits.vanish_percent + habits.late_percent => Habit::ComesBackLate,
            _ => Habit::Stays,
        };
        Self {
            ground,
            dice,
            habit,
            jar: Jar::default(),
            number: None,
            set_out: clock::monotonic(),
            answered: false,
            entered: false,
        }
    }

    /// The whole visit.
    pub(super) async fn walk(mut self) {
        self.ground.tally().arrived += 1;
        let end = match self.visit().await {
            Ok(end) | Err(end) => end,
        };
        let mut tally = self.ground.tally();
        match end {
            End::Booked => tally.booked += 1,
            End::SoldOut => tally.sold_out += 1,
            End::Vanished => tally.vanished += 1,
            End::GaveUp => tally.gave_up += 1,
            End::LostPlace => tally.lost_place += 1,
            End::TurnedAway => tally.turned_away += 1,
        }
        tally.done += 1;
    }

    async fn visit(&mut self) -> Result<End, End> {
        for _ in 0..ROUNDS_MAX {
            let page = self.open(&Method::GET, START).await?;
            let first_poll = self.roll(self.ground.plan.habits.first_poll);
            if let Some(seen) = Seen::on_page(page.headers(), first_poll) {
                self.ground.tally().waiting += 1;
                let let_in = self.stand_in_line(seen).await;
                self.ground.tally().waiting -= 1;
                let_in?;
                continue;
            }
            self.note_entered();
            self.ground.tally().inside += 1;
            let end = self.book(page).await;
            self.ground.tally().inside -= 1;
            match end? {
                Some(end) => return Ok(end),
                None => self.ground.tally().thrown_out += 1,
            }
        }
        Ok(End::GaveUp)
    }

    /// Waits, from the first sight of the line until the portal's page can be opened.
    async fn stand_in_line(&mut self, mut seen: Seen) -> Result<(), End> {
        let away = self.ground.plan.habits.away;
        match self.habit {
            Habit::VanishesAtOnce => return Err(End::Vanished),
            Habit::ComesBackLate => {
                self.habit = Habit::Stays;
                self.pause(away).await;
                // Back on the page, which tells the state anew.
                return Ok(());
            }
            Habit::Stays | Habit::VanishesAtItsTurn => {}
        }
        if self.number.is_none() && seen.kind == Kind::Wait {
            // Numbers come in a moment: without a ticket there is nothing to ask for, so the page is opened again.
            self.pause((seen.poll, seen.poll)).await;
            return Ok(());
        }
        loop {
            match seen.kind {
                Kind::Wait => {
                    let jitter = seen.poll / 5;
                    self.pause((seen.poll - jitter, seen.poll + jitter)).await;
                    seen = self.ask(&Method::GET, "status").await?;
                }
                Kind::Press if self.habit == Habit::VanishesAtItsTurn => return Err(End::Vanished),
                Kind::Press => {
                    self.pause(self.ground.plan.habits.press).await;
                    seen = self.ask(&Method::POST, "enter").await?;
                }
                Kind::Open => {
                    self.note_entered();
                    return Ok(());
                }
                Kind::SoldOut => return Err(End::SoldOut),
                Kind::Lost => return Err(End::LostPlace),
                Kind::Over => return Err(End::TurnedAway),
            }
            if seen.number.is_some_and(|told| self.number != Some(told)) {
                return Err(End::LostPlace);
            }
        }
    }

    /// Goes through the portal's pages; none when it was sent back to the line.
    async fn book(&mut self, start: Response<Bytes>) -> Result<Option<End>, End> {
        let form = format!("/booking/form?time={}", self.dice.below(8));
        let steps = [
            (Method::GET, "/booking/times"),
            (Method::GET, form.as_str()),
            (Method::POST, form.as_str()),
        ];
        let mut page = start;
        for (method, path) in steps {
            if mentions(&page, portal::NOTHING_LEFT) {
                return Ok(Some(End::SoldOut));
            }
            self.pause(self.ground.plan.habits.think).await;
            page = self.open(&method, path).await?;
            if Seen::on_page(page.headers(), Duration::ZERO).is_some() {
                return Ok(None);
            }
        }
        if mentions(&page, portal::CODE) {
            return Ok(Some(End::Booked));
        }
        Ok(Some(End::SoldOut))
    }

    /// Opens a page as a browser does, and again after each error until patience ends.
    async fn open(&mut self, method: &Method, path: &str) -> Result<Response<Bytes>, End> {
        for _ in 0..=self.ground.plan.habits.reloads_max {
            let req = self.request(method, path).header(
                header::ACCEPT,
                "text/html,application/xhtml+xml;q=0.9,*/*;q=0.8",
            );
            let req = req
                .header("sec-fetch-mode", "navigate")
                .header("sec-fetch-dest", "document")
                .header("sec-fetch-site", "same-origin");
            if let Some(page) = self.send(req).await?
                && !page.status().is_server_error()
            {
                return Ok(page);
            }
            self.pause(self.ground.plan.habits.reload).await;
        }
        Err(End::GaveUp)
    }

    /// Asks the room, as the waiting page's script does. What fails or cannot be read teaches nothing.
    async fn ask(&mut self, method: &Method, what: &str) -> Result<Seen, End> {
        let room = self.ground.plan.room.as_deref().unwrap_or_default();
        let path = format!("/.anteroom/{room}/{what}");
        let req = self
            .request(method, &path)
            .header(header::ACCEPT, "application/json")
            .header("sec-fetch-mode", "cors")
            .header("sec-fetch-dest", "empty")
            .header("sec-fetch-site", "same-origin");
        let Some(answer) = self.send(req).await? else {
            let reload = self.roll(self.ground.plan.habits.reload);
            let nothing = Seen::nothing(&http::HeaderMap::new());
            return Ok(Seen {
                poll: reload,
                ..nothing
            });
        };
        let entered = answer.status() == StatusCode::SEE_OTHER;
        let seen = Seen::in_status(&answer).unwrap_or_else(|| Seen::nothing(answer.headers()));
        let kind = if entered { Kind::Open } else { seen.kind };
        Ok(Seen { kind, ..seen })
    }

    fn request(&self, method: &Method, path: &str) -> http::request::Builder {
        let host = &self.ground.plan.host;
        let req = Request::builder().method(method).uri(path);
        let req = req
            .header(header::HOST, host)
            .header(header::USER_AGENT, "anteroom-crowd");
        let req = match self.jar.header() {
            Some(cookies) => req.header(header::COOKIE, cookies),
            None => req,
        };
        if method == Method::POST {
            return req.header(header::ORIGIN, format!("http://{host}"));
        }
        req
    }

    /// Sends a request to any of the servers and writes down what came back; none when nothing did.
    async fn send(&mut self, req: http::request::Builder) -> Result<Option<Response<Bytes>>, End> {
        // A request that cannot be built says that the plan's host is no host: nobody gets anywhere.
        let req = req.body(Full::default()).map_err(|_| End::GaveUp)?;
        let pools = &self.ground.pools;
        let any = usize::try_from(self.dice.below(pools.len() as u64)).unwrap_or(0);
        let answer = pools[any].send(req).await;
        if let Ok(resp) = &answer {
            self.jar.take(resp.headers());
        }
        self.note(&answer);
        Ok(answer.ok())
    }

    fn note(&mut self, answer: &Result<Response<Bytes>, Trouble>) {
        let mut tally = self.ground.tally();
        match answer {
            Ok(resp) => *tally.statuses.entry(resp.status().as_u16()).or_default() += 1,
            Err(trouble) => {
                tally.unanswered += 1;
                *tally.troubles.entry(trouble.to_string()).or_default() += 1;
            }
        }
        let number = answer
            .as_ref()
            .ok()
            .and_then(|resp| seen::number(resp.headers()));
        self.number = self.number.or(number);
        if !self.answered {
            self.answered = true;
            tally.answered += 1;
            tally.numbers.extend(number);
            let room = self.ground.plan.room.is_some();
            tally.unnumbered += u64::from(room && number.is_none());
            let state = answer
                .as_ref()
                .ok()
                .filter(|resp| resp.status().is_success());
            let own =
                state.is_some_and(|resp| Seen::on_page(resp.headers(), Duration::ZERO).is_none());
            tally.straight_in += u64::from(own);
        }
    }

    /// Let in; counted once per visitor.
    fn note_entered(&mut self) {
        if self.entered {
            return;
        }
        self.entered = true;
        let wait = self.set_out.elapsed().as_millis();
        let mut tally = self.ground.tally();
        tally.entered += 1;
        tally.waits_ms.push(u64::try_from(wait).unwrap_or(u64::MAX));
    }

    async fn pause(&mut self, span: Span) {
        let pause = self.roll(span);
        time::sleep(pause).await;
    }

    fn roll(&mut self, (low, high): Span) -> Duration {
        self.dice.between(low, high)
    }
}

/// Whether a page contains this text.
fn mentions(page: &Response<Bytes>, text: &str) -> bool {
    String::from_utf8_lossy(page.body()).contains(text)
}
