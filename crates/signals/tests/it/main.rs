//! Signals from the door to their runs, on both databases.

mod accepting;
mod handling;
mod world;
