//! The configuration as plain values, with the defaults.

use std::net::SocketAddr;
use std::path::PathBuf;

use arrhythmianet::DEFAULT_MODEL;
use serde::{Serialize, Serializer};

use super::choices::{
    ChannelChoice, ChipExpected, ConfidenceLimit, EngineChoice, ExplainBeats, ExplainMethod,
    GpioAbi, GpioLine, LeadOffMode, LogLevel, SocketMode, Synchronous,
};
use crate::api::Site;

/// Behind the name of a built-in model: its int8 variant.
pub(super) const INT8_SUFFIX: &str = "-int8";
/// Bits of a frame, all of which must be read in 4/5 of a sample's time.
pub(super) const FRAME_BITS: u32 = 72;

/// The whole configuration. Serialises to the TOML it is read from.
#[derive(Debug, Clone, PartialEq, Default, Serialize)]
pub struct Config {
    /// How the chip is wired.
    pub device: DeviceConfig,
    /// What the acquisition thread asks of the kernel.
    pub realtime: RealtimeConfig,
    /// What the chip is set to.
    pub acquisition: AcquisitionConfig,
    /// Treatment of the signal.
    pub signal: SignalConfig,
    /// The network that labels the beats.
    pub model: ModelConfig,
    /// Why beats are called what they are.
    pub explain: ExplainConfig,
    /// The database.
    pub store: StoreConfig,
    /// The socket.
    pub api: ApiConfig,
    /// Browsers.
    pub web: WebConfig,
    /// The log.
    pub log: LogConfig,
}

/// `[device]`: how the chip is wired.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct DeviceConfig {
    /// SPI device node.
    pub spi_path: PathBuf,
    /// SPI clock, 100 kHz to 20 MHz (SBAS502, serial interface timing: tSCLK at least 50 ns).
    pub spi_speed_hz: u32,
    /// GPIO character device of the lines below.
    pub gpio_chip: PathBuf,
    /// Line of DRDY.
    pub drdy_line: u32,
    /// Line of START.
    pub start_line: GpioLine,
    /// Line of PWDN/RESET.
    pub reset_line: GpioLine,
    /// The kernel's GPIO interface.
    pub gpio_abi: GpioAbi,
    /// The part that must answer.
    pub chip: ChipExpected,
}

/// `[realtime]`: what the acquisition thread asks of the kernel.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct RealtimeConfig {
    /// `SCHED_FIFO` priority, 0 to 99; 0 for an ordinary thread.
    pub priority: u8,
    /// Whether memory is kept from being paged out.
    pub lock_memory: bool,
}

/// `[acquisition]`: what the chip is set to.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct AcquisitionConfig {
    /// Conversions per second, a rate of the chip.
    pub sample_rate_hz: u32,
    /// Gain of channel 1.
    pub gain_ch1: u8,
    /// Gain of channel 2.
    pub gain_ch2: u8,
    /// Internal reference, 2.42 V or 4.033 V.
    pub reference_volts: f64,
    /// Names of the two channels, e.g. the leads.
    pub channel_names: [String; 2],
    /// Whether the right-leg drive is on.
    pub right_leg_drive: bool,
    /// Whether electrodes are watched.
    pub lead_off_detection: bool,
    /// Direct or alternating lead-off current.
    pub lead_off_mode: LeadOffMode,
    /// Lead-off current, nanoamperes.
    pub lead_off_current_na: u32,
    /// Comparator threshold of the positive side, percent of the supply.
    pub lead_off_threshold_percent: f64,
    /// Seconds between two looks at the chip's registers; 0 for none.
    pub register_check_seconds: u32,
}

/// `[signal]`: treatment of the signal.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct SignalConfig {
    /// Mains frequency to remove, 50 or 60; 0 for none.
    pub mains_hz: u32,
    /// Channel the beats are found in and cut from.
    pub channel: ChannelChoice,
}

/// `[model]`: the network that labels the beats.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct ModelConfig {
    /// Name of a built-in model, or the path of a weights file.
    pub name: String,
    /// What runs it.
    pub engine: EngineChoice,
    /// Below which probability of its class a beat is unclassifiable.
    pub unclassifiable_below: ConfidenceLimit,
    /// Whether beats unlike every class are unclassifiable, where the model can tell.
    pub novelty: bool,
}

/// `[explain]`: why beats are called what they are.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct ExplainConfig {
    /// Which beats get a map as they come.
    pub beats: ExplainBeats,
    /// How.
    pub method: ExplainMethod,
    /// Below which probability of its class a beat is of low confidence, 0 to 1.
    pub low_confidence_below: f64,
}

/// `[store]`: the database.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct StoreConfig {
    /// SQLite file.
    pub path: PathBuf,
    /// SQLite's `synchronous`.
    pub synchronous: Synchronous,
    /// Longest time a beat waits for its transaction, milliseconds.
    pub batch_ms: u32,
    /// Whether the raw ECG is kept.
    pub keep_ecg: bool,
    /// Length of a block of raw ECG, seconds.
    pub ecg_block_seconds: u32,
    /// Longest time rows are kept in memory while the store cannot be written, minutes.
    pub outage_minutes: u32,
    /// Most memory they take, MiB.
    pub outage_mib: u32,
    /// Age at which beats, gaps and events are deleted, days; 0 keeps them.
    pub keep_days: u32,
    /// Age at which raw ECG is deleted, days; 0 keeps it.
    pub keep_ecg_days: u32,
    /// Largest database, MiB; 0 sets no limit.
    pub max_mib: u32,
    /// Share of the medium that stays free, percent; 0 asks for none.
    pub min_free_percent: u32,
    /// What stays free on the medium at least, MiB; 0 asks for nothing.
    pub min_free_mib: u32,
}

