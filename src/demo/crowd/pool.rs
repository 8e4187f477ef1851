//! Keep-alive connections that a crowd shares: each request has one to itself, and there are never more than allowed.
//!
//! A request that a closing connection did not take, or a GET whose connection closed before any answer, goes out
//! once more on a fresh one, as browsers do it.

use std::io;
use std::net::SocketAddr;
use std::sync::Mutex;
use std::sync::PoisonError;
use std::time::Duration;

use bytes::Bytes;
use http::Method;
use http::Request;
use http::Response;
use http_body_util::BodyExt;
use http_body_util::Full;
use http_body_util::Limited;
use hyper::body::Incoming;
use hyper::client::conn::http1;
use hyper::client::conn::http1::SendRequest;
use hyper_util::rt::TokioIo;
use tokio::net::TcpStream;
use tokio::sync::Semaphore;
use tokio::time;
use tokio_util::task::TaskTracker;

/// The largest answer that is read, in bytes.
const ANSWER_BYTES_MAX: usize = 256 * 1024;
/// Times a request is tried on another connection.
const TRIES_MAX: u32 = 3;

/// Why there was no answer.
#[derive(Debug, thiserror::Error)]
pub(crate) enum Trouble {
    /// No connection could be had.
    #[error("cannot connect")]
    Connect(#[source] io::Error),
    /// The connection broke.
    #[error("the connection broke")]
    Broken(#[source] hyper::Error),
    /// The answer broke off, or is too long.
    #[error("the answer cannot be read")]
    Body(#[source] Box<dyn std::error::Error + Send + Sync>),
    /// No answer within the deadline.
    #[error("no answer in time")]
    Late,
    /// The crowd is being sent home.
    #[error("the crowd is being sent home")]
    Stopped,
}

/// The connections to one server.
#[derive(Debug)]
pub(crate) struct Pool {
    addr: SocketAddr,
    deadline: Duration,
    permits: Semaphore,
    idle: Mutex<Vec<SendRequest<Full<Bytes>>>>,
    connections: TaskTracker,
}

impl Pool {
    /// Connections to `addr`, at most `connections_max` of them; every answer is waited for until `deadline`.
    pub(crate) fn new(addr: SocketAddr, connections_max: usize, deadline: Duration) -> Self {
        Self {
            addr,
            deadline,
            permits: Semaphore::new(connections_max.max(1)),
            idle: Mutex::default(),
            connections: TaskTracker::new(),
        }
    }

    /// Sends a request and reads the whole answer. Waiting for a free connection is not part of the deadline.
    pub(crate) async fn send(&self, req: Request<Full<Bytes>>) -> Result<Response<Bytes>, Trouble> {
        let Ok(_permit) = self.permits.acquire().await else {
            return Err(Trouble::Stopped);
        };
        let answer = self.exchange(req);
        time::timeout(self.deadline, answer)
            .await
            .unwrap_or(Err(Trouble::Late))
    }

    async fn exchange(&self, mut req: Request<Full<Bytes>>) -> Result<Response<Bytes>, Trouble> {
        let mut tries = 0;
        loop {
            tries += 1;
            let spare = (req.method() == Method::GET).then(|| req.clone());
            let (mut sender, used) = self.sender().await?;
            let failed = match sender.try_send_request(req).await {
                Ok(resp) => return self.read(resp, sender).await,
                Err(failed) => failed,
            };
            let mut failed = failed;
            let unsent = failed.take_message();
            match unsent.or(spare) {
                Some(again) if used && tries < TRIES_MAX => req = again,
                _ => return Err(Trouble::Broken(failed.into_error())),
            }
        }
    }

    /// Reads the body and keeps the connection for the next request.
    async fn read(
        &self,
        resp: Response<Incoming>,
        sender: SendRequest<Full<Bytes>>,
    ) -> Result<Response<Bytes>, Trouble> {
        let (head, body) = resp.into_parts();
        let body = Limited::new(body, ANSWER_BYTES_MAX).collect().await;
        let body = body.map_err(Trouble::Body)?.to_bytes();
        if !sender.is_closed() {
            self.idle().push(sender);
        }
        Ok(Response::from_parts(head, body))
    }

    /// An idle connection that still works, or a new one; and whether it was used before.
    async fn sender(&self) -> Result<(SendRequest<Full<Bytes>>, bool), Trouble> {
        loop {
            let idle = self.idle().pop();
            let Some(mut sender) = idle else {
                return self.connect().await.map(|sender| (sender, false));
            };
            if sender.ready().await.is_ok() {
                return Ok((sender, true));
            }
        }
    }

    async fn connect(&self) -> Result<SendRequest<Full<Bytes>>, Trouble> {
        let stream = TcpStream::connect(self.addr)
            .await
            .map_err(Trouble::Connect)?;
        stream.set_nodelay(true).map_err(Trouble::Connect)?;
        let (sender, connection) = http1::handshake(TokioIo::new(stream))
            .await
            .map_err(Trouble::Broken)?;
        // How a connection ends is told to the request on it.
        self.connections
            .spawn(async move { drop(connection.await) });
        Ok(sender)
    }

    fn idle(&self) -> std::sync::MutexGuard<'_, Vec<SendRequest<Full<Bytes>>>> {
        self.idle.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
