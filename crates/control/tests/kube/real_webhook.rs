//! The webhook asked by a real API server.
