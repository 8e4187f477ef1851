//! anteroom, nginx and `HAProxy`, each one process with one worker that answers a path by itself.

use std::fs;
use std::net::SocketAddr;
use std::net::TcpStream;
use std::process::Child;
use std::process::Command;
use std::process::Stdio;
use std::time::Duration;

use rustls::pki_types::CertificateDer;
use tempfile::TempDir;

use crate::Kind;
use crate::support::anteroom::Anteroom;
use crate::support::end;
use crate::support::free_addr;
use crate::support::wait_for;

/// What is asked for: what a room tells everybody, or an answer of that size.
pub(crate) const PATH: &str = "/.anteroom/main/public";
/// Who is asked.
pub(crate) const NAME: &str = "localhost";

const NGINX: &str = "
daemon off; master_process off; worker_processes 1; error_log stderr crit; pid {dir}/pid;
events { worker_connections 15000; }
http {
  access_log off; keepalive_timeout 3600; keepalive_requests 1000000000;
  client_body_temp_path {dir}/a; proxy_temp_path {dir}/b;
  fastcgi_temp_path {dir}/c; uwsgi_temp_path {dir}/d; scgi_temp_path {dir}/e;
  ssl_certificate {dir}/cert.pem; ssl_certificate_key {dir}/key.pem; ssl_protocols TLSv1.2 TLSv1.3;
  server { listen {listen}{tls}; location / { default_type application/json; return 200 '{answer}'; } }
}";

const HAPROXY: &str = "
global
  maxconn 15000
  nbthread 1
  no strict-limits
defaults
  mode http
  timeout client 3600s
  timeout http-keep-alive 3600s
  timeout server 3600s
  timeout connect 5s
frontend front
  bind {listen}{tls}
  http-request return status 200 content-type application/json string '{answer}'
";

/// A certificate for [`NAME`] and its files.
pub(crate) struct Certificate {
    pub(crate) der: CertificateDer<'static>,
    cert: String,
    key: String,
}

/// A running server; killed when dropped.
pub(crate) struct Contender {
    pub(crate) name: &'static str,
    pub(crate) addr: SocketAddr,
    pub(crate) pid: u32,
    /// For what only anteroom tells.
    pub(crate) anteroom: Option<Anteroom>,
    _peer: Option<Peer>,
}

struct Peer {
    child: Child,
    _dir: TempDir,
}

impl Drop for Peer {
    fn drop(&mut self) {
        end(&mut self.child);
    }
}

impl Certificate {
    pub(crate) fn new() -> Self {
        let made = rcgen::generate_simple_self_signed([NAME.to_owned()]).expect("a certificate");
        Self {
            der: made.cert.der().clone(),
            cert: made.cert.pem(),
            key: made.signing_key.serialize_pem(),
        }
    }

    fn write(&self, dir: &std::path::Path) {
        for (name, text) in [
            ("cert.pem", self.cert.clone()),
            ("key.pem", self.key.clone()),
            ("both.pem", [self.cert.as_str(), &self.key].concat()),
        ] {
            fs::write(dir.join(name), text).expect("a file");
        }
    }
}

pub(crate) fn anteroom(kind: Kind, certificate: &Certificate) -> Option<Contender> {
    let anteroom = Anteroom::start(|place| {
        certificate.write(&place.dir);
        let tls = if kind == Kind::Plain {
            ""
        } else {
            "[server.tls]\ncert = \"cert.pem\"\nkey = \"key.pem\"\n"
        };
        format!(
            "[server]\nlisten = \"{}\"\nworkers = 1\nidle_timeout = \"3600s\"\nmax_connections = 15000\n{tls}\
             [admin]\nlisten = \"{}\"\n[store]\nurl = \"memory:\"\n[origin.portal]\nurl = \"http://127.0.0.1:9\"\n\
             [room.main]\norigin = \"portal\"\nrate = \"1/h\"\n",
            place.server, place.admin
        )
    });
    Some(Contender {
        name: "anteroom",
        addr: anteroom.addr(),
        pid: anteroom.pid(),
        anteroom: Some(anteroom),
        _peer: None,
    })
}

/// None where it is not installed.
pub(crate) fn nginx(kind: Kind, certificate: &Certificate) -> Option<Contender> {
    let tls = match kind {
        Kind::Plain => "",
        Kind::Tls => " ssl",
        Kind::Http2 => " ssl http2",
    };
    let args = |config: &str| vec!["-c".to_owned(), config.to_owned()];
    peer("nginx", &NGINX.replace("{tls}", tls), args, certificate)
}

/// None where it is not installed.
pub(crate) fn haproxy(kind: Kind, certificate: &Certificate) -> Option<Contender> {
    let tls = match kind {
        Kind::Plain => "",
        Kind::Tls => " ssl crt {dir}/both.pem",
        Kind::Http2 => " ssl crt {dir}/both.pem alpn h2",
    };
    let args = |config: &str| ["-db", "-f", config].map(str::to_owned).to_vec();
    peer("haproxy", &HAPROXY.replace("{tls}", tls), args, certificate)
}

fn peer(
    name: &'static str,
    text: &str,
    args: impl Fn(&str) -> Vec<String>,
    certificate: &Certificate,
) -> Option<Contender> {
    let addr = free_addr();
    let dir = TempDir::new().expect("a folder");
    certificate.write(dir.path());
    let config = dir.path().join("config");
    let text = text
        .replace("{dir}", &dir.path().display().to_string())
        .replace("{listen}", &addr.to_string())
        .replace("{answer}", &"x".repeat(300));
    fs::write(&config, text).expect("a file");
    let child = Command::new(name)
        .args(args(&config.display().to_string()))
        .stdin(Stdio::null())
        .stdout(Stdio::null())
        .stderr(Stdio::null())
        .spawn();
    let child = child.ok()?;
    let pid = child.id();
    let peer = Peer { child, _dir: dir };
    wait_for(name, Duration::from_secs(10), || {
        TcpStream::connect(addr).ok()
    });
    Some(Contender {
        name,
        addr,
        pid,
        anteroom: None,
        _peer: Some(peer),
    })
}
