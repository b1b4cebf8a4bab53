//! The institution CA: profiles, lint, issue, revoke, CRL
