//! Connections that shake hands, ask once and go: what a newcomer costs over TLS.

use std::net::SocketAddr;
use std::rc::Rc;
use std::sync::Arc;
use std::time::Duration;

use anteroom::clock;
use rustls::ClientConfig;
use tokio::io::AsyncWriteExt as _;

use crate::Used;
use crate::parts::load;
use crate::parts::load::Load;
use crate::parts::pin;

/// Handshakes at once.
const AT_ONCE: usize = 8;

/// Shakes hands over and over for this long.
pub(crate) fn run(
    addr: SocketAddr,
    tls: &Arc<ClientConfig>,
    request: &[u8],
    pid: u32,
    span: Duration,
) -> Used {
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()
        .expect("a runtime");
    let before = pin::cpu_us(pid);
    let until = clock::monotonic() + span;
    let local = tokio::task::LocalSet::new();
    let done = local.block_on(&runtime, async {
        let one_after_the_other = || {
            let (tls, request) = (Arc::clone(tls), request.to_vec());
            tokio::task::spawn_local(async move {
                let requests = Rc::new(Vec::new());
                let (mut done, mut got, mut part) = (0, Vec::new(), vec![0; 16_384]);
                while clock::monotonic() < until {
                    let load = Load {
                        addr,
                        tls: Some(Arc::clone(&tls)),
                        connections: 1,
                        requests: &requests,
                    };
                    let mut stream = load::connect(&load).await;
                    stream.write_all(&request).await.expect("a request is sent");
                    stream.flush().await.expect("a request is sent");
                    load::read(&mut stream, &mut got, &mut part).await;
                    done += 1;
                }
                done
            })
        };
        let tasks: Vec<_> = (0..AT_ONCE).map(|_| one_after_the_other()).collect();
        let mut done = 0;
        for task in tasks {
            done += task.await.expect("handshakes that were answered");
        }
        done
    });
    Used {
        cpu_us: (pin::cpu_us(pid) - before) / load::count(done),
        p99_us: 0.0,
    }
}
