//! axtrain
fn main() {}
