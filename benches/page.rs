//! What a visitor costs when it asks: the status (nearly always without a panel), the whole page, the forecast.
#![allow(missing_docs, reason = "the macros make items nobody documents")]

use std::hint::black_box;

use anteroom::estimate::Estimator;
use anteroom::estimate::Sample;
use anteroom::page::Lang;
use anteroom::page::Pages;
use anteroom::page::scenes;
use anteroom::page::with_scene;
use criterion::Criterion;
use criterion::criterion_group;
use criterion::criterion_main;

fn pages(c: &mut Criterion) {
    let pages = Pages::load().expect("the texts are compiled in");
    for scene in ["waiting", "turn", "paused"] {
        with_scene(scene, Lang::It, |view| {
            c.bench_function(&format!("status of one {scene}"), |b| {
                b.iter(|| pages.status_json(black_box(view), view.state.name()));
            });
        });
    }
    with_scene("waiting", Lang::It, |view| {
        c.bench_function("status with a panel", |b| {
            b.iter(|| pages.status_json(black_box(view), ""));
        });
        c.bench_function("page", |b| b.iter(|| pages.html(black_box(view))));
        c.bench_function("problem document", |b| {
            b.iter(|| pages.problem(black_box(view), 503, Some(15)));
        });
    });
    assert!(scenes().count() > 18);
}

fn forecast(c: &mut Criterion) {
    let mut estimator = Estimator::new();
    let mut second = 0;
    let mut next = || {
        second += 5;
        Sample {
            now_us: second * 1_000_000,
            wall_us: 1_795_338_720_000_000,
            head: second * 12,
            tail: second * 12 + 40_000,
            rate_per_hour: 43_200,
        }
    };
    for _ in 0..600 {
        estimator.sample(next());
    }
    let forecast = estimator.forecast();
    c.bench_function("look up a wait", |b| {
        b.iter(|| forecast.wait(black_box(55_000), 36_000, 1_795_338_720_000_000));
    });
    c.bench_function("refresh the forecast of 40,000", |b| {
        b.iter(|| estimator.sample(next()));
    });
}

criterion_group!(benches, pages, forecast);
criterion_main!(benches);
