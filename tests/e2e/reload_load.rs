//! Certificates, routes and origin servers are replaced again and again under load, and no request fails.

use std::fs;
use std::net::SocketAddr;
use std::path::Path;
use std::sync::Arc;

use rcgen::CertifiedKey;
use rustls::ClientConfig;
use rustls::RootCertStore;
use tempfile::TempDir;

use crate::load::Load;
use crate::load::page_at;
use crate::stage::MANY;
use crate::stage::is_full;
use crate::stage::replace;
use crate::support::anteroom;
use crate::support::anteroom::Anteroom;
use crate::support::anteroom::Place;
use crate::support::origin::Answer;
use crate::support::origin::Origin;

/// How often each thing is replaced.
fn times() -> usize {
    if is_full() { 20 } else { 5 }
}

/// What the file says where it does not always say the same.
#[derive(Debug, Clone, Copy)]
struct Says<'a> {
    /// Where the origin `portal` is.
    portal: SocketAddr,
    /// Where the origin `other` is.
    other: SocketAddr,
    /// Which of them the room is in front of.
    origin: &'a str,
    /// The room's routes.
    paths: &'a str,
    /// The folder with `cert.pem` and `key.pem`, if it is served over TLS.
    tls: Option<&'a Path>,
}

impl Says<'_> {
    fn text(&self, place: &Place) -> String {
        let tls = self.tls.map(|folder| {
            let folder = folder.display();
            format!("[server.tls]\ncert = \"{folder}/cert.pem\"\nkey = \"{folder}/key.pem\"\n")
        });
        format!(
            "[server]\nlisten = \"{}\"\nworkers = 2\n{}[admin]\nlisten = \"{}\"\n\
             [origin.portal]\nurl = \"http://{}\"\n\
             [origin.other]\nurl = \"http://{}\"\nhosts = [\"other.example\"]\n\
             [room.main]\norigin = \"{}\"\npaths = {}\nrate = \"{MANY}\"\nphone = \"800 123 456\"\n",
            place.server,
            tls.unwrap_or_default(),
            place.admin,
            self.portal,
            self.other,
            self.origin,
            self.paths,
        )
    }
}

fn named(name: &'static str) -> Origin {
    Origin::answering(move |_| Answer::page(name))
}

/// Puts another file in force; it is when this returns.
fn reload(anteroom: &Anteroom, says: &Says<'_>) {
    replace(anteroom, &says.text(anteroom.place()));
    let file = anteroom.config();
    let ordered = anteroom::run(&["reload", "--config", file.to_str().unwrap()]);
    assert!(
        ordered.status.success(),
        "{}",
        String::from_utf8_lossy(&ordered.stderr)
    );
}

fn any_of_them(page: &str) -> bool {
    matches!(page, "first" | "second" | "other")
}

fn not_the_other(page: &str) -> bool {
    matches!(page, "first" | "second")
}

/// Replaces routes and origin servers under load, over TLS or not.
fn routes_and_servers(tls: Option<(&Path, Arc<ClientConfig>)>) {
    let (first, second, other) = (named("first"), named("second"), named("other"));
    let begin = Says {
        portal: first.addr(),
        other: other.addr(),
        origin: "portal",
        paths: "[\"/booking/*\"]",
        tls: tls.as_ref().map(|(folder, _)| *folder),
    };
    let anteroom = Anteroom::start(|place| begin.text(place));
    let tls = tls.map(|(_, client)| client);
    let load = Load::entered(
        anteroom.addr(),
        tls,
        // The room's pages, whoever has them, and those that are outside of it now and then.
        &[
            ("/booking/", any_of_them),
            ("/info/", any_of_them),
            ("/outside", not_the_other),
        ],
    );
    let is_answered_by = |path: &str, name: &str| assert_eq!(load.page(path).unwrap(), name);
    load.during(|| {
        for _ in 0..times() {
            // Another server.
            let moved = Says {
                portal: second.addr(),
                ..begin
            };
            reload(&anteroom, &moved);
            is_answered_by("/booking/", "second");
            is_answered_by("/outside", "second");
            // Another origin for the room, and none of the rest.
            let elsewhere = Says {
                origin: "other",
                ..moved
            };
            reload(&anteroom, &elsewhere);
            is_answered_by("/booking/", "other");
            is_answered_by("/info/", "second");
            // More routes for it.
            let wider = Says {
                paths: "[\"/booking/*\", \"/info/*\"]",
                ..elsewhere
            };
            reload(&anteroom, &wider);
            is_answered_by("/info/", "other");
            is_answered_by("/outside", "second");
            reload(&anteroom, &begin);
            is_answered_by("/info/", "first");
            load.goes_on();
        }
    });
}

