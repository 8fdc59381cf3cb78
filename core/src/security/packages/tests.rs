//! Inventories from records as they are written, this machine's own among them, and from what no package manager wrote.

use std::collections::BTreeMap;

use proptest::prelude::*;

use super::*;

const DEBIAN: &str = "PRETTY_NAME=\"Debian GNU/Linux 12 (bookworm)\"\nNAME=\"Debian GNU/Linux\"\nVERSION_ID=\"12\"\nID=debian\n";
const ALPINE: &str =
    "NAME=\"Alpine Linux\"\nID=alpine\nVERSION_ID=3.20.3\nPRETTY_NAME=\"Alpine Linux v3.20\"\n";

fn of(files: &[(&str, &str)]) -> Inventory {
    let files: BTreeMap<String, Vec<u8>> = files
        .iter()
        .map(|(path, text)| ((*path).to_owned(), text.as_bytes().to_vec()))
        .collect();
    for path in files.keys() {
        assert!(wanted(path).is_some(), "{path} should be wanted");
    }
    inventory(&files)
}

fn names(inventory: &Inventory) -> Vec<String> {
    inventory
        .packages
        .iter()
        .map(|one| format!("{} {} {}", one.ecosystem, one.name, one.version))
        .collect()
}

#[test]
fn debian_packages_go_by_their_sources() {
    let status = "\
Package: libssl3
Status: install ok installed
Architecture: amd64
Source: openssl
Version: 3.0.11-1~deb12u2
Description: SSL
 Version: 9 is not this one's

Package: openssl
Status: install ok installed
Version: 3.0.11-1~deb12u2

Package: binutils-x
Status: install ok installed
Source: binutils (2.40-2)
Version: 2.40-2+b1

Package: gone
Status: deinstall ok config-files
Version: 1.0
";
    let found = of(&[("etc/os-release", DEBIAN), ("var/lib/dpkg/status", status)]);
    assert_eq!(
        names(&found),
        [
            "Debian:12 binutils 2.40-2",
            "Debian:12 openssl 3.0.11-1~deb12u2"
        ]
    );
    assert_eq!(found.packages[0].installed_as, ["binutils-x"]);
    assert_eq!(found.packages[1].installed_as, ["libssl3", "openssl"]);
    assert_eq!(found.packages[1].found_in, "/var/lib/dpkg/status");
    assert_eq!(
        found.distribution.as_deref(),
        Some("Debian GNU/Linux 12 (bookworm)")
    );
    assert!(found.gaps.is_empty(), "{:?}", found.gaps);
}

#[test]
fn images_without_dpkg_keep_a_file_for_each_package() {
    let found = of(&[
        ("usr/lib/os-release", DEBIAN),
        (
            "var/lib/dpkg/status.d/base",
            "Package: base-files\nVersion: 12.4+deb12u5\n",
        ),
        (
            "var/lib/dpkg/status.d/tzdata",
            "Package: tzdata\nVersion: 2024a-0+deb12u1\n",
        ),
    ]);
    assert_eq!(
        names(&found),
        [
            "Debian:12 base-files 12.4+deb12u5",
            "Debian:12 tzdata 2024a-0+deb12u1"
        ]
    );
    assert!(wanted("var/lib/dpkg/status.d/tzdata.md5sums").is_none());
}

#[test]
fn alpine_packages_go_by_their_origins() {
    let installed = "C:Q1abc=\nP:libcrypto3\nV:3.3.0-r2\nA:x86_64\no:openssl\nm:A <a@b>\nF:lib\nR:libcrypto.so.3\n\nP:musl\nV:1.2.5-r0\np:so:libc.musl=1\n\n";
    let found = of(&[
        ("etc/os-release", ALPINE),
        ("lib/apk/db/installed", installed),
    ]);
    assert_eq!(
        names(&found),
        [
            "Alpine:v3.20 musl 1.2.5-r0",
            "Alpine:v3.20 openssl 3.3.0-r2"
        ]
    );
    assert_eq!(found.packages[1].installed_as, ["libcrypto3"]);
}

