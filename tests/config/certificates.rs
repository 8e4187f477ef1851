//! What a check says of certificates: files that are there, fit together, are in their time, and have every host.

use std::fs;
use std::path::Path;

use anteroom::config;
use anteroom::config::Loaded;
use anteroom::config::Report;
use anteroom::config::Surroundings;
use tempfile::TempDir;

/// A folder with certificates in it.
struct Folder(TempDir);

#[expect(
    clippy::unwrap_used,
    reason = "in a test, what cannot be had is a failure"
)]
impl Folder {
    fn new() -> Self {
        Self(TempDir::new().unwrap())
    }

    /// Makes `<name>.pem` and `<name>.key` for these hosts, good from and until these years.
    fn certificate(&self, name: &str, hosts: &[&str], years: [i32; 2]) {
        let hosts: Vec<_> = hosts.iter().map(|host| (*host).to_owned()).collect();
        let mut params = rcgen::CertificateParams::new(hosts).unwrap();
        let [from, until] = years.map(|year| rcgen::date_time_ymd(year, 1, 1));
        (params.not_before, params.not_after) = (from, until);
        let key = rcgen::KeyPair::generate().unwrap();
        let certificate = params.self_signed(&key).unwrap();
        self.write(&format!("{name}.pem"), &certificate.pem());
        self.write(&format!("{name}.key"), &key.serialize_pem());
    }

    fn write(&self, name: &str, text: &str) {
        fs::write(self.0.path().join(name), text).unwrap();
    }

    /// Checks a file with these lines of TLS; the room's host is `a.example`.
    fn check(&self, tls: &str) -> Result<Loaded, Report> {
        let minimal = include_str!("../../config/minimal.toml");
        let hosts = "hosts = [\"a.example\"]";
        let minimal = minimal.replace("[room.", &format!("{hosts}\n\n[room."));
        self.write("anteroom.toml", &format!("{tls}\n{minimal}\n{hosts}\n"));
        let here = Surroundings {
            files: true,
            variables: Vec::new(),
        };
        config::load(&self.0.path().join("anteroom.toml"), &here)
    }

    /// What the check says, without the folder's own name.
    fn said(&self, tls: &str) -> String {
        let report = self
            .check(tls)
            .map_or_else(|report| report, |loaded| loaded.report);
        let folder = self.0.path().display().to_string();
        report.to_string().replace(&folder, "")
    }
}

/// The codes in a report, in their order.
fn codes(report: &str) -> Vec<&str> {
    let all = report
        .lines()
        .filter_map(|line| line.split_once('[')?.1.split_once(']'));
    all.map(|(code, _)| code)
        .filter(|code| code.len() == 4)
        .collect()
}

const GOOD: [i32; 2] = [2000, 2400];

fn pair(section: &str, name: &str) -> String {
    format!("[server.{section}]\ncert = \"{name}.pem\"\nkey = \"{name}.key\"\n")
}

#[test]
fn certificates_that_fit_are_taken_with_their_names_and_no_word() {
    let folder = Folder::new();
    folder.certificate("one", &["A.example"], GOOD);
    folder.certificate("two", &["*.b.example"], GOOD);
    fs::write(folder.0.path().join("two.der"), b"\x30\x03\x0a\x01\x00").unwrap();
    let tls = pair("tls", "one") + &pair("tls.certificate.two", "two") + "ocsp = \"two.der\"";
    let loaded = folder.check(&tls).unwrap();
    assert_eq!(loaded.report.to_string().matches("certificate").count(), 0);
    let tls = loaded.config.server.tls.clone().unwrap();
    let names: Vec<_> = tls.all().map(|(name, _)| name).collect();
    assert_eq!(names, ["default", "two"]);
    assert_eq!(
        tls.certificates["two"].ocsp,
        Some(folder.0.path().join("two.der"))
    );
}

#[test]
fn files_that_are_no_certificate_with_its_key_are_told_at_their_place() {
    let folder = Folder::new();
    folder.certificate("one", &["a.example"], GOOD);
    folder.certificate("two", &["b.example"], GOOD);
    folder.write("empty.pem", "nothing\n");
    folder.write("answer.der", "no DER");
    let mixed = "[server.tls]\ncert = \"one.pem\"\nkey = \"two.key\"\n";
    let said = folder.said(mixed);
    assert_eq!(codes(&said), ["E020"], "{said}");
    assert!(said.contains("anteroom.toml:3:7"), "{said}");
    assert!(said.contains("it is not the key of /one.pem"), "{said}");
    for (tls, line) in [
        ("cert = \"empty.pem\"\nkey = \"one.key\"", 2),
        ("cert = \"one.pem\"\nkey = \"empty.pem\"", 3),
        (
            "cert = \"one.pem\"\nkey = \"one.key\"\nocsp = \"answer.der\"",
            4,
        ),
    ] {
        let said = folder.said(&format!("[server.tls]\n{tls}\n"));
        assert_eq!(codes(&said), ["E020"], "{said}");
        assert!(said.contains(&format!("anteroom.toml:{line}:")), "{said}");
    }
    let said = folder.said(&pair("tls", "none"));
    assert_eq!(codes(&said), ["E014", "E014"], "{said}");
}

