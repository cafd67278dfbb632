//! Backends that a user's own program adds under a name.

use std::collections::BTreeMap;
use std::fmt;
use std::sync::Arc;

use super::Backend;

type Factory = Arc<dyn Fn() -> Box<dyn Backend> + Send + Sync>;

/// Named backends. Each case gets a fresh one.
#[derive(Clone, Default)]
pub struct Registry(BTreeMap<String, Factory>);

impl Registry {
    /// Adds a backend; a second one of the same name replaces the first.
    pub fn add<B: Backend + 'static>(
        &mut self,
        name: impl Into<String>,
        make: impl Fn() -> B + Send + Sync + 'static,
    ) {
        self.0.insert(name.into(), Arc::new(move || Box::new(make())));
    }

    /// A fresh backend called `name`.
    pub fn make(&self, name: &str) -> Option<Box<dyn Backend>> {
        self.0.get(name).map(|make| make())
    }

    /// All names, sorted.
    pub fn names(&self) -> Vec<&str> {
        self.0.keys().map(String::as_str).collect()
    }
}

impl fmt::Debug for Registry {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("Registry").field(&self.names()).finish()
    }
}
