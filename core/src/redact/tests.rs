//! Secrets that must go, harmless lines that must stay, and what holds for any text.

use proptest::prelude::*;

use super::*;

/// Text as it comes, text as it must be kept. The secrets are made up.
const SECRETS: &[(&str, &str)] = &[
    ("password=hunter2", "password=•••"),
    (
        "POSTGRES_PASSWORD=hunter2 starting",
        "POSTGRES_PASSWORD=••• starting",
    ),
    ("passwd: hunter2", "passwd: •••"),
    ("db_pass: hunter2", "db_pass: •••"),
    ("pass=hunter2&user=bob", "pass=•••&user=bob"),
    ("password=hunter2,user=bob", "password=•••,user=bob"),
    ("password=hun,ter;2)x next", "password=••• next"),
    (
        "host=db;Password=hunter2;User=bob",
        "host=db;Password=•••;User=bob",
    ),
    (
        "config{token=abc123def, user=bob}",
        "config{token=•••, user=bob}",
    ),
    (
        "{\"user\":\"bob\",\"password\":\"hun\\\"ter2\",\"n\":1}",
        "{\"user\":\"bob\",\"password\":\"•••\",\"n\":1}",
    ),
    (
        r#"{\"password\":\"hunter2\",\"n\":1}"#,
        r#"{\"password\":\"•••\",\"n\":1}"#,
    ),
    ("{'api_key': 'abcdef'}", "{'api_key': '•••'}"),
    (":password=>\"hunter2\"", ":password=>\"•••\""),
    ("accessToken: \"abc def\"", "accessToken: \"•••\""),
    ("X-Api-Key: abcdef", "X-Api-Key: •••"),
    ("client_secret := abcdef", "client_secret := •••"),
    ("SECRET_KEY_BASE=abcdef", "SECRET_KEY_BASE=•••"),
    ("\"auth\": \"Ym9iOmh1bnRlcjI=\"", "\"auth\": \"•••\""),
    (
        "run --password hunter2 --name x",
        "run --password ••• --name x",
    ),
    ("curl -u bob:hunter2 http://x", "curl -u bob:••• http://x"),
    ("the admin password is Hunter2", "the admin password is •••"),
    (
        "ALTER USER bob WITH PASSWORD 'hunter2';",
        "ALTER USER bob WITH PASSWORD '•••';",
    ),
    (
        "CREATE USER 'bob' IDENTIFIED BY 'hunter2'",
        "CREATE USER 'bob' IDENTIFIED BY '•••'",
    ),
    (
        "Authorization: Bearer abcdef123456",
        "Authorization: Bearer •••",
    ),
    (
        "authorization: Basic Ym9iOmh1bnRlcjI=",
        "authorization: Basic •••",
    ),
    (
        "\"authorization\":\"Bearer abcdef123456\"",
        "\"authorization\":\"Bearer •••\"",
    ),
    ("sent Bearer abcdef123456 to it", "sent Bearer ••• to it"),
    (
        "Authorization: PVEAPIToken=root@pam!steward=4f2c-11",
        "Authorization: •••",
    ),
    (
        "Set-Cookie: session=abc; Path=/; HttpOnly",
        "Set-Cookie: •••",
    ),
    (
        "postgres://user:pw@host:5432/db",
        "postgres://user:•••@host:5432/db",
    ),
    (
        "to \"redis://:pw@cache/0\" failed",
        "to \"redis://:•••@cache/0\" failed",
    ),
    ("postgres://u:p@ss@host/db", "postgres://u:•••@host/db"),
    ("postgres://u:pa/ss@host/db", "postgres://u:•••@host/db"),
    (
        "https://0123456789abcdef0123456789abcdef@sentry.io/1",
        "https://•••@sentry.io/1",
    ),
    (
        "GET https://a.b/x?token=abc&user=bob",
        "GET https://a.b/x?token=•••&user=bob",
    ),
    (
        "jdbc:postgresql://h/d?user=a&password=b",
        "jdbc:postgresql://h/d?user=a&password=•••",
    ),
    ("using AKIAIOSFODNN7EXAMPLE now", "using ••• now"),
    (
        "aws_secret_access_key = wJalrXUtnFEMI/K7MDENG/bPxRfiCYEXAMPLEKEY",
        "aws_secret_access_key = •••",
    ),
    (
        "jwt eyJhbGciOiJIUzI1NiJ9.eyJzdWIiOiIxIn0.abc-def_123 ok",
        "jwt ••• ok",
    ),
    (
        "push with ghp_abcdefghijklmnopqrstuvwxyz0123456789",
        "push with •••",
    ),
    (
        "https://api.telegram.org/bot123456789:AAabcdefghijklmnopqrstuvwxyz0123456/x",
        "https://api.telegram.org/•••/x",
    ),
    ("OPENAI sk-abcdefghijklmnopqrstuvwx", "OPENAI •••"),
    (
        "encryption key 0123456789abcdef0123456789abcdef",
        "encryption key •••",
    ),
    ("signature: aB3dEfGhIjKlMnOpQrStUvWxYz01", "signature: •••"),
    (
        "PRIVATE=-----BEGIN RSA PRIVATE KEY-----\\nMIIabc\\n-----END RSA PRIVATE KEY----- end",
        "PRIVATE=[private key •••] end",
    ),
    ("key: -----BEGIN PRIVATE KEY-----", "key: [private key •••]"),
    ("pass\x1b[1mword=hunter2", "password=•••"),
    ("pass\u{200b}word=hunter2", "password=•••"),
    ("password=\"unclosed hunter2", "password=\"•••"),
];

