//! From TOML to a checked [`Config`]: every key with its default and what is allowed.

use std::fs::File;
use std::io::Read;
use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::time::Duration;

use ads1292::{
    ChannelSettings, ChipConfig, DataRate, Gain, InputMux, LeadOffCurrent, LeadOffSense,
    LeadOffThreshold, Loff, Reference, RightLegDrive,
};
use arrhythmianet::choose::EngineChoice;
use arrhythmianet::explain::{ExplainPolicy, ExplainWhich, Method};
use arrhythmianet::{DEFAULT_MODEL, Rejection};
use axum::http::HeaderName;
use ecg_signal::{ChannelChoice, Mains};
use toml::de::{DeTable, DeValue};
use tracing::Level;

use super::error::ConfigError;
use super::section::{Section, Source, integer, line_ends, number, probability, text, word_or};
use super::settings::{
    AcquisitionConfig, Config, DeviceConfig, ModelConfig, SignalConfig, StoreConfig, WebConfig,
};
use super::together::{INT8_SUFFIX, Lines, check};
use crate::acquisition::{LiveOptions, Realtime};
use crate::api::{Access, ApiOptions, HOST_EXPECTED, Named, ProxyUsers, Site, TokenName};
use crate::mapped::OverflowIds;
use crate::store::{
    Checkup, MinFree, Outage, PATIENT_LABEL_EXPECTED, Retention, StoreOptions, Synchronous,
    is_patient_label,
};

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
/// Where the system has its time zones.
const ZONES: &str = "/usr/share/zoneinfo";
/// Longest name of a time zone; the longest there is has 32 bytes.
const MAX_TIMEZONE: usize = 64;
const TIMEZONE_EXPECTED: &str = "the name of a time zone of this machine, such as \"Europe/Berlin\" (a file in \
     /usr/share/zoneinfo), or \"\" for none";
/// Longest name of a header.
const MAX_HEADER: usize = 64;
const HEADER_EXPECTED: &str = "the name of a header that begins with x- or remote-, such as \"x-remote-user\", of at \
     most 64 bytes, or \"\" for none";
/// Most ids in one list.
const MAX_IDS: usize = 64;
/// Most MiB of a limit on the medium.
const MAX_MIB: u64 = 16_777_216;
/// Longest time anything is kept, days.
const MAX_DAYS: u64 = 36_500;
/// Seconds of a day.
const DAY_S: u64 = 86_400;
/// The database is checked once a day, and soon after the start: a power cut may have been the reason
/// for it.
const CHECKUP: Checkup = Checkup {
    first: Duration::from_secs(600),
    every: Duration::from_secs(DAY_S),
};

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
    let mut top = Section::new(source, String::new(), table.into_inner());
    let lines = Lines {
        file: name,
        by_key: top.lines(),
    };
    let config = config(&mut top);
    top.finish()?;
    check(&config, &lines)?;
    Ok(config)
}

impl Default for Config {
    /// What an empty file gives.
    fn default() -> Self {
        let source = Source {
            name: "",
            line_ends: &[],
        };
        config(&mut Section::new(source, String::new(), DeTable::new()))
    }
}

fn config(top: &mut Section<'_>) -> Config {
    Config {
        device: top.section("device", device),
        realtime: top.section("realtime", |section| Realtime {
            priority: section.integer("priority", 50, 0..=99),
            lock_memory: section.boolean("lock_memory", true),
        }),
        acquisition: top.section("acquisition", acquisition),
        signal: top.section("signal", signal),
        patient_label: top.section("session", patient_label),
        model: top.section("model", model),
        explain: top.section("explain", |section| {
            ExplainPolicy::new(section.choice("beats", ExplainWhich::OnRequest))
                .method(section.choice("method", Method::GradCam))
                .low_confidence(section.probability("low_confidence_below", 0.8))
        }),
        store: top.section("store", store),
        api: top.section("api", api),
        web: top.section("web", web),
        timezone: top.section("site", |section| {
            section.read("timezone", None, TIMEZONE_EXPECTED, |value| {
                match text(value)? {
                    "" => Some(None),
                    name => is_timezone(Path::new(ZONES), name).then(|| Some(name.to_owned())),
                }
            })
        }),
        log_level: top.section("log", |section| {
            let levels = [
                Level::ERROR,
                Level::WARN,
                Level::INFO,
                Level::DEBUG,
                Level::TRACE,
            ];
            let named = levels.map(|level| (level.as_str().to_lowercase(), level));
            section.named("level", Level::INFO, &named)
        }),
    }
}

