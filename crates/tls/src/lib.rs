//! The TLS profiles; the only importer of rustls
