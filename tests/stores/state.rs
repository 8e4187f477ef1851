//! What Redis holds of a line, in the shape in which the pure line writes itself down.

use redis::Connection;
use serde_json::Map;
use serde_json::Value;
use serde_json::json;

use anteroom::line::Line;

/// The scalars in the order the script packs them.
const SCALARS: &str = "created nonce provisional store tail head clock_us now_us turn_now_us heal_until_us credit \
    credit_rest late_due share_ppm delay_us aged_us minute_us minute minute_before listen_us told_us told_before_us told_at_us slice \
    slice_us rate_per_hour active_max mode presence_us turn_us late_share_ppm pass_idle_us returns line_max \
    revision content stock entered entries_seq finished_seq opening guard_share_ppm guard_recovery_us held_back_ppm \
    judged_us cut_us origin_answered origin_failed origin_slow stubs_n stub_seq heal_from_us heal_live heal_heard \
    gathers gap_first gap_last issued_minute issued_minute_before opens_at_us draw closes_at_us \
    inside_due finished_due turns_due asking_due keyed_due asked_first called_last none_late \
    origin_witnesses opening_us paced withheld_per_hour lost_per_hour lost_until_us heal_each_per_hour heal_withheld_per_hour \
    paced_us places counted_us";

/// What the script remembers of a set's lowest score, and the set.
const DUE: [(&str, &str); 6] = [
    ("inside_due", "inside"),
    ("finished_due", "finished"),
    ("turns_due", "turns"),
    ("asking_due", "asking"),
    ("keyed_due", "keyed_until"),
    ("asked_first", "asking_turn"),
];

/// The settings among them.
const SETTINGS: [&str; 15] = [
    "rate_per_hour",
    "active_max",
    "mode",
    "presence_us",
    "turn_us",
    "late_share_ppm",
    "pass_idle_us",
    "returns",
    "line_max",
    "guard_share_ppm",
    "guard_recovery_us",
    "opens_at_us",
    "draw",
    "closes_at_us",
    "paced",
];

/// What is withheld for leases.
const LEASES: [&str; 6] = [
    "withheld_per_hour",
    "lost_per_hour",
    "lost_until_us",
    "heal_each_per_hour",
    "heal_withheld_per_hour",
    "paced_us",
];

/// The pure line's state, with bitmaps as bytes, maps as sorted rows, and of each kept answer only its sequence.
pub fn of_line(line: &Line) -> Value {
    let mut state = serde_json::to_value(line).expect("a line");
    let fields = state.as_object_mut().expect("an object");
    let present = fields["present"].as_array().expect("slices").clone();
    fields["present"] = present
        .iter()
        .map(|slice| bytes_of_words(&slice["words"]))
        .collect();
    let nibbles = fields["entries"]["nibbles"].as_array().expect("bytes");
    let nibbles = nibbles
        .iter()
        .map(|n| u8::try_from(n.as_u64().expect("a byte")).expect("a byte"));
    fields["entries"] = trimmed(&nibbles.collect::<Vec<_>>());
    for map in ["longer", "resigned", "keyed"] {
        let rows = fields[map].as_object().expect("a map");
        let key = |key: &String| key.parse::<u64>().ok().filter(|_| map == "longer");
        let rows = rows.iter().map(|(name, value)| match key(name) {
            Some(number) => json!([number, value]),
            None => json!([name, value]),
        });
        let mut rows: Vec<Value> = rows.collect();
        rows.sort_by_key(|row| (row[0].as_u64(), row[0].to_string()));
        fields[map] = Value::Array(rows);
    }
    let blocks = fields["stub_blocks"].as_object().expect("a map");
    let mut blocks: Vec<_> = blocks
        .iter()
        .map(|(seq, block)| (number(seq), block))
        .collect();
    blocks.sort_by_key(|row| row.0);
    fields["stub_blocks"] = blocks
        .into_iter()
        .map(|row| json!([row.0, row.1]))
        .collect();
    let answered = fields["answered"].as_object().expect("a map");
    let answered = answered
        .iter()
        .map(|(name, kept)| (name.clone(), kept["sequence"].clone()));
    fields["answered"] = Value::Object(answered.collect());
    state
}

fn bytes_of_words(words: &Value) -> Value {
    let words = words.as_array().expect("words");
    let bytes = words
        .iter()
        .flat_map(|word| word.as_u64().expect("a word").to_le_bytes());
    trimmed(&bytes.map(u8::reverse_bits).collect::<Vec<_>>())
}

/// Bytes without the zeros at their end, as rows of (place, value) of those that are not zero.
fn trimmed(bytes: &[u8]) -> Value {
    let some = bytes.iter().enumerate().filter(|(_, byte)| **byte != 0);
    some.map(|(index, byte)| json!([index, byte])).collect()
}

