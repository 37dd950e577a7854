//! TLS for all ports, by rustls: certificates from files, loaded anew when they change, and client certificates that
//! stand for a thing.

mod files;
mod server;
mod thing;

pub use files::{TlsError, TlsFiles};
pub use server::TlsServer;
pub use thing::CertifiedThing;
