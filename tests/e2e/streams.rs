//! Streams of those inside: what is open stays open, and whoever has one open is at work.

use std::io::Read;
use std::io::Write;
use std::net::SocketAddr;
use std::net::TcpListener;
use std::net::TcpStream;
use std::thread;

use tempfile::TempDir;

use crate::stage::MANY;
use crate::stage::SOON;
use crate::stage::Toml;
use crate::stage::call;
use crate::stage::enter;
use crate::stage::join;
use crate::support::anteroom::Anteroom;
use crate::support::wait_for;

/// A portal that agrees to every upgrade and says back what it hears; everything else is `the portal`.
fn echoing() -> SocketAddr {
    let listener = TcpListener::bind(("127.0.0.1", 0)).unwrap();
    let addr = listener.local_addr().unwrap();
    // Ends with the process.
    thread::spawn(move || {
        for stream in listener.incoming().flatten() {
            thread::spawn(move || answer(stream));
        }
    });
    addr
}

fn answer(mut stream: TcpStream) {
    while let Some(head) = head(&mut stream) {
        let is_upgrade = head.to_ascii_lowercase().contains("upgrade: websocket");
        let answer: &[u8] = if is_upgrade {
            b"HTTP/1.1 101 Switching Protocols\r\nconnection: upgrade\r\nupgrade: websocket\r\n\r\n"
        } else {
            b"HTTP/1.1 200 OK\r\ncontent-length: 10\r\n\r\nthe portal"
        };
        if stream.write_all(answer).is_err() {
            return;
        }
        if is_upgrade {
            let mut back = stream.try_clone().unwrap();
            // Until either side ends it.
            std::io::copy(&mut stream, &mut back).ok();
            return;
        }
    }
}

/// Everything up to the empty line; none when the other side has ended.
fn head(stream: &mut TcpStream) -> Option<String> {
    let mut head = Vec::new();
    while !head.ends_with(b"\r\n\r\n") {
        let mut byte = [0];
        match stream.read(&mut byte) {
            Ok(1) => head.push(byte[0]),
            _ => return None,
        }
    }
    String::from_utf8(head).ok()
}

/// A WebSocket of whoever holds this pass.
fn open(addr: SocketAddr, pass: &str) -> TcpStream {
    let mut stream = TcpStream::connect(addr).unwrap();
    stream.set_read_timeout(Some(SOON)).unwrap();
    let handshake = format!(
        "GET /booking/chat HTTP/1.1\r\nHost: a.example\r\nConnection: Upgrade\r\n\
         Upgrade: websocket\r\nSec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n\
         Sec-WebSocket-Version: 13\r\nAnteroom-Pass: {pass}\r\n\r\n"
    );
    stream.write_all(handshake.as_bytes()).unwrap();
    let answer = head(&mut stream).unwrap();
    assert!(answer.starts_with("HTTP/1.1 101"), "{answer}");
    stream
}

fn echoes(stream: &mut TcpStream, text: &[u8]) {
    stream.write_all(text).unwrap();
    let mut back = vec![0; text.len()];
    stream.read_exact(&mut back).unwrap();
    assert_eq!(back, text);
}

#[test]
fn a_pass_that_ends_does_not_cut_what_is_open() {
    let portal = echoing();
    let toml = Toml {
        room: "pass_idle = \"2s\"\npass_max = \"3s\"\ngrace = \"0s\"\nreturns = 0",
        ..Toml::rate(MANY)
    };
    let anteroom = Anteroom::start(|place| toml.text(place, portal));
    let addr = anteroom.addr();
    let pass = enter(addr, &join(addr).text);
    let mut stream = open(addr, &pass);
    echoes(&mut stream, b"inside");
    assert_eq!(call(addr, "/booking/", &pass).status, 200);
    wait_for("the pass ends", SOON, || {
        (call(addr, "/booking/", &pass).status == 503).then_some(())
    });
    echoes(&mut stream, b"still here");
}

#[test]
fn whoever_has_a_stream_open_is_inside_until_it_ends() {
    let portal = echoing();
    let keys = TempDir::new().unwrap();
    let file = keys.path().join("ticket.keys");
    let more = format!("[tickets]\nkey_file = \"{}\"", file.display());
    let toml = Toml {
        room: "pass_idle = \"2s\"",
        more: &more,
        ..Toml::rate(MANY)
    };
    let anteroom = Anteroom::start(|place| toml.text(place, portal));
    let addr = anteroom.addr();
    let ring = ::anteroom::seal::load(&file).unwrap();
    let pass = enter(addr, &join(addr).text);
    let mut stream = open(addr, &pass);
    let signed_us = ring.verify_pass("main", pass.as_bytes()).unwrap().signed_us;
    // Three times as long as a pass lives when it is not used.
    wait_for("line time goes on", SOON, || {
        let newest = join(addr).text;
        let newest = ring.verify_ticket("main", newest.as_bytes()).unwrap();
        (newest.issued_us > signed_us + 6_000_000).then_some(())
    });
    let inside = || anteroom.metric("anteroom_inside{room=\"main\"}").unwrap();
    assert_eq!(inside().to_string(), "1");
    echoes(&mut stream, b"at work");
    drop(stream);
    wait_for("nobody is inside", SOON, || (inside() < 1.0).then_some(()));
}
