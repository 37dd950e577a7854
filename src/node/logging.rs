//! Logs go to stderr; stdout carries the ready line alone.

use tracing_subscriber::EnvFilter;

/// `RUST_LOG` sets the level, as in `info,tellee_api=debug`.
pub fn init_logging() {
    let filter = EnvFilter::try_from_default_env().unwrap_or_else(|_| EnvFilter::new("info"));
    // A second call, in tests, changes nothing.
    let _ = tracing_subscriber::fmt()
        .with_env_filter(filter)
        .with_writer(std::io::stderr)
        .with_ansi(false)
        // It would tell of a stderr that cannot be written on stderr, by a panic in the thread that logs.
        .log_internal_errors(false)
        .try_init();
}
