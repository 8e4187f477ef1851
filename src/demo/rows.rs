//! The rows of the demonstration's view: what each moment looks like, on a screen and on a line.

use std::collections::VecDeque;
use std::net::SocketAddr;
use std::time::Duration;

use crate::demo::crowd::Tally;
use crate::demo::portal::Figures;
use crate::demo::portal::Health;
use crate::demo::summary::seconds;
use crate::demo::summary::times;

/// Columns a frame may take.
const COLUMNS: usize = 80;
/// Width of the bars.
const BAR: u64 = 40;

/// What does not change while a demonstration runs.
#[derive(Debug, Clone)]
pub(crate) struct Heading {
    pub(crate) site: Option<SocketAddr>,
    pub(crate) portal: SocketAddr,
    pub(crate) admin: Option<SocketAddr>,
    pub(crate) without: bool,
    pub(crate) rate_per_hour: u64,
    pub(crate) visitors: u32,
    pub(crate) within: Duration,
}

/// One moment of a demonstration.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Scene<'a> {
    pub(crate) heading: &'a Heading,
    pub(crate) elapsed: Duration,
    pub(crate) tally: &'a Tally,
    pub(crate) figures: &'a Figures,
}

/// One frame: at most 24 lines of at most 80 columns. `histories` are those waiting and the portal's requests, by the
/// second.
pub(crate) fn frame(
    scene: &Scene<'_>,
    histories: [&VecDeque<u64>; 2],
    paint: Paint,
) -> Vec<String> {
    let [waiting, requests] = histories;
    let Scene {
        heading,
        tally,
        figures,
        ..
    } = *scene;
    let title = if heading.without {
        "anteroom demo: the portal WITHOUT a waiting room"
    } else {
        "anteroom demo: the portal behind its waiting room"
    };
    let clock = format!("{} s, Ctrl-C ends it", scene.elapsed.as_secs());
    let space = COLUMNS.saturating_sub(2 + title.len() + clock.len());
    let mut lines = vec![format!(" {}{:space$}{clock}", paint.bold(title), "")];
    lines.extend(
        addresses(heading)
            .into_iter()
            .map(|line| format!(" {line}")),
    );
    lines.push(String::new());
    lines.extend(crowd(heading, tally, paint));
    lines.push(String::new());
    lines.extend(portal(tally, figures, paint));
    lines.push(String::new());
    if !heading.without {
        lines.push(history("waiting", waiting));
    }
    lines.push(history("requests/s", requests));
    lines.push(String::new());
    lines.push(paint.dim(if heading.without {
        " Compare: anteroom demo"
    } else {
        " Compare: anteroom demo --without"
    }));
    lines
}

/// Colours, or none.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Paint(pub(crate) bool);

impl Paint {
    fn bold(self, text: &str) -> String {
        self.with("1", text)
    }

    fn dim(self, text: &str) -> String {
        self.with("2", text)
    }

    fn good(self, text: &str) -> String {
        self.with("32", text)
    }

    fn bad(self, text: &str) -> String {
        self.with("1;31", text)
    }

    fn with(self, code: &str, text: &str) -> String {
        if self.0 {
            format!("\x1b[{code}m{text}\x1b[0m")
        } else {
            text.to_owned()
        }
    }
}

/// Where to look, one address a line.
pub(crate) fn addresses(heading: &Heading) -> Vec<String> {
    let portal = format!("http://{}/booking/", heading.portal);
    let site = heading.site.filter(|_| !heading.without);
    let mut lines = match site {
        Some(site) => vec![
            address(
                "open",
                &format!("http://{site}/booking/"),
                "and stand in line yourself",
            ),
            address("", &portal, "the portal behind it"),
        ],
        None => vec![address("open", &portal, "the bare portal")],
    };
    if let Some(admin) = heading.admin {
        lines.push(address(
            "",
            &format!("http://{admin}/metrics"),
            "what the room counts",
        ));
    }
    lines
}

/// An address, and what it is for where there is room to say it.
fn address(lead: &str, address: &str, what: &str) -> String {
    let line = format!("{lead:<6}{address}  {what}");
    if line.len() < COLUMNS {
        line
    } else {
        format!("{lead:<6}{address}")
    }
}

