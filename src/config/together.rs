//! Keys that are right one by one and not together.

use std::collections::HashMap;
use std::path::Path;

use arrhythmianet::choose::EngineChoice;

use super::error::ConfigError;
use super::settings::Config;

/// Behind the name of a built-in model: its int8 variant.
pub(super) const INT8_SUFFIX: &str = "-int8";
/// Bits of a frame, all of which must be read in 4/5 of a sample's time.
const FRAME_BITS: u32 = 72;

/// Where the keys of a file stand: line by full name, such as `device.drdy_line`. Keys that keep their
/// defaults are not there.
pub(super) struct Lines<'a> {
    pub(super) file: &'a str,
    pub(super) by_key: HashMap<String, usize>,
}

impl Lines<'_> {
    /// A value that does not go with that of another key; the error names the line of `other` where
    /// `key` keeps its default.
    fn refuse(&self, (key, other): (&str, &str), found: String, expected: String) -> ConfigError {
        let line = self.by_key.get(key).or_else(|| self.by_key.get(other));
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
        if self.by_key.contains_key(key) {
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
    let contradiction = clock(config, lines)
        .or_else(|| pins(config, lines))
        .or_else(|| nodes(config, lines))
        .or_else(|| paths(config, lines))
        .or_else(|| web_socket(config, lines))
        .or_else(|| web_proxy(config, lines))
        .or_else(|| engine(config, lines));
    contradiction.map_or(Ok(()), Err)
}

/// A frame must be read within a sample's time.
fn clock(config: &Config, lines: &Lines<'_>) -> Option<ConfigError> {
    let rate_hz = config.acquisition.chip.rate.hz();
    let spi_hz = config.device.wiring.spi_hz;
    let needed_hz = rate_hz * FRAME_BITS * 5 / 4;
    (spi_hz < needed_hz).then(|| {
        lines.refuse(("device.spi_speed_hz", "acquisition.sample_rate_hz"),
        spi_hz.to_string(),
        format!(
            "at least {needed_hz} for acquisition.sample_rate_hz = {rate_hz} ({FRAME_BITS} bits in \
             4/5 of a sample's time)"
        ),
    )
    })
}

/// Each pin of the chip has a line of its own: START or RESET on the line of DRDY would drive against
/// the chip's output.
fn pins(config: &Config, lines: &Lines<'_>) -> Option<ConfigError> {
    let wiring = &config.device.wiring;
    let pins = [
        ("device.drdy_line", Some(wiring.drdy_line)),
        ("device.start_line", wiring.start_line),
        ("device.reset_line", wiring.reset_line),
    ];
    for (place, (other, line)) in pins.iter().enumerate() {
        let same = |(_, found): &&(&str, Option<u32>)| found.is_some() && found == line;
        if let Some((key, _)) = pins.iter().skip(place + 1).find(same) {
            let line = line.unwrap_or_default();
            return Some(lines.refuse(
                (key, other),
                format!("{line}{}", lines.origin(key)),
                format!(
                    "another line than {other} = {line}{}: each pin has its own",
                    lines.origin(other)
                ),
            ));
        }
    }
    None
}

/// The two device nodes are two.
fn nodes(config: &Config, lines: &Lines<'_>) -> Option<ConfigError> {
    let (key, other) = ("device.gpio_chip", "device.spi_path");
    let wiring = &config.device.wiring;
    (wiring.gpio_chip == wiring.spi_device).then(|| {
        lines.refuse(
            (key, other),
            format!("{:?}{}", wiring.gpio_chip, lines.origin(key)),
            format!("another node than {other}{}", lines.origin(other)),
        )
    })
}

/// The socket is none of the database's files.
fn paths(config: &Config, lines: &Lines<'_>) -> Option<ConfigError> {
    let (key, other) = ("api.socket_path", "store.path");
    let [socket, database] = [&config.api.path, &config.store.path];
    let files = [
        "", "-wal", "-shm", "-journal", ".lock", ".ids", ".ids.new", ".new",
    ];
    let taken = files.into_iter().find(|ending| {
        let mut file = database.as_os_str().to_owned();
        file.push(ending);
        Path::new(&file) == socket
    })?;
    Some(lines.refuse(
        (key, other),
        format!("{socket:?}{}", lines.origin(key)),
        format!(
            "another file than the database's ({other} = {database:?}{}{})",
            lines.origin(other),
            if taken.is_empty() {
                String::new()
            } else {
                format!(", and {taken} behind it")
            }
        ),
    ))
}

/// The socket for browsers is another one than that for programs, and not the database.
fn web_socket(config: &Config, lines: &Lines<'_>) -> Option<ConfigError> {
    let socket = config.web.socket.as_ref()?;
    let others = [
        ("api.socket_path", &config.api.path),
        ("store.path", &config.store.path),
    ];
    let (other, _) = others.into_iter().find(|(_, path)| *path == socket)?;
    Some(lines.refuse(
        ("web.socket", other),
        format!("{socket:?}"),
        format!("another file than {other}{}", lines.origin(other)),
    ))
}

/// A proxy's word counts on the socket alone.
fn web_proxy(config: &Config, lines: &Lines<'_>) -> Option<ConfigError> {
    let proxy = config.web.proxy.as_ref()?;
    config.web.socket.is_none().then(|| {
        lines.refuse(
            ("web.proxy_user_header", "web.socket"),
            format!("{:?}", proxy.header),
            "web.socket beside it: on a port anybody could write the header".to_owned(),
        )
    })
}

/// int8 variants run on the CPU only.
fn engine(config: &Config, lines: &Lines<'_>) -> Option<ConfigError> {
    let (key, other) = ("model.engine", "model.name");
    let model = &config.model;
    let impossible = model.engine == EngineChoice::Gpu && model.name.ends_with(INT8_SUFFIX);
    impossible.then(|| {
        lines.refuse(
            (key, other),
            format!("{:?}", model.engine.name()),
            format!(
                "\"auto\" or \"cpu\" for {other} = {:?}: int8 variants run on the CPU only",
                model.name
            ),
        )
    })
}
