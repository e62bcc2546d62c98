//! Signals from the door to their runs, on both databases.

#[cfg(test)]
mod accepting;
#[cfg(test)]
mod by_hand;
#[cfg(test)]
mod handling;
#[cfg(test)]
mod proving;
#[cfg(test)]
mod upgrading;
#[cfg(test)]
mod volume;
#[cfg(test)]
mod world;
