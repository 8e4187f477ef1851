//! A browser, or an app: keep-alive connections to the replicas, cookies or headers, and a note of everything it hears.

use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::Duration;

use bytes::Bytes;
use http::Method;
use http::Request;
use http::Response;
use http_body_util::BodyExt;
use http_body_util::Full;
use hyper::client::conn::http1;
use hyper::client::conn::http1::SendRequest;
use hyper_util::rt::TokioIo;
use tokio::net::TcpStream;
use tokio::task::JoinSet;
use tokio::time;

use crate::ground::Ground;
use crate::seen::Answer;
use crate::seen::Call;
use crate::seen::Heard;
use crate::seen::Life;
use crate::seen::Pass;
use crate::seen::Ticket;
use crate::seen::is_stub;

/// How long an answer is waited for: longer than any fault holds one back.
const ANSWER: Duration = Duration::from_secs(12);
const TICKET: &str = "anteroom-main";
const PASS: &str = "anteroom-main-pass";

type Line = SendRequest<Full<Bytes>>;

/// One browser or app.
pub(crate) struct Client {
    pub(crate) ground: Arc<Ground>,
    /// Keeps cookies; otherwise it sends and receives headers.
    pub(crate) is_browser: bool,
    pub(crate) ticket: Option<String>,
    pub(crate) pass: Option<String>,
    pub(crate) heard: Vec<Heard>,
    lines: Vec<Option<Line>>,
    connections: JoinSet<()>,
}

impl Client {
    pub(crate) fn new(ground: Arc<Ground>, is_browser: bool) -> Self {
        let lines = ground.replicas.iter().map(|_| None).collect();
        Self {
            ground,
            is_browser,
            ticket: None,
            pass: None,
            heard: Vec::new(),
            lines,
            connections: JoinSet::new(),
        }
    }

    /// Asks a replica, and notes what came of it. What the answer brings is kept for the next request.
    pub(crate) async fn ask(
        &mut self,
        at: usize,
        call: Call,
        more: &[(&str, &str)],
    ) -> Option<Answer> {
        let port = &self.ground.replicas[at];
        let before = port.life.load(Ordering::SeqCst);
        let sent_us = self.ground.now_us();
        let request = self.request(call, more);
        let exchange = time::timeout(ANSWER, self.exchange(at, request)).await;
        let answer = match exchange {
            Ok(Ok(response)) => Ok(self.read(call, &response)),
            Ok(Err(error)) => Err(error),
            Err(_) => Err("no answer in time".to_owned()),
        };
        if answer.is_err() {
            self.lines[at] = None;
        }
        let port = &self.ground.replicas[at];
        let after = port.life.load(Ordering::SeqCst);
        let got_us = self.ground.now_us();
        // Odd while it is being killed, stopped or started.
        let is_one = before == after && before.is_multiple_of(2);
        self.heard.push(Heard {
            sent_us,
            got_us,
            replica: at,
            life: is_one.then_some(Life {
                replica: at,
                life: before,
            }),
            call,
            answer: answer.clone(),
        });
        answer.ok()
    }

    fn request(&self, call: Call, more: &[(&str, &str)]) -> Request<Full<Bytes>> {
        let navigates = self.is_browser && call == Call::Join;
        let (method, path) = match call {
            Call::Join if navigates => (Method::GET, "/booking/"),
            Call::Join => (Method::POST, "/.anteroom/main/join"),
            Call::Poll => (Method::GET, "/.anteroom/main/status"),
            Call::Enter => (Method::POST, "/.anteroom/main/enter"),
            Call::Page => (Method::GET, "/booking/page"),
            Call::Leave => (Method::POST, "/.anteroom/main/leave"),
        };
        let mut request = Request::builder()
            .method(method)
            .uri(path)
            .header("host", "portal.test");
        request = if navigates {
            request
                .header("accept", "text/html,application/xhtml+xml")
                .header("sec-fetch-mode", "navigate")
                .header("sec-fetch-dest", "document")
        } else {
            request.header("accept", "application/json")
        };
        let held = [(TICKET, &self.ticket), (PASS, &self.pass)];
        let held = held
            .iter()
            .filter_map(|(name, text)| Some((name, text.as_ref()?)));
        if self.is_browser {
            let pairs: Vec<_> = held.map(|(name, text)| format!("{name}={text}")).collect();
            if !pairs.is_empty() {
                request = request.header("cookie", pairs.join("; "));
            }
        } else {
            for (name, text) in held {
                let name = if *name == TICKET {
                    "anteroom-ticket"
                } else {
                    "anteroom-pass"
                };
                request = request.header(name, text);
            }
        }
        for (name, value) in more {
            request = request.header(*name, *value);
        }
        request.body(Full::default()).expect("a request")
    }

