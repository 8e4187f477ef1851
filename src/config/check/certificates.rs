//! Certificates: files that fit together and are in their time, and a certificate for every host.

use std::collections::BTreeMap;

use jiff::Timestamp;
use rustls::SignatureAlgorithm;

use crate::clock;
use crate::config::certificate::Certificate;
use crate::config::certificate::covers;
use crate::config::check::Check;
use crate::config::fault::Code;
use crate::config::fault::Fault;
use crate::config::read::Reading;
use crate::config::server::CertificateFiles;
use crate::config::server::DEFAULT_CERTIFICATE;
use crate::config::server::Hsts;
use crate::config::server::Tls;
use crate::config::values::Values;

/// A name, and a kind of key: there is use for one certificate of each.
type Claim = (String, SignatureAlgorithm);

/// The names that certificates stand for.
#[derive(Default)]
pub(super) struct Names {
    all: Vec<String>,
    /// With the section of the certificate that is shown for it.
    claims: Vec<(Claim, String)>,
    /// Whether there is a certificate whose names could not be read.
    is_unknown: bool,
}

impl Check<'_> {
    pub(super) fn tls(&mut self, values: &Values, reading: &Reading) -> Tls {
        let mut names = Names::default();
        let default = self.certificate(values, &mut names);
        let mut certificates = BTreeMap::new();
        for values in reading.all("server.tls.certificate.*") {
            if values.name() == DEFAULT_CERTIFICATE {
                let reason = "the certificate of [server.tls] goes by this name";
                let fault = Fault::new(
                    Code::Conflict,
                    "a name that is taken",
                    reason,
                    "use another",
                );
                self.note(values, "cert", fault);
            }
            let files = self.certificate(values, &mut names);
            certificates.insert(values.name().to_owned(), files);
        }
        if self.surroundings.files && !names.is_unknown {
            self.hosts_without_certificate(reading, &names);
        }
        let hsts = values.written("hsts").then(|| Hsts {
            max_age: values.duration("hsts"),
            subdomains: values.flag("hsts_subdomains"),
        });
        Tls {
            default,
            certificates,
            hsts,
        }
    }

    /// One certificate's files; what is wrong with them where they can be looked at.
    fn certificate(&mut self, values: &Values, names: &mut Names) -> CertificateFiles {
        let before = self.problems.len();
        let cert = self.file(values, "cert");
        let key = self.file(values, "key");
        let ocsp = self.file(values, "ocsp");
        let is_there = cert.is_some() && key.is_some() && self.problems.len() == before;
        let files = CertificateFiles {
            cert: cert.unwrap_or_default(),
            key: key.unwrap_or_default(),
            ocsp,
        };
        if !self.surroundings.files {
            return files;
        }
        if !is_there {
            names.is_unknown = true;
            return files;
        }
        match Certificate::load(&files, &rustls::crypto::aws_lc_rs::default_provider()) {
            Ok(certificate) => {
                self.in_its_time(values, &certificate);
                self.claims(values, &certificate, names);
            }
            Err(error) => {
                names.is_unknown = true;
                let message = format!("cannot use {}", error.path.display());
                let remedy =
                    "a chain and its key belong together, in PEM; a stapled response is DER";
                let fault = Fault::new(Code::BadCertificate, message, error.cause, remedy);
                self.note(values, error.key, fault);
            }
        }
        files
    }

    fn in_its_time(&mut self, values: &Values, certificate: &Certificate) {
        let now_s = i64::try_from(clock::wall_us() / 1_000_000).unwrap_or(i64::MAX);
        let at = |seconds| Timestamp::from_second(seconds).unwrap_or(Timestamp::MAX);
        let (message, reason) = if certificate.ends_s < now_s {
            let ended = at(certificate.ends_s);
            (
                "a certificate that has ended",
                format!("it was good until {ended}"),
            )
        } else if certificate.begins_s > now_s {
            let begins = at(certificate.begins_s);
            (
                "a certificate that has not begun",
                format!("it is good from {begins} on"),
            )
        } else {
            return;
        };
        let remedy = "renew it, and look at the clock; browsers refuse it";
        let fault = Fault::new(Code::CertificateTime, message, reason, remedy);
        self.note(values, "cert", fault);
    }

    fn claims(&mut self, values: &Values, certificate: &Certificate, names: &mut Names) {
        let kind = certificate.certified.key.algorithm();
        let is_named = values.section.is_named();
        if is_named && certificate.names.is_empty() {
            let reason = "it has no subject alternative names, and browsers look at no others";
            let fault = Fault::new(
                Code::CertificateNames,
                "a certificate for no host",
                reason,
                "leave it out",
            );
            self.note(values, "cert", fault);
        }
        for name in &certificate.names {
            let claim = (name.clone(), kind);
            match names.claims.iter().find(|(other, _)| *other == claim) {
                Some((_, section)) => {
                    let message = "two certificates for one host";
                    let reason = format!("for {name} the one of [{section}] is shown");
                    let remedy = "leave one out; with a key of another kind both would be of use";
                    let fault = Fault::new(Code::CertificateNames, message, reason, remedy);
                    self.note(values, "cert", fault);
                    break;
                }
                None => names.claims.push((claim, values.path.clone())),
            }
        }
        names.all.extend(certificate.names.iter().cloned());
    }

    /// Whoever opens a host that no certificate stands for is warned off by the browser.
    fn hosts_without_certificate(&mut self, reading: &Reading, names: &Names) {
        let sections = ["server.redirect", "origin.*", "room.*"];
        for values in sections.iter().flat_map(|path| reading.all(path)) {
            for (host, span) in values.list("hosts") {
                let port = host.rsplit_once(':').filter(|_| !host.ends_with(']'));
                let host = port.map_or(host.as_str(), |(name, _)| name);
                if covers(&names.all, host) {
                    continue;
                }
                let reason =
                    "browsers refuse the connection: none of the certificates has this name";
                let fault = Fault::new(
                    Code::NotCertified,
                    "a host without a certificate",
                    reason,
                    "add a certificate for it: [server.tls.certificate.…]",
                );
                let problem = values.problem_at("hosts", fault, span.clone());
                self.problems.push(problem);
            }
        }
    }
}
