//! Keys that are right one by one and not together.

use std::collections::HashMap;
use std::path::Path;

use super::choices::EngineChoice;
use super::error::ConfigError;
use super::settings::{Config, FRAME_BITS, INT8_SUFFIX};

/// Where the keys of a file stand: line by full name, such as `device.drdy_line`. Keys that keep their
/// defaults are not there.
pub(super) struct Lines<'a> {
    pub(super) file: &'a str,
    pub(super) of: HashMap<String, usize>,
}

/// A value that does not go with that of another key.
struct Contradiction {
    key: &'static str,
    /// The other key: the error names its line where `key` keeps its default.
    other: &'static str,
    found: String,
    expected: String,
}

impl Lines<'_> {
    fn refuse(&self, contradiction: Contradiction) -> ConfigError {
        let Contradiction {
            key,
            other,
            found,
            expected,
        } = contradiction;
        let line = self.of.get(key).or_else(|| self.of.get(other));
        ConfigError::Value {
            file: self.file.to_owned(),
            line: line.copied().unwrap_or(1),
            key: key.to_owned(),
            found,
            expected,
        }
    }

    /// ` (its default)` behind a value that the file does not set.
    fn origin(&self, key: &str) -> &'static str {
        if self.of.contains_key(key) {
            ""
        } else {
            " (its default)"
        }
    }
}

/// Refuses the first contradiction between keys.
///
/// # Errors
/// [`ConfigError::Value`].
pub(super) fn check(config: &Config, lines: &Lines<'_>) -> Result<(), ConfigError> {
    let contradiction = clock(config)
        .or_else(|| pins(config, lines))
        .or_else(|| nodes(config, lines))
        .or_else(|| paths(config, lines))
        .or_else(|| web_socket(config, lines))
        .or_else(|| engine(config));
    contradiction.map_or(Ok(()), |found| Err(lines.refuse(found)))
}

/// A frame must be read within a sample's time.
fn clock(config: &Config) -> Option<Contradiction> {
    let rate_hz = config.acquisition.sample_rate_hz;
    let needed_hz = rate_hz * FRAME_BITS * 5 / 4;
    (config.device.spi_speed_hz < needed_hz).then(|| Contradiction {
        key: "device.spi_speed_hz",
        other: "acquisition.sample_rate_hz",
        found: config.device.spi_speed_hz.to_string(),
        expected: format!(
            "at least {needed_hz} for acquisition.sample_rate_hz = {rate_hz} ({FRAME_BITS} bits in \
             4/5 of a sample's time)"
        ),
    })
}

/// Each pin of the chip has a line of its own: START or RESET on the line of DRDY would drive against
/// the chip's output.
fn pins(config: &Config, lines: &Lines<'_>) -> Option<Contradiction> {
    let device = &config.device;
    let pins = [
        ("device.drdy_line", Some(device.drdy_line)),
        ("device.start_line", device.start_line.0),
        ("device.reset_line", device.reset_line.0),
    ];
    for (place, (other, line)) in pins.iter().enumerate() {
        let same = |(_, found): &&(&str, Option<u32>)| found.is_some() && found == line;
        if let Some((key, _)) = pins.iter().skip(place + 1).find(same) {
            let line = line.unwrap_or_default();
            return Some(Contradiction {
                key,
                other,
                found: format!("{line}{}", lines.origin(key)),
                expected: format!(
                    "another line than {other} = {line}{}: each pin has its own",
                    lines.origin(other)
                ),
            });
        }
    }
    None
}

/// The two device nodes are two.
fn nodes(config: &Config, lines: &Lines<'_>) -> Option<Contradiction> {
    let (key, other) = ("device.gpio_chip", "device.spi_path");
    let device = &config.device;
    (device.gpio_chip == device.spi_path).then(|| Contradiction {
        key,
        other,
        found: format!("{:?}{}", device.gpio_chip, lines.origin(key)),
        expected: format!("another node than {other}{}", lines.origin(other)),
    })
}

/// The socket is none of the database's files.
fn paths(config: &Config, lines: &Lines<'_>) -> Option<Contradiction> {
    let (key, other) = ("api.socket_path", "store.path");
    let [socket, database] = [&config.api.socket_path, &config.store.path];
    let files = [
        "", "-wal", "-shm", "-journal", ".lock", ".ids", ".ids.new", ".new",
    ];
    let taken = files.into_iter().find(|ending| {
        let mut file = database.as_os_str().to_owned();
        file.push(ending);
        Path::new(&file) == socket
    })?;
    Some(Contradiction {
        key,
        other,
        found: format!("{socket:?}{}", lines.origin(key)),
        expected: format!(
            "another file than the database's ({other} = {database:?}{}{})",
            lines.origin(other),
            if taken.is_empty() {
                String::new()
            } else {
                format!(", and {taken} behind it")
            }
        ),
    })
}

/// The socket for browsers is another one than that for programs, and none of the database's files.
fn web_socket(config: &Config, lines: &Lines<'_>) -> Option<Contradiction> {
    let socket = config.web.socket.as_ref()?;
    let others = [
        ("api.socket_path", &config.api.socket_path),
        ("store.path", &config.store.path),
    ];
    let (other, _) = others.into_iter().find(|(_, path)| *path == socket)?;
    Some(Contradiction {
        key: "web.socket",
        other,
        found: format!("{socket:?}"),
        expected: format!("another file than {other}{}", lines.origin(other)),
    })
}

/// int8 variants run on the CPU only.
fn engine(config: &Config) -> Option<Contradiction> {
    let (key, other) = ("model.engine", "model.name");
    let model = &config.model;
    let impossible = model.engine == EngineChoice::Gpu && model.name.ends_with(INT8_SUFFIX);
    impossible.then(|| Contradiction {
        key,
        other,
        found: format!("{:?}", model.engine.to_string()),
        expected: format!(
            "\"auto\" or \"cpu\" for {other} = {:?}: int8 variants run on the CPU only",
            model.name
        ),
    })
}