    async fn exchange(
        &mut self,
        at: usize,
        request: Request<Full<Bytes>>,
    ) -> Result<Response<Bytes>, String> {
        let mut kept = self.lines[at].take();
        if let Some(line) = &mut kept
            && line.ready().await.is_err()
        {
            // The replica has closed it meanwhile.
            kept = None;
        }
        let mut line = match kept {
            Some(line) => line,
            None => self.connect(at).await?,
        };
        let response = line
            .send_request(request)
            .await
            .map_err(|e| e.to_string())?;
        let (head, body) = response.into_parts();
        let body = body.collect().await.map_err(|e| e.to_string())?.to_bytes();
        self.lines[at] = Some(line);
        Ok(Response::from_parts(head, body))
    }

    async fn connect(&mut self, at: usize) -> Result<Line, String> {
        let addr = self.ground.replicas[at].addr;
        let stream = TcpStream::connect(addr).await.map_err(|e| e.to_string())?;
        stream.set_nodelay(true).map_err(|e| e.to_string())?;
        let (line, connection) = http1::handshake(TokioIo::new(stream))
            .await
            .map_err(|e| e.to_string())?;
        // How it ends is told to the request on it.
        self.connections
            .spawn(async move { drop(connection.await) });
        while self.connections.try_join_next().is_some() {}
        Ok(line)
    }

    /// Takes what the answer brings.
    fn read(&mut self, call: Call, response: &Response<Bytes>) -> Answer {
        let header = |name: &str| response.headers().get(name)?.to_str().ok();
        let from_origin = header("x-portal").is_some();
        let body: serde_json::Value = if from_origin {
            serde_json::Value::Null
        } else {
            serde_json::from_slice(response.body()).unwrap_or_default()
        };
        let mut given = [None, None];
        let sets = response.headers().get_all("set-cookie");
        for set in sets.iter().filter_map(|value| value.to_str().ok()) {
            let pair = set.split(';').next().unwrap_or_default();
            match pair.split_once('=') {
                Some((TICKET, text)) if !text.is_empty() => given[0] = Some(text.to_owned()),
                Some((PASS, text)) if !text.is_empty() => given[1] = Some(text.to_owned()),
                _ => {}
            }
        }
        let names = [("ticket", "anteroom-ticket"), ("pass", "anteroom-pass")];
        for (given, (member, name)) in given.iter_mut().zip(names) {
            let told = body[member].as_str().or_else(|| header(name));
            *given = given.take().or_else(|| told.map(str::to_owned));
        }
        let state = body["state"].as_str().or_else(|| header("anteroom-state"));
        let number = header("anteroom-number").and_then(|text| text.parse().ok());
        let [ticket, pass] = given;
        let answer = Answer {
            status: response.status().as_u16(),
            from_origin,
            state: state.unwrap_or_default().to_owned(),
            number: body["number"].as_u64().or(number),
            place: body["place"].as_u64(),
            serving: body["serving"].as_u64(),
            asked: body["asked"].as_bool().unwrap_or(false),
            poll_ms: body["poll_ms"].as_u64(),
            ticket: ticket.as_deref().and_then(Ticket::read),
            stub: ticket.as_deref().is_some_and(is_stub),
            pass: pass.as_deref().and_then(Pass::read),
        };
        if call != Call::Leave {
            self.ticket = ticket.or_else(|| self.ticket.take());
            self.pass = pass.or_else(|| self.pass.take());
        }
        answer
    }
}