/// Lines that speak of secrets, or look a little like them, and must stay as they are.
const HARMLESS: &[&str] = &[
    "",
    "FATAL: password authentication failed for user \"app\"",
    "FATAL:  no pg_hba.conf entry for host \"172.18.0.3\", user \"app\"",
    "Access denied for user 'root'@'172.17.0.2' (using password: YES)",
    "fe_sendauth: no password supplied",
    "password: required",
    "POSTGRES_PASSWORD: must be set",
    "error: invalid token: unexpected end of input",
    "SyntaxError: Unexpected token '<', \"<!DOCTYPE\" is not valid JSON",
    "token is expired",
    "the secret is missing",
    "bearer authentication failed",
    "max_tokens=2048 tokens: 35",
    "secrets: 3",
    "POSTGRES_PASSWORD_FILE=/run/secrets/db",
    "password=${DB_PASSWORD}",
    "You must set POSTGRES_PASSWORD or POSTGRES_HOST_AUTH_METHOD=trust",
    "auth::token::verify: ok",
    "auth: user bob logged in",
    "pass: 12 fail: 3",
    "duplicate key value violates unique constraint \"users_pkey\"",
    "pulled nginx@sha256:0123456789abcdef0123456789abcdef0123456789abcdef0123456789abcdef",
    "container 0123456789abcdef0123456789abcdef0123456789abcdef0123456789abcdef died",
    "GET http://127.0.0.1:8080/health -> 503",
    "listening on http://[::1]:8080/a@b",
    "connect to postgres://app@db:5432/app refused",
    "ssh git@github.com: Permission denied (publickey).",
    "bind: address already in use (0.0.0.0:80)",
    "{\"level\":\"error\",\"token\":null,\"credentials\":{\"count\":2}}",
    "certificate has expired: notAfter=Nov 22 16:00:00 2025 GMT",
    "-----BEGIN CERTIFICATE-----",
    "compass=north bypass=true",
    "Größe: 5 µs — ✓ naïve 日本語",
];

#[test]
fn every_pattern_compiles() {
    for pattern in all_patterns() {
        assert!(!pattern.as_str().is_empty());
    }
}

