//! Reading a TOML table key by key, so that each error names its line and what is allowed.

use std::collections::HashMap;
use std::fmt::Display;
use std::ops::RangeInclusive;
use std::path::PathBuf;

use toml::Spanned;
use toml::de::{DeTable, DeValue};

use super::choices::Choice;
use super::error::ConfigError;

/// The name of a configuration, and where the lines of its text end.
#[derive(Clone, Copy)]
pub(super) struct Source<'a> {
    pub(super) name: &'a str,
    pub(super) line_ends: &'a [usize],
}

impl Source<'_> {
    /// Line of a byte offset, counted from 1. A file may have a hundred thousand keys, each of which
    /// asks.
    pub(super) fn line(&self, offset: usize) -> usize {
        1 + self.line_ends.partition_point(|&end| end < offset)
    }
}

/// The offsets of a text's line feeds.
pub(super) fn line_ends(text: &str) -> Vec<usize> {
    let bytes = text.bytes().enumerate();
    bytes
        .filter(|(_, byte)| *byte == b'\n')
        .map(|(at, _)| at)
        .collect()
}

struct Entry<'a> {
    key: String,
    key_line: usize,
    value_line: usize,
    value: DeValue<'a>,
}

/// A table whose keys are read one by one; what is left at the end is refused.
pub(super) struct Section<'a> {
    source: Source<'a>,
    /// Name of the section with a trailing dot, empty at the top.
    prefix: String,
    entries: Vec<Entry<'a>>,
    known: Vec<&'static str>,
}

impl<'a> Section<'a> {
    pub(super) fn new(source: Source<'a>, prefix: &str, table: DeTable<'a>) -> Self {
        let entry = |(key, value): (Spanned<_>, Spanned<DeValue<'a>>)| Entry {
            key_line: source.line(key.span().start),
            value_line: source.line(value.span().start),
            key: String::from(key.into_inner()),
            value: value.into_inner(),
        };
        Self {
            source,
            prefix: prefix.to_owned(),
            entries: table.into_iter().map(entry).collect(),
            known: Vec::new(),
        }
    }

    /// Line of every key in the sections of this one, by full name. Only before they are read.
    pub(super) fn lines(&self) -> HashMap<String, usize> {
        let tables = self.entries.iter().filter_map(|entry| match &entry.value {
            DeValue::Table(table) => Some((&entry.key, table)),
            _ => None,
        });
        tables
            .flat_map(|(section, table)| {
                table.iter().map(move |(key, value)| {
                    let line = self.source.line(value.span().start);
                    (format!("{section}.{}", key.get_ref()), line)
                })
            })
            .collect()
    }

    /// Line of a key, `None` where it keeps its default. Only before it is read.
    pub(super) fn line(&self, key: &str) -> Option<usize> {
        let entry = self.entries.iter().find(|entry| entry.key == key)?;
        Some(entry.value_line)
    }

    /// The error for a value that makes no sense.
    pub(super) fn refuse(
        &self,
        key: &str,
        line: usize,
        found: String,
        expected: String,
    ) -> ConfigError {
        ConfigError::Value {
            file: self.source.name.to_owned(),
            line,
            key: format!("{}{key}", self.prefix),
            found,
            expected,
        }
    }

