//! The smallest origin there is: it answers every request with the same kibibyte, and `/mib` with a mebibyte.

use std::net::SocketAddr;

use tokio::io::AsyncReadExt as _;
use tokio::io::AsyncWriteExt as _;
use tokio::net::TcpListener;
use tokio::net::TcpStream;

/// Starts it on a thread of its own, for as long as the benchmark runs.
pub(crate) fn start() -> SocketAddr {
    let listener = std::net::TcpListener::bind(("127.0.0.1", 0)).expect("a free port");
    let addr = listener.local_addr().expect("its address");
    listener
        .set_nonblocking(true)
        .expect("a socket that does not block");
    std::thread::spawn(move || {
        let runtime = tokio::runtime::Builder::new_current_thread()
            .enable_all()
            .build()
            .expect("a runtime");
        let local = tokio::task::LocalSet::new();
        local.block_on(&runtime, async move {
            let listener = TcpListener::from_std(listener).expect("a listener");
            loop {
                if let Ok((stream, _)) = listener.accept().await {
                    tokio::task::spawn_local(serve(stream));
                }
            }
        });
    });
    addr
}

/// Requests have no bodies here: each ends with an empty line.
async fn serve(mut stream: TcpStream) {
    stream.set_nodelay(true).ok();
    let (kib, mib) = (answer(1 << 10), answer(1 << 20));
    let (mut got, mut part) = (Vec::new(), [0; 8192]);
    loop {
        match stream.read(&mut part).await {
            Ok(0) | Err(_) => return,
            Ok(n) => got.extend_from_slice(&part[..n]),
        }
        while let Some(end) = got.windows(4).position(|bytes| bytes == b"\r\n\r\n") {
            let is_large = got.starts_with(b"GET /mib");
            got.drain(..end + 4);
            let answer = if is_large { &mib } else { &kib };
            if stream.write_all(answer).await.is_err() {
                return;
            }
        }
    }
}

/// An answer with a body of this many bytes.
fn answer(bytes: usize) -> Vec<u8> {
    let head =
        format!("HTTP/1.1 200 OK\r\ncontent-type: text/plain\r\ncontent-length: {bytes}\r\n\r\n");
    let mut answer = head.into_bytes();
    answer.resize(answer.len() + bytes, b'x');
    answer
}
