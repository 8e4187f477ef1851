//! The line's constants by name: the script in Redis is given them from here, so that none is written down twice.

use crate::line::bits;
use crate::line::exchange;
use crate::line::guard;
use crate::line::heal;
use crate::line::lease;
use crate::line::pace;
use crate::line::places;
use crate::line::settings::RATE_PER_HOUR_MAX;
use crate::line::settings::Settings;
use crate::line::state;
use crate::line::stubs;

/// Every bound, time and starting value that the rules use.
#[must_use]
pub fn constants() -> Vec<(&'static str, u64)> {
    vec![
        ("ITEMS_MAX", exchange::ITEMS_MAX as u64),
        ("NEWS_MAX", exchange::NEWS_MAX as u64),
        ("EXPIRED_MAX", exchange::EXPIRED_MAX as u64),
        ("CALLS_MAX", exchange::CALLS_MAX),
        ("ENTRIES_MAX", exchange::ENTRIES_MAX),
        ("AHEAD_MAX", exchange::AHEAD_MAX),
        ("NUMBER_MAX", exchange::NUMBER_MAX),
        ("PAGE_NUMBERS", exchange::PAGE_NUMBERS),
        ("PAGES_MAX", exchange::PAGES_MAX),
        ("ENTRY", state::ENTRY),
        ("SECOND_US", state::SECOND_US),
        ("STEP_US_MAX", state::STEP_US_MAX),
        ("HEAL_US", state::HEAL_US),
        ("HEAL_MIN_US", state::HEAL_MIN_US),
        ("KEYED_US", state::KEYED_US),
        ("MISSING_US", state::MISSING_US),
        ("FORGET_US", state::FORGET_US),
        ("CONTENTS_MAX", state::CONTENTS_MAX as u64),
        ("RESIGNS_MAX", state::RESIGNS_MAX),
        ("MORE_MAX", state::MORE_MAX),
        ("LIVE_US", state::LIVE_US),
        ("DELAY_US", pace::DELAY_US),
        ("DELAY_US_MIN", pace::DELAY_US_MIN),
        ("DELAY_US_MAX", pace::DELAY_US_MAX),
        ("SHARE_PPM_MIN", pace::SHARE_PPM_MIN),
        ("AGED_MAX", pace::AGED_MAX),
        ("SPENT", u64::from(bits::SPENT)),
        ("COUNTED_US", places::COUNTED_US),
        ("GUARD_SAMPLE", guard::GUARD_SAMPLE),
        ("GUARD_EVIDENCE", guard::GUARD_EVIDENCE),
        ("GUARD_WITNESSES", guard::GUARD_WITNESSES),
        ("GUARD_WINDOW_US_MIN", guard::GUARD_WINDOW_US_MIN),
        ("GUARD_WINDOW_US_MAX", guard::GUARD_WINDOW_US_MAX),
        ("GUARD_WINDOW_US_HOURS", guard::GUARD_WINDOW_US_HOURS),
        ("GUARD_SETTLE_US", guard::GUARD_SETTLE_US),
        ("GUARD_LEAST_PPM", guard::GUARD_LEAST_PPM),
        ("GUARD_COUNT_MAX", guard::GUARD_COUNT_MAX),
        ("PROBE_PER_HOUR", guard::PROBE_PER_HOUR),
        ("STUB_ROWS_MAX", stubs::STUB_ROWS_MAX),
        ("STUB_NUMBERS_MAX", stubs::STUB_NUMBERS_MAX),
        ("BLOCKS_MAX", stubs::BLOCKS_MAX),
        ("GAP_MIN", heal::GAP_MIN),
        ("INSTANCES_UNKNOWN", exchange::INSTANCES_UNKNOWN),
        ("LEASE_US", lease::LEASE_US),
        ("SHARES_MIN", lease::SHARES_MIN),
        ("LOST_MAX", lease::LOST_MAX),
        ("RATE_PER_HOUR_MAX", RATE_PER_HOUR_MAX),
    ]
}

/// Settings as plain integers, in the order the store writes them.
#[must_use]
pub fn settings_row(settings: &Settings) -> [u64; 15] {
    [
        settings.rate_per_hour,
        settings.active_max,
        settings.mode.code(),
        settings.presence_us,
        settings.turn_us,
        settings.late_share_ppm,
        settings.pass_idle_us,
        settings.returns,
        settings.line_max,
        settings.guard_share_ppm,
        settings.guard_recovery_us,
        settings.opens_at_us,
        u64::from(settings.draw),
        settings.closes_at_us,
        u64::from(settings.paced),
    ]
}
