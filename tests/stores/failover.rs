//! A line whose primary dies: sentinels name another server, which may have missed the last writes.

use std::collections::BTreeSet;
use std::time::Duration;

use anteroom::line::exchange::Exchange;
use anteroom::line::ids::InstanceId;
use anteroom::store::StoreError;
use anteroom::store::redis::Settings as RedisSettings;
use anteroom::store::redis::Trouble;

use crate::faults::Replica;
use crate::server::READY;
use crate::support::machines::Machine;
use crate::support::machines::Watched;
use crate::support::wait_for;

/// How far line time goes on without a replica, in microseconds: longer than a line heals.
const LATE_US: u64 = 2_000_000;
/// The narrowest gap that is left for numbers a missing replica may have been told of.
const GAP: u64 = 100;

/// As a replica in front of visitors waits for these sentinels.
fn settings(watched: &Watched) -> RedisSettings {
    RedisSettings {
        sentinel_password: Some("correct-horse".to_owned().into()),
        connect_deadline: Duration::from_secs(2),
        answer_deadline: Duration::from_secs(2),
        ..RedisSettings::new(watched.url().parse().expect("a url"))
    }
}

fn note(issued: &mut BTreeSet<u64>, numbers: Vec<u64>) {
    for number in numbers {
        assert!(issued.insert(number), "{number} was issued twice");
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_fail_over_that_loses_writes_issues_no_number_twice() {
    let mut watched = Watched::start("correct-horse");
    let mut one = Replica::with(settings(&watched)).await;
    let mut two = Replica::with(settings(&watched)).await;
    two.instance = InstanceId(2);
    let mut issued = BTreeSet::new();
    note(&mut issued, one.numbers(5).await);
    note(&mut issued, two.numbers(5).await);
    the_sentinels_ask_for_their_password(&watched).await;
    // What was written so far is with the replica, what follows is not.
    let caught_up: u64 = watched.primary.ask("WAIT 1 10000");
    assert_eq!(caught_up, 1);
    watched.replica.freeze();
    watched.primary.ask::<u64>("CLIENT KILL TYPE replica");
    note(&mut issued, two.numbers(7).await);
    watched.primary.kill();
    watched.replica.thaw();
    let promotion = watched.replica.promotion();
    // One of the two finds the new primary long before the other.
    let since_us = one.send(Exchange::default()).await.now_us;
    let promoted = promotion.join().expect("it is a primary");
    println!("answered {:?} after the promotion", promoted.elapsed());
    let highest = *issued.last().expect("numbers");
    let mut alone = Vec::new();
    loop {
        let answer = one.join(3).await;
        alone.extend(answer.first..answer.first + answer.issued);
        if answer.now_us >= since_us + LATE_US {
            break;
        }
    }
    // It did not wait for the other for long, but leaves out what that one may have been told of.
    let first = *alone.first().expect("it got numbers before the other came");
    assert!(first > highest && first > GAP, "{first} after {highest}");
    note(&mut issued, alone);
    note(&mut issued, two.numbers(3).await);
    note(&mut issued, one.numbers(3).await);
    // The old primary comes back, and is made a replica of the new one.
    watched.primary.restart();
    let port = watched.replica.port.to_string();
    wait_for("the old primary follows", READY, || {
        let of: String = watched.primary.try_ask("INFO replication").ok()?;
        of.contains(&format!("master_port:{port}")).then_some(())
    });
    note(&mut issued, one.numbers(1).await);
    let mut late = Replica::with(settings(&watched)).await;
    late.instance = InstanceId(3);
    note(&mut issued, late.numbers(1).await);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_primary_that_wakes_up_after_it_was_replaced_is_not_believed() {
    let watched = Watched::start("correct-horse");
    // So patient that it is still waiting for the old primary's answer when that wakes up.
    let mut one = Replica::with(RedisSettings {
        answer_deadline: Duration::from_secs(60),
        ..settings(&watched)
    })
    .await;
    let mut issued = BTreeSet::new();
    note(&mut issued, one.numbers(5).await);
    let caught_up: u64 = watched.primary.ask("WAIT 1 10000");
    assert_eq!(caught_up, 1);
    watched.primary.freeze();
    let waiting = tokio::spawn(async move {
        let numbers = one.numbers(5).await;
        (one, numbers)
    });
    let port = watched.replica.port.to_string();
    wait_for("every sentinel names the other", READY, || {
        let named = |sentinel: &Machine| {
            let told = sentinel.try_ask::<Vec<String>>("SENTINEL get-master-addr-by-name main");
            told.is_ok_and(|told| told.get(1) == Some(&port))
        };
        watched.sentinels.iter().all(named).then_some(())
    });
    watched.primary.thaw();
    let (mut one, numbers) = waiting.await.expect("it gets its numbers");
    note(&mut issued, numbers);
    // The old primary calls itself one for many seconds yet; another replica is told who it is now.
    let mut two = Replica::with(settings(&watched)).await;
    two.instance = InstanceId(2);
    for _ in 0..5 {
        note(&mut issued, one.numbers(2).await);
        note(&mut issued, two.numbers(2).await);
    }
}

async fn the_sentinels_ask_for_their_password(watched: &Watched) {
    for password in [None, Some("wrong".to_owned().into())] {
        let mut replica = Replica::with(RedisSettings {
            sentinel_password: password,
            ..settings(watched)
        })
        .await;
        let error = replica.try_join(1).await.expect_err("they do not answer");
        let refused = matches!(&error, StoreError::Failed { trouble, .. } if *trouble == Trouble::SentinelLogin);
        assert!(refused, "{error}");
    }
    let url = watched.url().replace("/main", "/another");
    let mut replica = Replica::with(RedisSettings {
        url: url.parse().expect("a url"),
        ..settings(watched)
    })
    .await;
    let error = replica.try_join(1).await.expect_err("nobody has that name");
    assert!(error.to_string().contains("named another"), "{error}");
}