    fn take(&mut self, key: &'static str) -> Option<Entry<'a>> {
        self.known.push(key);
        let index = self.entries.iter().position(|entry| entry.key == key)?;
        Some(self.entries.swap_remove(index))
    }

    /// The table `key` inside this one; empty where it is missing.
    pub(super) fn section(&mut self, key: &'static str) -> Result<Self, ConfigError> {
        let table = match self.take(key) {
            None => DeTable::new(),
            Some(Entry {
                value: DeValue::Table(table),
                ..
            }) => table,
            Some(entry) => {
                let expected = format!("a table [{key}]");
                return Err(self.refuse(key, entry.key_line, found(&entry.value), expected));
            }
        };
        Ok(Self::new(self.source, &format!("{key}."), table))
    }

    /// Reads `key` into `target` if it is there; `parse` says `None` to what is not `expected`.
    pub(super) fn read<T>(
        &mut self,
        key: &'static str,
        target: &mut T,
        expected: &str,
        parse: impl FnOnce(&DeValue<'_>) -> Option<T>,
    ) -> Result<(), ConfigError> {
        let Some(entry) = self.take(key) else {
            return Ok(());
        };
        match parse(&entry.value) {
            Some(value) => {
                *target = value;
                Ok(())
            }
            None => Err(self.refuse(
                key,
                entry.value_line,
                found(&entry.value),
                expected.to_owned(),
            )),
        }
    }

    pub(super) fn integer<T: Copy + PartialOrd + Display + TryFrom<i128>>(
        &mut self,
        key: &'static str,
        target: &mut T,
        range: RangeInclusive<T>,
    ) -> Result<(), ConfigError> {
        let expected = format!("an integer {} to {}", range.start(), range.end());
        self.read(key, target, &expected, |value| {
            integer(value).filter(|number| range.contains(number))
        })
    }

    pub(super) fn integer_of<T: Copy + PartialEq + Display + TryFrom<i128>>(
        &mut self,
        key: &'static str,
        target: &mut T,
        allowed: &[T],
    ) -> Result<(), ConfigError> {
        self.read(key, target, &one_of(allowed), |value| {
            integer(value).filter(|number| allowed.contains(number))
        })
    }

    pub(super) fn number_of(
        &mut self,
        key: &'static str,
        target: &mut f64,
        allowed: &[f64],
    ) -> Result<(), ConfigError> {
        self.read(key, target, &one_of(allowed), |value| {
            let number = number(value)?;
            let equal = |allowed: &f64| allowed.total_cmp(&number).is_eq();
            allowed.iter().copied().find(equal)
        })
    }

    pub(super) fn boolean(
        &mut self,
        key: &'static str,
        target: &mut bool,
    ) -> Result<(), ConfigError> {
        self.read(key, target, "true or false", |value| match value {
            DeValue::Boolean(value) => Some(*value),
            _ => None,
        })
    }

    pub(super) fn choice<T: Choice>(
        &mut self,
        key: &'static str,
        target: &mut T,
    ) -> Result<(), ConfigError> {
        let names: Vec<String> = T::ALL.iter().map(|c| format!("{:?}", c.name())).collect();
        self.read(key, target, &one_of(&names), |value| {
            let name = text(value)?;
            T::ALL.iter().copied().find(|choice| choice.name() == name)
        })
    }

    /// A path of 1 to `max_bytes` bytes without a NUL.
    pub(super) fn path(
        &mut self,
        key: &'static str,
        target: &mut PathBuf,
        max_bytes: usize,
    ) -> Result<(), ConfigError> {
        let expected = format!("a path of 1 to {max_bytes} bytes");
        self.read(key, target, &expected, |value| {
            text(value)
                .filter(|path| (1..=max_bytes).contains(&path.len()) && !path.contains('\0'))
                .map(PathBuf::from)
        })
    }

    /// Refuses what nobody read.
    pub(super) fn finish(self) -> Result<(), ConfigError> {
        match self.entries.iter().min_by_key(|entry| entry.key_line) {
            None => Ok(()),
            Some(entry) => Err(ConfigError::UnknownKey {
                file: self.source.name.to_owned(),
                line: entry.key_line,
                key: format!("{}{}", self.prefix, entry.key),
                expected: self.known.join(", "),
            }),
        }
    }
}

pub(super) fn integer<T: TryFrom<i128>>(value: &DeValue<'_>) -> Option<T> {
    match value {
        DeValue::Integer(integer) => i128::from_str_radix(integer.as_str(), integer.radix())
            .ok()
            .and_then(|number| T::try_from(number).ok()),
        _ => None,
    }
}

pub(super) fn number(value: &DeValue<'_>) -> Option<f64> {
    match value {
        DeValue::Integer(integer) if integer.radix() == 10 => integer.as_str(),
        DeValue::Float(float) => float.as_str(),
        _ => return None,
    }
    .parse()
    .ok()
}

pub(super) fn text<'v>(value: &'v DeValue<'_>) -> Option<&'v str> {
    match value {
        DeValue::String(text) => Some(text),
        _ => None,
    }
}

fn one_of<T: Display>(allowed: &[T]) -> String {
    let names: Vec<String> = allowed.iter().map(ToString::to_string).collect();
    match names.as_slice() {
        [only] => only.clone(),
        names => format!("one of {}", names.join(", ")),
    }
}

/// The value as an error quotes it.
fn found(value: &DeValue<'_>) -> String {
    match value {
        DeValue::String(text) => format!("{text:?}"),
        DeValue::Integer(integer) => integer.to_string(),
        DeValue::Float(float) => float.to_string(),
        DeValue::Boolean(boolean) => boolean.to_string(),
        DeValue::Datetime(datetime) => datetime.to_string(),
        DeValue::Array(values) => {
            let values: Vec<String> = values.iter().map(|value| found(value.get_ref())).collect();
            format!("[{}]", values.join(", "))
        }
        DeValue::Table(_) => "a table".to_owned(),
    }
}