#[test]
fn a_distribution_without_records_is_said_not_taken_for_clean() {
    let status = "Package: a\nVersion: 1\n";
    for (release, who) in [
        (
            "ID=fedora\nPRETTY_NAME=\"Fedora Linux 40\"\n",
            "Fedora Linux 40",
        ),
        (
            "ID=debian\nPRETTY_NAME=\"Debian GNU/Linux trixie/sid\"\n",
            "trixie/sid",
        ),
    ] {
        let found = of(&[("etc/os-release", release), ("var/lib/dpkg/status", status)]);
        assert!(found.packages.is_empty());
        assert!(found.gaps[0].contains(who), "{:?}", found.gaps);
    }
    let found = of(&[("var/lib/dpkg/status", status)]);
    assert!(
        found.gaps[0].contains("does not say which distribution"),
        "{:?}",
        found.gaps
    );
}

#[test]
fn distributions_have_the_names_that_osv_knows() {
    for (text, expected) in [
        (
            "ID=ubuntu\nVERSION_ID=\"22.04\"\nVERSION=\"22.04.4 LTS (Jammy Jellyfish)\"",
            "Ubuntu:22.04:LTS",
        ),
        (
            "ID=ubuntu\nVERSION_ID=\"24.10\"\nVERSION=\"24.10 (Oracular Oriole)\"",
            "Ubuntu:24.10",
        ),
        ("ID=\"rocky\"\nVERSION_ID=\"9.3\"", "Rocky Linux:9"),
        ("ID=\"almalinux\"\nVERSION_ID=\"8.9\"", "AlmaLinux:8"),
        (
            "ID=\"rhel\"\nVERSION_ID=\"9.4\"",
            "Red Hat:enterprise_linux:9::baseos",
        ),
        (
            "ID=\"opensuse-leap\"\nVERSION_ID=\"15.5\"",
            "openSUSE:Leap 15.5",
        ),
        (
            "ID=\"sles\"\nVERSION_ID=\"15.5\"",
            "SUSE:Linux Enterprise Server 15 SP5",
        ),
        ("ID=wolfi\nVERSION_ID=20230201", "Wolfi"),
        ("ID=photon\nVERSION_ID=4.0", "Photon OS:4.0"),
        (
            "ID=\"openEuler\"\nVERSION_ID=\"22.03\"\nVERSION=\"22.03 (LTS-SP3)\"",
            "openEuler:22.03-LTS-SP3",
        ),
    ] {
        let found = distribution(text).ecosystems;
        assert_eq!(found.first().map(String::as_str), Some(expected));
    }
    assert!(
        distribution("ID=alpine\nVERSION_ID=3.21_alpha20240807")
            .ecosystems
            .is_empty()
    );
}

#[test]
fn npm_lock_files_of_every_version_are_read() {
    let v1 = r#"{"lockfileVersion":1,"dependencies":{"a":{"version":"1.0.0","dependencies":{"b":{"version":"2.0.0","requires":{"c":"^1"}}}},"d":{"version":"1.0.0","dev":true},"e":{"version":"git+https://x/y.git#1"},"alias":{"version":"npm:real@3.1.0"}}}"#;
    let v3 = r#"{"lockfileVersion":3,"packages":{"":{"name":"app","version":"1.0.0","dependencies":{"a":"^1"}},"node_modules/a":{"version":"1.0.0"},"node_modules/a/node_modules/@s/b":{"version":"2.0.0","dependencies":{"c":"^1"}},"node_modules/d":{"version":"1.0.0","dev":true},"packages/w":{"version":"0.1.0"},"node_modules/w":{"resolved":"packages/w","link":true},"node_modules/alias":{"name":"real","version":"3.1.0"}}}"#;
    let found = of(&[("app/package-lock.json", v1)]);
    assert_eq!(
        names(&found),
        ["npm a 1.0.0", "npm b 2.0.0", "npm real 3.1.0"]
    );
    let found = of(&[("app/package-lock.json", v3)]);
    assert_eq!(
        names(&found),
        ["npm @s/b 2.0.0", "npm a 1.0.0", "npm real 3.1.0"]
    );
}

