//! Who may do what, over real connections.

use super::*;

#[test]
fn ten_failures_within_a_minute_block_one_address_for_a_minute() {
    let attempts = Attempts::default();
    let begin = Instant::now();
    let at = |seconds| begin + Duration::from_secs(seconds);
    let (one, other) = (
        Some("10.0.0.1".parse().unwrap()),
        Some("10.0.0.2".parse().unwrap()),
    );
    for second in 0..9 {
        attempts.failed(one, at(second));
    }
    assert_eq!(attempts.blocked(one, at(9)), None);
    attempts.failed(one, at(9));
    assert_eq!(attempts.blocked(one, at(9)), Some(Attempts::PENALTY));
    assert_eq!(attempts.blocked(other, at(9)), None);
    assert_eq!(attempts.blocked(one, at(68)), Some(Duration::from_secs(1)));
    assert_eq!(attempts.blocked(one, at(69)), None);
    attempts.failed(one, at(69));
    assert_eq!(attempts.blocked(one, at(69)), None, "counting begins anew");
    // Slowly is no guessing.
    for minute in 0..30 {
        attempts.failed(other, at(minute * 61));
        assert_eq!(attempts.blocked(other, at(minute * 61)), None);
    }
}

#[test]
fn a_network_of_ipv6_counts_as_one_and_mapped_ipv4_as_itself() {
    let ip = |text: &str| Some(text.parse::<IpAddr>().unwrap());
    assert_eq!(network(ip("2001:db8::1")), network(ip("2001:db8::ffff:2")));
    assert_ne!(network(ip("2001:db8:0:1::1")), network(ip("2001:db8::1")));
    assert_eq!(network(ip("::ffff:10.0.0.1")), ip("10.0.0.1"));
}

#[test]
fn a_flood_of_addresses_neither_fills_the_memory_nor_frees_a_blocked_one() {
    let attempts = Attempts::default();
    let now = Instant::now();
    let guesser = Some("192.0.2.1".parse().unwrap());
    for _ in 0..Attempts::MOST {
        attempts.failed(guesser, now);
    }
    for number in 0..5000_u32 {
        attempts.failed(Some(IpAddr::V4((0x0a00_0000 + number).into())), now);
    }
    assert_eq!(attempts.peers.lock().unwrap().len(), Attempts::CAPACITY);
    assert!(attempts.blocked(guesser, now).is_some());
}

#[test]
fn tokens_are_found_in_either_header() {
    let headers = |name: &'static str, value: &str| {
        HeaderMap::from_iter([(
            name.parse::<axum::http::HeaderName>().unwrap(),
            value.parse().unwrap(),
        )])
    };
    assert_eq!(presented(&HeaderMap::new()), None);
    assert_eq!(presented(&headers("x-api-key", " abc ")), Some(Some("abc")));
    assert_eq!(
        presented(&headers("authorization", "bearer  abc")),
        Some(Some("abc"))
    );
    assert_eq!(
        presented(&headers("authorization", "Basic abc")),
        Some(None)
    );
    assert_eq!(presented(&headers("authorization", "abc")), Some(None));
}
