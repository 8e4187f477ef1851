//! Spellings of a path that nobody may enter: none may reach the origin in a form that an origin takes for it.

use std::time::Duration;

use crate::client::Client;
use crate::front::Front;

/// What comes after `GET `; all are known to be read as `/booking/…` by some server.
pub(crate) const SPELLINGS: &[&str] = &[
    "/booking/{i}",
    "/%62ooking/{i}",
    "/bookin%67/{i}",
    "/%62%6f%6f%6b%69%6e%67/{i}",
    "//booking/{i}",
    "///booking/{i}",
    "/./booking/{i}",
    "/././booking/{i}",
    "/a/../booking/{i}",
    "/a/b/../../booking/{i}",
    "/%2e/booking/{i}",
    "/a/%2e%2e/booking/{i}",
    "/a/.%2e/booking/{i}",
    "/a/%2E./booking/{i}",
    "/a/..%2fbooking/{i}",
    "/a%2f..%2fbooking/{i}",
    "/%2fbooking/{i}",
    "/booking%2f{i}",
    "/booking%2F{i}",
    "/a/..;/booking/{i}",
    "/a/..;x=1/booking/{i}",
    "/;/booking/{i}",
    "/;x/booking/{i}",
    "/booking;/{i}",
    "/booking;x=1/{i}",
    "/booking;jsessionid=1/{i}",
    "/.;/booking/{i}",
    "/a/.;/../booking/{i}",
    "/\\booking/{i}",
    "\\booking\\{i}",
    "/booking\\{i}",
    "/a\\..\\booking/{i}",
    "/a/..\\booking/{i}",
    "/%5cbooking/{i}",
    "/booking%5c{i}",
    "/a%5c..%5cbooking/{i}",
    "/a/..%5cbooking/{i}",
    "/%c0%ae/booking/{i}",
    "/a/%c0%ae%c0%ae/booking/{i}",
    "/a/%e0%80%ae%e0%80%ae/booking/{i}",
    "/%c0%afbooking/{i}",
    "/booking%c0%af{i}",
    "/a/..%c0%afbooking/{i}",
    "/%e0%80%afbooking/{i}",
    "/%f0%80%80%afbooking/{i}",
    "/a/%uff0e%uff0e/booking/{i}",
    "/%u0062ooking/{i}",
    "/booking%00/{i}",
    "/booking/%00{i}",
    "/%00/booking/{i}",
    "/a%00/../booking/{i}",
    "/booking/{i}%00.css",
    "/booking%0a/{i}",
    "/%0abooking/{i}",
    "/booking%0d%0a/{i}",
    "/booking%09/{i}",
    "/%7f/../booking/{i}",
    "/booking/%2e%2e/booking/{i}",
    "/booking/../booking/{i}",
    "/booking/./{i}",
    "/booking//{i}",
    "/booking/?{i}",
    "/booking/{i}?a=/../b",
    "/booking/{i}#x",
    "/booking/{i};v=1",
    "/a//../booking/{i}",
    "/a/..//booking/{i}",
    "//a/..//booking/{i}",
    "/a/%2e%2e//booking/{i}",
    "/../booking/{i}",
    "/../../booking/{i}",
    "/%2e%2e/booking/{i}",
    "/a/../../booking/{i}",
    "http://a.example/booking/{i}",
    "http://a.example/./booking/{i}",
    "http://a.example//booking/{i}",
    "http://a.example/%62ooking/{i}",
    "http://a.example/a/../booking/{i}",
    "https://a.example/booking/{i}",
    "HTTP://A.EXAMPLE/booking/{i}",
    "http://a.example:80/booking/{i}",
    "http://a.example/booking/{i}#x",
    "/booking%/{i}",
    "/booking%2/{i}",
    "/%zz/../booking/{i}",
    "/booking/%2f{i}",
    "/booking/{i}%2f..",
    "/x/%2e%2e%3bx/booking/{i}",
    "/x/..%3b/booking/{i}",
    "/x/..%00/booking/{i}",
    "/x/..%0d/booking/{i}",
    "/x/..%09/booking/{i}",
    "/x/...//booking/{i}/../../../booking/{i}",
    "/.//booking/{i}",
    "/a/./../booking/{i}",
    "/a/%2e/../booking/{i}",
    "/a/.././booking/{i}",
    "/%2e%2f/booking/{i}",
    "/%3b/booking/{i}",
    "/booking%3b/{i}",
    "/booking%3Bx=1/{i}",
];

/// Asks for one spelling.
pub(crate) fn play(
    front: &Front,
    patience: Duration,
    spelling: &str,
    id: &str,
) -> Result<(), String> {
    let target = spelling.replace("{i}", id);
    let mut client = Client::connect(front.addr, patience);
    let send = format!("GET {target} HTTP/1.1\r\nHost: a.example\r\nConnection: close\r\n\r\n");
    client.send(send.as_bytes());
    let answer = client.answer("GET");
    if client.hung {
        return Err("hung: no answer".to_owned());
    }
    let heard = front.origin.heard_of(id);
    let requests = heard.iter().flat_map(|heard| heard.requests.iter());
    let own = requests.filter(|request| request.line.contains(id));
    for request in own {
        let seen = request.line.split(' ').nth(1).unwrap_or_default();
        if is_protected(seen) {
            return Err(format!("unsafe: the origin saw {seen:?}"));
        }
    }
    answer.map(drop)
}

/// Whether some origin takes this target for one below `/booking/`.
pub(crate) fn is_protected(target: &str) -> bool {
    let path = target.split(['?', '#']).next().unwrap_or_default();
    let path = match path.split_once("://") {
        Some((_, rest)) => rest.split_once('/').map_or("", |(_, path)| path),
        None => path,
    };
    let decoded = decode(path);
    [false, true].into_iter().any(|strips_parameters| {
        let path = decoded.replace('\\', "/");
        let mut segments = Vec::new();
        for segment in path.split('/') {
            let name = match segment.split_once(';') {
                Some((name, _)) if strips_parameters => name,
                _ => segment,
            };
            match name.trim_matches(|character: char| character.is_control()) {
                "" | "." => {}
                ".." => drop(segments.pop()),
                name => segments.push(name.to_owned()),
            }
        }
        segments.first().is_some_and(|first| first == "booking")
    })
}

/// Decoded once, overlong forms of dots and slashes as well.
fn decode(path: &str) -> String {
    let mut text = path.to_ascii_lowercase();
    for (from, to) in [
        ("%c0%ae", "."),
        ("%e0%80%ae", "."),
        ("%uff0e", "."),
        ("%c0%af", "/"),
        ("%e0%80%af", "/"),
        ("%f0%80%80%af", "/"),
        ("%u0062", "b"),
    ] {
        text = text.replace(from, to);
    }
    let bytes = text.as_bytes();
    let mut decoded = Vec::new();
    let mut at = 0;
    while let Some(&byte) = bytes.get(at) {
        let pair = text.get(at + 1..at + 3).filter(|_| byte == b'%');
        match pair.and_then(|pair| u8::from_str_radix(pair, 16).ok()) {
            Some(value) => {
                decoded.push(value);
                at += 3;
            }
            None => {
                decoded.push(byte);
                at += 1;
            }
        }
    }
    String::from_utf8_lossy(&decoded).into_owned()
}