/// The state that Redis holds under these names.
pub fn of_redis(redis: &mut Connection, prefix: &str, room: &str) -> Value {
    let key = |name: &str| format!("{{{prefix}:1:{room}}}:{name}");
    let mut fields = scalars(redis, &key("state"));
    let present = (0..3).map(|slice| bytes(redis, &key(&format!("present-{slice}"))));
    fields.insert("present".to_owned(), present.collect());
    fields.insert("entries".to_owned(), bytes(redis, &key("entries")));
    for (name, redis_name, numbers) in [
        ("turns", "turns", true),
        ("called", "called", true),
        ("longer", "longer", true),
        ("asking", "asking", false),
        ("asking_turn", "asking-turn", false),
        ("asking_late", "asking-late", false),
        ("inside", "inside", false),
        ("inside_since", "inside-since", false),
        ("inside_order", "inside-order", false),
        ("resigned", "resigned", false),
        ("finished", "finished", false),
        ("finished_order", "finished-order", false),
        ("keyed", "keyed", false),
        ("keyed_until", "keyed-until", false),
        ("seen", "seen", false),
        ("contents", "contents", false),
        ("stub_marks", "stub-marks", false),
    ] {
        fields.insert(name.to_owned(), scored(redis, &key(redis_name), numbers));
    }
    check_due(&mut fields);
    let numbers = scored(redis, &key("numbers"), true);
    let turns = fields["turns"].as_array().expect("rows").iter();
    let expected: Value = turns.map(|row| json!([row[0], row[0]])).collect();
    assert_eq!(numbers, expected, "the order of turns by number");
    let answered: Vec<(String, Vec<u8>)> = redis::cmd("HGETALL")
        .arg(key("answered"))
        .query(redis)
        .expect("answers");
    let answered = answered.into_iter().map(|(name, answer)| {
        let sequence = answer.first_chunk::<8>().expect("an answer");
        (name, json!(u64::from_be_bytes(*sequence)))
    });
    fields.insert("answered".to_owned(), Value::Object(answered.collect()));
    let counted = redis::cmd("EXISTS").arg(key("present-any")).query(redis);
    assert_eq!(counted, Ok(0), "what was made to count those present");
    let stubs = stubs(redis, &key("stubs"));
    let kept = fields.remove("stubs_n").expect("a field");
    assert_eq!(kept, stubs.as_object().expect("a map").len());
    fields.insert("stubs".to_owned(), stubs);
    let blocks = blocks(redis, &key("stub-blocks"));
    fields["leases"]["held"] = leases(redis, &key("leases"));
    fields.insert("stub_blocks".to_owned(), blocks);
    Value::Object(fields)
}

/// What the script remembers of the sets, so that it does not ask for what is not there, is true of them.
fn check_due(fields: &mut Map<String, Value>) {
    let mut due = |name: &str| {
        let due = fields.remove(name);
        due.map_or(0, |due| due.as_u64().expect("a number"))
    };
    let lowest = DUE.map(|(name, set)| (due(name), name, set));
    let (called_last, none_late) = (due("called_last"), due("none_late"));
    let scores = |set: &str| {
        let rows = fields[set].as_array().expect("rows").iter();
        rows.map(|row| row[1].as_u64().expect("a score"))
            .collect::<Vec<_>>()
    };
    for (due, name, set) in lowest {
        let first = scores(set).into_iter().min().unwrap_or(u64::MAX);
        assert!(due <= first, "{name} is {due}, and there is {first}");
    }
    // Zero stands for whatever the turns' time is.
    let last = scores("called").into_iter().max().unwrap_or(0);
    assert!(called_last == 0 || last <= called_last, "called at {last}");
    assert!(none_late == 0 || scores("asking_late").is_empty());
}