#[test]
fn secrets_are_struck_out_and_what_is_around_them_stays() {
    let wrong: Vec<_> = SECRETS
        .iter()
        .map(|(text, expected)| (text, expected, redact(text)))
        .filter(|(_, expected, cleared)| *expected != cleared)
        .collect();
    assert!(wrong.is_empty(), "{wrong:#?}");
}

#[test]
fn harmless_lines_stay_as_they_are() {
    let wrong: Vec<_> = HARMLESS
        .iter()
        .map(|text| (text, redact(text)))
        .filter(|(text, cleared)| *text != cleared)
        .collect();
    assert!(wrong.is_empty(), "{wrong:#?}");
}

#[test]
fn keys_over_several_lines_become_one() {
    let body = "MIIEvQIBADANBgkqhkiG9w0BAQEFAASCBKcwggSjAgEAAoIBAQC7VJTUt9Us8cKj";
    let log = [
        "loading",
        "-----BEGIN PRIVATE KEY-----",
        body,
        body,
        "abcd=",
        "-----END PRIVATE KEY-----",
        "loaded",
    ];
    let cleared = ["loading", KEY_MARK, "loaded"];
    assert_eq!(redact_lines(log), cleared);
    assert_eq!(redact(&log.join("\n")), cleared.join("\n"));
    // A log that begins or ends in the middle of one.
    assert_eq!(redact_lines(&log[2..]), [KEY_MARK, "loaded"]);
    assert_eq!(redact_lines(&log[..4]), ["loading", KEY_MARK]);
    // One that never ends must not swallow what comes after it.
    let broken = [
        "-----BEGIN PRIVATE KEY-----",
        body,
        "error: bad key",
        "stopping now",
    ];
    assert_eq!(
        redact_lines(broken),
        [KEY_MARK, "error: bad key", "stopping now"]
    );
    // With the time before each line, as engines write it.
    let timed: Vec<_> = log
        .iter()
        .map(|line| format!("2025-01-01T00:00:00Z {line}"))
        .collect();
    let kept = redact_lines(&timed).join("\n");
    assert!(!kept.contains("MIIE"), "{kept}");
    assert!(kept.contains("loaded"), "{kept}");
}

#[test]
fn escapes_and_control_characters_go() {
    for (text, expected) in [
        ("\x1b[31mred\x1b[0m text", "red text"),
        ("\x1b]0;title\x07text", "text"),
        ("\x1b]8;;http://x\x1b\\link\x1b]8;;\x1b\\", "link"),
        ("a\tb\rc\u{7}d\0", "a b cd"),
        ("a\r\nb\r\n", "a\nb"),
        ("evil\u{202e}txt\u{feff}", "eviltxt"),
        ("\u{9b}31mred", "red"),
        ("cut \x1b[3", "cut "),
    ] {
        assert_eq!(redact(text), expected.trim_end(), "{text:?}");
    }
}

#[test]
fn long_lines_are_shortened_on_a_character() {
    let text = "ü".repeat(2 * LINE);
    let cleared = redact(&text);
    assert_eq!(cleared.chars().count(), LINE);
    assert!(cleared.ends_with("ü…"));
    assert_eq!(redact(&"x".repeat(LINE)), "x".repeat(LINE));
    // A secret that the cut would halve is struck out before the cut.
    let text = format!("{} postgres://u:hunter2@host/db", "x".repeat(LINE - 20));
    assert!(!redact(&text).contains("hun"));
}

#[test]
fn time_grows_with_the_length_only() {
    // A second here would mean quadratic work: in proportion it takes milliseconds.
    for unit in [
        "a",
        "password=",
        "key ",
        "://",
        "a:b@",
        "-----BEGIN PRIVATE KEY-----",
        "\"",
        "eyJ",
        "\x1b[",
        "a.",
        "--x ",
    ] {
        let text = unit.repeat(1_000_000 / unit.len());
        let begun = std::time::Instant::now();
        let cleared = redact(&text);
        assert!(cleared.chars().count() <= LINE);
        assert!(
            begun.elapsed().as_secs() < 5,
            "{unit:?} took {:?}",
            begun.elapsed()
        );
    }
}

