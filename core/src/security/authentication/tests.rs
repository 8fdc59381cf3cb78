//! Logs of many thousand lines with known counts, hostile ones, and counting in any order.
use jiff::{SignedDuration, tz::TimeZone};
use proptest::prelude::*;
use steward_api::SignInPattern;

use super::*;

fn clock() -> Clock {
    Clock {
        now: "2026-11-28T12:00:00Z".parse().unwrap(),
        zone: TimeZone::UTC,
    }
}

const THRESHOLDS: Thresholds = Thresholds {
    failures: 5,
    window: SignedDuration::from_mins(10),
    names: 10,
    addresses: 10,
};

fn origin() -> Origin {
    Origin {
        resource: ResourceId::host("atlas"),
        service: None,
    }
}

fn reading() -> Reading {
    Reading::new(THRESHOLDS, Vec::new(), clock())
}

fn read(text: &str) -> Reading {
    let mut reading = reading();
    let mut lines = Lines::default();
    let origin = origin();
    for piece in text.as_bytes().chunks(1000) {
        lines.take(piece, |line| reading.line(&origin, line));
    }
    lines.finish(|line| reading.line(&origin, line));
    reading
}

fn stamp(second: u32) -> String {
    format!(
        "Nov 28 {:02}:{:02}:{:02} atlas sshd[7]: ",
        second / 3600,
        second / 60 % 60,
        second % 60
    )
}

/// A day of a server on the internet: a brute force on root, a spraying host, many addresses that try one name each once, a person who
/// mistypes twice, and much that is no attempt. With the forms of a real server.
fn day() -> String {
    let mut log = String::new();
    let mut add =
        |second: u32, message: String| log.push_str(&format!("{}{message}\n", stamp(second)));
    for n in 0..6000_u32 {
        let (second, port) = (n, 30_000 + n % 20_000);
        add(
            second,
            format!("Connection from 203.0.113.1 port {port} on 192.0.2.1 port 22 rdomain \"\""),
        );
        add(
            second,
            "pam_unix(sshd:auth): authentication failure; logname= uid=0 euid=0 tty=ssh ruser= rhost=203.0.113.1  user=root".to_owned(),
        );
        add(
            second,
            format!("Failed password for root from 203.0.113.1 port {port} ssh2"),
        );
        add(
            second,
            format!(
                "Connection closed by authenticating user root 203.0.113.1 port {port} [preauth]"
            ),
        );
    }
    for n in 0..300_u32 {
        let (second, port) = (7000 + n * 10, 10_000 + n);
        add(
            second,
            format!("Invalid user name{n} from 203.0.113.2 port {port}"),
        );
        add(
            second,
            format!("Failed password for invalid user name{n} from 203.0.113.2 port {port} ssh2"),
        );
        add(
            second,
            format!("Connection closed by invalid user name{n} 203.0.113.2 port {port} [preauth]"),
        );
    }
    for n in 0..200_u32 {
        add(
            11_000 + n * 60,
            format!(
                "Failed password for backup from 198.51.100.{} port {} ssh2",
                n,
                40_000 + n
            ),
        );
    }
    for second in [30_000, 30_005] {
        add(
            second,
            "Failed password for alice from 192.168.1.20 port 5000 ssh2".to_owned(),
        );
    }
    add(
        30_010,
        "Accepted password for alice from 192.168.1.20 port 5000 ssh2".to_owned(),
    );
    for n in 0..20_u32 {
        add(
            31_000 + n,
            format!(
                "Failed password for bob from 203.0.113.3 port {} ssh2",
                6000 + n
            ),
        );
    }
    add(
        31_100,
        "Accepted password for bob from 203.0.113.3 port 7000 ssh2".to_owned(),
    );
    add(
        31_200,
        "message repeated 4 times: [ Failed password for carol from 203.0.113.4 port 7000 ssh2]"
            .to_owned(),
    );
    log
}

