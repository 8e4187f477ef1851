//! A Redis that asks for a certificate, a user and a password, as the configuration names them, and refuses them first.

use std::fs;

use rcgen::BasicConstraints;
use rcgen::CertificateParams;
use rcgen::CertifiedIssuer;
use rcgen::DnType;
use rcgen::IsCa;
use rcgen::KeyPair;
use tempfile::TempDir;

use crate::stage::MANY;
use crate::stage::SOON;
use crate::stage::Toml;
use crate::stage::join;
use crate::stage::try_join;
use crate::support::anteroom::Anteroom;
use crate::support::free_addr;
use crate::support::origin::Origin;
use crate::support::redis::Redis;
use crate::support::wait_for;

/// A Redis with TLS, and the file of the authority that signed its certificate.
fn guarded(dir: &TempDir) -> (Redis, u16) {
    let mut params = CertificateParams::new(Vec::new()).unwrap();
    // A name of its own: one whose issuer has the same name as itself would count as signed by itself.
    params
        .distinguished_name
        .push(DnType::CommonName, "our authority");
    params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
    let authority = CertifiedIssuer::self_signed(params, KeyPair::generate().unwrap()).unwrap();
    let key = KeyPair::generate().unwrap();
    let params = CertificateParams::new(vec!["127.0.0.1".to_owned()]).unwrap();
    let certificate = params.signed_by(&key, &authority).unwrap();
    let write = |name: &str, text: String| {
        let path = dir.path().join(name);
        fs::write(&path, text).unwrap();
        path.display().to_string()
    };
    let ca = write("ca.pem", authority.pem());
    let certificate = write("cert.pem", certificate.pem());
    let key = write("key.pem", key.serialize_pem());
    let port = free_addr().port();
    let options = [
        ["--tls-port", &port.to_string()],
        ["--tls-cert-file", &certificate],
        ["--tls-key-file", &key],
        ["--tls-ca-cert-file", &ca],
        ["--tls-auth-clients", "yes"],
    ];
    (Redis::start_with(options.as_flattened()), port)
}

#[test]
fn a_redis_with_tls_and_users_is_used_once_it_believes_us_and_its_refusal_is_told_once() {
    let dir = TempDir::new().unwrap();
    let (mut redis, port) = guarded(&dir);
    let made = redis.ask("ACL SETUSER booking on >battery-staple ~{rush:* +@all");
    assert!(made.starts_with("+OK"), "{made}");
    let file = |name: &str| dir.path().join(name).display().to_string();
    fs::write(file("redis.password"), "correct-horse\n").unwrap();
    let more = format!(
        "[store]\nurl = \"rediss://booking@127.0.0.1:{port}/1\"\nca_file = \"{}\"\ncert_file = \"{}\"\n\
         key_file = \"{}\"\npassword_file = \"{}\"\n\
         prefix = \"rush\"\n[tickets]\nkey_file = \"{}\"",
        file("ca.pem"),
        file("cert.pem"),
        file("key.pem"),
        file("redis.password"),
        file("ticket.keys"),
    );
    let toml = Toml {
        more: &more,
        ..Toml::rate(MANY)
    };
    let origin = Origin::start();
    let replica = Anteroom::start_unready(|place| toml.text(place, origin.addr()));
    // Several attempts are refused, and told once.
    wait_for("it was refused a few times", SOON, || {
        let errors = replica.metric("anteroom_exchange_errors_total{room=\"main\"}")?;
        (errors >= 3.0).then_some(())
    });
    assert_eq!(replica.readyz().status, 503);
    assert!(try_join(replica.addr(), &[]).json()["number"].is_null());
    let log = replica.log_all();
    let told: Vec<_> = log
        .lines()
        .filter(|line| line.contains("the store"))
        .collect();
    assert_eq!(told.len(), 1, "{log}");
    assert!(
        told[0].contains("refuses the user or the password"),
        "{log}"
    );
    // Another reason is news, again told once.
    redis.kill();
    wait_for("it is told that nobody answers", SOON, || {
        let log = replica.log_all();
        let told = log.matches("the store cannot be used yet").count();
        (told > 0).then(|| assert_eq!(told, 1, "{log}"))
    });
    redis.restart();
    // The operator gives the user the right password.
    redis.ask("ACL SETUSER booking on >correct-horse ~{rush:* +@all");
    wait_for("it is ready by itself", SOON, || {
        (replica.readyz().status == 200).then_some(())
    });
    // The first number is of whoever came meanwhile.
    assert_eq!(join(replica.addr()).number, 2);
    assert_eq!(redis.ask("DBSIZE"), ":0\r\n+OK\r\n", "the other database");
    let keys = redis.ask("INFO keyspace");
    assert!(keys.contains("db1:"), "{keys}");
    let log = replica.log_all();
    assert!(log.contains("the store is back"), "{log}");
    assert!(!log.contains("horse") && !log.contains("staple"), "{log}");
}
