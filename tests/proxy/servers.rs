//! Several servers of one origin: who gets what, who is passed over, and what is sent a second time.

use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::Mutex;
use std::sync::atomic::AtomicBool;
use std::sync::atomic::AtomicUsize;
use std::sync::atomic::Ordering;
use std::time::Duration;

use anteroom::proxy::EjectionRule;
use anteroom::proxy::HealthCheck;
use anteroom::proxy::OriginErrorKind;
use anteroom::proxy::OriginSettings;
use tokio::io::AsyncWriteExt;
use tokio::net::TcpSocket;
use tokio::time::Instant;

use crate::support::Front;
use crate::support::OK;
use crate::support::Origin;
use crate::support::address;
use crate::support::loopback;
use crate::support::one_worker;
use crate::support::origin_at;
use crate::support::soon;
use crate::support::until;

const GET: &str = "GET / HTTP/1.1\r\nHost: a\r\n\r\n";
const POST: &str = "POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 2\r\n\r\nhi";
const UNAVAILABLE: &str = "HTTP/1.1 503 No\r\ncontent-length: 2\r\n\r\nno";

/// An origin on these servers.
fn origin_on(servers: &[SocketAddr]) -> OriginSettings {
    let mut settings = origin_at(servers[0]);
    settings.servers = servers.iter().copied().map(address).collect();
    settings
}

/// A server that breaks off every request once it has read it, unless it is well; how many it read.
async fn breaking(is_well: &Arc<AtomicBool>) -> (Origin, Arc<AtomicUsize>) {
    let read = Arc::<AtomicUsize>::default();
    let (count, is_well) = (Arc::clone(&read), Arc::clone(is_well));
    let origin = Origin::start(move |mut connection, _| {
        let (count, is_well) = (Arc::clone(&count), Arc::clone(&is_well));
        async move {
            loop {
                if connection.message().await.is_empty() {
                    return;
                }
                count.fetch_add(1, Ordering::SeqCst);
                if !is_well.load(Ordering::SeqCst) {
                    return;
                }
                connection.send(OK).await;
            }
        }
    });
    (origin.await, read)
}

/// How many trials there can have been: none sooner than three quarters of a second after the one before.
fn trials_since(begun: Instant) -> usize {
    usize::try_from(begun.elapsed().as_millis() / 750).unwrap()
}

fn read(count: &AtomicUsize) -> usize {
    count.load(Ordering::SeqCst)
}

#[tokio::test]
async fn all_servers_get_their_part() {
    let (one, one_heads) = Origin::recording(OK).await;
    let (two, two_heads) = Origin::recording(OK).await;
    let (three, three_heads) = Origin::recording(OK).await;
    let front = Front::start(one_worker(), origin_on(&[one.addr, two.addr, three.addr]));
    let mut client = front.client().await;
    for _ in 0..90 {
        client.send(GET).await;
        assert!(client.message().await.ends_with("ok"));
    }
    let parts = [one_heads, two_heads, three_heads].map(|heads| heads.lock().unwrap().len());
    assert_eq!(parts.iter().sum::<usize>(), 90);
    // Of ninety, thirty each: fewer than ten are as good as impossible.
    assert!(parts.iter().all(|part| *part >= 10), "{parts:?}");
}

#[tokio::test]
async fn a_server_that_holds_its_requests_gets_no_more_than_it_must() {
    let slow = Origin::silent().await;
    let (quick, heads) = Origin::recording(OK).await;
    let front = Front::start(one_worker(), origin_on(&[slow.addr, quick.addr]));
    let mut held = Vec::new();
    let mut answered = 0;
    while answered < 20 {
        let mut client = front.client().await;
        client.send(GET).await;
        let now = (slow.connections(), heads.lock().unwrap().len());
        let got = |(slow_now, quick_now)| {
            slow.connections() > slow_now || heads.lock().unwrap().len() > quick_now
        };
        until(|| got(now)).await;
        if slow.connections() > now.0 {
            held.push(client);
        } else {
            assert!(client.message().await.ends_with("ok"));
            answered += 1;
        }
    }
    // It has one from here on, and the other none whenever the next comes.
    assert!(held.len() <= 1, "{}", held.len());
}

