//! The demonstration's one screen: the line, those let in, the portal's health; or one plain line a second.
//!
//! A frame is drawn over the one before in a single write, so nothing flickers; it fits 80 columns and 24 rows, and
//! goes without colour where `NO_COLOR` is set.

use std::collections::VecDeque;
use std::io;
use std::io::IsTerminal;
use std::io::Write;

use crate::demo::rows;
use crate::demo::rows::Heading;
use crate::demo::rows::Paint;
use crate::demo::rows::Scene;

/// Seconds of history shown; with names and figures it just fits the columns.
const HISTORY: usize = 50;

/// Where the demonstration is shown.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Screen {
    /// A terminal: one screen, drawn again and again.
    Terminal {
        /// Whether colours may be used.
        colour: bool,
    },
    /// A pipe or a file: plain lines.
    Plain,
}

impl Screen {
    /// What standard output is; a `TERM` that is `dumb` counts as plain.
    #[must_use]
    pub fn of_stdout() -> Self {
        let set = |name| std::env::var_os(name).filter(|value| !value.is_empty());
        let dumb = set("TERM").is_some_and(|term| term == "dumb");
        if dumb || !io::stdout().is_terminal() {
            return Self::Plain;
        }
        Self::Terminal {
            colour: set("NO_COLOR").is_none(),
        }
    }

    /// Whether somebody watches.
    #[must_use]
    pub fn is_terminal(self) -> bool {
        matches!(self, Self::Terminal { .. })
    }
}

/// What is written, where, and what was seen before.
#[derive(Debug)]
pub(crate) struct View<W> {
    out: W,
    screen: Screen,
    open: bool,
    last_second: Option<u64>,
    waiting: VecDeque<u64>,
    requests: VecDeque<u64>,
}

impl<W: Write> View<W> {
    pub(crate) fn new(out: W, screen: Screen) -> Self {
        Self {
            out,
            screen,
            open: false,
            last_second: None,
            waiting: VecDeque::new(),
            requests: VecDeque::new(),
        }
    }

    /// Takes the terminal's other screen, or prints where to look.
    pub(crate) fn open(&mut self, heading: &Heading) -> io::Result<()> {
        if self.screen.is_terminal() {
            self.open = true;
            return self.print("\x1b[?1049h\x1b[?25l\x1b[2J");
        }
        let mut text = rows::addresses(heading).join("\n");
        text.push_str(&format!(
            "\n{} visitors come within {} s",
            heading.visitors,
            heading.within.as_secs()
        ));
        if !heading.without {
            text.push_str(&format!(
                "; the room lets {} in",
                rows::pace(heading.rate_per_hour)
            ));
        }
        text.push_str(".\n\n");
        self.print(&text)
    }

    /// Shows this moment.
    pub(crate) fn show(&mut self, scene: &Scene<'_>) -> io::Result<()> {
        let Screen::Terminal { colour } = self.screen else {
            let line = rows::plain(scene);
            return self.print(&line);
        };
        self.remember(scene);
        let mut frame = String::from("\x1b[H");
        for line in rows::frame(scene, [&self.waiting, &self.requests], Paint(colour)) {
            frame.push_str(&line);
            frame.push_str("\x1b[K\r\n");
        }
        frame.push_str("\x1b[J");
        self.print(&frame)
    }

    /// Gives the terminal back as it was.
    pub(crate) fn close(&mut self) -> io::Result<()> {
        if !self.open {
            return Ok(());
        }
        self.open = false;
        self.print("\x1b[?25h\x1b[?1049l")
    }

    /// Writes a text as it is.
    pub(crate) fn print(&mut self, text: &str) -> io::Result<()> {
        self.out.write_all(text.as_bytes())?;
        self.out.flush()
    }

    /// Keeps one value of each kind per second.
    fn remember(&mut self, scene: &Scene<'_>) {
        let second = scene.elapsed.as_secs();
        if self.last_second == Some(second) {
            return;
        }
        self.last_second = Some(second);
        let new = [scene.tally.waiting, scene.figures.last.requests];
        for (history, value) in [&mut self.waiting, &mut self.requests].into_iter().zip(new) {
            if history.len() == HISTORY {
                history.pop_front();
            }
            history.push_back(value);
        }
    }
}
