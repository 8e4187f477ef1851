//! The operators' listener over real sockets: who may, what it says, and that orders arrive.

use tokio::io::AsyncReadExt as _;
use tokio::io::AsyncWriteExt as _;

use super::*;

/// Well after anything here takes.
const SOON: Duration = Duration::from_secs(20);

struct Front {
    addr: SocketAddr,
    inbox: mpsc::Receiver<Order>,
}

impl Front {
    fn start(token: Option<&str>, reasons: &'static [&'static str]) -> Self {
        let (orders, inbox) = mpsc::channel(1);
        let shown = Arc::new(Token::default());
        assert_eq!(shown.set(token), token.is_some());
        let desk = Desk {
            metrics: Metrics::try_new(1_795_352_400_000_000).unwrap(),
            unready: Box::new(move || reasons.iter().map(ToString::to_string).collect()),
            orders,
            rooms: Rooms {
                status: Box::new(|room| (room == "a").then(|| serde_json::json!({ "room": "a" }))),
                stock: Box::new(|room, left| (room == "a").then_some(left < 1_000)),
            },
            token: shown,
            draining: CancellationToken::new(),
        };
        let listening = Listening::bind("127.0.0.1:0".parse().unwrap()).unwrap();
        let addr = start(listening, desk).unwrap();
        Self { addr, inbox }
    }

    /// The whole answer to a request with these header lines.
    async fn ask(&self, line: &str, headers: &str) -> String {
        self.ask_with(line, headers, "").await
    }

    /// The same with a body.
    async fn ask_with(&self, line: &str, headers: &str, body: &str) -> String {
        let mut stream = TcpStream::connect(self.addr).await.unwrap();
        let request = format!("{line} HTTP/1.1\r\nConnection: close\r\n{headers}\r\n{body}");
        stream.write_all(request.as_bytes()).await.unwrap();
        let mut answer = String::new();
        let read = timeout(SOON, stream.read_to_string(&mut answer)).await;
        read.unwrap().unwrap();
        answer
    }
}

const LOCAL: &str = "Host: localhost\r\n";

#[tokio::test]
async fn health_is_told_to_anybody_and_everything_else_only_for_the_token() {
    let front = Front::start(Some("s3cret"), &[]);
    assert!(front.ask("GET /livez", LOCAL).await.contains(" 200 "));
    assert!(front.ask("GET /readyz", LOCAL).await.contains(" 200 "));
    assert!(front.ask("GET /metrics", LOCAL).await.contains(" 401 "));
    let wrong = format!("{LOCAL}Authorization: Bearer s3cre\r\n");
    assert!(front.ask("GET /metrics", &wrong).await.contains(" 401 "));
    let right = format!("{LOCAL}Authorization: Bearer s3cret\r\n");
    let metrics = front.ask("GET /metrics", &right).await;
    assert!(metrics.contains(" 200 ") && metrics.contains("anteroom_build_info"));
}

#[tokio::test]
async fn a_web_page_cannot_reach_a_listener_without_a_token() {
    let front = Front::start(None, &[]);
    for headers in [
        "Host: rebound.example\r\n",
        "Host: localhost\r\nOrigin: http://evil.example\r\n",
    ] {
        let answer = front.ask("POST /api/v1/reload", headers).await;
        assert!(answer.contains(" 401 "), "{answer}");
    }
    assert!(front.ask("GET /metrics", LOCAL).await.contains(" 200 "));
    let named = format!("Host: {}\r\n", front.addr);
    assert!(front.ask("GET /metrics", &named).await.contains(" 200 "));
}

#[tokio::test]
async fn a_replica_that_is_not_ready_says_why() {
    let front = Front::start(None, &["draining", "room a: the store is away"]);
    let answer = front.ask("GET /readyz", LOCAL).await;
    assert!(answer.contains(" 503 "), "{answer}");
    assert!(answer.ends_with("draining\nroom a: the store is away\n"));
}

#[tokio::test]
async fn a_reload_is_ordered_by_post_alone_and_its_outcome_is_told() {
    let mut front = Front::start(None, &[]);
    let get = front.ask("GET /api/v1/reload", LOCAL).await;
    assert!(get.contains(" 405 "), "{get}");
    let outcomes = [
        (Outcome::Unchanged, " 200 ", "unchanged"),
        (Outcome::Refused("line 3".to_owned()), " 422 ", "line 3"),
    ];
    for (outcome, status, word) in outcomes {
        let mut inbox = std::mem::replace(&mut front.inbox, mpsc::channel(1).1);
        let (answer, ()) = tokio::join!(front.ask("POST /api/v1/reload", LOCAL), async {
            let order = timeout(SOON, inbox.recv()).await.unwrap();
            let Some(Order::Reload(reply)) = order else {
                panic!("no order");
            };
            reply.send(outcome).unwrap();
        });
        front.inbox = inbox;
        assert!(answer.contains(status) && answer.contains(word), "{answer}");
    }
}

#[tokio::test]
async fn a_room_is_told_its_stock_by_whoever_may() {
    let front = Front::start(Some("s3cret"), &[]);
    let post = |room: &str| format!("POST /api/v1/rooms/{room}/stock");
    let unknown = front.ask(&post("a"), LOCAL).await;
    assert!(unknown.contains(" 401 "), "{unknown}");
    for (room, body, status, word) in [
        ("a", r#"{"stock": 12}"#, " 202 ", "told"),
        ("a", r#"{"stock": 1000}"#, " 503 ", "busy"),
        ("b", r#"{"stock": 12}"#, " 404 ", "unknown room"),
        ("a", r#"{"stock": -1}"#, " 422 ", "whole number"),
        (
            "a",
            r#"{"stock": 4503599627370496}"#,
            " 422 ",
            "whole number",
        ),
        ("a", r#"{"left": 1}"#, " 422 ", "whole number"),
        ("a", "12 left", " 422 ", "not JSON"),
    ] {
        let headers = format!(
            "{LOCAL}Authorization: Bearer s3cret\r\nContent-Length: {}\r\n",
            body.len()
        );
        let answer = front.ask_with(&post(room), &headers, body).await;
        assert!(answer.contains(status) && answer.contains(word), "{answer}");
    }
    let long = format!("{LOCAL}Authorization: Bearer s3cret\r\nContent-Length: 2000\r\n");
    let answer = front.ask_with(&post("a"), &long, &" ".repeat(2_000)).await;
    assert!(answer.contains(" 422 "), "{answer}");
}

#[tokio::test]
async fn a_room_says_how_it_does() {
    let front = Front::start(None, &[]);
    let answer = front.ask("GET /api/v1/rooms/a", LOCAL).await;
    assert!(
        answer.contains(" 200 ") && answer.contains(r#"{"room":"a"}"#),
        "{answer}"
    );
    for (line, status) in [
        ("GET /api/v1/rooms/b", " 404 "),
        ("GET /api/v1/rooms/a/stock", " 405 "),
        ("POST /api/v1/rooms/a", " 405 "),
        ("GET /api/v1/rooms/a/other", " 404 "),
        ("GET /api/v1/rooms", " 404 "),
    ] {
        let answer = front.ask(line, LOCAL).await;
        assert!(answer.contains(status), "{line}: {answer}");
    }
}
