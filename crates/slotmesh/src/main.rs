//! (door)
fn main() {}
