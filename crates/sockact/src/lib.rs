//! sockact
