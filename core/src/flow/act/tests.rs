//! The executor against a scripted actuator and ledger: every way in which a step can end.
