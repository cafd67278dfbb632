//! A value whose text is kept with its place until validation, so that all unit mistakes of a file
//! are reported at once.

use std::borrow::Cow;
use std::marker::PhantomData;

use schemars::{JsonSchema, Schema, SchemaGenerator};
use serde::{Deserialize, Deserializer};
use serde_saphyr::{Location, Spanned};

/// How a kind of value is written.
pub(super) trait Unit: Sized {
    /// What parsing yields.
    type Value;
    /// Examples for messages: `2s, 250ms`.
    const EXAMPLES: &'static str;
    /// Whether it is a bare number, which must not stand in quotes.
    const BARE: bool;
    /// Reads a value.
    fn parse(text: &str) -> Option<Self::Value>;
    /// Its JSON Schema.
    fn schema() -> Schema;
}

/// The text of a value of unit `U`, and where it stands.
#[derive(Debug, Clone)]
pub struct Scalar<U> {
    pub(super) text: String,
    pub(super) at: Location,
    unit: PhantomData<U>,
}

impl<'de, U> Deserialize<'de> for Scalar<U> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let spanned = Spanned::<String>::deserialize(deserializer)?;
        Ok(Self { text: spanned.value, at: spanned.referenced, unit: PhantomData })
    }
}

impl<U: Unit> JsonSchema for Scalar<U> {
    fn inline_schema() -> bool {
        true
    }

    fn schema_name() -> Cow<'static, str> {
        "Scalar".into()
    }

    fn json_schema(_: &mut SchemaGenerator) -> Schema {
        U::schema()
    }
}

/// A value of its own type and where it stands.
#[derive(Debug, Clone)]
pub struct At<T> {
    pub(super) value: T,
    pub(super) at: Location,
}

impl<'de, T: Deserialize<'de>> Deserialize<'de> for At<T> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let spanned = Spanned::<T>::deserialize(deserializer)?;
        Ok(Self { value: spanned.value, at: spanned.referenced })
    }
}

impl<T: JsonSchema> JsonSchema for At<T> {
    fn inline_schema() -> bool {
        T::inline_schema()
    }

    fn schema_name() -> Cow<'static, str> {
        T::schema_name()
    }

    fn json_schema(generator: &mut SchemaGenerator) -> Schema {
        T::json_schema(generator)
    }
}