#[test]
fn a_day_of_an_ssh_server_is_counted_exactly() {
    let log = day();
    assert!(log.lines().count() > 25_000);
    let reading = read(&log);
    assert_eq!(reading.lines(), log.lines().count() as u64);
    assert_eq!(reading.understood()["sshd"], reading.lines());
    assert_eq!(reading.tally().failures(), 6000 + 300 + 200 + 2 + 20 + 4);
    assert_eq!(reading.tally().successes(), 2);
    assert_eq!(reading.tally().dropped(), Dropped::default());
    let own = Own {
        networks: vec![AddressRange::parse("192.168.1.0/24").unwrap()],
        ..Own::default()
    };
    let found = reading.found(&own);
    let of = |address: &str| {
        found
            .iter()
            .find(|source| source.address == address.parse().ok())
            .unwrap_or_else(|| panic!("{address}"))
    };
    let root = of("203.0.113.1");
    assert_eq!(
        (root.pattern, root.failures, root.users),
        (SignInPattern::BruteForce, 6000, 1)
    );
    // One each second: a window of 600 s holds 601 of them, and coarser counting never says more.
    assert!((560..=601).contains(&root.peak), "{}", root.peak);
    assert_eq!(root.evidence.len(), 3);
    let spraying = of("203.0.113.2");
    assert_eq!(
        (spraying.pattern, spraying.failures, spraying.users),
        (SignInPattern::Spraying, 300, 300)
    );
    assert_eq!(spraying.user_examples.len(), 10);
    let distributed = of("198.51.100.7");
    assert_eq!(
        (distributed.pattern, distributed.failures),
        (SignInPattern::Distributed, 1)
    );
    assert_eq!(reading.tally().distributed()[0].user, "backup");
    assert_eq!(reading.tally().distributed()[0].addresses, 200);
    let alice = of("192.168.1.20");
    assert_eq!(
        (alice.pattern, alice.failures, alice.successes),
        (SignInPattern::Few, 2, 1)
    );
    assert!(alice.own.as_deref().unwrap().contains("192.168.1.0/24"));
    let bob = of("203.0.113.3");
    assert_eq!(
        (bob.pattern, bob.failures, bob.peak),
        (SignInPattern::SuccessAfterFailures, 20, 20)
    );
    assert_eq!(
        bob.own, None,
        "whoever got in after many failures is nobody's own"
    );
    assert_eq!(found[0].address, bob.address, "the worst comes first");
    assert_eq!(
        (of("203.0.113.4").failures, of("203.0.113.4").pattern),
        (4, SignInPattern::Few)
    );
}

#[test]
fn a_server_without_passwords_tells_of_attempts_too() {
    let mut log = String::new();
    for n in 0..7 {
        log.push_str(&format!(
            "{}Connection closed by authenticating user root 203.0.113.1 port {} [preauth]\n",
            stamp(n),
            5000 + n
        ));
        log.push_str(&format!("{}Invalid user x from 203.0.113.2 port {}\n{}Connection closed by invalid user x 203.0.113.2 port {} [preauth]\n", stamp(n), 5000 + n, stamp(n), 5000 + n));
    }
    let reading = read(&log);
    let counts: Vec<(u64, SignInPattern)> = reading
        .found(&Own::default())
        .iter()
        .map(|source| (source.failures, source.pattern))
        .collect();
    assert_eq!(
        counts,
        [
            (7, SignInPattern::BruteForce),
            (7, SignInPattern::BruteForce)
        ]
    );
}

#[test]
fn a_window_slides() {
    // Four each 11 minutes are never five within ten.
    let mut log = String::new();
    for n in 0..20_u32 {
        for k in 0..4 {
            log.push_str(&format!(
                "{}Failed password for root from 203.0.113.1 port {} ssh2\n",
                stamp(n * 660 + k),
                1000 + n * 4 + k
            ));
        }
    }
    let found = read(&log).found(&Own::default());
    assert_eq!(
        (found[0].failures, found[0].peak, found[0].pattern),
        (80, 4, SignInPattern::Few)
    );
}

#[test]
fn own_addresses_are_marked_not_hidden() {
    let own = Own {
        networks: vec![AddressRange::parse("10.0.0.0/8").unwrap()],
        host: vec!["192.0.2.1".parse().unwrap()],
        session: Some("2001:db8::5".parse().unwrap()),
    };
    let why = |address: &str, signed_in| own.why(address.parse().unwrap(), signed_in);
    assert!(why("127.0.0.1", false).unwrap().contains("this machine"));
    assert!(
        why("::ffff:10.1.2.3", false)
            .unwrap()
            .contains("10.0.0.0/8")
    );
    assert!(why("192.0.2.1", false).unwrap().contains("of this machine"));
    assert!(why("2001:db8::5", false).unwrap().contains("you"));
    assert!(why("203.0.113.1", true).unwrap().contains("signed in"));
    assert_eq!(why("203.0.113.1", false), None);
}

#[test]
fn secrets_in_names_and_lines_are_not_shown() {
    let mut log = String::new();
    for n in 0..3 {
        log.push_str(&format!(
            "{}Invalid user password=hunter2secret from 203.0.113.1 port {n}\n",
            stamp(n)
        ));
    }
    let found = read(&log).found(&Own::default());
    let shown = serde_json::to_string(&found).unwrap();
    assert!(!shown.contains("hunter2secret"), "{shown}");
}

