//! Flows from their YAML to their effects, on both databases.

#[cfg(test)]
mod crash;
#[cfg(test)]
mod running;
#[cfg(test)]
mod world;
