//! The shared store as people run it: over TLS, for a user with few rights, beside others, as a cluster.

use std::collections::BTreeSet;
use std::time::Duration;

use anteroom::line::exchange::Exchange;
use anteroom::proxy::tls;
use anteroom::store::StoreError;
use anteroom::store::redis::Settings as RedisSettings;
use anteroom::store::redis::Trouble;
use rcgen::BasicConstraints;
use rcgen::CertificateParams;
use rcgen::CertifiedIssuer;
use rcgen::IsCa;
use rcgen::KeyPair;

use crate::faults::Replica;
use crate::server::Server;
use crate::support::machines::Cluster;
use crate::support::machines::Machine;
use crate::support::machines::free_port;

/// How long a step may take on a busy machine.
const PATIENCE: Duration = Duration::from_secs(10);

/// Patient settings for this address.
pub fn settings(url: &str) -> RedisSettings {
    RedisSettings {
        connect_deadline: PATIENCE,
        answer_deadline: PATIENCE,
        ..RedisSettings::new(url.parse().expect("a url"))
    }
}

fn authority() -> CertifiedIssuer<'static, KeyPair> {
    let mut params = CertificateParams::new(Vec::new()).expect("no names");
    params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
    CertifiedIssuer::self_signed(params, KeyPair::generate().expect("a key"))
        .expect("a certificate")
}

#[tokio::test]
async fn a_server_of_ones_own_authority_is_believed_and_no_other() {
    let (ours, another) = (authority(), authority());
    let key = KeyPair::generate().expect("a key");
    let params = CertificateParams::new(vec!["127.0.0.1".to_owned()]).expect("a name");
    let certificate = params.signed_by(&key, &ours).expect("a certificate");
    let dir = tempfile::TempDir::new().expect("a temporary folder");
    let [cert, secret] =
        ["cert.pem", "key.pem"].map(|name| dir.path().join(name).display().to_string());
    std::fs::write(&cert, certificate.pem()).expect("written");
    std::fs::write(&secret, key.serialize_pem()).expect("written");
    let port = free_port();
    let _server = Machine::start(&[
        "--tls-port",
        &port.to_string(),
        "--tls-cert-file",
        &cert,
        "--tls-key-file",
        &secret,
        "--tls-ca-cert-file",
        &cert,
        "--tls-auth-clients",
        "no",
    ]);
    let trusting = |issuer: &CertifiedIssuer<'static, KeyPair>| RedisSettings {
        tls: tls::with_authorities([issuer.der().clone()]).ok(),
        ..settings(&format!("rediss://127.0.0.1:{port}"))
    };
    let mut replica = Replica::with(trusting(&ours)).await;
    assert_eq!(replica.numbers(3).await, [1, 2, 3]);
    let mut replica = Replica::with(trusting(&another)).await;
    let error = replica.try_join(1).await.expect_err("it is not believed");
    assert!(matches!(error, StoreError::Unreachable { .. }), "{error}");
    assert!(error.to_string().contains("certificate"), "{error}");
    let mut replica = Replica::with(RedisSettings {
        tls: None,
        ..trusting(&ours)
    })
    .await;
    assert!(replica.try_join(1).await.is_err(), "never without TLS");
}

/// The command by which `deploy/README.md` makes a user for anteroom.
fn documented_user() -> String {
    let line = include_str!("../../deploy/README.md")
        .lines()
        .find_map(|line| line.trim().strip_prefix("redis-cli "));
    let line = line.expect("deploy/README.md says how to make a user");
    line.replace(['\'', '"'], "")
        .replace("$(cat redis.password)", "correct-horse")
}

