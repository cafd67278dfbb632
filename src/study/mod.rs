//! What reruns a simulator to learn about it, beyond one comparison.

pub mod capacity;
mod explain;
mod fault;
mod kappa;
pub mod power;
mod result_fault;

pub use explain::{Evidence, Explained, Part, blamed_beyond, culprit, explain};
pub use fault::Fault;
pub use kappa::kappas;
pub use result_fault::ResultFault;
