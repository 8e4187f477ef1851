//! A case: what a client sends on a connection that has begun, and what has to come of it.

use std::sync::Mutex;
use std::sync::atomic::AtomicUsize;
use std::sync::atomic::Ordering;
use std::thread;

use crate::front::Front;
use crate::wire::ACK;
use crate::wire::Client;
use crate::wire::Frame;
use crate::wire::GOAWAY;
use crate::wire::HEADERS;
use crate::wire::Over;
use crate::wire::PING;
use crate::wire::RST_STREAM;
use crate::wire::frame;
use crate::wire::get;
use crate::wire::window_update;

// RFC 9113 §7.
pub(crate) const PROTOCOL_ERROR: u32 = 1;
pub(crate) const FLOW_CONTROL_ERROR: u32 = 3;
pub(crate) const STREAM_CLOSED: u32 = 5;
pub(crate) const FRAME_SIZE_ERROR: u32 = 6;
pub(crate) const REFUSED_STREAM: u32 = 7;
pub(crate) const COMPRESSION_ERROR: u32 = 9;

/// Cases at a time.
const ABREAST: usize = 12;

/// A stream that no case uses: on it, the connection shows that it is good for more.
const FURTHER: u32 = 9_001;

/// What a case does by itself.
pub(crate) type Act = fn(&mut Client) -> Result<(), String>;

/// One case.
#[derive(Debug, Clone)]
pub(crate) struct Case {
    pub(crate) name: String,
    /// The section it follows from.
    pub(crate) rfc: &'static str,
    /// What the client says in its settings.
    pub(crate) settings: Vec<(u16, u32)>,
    pub(crate) play: Play,
    pub(crate) want: Want,
    /// No stream can follow.
    pub(crate) is_last: bool,
    /// What the letter has instead of what is wanted, and why that is harmless.
    pub(crate) otherwise: Option<(Want, &'static str)>,
}

/// What a client does.
#[derive(Debug, Clone)]
pub(crate) enum Play {
    /// Sends this on a connection that has begun.
    Send(Vec<u8>),
    /// Sends this as the first bytes of all.
    First(Vec<u8>),
    /// Does this on a connection that has begun.
    Act(Act),
}

/// What has to come of it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Want {
    /// Nothing: the connection is good for more.
    Goes,
    /// The stream is answered with this status (200 or 400), to its end, and the connection is good for more.
    Answer(u32, u16),
    /// The stream, and it alone, is reset with this code.
    Reset(u32, u32),
    /// The connection ends with this code.
    GoAway(u32),
    /// The connection ends, whatever is said.
    End,
}

impl Case {
    pub(crate) fn new(name: impl Into<String>, rfc: &'static str, play: Play, want: Want) -> Self {
        Self {
            name: name.into(),
            rfc,
            settings: Vec::new(),
            play,
            want,
            is_last: false,
            otherwise: None,
        }
    }

    pub(crate) fn with(mut self, settings: &[(u16, u32)]) -> Self {
        self.settings = settings.to_vec();
        self
    }

    /// The case itself sees to the end of the connection.
    pub(crate) fn ends(mut self) -> Self {
        self.want = Want::End;
        self
    }

    /// The connection ends with this code.
    pub(crate) fn ends_with(mut self, code: u32) -> Self {
        self.want = Want::GoAway(code);
        self
    }

    /// No stream can follow: there is no number, or no place, left for one.
    pub(crate) fn nothing_after(mut self) -> Self {
        self.is_last = true;
        self
    }

    /// By the letter it would be this, and it is harmless because of that.
    pub(crate) fn otherwise(mut self, letter: Want, reason: &'static str) -> Self {
        self.otherwise = Some((letter, reason));
        self
    }
}

/// A case that sends some frames.
pub(crate) fn sends(name: &str, rfc: &'static str, frames: &[Vec<u8>], want: Want) -> Case {
    Case::new(name, rfc, Play::Send(frames.concat()), want)
}

/// A case that talks and judges by itself; afterwards the connection is good for more.
pub(crate) fn acts(name: &str, rfc: &'static str, act: Act) -> Case {
    Case::new(name, rfc, Play::Act(act), Want::Goes)
}

