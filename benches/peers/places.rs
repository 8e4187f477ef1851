//! The servers that are compared, each configured as one would for speed, before the same origin.

use std::fs;
use std::net::SocketAddr;
use std::net::TcpStream;
use std::net::UdpSocket;
use std::process::Child;
use std::process::Command;
use std::process::Stdio;
use std::rc::Rc;
use std::sync::Arc;
use std::time::Duration;

use rustls::ClientConfig;
use rustls::RootCertStore;
use rustls::client::Resumption;
use rustls::pki_types::CertificateDer;
use tempfile::TempDir;
use tokio::io::AsyncWriteExt as _;

use crate::parts::load;
use crate::parts::load::Load;
use crate::parts::pin;
use crate::parts::portal;
use crate::rows::get;
use crate::support::anteroom::Anteroom;
use crate::support::end;
use crate::support::free_addr;
use crate::support::wait_for;

/// Tickets that poll: many, so that none is taken for somebody who hammers.
const TICKETS: usize = 40_000;
/// Of whom as many look at the page.
const PAGES: usize = 1_000;

/// What a peer answers instead of a poll: as long, and always the same.
const FIXED: &str = r#"{"v":1,"state":"waiting","final":false,"number":123456,"serving":98765,"place":24691,"wait":{"known":true,"lo_s":1200,"hi_s":1500},"turn":null,"poll_ms":20000,"text":{"title":"You are number 24,691","hint":"xxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxx"}}"#;

/// A peer as it is installed.
struct Known {
    name: &'static str,
    name_logged: &'static str,
    program: &'static str,
    args: &'static [&'static str],
    has_h2c: bool,
    config: &'static str,
}

const NGINX: Known = Known {
    name: "nginx",
    name_logged: "nginx, logging",
    program: "nginx",
    args: &["-c"],
    has_h2c: true,
    config: NGINX_CONFIG,
};

const HAPROXY: Known = Known {
    name: "HAProxy",
    name_logged: "HAProxy, logging",
    program: "haproxy",
    args: &["-db", "-f"],
    has_h2c: false,
    config: HAPROXY_CONFIG,
};

