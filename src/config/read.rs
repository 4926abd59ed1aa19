//! From TOML to a checked [`Config`]: every key with what is allowed.

use std::net::SocketAddr;
use std::path::PathBuf;

use toml::de::{DeTable, DeValue};

use super::choices::{ChannelChoice, ConfidenceLimit, GpioLine, SocketMode};
use super::error::ConfigError;
use super::section::{Section, Source, integer, line_ends, number, text};
use super::settings::{
    AcquisitionConfig, ApiConfig, Config, DeviceConfig, ExplainConfig, INT8_SUFFIX, LogConfig,
    ModelConfig, RealtimeConfig, SignalConfig, StoreConfig, WebConfig,
};
use super::together::{Lines, check};
use crate::api::{HOST_EXPECTED, Site};
use crate::mapped::OverflowIds;

/// Data rates of the chip (SBAS502, register CONFIG1, bits DR).
const SAMPLE_RATES_HZ: [u32; 7] = [125, 250, 500, 1000, 2000, 4000, 8000];
/// Gains of the chip (SBAS502, registers CH1SET and CH2SET, bits GAIN).
const GAINS: [u8; 7] = [1, 2, 3, 4, 6, 8, 12];
/// Internal references of the chip (SBAS502, register CONFIG2, bit VREF_4V).
const REFERENCES_VOLTS: [f64; 2] = [2.42, 4.033];
/// Lead-off currents of the chip (SBAS502, register LOFF, bits ILEAD_OFF).
const LEAD_OFF_CURRENTS_NA: [u32; 4] = [6, 22, 6000, 22_000];
/// Lead-off thresholds of the chip (SBAS502, register LOFF, bits COMP_TH).
const LEAD_OFF_THRESHOLDS_PERCENT: [f64; 8] = [95.0, 92.5, 90.0, 87.5, 85.0, 80.0, 75.0, 70.0];
/// The built-in models; with [`INT8_SUFFIX`] behind the name their int8 variants.
const MODELS: [&str; 4] = ["v1", "v2", "v1-context", "v2-context"];
/// Lines a GPIO chip may have.
const MAX_LINE: u32 = 1023;
/// Longest path Linux takes, without its terminating NUL.
const MAX_PATH_BYTES: usize = 4095;
/// Longest path of a Unix socket (unix(7): 108 bytes with the terminating NUL).
const MAX_SOCKET_PATH_BYTES: usize = 107;
/// Longest name of a channel: the label field of EDF+.
const MAX_CHANNEL_NAME: usize = 16;
/// Largest user or group id (the one above means none).
const MAX_ID: u32 = u32::MAX - 1;
/// Most addresses of the page.
const MAX_HOSTS: usize = 16;
/// Most ids in one list.
const MAX_IDS: usize = 64;

pub(super) fn read(name: &str, text: &str) -> Result<Config, ConfigError> {
    let line_ends = line_ends(text);
    let source = Source {
        name,
        line_ends: &line_ends,
    };
    let table = DeTable::parse(text).map_err(|error| ConfigError::Syntax {
        file: name.to_owned(),
        line: source.line(error.span().map_or(0, |span| span.start)),
        message: error.message().replace('\n', ", "),
    })?;
    let mut top = Section::new(source, "", table.into_inner());
    let lines = Lines {
        file: name,
        of: top.lines(),
    };
    let mut config = Config::default();
    device(top.section("device")?, &mut config.device)?;
    realtime(top.section("realtime")?, &mut config.realtime)?;
    acquisition(top.section("acquisition")?, &mut config.acquisition)?;
    signal(top.section("signal")?, &mut config.signal)?;
    model(top.section("model")?, &mut config.model)?;
    explain(top.section("explain")?, &mut config.explain)?;
    store(top.section("store")?, &mut config.store)?;
    api(top.section("api")?, &mut config.api)?;
    web(top.section("web")?, &mut config.web)?;
    log(top.section("log")?, &mut config.log)?;
    top.finish()?;
    check(&config, &lines)?;
    Ok(config)
}

