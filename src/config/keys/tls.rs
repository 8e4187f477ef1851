//! The keys of TLS towards visitors: certificates, and where they are told to use it.

use crate::config::keys::Apply;
use crate::config::keys::Default;
use crate::config::keys::Key;
use crate::config::keys::Kind;
use crate::config::keys::Section;
use crate::config::keys::Words;
use crate::config::keys::forms;
use crate::config::keys::server::ADDRESS;
use crate::config::keys::server::PATH;
use crate::config::keys::server::seconds;

/// `ocsp`, the same for every certificate.
const OCSP: Key = Key {
    name: "ocsp",
    kind: Kind::Text(PATH),
    default: Default::Nothing(r#""tls/ocsp.der""#),
    apply: Apply::Live,
    why: "An OCSP response of the certificate's authority in DER, shown with the certificate. Whoever fetches it writes \
          the file anew before it ends and orders a reload.",
};

/// `[server.tls]`.
pub(super) const TLS: Section = Section {
    path: "server.tls",
    about: "TLS for the visitors' listener, by HTTP/1.1 and HTTP/2. Without this section it speaks cleartext. Sessions are \
            resumed at every replica with the same `key_file`.",
    keys: &[
        Key {
            name: "cert",
            kind: Kind::Text(PATH),
            default: Default::Required(r#""tls/fullchain.pem""#),
            apply: Apply::LiveOnceSet,
            why: "The certificate chain in PEM, leaf first. A renewed file is taken up by a reload. It is shown to whoever \
                  names no host, or one that no certificate stands for.",
        },
        Key {
            name: "key",
            kind: Kind::Text(PATH),
            default: Default::Required(r#""tls/privkey.pem""#),
            apply: Apply::LiveOnceSet,
            why: "The certificate's private key in PEM. Keep it readable for this service only.",
        },
        OCSP,
        Key {
            name: "hsts",
            kind: seconds(0, 730 * 24 * 3_600),
            default: Default::Nothing(r#""365d""#),
            apply: Apply::Live,
            why: "How long browsers are to come to a host over TLS only, counted from each answer: \
                  Strict-Transport-Security, in the place of the origin's. Begin with minutes: it cannot be taken back \
                  from those who do not come, only ended by \"0s\" for those who do.",
        },
        Key {
            name: "hsts_subdomains",
            kind: Kind::Boolean,
            default: Default::Value("false"),
            apply: Apply::Live,
            why: "Whether `hsts` holds for every host below as well, whoever serves it.",
        },
    ],
};

/// `[server.redirect]`.
pub(super) const REDIRECT: Section = Section {
    path: "server.redirect",
    about: "A listener for cleartext that only tells to come again over TLS, by 308 with path and query. Without this \
            section there is none.",
    keys: &[
        Key {
            name: "listen",
            kind: Kind::Text(ADDRESS),
            default: Default::Required(r#""0.0.0.0:80""#),
            apply: Apply::Restart,
            why: "Where browsers come that were given a link or a name without https.",
        },
        Key {
            name: "hosts",
            kind: Kind::List(Words {
                name: "a host, with its port if that is not 443",
                check: forms::authority,
            }),
            default: Default::Required(r#"["booking.example.org"]"#),
            apply: Apply::Live,
            why: "The hosts that are redirected, each to itself. Requests for any other are answered 421, so nobody is \
                  sent where a link of somebody else's making says.",
        },
    ],
};

/// `[server.tls.certificate.*]`.
pub(super) const CERTIFICATE: Section = Section {
    path: "server.tls.certificate.*",
    about: "One more certificate, under a name of your choice: shown to whoever asks for one of the hosts it stands for, \
            stars included. For one host there may be two with keys of different kinds.",
    keys: &[
        Key {
            name: "cert",
            kind: Kind::Text(PATH),
            default: Default::Required(r#""tls/results/fullchain.pem""#),
            apply: Apply::Live,
            why: "The certificate chain in PEM, leaf first; its hosts are those in the certificate.",
        },
        Key {
            name: "key",
            kind: Kind::Text(PATH),
            default: Default::Required(r#""tls/results/privkey.pem""#),
            apply: Apply::Live,
            why: "The certificate's private key in PEM. Keep it readable for this service only.",
        },
        OCSP,
    ],
};
