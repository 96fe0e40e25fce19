//! sockctl
