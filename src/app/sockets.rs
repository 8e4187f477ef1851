//! Which sockets are taken into use at a start: our own, or those a service manager hands over; alone, or beside the
//! anteroom that is to be replaced.

use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use tracing::info;
use tracing::warn;

use crate::admin;
use crate::app::StartError;
use crate::config::Config;
use crate::gate::Live;
use crate::gate::Site;
use crate::room::Health;
use crate::server;
use crate::server::Handed;

/// How long one that takes over waits for the stores before it serves visitors without them.
const LINES_DEADLINE: Duration = Duration::from_secs(3);

/// Between two looks at whether the stores have answered.
const LOOK: Duration = Duration::from_millis(10);

/// Whether visitors are connecting already: to another anteroom on all these addresses, or to sockets that were handed
/// over.
///
/// # Errors
/// When somebody listens on some of the addresses that were not handed over, and not on the others: that is no
/// predecessor, and the kernel would share out its visitors between it and us without a word.
pub(crate) fn takes_over(config: &Config, handed: &Handed) -> Result<bool, StartError> {
    let redirect = config.server.redirect.as_ref();
    let all = config.server.listen.iter().copied();
    let ours = all
        .chain(redirect.map(|redirect| redirect.listen))
        .filter(|&addr| !handed.has(addr));
    let is_beside = is_beside(ours, server::is_taken).map_err(|[taken, free]| {
        StartError::Listen(format!(
            "cannot listen on {taken}: the address is in use, and not by an anteroom to take over from, which would have \
             {free} as well"
        ))
    })?;
    if is_beside {
        info!("another anteroom serves these addresses: beside it, until it is told to stop");
    }
    Ok(is_beside || !handed.is_empty())
}

/// Whether all of these addresses are taken; where only some are, one that is and one that is not.
fn is_beside(
    addrs: impl Iterator<Item = SocketAddr>,
    is_taken: impl Fn(SocketAddr) -> bool,
) -> Result<bool, [SocketAddr; 2]> {
    let (taken, free): (Vec<_>, Vec<_>) = addrs.partition(|&addr| is_taken(addr));
    match (taken.first(), free.first()) {
        (Some(&taken), Some(&free)) => Err([taken, free]),
        (taken, _) => Ok(taken.is_some()),
    }
}

/// Waits until every line is known, for a while: whoever takes over is asked at once.
pub(crate) async fn lines_known(live: &Live) {
    let is_known = |site: &Arc<Site>| site.room.snapshot().health != Health::Starting;
    let known = async {
        let mut look = tokio::time::interval(LOOK);
        while !live.sites.iter().all(is_known) {
            look.tick().await;
        }
    };
    if tokio::time::timeout(LINES_DEADLINE, known).await.is_err() {
        warn!("taking over before every store has answered");
    }
}

/// The operators' socket, if the configuration has one. It comes before those of visitors: a start that fails here
/// must not have taken a visitor's connection.
///
/// Nobody else may listen there, unless we take over from them.
pub(crate) fn operators(
    config: &Config,
    takes_over: bool,
    handed: &mut Handed,
) -> Result<Option<admin::Listening>, StartError> {
    let Some(addr) = config.admin.listen else {
        return Ok(None);
    };
    if let Some(socket) = handed.take(addr) {
        return Ok(Some(admin::Listening::handed(socket)));
    }
    let cannot = |error: &dyn std::fmt::Display| {
        StartError::Listen(format!(
            "the admin listener cannot listen on {addr}: {error}"
        ))
    };
    if !takes_over && server::is_taken(addr) {
        return Err(cannot(&"the address is in use"));
    }
    let bound = admin::Listening::bind(addr);
    bound.map(Some).map_err(|error| cannot(&error))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn whoever_shares_some_addresses_and_not_all_is_nobody_to_take_over_from() {
        let addr = |port| SocketAddr::from(([127, 0, 0, 1], port));
        let with = |taken: &[u16]| {
            let is_taken = |addr: SocketAddr| taken.contains(&addr.port());
            is_beside([addr(80), addr(443)].into_iter(), is_taken)
        };
        assert_eq!(with(&[]), Ok(false));
        assert_eq!(with(&[80, 443, 9090]), Ok(true));
        assert_eq!(with(&[80]), Err([addr(80), addr(443)]));
        assert_eq!(with(&[443]), Err([addr(443), addr(80)]));
        // All of them were handed over.
        assert_eq!(is_beside(std::iter::empty(), |_| true), Ok(false));
    }
}
