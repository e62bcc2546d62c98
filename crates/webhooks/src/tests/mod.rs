//! Callbacks on both databases, to receivers that mean well and others.

mod hostile;
mod house;
mod kinds;
mod life;
