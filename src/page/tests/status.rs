//! The status, the problem documents and the public status, read back as a program reads them.

use serde_json::Value;
use serde_json::json;

use crate::estimate::Wait;
use crate::page::Calm;
use crate::page::Lang;
use crate::page::Public;
use crate::page::State;
use crate::page::View;
use crate::page::preview::sample_texts;
use crate::page::preview::view;
use crate::page::scenes;
use crate::page::tests::pages;
use crate::page::tests::text;

fn status(view: &View<'_>, have: &str) -> Value {
    serde_json::from_str(&text(&pages().status_json(view, have))).unwrap()
}

#[test]
fn the_status_has_the_fields_of_the_contract() {
    let texts = sample_texts();
    let status = status(&view(&texts, "waiting", Lang::En).unwrap(), "waiting");
    let expected = json!({
        "v": 1, "state": "waiting", "final": false, "number": 9620, "serving": 8385, "place": 1235,
        "wait": {"known": true, "lo_s": 1500, "hi_s": 2100, "from": "10:40", "to": "10:50", "trend": "steady"},
        "turn": null, "stock": 912, "poll_ms": 15000, "msg": null,
        "text": {
            "title": "(1,235) You are in the queue – Book a vaccination", "place": "1,235",
            "ahead": "1,234 people are ahead of you", "wait": "25 to 35 minutes",
            "clock": "between 10:40am and 10:50am", "left": null,
            "say": "You are number 1,235. Expected wait 25 to 35 minutes."
        },
        "say_id": "half", "panel": null
    });
    assert_eq!(status, expected);
}

#[test]
fn a_turn_is_told_with_its_times() {
    let texts = sample_texts();
    let status = status(&view(&texts, "turn", Lang::It).unwrap(), "waiting~12");
    assert_eq!(status["turn"]["called"], "2026-11-22T09:11:00Z");
    assert_eq!(status["turn"]["enter_by"], "2026-11-22T09:21:00Z");
    assert_eq!(status["turn"]["more_left"], 10);
    assert_eq!(
        status["text"]["title"],
        "✔ È il Suo turno – Prenota una vaccinazione"
    );
    assert_eq!(status["text"]["left"], "9 minuti");
    assert!(
        status["panel"]
            .as_str()
            .unwrap()
            .contains("Entra nel servizio")
    );
}

#[test]
fn every_status_is_json_and_small() {
    let texts = sample_texts();
    for lang in Lang::ALL {
        for scene in scenes() {
            let Some(view) = view(&texts, scene, lang) else {
                continue;
            };
            let json = pages().status_json(&view, view.state.name());
            assert!(json.len() <= 1_024, "{scene}: {}", text(&json));
            let value: Value = serde_json::from_slice(&json).unwrap();
            assert_eq!(value["state"], view.state.name());
            assert_eq!(value["final"], view.state.is_final());
            assert!(value["panel"].is_null(), "{scene}");
        }
    }
}

#[test]
fn the_panel_comes_when_the_page_shows_another_and_is_the_pages_own() {
    let texts = sample_texts();
    for scene in scenes() {
        let Some(view) = view(&texts, scene, Lang::En) else {
            continue;
        };
        let full = status(&view, "");
        let panel = full["panel"].as_str().unwrap();
        assert!(
            text(&pages().html(&view)).contains(panel),
            "{scene}: page and panel differ"
        );
        let have = panel
            .split_once("data-have=\"")
            .unwrap()
            .1
            .split('"')
            .next()
            .unwrap();
        assert!(status(&view, have)["panel"].is_null(), "{scene}");
        assert!(status(&view, "invalid~0")["panel"].is_string());
        assert!(status(&view, &"x".repeat(5_000))["panel"].is_string());
    }
}

#[test]
fn what_a_panel_shows_beyond_its_live_texts_makes_another_panel() {
    let texts = sample_texts();
    let first = view(&texts, "waiting", Lang::En).unwrap();
    let have = |view: &View<'_>| {
        let status = status(view, "");
        let panel = status["panel"].as_str().unwrap().to_owned();
        panel
            .split_once("data-have=\"")
            .unwrap()
            .1
            .split('"')
            .next()
            .unwrap()
            .to_owned()
    };
    let mut later = first.clone();
    later.place -= 500;
    later.serving += 500;
    later.wait.lo_s -= 300;
    assert_eq!(
        have(&first),
        have(&later),
        "numbers alone need no new panel"
    );
    for scene in [
        "waiting-slower",
        "waiting-scarce",
        "waiting-long",
        "waiting-new",
        "waiting-message",
    ] {
        assert_ne!(
            have(&first),
            have(&view(&texts, scene, Lang::En).unwrap()),
            "{scene}"
        );
    }
    assert_ne!(
        have(&first),
        have(&view(&texts, "waiting", Lang::It).unwrap())
    );
}

#[test]
fn milestones_are_few_and_a_resumed_line_says_so() {
    let texts = sample_texts();
    let mut view = view(&texts, "waiting", Lang::En).unwrap();
    let mut ids = Vec::new();
    for place in (1..4_120).rev() {
        view.place = place;
        let status = status(&view, "waiting");
        ids.push(status["say_id"].as_str().unwrap().to_owned());
    }
    ids.dedup();
    assert_eq!(
        ids,
        ["start", "half", "quarter", "1000", "100"]
            .map(str::to_owned)
            .to_vec()
    );
    let resumed = status(&view, "paused~1");
    let said = resumed["text"]["say"].as_str().unwrap();
    assert!(
        said.starts_with("The queue is moving again. You are number 1."),
        "{said}"
    );
}

