//! The keys of `[security.authentication]` and `[security.ports]`.
//!
//! What flows through: nothing; a part of the table in [`super`].

use super::{
    super::{AddressRange, ExpectedPort, text},
    DAY, Key, Kind, MINUTE, NAME, SECOND, Span, TextRule, key, must,
};

/// An address or a network.
const NETWORK: TextRule = TextRule {
    right: "an address or a network, such as \"192.168.1.0/24\" or \"2001:db8::1\"",
    holds: |text| AddressRange::parse(text).is_some(),
};

/// A port that is expected.
const PORT: TextRule = TextRule {
    right: "a port such as \"tcp/22\", \"443\", \"tcp/8000-8100\" or \"udp/51820@192.168.1.2\"",
    holds: |text| ExpectedPort::parse(text).is_some(),
};

/// A regular expression that tells who tried.
const SIGN_IN: TextRule = TextRule {
    right: "a regular expression with a group `(?P<address>…)` or `(?P<user>…)`, of up to 1000 characters",
    holds: |text| {
        text.len() <= 1000
            && regex::RegexBuilder::new(text)
                .size_limit(1024 * 1024)
                .build()
                .is_ok_and(|regex| {
                    regex
                        .capture_names()
                        .flatten()
                        .any(|group| matches!(group, "address" | "user"))
                })
    },
};

const YEAR: Span = Span::from_hours(24 * 366);

/// `[security.authentication]`.
pub(in crate::config) const AUTHENTICATION: Key = key(
    "authentication",
    Kind::Table(&[
        key("threshold", Kind::Whole("a number of failures", 2, 10_000)),
        key("window", Kind::Time(SECOND, DAY)),
        key(
            "spraying_users",
            Kind::Whole("a number of names", 2, 10_000),
        ),
        key(
            "distributed_addresses",
            Kind::Whole("a number of addresses", 2, 10_000),
        ),
        key("own_networks", Kind::List(0, &Kind::Text(NETWORK))),
        key("host", Kind::Flag),
        key("containers", Kind::Flag),
        key("log_files", Kind::List(0, &Kind::Text(text::FILE))),
        key(
            "patterns",
            Kind::List(
                0,
                &Kind::Table(&[
                    must("name", NAME),
                    must("regex", Kind::Text(SIGN_IN)),
                    key("success", Kind::Flag),
                ]),
            ),
        ),
    ]),
);

/// `[security.ports]`.
pub(in crate::config) const PORTS: Key = key(
    "ports",
    Kind::Table(&[
        key("expected", Kind::List(0, &Kind::Text(PORT))),
        key("learn_for", Kind::Time(MINUTE, YEAR)),
    ]),
);
