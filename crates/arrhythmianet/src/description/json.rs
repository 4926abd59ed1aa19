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

    pub(super) fn array(&mut self, key: &'static str) -> Result<Vec<Value>, ModelError> {
        match self.value(key, "an array")? {
            Value::Array(values) => Ok(values),
            other => Err(self.refuse(key, &quoted(&other), "an array".to_owned())),
        }
    }

    pub(super) fn text(&mut self, key: &'static str, expected: &str) -> Result<String, ModelError> {
        match self.value(key, expected)? {
            Value::String(text) if !text.is_empty() => Ok(text),
            other => Err(self.refuse(key, &quoted(&other), expected.to_owned())),
        }
    }

    pub(super) fn integer(
        &mut self,
        key: &'static str,
        range: RangeInclusive<usize>,
    ) -> Result<usize, ModelError> {
        let expected = format!("an integer {} to {}", range.start(), range.end());
        let value = self.value(key, &expected)?;
        value
            .as_u64()
            .and_then(|number| usize::try_from(number).ok())
            .filter(|number| range.contains(number))
            .ok_or_else(|| self.refuse(key, &quoted(&value), expected))
    }

    /// As [`Object::integer`], `None` where the field is not there.
    pub(super) fn optional_integer(
        &mut self,
        key: &'static str,
        range: RangeInclusive<usize>,
    ) -> Result<Option<usize>, ModelError> {
        if self.lacks(key) {
            return Ok(None);
        }
        self.integer(key, range).map(Some)
    }

    /// As [`Object::number`], `None` where the field is not there.
    pub(super) fn optional_number(
        &mut self,
        key: &'static str,
        range: RangeInclusive<f64>,
    ) -> Result<Option<f64>, ModelError> {
        if self.lacks(key) {
            return Ok(None);
        }
        self.number(key, range).map(Some)
    }

    /// As [`Object::object`], `None` where the field is not there.
    pub(super) fn optional_object(
        &mut self,
        key: &'static str,
    ) -> Result<Option<Object<'a>>, ModelError> {
        if self.lacks(key) {
            return Ok(None);
        }
        self.object(key).map(Some)
    }

    /// Whether a field is not there, which is then known as one that may be.
    fn lacks(&mut self, key: &'static str) -> bool {
        let lacks = !self.fields.contains_key(key);
        if lacks {
            self.taken.push(key);
        }
        lacks
    }

    pub(super) fn number(
        &mut self,
        key: &'static str,
        range: RangeInclusive<f64>,
    ) -> Result<f64, ModelError> {
        let expected = format!("a number {} to {}", range.start(), range.end());
        let value = self.value(key, &expected)?;
        value
            .as_f64()
            .filter(|number| range.contains(number))
            .ok_or_else(|| self.refuse(key, &quoted(&value), expected))
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
