//! What runs inside a case's containers: the same executable in another role, playing a script. What fails there fails for real.
//!
//! What flows through: a script from the environment, which neither Steward nor a model ever reads; lines and an end out. What it never
//! does: tell by its name, its words or its command which case it plays.

use std::{
    fs::{File, OpenOptions},
    hint::black_box,
    io::{ErrorKind, Read as _, Write as _},
    net::{SocketAddr, TcpListener, TcpStream, ToSocketAddrs as _},
    path::Path,
    process::{Command, ExitCode},
    time::{Duration, Instant},
};

use super::{
    super::demo::workload::read_use,
    script::{Obstacle, Step, parse},
};

/// The variable that holds the script of the main process.
pub(super) const PLAY: &str = "STEWARD_PLAY";
/// The variable that holds the script of the health check.
pub(super) const CHECK: &str = "STEWARD_CHECK";
/// Its end where the world was not as the case needs it; no script ends so.
pub(super) const UNFIT: u8 = 96;
/// Where it counts its starts.
const STARTS: &str = "/tmp/.starts";
/// Memory is taken in pieces of this size. Bytes.
const PIECE: usize = 256 * 1024;
/// How long may be written or opened until something is full.
const MOST_TRIES: usize = 1 << 16;

/// Plays the script of this variable until it ends. Needs no runtime and nothing but the standard library.
pub(in crate::cli) fn run(is_check: bool) -> ExitCode {
    let variable = if is_check { CHECK } else { PLAY };
    let script = std::env::var(variable).map_err(|error| format!("{variable}: {error}"));
    let mut player = Player::default();
    match script
        .and_then(|text| parse(&text))
        .and_then(|steps| player.play(&steps))
    {
        Ok(code) => ExitCode::from(code),
        Err(why) => {
            complain(&format!("unfit: {why}"));
            ExitCode::from(UNFIT)
        }
    }
}

/// What the process holds on to.
#[derive(Default)]
struct Player {
    ports: Vec<TcpListener>,
    files: Vec<File>,
}

impl Player {
    fn play(&mut self, steps: &[Step]) -> Result<u8, String> {
        for (at, step) in steps.iter().enumerate() {
            match step {
                Step::Each(pause) => loop {
                    if let Some(code) = self.all(&steps[at + 1..])? {
                        return Ok(code);
                    }
                    sleep(*pause);
                },
                step => {
                    if let Some(code) = self.one(step)? {
                        return Ok(code);
                    }
                }
            }
        }
        Ok(0)
    }

    fn all(&mut self, steps: &[Step]) -> Result<Option<u8>, String> {
        for step in steps {
            if let Some(code) = self.one(step)? {
                return Ok(Some(code));
            }
        }
        Ok(None)
    }

    /// Does one thing; says with which code the process ends, if it does.
    fn one(&mut self, step: &Step) -> Result<Option<u8>, String> {
        match step {
            Step::Say(line) => say(line),
            Step::Complain(line) => complain(line),
            Step::Wait(time) => sleep(*time),
            Step::Exit(code) => return Ok(Some(*code)),
            Step::Stay => loop {
                sleep(Duration::from_secs(3600));
            },
            Step::Meet(obstacle) => self.meet(obstacle)?,
            Step::Eat => eat()?,
            Step::EatBeside => eat_beside()?,
            Step::Swell { percent } => swell(f64::from(*percent) / 100.0)?,
            Step::Spin { percent } => {
                let percent = *percent;
                std::thread::spawn(move || spin(percent));
            }
            Step::Serve {
                port,
                status,
                delay,
            } => {
                let listener = TcpListener::bind(("0.0.0.0", *port))
                    .map_err(|error| format!("port {port}: {error}"))?;
                let (status, delay) = (*status, *delay);
                std::thread::spawn(move || serve(&listener, status, delay));
            }
            Step::Postgres {
                port,
                code,
                time,
                words,
            } => {
                let listener = TcpListener::bind(("0.0.0.0", *port))
                    .map_err(|error| format!("port {port}: {error}"))?;
                let (answer, time) = (refusal(code, words), *time);
                std::thread::spawn(move || refuse(&listener, &answer, time));
            }
            Step::FailFirst {
                starts,
                code,
                words,
            } => {
                if count_start()? <= *starts {
                    complain(words);
                    return Ok(Some(*code));
                }
            }
            Step::Each(_) => return Err("`each` within `each`".to_owned()),
        }
        Ok(None)
    }

