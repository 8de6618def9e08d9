//! The development gateway.
