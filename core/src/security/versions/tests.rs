//! Versions by each ecosystem's own documented examples, and Debian's against `dpkg` itself.

use std::cmp::Ordering;

use proptest::prelude::*;

use super::Notation;

/// Each line holds two versions with `<`, `=` or `>` between; read both ways round.
fn holds(notation: Notation, table: &str) {
    for line in table.lines().map(str::trim).filter(|line| !line.is_empty()) {
        let [a, sign, b] = line.split_whitespace().collect::<Vec<_>>()[..] else {
            panic!("not a line of a table: {line}");
        };
        let order = match sign {
            "<" => Ordering::Less,
            "=" => Ordering::Equal,
            _ => Ordering::Greater,
        };
        assert_eq!(notation.compare(a, b), Some(order), "{notation:?}: {line}");
        let reversed = Some(order.reverse());
        assert_eq!(
            notation.compare(b, a),
            reversed,
            "{notation:?}: {line}, reversed"
        );
    }
}

#[test]
fn debian_s_follow_deb_version() {
    holds(
        Notation::Dpkg,
        "1.0 = 1.0-0
         0:1.0 = 1.0
         1:0.9 > 2.0
         1.0~~ < 1.0~~a
         1.0~~a < 1.0~
         1.0~ < 1.0
         1.0 < 1.0a
         1.0~beta1~svn1245 < 1.0~beta1
         1.0~beta1 < 1.0
         1.2.3-1 < 1.2.3-1+deb12u1
         1.2.3-1+b1 > 1.2.3-1
         2.36-9+deb12u9 < 2.36-9+deb12u10
         7.88.1-10+deb12u5 < 7.88.1-10+deb12u12
         1.0-1ubuntu0.1 > 1.0-1
         1.0.4+dfsg-1 > 1.0.4-1
         1.0a < 1.0+
         3.0.11-1~deb12u2 < 3.0.11-1
         00001 = 1
         1.0-a < 1.0-+
         1-1-1 > 1-1
         12345678901234567890123456789 > 12345678901234567890123456788",
    );
    for wrong in ["", "a:1", ":1", "1:", "1 2", "ä"] {
        assert_eq!(Notation::Dpkg.compare(wrong, "1"), None, "{wrong:?}");
    }
}

#[test]
fn alpine_s_follow_apk_package() {
    holds(
        Notation::Apk,
        "2.34 > 0.1.0_alpha
         0.1.0_alpha < 0.1.3_alpha
         0.1.0_alpha2 > 0.1.0_alpha
         0.1.0_alpha < 2.2.39-r1
         1.0.4-r3 < 1.0.4-r4
         1.1 > 1.1_alpha1
         1.2 < 1.3_alpha
         0.12 < 0.13_beta1
         2.3.0b-r1 < 2.3.0b-r2
         2.3.0b-r4 > 0.12.1
         3.1_p16 < 3.1_p17
         1.06-r6 < 006
         9.3.4-r2 > 9.3.4
         2.01.01_alpha10 > 0.94
         1.39 > 1.00_beta2
         1.6 < 1.39
         4.2.52_p2-r1 < 4.2.52_p4-r2
         1.02.07 < 1.02.10-r1
         2.5.1-r8 < 2.5.1a-r1
         2.0.0_rc3-r1 > 1.5
         3.9_pre20060124 > 0.01
         1.1.7 < 6b-r7
         0.10.0 < 0.10.1_rc1
         2.10.1 > 02.08.01b
         1.6d > 1.2.07.8
         1.07-r1 < 1.07.5
         4.5_p1-r1 > 4.5_p1
         1.8.5 < 1.8.5_p2
         0.98 < 1.00
         0.9.28-r2 < 0.9.28.1
         1.3_pre1-r1 < 1.3.2
         1.0_p10-r0 > 1.0_p9-r0
         0.1.0_alpha_pre2 < 0.1.0_alpha
         1.0.0_pre20191002222144-r0 < 1.0.0_pre20210530193627-r0
         1.35.0-r17 < 1.35.0-r18
         3.3.0-r2 = 3.3.0-r2
         1.2.5 > 1.2.5_rc1-r3
         1.0_git20240101-r0 > 1.0-r0",
    );
    for wrong in ["1.0bc", "1.0_foo", "x", "1.", "1-2", "1.0-r", "edge"] {
        assert_eq!(Notation::Apk.compare(wrong, "1"), None, "{wrong:?}");
    }
}

