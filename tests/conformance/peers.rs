//! nginx and `HAProxy` in the same place, for comparison: configured as one would, with nothing weakened.

use std::fs;
use std::net::SocketAddr;
use std::net::TcpStream;
use std::process::Child;
use std::process::Command;
use std::process::Stdio;
use std::time::Duration;

use tempfile::TempDir;

use crate::front::Front;
use crate::origin::Origin;
use crate::support::end;
use crate::support::free_addr;
use crate::support::wait_for;

/// A peer waits for more where we do not; a case in which it does costs this much.
pub(crate) const PATIENCE: Duration = Duration::from_secs(2);

const NGINX: &str = "
daemon off; master_process off; worker_processes 1; error_log stderr crit; pid {dir}/pid;
events { worker_connections 2048; }
http {
  access_log off; client_body_temp_path {dir}/a; proxy_temp_path {dir}/b;
  fastcgi_temp_path {dir}/c; uwsgi_temp_path {dir}/d; scgi_temp_path {dir}/e;
  upstream portal { server {origin}; keepalive 32; }
  server {
    listen {listen}{h2};
    location / { proxy_pass http://portal; proxy_http_version 1.1; proxy_set_header Connection \"\";
                 proxy_set_header Host $host; }
    location /booking/ { return 503; }
  }
}";

const HAPROXY: &str = "
global
  maxconn 4096
defaults
  mode http
  timeout client 10s
  timeout server 10s
  timeout connect 5s
frontend front
  bind {listen}
  http-request deny deny_status 503 if { path_beg /booking/ }
  option forwardfor
  default_backend portal
backend portal
  http-reuse safe
  server portal {origin}
";

/// A running peer; killed when dropped.
#[derive(Debug)]
struct Running {
    child: Child,
    _dir: TempDir,
}

impl Drop for Running {
    fn drop(&mut self) {
        end(&mut self.child);
    }
}

/// Peers for HTTP/1.1 and, where one takes both at one address, for HTTP/2; none where they are not installed.
pub(crate) fn all() -> Vec<(Front, Front)> {
    let nginx = |h2| {
        let args = |config: &str| vec!["-c".to_owned(), config.to_owned()];
        start("nginx", &NGINX.replace("{h2}", h2), args)
    };
    let haproxy = || {
        let args = |config: &str| ["-db", "-f", config].map(str::to_owned).to_vec();
        start("haproxy", HAPROXY, args)
    };
    let nginx = nginx("").zip(nginx(" http2"));
    let haproxy = haproxy().zip(haproxy());
    [nginx, haproxy].into_iter().flatten().collect()
}

fn start(name: &'static str, text: &str, args: impl Fn(&str) -> Vec<String>) -> Option<Front> {
    let origin = Origin::start();
    let addr: SocketAddr = free_addr();
    let dir = TempDir::new().unwrap();
    let config = dir.path().join("config");
    let text = text
        .replace("{dir}", &dir.path().display().to_string())
        .replace("{origin}", &origin.addr.to_string())
        .replace("{listen}", &addr.to_string());
    fs::write(&config, text).unwrap();
    let child = Command::new(name)
        .args(args(&config.display().to_string()))
        .stdin(Stdio::null())
        .stdout(Stdio::null())
        .stderr(Stdio::null())
        .spawn();
    let running = Running {
        child: child.ok()?,
        _dir: dir,
    };
    wait_for(name, Duration::from_secs(10), || {
        TcpStream::connect(addr).ok()
    });
    Some(Front::new(name, addr, origin, Box::new(running)))
}
