//! Flows from their YAML to their effects, on both databases.

mod crash;
mod running;
mod world;
