//! Fields of a table that are numbers with a fraction.

use super::{Column, FileError, Row};

impl Row<'_> {
    /// The field as a finite number.
    ///
    /// # Errors
    /// [`FileError::Value`] for anything else.
    pub fn finite(&self, column: Column) -> Result<f64, FileError> {
        let text = self.text(column);
        match text.parse::<f64>() {
            Ok(value) if value.is_finite() => Ok(value),
            _ if text.is_empty() => Err(self.problem(column, "empty, expected a number")),
            _ => Err(self.problem(column, format!("`{text}` is not a finite number"))),
        }
    }

    /// The field as a whole number, which pandas may have written with a fraction of `.0`.
    ///
    /// # Errors
    /// [`FileError::Value`] for anything else.
    pub fn whole(&self, column: Column) -> Result<u32, FileError> {
        let value = self.finite(column)?;
        let whole = value as u32;
        if f64::from(whole) == value {
            Ok(whole)
        } else {
            let text = self.text(column);
            Err(self.problem(column, format!("`{text}` is not a whole number of 0 or more")))
        }
    }
}