#[test]
fn one_who_has_no_number_yet_is_told_none() {
    let texts = sample_texts();
    let status = status(&view(&texts, "pending", Lang::En).unwrap(), "waiting");
    assert!(status["number"].is_null() && status["place"].is_null());
    assert_eq!(status["wait"], json!({"known": false}));
    assert!(status["text"]["place"].is_null());
}

#[test]
fn a_number_is_told_also_where_the_place_is_not_known_yet() {
    let texts = sample_texts();
    let kept = view(&texts, "pending-kept", Lang::En).unwrap();
    let waiting = status(&kept, "waiting");
    assert_eq!(
        (&waiting["number"], &waiting["place"]),
        (&json!(9620), &Value::Null)
    );
    assert!(waiting["text"]["place"].is_null());
    let mut inside = view(&texts, "entered", Lang::En).unwrap();
    inside.placed = false;
    assert_eq!(status(&inside, "entered")["number"], 9620);
    for lang in Lang::ALL {
        for scene in ["pending", "pending-held", "pending-kept"] {
            let view = view(&texts, scene, lang).unwrap();
            let page = text(&pages().html(&view));
            // Only a script tries again by itself.
            assert!(page.contains("data-pending>"), "{scene}");
            assert_eq!(page.matches("<p class=\"jsonly\">").count(), 1, "{scene}");
            let promise = ["Your place is kept", "Il Suo posto è conservato"];
            let promised = promise.iter().any(|words| page.contains(words));
            // A stub holds a place for certain. The line of a ticket may have ended, which cannot be told yet.
            assert_eq!(promised, scene == "pending-held", "{scene}");
            assert_eq!(page.contains("<details>"), promised, "{scene}");
        }
    }
}

#[test]
fn a_program_without_a_ticket_is_told_to_join() {
    let texts = sample_texts();
    for (lang, title, detail) in [
        (
            Lang::En,
            "You are not in the queue yet – Book a vaccination",
            "Send a POST to join_url to join the queue. The answer has your number, or will \
             have it when you repeat the call, and the ticket to show from then on.",
        ),
        (
            Lang::It,
            "Non è ancora in coda – Prenota una vaccinazione",
            "Per entrare in coda invii una richiesta POST a join_url. La risposta contiene il Suo numero, o lo conterrà \
             quando ripeterà la chiamata, e il biglietto da mostrare in seguito.",
        ),
    ] {
        let nobody = view(&texts, "pending", lang).unwrap();
        let problem: Value =
            serde_json::from_slice(&pages().problem(&nobody, 503, Some(15))).unwrap();
        assert_eq!(
            (&problem["title"], &problem["detail"]),
            (&json!(title), &json!(detail))
        );
        assert_eq!(problem["join_url"], "/.anteroom/vaccination/join");
        // With a ticket there is nothing to join, and where nobody is taken joining helps nobody.
        for scene in [
            "waiting",
            "pending-held",
            "pending-kept",
            "turn",
            "closed",
            "sold-out",
        ] {
            let view = view(&texts, scene, lang).unwrap();
            let problem = text(&pages().problem(&view, 503, Some(15)));
            assert!(!problem.contains(detail), "{scene}: {problem}");
        }
    }
}

#[test]
fn a_problem_document_tells_a_program_all_it_needs() {
    let texts = sample_texts();
    let view = view(&texts, "waiting", Lang::En).unwrap();
    let problem: Value = serde_json::from_slice(&pages().problem(&view, 503, Some(15))).unwrap();
    assert_eq!(problem["type"], "/.anteroom/vaccination#waiting");
    assert_eq!(
        problem["title"],
        "(1,235) You are in the queue – Book a vaccination"
    );
    assert_eq!(problem["status"], 503);
    assert_eq!(problem["retry_after"], 15);
    assert_eq!(problem["state"], "waiting");
    assert_eq!(problem["place"], 1235);
    assert_eq!(problem["status_url"], "/.anteroom/vaccination/status");
    assert_eq!(problem["join_url"], "/.anteroom/vaccination/join");
    let busy: Value =
        serde_json::from_slice(&pages().calm_problem(Calm::TooMany, &view, 429)).unwrap();
    assert_eq!(busy["type"], "about:blank");
    assert_eq!(
        (&busy["status"], &busy["retry_after"]),
        (&json!(429), &json!(15))
    );
}

#[test]
fn the_public_status_is_the_same_for_everybody() {
    let public = Public {
        state: State::Waiting,
        waiting: 35_000,
        serving: 100,
        wait: Wait::UNKNOWN,
        stock: None,
        opens_at: None,
        draw: None,
    };
    let value: Value = serde_json::from_slice(&pages().public_json(&public)).unwrap();
    assert_eq!(
        value,
        json!({"v": 1, "state": "waiting", "waiting": 35000, "serving": 100,
               "wait": {"known": false, "lo_s": 0, "hi_s": 0}, "stock": null, "opens_at": null})
    );
}
