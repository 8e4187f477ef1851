//! Upgraded connections (RFC 9110 §7.8): the handshake is relayed, then two streams are joined.

use std::cell::Cell;
use std::io;
use std::rc::Rc;
use std::task::Poll;

use http::HeaderMap;
use http::HeaderValue;
use http::Method;
use http::Request;
use http::Response;
use http::StatusCode;
use http::Version;
use http::header;
use hyper::body::Incoming;
use hyper::upgrade::OnUpgrade;
use hyper_util::rt::TokioIo;
use rustls::AlertDescription;

use crate::message::Body;
use crate::message::Note;
use crate::message::headers;
use crate::proxy;
use crate::proxy::Forwarded;
use crate::proxy::balance::Next;
use crate::proxy::carrier::Carrier;
use crate::proxy::connect::Driver;
use crate::proxy::error::OriginError;
use crate::proxy::error::OriginErrorKind;
use crate::proxy::exchange;
use crate::proxy::exchange::Begun;
use crate::proxy::exchange::Flight;
use crate::proxy::pool::Lease;
use crate::proxy::pool::OriginPool;
use crate::proxy::response;
use crate::proxy::tunnel::Tunnel;
use crate::proxy::upload::Upload;

/// A change of protocol that a client asks for.
#[derive(Debug)]
pub(super) struct Upgrade {
    /// The protocol, as the client wrote it.
    pub(super) protocol: HeaderValue,
    /// The client's connection, once HTTP has let go of it.
    pub(super) client: OnUpgrade,
    /// Held until the upgraded connection ends: the visitor is at work until then.
    pub(super) note: Rc<Note>,
}

/// The protocol this request asks to change to, if it is one of those configured.
///
/// `Upgrade` counts only when nominated by `Connection`, and not in HTTP/1.0 (RFC 9110 §7.8).
pub(super) fn wanted(request: &Request<Incoming>, protocols: &[String]) -> Option<HeaderValue> {
    let headers = request.headers();
    let wanted = headers.get(header::UPGRADE)?;
    let fits = request.version() == Version::HTTP_11
        && request.method() == Method::GET
        && names(headers, &header::CONNECTION, "upgrade");
    let known = |protocol: &String| wanted.as_bytes().eq_ignore_ascii_case(protocol.as_bytes());
    (fits && protocols.iter().any(known)).then(|| wanted.clone())
}

/// Relays the handshake, and joins the two streams when the origin agrees.
pub(super) async fn forward(
    pool: &Rc<OriginPool>,
    mut request: Request<Upload>,
    upgrade: Upgrade,
    flight: Flight,
) -> Result<Forwarded, OriginError> {
    let Upgrade {
        protocol,
        client,
        note,
    } = upgrade;
    let place = Place::take(pool)?;
    nominate(request.headers_mut(), protocol.clone());
    if pool.settings.http2 && pool.is_cleartext() {
        // There is no HTTP/1.1 to ask for (RFC 9113 §8.6).
        return Err(OriginErrorKind::Upgrade.into());
    }
    let leased = if pool.settings.http2 {
        // A server that speaks HTTP/2 only is none the worse for it, and another would not know better.
        let in_use = pool.choose(Next::Unjudged).told(flight.client);
        pool.lease_new(in_use, true).await.map_err(not_offered)
    } else {
        let in_use = pool.choose(Next::Unsafe).told(flight.client);
        pool.lease_new(in_use, false).await
    };
    let (mut lease, _) = leased?;
    if let Some(driver) = &mut lease.link.driver {
        driver.allow_upgrade();
    }
    let begun = exchange::begin(pool, lease, request, flight.last()).await;
    let begun = begun.map_err(|failure| failure.error)?;
    if begun.response.status() != StatusCode::SWITCHING_PROTOCOLS {
        return proxy::answered(begun).await;
    }
    let Begun {
        response: answer,
        carrier,
        ..
    } = begun;
    let agreed_to = answer.headers().get(header::UPGRADE);
    let lease = match carrier {
        Carrier::Own(lease) if agreed_to.is_some_and(|agreed| same(agreed, &protocol)) => lease,
        Carrier::Own(_) | Carrier::Stream(_) => {
            return Err(OriginError {
                kind: OriginErrorKind::Broken,
                was_sent: true,
                source: None,
            });
        }
    };
    let joined = join(Rc::clone(pool), lease, client, place);
    pool.background.tasks.spawn_local(async move {
        joined.await;
        // Whoever asks whether the visitor is still at work is told so until here.
        drop(note);
    });
    Ok(agreed(answer, protocol))
}

/// The same, as what the client asked for where the server speaks nothing that could be upgraded (RFC 7301 §3.2): that
/// it was not connected to says nothing about it.
fn not_offered(error: OriginError) -> OriginError {
    let cause = error.source.as_ref().and_then(|source| {
        let source: &io::Error = source.downcast_ref()?;
        source.get_ref()?.downcast_ref::<rustls::Error>()
    });
    let refused = rustls::Error::AlertReceived(AlertDescription::NoApplicationProtocol);
    if cause != Some(&refused) {
        return error;
    }
    OriginError {
        kind: OriginErrorKind::Upgrade,
        ..error
    }
}