fn device(mut section: Section<'_>, config: &mut DeviceConfig) -> Result<(), ConfigError> {
    section.path("spi_path", &mut config.spi_path, MAX_PATH_BYTES)?;
    section.integer(
        "spi_speed_hz",
        &mut config.spi_speed_hz,
        100_000..=20_000_000,
    )?;
    section.path("gpio_chip", &mut config.gpio_chip, MAX_PATH_BYTES)?;
    section.integer("drdy_line", &mut config.drdy_line, 0..=MAX_LINE)?;
    line(&mut section, "start_line", &mut config.start_line)?;
    line(&mut section, "reset_line", &mut config.reset_line)?;
    section.choice("gpio_abi", &mut config.gpio_abi)?;
    section.choice("chip", &mut config.chip)?;
    section.finish()
}

fn realtime(mut section: Section<'_>, config: &mut RealtimeConfig) -> Result<(), ConfigError> {
    section.integer("priority", &mut config.priority, 0..=99)?;
    section.boolean("lock_memory", &mut config.lock_memory)?;
    section.finish()
}

fn line(
    section: &mut Section<'_>,
    key: &'static str,
    target: &mut GpioLine,
) -> Result<(), ConfigError> {
    let expected = format!("an integer 0 to {MAX_LINE} or \"none\"");
    section.read(key, target, &expected, |value| match text(value) {
        Some("none") => Some(GpioLine(None)),
        Some(_) => None,
        None => integer(value)
            .filter(|line| *line <= MAX_LINE)
            .map(|line| GpioLine(Some(line))),
    })
}

fn acquisition(
    mut section: Section<'_>,
    config: &mut AcquisitionConfig,
) -> Result<(), ConfigError> {
    section.integer_of(
        "sample_rate_hz",
        &mut config.sample_rate_hz,
        &SAMPLE_RATES_HZ,
    )?;
    section.integer_of("gain_ch1", &mut config.gain_ch1, &GAINS)?;
    section.integer_of("gain_ch2", &mut config.gain_ch2, &GAINS)?;
    section.number_of(
        "reference_volts",
        &mut config.reference_volts,
        &REFERENCES_VOLTS,
    )?;
    section.read(
        "channel_names",
        &mut config.channel_names,
        &format!("two different names of 1 to {MAX_CHANNEL_NAME} printable ASCII characters"),
        channel_names,
    )?;
    section.boolean("right_leg_drive", &mut config.right_leg_drive)?;
    section.boolean("lead_off_detection", &mut config.lead_off_detection)?;
    section.choice("lead_off_mode", &mut config.lead_off_mode)?;
    section.integer_of(
        "lead_off_current_na",
        &mut config.lead_off_current_na,
        &LEAD_OFF_CURRENTS_NA,
    )?;
    section.number_of(
        "lead_off_threshold_percent",
        &mut config.lead_off_threshold_percent,
        &LEAD_OFF_THRESHOLDS_PERCENT,
    )?;
    section.integer(
        "register_check_seconds",
        &mut config.register_check_seconds,
        0..=86_400,
    )?;
    section.finish()
}

fn channel_names(value: &DeValue<'_>) -> Option<[String; 2]> {
    let DeValue::Array(values) = value else {
        return None;
    };
    let names: Vec<String> = values
        .iter()
        .filter_map(|value| text(value.get_ref()))
        .filter(|name| (1..=MAX_CHANNEL_NAME).contains(&name.len()))
        .filter(|name| name.bytes().all(|byte| (b' '..=b'~').contains(&byte)))
        .map(str::to_owned)
        .collect();
    let all_good = names.len() == values.len();
    <[String; 2]>::try_from(names)
        .ok()
        .filter(|[first, second]| all_good && first != second)
}

