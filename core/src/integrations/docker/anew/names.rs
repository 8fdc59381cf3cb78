//! The names under which a container stands aside while another takes its place. Pure.

/// One that is kept, stopped, until the one in its place is well.
const PREVIOUS: &str = "-steward-previous";
/// One that is made, and not started yet.
const NEXT: &str = "-steward-next";

pub(in super::super) fn previous(name: &str) -> String {
    format!("{name}{PREVIOUS}")
}

pub(in super::super) fn next(name: &str) -> String {
    format!("{name}{NEXT}")
}

/// Whether a container stands aside: Steward put it there, and while it does not run nobody needs to look after it.
pub(in super::super) fn is_aside(name: &str) -> bool {
    name.ends_with(PREVIOUS) || name.ends_with(NEXT)
}