#[test]
fn rpm_s_follow_rpm_version() {
    holds(
        Notation::Rpm,
        "1.0 < 2.0
         2.0 < 2.0.1
         2.0.1a > 2.0.1
         5.5p1 < 5.5p2
         5.5p1 < 5.5p10
         10xyz < 10.1xyz
         xyz10 < xyz10.1
         xyz.4 < 8
         5.5p2 < 5.6p1
         6.0.rc1 > 6.0
         10b2 > 10a1
         1.0a < 1.0aa
         10.0001 = 10.1
         10.0001 < 10.0039
         4.999.9 < 5.0
         2.0 = 2_0
         a+ = a_
         +a = _a
         1.0~rc1 < 1.0
         1.0~rc1 < 1.0~rc2
         1.0~rc1~git123 < 1.0~rc1
         1.0^ > 1.0
         1.0^git1 > 1.0
         1.0^git1 < 1.0^git2
         1.0^git1 < 1.01
         1.0^20160101 < 1.0.1
         1.0^20160102 > 1.0^20160101^git1
         1.0~rc1^git1 > 1.0~rc1
         1.0^git1~pre < 1.0^git1
         1:1.0-1 > 2.0-1
         0:1.0-1 = 1.0-1
         1.0-1.el9 < 1.0-1.el9_4.2
         1.0 = 1.0-5
         3.0.7-25.el9_3 < 3.0.7-27.el9",
    );
    assert_eq!(Notation::Rpm.compare("x:1", "1"), None);
}

#[test]
fn semantic_versions_follow_paragraph_11() {
    holds(
        Notation::SemVer,
        "1.0.0 < 2.0.0
         2.0.0 < 2.1.0
         2.1.0 < 2.1.1
         1.0.0-alpha < 1.0.0-alpha.1
         1.0.0-alpha.1 < 1.0.0-alpha.beta
         1.0.0-alpha.beta < 1.0.0-beta
         1.0.0-beta < 1.0.0-beta.2
         1.0.0-beta.2 < 1.0.0-beta.11
         1.0.0-beta.11 < 1.0.0-rc.1
         1.0.0-rc.1 < 1.0.0
         1.0.0+build.1 = 1.0.0+build.2
         v1.2.3 = 1.2.3
         1.2 = 1.2.0
         v0.0.0-20190308221718-c2843e01d9a2 < v0.0.0-20200220183623-bac4c82f6975
         v0.0.0-20200220183623-bac4c82f6975 < v0.1.0
         v24.0.9+incompatible > v23.0.0+incompatible
         1.0.0.1 > 1.0.0
         10.0.0 > 9.99.99",
    );
    for wrong in ["latest", "1..2", "1.x", "^1.0.0", "1.0.0-"] {
        assert_eq!(Notation::SemVer.compare(wrong, "1.0.0"), None, "{wrong:?}");
    }
}

#[test]
fn python_s_follow_pep_440() {
    holds(
        Notation::Pep440,
        "1.dev0 < 1.0.dev456
         1.0.dev456 < 1.0a1
         1.0a1 < 1.0a2.dev456
         1.0a2.dev456 < 1.0a12.dev456
         1.0a12.dev456 < 1.0a12
         1.0a12 < 1.0b1.dev456
         1.0b1.dev456 < 1.0b2
         1.0b2 < 1.0b2.post345.dev456
         1.0b2.post345.dev456 < 1.0b2.post345
         1.0b2.post345 < 1.0rc1.dev456
         1.0rc1.dev456 < 1.0rc1
         1.0rc1 < 1.0
         1.0 < 1.0+abc.5
         1.0+abc.5 < 1.0+abc.7
         1.0+abc.7 < 1.0+5
         1.0+5 < 1.0.post456.dev34
         1.0.post456.dev34 < 1.0.post456
         1.0.post456 < 1.0.15
         1.0.15 < 1.1.dev1
         1.0 = 1
         1.0-1 = 1.0.post1
         1.0alpha1 = 1.0a1
         1.0-ALPHA.1 = 1.0a1
         1.0c1 = 1.0rc1
         1.0.pre.2 = 1.0rc2
         1.0-r4 = 1.0.post4
         v1.0 = 1.0
         1!1.0 > 2024.1
         1.0.dev = 1.0.dev0
         2.31.0 < 2.32.0",
    );
    for wrong in ["x", "1.0foo", "1.0+", "1.0a1b2", "1..0"] {
        assert_eq!(Notation::Pep440.compare(wrong, "1"), None, "{wrong:?}");
    }
}