#[tokio::test]
async fn a_user_with_the_documented_rights_is_enough_and_reaches_nothing_else() {
    let server = Machine::start(&[]);
    server.ask::<()>(&documented_user());
    server.ask::<()>("SET somebody-elses 1");
    let mut replica = Replica::with(RedisSettings {
        password: Some("correct-horse".to_owned().into()),
        ..settings(&format!("redis://anteroom@{}", server.addr()))
    })
    .await;
    assert_eq!(replica.numbers(3).await, [1, 2, 3]);
    let leaving = Exchange {
        leaving: true,
        ..Exchange::default()
    };
    replica.send(leaving).await;
    let other = format!("redis://anteroom:correct-horse@{}", server.addr());
    let mut other = redis::Client::open(other).and_then(|client| client.get_connection());
    let other = other.as_mut().expect("it may log in");
    let read: redis::RedisResult<String> = redis::cmd("GET").arg("somebody-elses").query(other);
    assert!(read.is_err(), "{read:?}");
    assert!(redis::cmd("FLUSHALL").exec(other).is_err());
}

#[tokio::test]
async fn installations_with_prefixes_of_their_own_share_a_server() {
    let server = Server::start();
    let at = |prefix: &str, database: u16| {
        let mut settings = settings(&server.url());
        settings.url.database = database;
        settings.prefix = prefix.to_owned();
        settings
    };
    for settings in [at("one", 0), at("two", 0), at("one", 3)] {
        assert_eq!(Replica::with(settings).await.numbers(2).await, [1, 2]);
    }
    let keys: Vec<String> = redis::cmd("KEYS")
        .arg("*")
        .query(&mut server.connect())
        .expect("keys");
    let count = |prefix: &str| keys.iter().filter(|key| key.starts_with(prefix)).count();
    assert!(
        count("{one:") > 0 && count("{one:") + count("{two:") == keys.len(),
        "{keys:?}"
    );
}

/// Three rooms, one on each primary of the cluster; their slots.
fn rooms(cluster: &Cluster) -> [(String, u64); 3] {
    [0, 5_461, 10_923].map(|first| {
        let slots = first..first + 5_461;
        let room = |n: u32| {
            let slot: u64 =
                cluster.nodes[0].ask(&format!("CLUSTER KEYSLOT {{anteroom:1:room-{n}}}"));
            slots.contains(&slot).then(|| (format!("room-{n}"), slot))
        };
        (0..1_000).find_map(room).expect("a room of this node")
    })
}

/// Moves these keys from one node to another.
fn migrate(from: &Machine, to: &Machine, keys: &[String]) {
    let command = format!(
        "MIGRATE 127.0.0.1 {}  0 5000 KEYS {}",
        to.port,
        keys.join(" ")
    );
    from.ask::<()>(&command);
}

#[tokio::test]
async fn rooms_spread_over_a_cluster_and_follow_their_slots() {
    let cluster = Cluster::start();
    let rooms = rooms(&cluster);
    let mut replicas = Vec::new();
    for (at, (room, _)) in rooms.iter().enumerate() {
        let mut replica = Replica::in_room(room, settings(&cluster.url())).await;
        assert_eq!(replica.numbers(3).await, [1, 2, 3]);
        let key = format!("EXISTS {{anteroom:1:{room}}}:state");
        assert_eq!(cluster.nodes[at].ask::<u64>(&key), 1, "{room}");
        replicas.push(replica);
    }
    is_told_to_name_the_cluster(&cluster, &rooms[1].0).await;
    // The second room's slot goes to the third node; while it does, nothing is issued.
    let (slot, [_, from, to, _]) = (rooms[1].1, &cluster.nodes[..]) else {
        panic!("four nodes");
    };
    let [_, from_id, to_id, _] = &cluster.ids[..] else {
        panic!("four nodes");
    };
    to.ask::<()>(&format!("CLUSTER SETSLOT {slot} IMPORTING {from_id}"));
    from.ask::<()>(&format!("CLUSTER SETSLOT {slot} MIGRATING {to_id}"));
    let keys: Vec<String> = from.ask(&format!("CLUSTER GETKEYSINSLOT {slot} 100"));
    let (some, rest) = keys.split_at(keys.len() / 2);
    for keys in [some, rest] {
        migrate(from, to, keys);
        let error = replicas[1].try_join(2).await.expect_err("it is on its way");
        let moving =
            matches!(&error, StoreError::Failed { trouble, .. } if *trouble == Trouble::Moving);
        assert!(moving, "{error}");
    }
    for node in [to, from] {
        node.ask::<()>(&format!("CLUSTER SETSLOT {slot} NODE {to_id}"));
    }
    assert_eq!(replicas[1].numbers(2).await, [4, 5]);
    assert_eq!(
        to.ask::<u64>(&format!("CLUSTER COUNTKEYSINSLOT {slot}")),
        keys.len() as u64
    );
    a_primary_dies(cluster, &mut replicas).await;
}

