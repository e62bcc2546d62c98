//! The protocol as seen from outside: what is genuine is understood, and what is forged is refused.

mod forge;
mod forged;
mod genuine;
mod logout;
mod metadata;
mod mutated;
mod travel;