fn scalars(redis: &mut Connection, key: &str) -> Map<String, Value> {
    let packed: Vec<u8> = redis::cmd("GET").arg(key).query(redis).expect("a state");
    if packed.is_empty() {
        let state = of_line(&Line::new());
        let mut fields = state.as_object().expect("an object").clone();
        fields.insert("stubs_n".to_owned(), json!(0));
        return fields;
    }
    let mut rest = packed.as_slice();
    let mut take = |length: usize| {
        let (value, after) = rest.split_at(length);
        rest = after;
        value
    };
    let mut fields = Map::new();
    for name in SCALARS.split_whitespace() {
        let value = match name {
            "nonce" => json!(String::from_utf8_lossy(take(16))),
            "store" | "content" => json!(String::from_utf8_lossy(take(32))),
            "opening" => opening(take(96)),
            _ => json!(u64::from_be_bytes(take(8).try_into().expect("8 bytes"))),
        };
        fields.insert(name.to_owned(), value);
    }
    assert!(rest.is_empty(), "the state is longer than its fields");
    let mut gone = |name: &str| fields.remove(name).expect("a field");
    let epoch = json!({ "created_us": gone("created"), "nonce": gone("nonce") });
    let provisional = json!(gone("provisional") == 1);
    let stock = gone("stock").as_u64().expect("a number").checked_sub(1);
    let mut settings: Map<String, Value> = SETTINGS
        .iter()
        .map(|&name| (name.to_owned(), gone(name)))
        .collect();
    let modes = ["open", "paused", "closed", "sold-out", "bypass", "observe"];
    let mode = settings["mode"]
        .as_u64()
        .and_then(|mode| modes.get(usize::try_from(mode).ok()?));
    settings["mode"] = json!(mode);
    settings["draw"] = json!(settings["draw"] == 1);
    settings["paced"] = json!(settings["paced"] == 1);
    let leases: Map<String, Value> = LEASES
        .iter()
        .map(|&name| (name.to_owned(), gone(name)))
        .collect();
    let gathers = json!(gone("gathers") == 1);
    fields.insert("leases".to_owned(), Value::Object(leases));
    fields.insert("gathers".to_owned(), gathers);
    fields.insert("epoch".to_owned(), epoch);
    fields.insert("provisional".to_owned(), provisional);
    fields.insert("stock".to_owned(), json!(stock));
    fields.insert("settings".to_owned(), Value::Object(settings));
    fields
}

/// What is agreed of an opening, as the pure line writes it down.
fn opening(packed: &[u8]) -> Value {
    let number = |at: usize| {
        let bytes = packed[at..at + 8].try_into().expect("8 bytes");
        u64::from_be_bytes(bytes)
    };
    let draw = String::from_utf8_lossy(&packed[24..88]);
    json!({
        "at_us": number(0),
        "draws": number(8) == 1,
        "after": number(16),
        "draw": Some(&draw).filter(|draw| draw.bytes().any(|byte| byte != b'0')),
        "early": number(88).checked_sub(1),
    })
}

fn number(text: &str) -> u64 {
    text.parse().expect("a number")
}

/// The number at this place of what the script packed.
fn packed(bytes: &[u8], at: usize) -> u64 {
    let bytes = bytes[at..at + 8].try_into().expect("8 bytes");
    u64::from_be_bytes(bytes)
}

/// The slices of stubs that have no numbers yet, by replica.
fn stubs(redis: &mut Connection, key: &str) -> Value {
    let rows: Vec<(String, Vec<u8>)> = redis::cmd("HGETALL").arg(key).query(redis).expect("a hash");
    let slice = |slice: &[u8]| json!({ "at_us": packed(slice, 0), "first": packed(slice, 8), "count": packed(slice, 16) });
    let slices =
        |(instance, slices): (String, Vec<u8>)| (instance, slices.chunks(24).map(slice).collect());
    Value::Object(rows.into_iter().map(slices).collect())
}

/// What each replica was granted.
fn leases(redis: &mut Connection, key: &str) -> Value {
    let rows: Vec<(String, Vec<u8>)> = redis::cmd("HGETALL").arg(key).query(redis).expect("a hash");
    let lease = |lease: &[u8]| json!({ "told_us": packed(lease, 0), "per_hour": packed(lease, 8) });
    let rows = rows
        .into_iter()
        .map(|(instance, row)| (instance, lease(&row)));
    Value::Object(rows.collect())
}

/// Blocks of numbered stubs, by sequence number.
fn blocks(redis: &mut Connection, key: &str) -> Value {
    let mut zrange = redis::cmd("ZRANGE");
    zrange.arg(key).arg(0).arg(-1).arg("WITHSCORES");
    let rows: Vec<(Vec<u8>, u64)> = zrange.query(redis).expect("a sorted set");
    let row = |(block, seq): (Vec<u8>, u64)| {
        let block = json!({
            "instance": String::from_utf8_lossy(&block[..16]), "first": packed(&block, 16),
            "count": packed(&block, 24), "number": packed(&block, 32),
        });
        json!([seq, block])
    };
    rows.into_iter().map(row).collect()
}

fn bytes(redis: &mut Connection, key: &str) -> Value {
    let bytes: Vec<u8> = redis::cmd("GET").arg(key).query(redis).expect("a string");
    trimmed(&bytes)
}

/// A sorted set as rows of member and score, by member.
fn scored(redis: &mut Connection, key: &str, numbers: bool) -> Value {
    let mut zrange = redis::cmd("ZRANGE");
    zrange.arg(key).arg(0).arg(-1).arg("WITHSCORES");
    let mut rows: Vec<(String, u64)> = zrange.query(redis).expect("a sorted set");
    rows.sort();
    let row = |(member, score): (String, u64)| match member.parse::<u64>() {
        Ok(number) if numbers => json!([number, score]),
        _ => json!([member, score]),
    };
    rows.into_iter().map(row).collect()
}
