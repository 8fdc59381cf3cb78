//! The agent's own security scan from end to end: real containers, a real log of sshd, real certificates, a server that answers as OSV does.
//!
//! What flows through: findings into the score, incidents and questions; holds the numbers against what was put there. What it never does:
//! believe a score without its parts.

mod scan;
mod standing;