#[tokio::test]
async fn a_post_that_died_after_it_was_sent_goes_to_no_other_server() {
    let well = Arc::new(AtomicBool::new(false));
    let (one, one_read) = breaking(&well).await;
    let (two, two_read) = breaking(&well).await;
    let mut settings = origin_on(&[one.addr, two.addr]);
    settings.ejection.after = 0;
    let front = Front::start(one_worker(), settings);
    for posts in 1..=10 {
        let answer = front.ask(POST).await;
        assert!(answer.starts_with("HTTP/1.1 502 "), "{answer}");
        assert_eq!(read(&one_read) + read(&two_read), posts);
    }
    assert_eq!(front.errors(), [(OriginErrorKind::Broken, true); 10]);
}

#[tokio::test]
async fn a_safe_request_that_died_goes_to_another_server_once() {
    let well = Arc::new(AtomicBool::new(false));
    let (bad, bad_read) = breaking(&well).await;
    let (good, heads) = Origin::recording(OK).await;
    let mut settings = origin_on(&[bad.addr, good.addr]);
    settings.ejection.after = 0;
    let front = Front::start(one_worker(), settings);
    soon(async {
        let mut asked = 0;
        while read(&bad_read) < 5 {
            assert!(front.ask(GET).await.ends_with("ok"));
            asked += 1;
            assert_eq!(heads.lock().unwrap().len(), asked);
        }
    })
    .await;

    // Where both are bad it is two, and no more.
    let (other, other_read) = breaking(&well).await;
    let mut settings = origin_on(&[bad.addr, other.addr]);
    settings.ejection.after = 0;
    let front = Front::start(one_worker(), settings);
    let before = read(&bad_read);
    assert!(front.ask(GET).await.starts_with("HTTP/1.1 502 "));
    assert_eq!((read(&bad_read) - before, read(&other_read)), (1, 1));
}

#[tokio::test]
async fn an_outage_is_not_doubled_by_what_is_sent_again() {
    let well = Arc::new(AtomicBool::new(false));
    let (one, one_read) = breaking(&well).await;
    let (two, two_read) = breaking(&well).await;
    let mut settings = origin_on(&[one.addr, two.addr]);
    settings.ejection.after = 0;
    let front = Front::start(one_worker(), settings);
    let begun = Instant::now();
    for _ in 0..200 {
        assert!(front.ask(GET).await.starts_with("HTTP/1.1 502 "));
    }
    let again = read(&one_read) + read(&two_read) - 200;
    // Ten saved up, one for every fifth, and one a second; those that are repeated bring a fifth of themselves.
    let seconds = usize::try_from(begun.elapsed().as_secs()).unwrap() + 2;
    let most = (10 + 200 / 5 + seconds) * 5 / 4;
    assert!((10..=most).contains(&again), "{again} of at most {most}");
}

#[tokio::test]
async fn a_server_that_breaks_off_is_passed_over_and_comes_back_by_one_trial() {
    let well = Arc::new(AtomicBool::new(false));
    let (bad, bad_read) = breaking(&well).await;
    let (good, _) = Origin::recording(OK).await;
    let front = Front::start(one_worker(), origin_on(&[bad.addr, good.addr]));
    let begun = Instant::now();
    // Three failures, each repeated at the other.
    for _ in 0..200 {
        assert!(front.ask(GET).await.ends_with("ok"));
        if read(&bad_read) == 3 {
            break;
        }
    }
    assert_eq!(read(&bad_read), 3);
    for _ in 0..20 {
        assert!(front.ask(GET).await.ends_with("ok"));
    }
    assert!(read(&bad_read) <= 3 + trials_since(begun));
    well.store(true, Ordering::SeqCst);
    let before = read(&bad_read);
    soon(async {
        while read(&bad_read) < before + 20 {
            assert!(front.ask(GET).await.ends_with("ok"));
        }
    })
    .await;
}

#[tokio::test]
async fn a_server_without_connections_is_asked_once_in_a_while_and_nobody_notices() {
    let (good, heads) = Origin::recording(OK).await;
    // The port is taken, and nobody listens there yet.
    let socket = TcpSocket::new_v4().unwrap();
    socket.bind(loopback()).unwrap();
    let gone = socket.local_addr().unwrap();
    let front = Front::start(one_worker(), origin_on(&[gone, good.addr]));
    let begun = Instant::now();
    for _ in 0..50 {
        assert!(front.ask(POST).await.ends_with("ok"));
    }
    assert_eq!(heads.lock().unwrap().len(), 50);
    assert_eq!(front.errors(), []);

    // From here on it can be counted who asks it; each connection is broken off.
    let listener = socket.listen(16).unwrap();
    let asked = Arc::<AtomicUsize>::default();
    let count = Arc::clone(&asked);
    let counting = tokio::spawn(async move {
        while listener.accept().await.is_ok() {
            count.fetch_add(1, Ordering::SeqCst);
        }
    });
    for _ in 0..20 {
        assert!(front.ask(GET).await.ends_with("ok"));
    }
    assert!(read(&asked) <= trials_since(begun), "{}", read(&asked));
    soon(async {
        while read(&asked) == 0 {
            assert!(front.ask(GET).await.ends_with("ok"));
        }
    })
    .await;
    counting.abort();
}