#[test]
fn lock_files_of_yarn_and_pnpm_are_read() {
    let yarn1 = "# yarn lockfile v1\n\n\"@babel/core@^7.0.0\", \"@babel/core@^7.1.0\":\n  version \"7.24.0\"\n  resolved \"https://x\"\n  dependencies:\n    version \"^9\"\n\nlodash@^4.17.20:\n  version \"4.17.21\"\n";
    let yarn2 = "__metadata:\n  version: 6\n\n\"lodash@npm:^4.17.20\":\n  version: 4.17.21\n  resolution: \"lodash@npm:4.17.21\"\n\n\"app@workspace:.\":\n  version: 0.0.0-use.local\n";
    assert_eq!(
        names(&of(&[("a/yarn.lock", yarn1)])),
        ["npm @babel/core 7.24.0", "npm lodash 4.17.21"]
    );
    assert_eq!(
        names(&of(&[("a/yarn.lock", yarn2)])),
        ["npm lodash 4.17.21"]
    );
    for (form, text) in [
        (
            "5",
            "lockfileVersion: 5.4\n\npackages:\n\n  /@s/b/2.0.0:\n    dev: false\n  /lodash/4.17.21_peer@1.0.0:\n    dev: false\n",
        ),
        (
            "6",
            "lockfileVersion: '6.0'\n\npackages:\n\n  /@s/b@2.0.0:\n    resolution: {}\n  /lodash@4.17.21(react@18.0.0):\n    dev: false\n",
        ),
        (
            "9",
            "lockfileVersion: '9.0'\n\npackages:\n\n  '@s/b@2.0.0':\n    resolution: {}\n\n  lodash@4.17.21:\n    engines: {}\n\nsnapshots:\n\n  other@1.0.0: {}\n",
        ),
    ] {
        let found = of(&[("a/pnpm-lock.yaml", text)]);
        assert_eq!(
            names(&found),
            ["npm @s/b 2.0.0", "npm lodash 4.17.21"],
            "version {form}"
        );
    }
    let odd = of(&[("a/pnpm-lock.yaml", "packages:\n  - x\n")]);
    assert!(odd.gaps[0].contains("unknown form"), "{:?}", odd.gaps);
}

#[test]
fn other_lock_files_are_read() {
    let cargo = "version = 4\n[[package]]\nname = \"app\"\nversion = \"0.1.0\"\n[[package]]\nname = \"time\"\nversion = \"0.1.40\"\nsource = \"registry+https://github.com/rust-lang/crates.io-index\"\n";
    let poetry = "[[package]]\nname = \"Jinja2\"\nversion = \"3.1.2\"\n";
    let pipfile = r#"{"default":{"requests":{"version":"==2.31.0"},"local":{"path":"."}},"develop":{"pytest":{"version":"==8.0"}}}"#;
    let requirements = "# x\n-r other.txt\nDjango[argon2]==4.2.1 ; python_version>'3'\nflask>=2\nzope.interface == 6.0 \\\n    --hash=sha256:ab\npinned==1.*\n";
    let composer = r#"{"packages":[{"name":"Symfony/HTTP-kernel","version":"v6.4.1"}],"packages-dev":[{"name":"x/y","version":"1"}]}"#;
    let gemfile = "GIT\n  remote: x\n  specs:\n    own (1.0)\n\nGEM\n  remote: https://rubygems.org/\n  specs:\n    nokogiri (1.15.4-x86_64-linux)\n      racc (~> 1.4)\n    rack (2.2.8)\n\nPLATFORMS\n  ruby\n";
    let go_mod = "module example.org/app\n\ngo 1.22\n\nrequire golang.org/x/net v0.17.0\nrequire (\n\tgithub.com/a/b v1.2.3 // indirect\n\tgithub.com/c/d v2.0.0+incompatible\n)\nreplace github.com/a/b => github.com/fork/b v1.2.4\n";
    let go_sum = "golang.org/x/net v0.9.0 h1:x=\ngolang.org/x/net v0.17.0 h1:x=\ngolang.org/x/net v0.20.0/go.mod h1:y=\n";
    for (path, text, expected) in [
        ("a/Cargo.lock", cargo, &["crates.io time 0.1.40"][..]),
        ("a/poetry.lock", poetry, &["PyPI jinja2 3.1.2"]),
        ("a/Pipfile.lock", pipfile, &["PyPI requests 2.31.0"]),
        (
            "a/requirements.txt",
            requirements,
            &["PyPI django 4.2.1", "PyPI zope-interface 6.0"],
        ),
        (
            "a/composer.lock",
            composer,
            &["Packagist symfony/http-kernel 6.4.1"],
        ),
        (
            "a/Gemfile.lock",
            gemfile,
            &["RubyGems nokogiri 1.15.4", "RubyGems rack 2.2.8"],
        ),
        (
            "a/go.mod",
            go_mod,
            &[
                "Go github.com/c/d 2.0.0+incompatible",
                "Go github.com/fork/b 1.2.4",
                "Go golang.org/x/net 0.17.0",
            ],
        ),
        ("a/go.sum", go_sum, &["Go golang.org/x/net 0.17.0"]),
    ] {
        let found = of(&[(path, text)]);
        assert_eq!(names(&found), expected, "{path}");
        assert!(found.gaps.is_empty(), "{path}: {:?}", found.gaps);
    }
    let both = of(&[
        ("a/go.mod", go_mod),
        ("a/go.sum", "other.org/x v1.0.0 h1:x=\n"),
    ]);
    assert_eq!(both.packages.len(), 3, "go.sum counts only without go.mod");
}