/// Who names one node of a cluster is told what to write.
async fn is_told_to_name_the_cluster(cluster: &Cluster, room: &str) {
    let url = format!("redis://{}", cluster.nodes[0].addr());
    let mut replica = Replica::in_room(room, settings(&url)).await;
    let error = replica
        .try_join(1)
        .await
        .expect_err("another has it")
        .to_string();
    assert!(error.contains("redis+cluster://"), "{error}");
    assert!(error.contains(&cluster.nodes[1].addr()), "{error}");
}

/// The first primary dies, and its replica takes over what the first room has.
async fn a_primary_dies(mut cluster: Cluster, replicas: &mut [Replica]) {
    let mut issued = BTreeSet::from([1, 2, 3]);
    cluster.nodes[0].kill();
    for replica in replicas.iter_mut().skip(1) {
        assert!(!replica.numbers(1).await.is_empty(), "the others go on");
    }
    for _ in 0..3 {
        for number in replicas[0].numbers(4).await {
            assert!(issued.insert(number), "{number} was issued twice");
        }
    }
    assert_eq!(cluster.nodes[3].info("role"), "master");
    // The one that died comes back as a replica: nobody is misled by it.
    cluster.nodes[0].restart();
    let url = cluster.url();
    let mut late = Replica::in_room(&replicas[0].room, settings(&url)).await;
    late.instance = anteroom::line::ids::InstanceId(9);
    for number in late.numbers(1).await {
        assert!(issued.insert(number), "{number} was issued twice");
    }
}

#[tokio::test]
async fn what_an_ended_epoch_leaves_is_freed() {
    let mut old = Server::start_with(&["--appendonly", "yes", "--appendfsync", "always"]);
    let mut replica = Replica::with(settings(&old.url())).await;
    replica.heal().await;
    for _ in 0..40 {
        replica.join(10_000).await;
    }
    let ended = replica.send(Exchange::default()).await.epoch;
    // A younger line, which this server is to hold once it heals.
    let young = Server::start();
    let mut younger = Replica::with(settings(&young.url())).await;
    younger.instance = anteroom::line::ids::InstanceId(2);
    younger.heal().await;
    assert_eq!(younger.numbers(5).await, [1, 2, 3, 4, 5]);
    let before = held(&old);
    assert!(before > 50_000, "{before} bytes");
    old.restart();
    younger.move_to(settings(&old.url())).await;
    let adopted = younger.send(Exchange::default()).await;
    assert!(adopted.epoch > ended, "{adopted:?}");
    let after = held(&old);
    assert!(after < before / 10, "{before} bytes, then {after}");
    assert_eq!(younger.numbers(1).await, [6]);
    // Nor does a line that was wiped out take more than it did before.
    let wiped = held(&old);
    redis::cmd("FLUSHALL")
        .exec(&mut old.connect())
        .expect("an answer");
    assert_eq!(younger.numbers(1).await, [7]);
    let again = held(&old);
    assert!(again <= wiped + 1_024, "{wiped} bytes, then {again}");
}

/// What all keys of the server take together, in bytes.
fn held(server: &Server) -> u64 {
    let mut redis = server.connect();
    let keys: Vec<String> = redis::cmd("KEYS").arg("*").query(&mut redis).expect("keys");
    let usage = |key: &String| -> u64 {
        let bytes: Option<u64> = redis::cmd("MEMORY")
            .arg("USAGE")
            .arg(key)
            .arg("SAMPLES")
            .arg(0)
            .query(&mut redis)
            .expect("a size");
        bytes.unwrap_or(0)
    };
    keys.iter().map(usage).sum()
}