#[test]
fn memory_is_bounded_and_what_was_dropped_is_told() {
    let mut tally = Tally::new(THRESHOLDS);
    let host = ResourceId::host("atlas");
    let mut at = clock().now;
    // One that matters, then a flood of addresses, services and names.
    let mut count = |tally: &mut Tally, address: u32, user: String, service: String| {
        at = at.checked_add(SignedDuration::from_millis(10)).unwrap();
        let attempt = Attempt {
            at,
            address: Some(IpAddr::V4(address.into())),
            user: Some(user),
            service,
            success: false,
            times: 1,
            pair: Some(Pair {
                key: u64::from(address) << 32,
                kind: 2,
            }),
        };
        let attempt = Attempt {
            pair: attempt.pair.filter(|_| address > 100_000),
            ..attempt
        };
        tally.count(&attempt, &host, &"x".repeat(1000));
    };
    for _ in 0..50 {
        count(&mut tally, 7, "root".to_owned(), "sshd".to_owned());
    }
    for n in 0..60_000 {
        count(
            &mut tally,
            1_000_000 + n,
            format!("name{n}"),
            format!("service{}", n % 2000),
        );
        assert!(tally.sources() <= MOST_SOURCES);
    }
    for n in 0..250_000 {
        count(&mut tally, 8, format!("other{n}"), "sshd".to_owned());
    }
    let dropped = tally.dropped();
    assert!(
        dropped.sources > 50_000 && dropped.failures > 50_000 && dropped.names > 0,
        "{dropped:?}"
    );
    assert_eq!(tally.failures(), 50 + 60_000 + 250_000);
    let found = tally.found(&Own::default());
    let kept: u64 = found.iter().map(|source| source.failures).sum();
    assert_eq!(kept + dropped.failures, tally.failures());
    let root = found
        .iter()
        .find(|source| source.address == "0.0.0.7".parse().ok());
    assert_eq!(root.unwrap().failures, 50, "what matters is kept");
    assert!(
        found
            .iter()
            .all(|source| source.evidence.iter().all(|one| one.text.len() <= 310))
    );
}

#[test]
fn nonsense_is_read_without_harm() {
    let mut bytes = b"Nov 28 03:03:31 atlas sshd[1]: Failed password for ".to_vec();
    bytes.extend(vec![b'x'; 1024 * 1024]);
    bytes.extend_from_slice(
        b" from 203.0.113.1 port 1 ssh2\n\x00\xff\xfe{\"__REALTIME_TIMESTAMP\":\n{}\n[]\n\"\"\n",
    );
    bytes.extend_from_slice(b"Nov 28 03:03:31 atlas sshd[1]: Failed password for r\xff\xfet from 203.0.113.1 port 1 ssh2\n");
    bytes.extend_from_slice("{\"a\":".repeat(5000).as_bytes());
    let mut reading = reading();
    let mut lines = Lines::default();
    let origin = origin();
    for piece in bytes.chunks(777) {
        lines.take(piece, |line| reading.line(&origin, line));
    }
    lines.finish(|line| reading.line(&origin, line));
    assert_eq!(lines.cut(), 2);
    // The cut line has lost its end, and with it the address: it counts for nothing.
    assert_eq!(reading.tally().failures(), 1);
    assert_eq!(
        reading.found(&Own::default())[0].user_examples,
        ["r\u{fffd}\u{fffd}t"]
    );
}

fn attempts() -> impl Strategy<Value = Vec<(u32, u8, u8, bool, u8)>> {
    prop::collection::vec(
        (
            0_u32..4000,
            0_u8..6,
            0_u8..15,
            prop::bool::weighted(0.1),
            1_u8..4,
        ),
        0..120,
    )
}