#[test]
fn installed_modules_are_read() {
    let found = of(&[
        (
            "usr/lib/python3/dist-packages/PyYAML-6.0.dist-info/METADATA",
            "Metadata-Version: 2.1\nName: PyYAML\nVersion: 6.0\n\nVersion: 7 of the text\n",
        ),
        (
            "app/node_modules/@s/b/package.json",
            r#"{"name":"@s/b","version":"2.0.0"}"#,
        ),
        (
            "app/node_modules/express/package.json",
            "\u{feff}{\"name\":\"express\",\"version\":\"4.17.1\"}",
        ),
    ]);
    assert_eq!(
        names(&found),
        ["PyPI pyyaml 6.0", "npm @s/b 2.0.0", "npm express 4.17.1"]
    );
    for other in [
        "app/package.json",
        "app/node_modules/express/lib/package.json",
        "app/node_modules/express/yarn.lock",
        "home/x/METADATA",
        "var/lib/rpm/Name",
        "etc/passwd",
    ] {
        assert_eq!(wanted(other), None, "{other}");
    }
}

#[test]
fn what_can_t_be_understood_is_said() {
    let found = of(&[
        ("etc/os-release", DEBIAN),
        ("var/lib/dpkg/status", "\u{0}\u{1}garbage"),
        ("a/package-lock.json", "{"),
        ("a/Cargo.lock", "= ="),
        ("var/lib/rpm/Packages", "not a data base"),
    ]);
    assert_eq!(found.gaps.len(), 4, "{:?}", found.gaps);
    assert!(found.packages.is_empty());
}

#[test]
fn this_machine_s_own_dpkg_data_base_is_read_as_dpkg_reads_it() {
    #[allow(
        clippy::disallowed_methods,
        reason = "the test asks the judge of this file"
    )]
    let listed = std::process::Command::new("dpkg-query")
        .args([
            "-W",
            "-f",
            "${db:Status-Status} ${source:Package} ${source:Version}\n",
        ])
        .output();
    let (Ok(status), Ok(listed)) = (std::fs::read_to_string("/var/lib/dpkg/status"), listed) else {
        println!("SKIPPED: there is no dpkg here");
        return;
    };
    let found = of(&[("etc/os-release", DEBIAN), ("var/lib/dpkg/status", &status)]);
    let listed = String::from_utf8(listed.stdout).unwrap();
    let expected: std::collections::BTreeSet<String> = listed
        .lines()
        .filter_map(|line| line.strip_prefix("installed "))
        .map(|rest| format!("Debian:12 {rest}"))
        .collect();
    let found: std::collections::BTreeSet<String> = names(&found).into_iter().collect();
    assert_eq!(found, expected);
}

const PATHS: [&str; 18] = [
    "etc/os-release",
    "var/lib/dpkg/status",
    "lib/apk/db/installed",
    "var/lib/rpm/rpmdb.sqlite",
    "var/lib/rpm/Packages.db",
    "var/lib/rpm/Packages",
    "a/package-lock.json",
    "a/yarn.lock",
    "a/pnpm-lock.yaml",
    "a/Cargo.lock",
    "a/poetry.lock",
    "a/Pipfile.lock",
    "a/requirements.txt",
    "a/composer.lock",
    "a/Gemfile.lock",
    "a/go.mod",
    "a/x.dist-info/METADATA",
    "a/node_modules/x/package.json",
];

fn files(content: &[u8]) -> BTreeMap<String, Vec<u8>> {
    PATHS
        .iter()
        .map(|path| ((*path).to_owned(), content.to_vec()))
        .collect()
}

proptest! {
    #[test]
    fn no_bytes_make_a_parser_panic(content in proptest::collection::vec(any::<u8>(), 0..2000)) {
        let _ = inventory(&files(&content));
    }

    #[test]
    fn no_text_makes_a_parser_panic(text in "([ \"'{}\\[\\]():@/=,#a-zäP0-9.\\n-]|version|Package: |packages:\\n  |==|require |\\n\\n){0,60}") {
        let _ = inventory(&files(text.as_bytes()));
    }
}
