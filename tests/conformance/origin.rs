//! The origin that keeps every byte: what it is sent is what the proxy is judged by.

use std::io;
use std::io::Read;
use std::io::Write;
use std::net::SocketAddr;
use std::net::TcpListener;
use std::net::TcpStream;
use std::sync::Arc;
use std::sync::Mutex;
use std::thread;
use std::time::Duration;

use crate::answers;
use crate::wire;
use crate::wire::Flaw;
use crate::wire::Message;

/// A connection that nobody uses or ends for so long was forgotten.
const IDLE: Duration = Duration::from_secs(120);

/// What came in on one connection.
#[derive(Debug, Clone, Default)]
pub(crate) struct Heard {
    /// Every byte.
    pub(crate) bytes: Vec<u8>,
    /// Requests that came in whole.
    pub(crate) requests: Vec<Message>,
    /// Why what follows them is none.
    pub(crate) wrong: Option<String>,
    /// The other side, or we, ended it.
    pub(crate) is_over: bool,
}

impl Heard {
    /// What is wrong with the request of this case, if it is this case's that is wrong.
    pub(crate) fn wrong_of(&self, id: &str) -> Option<&str> {
        let is_its = contains(self.rest(), id.as_bytes());
        self.wrong.as_deref().filter(|_| is_its)
    }

    /// What came after the last whole request.
    pub(crate) fn rest(&self) -> &[u8] {
        let whole: usize = self.requests.iter().map(|request| request.len).sum();
        &self.bytes[whole..]
    }
}

#[derive(Debug)]
pub(crate) struct Origin {
    pub(crate) addr: SocketAddr,
    connections: Arc<Mutex<Vec<Arc<Mutex<Heard>>>>>,
}

impl Origin {
    pub(crate) fn start() -> Self {
        let listener = TcpListener::bind(("127.0.0.1", 0)).unwrap();
        let addr = listener.local_addr().unwrap();
        let connections = Arc::<Mutex<Vec<_>>>::default();
        let kept = Arc::clone(&connections);
        // Ends with the process: the tests of a binary share one origin.
        thread::spawn(move || {
            for stream in listener.incoming().flatten() {
                let heard = Arc::<Mutex<Heard>>::default();
                kept.lock().unwrap().push(Arc::clone(&heard));
                thread::spawn(move || {
                    // Whatever ended it, what came in was kept.
                    converse(stream, &heard).ok();
                    heard.lock().unwrap().is_over = true;
                });
            }
        });
        Self { addr, connections }
    }

    /// Everything so far, by connection.
    pub(crate) fn heard(&self) -> Vec<Heard> {
        let connections = self.connections.lock().unwrap();
        let heard = connections.iter();
        heard.map(|heard| heard.lock().unwrap().clone()).collect()
    }

    /// Connections on which this was sent: whole requests and whatever is not.
    pub(crate) fn heard_of(&self, id: &str) -> Vec<Heard> {
        let mut heard = self.heard();
        heard.retain(|heard| contains(&heard.bytes, id.as_bytes()));
        heard
    }
}

pub(crate) fn contains(bytes: &[u8], part: &[u8]) -> bool {
    bytes.windows(part.len()).any(|window| window == part)
}

/// Answers every request until the end, or until what comes is none.
fn converse(mut stream: TcpStream, heard: &Mutex<Heard>) -> io::Result<()> {
    stream.set_nodelay(true)?;
    stream.set_read_timeout(Some(IDLE))?;
    let mut buffer = vec![0; 64 * 1024];
    let mut told_to_go_on = false;
    loop {
        let read = {
            let mut heard = heard.lock().unwrap();
            let read = wire::request(heard.rest());
            if let Ok(request) = &read {
                heard.requests.push(request.clone());
            }
            if let Err(Flaw::Wrong(what)) = &read {
                heard.wrong = Some(what.clone());
            }
            read
        };
        match read {
            Ok(request) => {
                told_to_go_on = false;
                if !answers::answer(&mut stream, &request)? {
                    return Ok(());
                }
            }
            Err(Flaw::Wrong(_)) => return stream.write_all(answers::BAD),
            Err(Flaw::Unfinished) => {
                let rest = heard.lock().unwrap().rest().to_vec();
                if let Some((early, goes_on)) = answers::before_body(&rest)
                    && !told_to_go_on
                {
                    told_to_go_on = true;
                    stream.write_all(early)?;
                    if !goes_on {
                        return Ok(());
                    }
                }
                let len = stream.read(&mut buffer)?;
                if len == 0 {
                    return Ok(());
                }
                heard
                    .lock()
                    .unwrap()
                    .bytes
                    .extend_from_slice(&buffer[..len]);
            }
        }
    }
}