fn signal(mut section: Section<'_>, config: &mut SignalConfig) -> Result<(), ConfigError> {
    section.integer_of("mains_hz", &mut config.mains_hz, &[50, 60, 0])?;
    section.read(
        "channel",
        &mut config.channel,
        "\"auto\", 1 or 2",
        |value| match text(value) {
            Some("auto") => Some(ChannelChoice::Auto),
            Some(_) => None,
            None => integer(value)
                .filter(|channel| (1..=2).contains(channel))
                .map(ChannelChoice::Fixed),
        },
    )?;
    section.finish()
}

fn model(mut section: Section<'_>, config: &mut ModelConfig) -> Result<(), ConfigError> {
    section.read(
        "name",
        &mut config.name,
        "\"v1\", \"v2\", \"v1-context\", \"v2-context\", one of them with -int8 behind it, or the \
         path of a weights file ending in .safetensors",
        |value| {
            text(value)
                .filter(|name| {
                    let base = name.strip_suffix(INT8_SUFFIX).unwrap_or(name);
                    MODELS.contains(&base) || name.ends_with(".safetensors")
                })
                .map(str::to_owned)
        },
    )?;
    section.choice("engine", &mut config.engine)?;
    section.read(
        "unclassifiable_below",
        &mut config.unclassifiable_below,
        "\"model\" or a number 0 to 1",
        |value| match text(value) {
            Some("model") => Some(ConfidenceLimit::OfModel),
            Some(_) => None,
            None => number(value)
                .filter(|probability| (0.0..=1.0).contains(probability))
                .map(ConfidenceLimit::Below),
        },
    )?;
    section.boolean("novelty", &mut config.novelty)?;
    section.finish()
}

fn explain(mut section: Section<'_>, config: &mut ExplainConfig) -> Result<(), ConfigError> {
    section.choice("beats", &mut config.beats)?;
    section.choice("method", &mut config.method)?;
    section.read(
        "low_confidence_below",
        &mut config.low_confidence_below,
        "a number 0 to 1",
        |value| number(value).filter(|probability| (0.0..=1.0).contains(probability)),
    )?;
    section.finish()
}

fn store(mut section: Section<'_>, config: &mut StoreConfig) -> Result<(), ConfigError> {
    section.path("path", &mut config.path, MAX_PATH_BYTES)?;
    section.choice("synchronous", &mut config.synchronous)?;
    section.integer("batch_ms", &mut config.batch_ms, 10..=60_000)?;
    section.boolean("keep_ecg", &mut config.keep_ecg)?;
    section.integer("ecg_block_seconds", &mut config.ecg_block_seconds, 1..=60)?;
    section.integer("outage_minutes", &mut config.outage_minutes, 1..=10_080)?;
    section.integer("outage_mib", &mut config.outage_mib, 1..=1024)?;
    section.integer("keep_days", &mut config.keep_days, 0..=36_500)?;
    section.integer("keep_ecg_days", &mut config.keep_ecg_days, 0..=36_500)?;
    section.integer("max_mib", &mut config.max_mib, 0..=16_777_216)?;
    section.integer("min_free_percent", &mut config.min_free_percent, 0..=50)?;
    section.integer("min_free_mib", &mut config.min_free_mib, 0..=16_777_216)?;
    section.finish()
}

fn api(mut section: Section<'_>, config: &mut ApiConfig) -> Result<(), ConfigError> {
    section.path(
        "socket_path",
        &mut config.socket_path,
        MAX_SOCKET_PATH_BYTES,
    )?;
    section.read(
        "mode",
        &mut config.mode,
        "an octal string \"0600\" to \"0777\" that lets the owner read and write",
        |value| text(value).and_then(socket_mode),
    )?;
    section.integer("max_connections", &mut config.max_connections, 1..=1024)?;
    section.integer("answers_mib", &mut config.answers_mib, 4..=1024)?;
    let unmapped = OverflowIds::from_kernel();
    let users = ("user", unmapped.uid);
    let groups = ("group", unmapped.gid);
    ids(&mut section, "read_uids", &mut config.read_uids, users)?;
    ids(&mut section, "read_gids", &mut config.read_gids, groups)?;
    ids(
        &mut section,
        "control_uids",
        &mut config.control_uids,
        users,
    )?;
    ids(
        &mut section,
        "control_gids",
        &mut config.control_gids,
        groups,
    )?;
    section.finish()
}

