//! What is said of a Redis that answers and cannot be used: the trouble itself, in words of its own, without a secret.

use std::collections::BTreeSet;

use anteroom::store::StoreError;
use anteroom::store::redis::Settings as RedisSettings;
use anteroom::store::redis::Trouble;

use crate::faults::Replica;
use crate::server::READY;
use crate::support::machines::Machine;
use crate::support::wait_for;
use crate::topology::settings;

/// What one attempt meets at this address with this password.
async fn meets(url: &str, password: &str) -> (Trouble, String) {
    let mut replica = Replica::with(RedisSettings {
        password: Some(password.to_owned())
            .filter(|text| !text.is_empty())
            .map(Into::into),
        ..settings(url)
    })
    .await;
    match replica.try_join(1).await {
        Err(error) => {
            let text = error.to_string();
            let StoreError::Failed { trouble, .. } = error else {
                panic!("{error}");
            };
            (trouble, text)
        }
        Ok(answer) => panic!("it answered {answer:?}"),
    }
}

#[tokio::test]
async fn every_trouble_is_told_in_words_of_its_own_and_without_the_password() {
    let guarded = ["--requirepass", "correct-horse", "--save", ""];
    let guarded = Machine::start_as(":correct-horse@", "", &guarded);
    guarded.ask::<()>("ACL SETUSER weak on >battery-staple ~* +info");
    let replica = Machine::start(&["--replicaof", "127.0.0.1", "1"]);
    let alone = Machine::start(&["--min-replicas-to-write", "1"]);
    let headless = Machine::start(&["--cluster-enabled", "yes"]);
    let url = |machine: &Machine| format!("redis://{}", machine.addr());
    let weak = format!("redis://weak@{}", guarded.addr());
    let cluster = format!("redis+cluster://{}", headless.addr());
    let met = [
        (meets(&url(&guarded), "battery-staple").await, "login"),
        (meets(&url(&guarded), "").await, "password"),
        (meets(&weak, "battery-staple").await, "permission"),
        (meets(&url(&replica), "").await, "replica"),
        (meets(&url(&alone), "").await, "few"),
        (meets(&cluster, "").await, "cluster"),
    ];
    let mut texts = BTreeSet::new();
    for ((trouble, text), expected) in met {
        let is_it = match expected {
            "login" => trouble == Trouble::Login,
            "password" => trouble == Trouble::NoPassword,
            "permission" => matches!(trouble, Trouble::Permission(_)),
            "replica" => trouble == Trouble::Replica,
            "few" => trouble == Trouble::FewReplicas,
            _ => matches!(trouble, Trouble::ClusterDown(_)),
        };
        assert!(is_it, "{expected}: {trouble:?}");
        assert!(text.contains("127.0.0.1:"), "{text}");
        assert!(
            !text.contains("horse") && !text.contains("staple"),
            "{text}"
        );
        println!("{text}");
        assert!(texts.insert(text.clone()), "{text}");
    }
}

#[tokio::test]
async fn a_server_whose_memory_is_full_issues_nothing_until_it_has_some() {
    let server = Machine::start(&[]);
    let mut replica = Replica::with(settings(&format!("redis://{}", server.addr()))).await;
    assert_eq!(replica.numbers(2).await, [1, 2]);
    server.ask::<u64>("SETRANGE somebody-elses 2000000 x");
    server.ask::<()>("CONFIG SET maxmemory 1mb");
    for _ in 0..3 {
        let error = replica.try_join(2).await.expect_err("there is no room");
        let full =
            matches!(&error, StoreError::Failed { trouble, .. } if *trouble == Trouble::Memory);
        assert!(full, "{error}");
    }
    server.ask::<()>("CONFIG SET maxmemory 0");
    assert_eq!(replica.numbers(2).await, [3, 4]);
}

#[tokio::test]
async fn a_server_that_is_still_loading_is_waited_for() {
    let options = ["--save", "", "--enable-debug-command", "yes"];
    let mut server = Machine::start_as("", "", &options);
    server.ask::<()>("DEBUG POPULATE 20000");
    server.ask::<()>("SAVE");
    let mut replica = Replica::with(settings(&format!("redis://{}", server.addr()))).await;
    assert_eq!(replica.numbers(2).await, [1, 2]);
    // Loading takes two seconds, in which it answers.
    let slow = [
        "--key-load-delay",
        "100",
        "--loading-process-events-interval-bytes",
        "1024",
    ];
    server.restart_with(&slow);
    wait_for("it listens", READY, || {
        std::net::TcpStream::connect(server.addr()).ok()
    });
    let error = replica.try_join(2).await.expect_err("it loads");
    let loading =
        matches!(&error, StoreError::Failed { trouble, .. } if *trouble == Trouble::Loading);
    assert!(loading, "{error}");
    assert_eq!(replica.numbers(2).await, [3, 4]);
}
