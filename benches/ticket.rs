//! What signing and reading tickets and passes costs: it happens on every request.

use std::hint::black_box;

use anteroom::line::ids::Epoch;
use anteroom::line::ids::Nonce;
use anteroom::seal::KeyRing;
use anteroom::seal::Pass;
use anteroom::seal::Ticket;
use anteroom::seal::ticket_id;
use criterion::Criterion;
use criterion::criterion_group;
use criterion::criterion_main;

const ROOM: &str = "vaccination";

fn ticket() -> Ticket {
    Ticket {
        epoch: Epoch {
            created_us: 1_795_000_000_000_000,
            nonce: Nonce(42),
        },
        number: 1_235,
        id: ticket_id(),
        issued_us: 1_795_000_012_345_678,
        asked: false,
    }
}

fn pass() -> Pass {
    let ticket = ticket();
    Pass {
        epoch: ticket.epoch,
        number: ticket.number,
        id: ticket.id,
        signed_us: ticket.issued_us,
        until_us: ticket.issued_us + 900_000_000,
        entered_us: ticket.issued_us,
    }
}

fn sign(criterion: &mut Criterion) {
    let ring = KeyRing::random();
    let (ticket, pass) = (ticket(), pass());
    let mut group = criterion.benchmark_group("sign");
    group.bench_function("ticket", |bench| {
        bench.iter(|| ring.sign_ticket(ROOM, black_box(&ticket)));
    });
    group.bench_function("pass", |bench| {
        bench.iter(|| ring.sign_pass(ROOM, black_box(&pass)));
    });
    group.bench_function("new ticket id", |bench| bench.iter(ticket_id));
    group.finish();
}

fn verify(criterion: &mut Criterion) {
    let ring = KeyRing::random();
    let ticket = ring.sign_ticket(ROOM, &ticket());
    let pass = ring.sign_pass(ROOM, &pass());
    let mut group = criterion.benchmark_group("verify");
    group.bench_function("ticket", |bench| {
        bench.iter(|| ring.verify_ticket(ROOM, black_box(ticket.as_bytes())));
    });
    group.bench_function("pass", |bench| {
        bench.iter(|| ring.verify_pass(ROOM, black_box(pass.as_bytes())));
    });
    group.finish();
}

fn reject(criterion: &mut Criterion) {
    let ring = KeyRing::random();
    let forged = {
        let mut text = ring.sign_pass(ROOM, &pass());
        let last = if text.ends_with('A') { 'E' } else { 'A' };
        text.pop();
        text.push(last);
        text
    };
    let foreign = KeyRing::random().sign_pass(ROOM, &pass());
    let long = "A".repeat(8_192);
    let mut group = criterion.benchmark_group("reject");
    for (name, text) in [
        ("forged", &forged),
        ("unknown key", &foreign),
        ("too long", &long),
    ] {
        assert!(ring.verify_pass(ROOM, text.as_bytes()).is_err());
        group.bench_function(name, |bench| {
            bench.iter(|| ring.verify_pass(ROOM, black_box(text.as_bytes())));
        });
    }
    group.finish();
}

criterion_group!(benches, sign, verify, reject);
criterion_main!(benches);
