//! The institution's agent: enrol, attach, reconnect
