//! `tellee`: the server and its command line. Composition only.

mod config;

fn main() {}
