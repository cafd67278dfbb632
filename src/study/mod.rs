//! What reruns a simulator to learn about it, beyond one comparison.

mod explain;
mod fault;
mod kappa;

pub use explain::{Evidence, Explained, Part, explain};
pub use fault::Fault;
pub use kappa::kappas;
