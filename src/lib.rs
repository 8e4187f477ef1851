//! anteroom: a virtual waiting room as a reverse proxy.
//!
//! It stands in front of a portal that exists already. When more people come than the portal can carry, each gets a
//! signed ticket with a number from one first-come line and is let through at the pace the operator set.
//!
//! # Words
//!
//! A **room** is one line in front of a set of routes of one **origin**. A **visitor** holds a **ticket**: its number in
//! the **line**. The line has issued numbers up to its **tail** and **called** them up to its **head**; a visitor's
//! **place** is what lies between. Called and present, it has a **turn**; it **asks** and **enters**: the ticket becomes
//! a **pass**. Called while away, it is **late**; idled out without finishing, it is **returning**: both may still enter.
//! **Pace** is how many enter in a stretch of time and how many are **inside** at once. A **replica** is one running
//! anteroom; replicas share a line through a **store**. Whoever comes while there are no numbers keeps a **stub**, its
//! place in the order of arrival, until the line has a number for it. **Line time** is the line's own clock, an **epoch** one line's
//! lifetime. There are no other words for these.
//!
//! # The map
//!
//! A module imports only from layers below its own (`tests/layers.rs`).
//!
//! | layer | modules |
//! |---|---|
//! | 8 | [`cli`]: the commands |
//! | 7 | [`app`]: puts the parts together · [`demo`]: a portal that breaks, and a crowd |
//! | 6 | [`server`]: connections, HTTP, workers, drain |
//! | 5 | [`gate`]: what becomes of a request · [`admin`]: the operators' listener |
//! | 4 | [`room`]: a replica's picture of a line, and its exchanger |
//! | 3 | [`store`]: where a line lives · [`page`]: what visitors read · [`proxy`]: to the origin and back |
//! | 2 | [`config`]: one checked file · [`telemetry`]: logs, metrics, access log |
//! | 1 | [`seal`]: tickets and passes · [`message`]: pieces of HTTP · [`estimate`]: how long it will take |
//! | 0 | [`mod@line`]: the rules, pure · [`clock`]: what time it is |
//!
//! # The walk of a request
//!
//! 1. [`server`] starts one worker per core: a thread with a current-thread runtime, its own `SO_REUSEPORT` listeners
//!    and its own connections to the origins. A worker accepts, speaks TLS where it is set up, and reads HTTP/1.1 or
//!    HTTP/2. Heads, bodies, times and counts have bounds.
//! 2. The request goes through `server/stack.rs`, the list of layers: the access log sees every answer; faults and
//!    panics become answers in one place; what is malformed or one too many ends there.
//! 3. [`gate::Gate`] handles it in four steps:
//!    - **route**: [`gate::Routes`] names a room, one of its own addresses, or an origin outside every room;
//!    - **recognise**: ticket and pass from cookies or headers become [`seal::Ticket`] and [`seal::Pass`], verified, or
//!      they are nothing;
//!    - **decide**: `gate/decide.rs` is a table from facts to a decision, and has no other input;
//!    - **act**: forward, show, join, ask, refuse.
//! 4. Forwarding is [`proxy`]'s: our cookies and headers come off, hop-by-hop rules are kept, bodies stream both ways,
//!    and the pass is renewed in the response when it is due.
//! 5. Where a visitor stands is read from [`room::Snapshot`] through an atomic pointer. Only three things wait for the
//!    line: a number, an entry, and the standing of a pass that has run out.
//! 6. For those, the worker's [`room::Port`] tells the room's exchanger, a task on another runtime. It gathers what all
//!    workers heard into one [`line::exchange::Exchange`] and sends it to the [`store::Store`] as soon as the one before
//!    is back, or with the tick; the [`line::exchange::Answer`] becomes the next snapshot and wakes those who wait.
//!
//! # Where each promise is kept
//!
//! | promise | where |
//! |---|---|
//! | P1 one number, one visitor | [`mod@line`] issues; (instance, sequence) settles repeats; [`seal`] binds a ticket's id |
//! | P2 first come, first called | [`mod@line`]: `head` and `tail` never fall; [`line::promises`] looks after every step |
//! | P3 the pace is a ceiling | [`mod@line`]: entry credit, the one bucket; nothing puts it in debt; leases are withheld |
//! | P4 the pace is used | [`mod@line`]: the stock of called visitors, by measured answers; less only by its guard |
//! | P5 a place is never lost | signed tickets ([`seal`]) raise the line's floors; stores keep what was issued |
//! | P6 nobody blocks the line | [`mod@line`]: calls skip the absent, and absence needs proof |
//! | P7 work in progress is safe | [`gate`]: grace before the table asks for more; [`proxy`]: sent at most once |
//! | P8 fail safe | [`room`]: what is known is shown, arrivals are counted, leases are kept; [`gate`]: a calm page and a stub |
//! | P9 waiting is nearly free | [`room`]: presence gathers at the worker; a poll is answered from the snapshot |
//! | P10 nothing forged gets in | [`seal`]: there is no unverified ticket; [`server`]: one reading of a request |
//!
//! # Why it is built this way
//!
//! - **One exchange instead of a call per act.** The work of a store follows replicas, not visitors, and there is one
//!   message to prove: the pure line, the embedded store and the script in Redis are played the same histories.
//! - **No leader.** Any exchange turns the crank: expire, accrue, issue, enter, call. A lease held by one replica would
//!   keep the rules out of Lua; it would also stop the line for as long as a lease takes to run out.
//! - **Entries are counted in four bits a number**, not one: *returning* allows a number of entries, and a flag could
//!   not tell the second from the fifth. Fifteen marks a ticket that is spent.
//! - **Turns have a clock of their own**, which stands still while nobody may enter. Deadlines need not be moved when a
//!   room is paused or its store comes back, whatever their number.
//! - **Presence is three bitmaps**, one per slice of half a window, and reading is one pass over words: a call skips the
//!   absent for free, and forgetting is dropping a bitmap.
//! - **A ticket is the durable record.** Stores may lose what they have not written; a shown ticket or pass raises the
//!   line's floors again. Therefore time in them is line time, and they name their epoch.
//! - **Arrivals are counted by slices of time, not kept one by one.** An outage costs a replica and the line a row for a
//!   tenth of a second, whoever comes in it; a signed stub has the rest. Numbers for slices are blocks, which every
//!   replica learns, so a stub is good wherever it is shown.
//! - **What is repeated after an outage may say more than before.** The line goes by the sequence number; whoever waited
//!   has a stub by then, so the repeat asks for no numbers and tells of all arrivals instead.
//! - **The embedded store is the same machine with a journal**: what changes a line is one message, so the journal is
//!   a list of exchanges, and a start replays it over the last snapshot.
//! - **Leases are amounts, granted with each answer, and count from the last answer that a replica has told it received.**
//!   So both sides know without a word from when on a silent replica may let people in, whatever was lost on the way; and
//!   whoever joins later, or another rate, cannot make the sum more than the pace.
//! - **A draw is computed on read.** An opening freezes one number, how many came early; a ticket carries its index, and
//!   `gate/visit.rs` is the one place where that becomes a number, by a permutation whose seed was committed to. One write
//!   orders a million people, and the seed's publication lets each of them check it.
//! - **Integers only in the line**: microseconds and millionths below 2⁵³, which a script's numbers hold exactly.
//! - **HMAC rather than public keys**: whoever verifies tickets is whoever signs them, thousands of times a second.

pub mod admin;
pub mod app;
pub mod cli;
pub mod clock;
pub mod config;
pub mod demo;
pub mod estimate;
#[cfg(any(test, fuzzing))]
pub mod fuzz;
pub mod gate;
pub mod line;
pub mod message;
pub mod page;
pub mod proxy;
pub mod room;
pub mod seal;
pub mod server;
pub mod store;
pub mod telemetry;
