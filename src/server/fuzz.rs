//! Any bytes as a connection of HTTP/1.1: what all of us together take for a request, a reader that knows no leniency
//! takes for the same one, with the same end.
//!
//! That reader is written from RFC 9112 and shares nothing with the code it judges. It may refuse what we take only
//! where RFC 9112 lets a recipient choose; none of that is about where a request ends.

use http::HeaderName;
use http::HeaderValue;
use http::Request;
use http::Version;
use http::header;

use crate::server::chunks::Chunks;
use crate::server::chunks::Step;
use crate::server::heads::Heads;
use crate::server::strict;

/// Header lines of a request that the parser takes, as hyper sets it.
const HEADERS_MAX: usize = 100;

/// A request as one reader understood it.
#[derive(Debug, PartialEq, Eq)]
struct Understood {
    method: String,
    target: String,
    /// Where its head ends, from the beginning of the connection.
    head_end: usize,
    /// Where its body ends, if all of it is there.
    end: Option<usize>,
}

/// The first byte says in pieces of what size the rest comes in.
pub(crate) fn framing(bytes: &[u8]) {
    let Some((&size, bytes)) = bytes.split_first() else {
        return;
    };
    let (heads, good, _) = seen(bytes, bytes.len().max(1));
    let (cut, cut_good, _) = seen(bytes, usize::from(size).max(1));
    assert_eq!(
        (heads.complete(), heads.refused(), good),
        (cut.complete(), cut.refused(), cut_good),
        "how the bytes are cut makes a difference"
    );
    let ours = ours(bytes);
    let strictest = strictest(bytes);
    assert!(ours.len() <= strictest.len(), "{ours:?} but {strictest:?}");
    for (ours, theirs) in ours.iter().zip(strictest) {
        // RFC 9112 §7.1.1 lets us have bounds, and what is beyond them ends nowhere.
        let end = theirs.end.filter(|_| ours.end.is_some());
        assert_eq!(*ours, Understood { end, ..theirs });
    }
}

/// What [`Heads`] sees of these bytes in pieces of this size: how many of them may be read, and where heads end, as
/// exactly as the pieces are small.
fn seen(bytes: &[u8], size: usize) -> (Heads, usize, Vec<usize>) {
    let mut heads = Heads::new();
    let (mut good, mut ends) = (0, Vec::new());
    for piece in bytes.chunks(size) {
        let (before, read) = (heads.complete(), heads.see(piece));
        good += read;
        if heads.complete() > before {
            ends.push(good);
        }
        if read < piece.len() {
            break;
        }
    }
    (heads, good, ends)
}

/// The requests that our looks and the parser let through, as `connection.rs` puts them together.
fn ours(bytes: &[u8]) -> Vec<Understood> {
    let (heads, good, ends) = seen(bytes, 1);
    let refused_from = heads.refused().map_or(u64::MAX, |(from, _)| from);
    let mut understood = Vec::new();
    let mut at = 0;
    for (count, head_end) in (1..).zip(ends) {
        if count >= refused_from {
            break;
        }
        let Some(rest) = bytes.get(at..good) else {
            break;
        };
        let mut lines = [httparse::EMPTY_HEADER; HEADERS_MAX];
        let mut parsed = httparse::Request::new(&mut lines);
        let Ok(httparse::Status::Complete(len)) = parsed.parse(rest) else {
            break;
        };
        assert_eq!(at + len, head_end, "we and the parser see another head");
        let Some((request, body)) = request(&parsed) else {
            break;
        };
        let end = match body {
            Body::Length(length) => usize::try_from(length)
                .ok()
                .and_then(|length| head_end.checked_add(length))
                .filter(|end| *end <= bytes.len()),
            Body::Chunks => match Chunks::new().see(&bytes[head_end..]) {
                Step::Ended(len) => Some(head_end + len),
                Step::More | Step::Wrong(_) => None,
            },
        };
        let (method, target) = request;
        understood.push(Understood {
            method,
            target,
            head_end,
            end,
        });
        let Some(end) = end else { break };
        at = end;
    }
    understood
}

enum Body {
    Length(u64),
    Chunks,
}

/// Method and target, and what follows; none if hyper or our look at the parsed head refuses it.
fn request(parsed: &httparse::Request<'_, '_>) -> Option<((String, String), Body)> {
    let (method, target) = (parsed.method?, parsed.path?);
    let version = match parsed.version? {
        0 => Version::HTTP_10,
        _ => Version::HTTP_11,
    };
    let mut request = Request::builder()
        .method(method)
        .uri(target)
        .version(version)
        .body(())
        .ok()?;
    for line in parsed.headers.iter() {
        let name = HeaderName::from_bytes(line.name.as_bytes()).ok()?;
        let value = HeaderValue::from_bytes(line.value).ok()?;
        request.headers_mut().append(name, value);
    }
    let headers = request.headers();
    let is_chunked = headers.contains_key(header::TRANSFER_ENCODING);
    let length = match headers.get(header::CONTENT_LENGTH) {
        Some(length) => length.to_str().ok()?.parse().ok()?,
        None => 0,
    };
    if is_chunked && version == Version::HTTP_10 {
        return None;
    }
    strict::check_coding(headers).ok()?;
    strict::shape(&mut request).ok()?;
    let body = if is_chunked {
        Body::Chunks
    } else {
        Body::Length(length)
    };
    Some(((method.to_owned(), target.to_owned()), body))
}

