//! The keys of a room.

use crate::config::keys::Apply;
use crate::config::keys::Default;
use crate::config::keys::Key;
use crate::config::keys::Kind;
use crate::config::keys::Section;
use crate::config::keys::Words;
use crate::config::keys::forms;
use crate::config::keys::kind::words;
use crate::config::keys::server::SECOND;
use crate::config::keys::server::seconds;
use crate::config::pattern::HostPattern;
use crate::config::pattern::PathPattern;
use crate::config::units::Span;
use crate::line::settings::INTEGER_MAX;

const HOST: Words =
    words::<HostPattern>("a host like \"booking.example.org\" or \"*.example.org\"");
const PATTERN: Words = words::<PathPattern>("a path pattern like \"/booking/*\"");
const METHOD: Words = Words {
    name: "a method like \"POST\"",
    check: |text| forms::method(text).map(drop),
};
const MOMENT: Words = Words {
    name: "a date and time like \"2026-12-03T09:00\" (in `time_zone`) or \"2026-12-03T09:00:00+01:00\"",
    check: |text| forms::moment(text).map(drop),
};

/// `[room.*]`.
pub(super) const ROOM: Section = Section {
    path: "room.*",
    about: "A room: one line in front of a set of routes of one origin. Its name (a-z, 0-9 and single hyphens, at \
            most 32, not ending in -pass) stands in paths, cookies and metrics.",
    keys: &[
        Key {
            name: "origin",
            kind: Kind::Text(Words {
                name: "an origin's name",
                check: |text| forms::section_name(text, false),
            }),
            default: Default::Required(r#""portal""#),
            apply: Apply::Live,
            why: "The origin it protects: a name under [origin].",
        },
        Key {
            name: "hosts",
            kind: Kind::List(HOST),
            default: Default::Value("[]"),
            apply: Apply::Live,
            why: "Hosts it protects; empty means every host. A star stands for any name below. Where two rooms \
                  match, the closer host wins, then the closer path.",
        },
        Key {
            name: "paths",
            kind: Kind::List(PATTERN),
            default: Default::Value(r#"["/*"]"#),
            apply: Apply::Live,
            why: "Paths it protects. A star stands for any characters within one segment; as a whole last segment it \
                  stands for everything below, the folder itself included. Case counts.",
        },
        Key {
            name: "methods",
            kind: Kind::List(METHOD),
            default: Default::Value("[]"),
            apply: Apply::Live,
            why: "Methods it protects; empty means all, which is almost always right.",
        },
        Key {
            name: "bypass",
            kind: Kind::List(PATTERN),
            default: Default::Value("[]"),
            apply: Apply::Live,
            why: "Paths among them that go straight to the origin: assets, health checks, payment webhooks. Keep it \
                  short: what is listed here is not protected.",
        },
        Key {
            name: "rate",
            kind: Kind::Rate,
            default: Default::Required(r#""120/min""#),
            apply: Apply::Live,
            why: "How many visitors really go in per second, minute or hour; a ceiling over all replicas. Begin with \
                  half of what the portal was seen to carry.",
        },
        Key {
            name: "active_max",
            kind: Kind::Integer(1, INTEGER_MAX - 1),
            default: Default::Nothing("2000"),
            apply: Apply::Live,
            why: "How many may be inside at once; none sets no limit. At least rate × the time people stay, or it, \
                  not the rate, holds the line back.",
        },
        Key {
            name: "mode",
            kind: Kind::Choice(&["open", "paused", "closed", "sold-out", "bypass", "observe"]),
            default: Default::Value(r#""open""#),
            apply: Apply::Live,
            why: "\"open\" lets people in at the pace; \"paused\" keeps the line and lets nobody in; \"closed\" and \
                  \"sold-out\" end it; \"bypass\" lets everybody through with a pass; \"observe\" does the same and \
                  counts whom it would have kept waiting.",
        },
        Key {
            name: "enter",
            kind: Kind::Choice(&["button", "auto"]),
            default: Default::Value(r#""button""#),
            apply: Apply::Live,
            why: "With \"button\" a called visitor presses one, so nobody goes in who is not there; with \"auto\" \
                  the page enters by itself.",
        },
        Key {
            name: "presence",
            kind: seconds(1, 3_600),
            default: Default::Value(r#""150s""#),
            apply: Apply::Live,
            why: "How long a visitor counts as present after it was heard from. Absent ones are passed over and keep \
                  their right. No page is told to wait longer than two fifths of it between two polls.",
        },
        Key {
            name: "turn",
            kind: seconds(1, 86_400),
            default: Default::Value(r#""10m""#),
            apply: Apply::Live,
            why: "How long a called visitor may enter on time; after that it is late and may still enter. Long enough \
                  for somebody who reads slowly.",
        },
        Key {
            name: "late_share",
            kind: Kind::Share,
            default: Default::Value("0.5"),
            apply: Apply::Live,
            why: "The least share of entries for those who missed their turn or come back, while they ask.",
        },
        Key {
            name: "pass_idle",
            kind: seconds(1, 86_400),
            default: Default::Value(r#""15m""#),
            apply: Apply::Live,
            why: "How long somebody inside may do nothing before the place inside is given on. Longer than it takes \
                  to fill in the longest form.",
        },
        Key {
            name: "pass_max",
            kind: seconds(1, 7 * 86_400),
            default: Default::Value(r#""2h""#),
            apply: Apply::Live,
            why: "How long one entry lasts at most, however busy the visitor is.",
        },
        Key {
            name: "visitor_in_flight",
            kind: Kind::Integer(0, 10_000),
            default: Default::Value("0"),
            apply: Apply::Live,
            why: "Most requests one visitor inside has at the origin at once, at each replica, open streams and WebSockets \
                  included: no single browser can hog it. Further ones wait up to a second and then get 429. A browser \
                  itself asks for six to a hundred things at once. 0 sets no limit.",
        },
        Key {
            name: "visitor_rate",
            kind: Kind::Rate,
            default: Default::Value(r#""0/s""#),
            apply: Apply::Live,
            why: "Most requests one visitor inside makes, at each replica; what two seconds allow may come at once. \
                  Further ones wait up to a second and then get 429. 0 sets no limit.",
        },
        Key {
            name: "grace",
            kind: seconds(0, 86_400),
            default: Default::Value(r#""10m""#),
            apply: Apply::Live,
            why: "How long after a pass ran out a request with a body is still forwarded, so that no form in \
                  progress is lost.",
        },
        Key {
            name: "returns",
            kind: Kind::Integer(0, 13),
            default: Default::Value("3"),
            apply: Apply::Live,
            why: "How many times somebody who idled out without finishing may come back in.",
        },
        Key {
            name: "hold",
            kind: Kind::Duration(Span::from_micros(0), Span::from_micros(10 * SECOND)),
            default: Default::Value(r#""1s""#),
            apply: Apply::Live,
            why: "A wait shorter than this is no page: the request itself waits, in line order. 0s switches it off.",
        },
        Key {
            name: "line_max",
            kind: Kind::Integer(1, 100_000_000),
            default: Default::Value("1000000"),
            apply: Apply::Live,
            why: "How many of those present may wait at once; further visitors are told that the line is full and when \
                  to try again. Whoever has not been heard from for `presence` is not counted and keeps its place. \
                  While absence is not proven (for the length of `presence` after a start, an outage, a pause or an \
                  opening) everybody with a number counts.",
        },
        Key {
            name: "guard",
            kind: Kind::Boolean,
            default: Default::Value("true"),
            apply: Apply::Live,
            why: "Whether an origin that fails those inside, or is slow with them, slows the pace by itself: it is halved \
                  every few seconds while that lasts, stopped when everything fails (but for a probe every five \
                  seconds), and comes back step by step. Places and turns are kept meanwhile.",
        },
        Key {
            name: "guard_latency",
            kind: Kind::Duration(
                Span::from_micros(SECOND / 10),
                Span::from_micros(60 * SECOND),
            ),
            default: Default::Value(r#""5s""#),
            apply: Apply::Live,
            why: "A response that begins later than this after its request counts as slow. Longer than the origin's \
                  slowest honest page under load.",
        },
        Key {
            name: "guard_share",
            kind: Kind::Share,
            default: Default::Value("0.5"),
            apply: Apply::Live,
            why: "The share of failed (no connection, no answer, status 500, 502, 503 or 504) and slow responses from \
                  which the pace is slowed, over a second of them, or ten where they are few.",
        },
        Key {
            name: "guard_recovery",
            kind: seconds(1, 3_600),
            default: Default::Value(r#""60s""#),
            apply: Apply::Live,
            why: "How long it takes, once the origin is well, from a stopped pace back to the whole `rate`.",
        },
        Key {
            name: "stock_ends",
            kind: Kind::Boolean,
            default: Default::Value("false"),
            apply: Apply::Live,
            why: "Whether the line ends when nothing is left: when the origin says `Anteroom-Stock: 0`, or an operator \
                  through the API, the room becomes \"sold-out\". If there is more later, opening it again is yours \
                  to do: set `mode` to something else and back.",
        },
        Key {
            name: "on_store_failure",
            kind: Kind::Choice(&["hold", "paced", "open"]),
            default: Default::Value(r#""hold""#),
            apply: Apply::Live,
            why: "What newcomers meet while the store is away: with \"hold\" a calm page and a signed place in the order \
                  of arrival, which becomes a number when it is back; \"paced\" lets each replica go on with the share \
                  of the last pace that the line granted it, for ten minutes at most: the line withholds it from the \
                  others for as long, also for one that was killed. Let the balancer send a visitor to the same \
                  replica then: two of them cannot know of each other's entries, and may let one in twice. Where only \
                  some are cut off, up to their share of the free places comes on top of `active_max`. \"open\" lets \
                  everybody through, which the origin has to survive.",
        },
        Key {
            name: "upgrades",
            kind: Kind::List(Words {
                name: "a protocol like \"websocket\"",
                check: forms::upgrade,
            }),
            default: Default::Value(r#"["websocket"]"#),
            apply: Apply::Live,
            why: "Protocols a connection may be upgraded to, for those inside. An open one keeps its pass alive.",
        },
        Key {
            name: "name",
            kind: Kind::Text(Words {
                name: "a name of up to 100 characters",
                check: |text| forms::line(text, 100),
            }),
            default: Default::Nothing(r#""Vaccination appointments""#),
            apply: Apply::Live,
            why: "What the service is called on the visitors' pages; without it, the room's name.",
        },
        Key {
            name: "languages",
            kind: Kind::List(Words {
                name: "a language of the pages: \"en\" or \"it\"",
                check: forms::language,
            }),
            default: Default::Value(r#"["en", "it"]"#),
            apply: Apply::Live,
            why: "Languages offered, the default first. Each visitor gets the one the browser asks for, if it is \
                  among them.",
        },
        Key {
            name: "time_zone",
            kind: Kind::Text(Words {
                name: "a zone like \"Europe/Rome\"",
                check: forms::zone,
            }),
            default: Default::Value(r#""UTC""#),
            apply: Apply::Live,
            why: "The zone of every clock time on the pages, and of `opens_at` and `closes_at`; visitors' own clocks \
                  are often wrong.",
        },
        Key {
            name: "phone",
            kind: Kind::Text(Words {
                name: "a telephone number",
                check: forms::phone,
            }),
            default: Default::Advised(r#""800 123 456""#),
            apply: Apply::Live,
            why: "Whom to call instead; stands at the same place on every page. Some of those who wait cannot do it \
                  on a screen.",
        },
        Key {
            name: "opens_at",
            kind: Kind::Text(MOMENT),
            default: Default::Nothing(r#""2026-12-03T09:00""#),
            apply: Apply::Live,
            why: "When the room opens, by the clock of the store. Until then whoever comes is early: it holds a ticket \
                  and nobody is let in. It can be moved until it has come; a line that has opened stays open. A clock \
                  time that does not exist or exists twice, as when summer time begins or ends, is refused: write its \
                  offset from UTC.",
        },
        Key {
            name: "closes_at",
            kind: Kind::Text(MOMENT),
            default: Default::Nothing(r#""2026-12-03T20:00""#),
            apply: Apply::Live,
            why: "When booking ends, by the clock of the store: the mode becomes \"closed\". To open the room again, \
                  write a later time or none.",
        },
        Key {
            name: "order",
            kind: Kind::Choice(&["arrival", "draw"]),
            default: Default::Value(r#""arrival""#),
            apply: Apply::Live,
            why: "How those who came before the opening are ordered: as they came, or by a draw anybody can check. The \
                  seed of a draw is made from the oldest key of the key file, the room, the line and `opens_at`; its \
                  hash is shown from the announcement on, the seed itself from the opening on, under \
                  /.anteroom/ROOM/draw. Whoever comes later queues behind.",
        },
    ],
};

/// `[[room.*.schedule]]`.
pub(super) const SCHEDULE: Section = Section {
    path: "room.*.schedule",
    about: "A scheduled event of a room, as often as there are events (at most 32), in the order of their times: from its \
            time on, what it names holds instead of what held before. `anteroom check --at TIME` shows what is in force.",
    keys: &[
        Key {
            name: "at",
            kind: Kind::Text(MOMENT),
            default: Default::Required(r#""2026-12-03T12:00""#),
            apply: Apply::Live,
            why: "From when on, by the clock of the store and, without an offset, in the room's `time_zone`.",
        },
        Key {
            name: "rate",
            kind: Kind::Rate,
            default: Default::Nothing(r#""240/min""#),
            apply: Apply::Live,
            why: "The room's `rate` from then on.",
        },
        Key {
            name: "active_max",
            kind: Kind::Integer(1, INTEGER_MAX - 1),
            default: Default::Nothing("4000"),
            apply: Apply::Live,
            why: "The room's `active_max` from then on.",
        },
        Key {
            name: "mode",
            kind: Kind::Choice(&["open", "paused", "closed", "sold-out", "bypass", "observe"]),
            default: Default::Nothing(r#""paused""#),
            apply: Apply::Live,
            why: "The room's `mode` from then on. Without it the mode stays what it is, also where the origin said that \
                  nothing is left.",
        },
    ],
};