const NGINX_CONFIG: &str = "
daemon off; master_process off; worker_processes 1; error_log stderr crit; pid {dir}/pid;
events { worker_connections 4096; use epoll; multi_accept on; }
http {
  access_log off; tcp_nodelay on; keepalive_timeout 3600; keepalive_requests 1000000000; http2_max_requests 1000000000;
  client_body_temp_path {dir}/a; proxy_temp_path {dir}/b; fastcgi_temp_path {dir}/c;
  uwsgi_temp_path {dir}/d; scgi_temp_path {dir}/e; proxy_max_temp_file_size 0; proxy_buffers 8 16k;
  proxy_http_version 1.1; proxy_set_header Connection \"\";
  ssl_certificate {dir}/both.pem; ssl_certificate_key {dir}/both.pem; ssl_protocols TLSv1.2 TLSv1.3;
  ssl_ecdh_curve X25519:prime256v1;
  upstream portal { server {origin}; keepalive 1024; keepalive_requests 1000000000; keepalive_timeout 3600s; }
  server {
    listen {plain} backlog=4096; listen {tls} ssl http2 backlog=4096;
    location / { proxy_pass http://portal; }
    location = /poll { default_type application/json; add_header cache-control no-store; return 200 '{fixed}'; }
  }
  server { listen {logged} backlog=4096; access_log {dir}/access.log combined buffer=64k flush=1s; location / { proxy_pass http://portal; } }
  server {
    listen {h2c} http2 backlog=4096;
    location = /poll { default_type application/json; add_header cache-control no-store; return 200 '{fixed}'; }
  }
}";

const HAPROXY_CONFIG: &str = "
global
  nbthread 1
  maxconn 4096
  log {syslog} local0
defaults
  mode http
  timeout connect 5s
  timeout client 3600s
  timeout server 3600s
  http-reuse always
frontend plain
  bind {plain} backlog 4096
  bind {tls} backlog 4096 ssl crt {dir}/both.pem alpn h2,http/1.1
  http-request return status 200 content-type application/json hdr cache-control no-store string '{fixed}' if { path /poll }
  default_backend portal
frontend logged
  bind {logged} backlog 4096
  log global
  option httplog
  default_backend portal
backend portal
  server portal {origin} pool-max-conn 4096
";

/// One server.
pub(crate) struct Place {
    pub(crate) name: &'static str,
    pub(crate) name_logged: &'static str,
    pub(crate) plain: SocketAddr,
    /// The same, and it writes its access log.
    pub(crate) logged: SocketAddr,
    /// HTTP/2 without TLS, if it takes that.
    pub(crate) h2c: Option<SocketAddr>,
    pub(crate) tls: SocketAddr,
    running: Running,
}

enum Running {
    Ours(Anteroom),
    Peer {
        child: Child,
        _dir: TempDir,
        _syslog: UdpSocket,
    },
}

impl Place {
    pub(crate) fn pid(&self) -> u32 {
        match &self.running {
            Running::Ours(anteroom) => anteroom.pid(),
            Running::Peer { child, .. } => child.id(),
        }
    }
}

impl Drop for Running {
    fn drop(&mut self) {
        if let Self::Peer { child, .. } = self {
            end(child);
        }
    }
}

/// All servers, and what they are asked for.
pub(crate) struct Places {
    pub(crate) anteroom: Place,
    pub(crate) anteroom_tls: Place,
    pub(crate) nginx: Option<Place>,
    pub(crate) haproxy: Option<Place>,
    /// Polls of as many tickets, as the page sends them.
    pub(crate) polls: Rc<Vec<Vec<u8>>>,
    /// The waiting page, to a ticket's holder.
    pub(crate) pages: Rc<Vec<Vec<u8>>>,
    /// The origin's page, to a pass' holder, and a large one.
    pub(crate) admitted: Rc<Vec<Vec<u8>>>,
    pub(crate) admitted_tls: Rc<Vec<Vec<u8>>>,
    pub(crate) large: Rc<Vec<Vec<u8>>>,
    /// What a peer is asked for instead of a poll.
    pub(crate) fixed: Rc<Vec<Vec<u8>>>,
    authority: CertificateDer<'static>,
}

impl Places {
    /// Starts them on one core; the origin is on the other, with whoever asks.
    pub(crate) fn open() -> Self {
        let portal = portal::start();
        let made = rcgen::generate_simple_self_signed(vec!["localhost".to_owned()]);
        let made = made.expect("a certificate");
        let both = made.cert.pem() + &made.signing_key.serialize_pem();
        let authority = made.cert.der();
        let plain = anteroom(portal, None);
        let over_tls = anteroom(portal, Some(&both));
        let tickets = cookies(plain.plain, None, "/line/x", TICKETS);
        let pass = &cookies(plain.plain, None, "/x", 1)[0];
        let trusted = Some(trust(authority, &[b"http/1.1"]));
        let pass_tls = &cookies(over_tls.tls, trusted, "/x", 1)[0];
        let each =
            |path, tickets: &[String]| tickets.iter().map(|ticket| asking(path, ticket)).collect();
        Self {
            polls: Rc::new(each(
                "/.anteroom/line/status?have=waiting&lang=en",
                &tickets,
            )),
            pages: Rc::new(each("/line/x", &tickets[..PAGES])),
            admitted: Rc::new(vec![asking("/x", pass)]),
            admitted_tls: Rc::new(vec![asking("/x", pass_tls)]),
            large: Rc::new(vec![asking("/mib", pass)]),
            fixed: get("/poll"),
            nginx: peer(&NGINX, portal, &both),
            haproxy: peer(&HAPROXY, portal, &both),
            authority: authority.clone(),
            anteroom: plain,
            anteroom_tls: over_tls,
        }
    }

    pub(crate) fn peers(&self) -> impl Iterator<Item = &Place> {
        self.nginx.iter().chain(&self.haproxy)
    }

    /// How a client speaks TLS with all of them; it never resumes.
    pub(crate) fn trust(&self, protocols: &[&[u8]]) -> Arc<ClientConfig> {
        trust(&self.authority, protocols)
    }
}

fn trust(authority: &CertificateDer<'static>, protocols: &[&[u8]]) -> Arc<ClientConfig> {
    let mut roots = RootCertStore::empty();
    roots.add(authority.clone()).expect("an authority");
    let mut config = ClientConfig::builder()
        .with_root_certificates(roots)
        .with_no_client_auth();
    config.alpn_protocols = protocols.iter().map(|name| name.to_vec()).collect();
    config.resumption = Resumption::disabled();
    Arc::new(config)
}

/// The request of a browser that opens this page with these cookies; a poll is one of a script.
fn asking(path: &str, cookies: &str) -> Vec<u8> {
    let kind = if path.starts_with("/.anteroom/") {
        "accept: application/json"
    } else {
        "accept: text/html\r\nsec-fetch-mode: navigate"
    };
    format!("GET {path} HTTP/1.1\r\nhost: localhost\r\n{kind}\r\ncookie: {cookies}\r\n\r\n")
        .into_bytes()
}

/// The cookies that as many newcomers get at this page, as each of them sends them.
fn cookies(
    addr: SocketAddr,
    tls: Option<Arc<ClientConfig>>,
    path: &str,
    newcomers: usize,
) -> Vec<String> {
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()
        .expect("a runtime");
    runtime.block_on(async {
        let load = Load {
            addr,
            tls,
            connections: 1,
            requests: &Rc::default(),
        };
        let mut stream = load::connect(&load).await;
        let request = asking(path, "none=1");
        let (mut got, mut part) = (Vec::new(), vec![0; 65_536]);
        let mut all = Vec::new();
        for _ in 0..newcomers {
            stream.write_all(&request).await.expect("a request is sent");
            stream.flush().await.expect("a request is sent");
            load::read(&mut stream, &mut got, &mut part).await;
            all.push(set_cookies(&got));
        }
        all
    })
}

fn set_cookies(answer: &[u8]) -> String {
    let text = String::from_utf8_lossy(answer);
    let head = text.split("\r\n\r\n").next().unwrap_or_default();
    let set = head
        .split("\r\n")
        .filter_map(|line| line.strip_prefix("set-cookie: "));
    let pairs: Vec<_> = set.filter_map(|value| value.split(';').next()).collect();
    assert!(!pairs.is_empty(), "{head}");
    pairs.join("; ")
}

fn anteroom(portal: SocketAddr, both: Option<&str>) -> Place {
    let anteroom = Anteroom::start(|place| {
        let dir = place.dir.display();
        let tls = both.map_or(String::new(), |both| {
            fs::write(place.dir.join("both.pem"), both).expect("a file");
            format!("[server.tls]\ncert = \"{dir}/both.pem\"\nkey = \"{dir}/both.pem\"\n")
        });
        format!(
            "[server]\nlisten = \"{}\"\nworkers = 1\n{tls}[admin]\nlisten = \"{}\"\n[log]\n\
             access = \"{dir}/access.log\"\n[origin.portal]\nurl = \"http://{portal}\"\n\
             max_in_flight = 4096\n[room.line]\norigin = \"portal\"\npaths = [\"/line/*\"]\n\
             rate = \"1/h\"\npresence = \"1h\"\n[room.main]\norigin = \"portal\"\npaths = [\"/*\"]\n\
             rate = \"1000/s\"\n",
            place.server, place.admin
        )
    });
    pin::set(anteroom.pid(), pin::MEASURED);
    let addr = anteroom.addr();
    Place {
        name: "anteroom",
        name_logged: "anteroom",
        plain: addr,
        logged: addr,
        h2c: Some(addr),
        tls: addr,
        running: Running::Ours(anteroom),
    }
}

fn peer(known: &Known, portal: SocketAddr, both: &str) -> Option<Place> {
    let dir = TempDir::new().expect("a temporary folder");
    let [plain, logged, h2c, tls] = [(); 4].map(|()| free_addr());
    let syslog = UdpSocket::bind("127.0.0.1:0").expect("a socket");
    let syslog_addr = syslog.local_addr().expect("its address");
    fs::write(dir.path().join("both.pem"), both).expect("a file");
    let config = dir.path().join("config");
    let filled = known
        .config
        .replace("{dir}", &dir.path().display().to_string())
        .replace("{origin}", &portal.to_string())
        .replace("{plain}", &plain.to_string())
        .replace("{logged}", &logged.to_string())
        .replace("{h2c}", &h2c.to_string())
        .replace("{tls}", &tls.to_string())
        .replace("{syslog}", &syslog_addr.to_string())
        .replace("{fixed}", FIXED);
    fs::write(&config, filled).expect("a file");
    let child = Command::new(known.program)
        .args(known.args)
        .arg(&config)
        .stdin(Stdio::null())
        .stdout(Stdio::null())
        .stderr(Stdio::null())
        .spawn();
    let Ok(child) = child else {
        println!("{} is not installed, and left out", known.name);
        return None;
    };
    let running = Running::Peer {
        child,
        _dir: dir,
        _syslog: syslog,
    };
    let place = Place {
        name: known.name,
        name_logged: known.name_logged,
        plain,
        logged,
        h2c: known.has_h2c.then_some(h2c),
        tls,
        running,
    };
    wait_for(known.name, Duration::from_secs(10), || {
        TcpStream::connect(logged).ok()
    });
    pin::set(place.pid(), pin::MEASURED);
    Some(place)
}
