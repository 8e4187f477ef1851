//! Any bytes as a configuration file, as a path beside a pattern, and as values: nothing panics, every problem has its
//! place, and what is written reads back.

use std::fmt::Display;
use std::path::Path;
use std::str::FromStr;

use crate::config;
use crate::config::Surroundings;
use crate::config::pattern::HostPattern;
use crate::config::pattern::PathPattern;
use crate::config::units::Rate;
use crate::config::units::Size;
use crate::config::units::Span;
use crate::config::url::ExternalUrl;
use crate::config::url::OriginUrl;
use crate::config::url::StoreUrl;
use crate::message::NormalPath;

/// A configuration file.
pub(crate) fn config(bytes: &[u8]) {
    let Ok(text) = std::str::from_utf8(bytes) else {
        return;
    };
    let parse = || {
        config::parse(
            Path::new("fuzz"),
            Path::new(""),
            text,
            &Surroundings::elsewhere(),
        )
    };
    match (parse(), parse()) {
        (Ok(loaded), Ok(again)) => {
            assert!(
                again.changes(&loaded).is_empty(),
                "the same file is a change"
            );
            assert!(loaded.warnings().is_none_or(|told| !told.is_empty()));
        }
        (Err(report), Err(_)) => {
            assert!(report.errors() > 0);
            for problem in report.problems() {
                assert!(problem.span.end <= text.len() + "   ".len());
                assert!(
                    text.is_empty() || report.place(&problem.span).is_some(),
                    "{problem:?} is nowhere"
                );
            }
            assert!(!report.to_string().is_empty());
            assert!(report.to_json().is_object() || report.to_json().is_array());
        }
        _ => unreachable!("a file is good or bad"),
    }
}

/// A path, and after a line feed a pattern.
pub(crate) fn path(bytes: &[u8]) {
    let Ok(text) = std::str::from_utf8(bytes) else {
        return;
    };
    let (path, pattern) = text.split_once('\n').unwrap_or((text, "/*"));
    let pattern = written_reads_back::<PathPattern>(pattern);
    let Ok(normal) = NormalPath::parse(path) else {
        return;
    };
    let routed = normal.as_str();
    assert!(
        routed.starts_with('/') && !routed.contains("//"),
        "{routed}"
    );
    assert!(
        routed
            .split('/')
            .all(|segment| segment != "." && segment != ".."),
        "{routed}"
    );
    // What the origin is sent leads to the same place, and there is nothing left to resolve.
    let sent = normal.rewritten().unwrap_or(path);
    let again = NormalPath::parse(sent);
    assert!(again.is_ok_and(|again| again.as_str() == routed && again.rewritten().is_none()));
    let read = origin_reads(sent.as_bytes());
    if let Ok(read) = String::from_utf8(read) {
        assert_eq!(read, routed, "an origin reads {sent} in another way");
    }
    if let Some(pattern) = pattern {
        let all: Result<PathPattern, _> = "/*".parse();
        assert!(all.is_ok_and(|all| all.matches(routed)));
        if !pattern.to_string().contains('*') {
            assert_eq!(pattern.matches(routed), pattern.to_string() == routed);
        }
    }
}

/// What a server makes of a path that decodes first and asks questions later.
fn origin_reads(path: &[u8]) -> Vec<u8> {
    let mut decoded = Vec::new();
    let mut at = 0;
    while let Some(byte) = path.get(at) {
        let code = path
            .get(at + 1..at + 3)
            .and_then(|code| std::str::from_utf8(code).ok());
        let code = code.filter(|_| *byte == b'%');
        match code.and_then(|code| u8::from_str_radix(code, 16).ok()) {
            Some(byte) => {
                decoded.push(byte);
                at += 3;
            }
            None => {
                decoded.push(*byte);
                at += 1;
            }
        }
    }
    let mut segments: Vec<&[u8]> = Vec::new();
    let mut ends_open = false;
    for segment in decoded.split(|byte| *byte == b'/').skip(1) {
        let name = segment
            .split(|byte| *byte == b';')
            .next()
            .unwrap_or_default();
        ends_open = matches!(name, b"" | b"." | b"..");
        match name {
            b"" | b"." => {}
            b".." => drop(segments.pop()),
            name => segments.push(name),
        }
    }
    let mut read = Vec::new();
    for segment in &segments {
        read.push(b'/');
        read.extend_from_slice(segment);
    }
    if ends_open || segments.is_empty() {
        read.push(b'/');
    }
    read
}

/// A text as each kind of value.
pub(crate) fn units(bytes: &[u8]) {
    let Ok(text) = std::str::from_utf8(bytes) else {
        return;
    };
    written_reads_back::<Span>(text);
    written_reads_back::<Rate>(text);
    written_reads_back::<Size>(text);
    written_reads_back::<OriginUrl>(text);
    written_reads_back::<ExternalUrl>(text);
    written_reads_back::<StoreUrl>(text);
    written_reads_back::<HostPattern>(text);
    written_reads_back::<PathPattern>(text);
}

/// What this text means, if it means anything; what we write of it means the same.
fn written_reads_back<T: FromStr + Display + PartialEq>(text: &str) -> Option<T> {
    let value: T = text.parse().ok()?;
    let written = value.to_string();
    let read = written.parse::<T>();
    assert!(
        read.is_ok_and(|read| read == value),
        "{text} is written {written}"
    );
    Some(value)
}
