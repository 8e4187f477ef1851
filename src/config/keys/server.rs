//! The keys of the replica itself: listeners, store, signing keys and logs.

use crate::config::keys::Apply;
use crate::config::keys::Default;
use crate::config::keys::Key;
use crate::config::keys::Kind;
use crate::config::keys::Section;
use crate::config::keys::Words;
use crate::config::keys::forms;
use crate::config::keys::kind::words;
use crate::config::units::Size;
use crate::config::units::Span;
use crate::config::url::ExternalUrl;
use crate::config::url::StoreUrl;

/// One second, in the unit durations are counted in.
pub(super) const SECOND: u64 = 1_000_000;
/// One hour.
pub(super) const HOUR: u64 = 3_600 * SECOND;

/// A duration in this range of seconds.
pub(super) const fn seconds(least: u64, most: u64) -> Kind {
    Kind::Duration(
        Span::from_micros(least * SECOND),
        Span::from_micros(most * SECOND),
    )
}

/// A file's path.
pub(super) const PATH: Words = Words {
    name: "a path",
    check: forms::path,
};

/// An address to listen on.
pub(super) const ADDRESS: Words = Words {
    name: "an address and port",
    check: |text| forms::address(text).map(drop),
};
const ADDRESS_OR_OFF: Words = Words {
    name: "an address and port, or \"off\"",
    check: |text| {
        if text == "off" {
            Ok(())
        } else {
            forms::address(text).map(drop)
        }
    },
};
const NETWORK: Words = Words {
    name: "a network",
    check: |text| forms::network(text).map(drop),
};

