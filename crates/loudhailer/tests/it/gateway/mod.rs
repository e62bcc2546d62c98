//! The gateway's promise, tried where it could break: killed at every system call of the way from an application to the carrier, and
//! with the power gone at any moment of it (E-31; faults F-01 and F-04).

mod every_call;
mod house;
mod power;

/// Whether the long form is asked for, which `make proof` runs.
fn in_full() -> bool {
    std::env::var_os("LOUDHAILER_PROOF_IN_FULL").is_some()
}