#[tokio::test]
async fn when_all_servers_are_passed_over_all_are_used() {
    let well = Arc::new(AtomicBool::new(false));
    let (one, one_read) = breaking(&well).await;
    let (two, two_read) = breaking(&well).await;
    let mut settings = origin_on(&[one.addr, two.addr]);
    settings.ejection = EjectionRule {
        after: 1,
        longest: Duration::from_secs(3_600),
        by_status: false,
    };
    let front = Front::start(one_worker(), settings);
    for sent in 1..=10 {
        assert!(front.ask(POST).await.starts_with("HTTP/1.1 502 "));
        assert_eq!(read(&one_read) + read(&two_read), sent);
    }
    well.store(true, Ordering::SeqCst);
    for _ in 0..10 {
        assert!(front.ask(POST).await.ends_with("ok"));
    }
}

#[tokio::test]
async fn one_server_alone_is_never_passed_over() {
    let well = Arc::new(AtomicBool::new(false));
    let (only, only_read) = breaking(&well).await;
    let mut settings = origin_on(&[only.addr]);
    settings.ejection.after = 1;
    let front = Front::start(one_worker(), settings);
    for sent in 1..=10 {
        assert!(front.ask(GET).await.starts_with("HTTP/1.1 502 "));
        assert_eq!(read(&only_read), sent);
    }
    well.store(true, Ordering::SeqCst);
    assert!(front.ask(GET).await.ends_with("ok"));
}

#[tokio::test]
async fn an_answer_that_says_unavailable_counts_only_where_it_is_to() {
    for by_status in [false, true] {
        let (bad, bad_heads) = Origin::recording(UNAVAILABLE).await;
        let (good, _) = Origin::recording(OK).await;
        let mut settings = origin_on(&[bad.addr, good.addr]);
        settings.ejection = EjectionRule {
            after: 2,
            longest: Duration::from_secs(3_600),
            by_status,
        };
        let front = Front::start(one_worker(), settings);
        let begun = Instant::now();
        let mut refused = 0;
        let mut ask = async || {
            refused += usize::from(front.ask(GET).await.starts_with("HTTP/1.1 503 "));
            refused
        };
        if by_status {
            for _ in 0..60 {
                let refused = ask().await;
                assert!(refused <= 2 + trials_since(begun), "{refused}");
            }
        } else {
            // Passed over for longer each time, it would not get so many.
            soon(async { while ask().await < 20 {} }).await;
        }
        assert_eq!(bad_heads.lock().unwrap().len(), refused);
    }
}

/// A server whose `/health` answers as told, and everything else well.
async fn checked(is_well: &Arc<AtomicBool>) -> (Origin, Arc<Mutex<Vec<String>>>) {
    let heads = Arc::<Mutex<Vec<String>>>::default();
    let (kept, is_well) = (Arc::clone(&heads), Arc::clone(is_well));
    let origin = Origin::start(move |mut connection, _| {
        let (kept, is_well) = (Arc::clone(&kept), Arc::clone(&is_well));
        async move {
            loop {
                let head = connection.message().await;
                if head.is_empty() {
                    return;
                }
                let is_check = head.starts_with("GET /health?deep ");
                kept.lock().unwrap().push(head);
                let fails = is_check && !is_well.load(Ordering::SeqCst);
                connection.send(if fails { UNAVAILABLE } else { OK }).await;
            }
        }
    });
    (origin.await, heads)
}

fn count_of(heads: &Mutex<Vec<String>>, start: &str) -> usize {
    let heads = heads.lock().unwrap();
    heads.iter().filter(|head| head.starts_with(start)).count()
}

