//! Reading a JSON object field by field, so that each error names the path of its field.

use std::ops::RangeInclusive;

use serde_json::{Map, Value};

use crate::error::ModelError;

/// Longest value quoted in an error, in characters.
const QUOTED_CHARS: usize = 60;

/// An object whose fields are taken one by one; what is left at the end is refused.
pub(super) struct Object<'a> {
    file: &'a str,
    /// Path of the object with a trailing dot, empty at the top.
    prefix: String,
    fields: Map<String, Value>,
    taken: Vec<&'static str>,
}

impl<'a> Object<'a> {
    /// `path` is empty for the outermost object.
    pub(super) fn new(file: &'a str, path: &str, value: Value) -> Result<Self, ModelError> {
        match value {
            Value::Object(fields) => Ok(Self {
                file,
                prefix: if path.is_empty() {
                    String::new()
                } else {
                    format!("{path}.")
                },
                fields,
                taken: Vec::new(),
            }),
            other => Err(ModelError::Field {
                file: file.to_owned(),
                field: if path.is_empty() { "ecg_gateway" } else { path }.to_owned(),
                found: quoted(&other),
                expected: "an object".to_owned(),
            }),
        }
    }

    pub(super) fn path(&self, key: &str) -> String {
        format!("{}{key}", self.prefix)
    }

    /// The error for a value of `key` that was read but makes no sense.
    pub(super) fn refuse(&self, key: &str, found: &str, expected: String) -> ModelError {
        ModelError::Field {
            file: self.file.to_owned(),
            field: self.path(key),
            found: found.to_owned(),
            expected,
        }
    }

    pub(super) fn value(&mut self, key: &'static str, expected: &str) -> Result<Value, ModelError> {
        self.taken.push(key);
        self.fields
            .remove(key)
            .ok_or_else(|| ModelError::FieldMissing {
                file: self.file.to_owned(),
                field: self.path(key),
                expected: expected.to_owned(),
            })
    }

    pub(super) fn object(&mut self, key: &'static str) -> Result<Object<'a>, ModelError> {
        let value = self.value(key, "an object")?;
        Object::new(self.file, &self.path(key), value)
    }

    /// What `read` makes of the field, `None` where it makes no sense.
    fn read<T>(
        &mut self,
        key: &'static str,
        expected: String,
        read: impl FnOnce(&Value) -> Option<T>,
    ) -> Result<T, ModelError> {
        let value = self.value(key, &expected)?;
        read(&value).ok_or_else(|| self.refuse(key, &quoted(&value), expected))
    }

    pub(super) fn array(&mut self, key: &'static str) -> Result<Vec<Value>, ModelError> {
        self.read(key, "an array".to_owned(), |value| {
            value.as_array().cloned()
        })
    }

    pub(super) fn text(&mut self, key: &'static str, expected: &str) -> Result<String, ModelError> {
        let text = |value: &Value| {
            value
                .as_str()
                .filter(|text| !text.is_empty())
                .map(str::to_owned)
        };
        self.read(key, expected.to_owned(), text)
    }

    pub(super) fn integer(
        &mut self,
        key: &'static str,
        range: RangeInclusive<usize>,
    ) -> Result<usize, ModelError> {
        let expected = format!("an integer {} to {}", range.start(), range.end());
        self.read(key, expected, |value| {
            let number = usize::try_from(value.as_u64()?).ok();
            number.filter(|number| range.contains(number))
        })
    }

    pub(super) fn number(
        &mut self,
        key: &'static str,
        range: RangeInclusive<f64>,
    ) -> Result<f64, ModelError> {
        let expected = format!("a number {} to {}", range.start(), range.end());
        self.read(key, expected, |value| {
            value.as_f64().filter(|number| range.contains(number))
        })
    }

    /// What `take` takes of the field; `None` where it is not there, which is then known as one that may be.
    pub(super) fn optional<T>(
        &mut self,
        key: &'static str,
        take: impl FnOnce(&mut Self, &'static str) -> Result<T, ModelError>,
    ) -> Result<Option<T>, ModelError> {
        if self.fields.contains_key(key) {
            return take(self, key).map(Some);
        }
        self.taken.push(key);
        Ok(None)
    }

    /// Refuses what nobody took.
    pub(super) fn finish(self) -> Result<(), ModelError> {
        match self.fields.keys().next() {
            None => Ok(()),
            Some(key) => Err(ModelError::FieldUnknown {
                file: self.file.to_owned(),
                field: self.path(key),
                expected: self.taken.join(", "),
            }),
        }
    }
}

/// The value as JSON, cut to a length fit for one line.
pub(super) fn quoted(value: &Value) -> String {
    let text = value.to_string();
    if text.chars().count() <= QUOTED_CHARS {
        return text;
    }
    text.chars()
        .take(QUOTED_CHARS)
        .chain("...".chars())
        .collect()
}