/// Pieces that together make up secrets, nearly secrets, and what surrounds them.
fn pieces() -> impl Strategy<Value = String> {
    let piece = prop_oneof![
        proptest::sample::select(vec![
            "password",
            "token",
            "secret",
            "api_key",
            "=",
            ":",
            ": ",
            "=>",
            " ",
            "\"",
            "'",
            "\\\"",
            "{",
            "}",
            ",",
            ";",
            "&",
            "://",
            "@",
            "/",
            "u",
            "hunter2",
            "Bearer ",
            "authorization",
            "•••",
            "•",
            "…",
            "eyJhbGciOiJI.eyJzdWIi.x",
            "\n",
            "\r",
            "\t",
            "\x1b[1m",
            "-----BEGIN PRIVATE KEY-----",
            "-----END PRIVATE KEY-----",
            "AKIAIOSFODNN7EXAMPLE",
            "key ",
            "is",
            "null",
            "--password ",
            "cookie: ",
            "0123456789abcdef0123456789abcdef",
            "-u ",
            "\u{200b}",
            "postgres",
        ])
        .prop_map(str::to_owned),
        "\\PC{0,3}",
        (1_usize..200).prop_map(|n| "x".repeat(n)),
    ];
    proptest::collection::vec(piece, 0..24).prop_map(|pieces| pieces.concat())
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(200))]

    #[test]
    fn clearing_twice_is_clearing_once(text in pieces()) {
        let once = redact(&text);
        prop_assert_eq!(redact(&once), once);
    }

    #[test]
    fn any_text_comes_out_bounded_and_without_control_characters(text in any::<String>()) {
        let cleared = redact(&text);
        prop_assert!(cleared.lines().count() <= LINES);
        prop_assert!(cleared.lines().all(|line| line.chars().count() <= LINE));
        prop_assert!(cleared.chars().all(|c| c == '\n' || !c.is_control()));
        prop_assert_eq!(redact(&cleared), cleared);
    }

    #[test]
    fn a_password_of_any_letters_does_not_survive(password in "[A-Za-z0-9!#%*+_~^.,;-]{6,24}", before in "[a-z ]{0,20}") {
        prop_assume!(password.chars().any(|c| c.is_ascii_digit()));
        for text in [
            format!("{before} password=\"{password}\""),
            format!("{before} {{\"token\":\"{password}\"}}"),
            format!("{before} postgres://app:{password}@db/app"),
            format!("{before} DB_PASSWORD={password}"),
        ] {
            let cleared = redact(&text);
            prop_assert!(!cleared.contains(&password), "{}", cleared);
        }
    }
}

#[test]
fn prose_keeps_long_paragraphs_and_no_secret() {
    let paragraph = "The disk of db is slow. ".repeat(100);
    let text = format!("{paragraph}\n\nIts password=hunter2hunter2 is in the log.\u{1b}[31m");
    let cleared = redact_prose(&text, 8_000);
    assert!(cleared.starts_with(paragraph.trim_end()), "{cleared}");
    assert!(
        !cleared.contains("hunter2") && !cleared.contains('\u{1b}'),
        "{cleared}"
    );
    assert_eq!(redact_prose(&cleared, 8_000), cleared);
    let cut = redact_prose(&"x".repeat(20_000), 8_000);
    assert_eq!(cut.chars().count(), 8_000);
    assert!(cut.ends_with('…'));
    let key = format!(
        "look:\n-----BEGIN PRIVATE KEY-----\n{}\n-----END PRIVATE KEY-----\ndone",
        "QUJD".repeat(16)
    );
    let cleared = redact_prose(&key, 8_000);
    assert!(
        !cleared.contains("QUJD") && cleared.ends_with("done"),
        "{cleared}"
    );
}
