//! The exchanger's side of a replica that lets people in by itself: it opens the door while its store is away, shows
//! what comes of it, and closes it before anything else.

use std::pin::pin;
use std::sync::Arc;
use std::time::Duration;

use tokio::time::timeout;
use tracing::info;
use tracing::warn;

use crate::clock;
use crate::line::exchange::Answer;
use crate::line::exchange::Counts;
use crate::line::exchange::Exchange;
use crate::line::exchange::Measured;
use crate::line::lease::SETTLED_US;
use crate::room::Shared;
use crate::room::event::Event;
use crate::room::exchanger::Course;
use crate::room::exchanger::TICK;
use crate::room::paced::Tick;
use crate::room::snapshot::Health;
use crate::room::snapshot::Snapshot;
use crate::store::Store;
use crate::store::StoreError;
use crate::telemetry::metrics::RoomMetrics;
use crate::telemetry::metrics::per_second;

/// A line that has answered for this long without a break has told the others of this replica's share.
const SETTLED: Duration = Duration::from_micros(SETTLED_US);

/// Sends an exchange. As long as there is no answer and the store is away, the replica goes on by itself.
pub(crate) async fn send(
    store: &mut Store,
    sent: &Exchange,
    ours: (&Shared, &RoomMetrics),
    course: &mut Course,
) -> Result<Answer, StoreError> {
    let mut sending = pin!(store.exchange(sent));
    loop {
        if let Ok(result) = timeout(TICK, sending.as_mut()).await {
            if let Ok(answer) = &result {
                close(ours, course, "the store lets people in again");
                ours.1.withheld.set(per_second(answer.withheld_per_hour));
            }
            return result;
        }
        go_on(ours, course);
    }
}

/// Lets people in, if it is time for that.
fn go_on(ours: (&Shared, &RoomMetrics), course: &mut Course) {
    let (shared, metrics) = ours;
    let now = clock::monotonic();
    let picture = &course.mirror.picture;
    let Some(answer) = picture.answer.clone() else {
        return;
    };
    if !matches!(picture.health, Health::Away { .. }) || course.leaving.is_some() {
        return;
    }
    if course.gathered.is_sold_out() {
        shut(ours, course, "nothing is left: nobody is let in any more");
        return;
    }
    let is_settled = picture.at.saturating_duration_since(picture.up_since) >= SETTLED;
    let stubs_before = shared.stubs().numbered_before();
    let tick = {
        let mut paced = shared.paced();
        let last = (answer.as_ref(), picture.at);
        if is_settled && paced.open(last, picture.line_us(now), stubs_before, now) {
            warn!(
                room.name = %shared.name, entries_per_hour = answer.lease_per_hour,
                "the store is away: letting people in at this replica's share of the pace",
            );
        }
        paced.tick(now)
    };
    if let Some(tick) = tick {
        if tick.ends {
            warn!(room.name = %shared.name, entered = tick.let_in, "the store is away for too long: nobody is let in");
        }
        take(metrics, course, &tick);
        shared.publish(&shown(&course.mirror.picture, &answer, &tick));
    }
}

/// Closes the door while the store is still away, and shows that.
pub(crate) fn shut(ours: (&Shared, &RoomMetrics), course: &mut Course, why: &'static str) {
    let Some(answer) = course.mirror.picture.answer.clone() else {
        return;
    };
    if let Some(tick) = close(ours, course, why) {
        let shown = shown(&course.mirror.picture, &answer, &tick);
        ours.0.publish(&Snapshot {
            paced: None,
            ..shown
        });
    }
}

/// Nobody is let in by this replica alone any more; what came of it last, if anybody was.
fn close(
    (shared, metrics): (&Shared, &RoomMetrics),
    course: &mut Course,
    why: &'static str,
) -> Option<Tick> {
    let tick = shared.paced().close(clock::monotonic())?;
    take(metrics, course, &tick);
    metrics.paced_rate.set(0.0);
    info!(room.name = %shared.name, entered = tick.let_in, "{why}");
    Some(tick)
}

/// Notes who was let in, for the line to be told, and how far was called: no place grows again.
fn take(metrics: &RoomMetrics, course: &mut Course, tick: &Tick) {
    let mirror = &mut course.mirror;
    for &pass in &tick.entered {
        mirror.picture.inside.insert(pass.id, pass.until_us);
        mirror.note_pass(pass);
        course.gathered.add(Event::Renew(pass));
    }
    mirror.settle();
    mirror.known.head = mirror.known.head.max(tick.head);
    metrics.paced_entered.inc_by(tick.entered.len() as u64);
    metrics.paced_refused.inc_by(tick.refused);
    metrics.paced_rate.set(per_second(tick.lease_per_hour));
}

/// The picture that requests see: the last answer's, with what was called and may go in since.
fn shown(picture: &Snapshot, answer: &Answer, tick: &Tick) -> Snapshot {
    let answer = Answer {
        head: answer.head.max(tick.head),
        counts: Counts {
            asking: tick.asking,
            asking_late: 0,
            ..answer.counts
        },
        measured: Measured {
            effective_rate_per_hour: tick.lease_per_hour,
            ..answer.measured
        },
        ..answer.clone()
    };
    let called = picture.head();
    Snapshot {
        answer: Some(Arc::new(answer)),
        paced: (tick.lease_per_hour > 0).then_some(called),
        ..picture.clone()
    }
}
