//! The keys of TLS towards visitors: certificates, and where they are told to use it.

use crate::config::keys::Apply;
use crate::config::keys::Default;
use crate::config::keys::Key;
use crate::config::keys::Kind;
use crate::config::keys::Section;
use crate::config::keys::server::PATH;

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
