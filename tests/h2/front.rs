//! The real binary under test, over cleartext or TLS, in front of an origin that answers what a path asks for.

use std::fs;
use std::io;
use std::io::Read;
use std::io::Write;
use std::net::SocketAddr;
use std::net::TcpStream;
use std::sync::Arc;
use std::time::Duration;

use rustls::ClientConfig;
use rustls::ClientConnection;
use rustls::StreamOwned;
use rustls::pki_types::ServerName;

use crate::support::anteroom::Anteroom;
use crate::support::anteroom::Place;
use crate::support::origin::Answer;
use crate::support::origin::Origin;

/// Nothing here takes this long unless it hangs.
const PATIENCE: Duration = Duration::from_secs(30);

/// Streams that a connection may have at once.
pub(crate) const STREAMS_MAX: u32 = 8;

/// A byte stream.
pub(crate) trait Bytes: Read + Write + Send {
    /// The socket under it.
    fn socket(&self) -> &TcpStream;
}

impl Bytes for TcpStream {
    fn socket(&self) -> &TcpStream {
        self
    }
}

impl Bytes for StreamOwned<ClientConnection, TcpStream> {
    fn socket(&self) -> &TcpStream {
        &self.sock
    }
}

/// anteroom, and the origin behind it.
pub(crate) struct Front {
    pub(crate) anteroom: Anteroom,
    pub(crate) origin: Origin,
    tls: Option<Arc<ClientConfig>>,
}

impl Front {
    /// Cleartext with prior knowledge (RFC 9113 §3.3).
    pub(crate) fn plain() -> Self {
        Self::with(STREAMS_MAX)
    }

    /// As [`Front::plain`], with so many streams at once.
    pub(crate) fn with(streams_max: u32) -> Self {
        let origin = portal();
        let portal = origin.addr();
        let anteroom = Anteroom::start(|place| toml(place, portal, streams_max, ""));
        Self {
            anteroom,
            origin,
            tls: None,
        }
    }

    /// TLS with ALPN (RFC 9113 §3.2).
    pub(crate) fn over_tls() -> Self {
        let origin = portal();
        let portal = origin.addr();
        let made = rcgen::generate_simple_self_signed(vec!["a.example".to_owned()]).unwrap();
        let anteroom = Anteroom::start(|place| {
            let (cert, key) = (place.dir.join("cert.pem"), place.dir.join("key.pem"));
            fs::write(&cert, made.cert.pem()).unwrap();
            fs::write(&key, made.signing_key.serialize_pem()).unwrap();
            let tls = format!(
                "[server.tls]\ncert = \"{}\"\nkey = \"{}\"\n",
                cert.display(),
                key.display()
            );
            toml(place, portal, STREAMS_MAX, &tls)
        });
        let trust = anteroom::proxy::tls::with_authorities(vec![made.cert.der().clone()]).unwrap();
        let mut trust = Arc::unwrap_or_clone(trust);
        trust.alpn_protocols = vec![b"h2".to_vec()];
        Self {
            anteroom,
            origin,
            tls: Some(Arc::new(trust)),
        }
    }

    pub(crate) fn addr(&self) -> SocketAddr {
        self.anteroom.addr()
    }

    /// A connection on which nothing has been said yet.
    pub(crate) fn connect(&self) -> io::Result<Box<dyn Bytes>> {
        let stream = TcpStream::connect(self.addr())?;
        stream.set_nodelay(true)?;
        stream.set_read_timeout(Some(PATIENCE))?;
        stream.set_write_timeout(Some(PATIENCE))?;
        let Some(tls) = &self.tls else {
            return Ok(Box::new(stream));
        };
        let name = ServerName::try_from("a.example").map_err(io::Error::other)?;
        let session = ClientConnection::new(Arc::clone(tls), name).map_err(io::Error::other)?;
        Ok(Box::new(StreamOwned::new(session, stream)))
    }
}

/// `/big/N` is N bytes, everything else says what it was asked.
fn portal() -> Origin {
    Origin::answering(|seen| {
        let body = match seen.target.strip_prefix("/big/") {
            Some(bytes) => "x".repeat(bytes.parse().unwrap()),
            None => format!("{} {} {}", seen.method, seen.target, seen.body.len()),
        };
        Answer::page(&body)
    })
}

fn toml(place: &Place, portal: SocketAddr, streams_max: u32, tls: &str) -> String {
    format!(
        "[server]\nlisten = \"{}\"\nworkers = 1\nmax_streams = {streams_max}\n{tls}\
         [admin]\nlisten = \"{}\"\n[origin.portal]\nurl = \"http://{portal}\"\n\
         max_in_flight = 10000\n\
         [room.main]\norigin = \"portal\"\npaths = [\"/booking/*\"]\nrate = \"1/h\"\n\
         mode = \"closed\"\nphone = \"800 123 456\"\n",
        place.server, place.admin
    )
}
