//! How a room does, for operators, and what they tell it.

use std::sync::Arc;

use serde_json::json;

use crate::admin::Rooms;
use crate::app::control::Control;
use crate::clock;
use crate::gate::Site;
use crate::room::Health;

/// The rooms of the configuration in force, as the admin listener reaches them.
pub(crate) fn reach(control: &Arc<Control>) -> Rooms {
    let (asked, told) = (Arc::clone(control), Arc::clone(control));
    Rooms {
        status: Box::new(move |room| site(&asked, room).map(|site| status(&site))),
        stock: Box::new(move |room, left| {
            let site = site(&told, room)?;
            Some(site.room.stock(left, site.config.stock_ends))
        }),
    }
}

fn site(control: &Control, room: &str) -> Option<Arc<Site>> {
    let live = control.live.load();
    live.sites.iter().find(|site| site.name() == room).cloned()
}

/// How a room does, as this replica was last told.
fn status(site: &Site) -> serde_json::Value {
    let snapshot = site.room.snapshot();
    let store = match snapshot.health {
        Health::Starting => "starting",
        Health::Up => "up",
        Health::Healing => "healing",
        Health::Away { .. } => "away",
    };
    let mut status = json!({
        "room": site.name(),
        "store": store,
        "store_away_s": snapshot.away_for(clock::monotonic()).map(|away| away.as_secs()),
        "stubs_waiting": site.room.arrivals(),
    });
    if let (Some(answer), Some(fields)) = (snapshot.answer(), status.as_object_mut()) {
        let measured = &answer.measured;
        let known = json!({
            "mode": answer.settings.mode.name(),
            "rate_per_hour": answer.settings.rate_per_hour,
            "effective_rate_per_hour": measured.effective_rate_per_hour,
            "guard": { "stopped": measured.is_stopped(), "held_back_ppm": measured.held_back_ppm },
            "waiting": answer.tail.saturating_sub(answer.head),
            "turns": answer.counts.turns,
            "asking": answer.counts.asking + answer.counts.asking_late,
            "inside": answer.counts.inside,
            "entered": answer.counts.entered,
            "instances": answer.counts.instances,
            "stock": answer.stock,
            "lease_per_hour": answer.lease_per_hour,
            "withheld_per_hour": answer.withheld_per_hour,
            "lets_in_alone": snapshot.is_paced(),
        });
        fields.extend(known.as_object().cloned().unwrap_or_default());
    }
    status
}
