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
fn passwords_and_unsupported_stores_are_told_apart_from_nonsense() {
    let code = |text: &str| text.parse::<StoreUrl>().map_err(|fault| fault.code);
    assert_eq!(code("redis://:hunter2@redis"), Err(Code::SecretInFile));
    assert_eq!(code("redis+sentinel://a,b/main"), Err(Code::Unsupported));
    assert_eq!(code("redis+unix:///run/redis.sock"), Err(Code::Unsupported));
    assert_eq!(code("postgres://db"), Err(Code::Invalid));
    assert_eq!(code("redis://redis/x"), Err(Code::Invalid));
}

proptest! {
    #[test]
    fn no_text_makes_a_parser_panic(text in "(https?|redis|)(://|:)?[a-z0-9.:@/\\[\\]?#é]{0,40}") {
        let read = text.parse::<OriginUrl>();
        if let Ok(url) = read {
            prop_assert_eq!(url.to_string().parse(), Ok(url));
        }
        if let Ok(url) = text.parse::<StoreUrl>() {
            prop_assert_eq!(url.to_string().parse(), Ok(url));
        }
    }
}
