//! Messaging on both databases, against a carrier in this process.

mod applications;
mod batches;
mod cancelling;
mod faults;
mod house;
mod incoming;
mod life;
mod news;
mod permutations;
mod plans;
mod reading;
mod segments;
