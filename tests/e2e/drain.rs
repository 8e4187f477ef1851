//! SIGTERM drains: nobody new, everybody in the middle of something finishes; a second signal ends it now.

use std::net::SocketAddr;
use std::net::TcpStream;
use std::sync::Arc;
use std::sync::Condvar;
use std::sync::Mutex;
use std::thread;

use crate::stage::MANY;
use crate::stage::SOON;
use crate::stage::Stage;
use crate::stage::Toml;
use crate::stage::call;
use crate::stage::enter;
use crate::stage::join;
use crate::support::http;
use crate::support::http::Reply;
use crate::support::origin::Answer;
use crate::support::origin::Origin;
use crate::support::wait_for;

/// Holds the answer to `/booking/slow` back until it is opened.
#[derive(Debug, Default)]
struct Valve(Mutex<bool>, Condvar);

impl Valve {
    fn open(&self) {
        *self.0.lock().unwrap() = true;
        self.1.notify_all();
    }

    fn wait(&self) {
        let shut = self.0.lock().unwrap();
        drop(self.1.wait_while(shut, |open| !*open).unwrap());
    }
}

/// A replica with one slow request on its way.
struct Slow {
    stage: Stage,
    valve: Arc<Valve>,
    waiting: thread::JoinHandle<std::io::Result<Reply>>,
}

fn slow() -> Slow {
    let valve = Arc::new(Valve::default());
    let held = Arc::clone(&valve);
    let origin = Origin::answering(move |seen| {
        if seen.target == "/booking/slow" {
            held.wait();
        }
        Answer::page("the portal")
    });
    let stage = Stage::before(origin, &Toml::rate(MANY));
    let pass = enter(stage.addr(), &join(stage.addr()).text);
    assert_eq!(call(stage.addr(), "/booking/", &pass).status, 200);
    let (addr, before) = (stage.addr(), stage.origin.count());
    let waiting = thread::spawn(move || {
        http::get(addr, "/booking/slow", &[("anteroom-pass", pass.as_str())])
    });
    wait_for("the slow request is at the origin", SOON, || {
        (stage.origin.count() > before).then_some(())
    });
    Slow {
        stage,
        valve,
        waiting,
    }
}

fn refuses(addr: SocketAddr) {
    wait_for("no new connections", SOON, || {
        TcpStream::connect(addr).is_err().then_some(())
    });
}

#[test]
fn a_drain_takes_nobody_new_and_finishes_what_has_begun() {
    let Slow {
        mut stage,
        valve,
        waiting,
    } = slow();
    stage.anteroom.signal("TERM");
    refuses(stage.addr());
    let ready = stage.anteroom.readyz();
    assert_eq!((ready.status, ready.text().trim()), (503, "draining"));
    assert!(!waiting.is_finished());
    valve.open();
    let reply = waiting.join().unwrap().unwrap();
    assert_eq!((reply.status, reply.text()), (200, "the portal".to_owned()));
    let ended = stage.anteroom.ended();
    assert!(ended.success(), "{ended}");
    assert!(stage.anteroom.log_all().contains("finished="));
}

#[test]
fn a_second_signal_ends_it_now() {
    let Slow {
        mut stage,
        valve,
        waiting,
    } = slow();
    stage.anteroom.signal("INT");
    refuses(stage.addr());
    assert!(!waiting.is_finished());
    stage.anteroom.signal("TERM");
    let ended = stage.anteroom.ended();
    assert!(ended.success(), "{ended}");
    // It was cut off: the origin never answered.
    assert!(waiting.join().unwrap().is_err());
    valve.open();
}
