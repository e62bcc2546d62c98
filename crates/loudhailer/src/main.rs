//! Room `loudhailer`.

fn main() {}
