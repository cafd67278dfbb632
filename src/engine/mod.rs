//! The engine that both sides share: so far its settings, which decide whether two recordings are
//! of the same engine.

mod config;

pub use config::{EngineConfig, Launch, Policy};
