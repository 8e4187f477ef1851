//! A case: what a client sends, and what has to become of it.

/// One case of the conformance suite. In what is sent and in what is expected, `{t}` stands for a path of the case's
/// own, by which its requests are known at the origin.
#[derive(Debug, Clone)]
pub(crate) struct Case {
    pub(crate) name: String,
    /// The section it follows from.
    pub(crate) rfc: &'static str,
    pub(crate) send: Vec<u8>,
    /// The client says that nothing more will come, and waits for the end.
    pub(crate) hangs_up: bool,
    pub(crate) want: Want,
    pub(crate) checks: Vec<Check>,
}

/// What has to become of it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Want {
    /// It reaches the origin, and the client gets the answer; the connection is good for more, unless it closes.
    Forward { closes: bool },
    /// One of these statuses and the end of the connection, and nothing of it at the origin.
    Refuse(&'static [u16]),
    /// Its head is fine and its body is not: the origin never sees a whole request, the client no answer of it.
    Cut,
    /// The proxy answers for itself; the connection is good for more, and the origin sees nothing.
    Own(u16),
    /// What the origin answers cannot be passed on.
    BadGateway,
    /// The client can tell that the answer is not whole.
    Broken,
    /// The first request is answered, the second is refused, and nothing of it reaches the origin.
    GoodBeforeBad,
    /// The origin refuses before the body: its refusal is passed on, and the client is not asked for the body.
    RefusesBody,
}

/// What has to hold in detail.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Check {
    /// The request line at the origin, without its version.
    Line(String),
    /// A field at the origin, all its lines.
    Has(&'static str, Vec<String>),
    /// No such field at the origin.
    Lacks(&'static str),
    /// The body at the origin.
    Body(Vec<u8>),
    /// A trailer at the origin, if it passes trailers on at all.
    Trailer(&'static str, &'static str),
    /// No such trailer.
    NoTrailer(&'static str),
    /// This many requests reach the origin, and the client gets as many answers.
    Times(usize),
    /// The status of the answer.
    Status(u16),
    /// A field of the answer.
    Gets(&'static str, &'static str),
    /// No such field in the answer.
    NotGets(&'static str),
    /// The answer's body.
    Reads(&'static str),
    /// `100 Continue` comes before the answer, or not.
    Continues(bool),
}

impl Case {
    pub(crate) fn new(
        name: impl Into<String>,
        rfc: &'static str,
        send: impl Into<Vec<u8>>,
    ) -> Self {
        Self {
            name: name.into(),
            rfc,
            send: send.into(),
            hangs_up: false,
            want: Want::Forward { closes: false },
            checks: Vec::new(),
        }
    }

    fn check(mut self, check: Check) -> Self {
        self.checks.push(check);
        self
    }

    fn want(mut self, want: Want) -> Self {
        self.want = want;
        self
    }

    pub(crate) fn closes(self) -> Self {
        self.want(Want::Forward { closes: true })
    }

    pub(crate) fn own(self, status: u16) -> Self {
        self.want(Want::Own(status))
    }

    pub(crate) fn bad_gateway(self) -> Self {
        self.want(Want::BadGateway)
    }

    pub(crate) fn broken(self) -> Self {
        self.want(Want::Broken)
    }

    pub(crate) fn good_before_bad(self) -> Self {
        self.want(Want::GoodBeforeBad)
    }

    pub(crate) fn refuses_body(self) -> Self {
        self.want(Want::RefusesBody)
    }

    pub(crate) fn hangs_up(mut self) -> Self {
        self.hangs_up = true;
        self
    }

    pub(crate) fn line(self, line: &str) -> Self {
        self.check(Check::Line(line.to_owned()))
    }

    pub(crate) fn has(self, name: &'static str, value: &str) -> Self {
        self.check(Check::Has(name, vec![value.to_owned()]))
    }

    pub(crate) fn check_all(self, name: &'static str, values: &[&str]) -> Self {
        let values = values.iter().map(|value| (*value).to_owned());
        self.check(Check::Has(name, values.collect()))
    }

    pub(crate) fn lacks(self, name: &'static str) -> Self {
        self.check(Check::Lacks(name))
    }

    pub(crate) fn body(self, body: impl Into<Vec<u8>>) -> Self {
        self.check(Check::Body(body.into()))
    }

    pub(crate) fn trailer(self, name: &'static str, value: &'static str) -> Self {
        self.check(Check::Trailer(name, value))
    }

    pub(crate) fn no_trailer(self, name: &'static str) -> Self {
        self.check(Check::NoTrailer(name))
    }

    pub(crate) fn times(self, count: usize) -> Self {
        self.check(Check::Times(count))
    }

    pub(crate) fn status(self, status: u16) -> Self {
        self.check(Check::Status(status))
    }

    pub(crate) fn gets(self, name: &'static str, value: &'static str) -> Self {
        self.check(Check::Gets(name, value))
    }

    pub(crate) fn not_gets(self, name: &'static str) -> Self {
        self.check(Check::NotGets(name))
    }

    pub(crate) fn reads(self, body: &'static str) -> Self {
        self.check(Check::Reads(body))
    }

    pub(crate) fn continues(self, is_told: bool) -> Self {
        self.check(Check::Continues(is_told))
    }
}

/// A `GET` with these further lines.
pub(crate) fn get(name: &str, rfc: &'static str, lines: &str) -> Case {
    let send = format!("GET {{t}} HTTP/1.1\r\nHost: a.example\r\n{lines}\r\n");
    Case::new(name, rfc, send)
}

/// A `GET` with this request line.
pub(crate) fn line(name: &str, rfc: &'static str, line: &str) -> Case {
    Case::new(name, rfc, format!("{line}\r\nHost: a.example\r\n\r\n"))
}

/// A `POST` with these further lines, and what follows the head.
pub(crate) fn post(name: &str, rfc: &'static str, lines: &str, body: &str) -> Case {
    let send = format!("POST {{t}} HTTP/1.1\r\nHost: a.example\r\n{lines}\r\n{body}");
    Case::new(name, rfc, send)
}

/// A chunked `POST`.
pub(crate) fn chunked(name: &str, rfc: &'static str, body: &str) -> Case {
    post(name, rfc, "Transfer-Encoding: chunked\r\n", body)
}

/// A `GET` that the origin answers as it was told to by this name.
pub(crate) fn answered(name: &str, rfc: &'static str, answer: &str) -> Case {
    let send = format!("GET {{t}}a/{answer} HTTP/1.1\r\nHost: a.example\r\n\r\n");
    Case::new(name, rfc, send)
}

/// Has to be refused.
pub(crate) fn refused(case: Case) -> Case {
    case.want(Want::Refuse(&[400]))
}

/// Has to be refused with one of these.
pub(crate) fn refused_with(case: Case, statuses: &'static [u16]) -> Case {
    case.want(Want::Refuse(statuses))
}

/// Has to be cut short.
pub(crate) fn cut(case: Case) -> Case {
    case.want(Want::Cut)
}
