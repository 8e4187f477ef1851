//! The two cookies of a room: what they are called and how they are set.

use http::HeaderValue;

use crate::config::Room;

/// How long a browser keeps a ticket, in seconds: two days.
const TICKET_AGE_S: u64 = 2 * 24 * 3_600;

/// What a room's cookies are called, on TLS and on plain HTTP.
#[derive(Debug)]
pub struct CookieNames {
    secure: Names,
    plain: Names,
    /// How long a browser keeps a pass: somebody idled out comes back with it, and is known to return.
    pass_age_s: u64,
}

#[derive(Debug)]
struct Names {
    ticket: String,
    pass: String,
}

impl CookieNames {
    /// The names of this room's cookies.
    #[must_use]
    pub fn new(room: &Room) -> Self {
        let name = &room.name;
        Self {
            secure: Names {
                ticket: format!("__Host-anteroom-{name}"),
                pass: format!("__Host-anteroom-{name}-pass"),
            },
            plain: Names {
                ticket: format!("anteroom-{name}"),
                pass: format!("anteroom-{name}-pass"),
            },
            pass_age_s: (room.pass_max + room.grace).as_secs().max(TICKET_AGE_S),
        }
    }

    fn names(&self, https: bool) -> &Names {
        if https { &self.secure } else { &self.plain }
    }

    /// The ticket cookie's name for a visitor who came this way.
    #[must_use]
    pub fn ticket(&self, https: bool) -> &str {
        &self.names(https).ticket
    }

    /// The pass cookie's name for a visitor who came this way.
    #[must_use]
    pub fn pass(&self, https: bool) -> &str {
        &self.names(https).pass
    }

    /// `Set-Cookie` for a ticket (RFC 6265 §4.1).
    #[must_use]
    pub fn set_ticket(&self, https: bool, text: &str) -> Option<HeaderValue> {
        let secure = if https { "; Secure" } else { "" };
        let name = self.ticket(https);
        header(format!(
            "{name}={text}; Path=/; Max-Age={TICKET_AGE_S}; HttpOnly; SameSite=Lax{secure}"
        ))
    }

    /// `Set-Cookie` for a pass. Over TLS it also comes with cross-site posts: single sign-on and payment pages bring
    /// visitors back that way, and it only lets through.
    #[must_use]
    pub fn set_pass(&self, https: bool, text: &str) -> Option<HeaderValue> {
        let site = if https {
            "SameSite=None; Secure"
        } else {
            "SameSite=Lax"
        };
        let (name, age) = (self.pass(https), self.pass_age_s);
        header(format!(
            "{name}={text}; Path=/; Max-Age={age}; HttpOnly; {site}"
        ))
    }

    /// `Set-Cookie` that takes both away.
    #[must_use]
    pub fn forget(&self, https: bool) -> Vec<HeaderValue> {
        let names = self.names(https);
        let tail = if https { "; Secure" } else { "" };
        let gone = |name: &str, site: &str| {
            header(format!(
                "{name}=; Path=/; Max-Age=0; HttpOnly; SameSite={site}{tail}"
            ))
        };
        let pass_site = if https { "None" } else { "Lax" };
        [gone(&names.ticket, "Lax"), gone(&names.pass, pass_site)]
            .into_iter()
            .flatten()
            .collect()
    }
}

fn header(text: String) -> Option<HeaderValue> {
    HeaderValue::try_from(text).ok()
}
