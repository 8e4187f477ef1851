//! Values with units: durations, rates, sizes and shares, read exactly and in integers.

use std::fmt;
use std::str::FromStr;
use std::time::Duration;

use crate::config::fault::Code;
use crate::config::fault::Fault;
use crate::line::settings::RATE_PER_HOUR_MAX;

/// A duration in microseconds, written `"30s"`, `"1h30m"` or `"250ms"`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Span(u64);

/// Entries per hour, 0 to 360,000,000, written `"120/min"`, `"10/s"` or `"7200/h"`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Rate(u64);

/// A number of bytes, written `"64 KiB"`, `"10 MB"` or `"512 B"`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Size(u64);

/// A share in millionths, 0 to 1,000,000, written `0.5` or `"50%"`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Share(u64);

/// Units of time, longest first, in microseconds.
const TIMES: [(&str, u64); 5] = [
    ("d", 86_400_000_000),
    ("h", 3_600_000_000),
    ("m", 60_000_000),
    ("s", 1_000_000),
    ("ms", 1_000),
];

/// Units of size, in bytes; the binary ones first and largest first.
const SIZES: [(&str, u64); 8] = [
    ("TiB", 1 << 40),
    ("GiB", 1 << 30),
    ("MiB", 1 << 20),
    ("KiB", 1 << 10),
    ("GB", 1_000_000_000),
    ("MB", 1_000_000),
    ("kB", 1_000),
    ("B", 1),
];

/// Millionths in a whole.
const WHOLE_PPM: u64 = 1_000_000;

impl Span {
    /// A duration of so many microseconds.
    #[must_use]
    pub const fn from_micros(us: u64) -> Self {
        Self(us)
    }

    /// The duration in microseconds.
    #[must_use]
    pub const fn micros(self) -> u64 {
        self.0
    }

    /// The duration as the standard library has it.
    #[must_use]
    pub const fn duration(self) -> Duration {
        Duration::from_micros(self.0)
    }
}

impl FromStr for Span {
    type Err = Fault;

    fn from_str(text: &str) -> Result<Self, Fault> {
        let fault = |reason: &str| {
            Fault::invalid(
                "not a duration",
                reason,
                "write it like \"30s\", \"10m\", \"1h30m\"",
            )
        };
        let mut rest = text;
        let mut total: u64 = 0;
        let mut finest = 0;
        while !rest.is_empty() {
            let (number, after) = take_while(rest, |c| c.is_ascii_digit());
            let (unit, after) = take_while(after, |c| c.is_ascii_alphabetic());
            if number.is_empty() {
                return Err(fault("every part is a whole number and its unit"));
            }
            if unit.is_empty() {
                return Err(fault("the unit is missing: ms, s, m, h or d"));
            }
            let place = TIMES.iter().position(|(name, _)| *name == unit);
            let Some(place) = place else {
                return Err(fault("the units are ms, s, m, h and d"));
            };
            if place < finest {
                return Err(fault("each unit comes once, the longest first"));
            }
            finest = place + 1;
            let factor = TIMES.get(place).map_or(0, |(_, factor)| *factor);
            total = number
                .parse::<u64>()
                .ok()
                .and_then(|number| number.checked_mul(factor))
                .and_then(|part| total.checked_add(part))
                .ok_or_else(|| fault("it is longer than can be counted"))?;
            rest = after.strip_prefix(' ').unwrap_or(after);
        }
        if finest == 0 {
            Err(fault("it is empty"))
        } else {
            Ok(Self(total))
        }
    }
}

impl fmt::Display for Span {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if self.0 < 1_000 {
            return write!(f, "{}", if self.0 == 0 { "0s" } else { "under 1ms" });
        }
        let mut rest = self.0;
        for (name, factor) in TIMES {
            if rest >= factor {
                write!(f, "{}{name}", rest / factor)?;
                rest %= factor;
            }
        }
        Ok(())
    }
}

impl Rate {
    /// A rate of so many entries per hour; more than the highest rate becomes the highest.
    #[must_use]
    pub const fn from_per_hour(per_hour: u64) -> Self {
        Self(if per_hour > RATE_PER_HOUR_MAX {
            RATE_PER_HOUR_MAX
        } else {
            per_hour
        })
    }

    /// Entries per hour.
    #[must_use]
    pub const fn per_hour(self) -> u64 {
        self.0
    }
}

impl FromStr for Rate {
    type Err = Fault;

    fn from_str(text: &str) -> Result<Self, Fault> {
        let fault = |reason: &str| {
            Fault::invalid(
                "not a rate",
                reason,
                "write it like \"120/min\", \"10/s\" or \"7200/h\"",
            )
        };
        let (number, unit) = text
            .split_once('/')
            .ok_or_else(|| fault("a rate is a number, a slash and s, min or h"))?;
        let per_hour: u64 = match unit.trim() {
            "s" | "sec" | "second" => 3_600,
            "min" | "minute" => 60,
            "h" | "hour" => 1,
            _ => return Err(fault("the units are s, min and h")),
        };
        let millionths = decimal_ppm(number.trim())
            .ok_or_else(|| fault("the part before the slash is not a number"))?;
        let exact = millionths.saturating_mul(u128::from(per_hour));
        let rate = u64::try_from(exact / u128::from(WHOLE_PPM)).unwrap_or(u64::MAX);
        if rate > RATE_PER_HOUR_MAX {
            return Err(Fault::new(
                Code::OutOfRange,
                "the rate is too high",
                "the highest rate is 100000/s",
                "use a lower rate, or mode = \"bypass\" to let everybody through",
            ));
        }
        if exact % u128::from(WHOLE_PPM) != 0 {
            return Err(fault("it is not a whole number of entries per hour"));
        }
        Ok(Self(rate))
    }
}