/// The requests of these bytes up to the first thing that RFC 9112 does not allow.
fn strictest(bytes: &[u8]) -> Vec<Understood> {
    let mut understood = Vec::new();
    let mut at = 0;
    while let Some(request) = next_request(bytes, at) {
        let end = request.end;
        understood.push(request);
        let Some(end) = end else { break };
        at = end;
    }
    understood
}

fn next_request(bytes: &[u8], mut at: usize) -> Option<Understood> {
    // RFC 9112 §2.2: empty lines before it are ignored.
    while bytes.get(at..)?.starts_with(b"\r\n") {
        at += 2;
    }
    let head_len = bytes
        .get(at..)?
        .windows(4)
        .position(|end| end == b"\r\n\r\n")?;
    let head_end = at + head_len + 4;
    // Every character is one byte in this reading.
    let head: String = bytes
        .get(at..at + head_len)?
        .iter()
        .map(|byte| char::from(*byte))
        .collect();
    let mut lines = head.split("\r\n");
    let first: Vec<&str> = lines.next()?.split(' ').collect();
    let &[method, target, version] = first.as_slice() else {
        return None;
    };
    let is_11 = match version {
        "HTTP/1.1" => true,
        "HTTP/1.0" => false,
        _ => return None,
    };
    let is_control = |c: char| c.is_control() && !('\u{80}'..='\u{9f}').contains(&c);
    if !is_token(method) || target.is_empty() || target.contains('#') || target.contains(is_control)
    {
        return None;
    }
    let (mut lengths, mut codings, mut hosts) = (Vec::new(), Vec::new(), 0);
    for line in lines {
        let (name, value) = line.split_once(':')?;
        let is_allowed = |c| c == '\t' || !is_control(c);
        if !is_token(name) || !value.chars().all(is_allowed) {
            return None;
        }
        let value = value.trim_matches([' ', '\t']);
        match name.to_ascii_lowercase().as_str() {
            "content-length" => lengths.push(value),
            "transfer-encoding" => codings.push(value.to_ascii_lowercase()),
            "host" => hosts += 1,
            _ => {}
        }
    }
    if hosts > 1 || (is_11 && hosts == 0) {
        return None;
    }
    let end = match (lengths.as_slice(), codings.as_slice()) {
        ([], []) => Some(head_end),
        ([length], []) if !length.is_empty() && length.bytes().all(|b| b.is_ascii_digit()) => {
            let length: u64 = length.parse().ok()?;
            let end = usize::try_from(length)
                .ok()
                .and_then(|length| head_end.checked_add(length));
            end.filter(|end| *end <= bytes.len())
        }
        ([], [coding]) if is_11 && coding == "chunked" => end_of_chunks(bytes, head_end),
        _ => return None,
    };
    let text = |text: &str| text.chars().map(|c| c as u8).collect::<Vec<u8>>();
    Some(Understood {
        method: method.to_owned(),
        // As it came.
        target: String::from_utf8_lossy(&text(target)).into_owned(),
        head_end,
        end,
    })
}

/// RFC 9112 §7.1: where a chunked body that begins here ends; none if it does not, or is none.
fn end_of_chunks(bytes: &[u8], begin: usize) -> Option<usize> {
    let mut at = begin;
    let line = |at: usize| {
        let rest = bytes.get(at..)?;
        let len = rest.windows(2).position(|end| end == b"\r\n")?;
        let line = rest.get(..len)?;
        let is_plain = line
            .iter()
            .all(|byte| *byte == b'\t' || (*byte >= b' ' && *byte != 0x7f));
        is_plain.then_some((line, at + len + 2))
    };
    loop {
        let (size, data) = line(at)?;
        let size = std::str::from_utf8(size.split(|byte| *byte == b';').next()?).ok()?;
        let (digits, space) = match size.find([' ', '\t']) {
            // White space is for before an extension only.
            Some(space) if bytes.get(at + size.len()) == Some(&b';') => size.split_at(space),
            Some(_) => return None,
            None => (size, ""),
        };
        if digits.is_empty()
            || !digits.bytes().all(|digit| digit.is_ascii_hexdigit())
            || !space.bytes().all(|byte| matches!(byte, b' ' | b'\t'))
        {
            return None;
        }
        let significant = digits.trim_start_matches('0');
        if significant.is_empty() {
            at = data;
            break;
        }
        let size = usize::try_from(u64::from_str_radix(significant, 16).ok()?).ok()?;
        let end = data.checked_add(size)?;
        if bytes.get(end..)?.get(..2)? != b"\r\n" {
            return None;
        }
        at = end + 2;
    }
    loop {
        let (trailer, next) = line(at)?;
        if trailer.is_empty() {
            return Some(next);
        }
        at = next;
    }
}

/// RFC 9110 §5.6.2.
fn is_token(text: &str) -> bool {
    !text.is_empty()
        && text
            .bytes()
            .all(|byte| byte.is_ascii_alphanumeric() || b"!#$%&'*+-.^_`|~".contains(&byte))
        && text.is_ascii()
}