#[test]
fn certificates_out_of_their_time_are_warned_of() {
    let folder = Folder::new();
    folder.certificate("old", &["a.example"], [2000, 2001]);
    folder.certificate("new", &["b.example"], [2400, 2401]);
    let said = folder.said(&(pair("tls", "old") + &pair("tls.certificate.new", "new")));
    assert_eq!(codes(&said), ["W120", "W120"], "{said}");
    assert!(said.contains("good until 2001-01-01T00:00:00Z"), "{said}");
    assert!(said.contains("good from 2400-01-01T00:00:00Z on"), "{said}");
}

#[test]
fn a_host_needs_one_certificate_and_has_no_use_for_two() {
    let folder = Folder::new();
    folder.certificate("one", &["b.example", "c.example"], GOOD);
    folder.certificate("two", &["d.example", "C.example"], GOOD);
    folder.certificate("nameless", &[], GOOD);
    let tls = pair("tls", "one") + &pair("tls.certificate.two", "two");
    let said = folder.said(&tls);
    // The origin's host and the room's.
    assert_eq!(codes(&said), ["W121", "W122", "W122"], "{said}");
    assert!(
        said.contains("for c.example the one of [server.tls] is shown"),
        "{said}"
    );
    let said = folder.said(&(pair("tls", "one") + &pair("tls.certificate.x", "nameless")));
    assert_eq!(codes(&said), ["W121", "W122", "W122"], "{said}");

    folder.certificate("star", &["*.example"], GOOD);
    let said = folder.said(&(tls + &pair("tls.certificate.star", "star")));
    assert_eq!(codes(&said), ["W121"], "{said}");
}

#[test]
fn names_of_certificates_are_checked_as_other_names_are() {
    let check = |text: &str| {
        let file = Path::new("anteroom.toml");
        let text = format!("{text}\n{}", include_str!("../../config/minimal.toml"));
        let elsewhere = Surroundings::elsewhere();
        config::parse(file, Path::new(""), &text, &elsewhere).map_err(|report| report.to_string())
    };
    let tls = pair("tls", "one");
    assert!(check(&(tls.clone() + &pair("tls.certificate.two", "two"))).is_ok());
    for (more, code) in [
        (pair("tls.certificate.default", "two"), "E009"),
        (pair("tls.certificate.\"a b\"", "two"), "E005"),
        ("certificate = \"two.pem\"".to_owned(), "E004"),
        (
            "[server.tls.certificate.two]\ncert = \"two.pem\"".to_owned(),
            "E003",
        ),
        ("certificates = \"two.pem\"".to_owned(), "E002"),
    ] {
        let said = check(&(tls.clone() + &more)).unwrap_err();
        assert_eq!(codes(&said), [code], "{said}");
    }
    let said = check(&pair("tls.certificate.two", "two")).unwrap_err();
    assert_eq!(codes(&said), ["E003", "E003"], "{said}");
}

#[test]
fn the_address_for_cleartext_is_its_own_and_its_hosts_are_plain() {
    let check = |text: &str| {
        let file = Path::new("anteroom.toml");
        let text = format!("{text}\n{}", include_str!("../../config/minimal.toml"));
        let elsewhere = Surroundings::elsewhere();
        config::parse(file, Path::new(""), &text, &elsewhere).map_err(|report| report.to_string())
    };
    let redirect = |listen: &str, hosts: &str| {
        format!("[server.redirect]\nlisten = \"{listen}\"\nhosts = {hosts}\n")
    };
    let good = "[\"a.example\", \"a.example:8443\", \"[::1]\", \"[::1]:1\", \"192.0.2.1\"]";
    assert!(check(&redirect("0.0.0.0:80", good)).is_ok());
    for (listen, hosts, code) in [
        ("0.0.0.0:8080", "\"a.example\"", "E009"),
        ("127.0.0.1:9090", "\"a.example\"", "E009"),
        ("0.0.0.0:80", "[]", "E006"),
        ("0.0.0.0:80", "\"*.example\"", "E005"),
        ("0.0.0.0:80", "\"https://a.example\"", "E005"),
        ("0.0.0.0:80", "\"a.example:0\"", "E005"),
        ("0.0.0.0:80", "\"a.example:+1\"", "E005"),
        ("0.0.0.0:80", "\"a.example/x\"", "E005"),
    ] {
        let said = check(&redirect(listen, hosts)).unwrap_err();
        assert_eq!(codes(&said), [code], "{said}");
    }
}
