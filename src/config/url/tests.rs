//! Addresses are read, shown and refused alike.

use proptest::prelude::*;

use super::*;

#[test]
fn addresses_are_read_and_shown_alike() {
    for text in [
        "http://127.0.0.1:8000",
        "https://portal.internal",
        "http://[::1]:81",
        "http://my_app",
    ] {
        assert_eq!(
            text.parse::<OriginUrl>().map(|url| url.to_string()),
            Ok(text.to_owned())
        );
    }
    for text in [
        "memory:",
        "redis://redis.internal:6379/0",
        "rediss://app@[fd00::1]:6380/3",
        "redis+unix:///run/redis/redis.sock",
        "redis+unix://app@/run/redis/redis.sock?db=2",
        "redis+sentinel://a:26379,[fd00::1]:26380/main/0",
        "rediss+sentinel://app@a:26379/my-line.1/7",
        "redis+cluster://a:6379,b:7000",
        "rediss+cluster://app@a:6379",
    ] {
        assert_eq!(
            text.parse::<StoreUrl>().map(|url| url.to_string()),
            Ok(text.to_owned())
        );
    }
}

#[test]
fn an_origin_is_a_server_and_nothing_else() {
    for text in [
        "127.0.0.1:8000",
        "ftp://portal",
        "http://portal/app",
        "http://",
        "http://portal:0",
        "http://portal:65536",
        "http://portal:+80",
        "http://portal?x",
        "http://[::1",
        "http://bücher",
    ] {
        assert!(text.parse::<OriginUrl>().is_err(), "{text}");
    }
}

#[test]
fn passwords_are_told_apart_from_nonsense() {
    let code = |text: &str| text.parse::<StoreUrl>().map_err(|fault| fault.code);
    for text in [
        "redis://:hunter2@redis",
        "redis+sentinel://app:hunter2@a,b/main",
        "redis+cluster://:hunter2@a",
        "redis+unix://app:hunter2@/run/redis.sock",
    ] {
        assert_eq!(code(text), Err(Code::SecretInFile), "{text}");
    }
    for text in [
        "postgres://db",
        "memory:here",
        "redis://redis/x",
        "redis://a,b",
        "redis+unix://run/redis.sock",
        "redis+unix:///",
        "redis+unix:///run/redis.sock?x=1",
        "redis+sentinel://a,b",
        "redis+sentinel://a,b/",
        "redis+sentinel://,b/main",
        "redis+sentinel://a/main/-1",
        "redis+cluster://a,b/1",
        "redis+cluster://",
        "rediss+unix:///run/redis.sock",
    ] {
        assert_eq!(code(text), Err(Code::Invalid), "{text}");
    }
    let many = vec!["a"; 17].join(",");
    assert_eq!(code(&format!("redis+cluster://{many}")), Err(Code::Invalid));
}

#[test]
fn ports_that_are_not_written_are_the_usual_ones() {
    let shown = |text: &str| text.parse::<StoreUrl>().map(|url| url.to_string());
    for (text, full) in [
        ("redis://a", "redis://a:6379/0"),
        (
            "redis+sentinel://a,b:1/main",
            "redis+sentinel://a:26379,b:1/main/0",
        ),
        ("redis+cluster://A,b/", "redis+cluster://a:6379,b:6379"),
    ] {
        assert_eq!(shown(text), Ok(full.to_owned()));
    }
}

proptest! {
    #[test]
    fn no_text_makes_a_parser_panic(text in "(https?|rediss?(\\+(unix|sentinel|cluster))?|)(://|:)?[a-z0-9.,:@/\\[\\]?#é]{0,40}") {
        let read = text.parse::<OriginUrl>();
        if let Ok(url) = read {
            prop_assert_eq!(url.to_string().parse(), Ok(url));
        }
        if let Ok(url) = text.parse::<StoreUrl>() {
            prop_assert_eq!(url.to_string().parse(), Ok(url));
        }
    }
}
