//! The host that the agent runs on: processor, memory, load, disks, failed systemd units; and the actions that change the host itself.
//!
//! What flows through: gauges, mount points and failed units come out as one [`Observation`](crate::ports::Observation), the busiest
//! processes and what listens on demand; permits for
//! vacuuming the journal, restarting a unit or the Docker daemon, and running an allowed script go in. What it never does: judge a
//! threshold (the rules do), read a process's arguments, run a program through a shell, or wait for a file system that hangs.

pub(crate) mod act;
mod addresses;
mod block;
mod disks;
mod gauges;
mod logs;
pub(crate) mod observe;
mod probe;
mod program;
mod renewal;
mod sockets;
mod systemd;

pub mod rules;

pub use act::HostActuator;
pub use addresses::own_addresses;
pub use logs::HostLogReader;
pub use observe::HostSource;
pub use probe::HostLook;

#[cfg(test)]
mod tests;