/// Plays all; what failed, and why.
pub(crate) fn play_all(front: &Front, cases: &[Case]) -> Vec<(usize, String)> {
    let (next, failed) = (AtomicUsize::new(0), Mutex::new(Vec::new()));
    thread::scope(|scope| {
        for _ in 0..ABREAST {
            scope.spawn(|| {
                loop {
                    let index = next.fetch_add(1, Ordering::Relaxed);
                    let Some(case) = cases.get(index) else { return };
                    if let Err(why) = play(front, case) {
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

fn play(front: &Front, case: &Case) -> Result<(), String> {
    let mut client = match &case.play {
        Play::First(bytes) => {
            let mut client = Client::raw(front).map_err(|error| error.to_string())?;
            client.send(bytes);
            client
        }
        Play::Send(bytes) => {
            let mut client = Client::open(front, &case.settings)?;
            client.send(bytes);
            client
        }
        Play::Act(act) => {
            let mut client = Client::open(front, &case.settings)?;
            act(&mut client)?;
            client
        }
    };
    judge(&mut client, case.want)?;
    match case.want {
        Want::GoAway(_) | Want::End => ends(&mut client),
        Want::Goes | Want::Answer(..) | Want::Reset(..) if case.is_last => Ok(()),
        Want::Goes | Want::Answer(..) | Want::Reset(..) => goes(&mut client),
    }
}

fn judge(client: &mut Client, want: Want) -> Result<(), String> {
    match want {
        Want::Goes | Want::End => Ok(()),
        Want::Answer(stream, status) => {
            let got = answer(client, stream)?;
            if got.0 != status {
                return Err(format!("answered {}", got.0));
            }
            Ok(())
        }
        Want::Reset(stream, code) => {
            let got = client.find("a reset", |frame| {
                (frame.kind == RST_STREAM && frame.stream == stream) || frame.kind == GOAWAY
            })?;
            if got.kind != RST_STREAM || got.code() != code {
                return Err(format!("{} with code {}", kind(&got), got.code()));
            }
            Ok(())
        }
        Want::GoAway(code) => {
            let got = client.find("the connection going away", |frame| frame.kind == GOAWAY)?;
            if got.code() != code {
                return Err(format!("going away with code {}", got.code()));
            }
            Ok(())
        }
    }
}

fn kind(frame: &Frame) -> &'static str {
    if frame.kind == GOAWAY {
        "going away"
    } else {
        "reset"
    }
}

/// Reads an answer to its end: its status, and how many bytes it has.
pub(crate) fn answer(client: &mut Client, stream: u32) -> Result<(u16, usize), String> {
    let mut bytes = 0;
    let mut status = None;
    loop {
        let frame = client.find("an answer", |frame| {
            frame.stream == stream || frame.kind == GOAWAY
        })?;
        match frame.kind {
            GOAWAY => return Err(format!("going away with code {}", frame.code())),
            RST_STREAM => return Err(format!("reset with code {}", frame.code())),
            // Without memory, 200 is the static table's entry 8 and 400 its entry 12 (RFC 7541 Appendix A).
            HEADERS if status.is_none() => {
                let first = frame.payload.iter().find(|byte| **byte & 0xe0 != 0x20);
                status = first.map(|first| match first {
                    0x88 => 200,
                    0x8c => 400,
                    _ => 0,
                });
            }
            0 => bytes += frame.payload.len(),
            _ => {}
        }
        if let Some(status) = status
            && frame.ends_stream()
        {
            return Ok((status, bytes));
        }
    }
}

/// The connection answers a ping and a request.
pub(crate) fn goes(client: &mut Client) -> Result<(), String> {
    client.send(&frame(PING, 0, 0, b"are you?"));
    let is_pong =
        |frame: &Frame| frame.kind == PING && frame.flags == ACK && frame.payload == b"are you?";
    let found = client.find("a pong", |frame| is_pong(frame) || frame.kind == GOAWAY)?;
    if found.kind == GOAWAY {
        return Err(format!("going away with code {}", found.code()));
    }
    // Whatever windows the case has left of it.
    client.send(&[get(FURTHER, "/further"), window_update(FURTHER, 1_000)].concat());
    match answer(client, FURTHER)? {
        (200, _) => Ok(()),
        (status, _) => Err(format!("a further request was answered {status}")),
    }
}

/// The connection is over, or will be without more being said.
fn ends(client: &mut Client) -> Result<(), String> {
    loop {
        match client.next() {
            Ok(_) => {}
            Err(Over::Ended) => return Ok(()),
            Err(Over::Silent) => return Err("the connection stays open".to_owned()),
        }
    }
}