/// The origin's agreement as the client gets it.
fn agreed(answer: Response<Incoming>, protocol: HeaderValue) -> Forwarded {
    let (mut parts, _) = answer.into_parts();
    let (command, stock) = response::understand(&headers::clean_response(&mut parts.headers));
    parts.extensions.clear();
    nominate(&mut parts.headers, protocol);
    Forwarded {
        response: Response::from_parts(parts, Body::Empty),
        command,
        stock,
    }
}

fn nominate(headers: &mut HeaderMap, protocol: HeaderValue) {
    headers.insert(header::CONNECTION, HeaderValue::from_static("upgrade"));
    headers.insert(header::UPGRADE, protocol);
}

fn same(one: &HeaderValue, other: &HeaderValue) -> bool {
    one.as_bytes().eq_ignore_ascii_case(other.as_bytes())
}

fn names(headers: &HeaderMap, name: &header::HeaderName, token: &str) -> bool {
    headers.get_all(name).iter().any(|line| {
        line.as_bytes()
            .split(|byte| *byte == b',')
            .any(|member| member.trim_ascii().eq_ignore_ascii_case(token.as_bytes()))
    })
}

/// Waits until both sides have let go of HTTP, then carries bytes until one is done, silent for too long, or the
/// worker closes.
async fn join(pool: Rc<OriginPool>, mut lease: Lease, client: OnUpgrade, place: Place) {
    let timeouts = &pool.settings.timeouts;
    let both = async {
        let origin = std::future::poll_fn(|cx| {
            let driver = &mut lease.link.driver;
            Driver::drive(driver, cx);
            match driver.take_if(|driver| driver.is_done()) {
                Some(done) => Poll::Ready(done.into_wire()),
                None => Poll::Pending,
            }
        });
        let origin = origin.await;
        Ok::<_, hyper::Error>((client.await?, origin))
    };
    let Some(Ok((client, (origin, early)))) = pool.ticker().within(timeouts.connect, both).await
    else {
        tracing::debug!(
            origin.name = pool.settings.name,
            "an upgrade was not completed"
        );
        return;
    };
    let mut tunnel = Tunnel::new(TokioIo::new(client), origin, &early);
    let mut alarm = pool.ticker().alarm();
    let ended = tokio::select! {
        ended = tunnel.run(&mut alarm, timeouts.upgrade_idle) => ended,
        () = pool.background.closing.cancelled() => Ok(()),
    };
    let (bytes_up, bytes_down) = tunnel.bytes();
    pool.add_tunnelled(bytes_up, bytes_down);
    let error = ended.err().map(tracing::field::display);
    tracing::debug!(
        origin.name = pool.settings.name,
        bytes_up,
        bytes_down,
        error,
        "upgraded connection ended"
    );
    drop(place);
}

/// A place among the upgraded connections.
struct Place(Rc<Cell<usize>>);

impl Place {
    fn take(pool: &OriginPool) -> Result<Self, OriginError> {
        let open = pool.tunnels.get();
        if open >= pool.settings.tunnels_max {
            return Err(OriginErrorKind::Busy.into());
        }
        pool.tunnels.set(open + 1);
        Ok(Self(Rc::clone(&pool.tunnels)))
    }
}

impl Drop for Place {
    fn drop(&mut self) {
        self.0.set(self.0.get() - 1);
    }
}

#[cfg(test)]
mod tests {
    use tokio::task::LocalSet;
    use tokio_util::sync::CancellationToken;
    use tokio_util::task::TaskTracker;

    use super::*;
    use crate::proxy::Background;
    use crate::proxy::settings::OriginAddress;
    use crate::proxy::settings::OriginSettings;
    use crate::proxy::ticker::Ticker;

    #[tokio::test]
    async fn upgraded_connections_count_on_after_a_reload() {
        let server = OriginAddress {
            host: "127.0.0.1".to_owned(),
            port: 1,
            tls: false,
        };
        let settings = OriginSettings {
            tunnels_max: 1,
            ..OriginSettings::new("main", vec![server])
        };
        let background = Background {
            tasks: TaskTracker::new(),
            closing: CancellationToken::new(),
            ticker: Ticker::new(),
        };
        let talk = async {
            let pool = OriginPool::new(settings.clone(), background.clone());
            let place = Place::take(&pool).unwrap();
            let next = OriginPool::after(Some(&pool), settings, background);
            let refused = Place::take(&next).err().map(|error| error.kind);
            assert_eq!(refused, Some(OriginErrorKind::Busy));
            drop(place);
            assert_eq!(next.stats().tunnels, 0);
            assert!(Place::take(&next).is_ok());
        };
        LocalSet::new().run_until(talk).await;
    }
}
