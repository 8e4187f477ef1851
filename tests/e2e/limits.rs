//! Limits on what comes from one place, and what is kept back for those inside when everything is taken.

use std::io::Read;
use std::net::SocketAddr;
use std::net::TcpStream;

use crate::stage::APP;
use crate::stage::BROWSER;
use crate::stage::MANY;
use crate::stage::SOON;
use crate::stage::Stage;
use crate::stage::Toml;
use crate::stage::call;
use crate::stage::enter;
use crate::stage::join;
use crate::stage::navigate;
use crate::stage::navigate_with;
use crate::stage::status;
use crate::stage::ticket;
use crate::stage::try_join;
use crate::support::anteroom::Anteroom;
use crate::support::http;
use crate::support::http::Kept;
use crate::support::origin::Origin;
use crate::support::wait_for;

/// Takes `[server]` back from what is said of loopback by default.
const NOBODY_EXEMPT: &str = "exempt_networks = []\n";

/// A connection on which nothing is said.
fn connect(addr: SocketAddr) -> TcpStream {
    let stream = TcpStream::connect_timeout(&addr, SOON).unwrap();
    stream.set_read_timeout(Some(SOON)).unwrap();
    stream
}

/// Whether the other side ends it without a word.
fn is_refused(mut stream: &TcpStream) -> bool {
    // A reset is how it ends.
    stream.read(&mut [0]).map_or(true, |len| len == 0)
}

#[test]
fn an_address_has_so_many_connections_and_no_more() {
    let server = format!("{NOBODY_EXEMPT}max_connections_per_address = 3");
    let stage = Stage::new(&Toml {
        server: &server,
        ..Toml::rate(MANY)
    });
    let rejected = "anteroom_rejected_total{reason=\"client\"}";
    let mut held: Vec<_> = (0..3)
        .map(|_| Kept::connect(stage.addr()).unwrap())
        .collect();
    let mut ask = |at: usize| held[at].request("GET /.anteroom/main/public", &[APP]);
    for at in 0..3 {
        assert_eq!(ask(at).unwrap().status, 200);
    }
    assert!(is_refused(&connect(stage.addr())));
    wait_for("it is counted", SOON, || {
        (stage.anteroom.metric(rejected) == Some(1.0)).then_some(())
    });
    assert_eq!(ask(0).unwrap().status, 200, "those before it go on");
    held.pop();
    wait_for("there is room for another", SOON, || {
        http::get(stage.addr(), "/.anteroom/main/public", &[APP]).ok()
    });
    // An operator may look into it: it is in force with a reload, for those who come.
    stage.rewrite(&Toml {
        server: "max_connections_per_address = 3",
        ..Toml::rate(MANY)
    });
    stage.anteroom.signal("HUP");
    wait_for("loopback is exempt again", SOON, || {
        let many: Vec<_> = (0..9).map(|_| Kept::connect(stage.addr())).collect();
        let ask = |kept: std::io::Result<Kept>| {
            let reply = kept.ok()?.request("GET /.anteroom/main/public", &[APP]);
            reply.ok()
        };
        let answered: Option<Vec<_>> = many.into_iter().map(ask).collect();
        answered.map(drop)
    });
}

#[test]
fn a_network_is_given_so_many_numbers_and_whoever_has_one_is_not_concerned() {
    let server = format!("{NOBODY_EXEMPT}max_joins_per_address = 4");
    let stage = Stage::new(&Toml {
        server: &server,
        ..Toml::default()
    });
    let first = stage.first();
    let mine = join(stage.addr());
    let page = navigate(stage.addr(), "/booking/", &[]);
    let place = page.cookies();
    assert_eq!((page.status, place.is_empty()), (200, false));
    ticket(&try_join(stage.addr(), &[]));

    let page = navigate(stage.addr(), "/booking/?lang=it", &[]);
    assert_eq!((page.status, page.cookies().as_str()), (429, ""));
    let after: u64 = page.header("retry-after").unwrap().parse().unwrap();
    assert!((10..=70).contains(&after), "{after}");
    assert_eq!(page.header("refresh"), page.header("retry-after"));
    assert!(
        page.text().contains("Attenda un momento"),
        "{}",
        page.text()
    );
    let reply = try_join(stage.addr(), &[]);
    assert_eq!(reply.status, 429);
    assert_eq!(
        reply.header("content-type"),
        Some("application/problem+json")
    );
    assert!(reply.json()["retry_after"].as_u64().unwrap() >= 10);
    let as_page = http::post(stage.addr(), "/.anteroom/main/join", &BROWSER, b"").unwrap();
    assert_eq!(as_page.status, 429);
    assert!(as_page.text().contains("<h1"), "{}", as_page.text());

    // Who waits, waits on; who is inside, is inside.
    assert_eq!(navigate_with(stage.addr(), "/booking/", &place).status, 200);
    assert_eq!(status(stage.addr(), &mine.text)["number"], mine.number);
    let headers = [("anteroom-ticket", mine.text.as_str())];
    assert_eq!(
        ticket(&try_join(stage.addr(), &headers)).number,
        mine.number
    );
    let inside = navigate_with(stage.addr(), "/booking/", &first.cookies());
    assert_eq!(inside.text(), "the portal");
    let rejected = "anteroom_rejected_total{reason=\"joins\"}";
    let limited = "anteroom_requests_total{decision=\"limited\",room=\"main\"}";
    wait_for("each is counted", SOON, || {
        let both = [rejected, limited].map(|series| stage.anteroom.metric(series));
        (both == [Some(3.0); 2]).then_some(())
    });
}

