//! Finds the server that has a room's line: asks sentinels or nodes of a cluster, where there are any.
//!
//! All of them are asked at once, so that one that is gone holds nothing up. What they say is only where to look: the
//! server itself has to say that it is a primary, and a node that has not the room's slot says who has.

use std::sync::Arc;
use std::time::Duration;

use redis::RedisError;
use tokio::task::JoinSet;

use crate::config::url::Node;
use crate::config::url::Topology;
use crate::store::StoreError;
use crate::store::redis::Plan;
use crate::store::redis::connection::within;
use crate::store::redis::link::Access;
use crate::store::redis::link::Link;
use crate::store::redis::link::Place;
use crate::store::redis::trouble::HOST_MAX;
use crate::store::redis::trouble::Trouble;

/// Most servers looked at for one connection.
const CANDIDATES_MAX: usize = 3;

/// The servers that may have the room's line, the likeliest first; at least one, at most [`CANDIDATES_MAX`].
pub(super) async fn candidates(plan: &Plan) -> Result<Vec<Place>, StoreError> {
    let told = match &plan.topology {
        Topology::Server(node) => vec![node.clone()],
        Topology::Socket(path) => return Ok(vec![Place::Socket(path.clone())]),
        Topology::Sentinel { sentinels, name } => {
            // Those who have not heard of a fail-over yet are outvoted by those who agreed on it.
            let question = Question::Primary(name.as_str().into());
            ask(plan, sentinels, sentinels.len() / 2 + 1, &question).await?
        }
        Topology::Cluster(nodes) => {
            let key = plan.keys.first().map_or("", String::as_str);
            ask(plan, nodes, 1, &Question::Owner(key.into())).await?
        }
    };
    let named = by_votes(told).into_iter().take(CANDIDATES_MAX);
    Ok(named.map(|(_, node)| Place::Node(node)).collect())
}

/// The primary that more than half of all sentinels name; nobody where too few answer or they do not agree. One alone may
/// not have heard of a fail-over, and is no reason to leave a server that answers.
pub(super) async fn agreed(plan: &Plan) -> Option<Place> {
    let Topology::Sentinel { sentinels, name } = &plan.topology else {
        return None;
    };
    let most = sentinels.len() / 2 + 1;
    let question = Question::Primary(name.as_str().into());
    let told = ask(plan, sentinels, most, &question).await.ok()?;
    let (votes, node) = by_votes(told).into_iter().next()?;
    (votes >= most).then_some(Place::Node(node))
}

/// What is asked.
#[derive(Clone)]
enum Question {
    /// Which server is the primary of this name?
    Primary(Arc<str>),
    /// Which node has this key?
    Owner(Arc<str>),
}

/// Asks all of them, until this many have answered.
async fn ask(
    plan: &Plan,
    nodes: &[Node],
    enough: usize,
    question: &Question,
) -> Result<Vec<Node>, StoreError> {
    let mut asked = JoinSet::new();
    for node in nodes {
        let access = match question {
            Question::Primary(_) => plan.sentinel.clone(),
            Question::Owner(_) => plan.server.clone(),
        };
        asked.spawn(ask_one(
            node.clone(),
            access,
            plan.step_deadline,
            question.clone(),
        ));
    }
    let (mut told, mut failed) = (Vec::new(), None);
    while let Some(answer) = asked.join_next().await {
        match answer {
            Ok(Ok(node)) => told.push(node),
            // One that answers has more to say than one that is silent.
            Ok(Err(error)) if !matches!(failed, Some(StoreError::Failed { .. })) => {
                failed = Some(error);
            }
            Ok(Err(_)) | Err(_) => {}
        }
        if told.len() >= enough {
            break;
        }
    }
    match failed {
        Some(error) if told.is_empty() => Err(error),
        Some(_) | None => Ok(told),
    }
}

async fn ask_one(
    node: Node,
    access: Access,
    deadline: Duration,
    question: Question,
) -> Result<Node, StoreError> {
    let place = Place::Node(node.clone());
    let answer = async {
        let mut link = Link::open(&place, &access).await?;
        match &question {
            Question::Primary(name) => primary(&mut link, name).await,
            Question::Owner(key) => owner(&mut link, key, node).await.map(Some),
        }
    };
    let told = within(&place, deadline, answer).await;
    match (told, question) {
        (Ok(Some(node)), _) => Ok(node),
        (Ok(None), Question::Primary(name)) => Err(StoreError::Failed {
            addr: place.to_string(),
            trouble: Trouble::NoPrimary(name.to_string()),
        }),
        (Ok(None), Question::Owner(_)) => Err(StoreError::Unreadable("no node is named")),
        (
            Err(StoreError::Failed {
                addr,
                trouble: Trouble::Login | Trouble::NoPassword,
            }),
            Question::Primary(_),
        ) => Err(StoreError::Failed {
            addr,
            trouble: Trouble::SentinelLogin,
        }),
        (Err(error), _) => Err(error),
    }
}

async fn primary(link: &mut Link, name: &str) -> Result<Option<Node>, RedisError> {
    let told: Option<(String, u16)> = redis::cmd("SENTINEL")
        .arg("get-master-addr-by-name")
        .arg(name)
        .query_async(&mut link.commands)
        .await?;
    let told = told.filter(|(host, _)| host.len() <= HOST_MAX);
    Ok(told.map(|(host, port)| Node { host, port }))
}

/// The node that has this key: the one asked, or the one it names.
async fn owner(link: &mut Link, key: &str, asked: Node) -> Result<Node, RedisError> {
    let answer: Result<u64, _> = redis::cmd("EXISTS")
        .arg(key)
        .query_async(&mut link.commands)
        .await;
    match answer {
        Ok(_) => Ok(asked),
        Err(error) => match Trouble::of(&error) {
            Some(Trouble::Moved(to)) => Ok(reached_from(&asked, to)),
            // A slot that is being handed over is still its own.
            Some(Trouble::Moving) => Ok(asked),
            Some(_) | None => Err(error),
        },
    }
}

/// A node that another one names; one without a host is reached where the other one is.
pub(super) fn reached_from(asked: &Node, named: Node) -> Node {
    if named.host.is_empty() {
        Node {
            host: asked.host.clone(),
            ..named
        }
    } else {
        named
    }
}

/// Each of them once, those named most often first.
fn by_votes(told: Vec<Node>) -> Vec<(usize, Node)> {
    let mut votes: Vec<(usize, Node)> = Vec::new();
    for node in told {
        match votes.iter_mut().find(|(_, known)| *known == node) {
            Some((n, _)) => *n += 1,
            None => votes.push((1, node)),
        }
    }
    votes.sort_by_key(|&(n, _)| std::cmp::Reverse(n));
    votes
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn who_is_named_by_most_is_looked_at_first() {
        let node = |port| Node {
            host: "a".to_owned(),
            port,
        };
        let told = [1, 2, 3, 2].map(node).to_vec();
        let named = [(2, 2), (1, 1), (1, 3)].map(|(votes, port)| (votes, node(port)));
        assert_eq!(by_votes(told), named);
    }
}