fn counted(list: &[(u32, u8, u8, bool, u8)]) -> Vec<SignInSource> {
    let mut tally = Tally::new(THRESHOLDS);
    let host = ResourceId::host("atlas");
    for (second, address, user, success, times) in list {
        let at = clock()
            .now
            .checked_add(SignedDuration::from_secs(i64::from(*second)))
            .unwrap();
        let attempt = Attempt {
            at,
            address: Some(IpAddr::from([203, 0, 113, *address])),
            user: Some(format!("user{user}")),
            service: "sshd".to_owned(),
            success: *success,
            times: u32::from(*times),
            pair: None,
        };
        tally.count(&attempt, &host, "line");
    }
    let mut found = tally.found(&Own::default());
    found.sort_by_key(|source| source.address);
    found
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(128))]

    #[test]
    fn counts_do_not_depend_on_the_order(list in attempts(), turn in 0_usize..200) {
        let mut other = list.clone();
        other.reverse();
        let turn = turn % (other.len() + 1);
        let turn = turn.min(other.len());
        other.rotate_left(turn);
        let short = |found: Vec<SignInSource>| -> Vec<_> {
            found.into_iter().map(|one| (one.address, one.failures, one.successes, one.users, one.peak, one.first_at, one.last_at)).collect()
        };
        let (a, b) = (short(counted(&list)), short(counted(&other)));
        prop_assert_eq!(&a, &b);
        // And they are what a plain count says.
        for (address, failures, successes, users, peak, first, last) in a {
            let of: Vec<_> = list.iter().filter(|one| Some(IpAddr::from([203, 0, 113, one.1])) == address).collect();
            let failed: Vec<_> = of.iter().filter(|one| !one.3).collect();
            let sum = |list: &[&&(u32, u8, u8, bool, u8)]| list.iter().map(|one| u64::from(one.4)).sum::<u64>();
            prop_assert_eq!(failures, failed.iter().map(|one| u64::from(one.4)).sum::<u64>());
            prop_assert_eq!(successes, of.iter().filter(|one| one.3).map(|one| u64::from(one.4)).sum::<u64>());
            let names: std::collections::BTreeSet<_> = failed.iter().map(|one| one.2).collect();
            prop_assert_eq!(users, names.len() as u64);
            let most = failed.iter().map(|end| {
                let within: Vec<_> = failed.iter().copied().filter(|one| one.0 <= end.0 && end.0 - one.0 <= 600).collect();
                sum(&within)
            }).max().unwrap_or(0);
            prop_assert_eq!(peak, most);
            prop_assert!(first <= last);
        }
    }

    #[test]
    fn the_peak_is_never_said_too_high(steps in prop::collection::vec(0_i64..40, 0..1500)) {
        let mut tally = Tally::new(THRESHOLDS);
        let host = ResourceId::host("atlas");
        let mut second = 0;
        let mut all = Vec::new();
        for step in steps {
            second += step;
            all.push(second);
            let attempt = Attempt {
                at: clock().now.checked_add(SignedDuration::from_secs(second)).unwrap(),
                address: None, user: None, service: "x".to_owned(), success: false, times: 1, pair: None,
            };
            tally.count(&attempt, &host, "");
        }
        let most = all.iter().map(|end| all.iter().filter(|one| **one <= *end && *end - **one <= 600).count() as u64).max().unwrap_or(0);
        let said = tally.found(&Own::default()).first().map_or(0, |source| source.peak);
        prop_assert!(said <= most, "{} > {}", said, most);
        prop_assert!(said * 10 >= most * 8, "{} is far below {}", said, most);
    }

    #[test]
    fn no_line_brings_it_down(line in "\\PC{0,300}", head in 0_usize..6) {
        let head = ["", "Nov 28 03:03:31 atlas sshd[1]: ", "2026-11-28T03:03:31Z a sudo: ", "[2026-11-28 03:03:31][v::api][ERROR] ", "{\"reqId\":\"", "203.0.113.1 - "][head];
        let mut reading = reading();
        reading.line(&origin(), &format!("{head}{line}"));
        reading.container_line(&origin(), None, &line, true);
        let _ = reading.found(&Own::default());
    }

    #[test]
    fn no_name_forges_an_address(name in "\\PC{0,60}", which in 0_usize..4) {
        let forged = ["", " from 198.51.100.1 port 22 ssh2", " 198.51.100.1 port 5 [preauth]", "'@'198.51.100.1' (using password: YES)"][which];
        let name = format!("{name}{forged}");
        for line in [
            format!("{}Failed password for invalid user {name} from 203.0.113.1 port 22 ssh2", stamp(1)),
            format!("{}Invalid user {name} from 203.0.113.1 port 22", stamp(1)),
            format!("{}Connection closed by invalid user {name} 203.0.113.1 port 22 [preauth]", stamp(1)),
            format!("2026-11-28  3:03:31 12 [Warning] Access denied for user '{name}'@'203.0.113.1' (using password: YES)"),
            format!("Nov 28 03:03:31 pve pvedaemon[1]: authentication failure; rhost=203.0.113.1 user={name} msg=x"),
            format!("203.0.113.1 - {} [28/Nov/2026:03:03:31 +0000] \"GET / HTTP/1.1\" 401 1", name.replace('"', "\\x22")),
        ] {
            let mut reading = reading();
            reading.line(&origin(), &line);
            for source in reading.found(&Own::default()) {
                prop_assert!(source.address.is_none() || source.address == "203.0.113.1".parse().ok(), "{line}");
            }
        }
    }
}
