//! Asks the servers of an origin how they are, now and then, and takes those out of use that do not say that they are well.
//!
//! One worker does it for its replica. A check is a `GET` on a connection of its own, so that it also proves that the
//! server takes connections; it counts neither as one of the requests in flight nor as a failure of one.

use std::rc::Rc;
use std::rc::Weak;
use std::time::Duration;

use http::HeaderValue;
use http::Request;
use http::StatusCode;
use http::header;
use http::uri::PathAndQuery;
use tracing::info;
use tracing::warn;

use crate::proxy::carrier::Carrier;
use crate::proxy::error::OriginError;
use crate::proxy::exchange;
use crate::proxy::exchange::Flight;
use crate::proxy::pool::OriginPool;
use crate::proxy::upload::Upload;

const AGENT: HeaderValue = HeaderValue::from_static("anteroom");

/// How servers are asked how they are.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct HealthCheck {
    /// The path that is asked for; an answer of 200 to 399 is a good one.
    pub path: PathAndQuery,
    /// Between two checks of one server, give or take a tenth.
    pub interval: Duration,
    /// How long one may take.
    pub timeout: Duration,
    /// Bad ones in a row that take a server out of use (1 or more).
    pub fail_after: u32,
    /// Good ones in a row that bring it back (1 or more).
    pub pass_after: u32,
}

/// What the checks of one server have come to.
#[derive(Debug, Default)]
struct Health {
    is_down: bool,
    /// Checks in a row that say the contrary.
    contrary: u32,
}

impl Health {
    /// One more check. Whether the server's state changes by it.
    fn checked(&mut self, has_passed: bool, check: &HealthCheck) -> bool {
        if has_passed != self.is_down {
            self.contrary = 0;
            return false;
        }
        self.contrary += 1;
        let needed = if self.is_down {
            check.pass_after
        } else {
            check.fail_after
        };
        let changes = self.contrary >= needed;
        if changes {
            self.is_down = !self.is_down;
            self.contrary = 0;
        }
        changes
    }
}

/// Checks one server for as long as the pool is in use.
pub(super) async fn watch(pool: Weak<OriginPool>, server: usize, check: HealthCheck) {
    let mut health = Health::default();
    let Some(background) = pool.upgrade().map(|pool| pool.background.clone()) else {
        return;
    };
    let watching = async {
        while let Some(pool) = pool.upgrade().filter(|pool| !pool.is_retired()) {
            // A server that was down when the configuration changed begins as that.
            health.is_down = !pool.standing(server).stats(0).is_up;
            once(&pool, server, &check, &mut health).await;
            let pause = pause(check.interval, pool.roll());
            drop(pool);
            tokio::time::sleep(pause).await;
        }
    };
    tokio::select! {
        () = background.closing.cancelled() => {}
        () = watching => {}
    }
}

/// The interval, give or take a tenth.
fn pause(interval: Duration, random: u64) -> Duration {
    let tenth = interval / 10;
    let part = u32::try_from(random % 201).unwrap_or(0);
    interval - tenth + tenth * part / 100
}

async fn once(pool: &Rc<OriginPool>, server: usize, check: &HealthCheck, health: &mut Health) {
    let asked = pool
        .ticker()
        .within(check.timeout, ask(pool, server, check));
    let answer = asked.await;
    let is_good = |status: StatusCode| status.is_success() || status.is_redirection();
    let has_passed = matches!(&answer, Some(Ok(status)) if is_good(*status));
    let standing = pool.standing(server);
    standing.checked(has_passed);
    if !health.checked(has_passed, check) || pool.is_retired() {
        return;
    }
    standing.set_down(health.is_down);
    let (origin, server) = (&pool.settings.name, pool.address(server));
    if !health.is_down {
        info!(origin.name = %origin, %server, "a server's checks pass again");
        return;
    }
    let reason = match answer {
        None => "no answer in time".to_owned(),
        Some(Ok(status)) => format!("status {}", status.as_u16()),
        Some(Err(error)) => match error.cause() {
            cause if cause.is_empty() => error.to_string(),
            cause => format!("{error}: {cause}"),
        },
    };
    warn!(origin.name = %origin, %server, reason, "a server fails its checks");
}

/// The status that the server answers with.
async fn ask(
    pool: &Rc<OriginPool>,
    server: usize,
    check: &HealthCheck,
) -> Result<StatusCode, OriginError> {
    let carrier = pool.lease_for_check(server).await?;
    let mut request = Request::new(Upload::empty());
    *request.uri_mut() = check.path.clone().into();
    let headers = request.headers_mut();
    headers.insert(header::HOST, pool.settings.host_of(pool.address(server)));
    headers.insert(header::USER_AGENT, AGENT);
    headers.insert(header::ACCEPT, HeaderValue::from_static("*/*"));
    let flight = Flight::uncounted();
    let begun = match carrier {
        Carrier::Own(lease) => exchange::begin(pool, lease, request, flight).await,
        Carrier::Stream(stream) => exchange::begin_stream(pool, stream, request, flight)?.await,
    };
    let begun = begun.map_err(|failure| failure.error)?;
    // With the answer goes the connection.
    Ok(begun.response.status())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_server_changes_its_state_by_checks_in_a_row() {
        let check = HealthCheck {
            path: PathAndQuery::from_static("/health"),
            interval: Duration::from_secs(5),
            timeout: Duration::from_secs(2),
            fail_after: 3,
            pass_after: 2,
        };
        let mut health = Health::default();
        let mut states = Vec::new();
        for has_passed in [
            true, false, false, true, false, false, false, false, true, false, true, true, false,
        ] {
            let changed = health.checked(has_passed, &check);
            states.push((changed, health.is_down));
        }
        let changes: Vec<_> = states.iter().map(|(changed, _)| *changed).collect();
        let expected = [6, 11];
        assert!(
            (0..13).all(|at| changes[at] == expected.contains(&at)),
            "{states:?}"
        );
        assert!(
            (0..13).all(|at| states[at].1 == (6..11).contains(&at)),
            "{states:?}"
        );
    }
}
