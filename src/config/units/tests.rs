//! Values with units are read exactly, and nothing makes a parser panic.

use proptest::prelude::*;

use super::*;

#[test]
fn durations_are_read_as_people_write_them() {
    for (text, us) in [
        ("30s", 30_000_000),
        ("1h30m", 5_400_000_000),
        ("1h 30m", 5_400_000_000),
        ("250ms", 250_000),
        ("0s", 0),
        ("2d", 172_800_000_000),
    ] {
        assert_eq!(text.parse(), Ok(Span(us)), "{text}");
    }
    for text in [
        "",
        "30",
        "s",
        "30 s",
        "1m1h",
        "1s1s",
        "-1s",
        "1.5s",
        "99999999999999d",
        "1w",
        "३s",
    ] {
        assert!(text.parse::<Span>().is_err(), "{text}");
    }
}

#[test]
fn rates_are_whole_entries_per_hour() {
    for (text, per_hour) in [
        ("120/min", 7_200),
        ("10/s", 36_000),
        ("7200/h", 7_200),
        ("0/s", 0),
        ("0.5/s", 1_800),
        ("100000/s", 360_000_000),
        ("10 / second", 36_000),
    ] {
        assert_eq!(text.parse(), Ok(Rate(per_hour)), "{text}");
    }
    for text in [
        "", "10", "10/d", "100001/s", "0.3/h", "-1/s", "1e3/s", "/s", "1./s",
    ] {
        assert!(text.parse::<Rate>().is_err(), "{text}");
    }
    assert_eq!(Rate(7_200).to_string(), "120/min");
    assert_eq!(Rate(36_000).to_string(), "10/s");
}

#[test]
fn sizes_and_shares_need_their_form() {
    assert_eq!("64 KiB".parse(), Ok(Size(65_536)));
    assert_eq!("10MB".parse(), Ok(Size(10_000_000)));
    assert!("64".parse::<Size>().is_err());
    assert!("64 kb".parse::<Size>().is_err());
    assert_eq!("0.5".parse(), Ok(Share(500_000)));
    assert_eq!("50%".parse(), Ok(Share(500_000)));
    assert_eq!("12.5%".parse(), Ok(Share(125_000)));
    assert!("1.1".parse::<Share>().is_err());
    assert!("half".parse::<Share>().is_err());
}

proptest! {
    #[test]
    fn what_is_shown_is_read_back(n in 0_u64..=360_000_000, ms in 0_u64..10_000_000_000, ppm in 0_u64..=1_000_000) {
        prop_assert_eq!(Rate(n).to_string().parse(), Ok(Rate(n)));
        prop_assert_eq!(Span(ms * 1_000).to_string().parse(), Ok(Span(ms * 1_000)));
        prop_assert_eq!(Share(ppm).to_string().parse(), Ok(Share(ppm)));
        prop_assert_eq!(Size(n).to_string().parse(), Ok(Size(n)));
    }

    #[test]
    fn no_text_makes_a_parser_panic(text in "\\PC{0,40}", near in "[0-9.]{0,24}[ %/]?[a-zA-Z]{0,4}") {
        for text in [text, near] {
            let spans = text.parse::<Span>().map(|span| span.to_string().parse() == Ok(span));
            let rates = text.parse::<Rate>().map(|rate| rate.per_hour() <= RATE_PER_HOUR_MAX);
            let sizes = text.parse::<Size>().map(|size| size.to_string().parse() == Ok(size));
            let shares = text.parse::<Share>().map(|share| share.ppm() <= WHOLE_PPM);
            prop_assert!([spans, rates, sizes, shares].iter().flatten().all(|fits| *fits));
        }
    }
}

#[test]
fn bytes_per_second_are_a_size_and_its_time() {
    let read = |text| bytes_per_s(text).ok().map(Size::bytes);
    assert_eq!(read("500 B/s"), Some(500));
    assert_eq!(read("2 KiB /s"), Some(2_048));
    for text in ["500 B", "500/s", "500 B/min", "/s", ""] {
        assert_eq!(read(text), None, "{text}");
    }
}
