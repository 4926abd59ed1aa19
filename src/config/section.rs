//! Reading a TOML table key by key, so that each error names its line and what is allowed.

use std::collections::HashMap;
use std::fmt::Display;
use std::ops::RangeInclusive;
use std::path::PathBuf;

use clap::ValueEnum;
use toml::Spanned;
use toml::de::{DeTable, DeValue};

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
    text.match_indices('\n').map(|(at, _)| at).collect()
}

struct Entry<'a> {
    key: String,
    key_line: usize,
    value_line: usize,
    value: DeValue<'a>,
}

/// A table whose keys are read one by one. A key that is missing, or that holds what is not allowed,
/// gives its default; the first problem and what is left at the end come out of [`Section::finish`].
pub(super) struct Section<'a> {
    source: Source<'a>,
    /// Name of the section with a trailing dot, empty at the top.
    prefix: String,
    entries: Vec<Entry<'a>>,
    known: Vec<&'static str>,
    problem: Option<ConfigError>,
}

impl<'a> Section<'a> {
    pub(super) fn new(source: Source<'a>, prefix: String, table: DeTable<'a>) -> Self {
        let entry = |(key, value): (Spanned<_>, Spanned<DeValue<'a>>)| Entry {
            key_line: source.line(key.span().start),
            value_line: source.line(value.span().start),
            key: String::from(key.into_inner()),
            value: value.into_inner(),
        };
        Self {
            source,
            prefix,
            entries: table.into_iter().map(entry).collect(),
            known: Vec::new(),
            problem: None,
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

    /// Notes the problem of a value that makes no sense, unless there was one before.
    pub(super) fn refuse(&mut self, key: &str, line: usize, found: String, expected: &str) {
        self.problem.get_or_insert_with(|| ConfigError::Value {
            file: self.source.name.to_owned(),
            line,
            key: format!("{}{key}", self.prefix),
            found,
            expected: expected.to_owned(),
        });
    }

    fn remove(&mut self, key: &'static str) -> Option<Entry<'a>> {
        self.known.push(key);
        let index = self.entries.iter().position(|entry| entry.key == key)?;
        Some(self.entries.swap_remove(index))
    }

    /// What `read` makes of the table `key` inside this one; of an empty one where it is missing.
    pub(super) fn section<T>(&mut self, key: &'static str, read: impl FnOnce(&mut Self) -> T) -> T {
        let table = match self.remove(key) {
            None => DeTable::new(),
            Some(Entry {
                value: DeValue::Table(table),
                ..
            }) => table,
            Some(entry) => {
                let expected = format!("a table [{key}]");
                self.refuse(key, entry.key_line, found(&entry.value), &expected);
                DeTable::new()
            }
        };
        let mut section = Self::new(self.source, format!("{key}."), table);
        let value = read(&mut section);
        self.problem = self.problem.take().or(section.finish().err());
        value
    }

    /// The value of `key`; `parse` says `None` to what is not `expected`.
    pub(super) fn read<T>(
        &mut self,
        key: &'static str,
        default: T,
        expected: &str,
        parse: impl FnOnce(&DeValue<'_>) -> Option<T>,
    ) -> T {
        let Some(entry) = self.remove(key) else {
            return default;
        };
        parse(&entry.value).unwrap_or_else(|| {
            self.refuse(key, entry.value_line, found(&entry.value), expected);
            default
        })
    }

    pub(super) fn integer<T: Copy + PartialOrd + Display + TryFrom<i128>>(
        &mut self,
        key: &'static str,
        default: T,
        range: RangeInclusive<T>,
    ) -> T {
        let expected = format!("an integer {} to {}", range.start(), range.end());
        self.read(key, default, &expected, |value| {
            integer(value).filter(|number| range.contains(number))
        })
    }

    /// One of `allowed`, which `parse` and `plain` make comparable: [`integer`] or [`number`], and the
    /// number that stands for it in the file.
    pub(super) fn one_of<T: Copy, N: Display + PartialEq>(
        &mut self,
        key: &'static str,
        default: T,
        allowed: &[T],
        parse: fn(&DeValue<'_>) -> Option<N>,
        plain: impl Fn(T) -> N,
    ) -> T {
        let expected = one_of(allowed.iter().map(|&it| plain(it).to_string()));
        self.read(key, default, &expected, |value| {
            let number = parse(value)?;
            allowed.iter().copied().find(|&it| plain(it) == number)
        })
    }

    pub(super) fn boolean(&mut self, key: &'static str, default: bool) -> bool {
        self.read(key, default, "true or false", |value| match value {
            DeValue::Boolean(value) => Some(*value),
            _ => None,
        })
    }

    /// A number 0 to 1.
    pub(super) fn probability(&mut self, key: &'static str, default: f64) -> f64 {
        self.read(key, default, "a number 0 to 1", probability)
    }

    /// One of `choices`, by name.
    pub(super) fn named<T: Copy>(
        &mut self,
        key: &'static str,
        default: T,
        choices: &[(String, T)],
    ) -> T {
        let expected = one_of(choices.iter().map(|(name, _)| format!("{name:?}")));
        self.read(key, default, &expected, |value| {
            let text = text(value)?;
            let chosen = choices.iter().find(|(name, _)| name == text);
            chosen.map(|(_, choice)| *choice)
        })
    }

    /// A value as the command line spells it.
    pub(super) fn choice<T: ValueEnum + Copy + 'static>(
        &mut self,
        key: &'static str,
        default: T,
    ) -> T {
        self.named(key, default, &spelt().collect::<Vec<_>>())
    }

    /// As [`Section::choice`], or `none`, which is the default.
    pub(super) fn choice_or<T: ValueEnum + Copy + 'static>(
        &mut self,
        key: &'static str,
        none: &str,
    ) -> Option<T> {
        let some = spelt().map(|(name, choice)| (name, Some(choice)));
        let choices: Vec<_> = [(none.to_owned(), None)].into_iter().chain(some).collect();
        self.named(key, None, &choices)
    }

    /// A path of 1 to `max_bytes` bytes without a NUL.
    pub(super) fn path(&mut self, key: &'static str, default: &str, max_bytes: usize) -> PathBuf {
        let expected = format!("a path of 1 to {max_bytes} bytes");
        self.read(key, default.into(), &expected, |value| {
            text(value)
                .filter(|path| (1..=max_bytes).contains(&path.len()) && !path.contains('\0'))
                .map(PathBuf::from)
        })
    }

    /// Refuses what made no sense, and what nobody read.
    pub(super) fn finish(self) -> Result<(), ConfigError> {
        if let Some(problem) = self.problem {
            return Err(problem);
        }
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

pub(super) fn probability(value: &DeValue<'_>) -> Option<f64> {
    number(value).filter(|probability| (0.0..=1.0).contains(probability))
}

pub(super) fn text<'v>(value: &'v DeValue<'_>) -> Option<&'v str> {
    match value {
        DeValue::String(text) => Some(text),
        _ => None,
    }
}

/// `word` gives `None`, anything that `parse` takes `Some`.
pub(super) fn word_or<T>(
    value: &DeValue<'_>,
    word: &str,
    parse: impl FnOnce(&DeValue<'_>) -> Option<T>,
) -> Option<Option<T>> {
    if text(value) == Some(word) {
        return Some(None);
    }
    parse(value).map(Some)
}

/// All values of a type with their names on the command line.
fn spelt<T: ValueEnum + Copy + 'static>() -> impl Iterator<Item = (String, T)> {
    T::value_variants().iter().filter_map(|&choice| {
        let name = choice.to_possible_value()?.get_name().to_owned();
        Some((name, choice))
    })
}

fn one_of(allowed: impl Iterator<Item = String>) -> String {
    format!("one of {}", allowed.collect::<Vec<_>>().join(", "))
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