/// `[api]`: the socket.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct ApiConfig {
    /// Unix socket.
    pub socket_path: PathBuf,
    /// Permissions of the socket.
    pub mode: SocketMode,
    /// Most connections at a time.
    pub max_connections: u32,
    /// Most memory that answers take, MiB.
    pub answers_mib: u32,
    /// Users who may read; with no user and no group named, everybody who can connect.
    pub read_uids: Vec<u32>,
    /// Groups whose members may read.
    pub read_gids: Vec<u32>,
    /// Users who may control; root and the gateway's own user always may.
    pub control_uids: Vec<u32>,
    /// Groups whose members may control.
    pub control_gids: Vec<u32>,
}

/// `[web]`: browsers.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize)]
pub struct WebConfig {
    /// Loopback address and port to listen on.
    #[serde(serialize_with = "or_empty")]
    pub listen: Option<SocketAddr>,
    /// Unix socket for whatever passes bytes on from a port.
    #[serde(serialize_with = "or_empty_path")]
    pub socket: Option<PathBuf>,
    /// Addresses that browsers may use; with none given, those of the port on this machine.
    #[serde(serialize_with = "origins")]
    pub hosts: Vec<Site>,
    /// Folder of the tokens; `None` for the one beside the database.
    #[serde(serialize_with = "or_empty_path")]
    pub tokens: Option<PathBuf>,
}

fn or_empty<S: Serializer>(value: &Option<SocketAddr>, serializer: S) -> Result<S::Ok, S::Error> {
    serializer.serialize_str(&value.map_or_else(String::new, |value| value.to_string()))
}

fn or_empty_path<S: Serializer>(value: &Option<PathBuf>, serializer: S) -> Result<S::Ok, S::Error> {
    value.clone().unwrap_or_default().serialize(serializer)
}

fn origins<S: Serializer>(sites: &[Site], serializer: S) -> Result<S::Ok, S::Error> {
    serializer.collect_seq(sites.iter().map(Site::origin))
}

/// `[log]`: the log.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct LogConfig {
    /// Least severity that is logged.
    pub level: LogLevel,
}

impl Default for DeviceConfig {
    fn default() -> Self {
        Self {
            spi_path: "/dev/spidev0.0".into(),
            spi_speed_hz: 1_000_000,
            gpio_chip: "/dev/gpiochip0".into(),
            drdy_line: 25,
            start_line: GpioLine(Some(24)),
            reset_line: GpioLine(Some(23)),
            gpio_abi: GpioAbi::Auto,
            chip: ChipExpected::Any,
        }
    }
}

impl Default for RealtimeConfig {
    fn default() -> Self {
        Self {
            priority: 50,
            lock_memory: true,
        }
    }
}

impl Default for AcquisitionConfig {
    fn default() -> Self {
        Self {
            sample_rate_hz: 500,
            gain_ch1: 6,
            gain_ch2: 6,
            reference_volts: 2.42,
            channel_names: ["I".to_owned(), "II".to_owned()],
            right_leg_drive: true,
            lead_off_detection: true,
            lead_off_mode: LeadOffMode::Dc,
            lead_off_current_na: 6,
            lead_off_threshold_percent: 95.0,
            register_check_seconds: 60,
        }
    }
}

impl Default for SignalConfig {
    fn default() -> Self {
        Self {
            mains_hz: 50,
            channel: ChannelChoice::Auto,
        }
    }
}

impl Default for ModelConfig {
    fn default() -> Self {
        Self {
            name: DEFAULT_MODEL.to_owned(),
            engine: EngineChoice::Auto,
            unclassifiable_below: ConfidenceLimit::OfModel,
            novelty: true,
        }
    }
}

impl Default for ExplainConfig {
    fn default() -> Self {
        Self {
            beats: ExplainBeats::OnRequest,
            method: ExplainMethod::GradCam,
            low_confidence_below: 0.8,
        }
    }
}

impl Default for StoreConfig {
    fn default() -> Self {
        Self {
            path: "/var/lib/ecg-gateway/ecg.db".into(),
            synchronous: Synchronous::Full,
            batch_ms: 1000,
            keep_ecg: true,
            ecg_block_seconds: 10,
            outage_minutes: 60,
            outage_mib: 32,
            keep_days: 0,
            keep_ecg_days: 0,
            max_mib: 0,
            min_free_percent: 10,
            min_free_mib: 1_024,
        }
    }
}

impl Default for ApiConfig {
    fn default() -> Self {
        Self {
            socket_path: "/run/ecg-gateway/api.sock".into(),
            mode: SocketMode(0o660),
            max_connections: 64,
            answers_mib: 32,
            read_uids: Vec::new(),
            read_gids: Vec::new(),
            control_uids: Vec::new(),
            control_gids: Vec::new(),
        }
    }
}

impl Default for LogConfig {
    fn default() -> Self {
        Self {
            level: LogLevel::Info,
        }
    }
}
