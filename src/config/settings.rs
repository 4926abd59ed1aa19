//! The configuration as the options of what it sets up. Each key with its default is in `read.rs`.

use std::net::SocketAddr;
use std::path::PathBuf;
use std::time::Duration;

use ads1292::{ChipConfig, ChipModel};
use arrhythmianet::Rejection;
use arrhythmianet::choose::EngineChoice;
use arrhythmianet::explain::ExplainPolicy;
use ecg_chain::Details;
use ecg_signal::{ChannelChoice, Mains};
use tracing::Level;

use crate::acquisition::{LiveOptions, Realtime};
use crate::api::{ApiOptions, ProxyUsers, Site};
use crate::service::{GatewayOptions, SessionOptions};
use crate::store::StoreOptions;

/// The whole configuration.
#[derive(Debug, Clone)]
pub struct Config {
    /// How the chip is wired.
    pub device: DeviceConfig,
    /// What the acquisition thread asks of the kernel.
    pub realtime: Realtime,
    /// What the chip is set to.
    pub acquisition: AcquisitionConfig,
    /// Treatment of the signal.
    pub signal: SignalConfig,
    /// What the first patient is called; `None` where nobody is named.
    pub patient_label: Option<String>,
    /// The network that labels the beats.
    pub model: ModelConfig,
    /// Why beats are called what they are.
    pub explain: ExplainPolicy,
    /// The database.
    pub store: StoreConfig,
    /// The socket.
    pub api: ApiOptions,
    /// Browsers.
    pub web: WebConfig,
    /// `[site]`: where the gateway stands, an IANA name such as `Europe/Berlin`.
    pub timezone: Option<String>,
    /// Least severity that is logged.
    pub log_level: Level,
}

/// `[device]`: how the chip is wired.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct DeviceConfig {
    /// The nodes and lines.
    pub wiring: LiveOptions,
    /// The part that must answer; `None` takes either.
    pub chip: Option<ChipModel>,
}

/// `[acquisition]`: what the chip is set to.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct AcquisitionConfig {
    /// The set-up.
    pub chip: ChipConfig,
    /// Names of the two channels, e.g. the leads.
    pub channel_names: [String; 2],
    /// Time between two looks at the chip's registers; `None` for no looks.
    pub register_check: Option<Duration>,
}

/// `[signal]`: treatment of the signal.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SignalConfig {
    /// Mains frequency to remove.
    pub mains: Mains,
    /// Channel the beats are found in and cut from.
    pub channel: ChannelChoice,
}

/// `[model]`: the network that labels the beats.
#[derive(Debug, Clone, PartialEq)]
pub struct ModelConfig {
    /// Name of a built-in model, or the path of a weights file.
    pub name: String,
    /// What runs it.
    pub engine: EngineChoice,
    /// When a beat is unclassifiable.
    pub rejection: Rejection,
}

/// `[store]`: the database.
#[derive(Debug, Clone)]
pub struct StoreConfig {
    /// SQLite file.
    pub path: PathBuf,
    /// How it is written.
    pub options: StoreOptions,
    /// Length of a block of raw ECG, seconds, 1 to 60.
    pub ecg_block_seconds: u32,
}

/// `[web]`: browsers.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct WebConfig {
    /// Loopback address and port to listen on.
    pub listen: Option<SocketAddr>,
    /// Unix socket for whatever passes bytes on from a port.
    pub socket: Option<PathBuf>,
    /// Addresses that browsers may use; with none given, those of the port on this machine.
    pub hosts: Vec<Site>,
    /// Folder of the tokens; `None` for the one beside the database.
    pub tokens: Option<PathBuf>,
    /// What is believed of a proxy at the socket.
    pub proxy: Option<ProxyUsers>,
}

impl Config {
    /// How the signal is treated and labelled: the same for the chip and for a trace of it.
    #[must_use]
    pub fn session(&self) -> SessionOptions {
        let store = &self.store;
        SessionOptions {
            mains: self.signal.mains,
            channel: self.signal.channel,
            ecg_block_seconds: store
                .options
                .ecg_kept
                .then_some(f64::from(store.ecg_block_seconds)),
            rejection: self.model.rejection,
            details: Details::explaining(self.explain),
        }
    }

    /// The daemon's store and socket.
    #[must_use]
    pub fn gateway(&self) -> GatewayOptions {
        GatewayOptions {
            database: self.store.path.clone(),
            store: self.store.options.clone(),
            socket: Some(self.api.clone()),
        }
    }
}
