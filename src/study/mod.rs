//! What reruns a simulator to learn about it, beyond one comparison.

mod kappa;

pub use kappa::kappas;
