//! The storage trait, its conformance suite and its SQLite home
