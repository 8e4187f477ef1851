//! Leave to send a body: a client that expects `100-continue` is told to go on when the origin says so.
//!
//! RFC 9110 §10.1.1 has a proxy pass the expectation on. An origin that says neither yes nor no is given the body after
//! a while, as any client would do.

use std::rc::Rc;
use std::sync::Arc;
use std::sync::Mutex;
use std::sync::PoisonError;
use std::sync::atomic::AtomicBool;
use std::sync::atomic::Ordering;
use std::task::Context;
use std::task::Waker;
use std::time::Duration;

use http::Request;
use http::StatusCode;

use crate::proxy::ticker::Alarm;
use crate::proxy::ticker::Ticker;

/// How long an origin may take to say that it wants the body.
const PATIENCE: Duration = Duration::from_secs(1);

/// Leave that is waited for.
#[derive(Debug)]
pub(super) struct Leave {
    told: Arc<Told>,
    alarm: Alarm,
}

/// What the origin said. The library asks for it to be shared between threads, though it never is.
#[derive(Debug, Default)]
struct Told {
    may_go_on: AtomicBool,
    waiting: Mutex<Option<Waker>>,
}

impl Leave {
    /// Waits for what will be answered to this request.
    pub(super) fn of<B>(request: &mut Request<B>, ticker: &Rc<Ticker>) -> Self {
        let told = Arc::new(Told::default());
        let teller = Arc::clone(&told);
        hyper::ext::on_informational(request, move |response| {
            if response.status() == StatusCode::CONTINUE {
                teller.go_on();
            }
        });
        let mut alarm = ticker.alarm();
        alarm.set(PATIENCE);
        Self { told, alarm }
    }

    /// Whether the body may be sent; whoever asks is woken when that changes.
    pub(super) fn is_given(&mut self, cx: &mut Context<'_>) -> bool {
        let told = &self.told;
        if told.may_go_on.load(Ordering::Acquire) || self.alarm.is_due(cx) {
            return true;
        }
        let mut waiting = told.waiting.lock().unwrap_or_else(PoisonError::into_inner);
        *waiting = Some(cx.waker().clone());
        false
    }
}

impl Told {
    fn go_on(&self) {
        self.may_go_on.store(true, Ordering::Release);
        let mut waiting = self.waiting.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(waker) = waiting.take() {
            waker.wake();
        }
    }
}
