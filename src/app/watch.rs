//! What makes a reload happen by itself: a change of the file, or an order from the admin listener.

use std::sync::Arc;
use std::time::Duration;

use tokio::sync::mpsc;
use tokio::time::interval;

use crate::admin::Order;
use crate::admin::Outcome;
use crate::app::control::Control;
use crate::app::control::Reloaded;
use crate::config::reload::FileMark;
use crate::config::reload::Watch;

/// How often the file is looked at.
const LOOK: Duration = Duration::from_secs(1);

/// Reloads when the configuration file has changed.
pub(crate) async fn file(control: Arc<Control>) {
    let Some(path) = control.file.clone() else {
        return;
    };
    let mut watch = Watch::new(FileMark::of(&path).ok());
    let mut every = interval(LOOK);
    loop {
        every.tick().await;
        if watch.look(FileMark::of(&path).ok()) {
            // What came of it is logged where it happens.
            control.reload().await.ok();
        }
    }
}

/// Does what the admin listener was asked to do.
pub(crate) async fn orders(control: Arc<Control>, mut inbox: mpsc::Receiver<Order>) {
    while let Some(order) = inbox.recv().await {
        match order {
            Order::Reload(reply) => {
                let outcome = match control.reload().await {
                    Ok(Reloaded::Unchanged) => Outcome::Unchanged,
                    Ok(Reloaded::Applied(changes)) => Outcome::Applied {
                        live: changes.live.iter().map(ToString::to_string).collect(),
                        restart: changes.restart.iter().map(ToString::to_string).collect(),
                    },
                    Err(error) => Outcome::Refused(error.to_string()),
                };
                // Whoever asked may have gone.
                reply.send(outcome).ok();
            }
        }
    }
}
