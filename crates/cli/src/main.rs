//! iryonet: one binary for the center, the gateway, the site, the pilot and their operators.
fn main() {}