#[test]
fn newcomers_count_by_the_address_that_a_trusted_proxy_tells() {
    let server = "trusted_proxies = [\"127.0.0.1/32\"]\nmax_joins_per_address = 1";
    let stage = Stage::new(&Toml {
        server,
        ..Toml::default()
    });
    let join_from = |ip: &str| try_join(stage.addr(), &[("x-forwarded-for", ip)]).status;
    let of = [
        "203.0.113.1",
        "203.0.113.2",
        "2001:db8::1",
        "2001:db8:0:1::1",
    ];
    assert_eq!(of.map(join_from), [200; 4]);
    assert_eq!(of.map(join_from), [429; 4]);
    assert_eq!(join_from("2001:db8::2"), 429, "the same household");
}

#[test]
fn a_poll_too_many_is_answered_without_looking_anything_up() {
    let stage = Stage::new(&Toml::default());
    stage.first();
    let mine = join(stage.addr());
    let mut line = Kept::connect(stage.addr()).unwrap();
    let headers = [
        APP,
        ("anteroom-ticket", mine.text.as_str()),
        ("accept-language", "it"),
    ];
    let reply = wait_for("it asked too often", SOON, || {
        let reply = line
            .request("GET /.anteroom/main/status", &headers)
            .unwrap();
        (reply.status == 429).then_some(reply)
    });
    assert_eq!(reply.header("retry-after"), Some("1"));
    assert_eq!(reply.cookies(), "");
    assert_eq!(reply.header("anteroom-ticket"), None);
    assert_eq!(reply.header("anteroom-state"), None);
    assert_eq!(reply.json()["status"], 429);
    assert_eq!(reply.json()["retry_after"], 1);
    assert!(reply.body.len() < 100, "{}", reply.text());
}

/// Files the system allows: some for everything, and more than as many connections as there are below.
const FILES: u32 = 160;
/// Requests at once of those inside.
const INSIDE: usize = 24;

#[test]
fn those_inside_are_served_when_newcomers_have_taken_every_connection() {
    let origin = Origin::start();
    let portal = origin.addr();
    let anteroom = Anteroom::start_with_files(FILES, |place| {
        let toml = Toml {
            origin: "max_in_flight = 32",
            // Files are kept back for what is in flight, and not for what is upgraded as well.
            room: "upgrades = []",
            ..Toml::rate(MANY)
        };
        toml.text(place, portal)
    });
    let addr = anteroom.addr();
    let pass = enter(addr, &join(addr).text);
    let mut inside: Vec<_> = (0..INSIDE).map(|_| Kept::connect(addr).unwrap()).collect();
    for line in &mut inside {
        // They are in before the others come.
        let reply = line.request("GET /.anteroom/main/public", &[APP]);
        assert_eq!(reply.unwrap().status, 200);
    }
    let crowd: Vec<_> = (0..FILES).map(|_| connect(addr)).collect();
    let log = anteroom.log_all();
    assert!(log.contains("fewer connections than configured"), "{log}");
    let open = wait_for("as many are in as may be", SOON, || {
        let open = anteroom.metric("anteroom_connections")?;
        (open >= 60.0).then_some(open)
    });
    assert!(
        open < f64::from(FILES - 64),
        "nothing was kept back: {open}"
    );
    // Each needs a connection to the origin that is not there yet.
    std::thread::scope(|scope| {
        let pass = pass.as_str();
        let asking: Vec<_> = inside
            .iter_mut()
            .map(|line| {
                scope.spawn(move || line.request("GET /booking/", &[("anteroom-pass", pass)]))
            })
            .collect();
        for reply in asking {
            let reply = reply.join().unwrap().unwrap();
            assert_eq!((reply.status, reply.text().as_str()), (200, "the portal"));
        }
    });
    drop(crowd);
    assert_eq!(call(addr, "/booking/", &pass).text(), "the portal");
    assert!(
        !anteroom.log_all().contains("cannot accept"),
        "files ran out"
    );
}

#[test]
fn idle_connections_make_room_when_all_are_taken() {
    let stage = Stage::new(&Toml {
        server: "max_connections = 40\nidle_timeout = \"1h\"",
        ..Toml::rate(MANY)
    });
    // Each has said something and has nothing more to say: for an hour, where there is room.
    let mut idle: Vec<_> = (0..40)
        .map(|_| Kept::connect(stage.addr()).unwrap())
        .collect();
    for line in &mut idle {
        let reply = line.request("GET /.anteroom/main/public", &[APP]);
        assert_eq!(reply.unwrap().status, 200);
    }
    assert_eq!(
        navigate(stage.addr(), "/booking/", &[]).text(),
        "the portal"
    );
    drop(idle);
}
