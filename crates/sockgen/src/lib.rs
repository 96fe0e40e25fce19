//! sockgen
