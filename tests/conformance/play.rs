//! Plays cases side by side through one proxy, and judges each by what its client got and what the origin saw.

use std::sync::Mutex;
use std::sync::atomic::AtomicUsize;
use std::sync::atomic::Ordering;
use std::thread;
use std::time::Duration;

use crate::case::Case;
use crate::case::Check;
use crate::case::Want;
use crate::client::Client;
use crate::front::Front;
use crate::origin::Heard;
use crate::origin::contains;
use crate::support::wait;
use crate::wire::Message;

/// Cases at a time.
const ABREAST: usize = 24;

/// What a client and the origin saw of a case.
#[derive(Debug)]
pub(crate) struct Outcome {
    pub(crate) answers: Vec<Result<Message, String>>,
    /// What came of a further request on the connection; none when it had ended.
    pub(crate) follow: Option<Result<Message, String>>,
    /// The connection ended with nothing more said.
    pub(crate) ended: bool,
    pub(crate) hung: bool,
    pub(crate) interim: Vec<u16>,
    /// The origin's connections on which anything of it came in.
    pub(crate) heard: Vec<Heard>,
    /// Its requests there, without the further one.
    pub(crate) requests: Vec<Message>,
}

/// Plays all; what failed, and why.
pub(crate) fn all<T: Sync>(
    cases: &[T],
    play: impl Fn(&T, &str) -> Result<(), String> + Sync,
) -> Vec<(usize, String)> {
    let (next, failed) = (AtomicUsize::new(0), Mutex::new(Vec::new()));
    thread::scope(|scope| {
        for _ in 0..ABREAST {
            scope.spawn(|| {
                loop {
                    let index = next.fetch_add(1, Ordering::Relaxed);
                    let Some(case) = cases.get(index) else { return };
                    if let Err(why) = play(case, &format!("k{index:04}")) {
                        failed.lock().unwrap().push((index, why));
                    }
                }
            });
        }
    });
    let mut failed = failed.into_inner().unwrap();
    failed.sort();
    failed
}

pub(crate) fn filled(bytes: &[u8], id: &str) -> Vec<u8> {
    let mut filled = Vec::with_capacity(bytes.len());
    let mut rest = bytes;
    while let Some((first, after)) = rest.split_first() {
        if let Some(after) = rest.strip_prefix(b"{t}") {
            filled.extend_from_slice(format!("/{id}/").as_bytes());
            rest = after;
        } else {
            filled.push(*first);
            rest = after;
        }
    }
    filled
}

/// Sends bytes, reads as many answers as there should be, and asks once more on the same connection.
pub(crate) fn talk(front: &Front, patience: Duration, case: &Talk<'_>, id: &str) -> Outcome {
    let send = filled(case.send, id);
    let first_word = send.split(|byte| *byte == b' ').next().unwrap_or_default();
    let method = String::from_utf8_lossy(first_word).into_owned();
    let mut client = Client::connect(front.addr, patience);
    client.send(&send);
    if case.hangs_up {
        client.hang_up();
    }
    let mut answers = Vec::new();
    for _ in 0..case.answers {
        let answer = client.answer(&method);
        let is_last = answer.as_ref().map_or(true, Message::closes);
        answers.push(answer);
        if is_last {
            break;
        }
    }
    let is_last = answers
        .last()
        .is_none_or(|last| last.as_ref().map_or(true, Message::closes));
    let follow = (!is_last && !case.hangs_up).then(|| {
        let follow = format!(
            "GET /{id}/follow HTTP/1.1\r\nHost: follow.example\r\nConnection: close\r\n\r\n"
        );
        client.send(follow.as_bytes());
        client.answer("GET")
    });
    let ended = client.is_ended();
    let heard = front.origin.heard_of(id);
    let further = format!("GET /{id}/follow HTTP/1.1");
    let requests = heard.iter().flat_map(|heard| heard.requests.iter());
    let requests = requests
        .filter(|request| request.line != further && of(request, id))
        .cloned()
        .collect();
    Outcome {
        answers,
        follow,
        ended,
        hung: client.hung,
        interim: client.interim,
        heard,
        requests,
    }
}

/// What is said on one connection.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Talk<'a> {
    pub(crate) send: &'a [u8],
    pub(crate) answers: usize,
    pub(crate) hangs_up: bool,
}

/// Whether a request is of this case.
fn of(request: &Message, id: &str) -> bool {
    let fields = request.fields.iter().any(|(_, value)| value.contains(id));
    request.line.contains(id) || fields || contains(&request.body, id.as_bytes())
}

/// Plays one case.
pub(crate) fn case(front: &Front, patience: Duration, case: &Case, id: &str) -> Result<(), String> {
    let times = case.checks.iter().find_map(|check| match check {
        Check::Times(count) => Some(*count),
        _ => None,
    });
    let talked = Talk {
        send: &case.send,
        answers: times.unwrap_or(if case.want == Want::GoodBeforeBad {
            2
        } else {
            1
        }),
        hangs_up: case.hangs_up,
    };
    let outcome = talk(front, patience, &talked, id);
    let judged = judge(case, times.unwrap_or(1), &outcome, id);
    judged.and_then(|()| {
        let wrong = outcome.heard.iter().find_map(|heard| heard.wrong_of(id));
        match wrong {
            Some(what) => Err(format!("unsafe at the origin: {what}")),
            None if matches!(case.want, Want::Cut) => is_cut(front, id),
            None => Ok(()),
        }
    })
}