impl fmt::Display for Rate {
    /// Per second from 10/s up where that is whole, else per minute where that is, else per hour.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.0 {
            n if n >= 36_000 && n % 3_600 == 0 => write!(f, "{}/s", n / 3_600),
            n if n % 60 == 0 => write!(f, "{}/min", n / 60),
            n => write!(f, "{n}/h"),
        }
    }
}

impl Size {
    /// A size of so many bytes.
    #[must_use]
    pub const fn from_bytes(bytes: u64) -> Self {
        Self(bytes)
    }

    /// The size in bytes.
    #[must_use]
    pub const fn bytes(self) -> u64 {
        self.0
    }
}

impl FromStr for Size {
    type Err = Fault;

    fn from_str(text: &str) -> Result<Self, Fault> {
        let fault = |reason: &str| {
            Fault::invalid(
                "not a size",
                reason,
                "write it like \"64 KiB\", \"10 MB\" or \"512 B\"",
            )
        };
        let (number, unit) = take_while(text, |c| c.is_ascii_digit());
        if number.is_empty() {
            return Err(fault("a size is a whole number and its unit"));
        }
        let factor = SIZES
            .iter()
            .find(|(name, _)| *name == unit.trim())
            .map(|(_, factor)| *factor)
            .ok_or_else(|| fault("the units are B, KiB, MiB, GiB, TiB, kB, MB and GB"))?;
        number
            .parse::<u64>()
            .ok()
            .and_then(|number| number.checked_mul(factor))
            .map(Self)
            .ok_or_else(|| fault("it is more than can be counted"))
    }
}

/// Reads so many bytes each second, written `"500 B/s"` or `"2 KiB/s"`.
///
/// # Errors
/// When the text is not a size and `/s`.
pub fn bytes_per_s(text: &str) -> Result<Size, Fault> {
    let size = text.strip_suffix("/s").map(str::trim_end);
    size.and_then(|size| size.parse().ok()).ok_or_else(|| {
        Fault::invalid(
            "not a number of bytes per second",
            "it is a size, a slash and s",
            "write it like \"500 B/s\" or \"2 KiB/s\"",
        )
    })
}

impl fmt::Display for Size {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let fits = |(_, factor): &&(&str, u64)| self.0 >= *factor && self.0.is_multiple_of(*factor);
        let (name, factor) = SIZES.iter().find(fits).copied().unwrap_or(("B", 1));
        write!(f, "{} {name}", self.0 / factor)
    }
}

impl Share {
    /// The share in millionths.
    #[must_use]
    pub const fn ppm(self) -> u64 {
        self.0
    }

    /// A share of so many millionths; more than the whole becomes the whole.
    #[must_use]
    pub const fn from_ppm(ppm: u64) -> Self {
        Self(if ppm > WHOLE_PPM { WHOLE_PPM } else { ppm })
    }
}

impl FromStr for Share {
    type Err = Fault;

    fn from_str(text: &str) -> Result<Self, Fault> {
        let fault = |reason: &str| {
            Fault::invalid(
                "not a share",
                reason,
                "write a number from 0 to 1, like 0.5, or \"50%\"",
            )
        };
        let (number, per) = text
            .strip_suffix('%')
            .map_or((text, 1), |number| (number, 100));
        let ppm = decimal_ppm(number.trim()).ok_or_else(|| fault("it is not a number"))?;
        if ppm % per != 0 {
            return Err(fault("it has more than six decimals"));
        }
        u64::try_from(ppm / per)
            .ok()
            .filter(|ppm| *ppm <= WHOLE_PPM)
            .map(Self)
            .ok_or_else(|| fault("a share is between nothing (0) and the whole (1)"))
    }
}

impl fmt::Display for Share {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let text = format!("{}.{:06}", self.0 / WHOLE_PPM, self.0 % WHOLE_PPM);
        let text = text.trim_end_matches('0');
        f.write_str(text.strip_suffix('.').unwrap_or(text))
    }
}

/// A decimal number in millionths; `None` if it is not one, or has more than six decimals.
fn decimal_ppm(text: &str) -> Option<u128> {
    let (whole, part) = text.split_once('.').unwrap_or((text, "0"));
    let digits =
        |text: &str| (1..=20).contains(&text.len()) && text.bytes().all(|b| b.is_ascii_digit());
    if !digits(whole) || !digits(part) || part.len() > 6 {
        return None;
    }
    let part: u128 = format!("{part:0<6}").parse().ok()?;
    Some(whole.parse::<u128>().ok()? * u128::from(WHOLE_PPM) + part)
}

/// The longest beginning whose characters all pass, and what follows it.
fn take_while(text: &str, pass: impl Fn(char) -> bool) -> (&str, &str) {
    let end = text.find(|c| !pass(c)).unwrap_or(text.len());
    text.split_at(end)
}

#[cfg(test)]
mod tests;
