//! The control plane: HTTP API, enrolment, policy feed
