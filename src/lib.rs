//! simgate: a test harness that gates LLM-inference simulators on fidelity.
#![warn(missing_docs)]
#![deny(unsafe_code)]

pub mod backend;
pub mod compare;
pub mod engine;
pub mod files;
pub mod run;
pub mod stats;
pub mod workload;
