//! The keys of an origin.

use crate::config::keys::Apply;
use crate::config::keys::Default;
use crate::config::keys::Key;
use crate::config::keys::Kind;
use crate::config::keys::Section;
use crate::config::keys::Words;
use crate::config::keys::forms;
use crate::config::keys::kind::words;
use crate::config::keys::server::HOUR;
use crate::config::keys::server::PATH;
use crate::config::keys::server::SECOND;
use crate::config::keys::server::seconds;
use crate::config::pattern::HostPattern;
use crate::config::units::Span;
use crate::config::url::OriginUrl;

const URL: &str = "a server's address like \"http://127.0.0.1:8000\"";

/// `[origin.*]`.
pub(super) const ORIGIN: Section = Section {
    path: "origin.*",
    about: "A portal that is protected. Its name is used by rooms and in metrics; several rooms may share it.",
    keys: &[
        Key {
            name: "url",
            kind: Kind::Text(words::<OriginUrl>(URL)),
            default: Default::RequiredUnless("urls", r#""http://127.0.0.1:8000""#),
            apply: Apply::Live,
            why: "Its one server: http or https, host and port, no path.",
        },
        Key {
            name: "urls",
            kind: Kind::List(words::<OriginUrl>(URL)),
            default: Default::Nothing(r#"["http://10.0.0.11:8000", "http://10.0.0.12:8000"]"#),
            apply: Apply::Live,
            why: "Its servers, instead of `url`, when it has several that do the same. Each request goes to the less busy of \
                  two drawn ones. What could not be sent to one goes to another, once; so does what was sent and broke \
                  off before a response, if it is a GET, HEAD, OPTIONS or TRACE without a body, for a fifth of the \
                  requests at most. Over HTTP/2 what a server says it did not process goes out again whatever it is, three \
                  times in all at most. Nothing else is ever sent twice.",
        },
        Key {
            name: "eject_after",
            kind: Kind::Integer(0, 1_000),
            default: Default::Value("3"),
            apply: Apply::Live,
            why: "Failures in a row (broken off, or no response in time) after which one of several servers is passed \
                  over; no connection does it at once. Then one request tries it: it is back, or passed over for twice \
                  as long. Where all are passed over, all are used. 0 switches it off.",
        },
        Key {
            name: "eject_max",
            kind: seconds(1, 3_600),
            default: Default::Value(r#""30s""#),
            apply: Apply::Live,
            why: "The longest time a server is passed over before it is tried again; the first is a second.",
        },
        Key {
            name: "eject_by_status",
            kind: Kind::Boolean,
            default: Default::Value("false"),
            apply: Apply::Live,
            why: "Whether an answer of 502, 503 or 504 is such a failure. Only where a server that answers so is alone \
                  with it: one that says that all is too much would leave the others with still more.",
        },
        Key {
            name: "health_path",
            kind: Kind::Text(Words {
                name: "a path like \"/health\"",
                check: |text| forms::target(text).map(drop),
            }),
            default: Default::Nothing(r#""/health""#),
            apply: Apply::Live,
            why: "A path that each replica asks each server for now and then, on a connection of its own: one that does \
                  not answer with 200 to 399 gets no requests, unless none does. Without it nothing is asked.",
        },
        Key {
            name: "health_interval",
            kind: Kind::Duration(Span::from_micros(SECOND / 2), Span::from_micros(HOUR)),
            default: Default::Value(r#""5s""#),
            apply: Apply::Live,
            why: "From one answer to the next question, give or take a tenth.",
        },
        Key {
            name: "health_timeout",
            kind: Kind::Duration(
                Span::from_micros(SECOND / 10),
                Span::from_micros(60 * SECOND),
            ),
            default: Default::Value(r#""2s""#),
            apply: Apply::Live,
            why: "How long a server may take to answer that question, connecting included.",
        },
        Key {
            name: "health_fail_after",
            kind: Kind::Integer(1, 100),
            default: Default::Value("3"),
            apply: Apply::Live,
            why: "Bad answers in a row that take a server out of use.",
        },
        Key {
            name: "health_pass_after",
            kind: Kind::Integer(1, 100),
            default: Default::Value("2"),
            apply: Apply::Live,
            why: "Good answers in a row that bring it back.",
        },
        Key {
            name: "hosts",
            kind: Kind::List(words::<HostPattern>(
                "a host like \"booking.example.org\" or \"*.example.org\"",
            )),
            default: Default::Value("[]"),
            apply: Apply::Live,
            why: "Hosts whose requests outside every room go to this origin; empty means any. Only needed with \
                  several origins.",
        },
        Key {
            name: "max_in_flight",
            kind: Kind::Integer(1, 1_000_000),
            default: Default::Value("200"),
            apply: Apply::Live,
            why: "Most requests it works on at once, over all replicas: each takes the whole divided by how many there \
                  are, rounded down but at least one. A little below what it survives; it is the last guard when \
                  those inside are busier than expected.",
        },
        Key {
            name: "connect_timeout",
            kind: Kind::Duration(
                Span::from_micros(SECOND / 10),
                Span::from_micros(60 * SECOND),
            ),
            default: Default::Value(r#""5s""#),
            apply: Apply::Live,
            why: "Longest wait for a connection, TLS included; then it counts as down.",
        },
        Key {
            name: "first_byte_timeout",
            kind: seconds(1, 3_600),
            default: Default::Value(r#""60s""#),
            apply: Apply::Live,
            why: "Longest time it may take to begin its response. Longer than its slowest honest page.",
        },
        Key {
            name: "idle_timeout",
            kind: seconds(1, 3_600),
            default: Default::Value(r#""60s""#),
            apply: Apply::Live,
            why: "Longest pause between two pieces of a response's body. Event streams need a heartbeat within it.",
        },
        Key {
            name: "total_timeout",
            kind: Kind::Duration(Span::from_micros(0), Span::from_micros(24 * HOUR)),
            default: Default::Value(r#""0s""#),
            apply: Apply::Live,
            why: "Longest response as a whole; 0s sets no limit, which long downloads and event streams need.",
        },
        Key {
            name: "keep_alive",
            kind: seconds(0, 3_600),
            default: Default::Value(r#""30s""#),
            apply: Apply::Live,
            why: "How long an unused connection is kept for the next request. Shorter than the origin's own limit, \
                  or requests meet connections it has just closed.",
        },
        Key {
            name: "keep_alive_max",
            kind: seconds(0, 86_400),
            default: Default::Value(r#""10m""#),
            apply: Apply::Live,
            why: "How long a connection is used at all, less up to a quarter, however busy: names are looked up again, and \
                  servers that came or are to go get or lose their part. 0s sets no limit.",
        },
        Key {
            name: "http2",
            kind: Kind::Boolean,
            default: Default::Value("false"),
            apply: Apply::Live,
            why: "Whether it is spoken to in HTTP/2, as gRPC needs: over https if it chooses so when offered both, over \
                  http in any case. Requests share few connections. Upgrades (WebSocket) get a connection of their own \
                  in HTTP/1.1 over https, and are answered 501 over http.",
        },
        Key {
            name: "http2_ping",
            kind: seconds(0, 3_600),
            default: Default::Value(r#""30s""#),
            apply: Apply::Live,
            why: "How long an HTTP/2 connection with requests on it may be silent before it is asked whether it is \
                  alive; it has ten seconds to say so. 0s never asks. Servers of gRPC may take frequent questions \
                  amiss.",
        },
        Key {
            name: "proxy_protocol",
            kind: Kind::Boolean,
            default: Default::Value("false"),
            apply: Apply::Live,
            why: "Whether each connection begins with the visitor's address (PROXY protocol, version 2). The origin has \
                  to expect it. Connections are then one visitor's only: it gets many more of them.",
        },
        Key {
            name: "ca_file",
            kind: Kind::Text(PATH),
            default: Default::Nothing(r#""portal-ca.pem""#),
            apply: Apply::Live,
            why: "A PEM file of authorities that sign its certificate, instead of those the platform trusts.",
        },
        Key {
            name: "server_name",
            kind: Kind::Text(Words {
                name: "a host's name like \"portal.internal\", or an address",
                check: forms::server_name,
            }),
            default: Default::Nothing(r#""portal.internal""#),
            apply: Apply::Live,
            why: "The name its certificate must be for, and that it is asked for in the handshake, where that is not the \
                  host of its address.",
        },
        Key {
            name: "cert_file",
            kind: Kind::Text(PATH),
            default: Default::Nothing(r#""anteroom.pem""#),
            apply: Apply::Live,
            why: "The certificate chain in PEM, leaf first, that it is shown where it asks for one. A renewed file is \
                  taken up by a reload, for new connections.",
        },
        Key {
            name: "key_file",
            kind: Kind::Text(PATH),
            default: Default::Nothing(r#""anteroom.key""#),
            apply: Apply::Live,
            why: "The private key of `cert_file`, in PEM; refused when others can read it.",
        },
        Key {
            name: "pass_host",
            kind: Kind::Boolean,
            default: Default::Value("true"),
            apply: Apply::Live,
            why: "Whether it sees the host the visitor asked for. Turn it off for an origin that only answers to its \
                  own name.",
        },
        Key {
            name: "host",
            kind: Kind::Text(Words {
                name: "a host like \"portal.internal\" or \"portal.internal:8443\"",
                check: forms::host,
            }),
            default: Default::Nothing(r#""portal.internal""#),
            apply: Apply::Live,
            why: "The host it sees whatever the visitor asked for, where that is neither the visitor's nor that of its \
                  address.",
        },
    ],
};
