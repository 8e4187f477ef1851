//! What the demonstration says at its end: numbers, waits, bookings, and the portal's worst second.

use std::fmt;
use std::time::Duration;

use crate::demo::crowd::Plan;
use crate::demo::crowd::Tally;
use crate::demo::portal::Figures;

/// How a crowd fared, and the portal under it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Summary {
    /// What happened to the crowd.
    pub tally: Tally,
    /// What happened at the portal.
    pub figures: Figures,
    /// How many visitors were to come.
    pub visitors: u32,
    /// Whether there was no waiting room.
    pub without: bool,
}

impl Summary {
    pub(crate) fn new(tally: Tally, figures: Figures, plan: &Plan) -> Self {
        Self {
            tally,
            figures,
            visitors: plan.visitors,
            without: plan.room.is_none(),
        }
    }

    fn numbers(&self) -> String {
        let numbering = self.tally.numbering();
        let doubles = numbering.issued - numbering.distinct;
        let mut text = numbering.issued.to_string();
        if numbering.issued > 0 {
            let (lowest, highest) = (numbering.lowest, numbering.highest);
            text.push_str(&format!(", from {lowest} to {highest}"));
            text.push_str(match (doubles, numbering.missing) {
                (0, 0) => ", all different, no gap",
                (0, _) => ", all different, some not the crowd's",
                (_, _) => ", SOME TWICE",
            });
        }
        text
    }

    fn let_in(&self) -> String {
        let tally = &self.tally;
        match (tally.wait(50), tally.wait(95)) {
            (Some(half), Some(most)) => {
                let (half, most) = (seconds(half), seconds(most));
                format!(
                    "{} of {}; half within {half}, 95 % within {most}",
                    tally.entered, tally.arrived
                )
            }
            _ => "nobody".to_owned(),
        }
    }

    fn booked(&self) -> String {
        let mut text = self.tally.booked.to_string();
        for (count, what) in [
            (self.tally.sold_out, "were told that nothing is left"),
            (self.tally.vanished, "went away, as some do"),
            (self.tally.gave_up, "GAVE UP"),
            (self.tally.lost_place, "LOST THEIR PLACE"),
            (self.tally.turned_away, "were turned away"),
            (self.unfinished(), "were still on their way"),
        ] {
            if count > 0 {
                text.push_str(&format!("; {count} {what}"));
            }
        }
        text
    }

    fn unfinished(&self) -> u64 {
        u64::from(self.visitors).saturating_sub(self.tally.done)
    }

    fn portal(&self) -> [String; 2] {
        let Figures {
            worst,
            busiest,
            falls,
            half_done,
            ..
        } = self.figures;
        let slowest = seconds(Duration::from_millis(worst.slowest_ms));
        let worst = format!(
            "{} requests, {} answered 503, slowest answer {slowest}",
            worst.requests, worst.refused
        );
        let mut whole = format!(
            "{} requests, {} answered 503; busiest second {} requests; fell over {}",
            self.figures.requests,
            self.figures.refused,
            busiest.requests,
            times(falls)
        );
        if half_done > 0 {
            whole.push_str(&format!("; {half_done} booked without being told"));
        }
        [worst, whole]
    }
}

impl fmt::Display for Summary {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let title = if self.without {
            "The portal without a waiting room"
        } else {
            "The portal behind its waiting room"
        };
        writeln!(f, "\n{title}")?;
        if !self.without {
            writeln!(f, "  numbers issued  {}", self.numbers())?;
        }
        writeln!(f, "  let in          {}", self.let_in())?;
        writeln!(f, "  booked          {}", self.booked())?;
        let errors = self.tally.server_errors();
        let unanswered = self.tally.unanswered;
        writeln!(
            f,
            "  visitors saw    {errors} errors (5xx), {unanswered} requests without an answer"
        )?;
        let [worst, whole] = self.portal();
        writeln!(f, "  worst second    {worst}")?;
        writeln!(f, "  portal          {whole}")?;
        let other = if self.without {
            "The same crowd with the waiting room:  anteroom demo"
        } else {
            "The same crowd without the waiting room:  anteroom demo --without"
        };
        writeln!(f, "\n{other}")
    }
}

/// A duration for people: `12.3 s`.
pub(crate) fn seconds(time: Duration) -> String {
    format!("{:.1} s", time.as_secs_f64())
}

/// How often, in words where they are short.
pub(crate) fn times(count: u32) -> String {
    match count {
        0 => "never".to_owned(),
        1 => "once".to_owned(),
        _ => format!("{count} times"),
    }
}