/// `[server]`.
pub(super) const SERVER: Section = Section {
    path: "server",
    about: "The listener visitors reach, and what one connection may cost.",
    keys: &[
        Key {
            name: "listen",
            kind: Kind::List(ADDRESS),
            default: Default::Value(r#""0.0.0.0:8080""#),
            apply: Apply::Restart,
            why: "Where visitors connect. Every worker listens on each address by itself, so the kernel spreads \
                  connections over the cores. Use \"[::]:8080\" for IPv6 and IPv4 together. A socket that systemd \
                  hands over for one of these addresses takes its place.",
        },
        Key {
            name: "workers",
            kind: Kind::Integer(0, 1024),
            default: Default::Value("0"),
            apply: Apply::Restart,
            why: "Worker threads; 0 starts one per core. Fewer leave room for an origin on the same machine.",
        },
        Key {
            name: "external_url",
            kind: Kind::Text(words::<ExternalUrl>(
                "an address like \"https://booking.example.org\"",
            )),
            default: Default::Nothing(r#""https://booking.example.org""#),
            apply: Apply::Live,
            why: "What visitors type, when a load balancer in front ends TLS without telling so in Forwarded or \
                  X-Forwarded-Proto. It decides whether cookies are Secure and how links are written.",
        },
        Key {
            name: "trusted_proxies",
            kind: Kind::List(NETWORK),
            default: Default::Value("[]"),
            apply: Apply::Live,
            why: "Networks of your own load balancers. Only their Forwarded and X-Forwarded-* headers are believed; \
                  everybody else's are replaced, or visitors could claim any address.",
        },
        Key {
            name: "proxy_protocol",
            kind: Kind::List(NETWORK),
            default: Default::Value("[]"),
            apply: Apply::Restart,
            why: "Networks of load balancers that pass connections on as they are and begin each with a PROXY protocol \
                  header, version 1 or 2: the address it tells is the visitor's. From these networks a connection \
                  without a header is closed within `handshake_timeout`; from others a header is no HTTP.",
        },
        Key {
            name: "exempt_networks",
            kind: Kind::List(NETWORK),
            default: Default::Value(
                r#"["127.0.0.0/8", "10.0.0.0/8", "172.16.0.0/12", "192.168.0.0/16", "::1/128", "fc00::/7"]"#,
            ),
            apply: Apply::Live,
            why: "Networks that the limits per address (`max_connections_per_address`, `max_joins_per_address`) say \
                  nothing of: monitoring, a load test, and whatever has a private address, which may be a balancer \
                  that all visitors come through. Those of `trusted_proxies` are exempt by themselves; of whoever \
                  comes through them, joins count by the address they tell.",
        },
        Key {
            name: "prefix",
            kind: Kind::Text(Words {
                name: "a path like \"/.anteroom/\"",
                check: forms::prefix,
            }),
            default: Default::Value(r#""/.anteroom/""#),
            apply: Apply::Restart,
            why: "Where anteroom's own pages live on every host. Change it only if the origin uses this path itself.",
        },
        Key {
            name: "drain",
            kind: seconds(0, 3_600),
            default: Default::Value(r#""30s""#),
            apply: Apply::Live,
            why: "How long a stopping replica lets requests in flight finish before it cuts them. What was on its \
                  way when it was told to stop is served within the first second of it.",
        },
        Key {
            name: "handshake_timeout",
            kind: seconds(1, 60),
            default: Default::Value(r#""10s""#),
            apply: Apply::Restart,
            why: "Longest TLS handshake. A slow phone needs a few seconds; a client that never finishes holds a \
                  connection.",
        },
        Key {
            name: "header_timeout",
            kind: seconds(1, 120),
            default: Default::Value(r#""15s""#),
            apply: Apply::Restart,
            why: "Longest time a request's header section may take to arrive; bounds clients that send a byte at a \
                  time.",
        },
        Key {
            name: "body_timeout",
            kind: seconds(1, 600),
            default: Default::Value(r#""60s""#),
            apply: Apply::Live,
            why: "Longest pause between two pieces of a request's body, so that a slow upload is fine and a dead one \
                  is not kept.",
        },
        Key {
            name: "min_body_rate",
            kind: Kind::Speed(Size::from_bytes(0), Size::from_bytes(1 << 20)),
            default: Default::Value(r#""500 B/s""#),
            apply: Apply::Live,
            why: "What a client has to keep up while it sends a request's body: pauses use up `body_timeout`, and what it \
                  sends gives it back at this rate, so that a byte now and then is ended (408) after little more than \
                  that, and a phone in a tunnel goes on. The slowest mobile networks carry some 2 KiB/s; \"0 B/s\" \
                  leaves only `body_timeout`.",
        },
        Key {
            name: "send_timeout",
            kind: seconds(1, 600),
            default: Default::Value(r#""60s""#),
            apply: Apply::Restart,
            why: "How long a client may take nothing of a response that is there for it. It counts for each HTTP/2 \
                  stream by itself; a response that waits for the origin, as an event stream does, is not concerned.",
        },
        Key {
            name: "min_send_rate",
            kind: Kind::Speed(Size::from_bytes(0), Size::from_bytes(1 << 20)),
            default: Default::Value(r#""500 B/s""#),
            apply: Apply::Restart,
            why: "What a client has to keep up while it takes a response, over `send_timeout` and the time of 64 KiB at \
                  this rate. It ends clients that read a few bytes now and then to hold connections of the origin; \
                  \"0 B/s\" leaves only `send_timeout`.",
        },
        Key {
            name: "idle_timeout",
            kind: seconds(1, 3_600),
            default: Default::Value(r#""75s""#),
            apply: Apply::Restart,
            why: "How long a connection with no request on it is kept. Longer than a poll interval spares waiting \
                  visitors a new handshake at each poll.",
        },
        Key {
            name: "max_connections",
            kind: Kind::Integer(1, 1_000_000),
            default: Default::Value("50000"),
            apply: Apply::Restart,
            why: "Most connections at once, over all workers; one that was upgraded counts until it ends. Each costs a \
                  file descriptor and some kilobytes; further ones wait in the kernel. Where the system allows fewer \
                  files, as many are kept back as requests may be in flight to the origins, twice as many for origins \
                  of rooms with upgrades (at most half), so that those inside are served. From nine \
                  tenths on, those that do nothing get a tenth of their time, and ten seconds at most.",
        },
        Key {
            name: "max_unsent_bytes",
            kind: Kind::Size(Size::from_bytes(1 << 20), Size::from_bytes(1 << 40)),
            default: Default::Value(r#""256 MiB""#),
            apply: Apply::Restart,
            why: "Most bytes of responses that wait in memory for clients over HTTP/2, over all workers. A client may keep \
                  a hundred responses waiting on a connection; beyond this bound the connections that hold most are cut.",
        },
        Key {
            name: "max_connections_per_address",
            kind: Kind::Integer(0, 1_000_000),
            default: Default::Value("5000"),
            apply: Apply::Live,
            why: "Most connections at once from one client address (IPv6: from one /64), over all workers; further ones \
                  are closed as they come. Behind one IPv4 address of a mobile network may be a thousand phones with a \
                  few connections each, so keep it high; 0 sets no limit.",
        },
        Key {
            name: "max_joins_per_address",
            kind: Kind::Integer(0, 1_000_000),
            default: Default::Value("5000"),
            apply: Apply::Live,
            why: "Most numbers of one room that newcomers from one address (IPv6: from one /64, and sixteen times as many \
                  from one /48) are given at once; they come back evenly within ten minutes. Who comes on top gets a \
                  calm page (429) that comes back by itself. Whoever has a ticket is not concerned. Each replica counts \
                  by itself; 0 sets no limit.",
        },
        Key {
            name: "max_streams",
            kind: Kind::Integer(1, 1_000),
            default: Default::Value("100"),
            apply: Apply::Restart,
            why: "Most HTTP/2 requests at once on one connection. Browsers use a few dozen.",
        },
        Key {
            name: "max_header_bytes",
            kind: Kind::Size(Size::from_bytes(8 << 10), Size::from_bytes(1 << 20)),
            default: Default::Value(r#""32 KiB""#),
            apply: Apply::Restart,
            why: "Largest header section of a request; a larger one is answered 431. Raise it if the origin sets \
                  very large cookies.",
        },
        Key {
            name: "max_body_bytes",
            kind: Kind::Size(Size::from_bytes(0), Size::from_bytes(1 << 40)),
            default: Default::Value(r#""100 MiB""#),
            apply: Apply::Live,
            why: "Largest body of a request; a larger one is answered 413. Bodies are streamed, so this costs no \
                  memory here.",
        },
    ],
};

/// `[admin]`.
pub(super) const ADMIN: Section = Section {
    path: "admin",
    about: "The listener of operators and monitoring: /metrics, /livez, /readyz and the API. Never expose it to \
            visitors.",
    keys: &[
        Key {
            name: "listen",
            kind: Kind::Text(ADDRESS_OR_OFF),
            default: Default::Value(r#""127.0.0.1:9090""#),
            apply: Apply::Restart,
            why: "Where operators connect; \"off\" for nowhere. On loopback everybody on the machine may call it; \
                  any other address needs a bearer token.",
        },
        Key {
            name: "token_file",
            kind: Kind::Text(PATH),
            default: Default::Nothing(r#""admin.token""#),
            apply: Apply::LiveOnceSet,
            why: "A file with the bearer token every caller must send. ANTEROOM_ADMIN_TOKEN in the environment does \
                  the same. A new token in the file is taken up by a reload.",
        },
    ],
};

/// `[store]`.
pub(super) const STORE: Section = Section {
    path: "store",
    about: "Where the rooms' lines live. Every replica that shares a line names the same store and prefix.",
    keys: &[
        Key {
            name: "url",
            kind: Kind::Text(words::<StoreUrl>("\"memory:\", or an address of Redis")),
            default: Default::Value(r#""memory:""#),
            apply: Apply::Restart,
            why: "\"memory:\" keeps lines in this process with a snapshot on disk: right for one replica. Redis 6.2 or \
                  newer, or Valkey, lets any number of replicas share them: redis://[user@]host:6379/0, \
                  redis+unix:///run/redis.sock, redis+sentinel://host1:26379,host2:26379/name/0 for the primary that \
                  sentinels know by a name, redis+cluster://host1:6379,host2:6379 for a cluster. rediss instead of \
                  redis is TLS, to the sentinels as well.",
        },
        Key {
            name: "path",
            kind: Kind::Text(PATH),
            default: Default::Value(r#""anteroom.store""#),
            apply: Apply::Restart,
            why: "The folder of the embedded store's snapshot and journal. Put it on a disk that outlives the \
                  process; Redis does not use it.",
        },
        Key {
            name: "prefix",
            kind: Kind::Text(Words {
                name: "up to 32 letters, digits, - and _",
                check: forms::store_prefix,
            }),
            default: Default::Value(r#""anteroom""#),
            apply: Apply::Restart,
            why: "The first part of every key in Redis. Change it when several installations share one Redis; \
                  changing it later starts new lines.",
        },
        Key {
            name: "password_file",
            kind: Kind::Text(PATH),
            default: Default::Nothing(r#""redis.password""#),
            apply: Apply::Restart,
            why: "A file with the store's password. ANTEROOM_STORE_PASSWORD in the environment does the same; the \
                  user's name, if any, stands in the address.",
        },
        Key {
            name: "sentinel_password_file",
            kind: Kind::Text(PATH),
            default: Default::Nothing(r#""sentinel.password""#),
            apply: Apply::Restart,
            why: "A file with the password that the sentinels themselves ask for, if they do. \
                  ANTEROOM_SENTINEL_PASSWORD in the environment does the same.",
        },
        Key {
            name: "ca_file",
            kind: Kind::Text(PATH),
            default: Default::Nothing(r#""redis-ca.pem""#),
            apply: Apply::Restart,
            why: "With rediss://, a PEM file of authorities that sign the store's certificates, instead of those the \
                  platform trusts.",
        },
        Key {
            name: "cert_file",
            kind: Kind::Text(PATH),
            default: Default::Nothing(r#""redis-client.pem""#),
            apply: Apply::Restart,
            why: "With rediss://, the certificate chain in PEM that this replica shows, leaf first. Redis asks for one \
                  unless it is told `tls-auth-clients no`.",
        },
        Key {
            name: "key_file",
            kind: Kind::Text(PATH),
            default: Default::Nothing(r#""redis-client.key""#),
            apply: Apply::Restart,
            why: "The private key of `cert_file`, in PEM. Keep it readable for this service only.",
        },
        Key {
            name: "connect_timeout",
            kind: Kind::Duration(
                Span::from_micros(SECOND / 10),
                Span::from_micros(30 * SECOND),
            ),
            default: Default::Value(r#""2s""#),
            apply: Apply::Restart,
            why: "Longest wait for a connection to the store; then it counts as away and is tried again.",
        },
        Key {
            name: "command_timeout",
            kind: Kind::Duration(
                Span::from_micros(SECOND / 10),
                Span::from_micros(30 * SECOND),
            ),
            default: Default::Value(r#""2s""#),
            apply: Apply::Restart,
            why: "Longest wait for one exchange with the store. It takes a millisecond or two; a much longer one \
                  means the store is in trouble.",
        },
    ],
};

/// `[tickets]`.
pub(super) const TICKETS: Section = Section {
    path: "tickets",
    about: "The keys tickets and passes are signed with. Every replica of a room needs the same file.",
    keys: &[Key {
        name: "key_file",
        kind: Kind::Text(PATH),
        default: Default::Value(r#""ticket.keys""#),
        apply: Apply::Live,
        why: "Created when missing, with mode 0600; refused when others can read it. The newest key signs and all \
              verify, so keys are rotated by adding one.",
    }],
};

/// `[log]`.
pub(super) const LOG: Section = Section {
    path: "log",
    about: "Log lines go to standard error, the access log where you say. Neither ever holds cookies, tickets or \
            query strings.",
    keys: &[
        Key {
            name: "level",
            kind: Kind::Choice(&["error", "warn", "info", "debug", "trace"]),
            default: Default::Value(r#""info""#),
            apply: Apply::Live,
            why: "The least severe lines written. \"debug\" explains single decisions and is too much for a rush.",
        },
        Key {
            name: "format",
            kind: Kind::Choice(&["text", "json"]),
            default: Default::Value(r#""text""#),
            apply: Apply::Restart,
            why: "\"text\" for people, \"json\" for a log collector; it holds for the access log as well.",
        },
        Key {
            name: "access",
            kind: Kind::Text(Words {
                name: "\"off\", \"stdout\" or a path",
                check: forms::path,
            }),
            default: Default::Value(r#""off""#),
            apply: Apply::Restart,
            why: "Where one line per request goes. A file is reopened on SIGUSR1, so that it can be rotated. Lines \
                  hold visitors' addresses: keep them no longer than you may.",
        },
    ],
};
