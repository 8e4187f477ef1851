//! Which sockets are taken into use at a start: our own, or those a service manager hands over; alone, or beside the
//! anteroom that is to be replaced.

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
pub(crate) fn takes_over(config: &Config, handed: &Handed) -> bool {
    let is_beside = config.server.listen.iter().copied().all(server::is_taken);
    if is_beside && handed.is_empty() {
        info!("another anteroom serves these addresses: beside it, until it is told to stop");
    }
    is_beside || !handed.is_empty()
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
