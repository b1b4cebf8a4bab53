//! A real center on a temporary directory, with real TLS: what it promises to
//! operators, applicants and gateways.

mod acts;
mod enrolment;
mod feed;
mod life;
mod openapi;
mod support;
