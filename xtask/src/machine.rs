//! What this machine has and lacks, and how to get it.
//!
//! What flows through: questions to the machine in, plain words for a person out. It installs only where it is asked to by [`provide`].

use std::{
    path::{Path, PathBuf},
    process::Command,
};

use crate::cargo::{run, works};

/// Where a program stands, looked for in `PATH` and where the administrator's stand.
pub(crate) fn which(program: &str) -> Option<PathBuf> {
    let path = std::env::var_os("PATH").unwrap_or_default();
    std::env::split_paths(&path)
        .chain(["/usr/sbin", "/sbin", "/usr/bin", "/bin"].map(Into::into))
        .map(|dir| dir.join(program))
        .find(|file| file.is_file())
}

/// Whether this runs as root.
pub(crate) fn is_root() -> bool {
    Command::new("id")
        .arg("-u")
        .output()
        .is_ok_and(|output| output.stdout.trim_ascii() == b"0")
}

/// Parts of Steward are built from C (SQLite, cryptography).
pub(crate) fn need_c_compiler() -> Result<(), String> {
    let named = std::env::var_os("CC").is_some_and(|cc| !cc.is_empty());
    if named
        || ["cc", "gcc", "clang"]
            .iter()
            .any(|name| which(name).is_some())
    {
        return Ok(());
    }
    let how = [
        ("apt-get", "apt-get install gcc libc6-dev"),
        ("dnf", "dnf install gcc"),
        ("pacman", "pacman -S gcc"),
        ("apk", "apk add gcc musl-dev"),
        ("xcode-select", "xcode-select --install"),
    ]
    .iter()
    .find(|(tool, _)| which(tool).is_some())
    .map_or("install gcc or clang", |(_, how)| how);
    Err(format!(
        "there is no C compiler, and parts of Steward need one to be built. Get it with: {how}"
    ))
}

/// Something that tests need besides Rust.
struct Need {
    package: &'static str,
    what: &'static str,
    there: fn() -> bool,
}

const NEEDS: &[Need] = &[
    Need {
        package: "busybox-static",
        what: "every test on a real container engine",
        there: || {
            ["/bin/busybox", "/usr/bin/busybox"]
                .iter()
                .any(|path| Path::new(path).is_file())
        },
    },
    Need {
        package: "postgresql",
        what: "every test on a real PostgreSQL server",
        there: || which("initdb").is_some() || has_debians_postgres(),
    },
    Need {
        package: "python3-venv",
        what: "every test with the Python SDK of the Model Context Protocol",
        there: || {
            which("python3").is_some()
                && works(Command::new("python3").args(["-c", "import ensurepip, venv"]))
        },
    },
    Need {
        package: "chromium",
        what: "every test of the control center in a real browser",
        there: || which("chromium").is_some() || which("google-chrome").is_some(),
    },
    Need {
        package: "chromium-driver",
        what: "every test of the control center in a real browser",
        there: || which("chromedriver").is_some(),
    },
    Need {
        package: "fonts-dejavu-core",
        what: "text in the browser's pictures",
        there: || Path::new("/usr/share/fonts").is_dir(),
    },
];

fn has_debians_postgres() -> bool {
    std::fs::read_dir("/usr/lib/postgresql")
        .into_iter()
        .flatten()
        .flatten()
        .any(|entry| entry.path().join("bin/initdb").is_file())
}

/// Installs Debian's packages, where that is possible; says why where it fails.
pub(crate) fn install(packages: &[&str]) {
    if !is_root() || which("apt-get").is_none() {
        return;
    }
    eprintln!("xtask: installing {}", packages.join(" "));
    let install = || {
        let mut command = Command::new("apt-get");
        command
            .env("DEBIAN_FRONTEND", "noninteractive")
            .args(["install", "-y", "-qq", "--no-install-recommends"])
            .args(packages);
        command
    };
    if !works(&mut install()) {
        // Lists of packages that are too old are the usual reason.
        let updated = run(
            Command::new("apt-get").args(["update", "-qq"]),
            "apt-get update",
        );
        let installed = updated.and_then(|()| run(&mut install(), "apt-get install"));
        if let Err(reason) = installed {
            eprintln!("xtask: {reason}");
        }
    }
}

/// Gets what the tests need, where that is possible, and says what will be skipped where it is not.
pub(crate) fn provide() {
    let missing: Vec<&Need> = NEEDS.iter().filter(|need| !(need.there)()).collect();
    if missing.is_empty() {
        return;
    }
    let packages: Vec<&str> = missing.iter().map(|need| need.package).collect();
    install(&packages);
    for need in missing {
        if !(need.there)() {
            eprintln!(
                "xtask: {package} is missing, so {what} will be skipped. Get it with: apt-get install {package}",
                package = need.package,
                what = need.what,
            );
        }
    }
}
