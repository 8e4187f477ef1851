//! What an operator orders reaches the line, however many events wait.

use std::time::Duration;

use crate::clock;
use crate::line::exchange::Proposal;
use crate::line::ids::KeyHash;
use crate::line::settings::Settings;
use crate::room::EVENTS_MAX;
use crate::room::Plan;
use crate::room::Room;
use crate::room::event::Event;
use crate::store;
use crate::store::Store;
use crate::store::memory;
use crate::telemetry::metrics::Metrics;

/// How long a busy machine may take over it.
const SOON: Duration = Duration::from_secs(60);

fn plan(content: u128, rate_per_hour: u64) -> Plan {
    Plan::new(Proposal {
        content: KeyHash(content),
        changed: false,
        settings: Settings {
            rate_per_hour,
            ..Settings::default()
        },
    })
}

#[tokio::test]
async fn a_reload_is_followed_although_the_channel_is_full() {
    let settings = store::Settings::Memory(memory::Settings { directory: None });
    let store = Store::open(&settings, "main").await.unwrap();
    let metrics = Metrics::try_new(0).unwrap();
    let room = Room::start("main", store, plan(1, 60), metrics.room("main"));
    // Nobody takes them before this test waits.
    let told = (0..=EVENTS_MAX).take_while(|_| room.send(Event::Told(1)).is_ok());
    assert!(told.count() < EVENTS_MAX);
    room.follow(plan(2, 120), true);
    let rate = || {
        let picture = room.snapshot();
        picture.answer().map(|answer| answer.settings.rate_per_hour)
    };
    let until = clock::monotonic() + SOON;
    while rate() != Some(120) {
        assert!(clock::monotonic() < until, "the rate is {:?}", rate());
        tokio::task::yield_now().await;
    }
    room.leave().await;
}
