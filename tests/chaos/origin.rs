//! The origin: answers every request and writes down who came and when.

use std::convert::Infallible;
use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::Mutex;
use std::sync::PoisonError;
use std::time::Duration;

use bytes::Bytes;
use http::Request;
use http::Response;
use http_body_util::Full;
use hyper::body::Incoming;
use hyper::server::conn::http1;
use hyper::service::service_fn;
use hyper_util::rt::TokioIo;
use tokio::net::TcpListener;
use tokio::net::TcpStream;
use tokio::task::JoinSet;
use tokio::time::Instant;

use crate::seen::Arrival;
use crate::seen::Id;
use crate::support::free_addr;

/// How long a visitor takes to be answered.
const WORK: Duration = Duration::from_millis(2);

/// A running origin; gone when dropped.
#[derive(Debug)]
pub(crate) struct Origin {
    addr: SocketAddr,
    arrivals: Arc<Mutex<Vec<Arrival>>>,
    _tasks: JoinSet<()>,
}

impl Origin {
    /// Starts one whose times count from this moment.
    pub(crate) async fn start(began: Instant) -> Self {
        let listener = loop {
            if let Ok(listener) = TcpListener::bind(free_addr()).await {
                break listener;
            }
        };
        let addr = listener.local_addr().expect("its address");
        let arrivals = Arc::default();
        let mut tasks = JoinSet::new();
        tasks.spawn(listen(listener, began, Arc::clone(&arrivals)));
        Self {
            addr,
            arrivals,
            _tasks: tasks,
        }
    }

    /// Where it listens.
    pub(crate) fn addr(&self) -> SocketAddr {
        self.addr
    }

    /// Who came and when, so far.
    pub(crate) fn arrivals(&self) -> Vec<Arrival> {
        let arrivals = self.arrivals.lock();
        arrivals.unwrap_or_else(PoisonError::into_inner).clone()
    }
}

async fn listen(listener: TcpListener, began: Instant, arrivals: Arc<Mutex<Vec<Arrival>>>) {
    let mut served = JoinSet::new();
    loop {
        tokio::select! {
            accepted = listener.accept() => if let Ok((stream, _)) = accepted {
                served.spawn(serve(stream, began, Arc::clone(&arrivals)));
            },
            Some(_) = served.join_next() => {}
        }
    }
}

async fn serve(stream: TcpStream, began: Instant, arrivals: Arc<Mutex<Vec<Arrival>>>) {
    let answer = service_fn(|request: Request<Incoming>| {
        let name = request.headers().get("anteroom-visitor");
        let arrival = Arrival {
            at_us: u64::try_from(began.elapsed().as_micros()).unwrap_or(u64::MAX),
            id: name.and_then(|name| Id::from_str_radix(name.to_str().ok()?, 16).ok()),
        };
        arrivals
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .push(arrival);
        async {
            tokio::time::sleep(WORK).await;
            let page = Response::builder().header("x-portal", "1");
            Ok::<_, Infallible>(
                page.body(Full::new(Bytes::from_static(b"the portal")))
                    .expect("a response"),
            )
        }
    });
    // A connection that breaks is anteroom's to notice.
    drop(
        http1::Builder::new()
            .serve_connection(TokioIo::new(stream), answer)
            .await,
    );
}
