//! Signals from the door to their runs, on both databases.

#[cfg(test)]
mod accepting;
#[cfg(test)]
mod handling;
#[cfg(test)]
mod world;