    /// Runs into an obstacle, which must be there.
    fn meet(&mut self, obstacle: &Obstacle) -> Result<(), String> {
        let kind = |result: std::io::Result<()>| result.err().map(|error| error.kind());
        let (found, wanted) = match obstacle {
            Obstacle::Full(path) => (kind(fill(path)), ErrorKind::StorageFull),
            Obstacle::ReadOnly(path) => (
                kind(File::create(path).map(drop)),
                ErrorKind::ReadOnlyFilesystem,
            ),
            Obstacle::Denied(path) => (
                kind(File::create(path).map(drop)),
                ErrorKind::PermissionDenied,
            ),
            Obstacle::Missing(path) => (kind(File::open(path).map(drop)), ErrorKind::NotFound),
            Obstacle::Taken(port) => {
                let first = TcpListener::bind(("0.0.0.0", *port))
                    .map_err(|error| format!("port {port}: {error}"))?;
                self.ports.push(first);
                (
                    kind(TcpListener::bind(("0.0.0.0", *port)).map(drop)),
                    ErrorKind::AddrInUse,
                )
            }
            Obstacle::Refused(address) => {
                let address: SocketAddr = address
                    .parse()
                    .map_err(|error| format!("{address}: {error}"))?;
                let tried = TcpStream::connect_timeout(&address, Duration::from_secs(5));
                (kind(tried.map(drop)), ErrorKind::ConnectionRefused)
            }
            Obstacle::Unknown(name) => {
                return match (name.as_str(), 80).to_socket_addrs() {
                    Ok(_) => Err(format!("{name} resolves")),
                    Err(_) => Ok(()),
                };
            }
            Obstacle::Unset(name) => {
                return match std::env::var_os(name) {
                    Some(_) => Err(format!("{name} is set")),
                    None => Ok(()),
                };
            }
            Obstacle::OpenFiles => return self.open_all(),
        };
        match found {
            Some(found) if found == wanted => Ok(()),
            Some(found) => Err(format!("{obstacle:?}: met {found:?} instead")),
            None => Err(format!("{obstacle:?}: met nothing")),
        }
    }

    /// Opens files until there may be no more, and keeps them open.
    fn open_all(&mut self) -> Result<(), String> {
        /// The system's number for "too many open files", as Linux has it on every architecture (`errno.h`, EMFILE).
        const EMFILE: i32 = 24;
        for _ in 0..MOST_TRIES {
            match File::open("/proc/self/exe") {
                Ok(file) => self.files.push(file),
                Err(error) if error.raw_os_error() == Some(EMFILE) => return Ok(()),
                Err(error) => return Err(format!("open files: met {error} instead")),
            }
        }
        Err("open files: met no limit".to_owned())
    }
}

fn fill(path: &str) -> std::io::Result<()> {
    let mut file = File::create(path)?;
    for _ in 0..MOST_TRIES {
        file.write_all(&[0; 4096])?;
    }
    Ok(())
}

fn count_start() -> Result<u32, String> {
    let failed = |error: std::io::Error| format!("{STARTS}: {error}");
    if let Some(dir) = Path::new(STARTS).parent() {
        std::fs::create_dir_all(dir).map_err(failed)?;
    }
    let mut file = OpenOptions::new()
        .create(true)
        .append(true)
        .open(STARTS)
        .map_err(failed)?;
    file.write_all(b".").map_err(failed)?;
    let length = file.metadata().map_err(failed)?.len();
    u32::try_from(length).map_err(|error| error.to_string())
}

/// Takes memory up to a share of its limit as it was at first, and holds it.
fn swell(share: f64) -> Result<(), String> {
    let (_, limit) = read_use().ok_or("can't read this container's memory use")?;
    let enough = limit * share;
    let mut pieces = Vec::new();
    loop {
        if read_use().is_some_and(|(used, _)| used < enough) {
            pieces.push(black_box(vec![1_u8; PIECE]));
        } else {
            // Held, and looked at again: the kernel may have taken other pages back.
            sleep(Duration::from_millis(200));
        }
        // Slowly enough for the kernel to account for it before the next look.
        if pieces.len() % 16 == 0 {
            sleep(Duration::from_millis(5));
        }
    }
}

/// Takes memory until the kernel ends it. Does nothing else meanwhile: near the limit even the program's own text is taken from it, and
/// whoever needs much of that comes to no end.
fn eat() -> Result<(), String> {
    read_use().ok_or("this container has no memory limit that could be read")?;
    let mut pieces = Vec::new();
    loop {
        pieces.push(black_box(vec![1_u8; 64 * PIECE]));
    }
}

