//! Seeded simulation: whole histories of a line, many replicas, their network and their visitors, in virtual time.
//!
//! Everything in a run follows from one seed. A shadow model checks the promises from outside after every exchange,
//! and at its end each run calms down and brings everybody back: each gets in, or has been. A failing run prints its
//! seed, its step and what led there. `ANTEROOM_SIM_SEED` plays one seed, `ANTEROOM_SIM_SEEDS` says how many are
//! played and `ANTEROOM_SIM_STEPS` how far.

#![allow(clippy::print_stdout, reason = "a replayed seed says what happens")]

mod check;
mod crowd;
mod guard;
mod histories;
mod million;
mod openings;
mod outages;
mod paced;
mod person;
mod plan;
mod rates;
mod record;
mod replica;
mod rig;
mod rng;
mod scenarios;
mod shadow;
mod store;
mod stubs;
mod trouble;
mod visit;
mod world;