fn crowd(heading: &Heading, tally: &Tally, paint: Paint) -> Vec<String> {
    let of = u64::from(heading.visitors);
    let row = |name: &str, count: u64| format!(" {name:<11}{count:>7}  {}", bar(count, of));
    let pace = if heading.without {
        "everybody at once".to_owned()
    } else {
        pace(heading.rate_per_hour)
    };
    let mut lines = vec![format!(" {}  {pace}", paint.bold("The crowd"))];
    lines.push(row("arrived", tally.arrived));
    if !heading.without {
        lines.push(row("waiting", tally.waiting));
    }
    lines.push(row("let in", tally.entered));
    lines.push(row("booked", tally.booked));
    if heading.without {
        lines.push(row("gave up", tally.gave_up));
    } else if let (Some(half), Some(most)) = (tally.wait(50), tally.wait(95)) {
        lines.push(format!(
            " waited       half up to {}, 95 % up to {}",
            seconds(half),
            seconds(most)
        ));
    }
    lines
}

fn portal(tally: &Tally, figures: &Figures, paint: Paint) -> Vec<String> {
    let health = match figures.health {
        Health::Well => paint.good(figures.health.name()),
        Health::Slow => paint.bold(figures.health.name()),
        Health::Down => paint.bad(figures.health.name()),
    };
    let errors = format!(
        "{} answers 503, fell over {}",
        figures.refused,
        times(figures.falls)
    );
    let errors = if figures.refused == 0 {
        errors
    } else {
        paint.bad(&errors)
    };
    vec![
        format!(" {}  {health}", paint.bold("The portal")),
        format!(
            " now          {} requests in the last second, slowest answer {} ms",
            figures.last.requests, figures.last.slowest_ms
        ),
        format!(
            " worst second {} requests, {} answered 503, slowest answer {} ms",
            figures.worst.requests, figures.worst.refused, figures.worst.slowest_ms
        ),
        format!(" errors       {errors}"),
        format!(
            " people       {} on its pages, {} appointments left",
            tally.inside, figures.left
        ),
    ]
}

/// One line for a pipe or a file.
pub(crate) fn plain(scene: &Scene<'_>) -> String {
    let Scene {
        heading,
        tally,
        figures,
        ..
    } = *scene;
    let waiting = if heading.without {
        format!("gave up {:>4}", tally.gave_up)
    } else {
        format!("waiting {:>4}", tally.waiting)
    };
    format!(
        "{:>4} s  arrived {:>4}  {waiting}  let in {:>4}  booked {:>4}  portal {} ({} requests/s, {} answered 503)\n",
        scene.elapsed.as_secs(),
        tally.arrived,
        tally.entered,
        tally.booked,
        figures.health.name(),
        figures.last.requests,
        figures.refused,
    )
}

/// `15 a second`, `90 a minute`, or what is read most easily.
pub(crate) fn pace(rate_per_hour: u64) -> String {
    if rate_per_hour >= 3_600 && rate_per_hour.is_multiple_of(3_600) {
        format!("{} a second", rate_per_hour / 3_600)
    } else if rate_per_hour >= 60 && rate_per_hour.is_multiple_of(60) {
        format!("{} a minute", rate_per_hour / 60)
    } else {
        format!("{rate_per_hour} an hour")
    }
}

fn bar(count: u64, of: u64) -> String {
    let full = (count.min(of) * BAR).checked_div(of).unwrap_or(0);
    let full = usize::try_from(full).unwrap_or(0);
    "█".repeat(full)
}

/// The last seconds, a character per second, as high as its highest.
fn history(name: &str, values: &VecDeque<u64>) -> String {
    const STEPS: [char; 8] = ['▁', '▂', '▃', '▄', '▅', '▆', '▇', '█'];
    let most = values.iter().copied().max().unwrap_or(0);
    let step = |&value: &u64| {
        let step = (value * 7).div_ceil(most.max(1)).min(7);
        STEPS[usize::try_from(step).unwrap_or(0)]
    };
    let line: String = values.iter().map(step).collect();
    format!(" {name:<11}{line} {most} at most")
}