#[tokio::test]
async fn a_server_that_fails_its_checks_gets_no_requests_until_it_passes_them() {
    let (sick, well) = (
        Arc::new(AtomicBool::new(false)),
        Arc::new(AtomicBool::new(true)),
    );
    let (one, one_heads) = checked(&sick).await;
    let (two, two_heads) = checked(&well).await;
    let mut settings = origin_on(&[one.addr, two.addr]);
    settings.check = Some(HealthCheck {
        path: "/health?deep".parse().unwrap(),
        interval: Duration::from_millis(20),
        timeout: Duration::from_secs(60),
        fail_after: 3,
        pass_after: 2,
    });
    let front = Front::start(one_worker(), settings);
    // After the answer to the third it is out of use, and the fourth comes only after that.
    until(|| count_of(&one_heads, "GET /health?deep ") >= 4).await;
    for _ in 0..20 {
        assert!(front.ask(GET).await.ends_with("ok"));
    }
    assert_eq!(count_of(&one_heads, "GET / "), 0);
    assert_eq!(count_of(&two_heads, "GET / "), 20);
    let head = one_heads.lock().unwrap()[0].to_ascii_lowercase();
    assert!(head.contains(&format!("host: {}\r\n", one.addr)), "{head}");

    // When the other one fails as well, both are used.
    well.store(false, Ordering::SeqCst);
    let checks = count_of(&two_heads, "GET /health?deep ");
    until(|| count_of(&two_heads, "GET /health?deep ") >= checks + 5).await;
    soon(async {
        while count_of(&one_heads, "GET / ") < 5 {
            assert!(front.ask(GET).await.ends_with("ok"));
        }
    })
    .await;

    // And alone again what passes.
    sick.store(true, Ordering::SeqCst);
    let checks = count_of(&one_heads, "GET /health?deep ");
    until(|| count_of(&one_heads, "GET /health?deep ") >= checks + 4).await;
    let before = count_of(&two_heads, "GET / ");
    for _ in 0..10 {
        assert!(front.ask(GET).await.ends_with("ok"));
    }
    assert_eq!(count_of(&two_heads, "GET / "), before);
}

#[tokio::test]
async fn a_connection_is_not_used_for_longer_than_it_may() {
    let (origin, heads) = Origin::recording(OK).await;
    let mut settings = origin_at(origin.addr);
    settings.timeouts.renew = Some(Duration::from_millis(1));
    let front = Front::start(one_worker(), settings);
    let mut client = front.client().await;
    // The clock that this goes by stands still for a quarter of a second.
    soon(async {
        while origin.connections() < 3 {
            client.send(GET).await;
            assert!(client.message().await.ends_with("ok"));
        }
    })
    .await;
    let requests = heads.lock().unwrap().len();
    assert!(requests > 2, "used again within its time");
}

#[tokio::test]
async fn one_that_takes_connections_and_says_nothing_over_tls_is_given_up_in_time() {
    let origin = Origin::silent().await;
    let mut settings = origin_at(origin.addr);
    settings.servers[0].tls = true;
    let platform = anteroom::proxy::tls::platform().unwrap();
    settings.tls = Some(anteroom::proxy::OriginTls::new(&platform, None));
    settings.timeouts.connect = Duration::from_millis(50);
    let front = Front::start(one_worker(), settings);
    let answer = front.ask(POST).await;
    assert!(answer.starts_with("HTTP/1.1 502 "), "{answer}");
    assert_eq!(front.errors(), [(OriginErrorKind::ConnectTimeout, false)]);
}

#[tokio::test]
async fn a_response_as_a_whole_ends_in_time() {
    let origin = Origin::start(|mut connection, _| async move {
        connection.head().await;
        let head = "HTTP/1.1 200 OK\r\ncontent-length: 1000000\r\n\r\n";
        connection.send(head).await;
        let mut every = tokio::time::interval(Duration::from_millis(20));
        loop {
            every.tick().await;
            if connection.0.write_all(b".").await.is_err() {
                return;
            }
        }
    })
    .await;
    let mut settings = origin_at(origin.addr);
    settings.timeouts.total = Some(Duration::from_millis(300));
    let front = Front::start(one_worker(), settings);
    let mut client = front.client().await;
    client.send(GET).await;
    let answer = client.rest().await;
    assert!(answer.len() < 100_000 && answer.ends_with(b"."));
    until(|| front.log().iter().any(|line| line.ends_with("false"))).await;
}

#[tokio::test]
async fn what_was_sent_once_counts_as_sent_however_the_second_try_ends() {
    let (bad, _) = breaking(&Arc::default()).await;
    let gone = Origin::silent().await;
    let mut settings = origin_on(&[bad.addr, gone.addr]);
    settings.ejection.after = 0;
    drop(gone);
    let front = Front::start(one_worker(), settings);
    for _ in 0..10 {
        assert!(front.ask(GET).await.starts_with("HTTP/1.1 502 "));
    }
    // Each has met the one that reads and breaks off, sooner or later.
    let all_sent = front.errors().iter().all(|(_, was_sent)| *was_sent);
    assert!(all_sent, "{:?}", front.errors());
}