fn judge(case: &Case, times: usize, outcome: &Outcome, id: &str) -> Result<(), String> {
    let seen = outcome.requests.len();
    let first = outcome.answers.first();
    let status = match first {
        Some(Ok(answer)) => answer.status(),
        Some(Err(_)) | None => 0,
    };
    match &case.want {
        Want::Forward { closes } => {
            for answer in &outcome.answers {
                answer.as_ref().map_err(|why| format!("no answer: {why}"))?;
            }
            same("requests at the origin", &times, &seen)?;
            same("answers", &times, &outcome.answers.len())?;
            if *closes {
                same("ended", &true, &outcome.ended)?;
            } else {
                followed(outcome, id)?;
            }
            check(case, outcome, status, 200, id)
        }
        Want::Refuse(statuses) => {
            if !statuses.contains(&status) {
                return Err(format!("{statuses:?} expected: {first:?}"));
            }
            same("requests at the origin", &0, &outcome.heard.len())?;
            same("ended", &true, &outcome.ended)
        }
        Want::Cut => {
            same("requests at the origin", &0, &seen)?;
            if status != 0 && status < 400 {
                return Err(format!("answered: {first:?}"));
            }
            same("ended", &true, &outcome.ended)
        }
        Want::Own(own) => {
            same("requests at the origin", &0, &seen)?;
            followed(outcome, id)?;
            check(case, outcome, status, *own, id)
        }
        Want::BadGateway => {
            followed(outcome, id)?;
            check(case, outcome, status, 502, id)
        }
        Want::GoodBeforeBad => {
            same("requests at the origin", &1, &seen)?;
            same("status", &200, &status)?;
            match outcome.answers.get(1) {
                Some(Ok(refusal)) if refusal.status() == 400 && outcome.ended => Ok(()),
                other => Err(format!("a refusal expected: {other:?}")),
            }
        }
        Want::RefusesBody => {
            same("status", &403, &status)?;
            same("interim", &Vec::new(), &outcome.interim)?;
            same("requests at the origin", &0, &seen)
        }
        Want::Broken => match first {
            Some(Err(_)) if !outcome.hung => Ok(()),
            other => Err(format!("a broken answer expected: {other:?}")),
        },
    }
}

/// What came in of it is followed by the end of that connection, never by something else.
fn is_cut(front: &Front, id: &str) -> Result<(), String> {
    let cut = wait(crate::client::PATIENCE, || {
        let heard = front.origin.heard_of(id);
        heard.iter().all(|heard| heard.is_over).then_some(())
    });
    cut.ok_or_else(|| "the origin's connection is open still".to_owned())
}

fn followed(outcome: &Outcome, id: &str) -> Result<(), String> {
    match &outcome.follow {
        Some(Ok(answer)) if answer.text() == format!("GET /{id}/follow") => Ok(()),
        other => Err(format!("poisoned: {other:?} after {:?}", outcome.answers)),
    }
}

fn check(case: &Case, outcome: &Outcome, status: u16, usual: u16, id: &str) -> Result<(), String> {
    let answer = outcome
        .answers
        .first()
        .and_then(|answer| answer.as_ref().ok());
    let told = case.checks.iter().find_map(|check| match check {
        Check::Status(status) => Some(*status),
        _ => None,
    });
    same("status", &told.unwrap_or(usual), &status)?;
    for check in &case.checks {
        match check {
            Check::Gets(name, value) => same(name, &Some(*value), &got(answer, name))?,
            Check::NotGets(name) => same(name, &None, &got(answer, name))?,
            Check::Reads(body) => same(
                "answer",
                &Some((*body).to_owned()),
                &answer.map(Message::text),
            )?,
            Check::Continues(is_told) => same("100", is_told, &outcome.interim.contains(&100))?,
            _ => {}
        }
    }
    match outcome.requests.first() {
        Some(request) => check_request(case, request, id),
        None => Ok(()),
    }
}

/// A field or a trailer of an answer.
fn got<'a>(answer: Option<&'a Message>, name: &str) -> Option<&'a str> {
    let answer = answer?;
    let mut all = answer.fields.iter().chain(&answer.trailers);
    all.find(|(held, _)| held == name)
        .map(|(_, value)| value.as_str())
}

fn check_request(case: &Case, request: &Message, id: &str) -> Result<(), String> {
    let fill = |text: &str| String::from_utf8_lossy(&filled(text.as_bytes(), id)).into_owned();
    for check in &case.checks {
        match check {
            Check::Line(line) => {
                same("line", &format!("{} HTTP/1.1", fill(line)), &request.line)?;
            }
            Check::Has(name, values) => {
                let values: Vec<_> = values.iter().map(|value| fill(value)).collect();
                let held: Vec<_> = request.all(name).map(str::to_owned).collect();
                same(name, &values, &held)?;
            }
            Check::Lacks(name) => same(name, &None, &request.field(name))?,
            Check::Body(body) => same("body", &filled(body, id), &request.body)?,
            Check::Trailer(name, value) => {
                let held = request.trailers.iter().find(|(held, _)| held == name);
                same(name, &Some(*value), &held.map(|(_, value)| value.as_str()))?;
            }
            Check::NoTrailer(name) => {
                let held = request.trailers.iter().find(|(held, _)| held == name);
                same(name, &None, &held)?;
            }
            _ => {}
        }
    }
    Ok(())
}

fn same<T: PartialEq + std::fmt::Debug>(what: &str, want: &T, is: &T) -> Result<(), String> {
    if want == is {
        return Ok(());
    }
    Err(format!("{what}: {want:?} expected, {is:?} found"))
}