fn device(section: &mut Section<'_>) -> DeviceConfig {
    DeviceConfig {
        wiring: LiveOptions {
            spi_device: section.path("spi_path", "/dev/spidev0.0", MAX_PATH_BYTES),
            // SBAS502, serial interface timing: tSCLK at least 50 ns
            spi_hz: section.integer("spi_speed_hz", 1_000_000, 100_000..=20_000_000),
            gpio_chip: section.path("gpio_chip", "/dev/gpiochip0", MAX_PATH_BYTES),
            drdy_line: section.integer("drdy_line", 25, 0..=MAX_LINE),
            start_line: line(section, "start_line", 24),
            reset_line: line(section, "reset_line", 23),
            gpio_abi: section.choice_or("gpio_abi", "auto"),
        },
        chip: section.choice_or("chip", "any"),
    }
}

/// A GPIO line, or none where the pin is tied in hardware.
fn line(section: &mut Section<'_>, key: &'static str, default: u32) -> Option<u32> {
    let expected = format!("an integer 0 to {MAX_LINE} or \"none\"");
    section.read(key, Some(default), &expected, |value| {
        word_or(value, "none", |value| {
            integer(value).filter(|line| *line <= MAX_LINE)
        })
    })
}

fn acquisition(section: &mut Section<'_>) -> AcquisitionConfig {
    let mut chip = ChipConfig::default();
    chip.rate = section.one_of(
        "sample_rate_hz",
        chip.rate,
        &DataRate::ALL,
        integer,
        DataRate::hz,
    );
    let mut gains = Gain::ALL;
    gains.sort_by_key(|gain| gain.factor());
    for (channel, key) in chip.channels.iter_mut().zip(["gain_ch1", "gain_ch2"]) {
        *channel = ChannelSettings::On {
            gain: section.one_of(key, channel.gain(), &gains, integer, Gain::factor),
            input: InputMux::NormalElectrode,
        };
    }
    chip.reference = section.one_of(
        "reference_volts",
        chip.reference,
        &[Reference::Internal2V42, Reference::Internal4V033],
        number,
        |reference| f64::from(reference.microvolts()) / 1e6,
    );
    let channel_names = section.read(
        "channel_names",
        ["I".to_owned(), "II".to_owned()],
        &format!("two different names of 1 to {MAX_CHANNEL_NAME} printable ASCII characters"),
        channel_names,
    );
    if !section.boolean("right_leg_drive", true) {
        chip.right_leg = RightLegDrive::default();
    }
    chip.lead_off_comparators = section.boolean("lead_off_detection", true);
    if !chip.lead_off_comparators {
        chip.lead_off_sense = LeadOffSense::default();
    }
    chip.lead_off = Loff {
        mode: section.choice("lead_off_mode", chip.lead_off.mode),
        current: section.one_of(
            "lead_off_current_na",
            chip.lead_off.current,
            &LeadOffCurrent::ALL,
            integer,
            LeadOffCurrent::nanoamperes,
        ),
        threshold: section.one_of(
            "lead_off_threshold_percent",
            chip.lead_off.threshold,
            &LeadOffThreshold::ALL,
            number,
            |threshold| threshold.percent().into(),
        ),
    };
    AcquisitionConfig {
        chip,
        channel_names,
        register_check: match section.integer("register_check_seconds", 60, 0..=DAY_S) {
            0 => None,
            seconds => Some(Duration::from_secs(seconds)),
        },
    }
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

fn signal(section: &mut Section<'_>) -> SignalConfig {
    let filters = [Mains::Hz50, Mains::Hz60, Mains::None];
    SignalConfig {
        mains: section.one_of("mains_hz", Mains::Hz50, &filters, integer, Mains::hz),
        channel: section.read(
            "channel",
            ChannelChoice::Auto,
            "\"auto\", 1 or 2",
            |value| match word_or(value, "auto", integer)? {
                None => Some(ChannelChoice::Auto),
                Some(number @ 1..=2) => Some(ChannelChoice::Fixed(number - 1)),
                Some(_) => None,
            },
        ),
    }
}

/// Errors do not quote it: they go to the log, where no patient is to be named.
fn patient_label(section: &mut Section<'_>) -> Option<String> {
    let key = "label";
    let line = section.line(key).unwrap_or(1);
    let expected = format!("{PATIENT_LABEL_EXPECTED}, or \"\" for none");
    let label = section.read(key, String::new(), &expected, |value| {
        text(value).map(str::to_owned)
    });
    if label.is_empty() {
        return None;
    }
    if is_patient_label(&label) {
        return Some(label);
    }
    let found = format!("another text of {} characters", label.chars().count());
    section.refuse(key, line, found, &expected);
    None
}

fn model(section: &mut Section<'_>) -> ModelConfig {
    ModelConfig {
        name: section.read(
            "name",
            DEFAULT_MODEL.to_owned(),
            "\"v1\", \"v2\", \"v1-context\", \"v2-context\", one of them with -int8 behind it, or \
             the path of a weights file ending in .safetensors",
            |value| {
                text(value)
                    .filter(|name| {
                        let base = name.strip_suffix(INT8_SUFFIX).unwrap_or(name);
                        MODELS.contains(&base) || name.ends_with(".safetensors")
                    })
                    .map(str::to_owned)
            },
        ),
        engine: section.choice("engine", EngineChoice::Auto),
        rejection: Rejection {
            confidence: section.read(
                "unclassifiable_below",
                None,
                "\"model\" or a number 0 to 1",
                |value| word_or(value, "model", probability),
            ),
            novelty: section.boolean("novelty", true),
        },
    }
}

fn store(section: &mut Section<'_>) -> StoreConfig {
    let path = section.path("path", "/var/lib/ecg-gateway/ecg.db", MAX_PATH_BYTES);
    let synchronous = section.choice("synchronous", Synchronous::Full);
    let commit_after = Duration::from_millis(section.integer("batch_ms", 1000, 10..=60_000));
    let ecg_kept = section.boolean("keep_ecg", true);
    let ecg_block_seconds = section.integer("ecg_block_seconds", 10, 1..=60);
    let outage = Outage::Bridge {
        longest: Duration::from_secs(section.integer("outage_minutes", 60, 1..=10_080) * 60),
        most_bytes: section.integer("outage_mib", 32, 1..=1024) << 20,
    };
    let mut days = |key| {
        let days = section.integer(key, 0, 0..=MAX_DAYS);
        (days > 0).then(|| Duration::from_secs(days * DAY_S))
    };
    let (rows, ecg) = (days("keep_days"), days("keep_ecg_days"));
    let most_mib = section.integer("max_mib", 0, 0..=MAX_MIB);
    let min_free = MinFree {
        percent: section.integer("min_free_percent", 10, 0..=50),
        bytes: section.integer("min_free_mib", 1024, 0..=MAX_MIB) << 20,
    };
    StoreConfig {
        path,
        options: StoreOptions {
            synchronous,
            commit_after,
            outage,
            ecg_kept,
            retention: Retention {
                rows,
                ecg,
                most_bytes: (most_mib > 0).then_some(most_mib << 20),
                min_free: (min_free.percent > 0 || min_free.bytes > 0).then_some(min_free),
            },
            checkup: Some(CHECKUP),
            ..StoreOptions::default()
        },
        ecg_block_seconds,
    }
}

fn api(section: &mut Section<'_>) -> ApiOptions {
    let path = section.path(
        "socket_path",
        "/run/ecg-gateway/api.sock",
        MAX_SOCKET_PATH_BYTES,
    );
    let unmapped = OverflowIds::from_kernel();
    ApiOptions {
        mode: section.read(
            "mode",
            0o660,
            "an octal string \"0600\" to \"0777\" that lets the owner read and write",
            |value| text(value).and_then(socket_mode),
        ),
        max_connections: section.integer("max_connections", 64, 1..=1024),
        answer_bytes: section.integer("answers_mib", 32, 4..=1024) << 20,
        access: Access {
            read: Named {
                uids: ids(section, "read_uids", ("user", unmapped.uid)),
                gids: ids(section, "read_gids", ("group", unmapped.gid)),
            },
            control: Named {
                uids: ids(section, "control_uids", ("user", unmapped.uid)),
                gids: ids(section, "control_gids", ("group", unmapped.gid)),
            },
            unmapped,
        },
        ..ApiOptions::at(path)
    }
}

fn web(section: &mut Section<'_>) -> WebConfig {
    let proxy = proxy(section);
    WebConfig {
        proxy,
        listen: section.read(
            "listen",
            None,
            "a loopback address with a port, such as \"127.0.0.1:8292\", or \"\" for none",
            |value| match text(value)? {
                "" => Some(None),
                address => {
                    let address: SocketAddr = address.parse().ok()?;
                    (address.ip().is_loopback() && address.port() > 0).then_some(Some(address))
                }
            },
        ),
        socket: path_or(section, "socket", MAX_SOCKET_PATH_BYTES, "none"),
        hosts: section.read(
            "hosts",
            Vec::new(),
            &format!("an array of at most {MAX_HOSTS} strings, each {HOST_EXPECTED}"),
            |value| match value {
                DeValue::Array(values) if values.len() <= MAX_HOSTS => values
                    .iter()
                    .map(|value| Site::parse(text(value.get_ref())?))
                    .collect(),
                _ => None,
            },
        ),
        tokens: path_or(
            section,
            "tokens",
            MAX_PATH_BYTES,
            "the folder web-tokens beside the database",
        ),
    }
}

/// What is believed of a proxy: nothing where no header is named.
fn proxy(section: &mut Section<'_>) -> Option<ProxyUsers> {
    let line = section.line("proxy_user_header").unwrap_or(1);
    let header = section.read(
        "proxy_user_header",
        None,
        HEADER_EXPECTED,
        |value| match text(value)? {
            "" => Some(None),
            name => proxy_header(name).map(Some),
        },
    );
    let unmapped = OverflowIds::from_kernel();
    let uids = ids(section, "proxy_uids", ("user", unmapped.uid));
    let control = section.read(
        "proxy_control_users",
        Vec::new(),
        &format!(
            "an array of at most {MAX_IDS} strings of 1 to 64 letters, digits and signs of ASCII, without spaces and braces"
        ),
        |value| match value {
            DeValue::Array(values) if values.len() <= MAX_IDS => values
                .iter()
                .map(|value| TokenName::of_user(text(value.get_ref())?))
                .collect(),
            _ => None,
        },
    );
    let read = section.boolean("proxy_read", false);
    let header = header?;
    if uids.is_empty() {
        let expected = "web.proxy_uids beside it: the user the proxy runs as, because anybody on this machine may \
                        connect to the socket and write a header";
        section.refuse("proxy_user_header", line, format!("{header:?}"), expected);
    }
    Some(ProxyUsers {
        header,
        uids,
        control,
        read,
    })
}

/// The name of a header that means nothing else.
fn proxy_header(name: &str) -> Option<HeaderName> {
    let lower = name.to_ascii_lowercase();
    (name.len() <= MAX_HEADER && (lower.starts_with("x-") || lower.starts_with("remote-")))
        .then(|| HeaderName::try_from(lower).ok())
        .flatten()
}

/// Whether the system knows a time zone of this name. Where there is no list of zones, any that could be one is taken.
pub(super) fn is_timezone(zones: &Path, name: &str) -> bool {
    let part = |part: &str| {
        part.starts_with(|first: char| first.is_ascii_alphabetic())
            && part
                .bytes()
                .all(|byte| byte.is_ascii_alphanumeric() || matches!(byte, b'_' | b'-' | b'+'))
    };
    if name.len() > MAX_TIMEZONE || !name.split('/').all(part) {
        return false;
    }
    if !zones.is_dir() {
        return true;
    }
    let mut begin = [0; 4];
    let read = File::open(zones.join(name)).and_then(|mut file| file.read_exact(&mut begin));
    read.is_ok() && begin == *b"TZif"
}

/// A path of 1 to so many bytes without a NUL, or nothing, which stands for `otherwise`.
fn path_or(
    section: &mut Section<'_>,
    key: &'static str,
    max_bytes: usize,
    otherwise: &str,
) -> Option<PathBuf> {
    let expected = format!("a path of 1 to {max_bytes} bytes, or \"\" for {otherwise}");
    section.read(key, None, &expected, |value| match text(value)? {
        "" => Some(None),
        path => (path.len() <= max_bytes && !path.contains('\0')).then(|| Some(path.into())),
    })
}

/// User or group ids, none of them the one that stands for all of them that are not mapped.
fn ids(section: &mut Section<'_>, key: &'static str, (what, unmapped): (&str, u32)) -> Vec<u32> {
    let line = section.line(key).unwrap_or(1);
    let expected = format!("an array of at most {MAX_IDS} integers 0 to {MAX_ID}");
    let ids: Vec<u32> = section.read(key, Vec::new(), &expected, |value| match value {
        DeValue::Array(values) if values.len() <= MAX_IDS => values
            .iter()
            .map(|value| integer(value.get_ref()).filter(|id| *id <= MAX_ID))
            .collect(),
        _ => None,
    });
    if ids.contains(&unmapped) {
        let expected = format!(
            "ids of single {what}s: {unmapped} is the kernel's overflow id, which stands for every \
             {what} that is not mapped where the gateway runs, so it would let anybody in"
        );
        section.refuse(key, line, unmapped.to_string(), &expected);
    }
    ids
}

/// Three octal digits, or four of which the first is 0.
fn socket_mode(text: &str) -> Option<u32> {
    let digits = match text.len() {
        4 => text.strip_prefix('0')?,
        3 => text,
        _ => return None,
    };
    if !digits.bytes().all(|byte| (b'0'..=b'7').contains(&byte)) {
        return None;
    }
    let mode = u32::from_str_radix(digits, 8).ok()?;
    (mode & 0o600 == 0o600).then_some(mode)
}