#[allow(
    clippy::disallowed_methods,
    reason = "this is the fault that is played: in a container of the benchmark's own, a child of its only process"
)]
fn eat_beside() -> Result<(), String> {
    let status = Command::new("/proc/self/exe")
        .args(["eval-workload", "play"])
        .env(PLAY, "eat")
        .status()
        .map_err(|error| format!("can't start a process: {error}"))?;
    if status.success() {
        Err("the process beside ended well".to_owned())
    } else {
        Ok(())
    }
}

fn spin(percent: u8) {
    const SLICE: Duration = Duration::from_millis(10);
    let busy = SLICE * u32::from(percent) / 100;
    loop {
        #[allow(
            clippy::disallowed_methods,
            reason = "a process of its own that has nothing to do but be busy"
        )]
        let began = Instant::now();
        while began.elapsed() < busy {
            black_box(0_u64.wrapping_add(1));
        }
        if percent < 100 {
            sleep(SLICE - busy);
        }
    }
}

/// Answers whatever is asked.
fn serve(listener: &TcpListener, status: u16, delay: Duration) {
    for stream in listener.incoming().flatten() {
        std::thread::spawn(move || {
            let mut stream = stream;
            let mut request = [0; 2048];
            // Whoever asks may go away at any time.
            let _ = stream.read(&mut request);
            sleep(delay);
            let answer =
                format!("HTTP/1.1 {status} -\r\ncontent-length: 0\r\nconnection: close\r\n\r\n");
            let _ = stream.write_all(answer.as_bytes());
        });
    }
}

/// What a PostgreSQL server sends to refuse a session: an ErrorResponse (PostgreSQL documentation, Message Formats).
fn refusal(code: &str, words: &str) -> Vec<u8> {
    let body = format!("SFATAL\0VFATAL\0C{code}\0M{words}\0\0");
    let length = u32::try_from(body.len() + 4).unwrap_or(u32::MAX);
    let mut message = vec![b'E'];
    message.extend(length.to_be_bytes());
    message.extend(body.as_bytes());
    message
}

/// Refuses every session, until the time is over where there is one; then nobody listens any more.
#[allow(
    clippy::disallowed_methods,
    reason = "a process of its own, at the edge"
)]
fn refuse(listener: &TcpListener, answer: &[u8], time: Option<Duration>) {
    let began = Instant::now();
    if listener.set_nonblocking(true).is_err() {
        return;
    }
    while time.is_none_or(|time| began.elapsed() < time) {
        match listener.accept() {
            // Whoever asks may go away at any time.
            Ok((stream, _)) => _ = refuse_one(stream, answer),
            Err(_) => sleep(Duration::from_millis(20)),
        }
    }
}

fn refuse_one(mut stream: TcpStream, answer: &[u8]) -> std::io::Result<()> {
    stream.set_nonblocking(false)?;
    stream.set_read_timeout(Some(Duration::from_secs(2)))?;
    let mut length = [0; 4];
    stream.read_exact(&mut length)?;
    let mut rest = vec![0; (u32::from_be_bytes(length) as usize).clamp(4, 4096) - 4];
    stream.read_exact(&mut rest)?;
    // A message of eight bytes asks for TLS: no. Then comes the real one.
    if rest.len() == 4 {
        stream.write_all(b"N")?;
        let mut startup = [0; 1024];
        let _ = stream.read(&mut startup)?;
    }
    stream.write_all(answer)
}

#[allow(
    clippy::disallowed_methods,
    reason = "a process of its own that has nothing to do but wait"
)]
fn sleep(time: Duration) {
    std::thread::sleep(time);
}

#[allow(
    clippy::print_stdout,
    reason = "a container's log is its standard output"
)]
fn say(line: &str) {
    println!("{line}");
}

#[allow(
    clippy::print_stderr,
    reason = "a container's log is its standard error output too"
)]
fn complain(line: &str) {
    eprintln!("{line}");
}

#[cfg(test)]
mod tests {
    use super::*;

    fn play(script: &str) -> Result<u8, String> {
        Player::default().play(&parse(script).unwrap())
    }

    #[test]
    fn obstacles_are_met_for_real_or_the_case_is_unfit() {
        assert_eq!(
            play("meets missing /nowhere/at/all\nmeets unset NO_SUCH_VARIABLE_X\nexit 3"),
            Ok(3)
        );
        for unfit in [
            "meets missing /proc/self/exe",
            "meets unset PATH",
            "meets full /nowhere/at/all",
            "meets denied /nowhere/at/all",
        ] {
            let error = play(unfit).unwrap_err();
            assert!(!error.is_empty(), "{unfit}");
        }
    }

    #[test]
    fn a_repetition_ends_with_the_process_alone() {
        assert_eq!(play("each 0\nexit 5"), Ok(5));
        assert!(play("each 0\neach 0\nexit 5").is_err());
    }
}