#[test]
fn ruby_s_follow_gem_version() {
    holds(
        Notation::RubyGems,
        "1.0 = 1
         1.0.a < 1.0
         1.0.a10 > 1.0.a9
         1.0.0.beta.1 < 1.0.0.rc1
         1.8.2 > 0.0.0
         1.8.2 > 1.8.2.a
         1.8.2.b > 1.8.2.a
         1.8.2.a10 > 1.8.2.a9
         2.2.6.4 < 2.2.8
         7.0.4.1 > 7.0.4
         1.0-rc1 < 1.0",
    );
}

#[test]
fn php_s_follow_version_compare() {
    holds(
        Notation::Packagist,
        "1.0.0-dev < 1.0.0-alpha
         1.0.0-alpha1 < 1.0.0-beta1
         1.0.0-beta1 < 1.0.0-RC1
         1.0.0-RC1 < 1.0.0
         1.0.0 < 1.0.0-pl1
         1.0.0 < 1.0.0.1
         5.2 < 5.10
         v6.4.1 = 6.4.1
         6.4.1.0 = 6.4.1
         1.0.0-RC2 < 1.0.0-RC10",
    );
    assert_eq!(Notation::Packagist.compare("dev-main", "1.0"), None);
}

#[test]
fn every_ecosystem_that_is_found_has_its_rules() {
    for (name, notation) in [
        ("Debian:12", Some(Notation::Dpkg)),
        ("Ubuntu:22.04:LTS", Some(Notation::Dpkg)),
        ("Alpine:v3.20", Some(Notation::Apk)),
        ("Red Hat:enterprise_linux:9::baseos", Some(Notation::Rpm)),
        ("npm", Some(Notation::SemVer)),
        ("PyPI", Some(Notation::Pep440)),
        ("Fedora", None),
        ("", None),
    ] {
        assert_eq!(Notation::of_ecosystem(name), notation, "{name}");
    }
}

const ALL: [Notation; 7] = [
    Notation::Dpkg,
    Notation::Apk,
    Notation::Rpm,
    Notation::SemVer,
    Notation::Pep440,
    Notation::RubyGems,
    Notation::Packagist,
];

fn versions() -> impl Strategy<Value = String> {
    "([0-9]{1,3}:)?[0-9]{1,3}(\\.[0-9]{1,3}){0,3}([a-z]|_(alpha|p|rc)[0-9]?|[~^+.-](rc|a|dev|post|beta)?[0-9]{0,2}){0,3}(-r?[0-9]{1,2})?|.{0,12}"
}

proptest! {
    #[test]
    fn an_order_is_one(a in versions(), b in versions(), c in versions()) {
        for notation in ALL {
            let ab = notation.compare(&a, &b);
            prop_assert_eq!(notation.compare(&b, &a), ab.map(Ordering::reverse), "{:?}", notation);
            let bc = notation.compare(&b, &c);
            // PHP's own comparison does not carry over either: a word that it does not know is older than everything.
            if notation != Notation::Packagist
                && let (Some(ab), Some(bc)) = (ab, bc)
                && ab.is_le() && bc.is_le()
            {
                // A missing release of RPM equals every one.
                let is_vague = notation == Notation::Rpm && [&a, &b, &c].iter().any(|v| !v.contains('-'));
                if !is_vague {
                    prop_assert!(notation.compare(&a, &c).is_some_and(Ordering::is_le), "{:?} {} {} {}", notation, a, b, c);
                }
            }
        }
    }
}

#[test]
#[allow(
    clippy::disallowed_methods,
    reason = "the test asks the judge of these versions"
)]
fn debian_s_are_compared_as_dpkg_does() {
    use std::process::{Command, Stdio};
    let ask = |a: &str, word: &str, b: &str| {
        let status = Command::new("dpkg")
            .args(["--compare-versions", a, word, b])
            .stderr(Stdio::null())
            .status();
        status.ok().map(|status| status.success())
    };
    if ask("1", "lt", "2").is_none() {
        println!("SKIPPED: there is no dpkg here");
        return;
    }
    let version = "([0-3]:)?[0-9]{1,2}(\\.[0-9]{1,2}){0,2}([a-zA-Z+~.]{0,2}[0-9]{0,2}){0,2}(-[0-9a-z+~.]{1,5})?";
    let mut runner = proptest::test_runner::TestRunner::new(proptest::test_runner::Config {
        cases: 150,
        failure_persistence: None,
        ..Default::default()
    });
    runner
        .run(&(version, version), |(a, b)| {
            let Some(order) = Notation::Dpkg.compare(&a, &b) else {
                return Ok(());
            };
            let word = match order {
                Ordering::Less => "lt",
                Ordering::Equal => "eq",
                Ordering::Greater => "gt",
            };
            prop_assert_eq!(ask(&a, word, &b), Some(true), "{} {} {}", a, word, b);
            Ok(())
        })
        .unwrap();
}