/// A new certificate for `localhost` in the place of the one in this folder.
fn new_certificate(folder: &Path, trusted: &mut RootCertStore) {
    let CertifiedKey { cert, signing_key } =
        rcgen::generate_simple_self_signed(["localhost".to_owned()]).unwrap();
    for (name, text) in [
        ("cert.pem", cert.pem()),
        ("key.pem", signing_key.serialize_pem()),
    ] {
        let fresh = folder.join("fresh");
        fs::write(&fresh, text).unwrap();
        fs::rename(&fresh, folder.join(name)).unwrap();
    }
    trusted.add(cert.der().clone()).unwrap();
}

fn client(trusted: RootCertStore) -> Arc<ClientConfig> {
    let provider = Arc::new(rustls::crypto::aws_lc_rs::default_provider());
    let config = ClientConfig::builder_with_provider(provider);
    let config = config.with_safe_default_protocol_versions().unwrap();
    Arc::new(config.with_root_certificates(trusted).with_no_client_auth())
}

#[test]
fn routes_and_servers_are_replaced_without_a_failed_request() {
    routes_and_servers(None);
}

#[test]
fn routes_and_servers_are_replaced_over_tls_without_a_failed_request() {
    let (folder, mut trusted) = (TempDir::new().unwrap(), RootCertStore::empty());
    new_certificate(folder.path(), &mut trusted);
    routes_and_servers(Some((folder.path(), client(trusted))));
}

#[test]
fn certificates_are_replaced_without_a_failed_request() {
    let folder = TempDir::new().unwrap();
    let origin = named("first");
    // Those to come are made first: a client that is there already trusts them.
    let (mut all, mut made) = (RootCertStore::empty(), Vec::new());
    for _ in 0..=times() {
        let next = TempDir::new().unwrap();
        let mut alone = RootCertStore::empty();
        new_certificate(next.path(), &mut alone);
        all.roots.extend(alone.roots.iter().cloned());
        made.push((next, alone));
    }
    let take = |from: &TempDir| {
        for name in ["key.pem", "cert.pem"] {
            fs::rename(from.path().join(name), folder.path().join(name)).unwrap();
        }
    };
    let says = Says {
        portal: origin.addr(),
        other: origin.addr(),
        origin: "portal",
        paths: "[\"/booking/*\"]",
        tls: Some(folder.path()),
    };
    let mut made = made.into_iter();
    take(&made.next().unwrap().0);
    let anteroom = Anteroom::start(|place| says.text(place));
    let tls = Some(client(all));
    let load = Load::entered(
        anteroom.addr(),
        tls,
        &[("/booking/", |page| page == "first")],
    );
    load.during(|| {
        for (next, alone) in made {
            let alone = Some(client(alone));
            let before = page_at(anteroom.addr(), alone.as_ref(), "/outside");
            assert!(before.is_err(), "it has the new certificate already");
            take(&next);
            reload(&anteroom, &says);
            let page = page_at(anteroom.addr(), alone.as_ref(), "/outside");
            assert_eq!(page.unwrap(), "first");
            load.goes_on();
        }
    });
}
