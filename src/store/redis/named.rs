//! Notices when sentinels have put another server in a primary's place while we go on with the old one.
//!
//! A primary that hung and woke up, or that its sentinels cannot reach, still answers and still calls itself a primary
//! for ten seconds and more. Two lines would then go on side by side: the same numbers issued by both, and twice the
//! pace. So the sentinels are asked once more about a new connection, about an answer that came late, and in the
//! background while all is well. That takes less time than a line waits for replicas which do not report after a
//! fail-over, so the old line is left before the new one goes on.

use std::sync::Arc;
use std::time::Duration;

use tokio::time::Instant;
use tokio_util::task::AbortOnDropHandle;

use crate::config::url::Topology;
use crate::store::redis::Plan;
use crate::store::redis::find;
use crate::store::redis::link::Place;

/// A server silent for longer than this may have been replaced meanwhile. No sentinel is as quick.
const LATE: Duration = Duration::from_millis(500);
/// Between two questions in the background.
const ASK_EVERY: Duration = Duration::from_secs(1);

/// Keeps an eye on who is named.
#[derive(Debug)]
pub(super) struct Named {
    /// When the server in use last answered.
    heard: Instant,
    asked: Instant,
    asking: Option<AbortOnDropHandle<Option<Place>>>,
}

impl Named {
    pub(super) fn new() -> Self {
        let now = Instant::now();
        Self {
            heard: now,
            asked: now,
            asking: None,
        }
    }

    /// The server has answered; whether it was silent for so long before that its answer needs a second opinion.
    pub(super) fn is_late(&mut self) -> bool {
        let silent = self.heard.elapsed();
        self.heard = Instant::now();
        silent > LATE
    }

    /// A connection was made: what was asked about the one before it is of no use.
    pub(super) fn begin(&mut self) {
        *self = Self::new();
    }

    /// Whether the sentinels were found to name another server than this one. Waits for nothing: it asks in the
    /// background and tells the next time.
    pub(super) async fn is_another(&mut self, place: &Place, plan: &Arc<Plan>) -> bool {
        if !has_sentinels(plan) {
            return false;
        }
        if let Some(asking) = self.asking.take_if(|asking| asking.is_finished()) {
            // One that failed has told nothing.
            let told = asking.await.ok().flatten();
            return told.is_some_and(|told| told != *place);
        }
        if self.asking.is_none() && self.asked.elapsed() >= ASK_EVERY {
            self.asked = Instant::now();
            let plan = Arc::clone(plan);
            self.asking = Some(AbortOnDropHandle::new(tokio::spawn(async move {
                find::agreed(&plan).await
            })));
        }
        false
    }
}

/// Whether sentinels that answer name another server than this one.
pub(super) async fn is_replaced(place: &Place, plan: &Plan) -> bool {
    find::agreed(plan)
        .await
        .is_some_and(|named| named != *place)
}

fn has_sentinels(plan: &Plan) -> bool {
    matches!(plan.topology, Topology::Sentinel { .. })
}