/// User or group ids, none of them the one that stands for all of them that are not mapped.
fn ids(
    section: &mut Section<'_>,
    key: &'static str,
    target: &mut Vec<u32>,
    (what, unmapped): (&str, u32),
) -> Result<(), ConfigError> {
    let line = section.line(key);
    let expected = format!("an array of at most {MAX_IDS} integers 0 to {MAX_ID}");
    section.read(key, target, &expected, |value| match value {
        DeValue::Array(values) if values.len() <= MAX_IDS => values
            .iter()
            .map(|value| integer(value.get_ref()).filter(|id| *id <= MAX_ID))
            .collect(),
        _ => None,
    })?;
    if target.contains(&unmapped) {
        return Err(section.refuse(
            key,
            line.unwrap_or(1),
            unmapped.to_string(),
            format!(
                "ids of single {what}s: {unmapped} is the kernel's overflow id, which stands for \
                 every {what} that is not mapped where the gateway runs, so it would let anybody in"
            ),
        ));
    }
    Ok(())
}

/// Three octal digits, or four of which the first is 0.
fn socket_mode(text: &str) -> Option<SocketMode> {
    let digits = match text.len() {
        4 => text.strip_prefix('0')?,
        3 => text,
        _ => return None,
    };
    if !digits.bytes().all(|byte| (b'0'..=b'7').contains(&byte)) {
        return None;
    }
    let mode = u32::from_str_radix(digits, 8).ok()?;
    (mode & 0o600 == 0o600).then_some(SocketMode(mode))
}

fn web(mut section: Section<'_>, config: &mut WebConfig) -> Result<(), ConfigError> {
    section.read(
        "listen",
        &mut config.listen,
        "a loopback address with a port, such as \"127.0.0.1:8292\", or \"\" for none",
        |value| match text(value)? {
            "" => Some(None),
            address => {
                let address: SocketAddr = address.parse().ok()?;
                (address.ip().is_loopback() && address.port() > 0).then_some(Some(address))
            }
        },
    )?;
    optional_path(
        &mut section,
        "socket",
        &mut config.socket,
        (MAX_SOCKET_PATH_BYTES, "none"),
    )?;
    section.read(
        "hosts",
        &mut config.hosts,
        &format!("an array of at most {MAX_HOSTS} strings, each {HOST_EXPECTED}"),
        |value| match value {
            DeValue::Array(values) if values.len() <= MAX_HOSTS => values
                .iter()
                .map(|value| Site::parse(text(value.get_ref())?))
                .collect(),
            _ => None,
        },
    )?;
    let beside = "the folder web-tokens beside the database";
    optional_path(
        &mut section,
        "tokens",
        &mut config.tokens,
        (MAX_PATH_BYTES, beside),
    )?;
    section.finish()
}

/// A path of 1 to so many bytes without a NUL, or nothing, which stands for something.
fn optional_path(
    section: &mut Section<'_>,
    key: &'static str,
    target: &mut Option<PathBuf>,
    (max_bytes, without): (usize, &str),
) -> Result<(), ConfigError> {
    let expected = format!("a path of 1 to {max_bytes} bytes, or \"\" for {without}");
    section.read(key, target, &expected, |value| match text(value)? {
        "" => Some(None),
        path => (path.len() <= max_bytes && !path.contains('\0')).then(|| Some(path.into())),
    })
}

fn log(mut section: Section<'_>, config: &mut LogConfig) -> Result<(), ConfigError> {
    section.choice("level", &mut config.level)?;
    section.finish()
}
