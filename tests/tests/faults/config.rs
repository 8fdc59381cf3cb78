//! Docker goes away and comes back, or was never there.
