//! Values that are one of a few, and their spelling in the configuration.

use std::fmt;

use serde::{Serialize, Serializer};

/// A value spelt as one of a few names.
pub(super) trait Choice: Copy + 'static {
    /// All values.
    const ALL: &'static [Self];

    /// How the value is spelt.
    fn name(self) -> &'static str;
}

macro_rules! choices {
    ($(#[$meta:meta])* $type:ident { $($(#[$variant_meta:meta])* $variant:ident = $name:literal,)+ }) => {
        $(#[$meta])*
        #[derive(Debug, Clone, Copy, PartialEq, Eq)]
        pub enum $type {
            $($(#[$variant_meta])* $variant,)+
        }

        impl Choice for $type {
            const ALL: &'static [Self] = &[$(Self::$variant,)+];

            fn name(self) -> &'static str {
                match self {
                    $(Self::$variant => $name,)+
                }
            }
        }

        impl fmt::Display for $type {
            fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
                formatter.write_str(self.name())
            }
        }

        impl Serialize for $type {
            fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
                serializer.serialize_str(self.name())
            }
        }
    };
}

choices! {
    /// The kernel's GPIO interface.
    GpioAbi {
        /// v2 where the kernel has it, else v1.
        Auto = "auto",
        /// v1: edges without numbers.
        V1 = "v1",
        /// v2: numbered edges.
        V2 = "v2",
    }
}

choices! {
    /// The part that must answer.
    ChipExpected {
        /// Either part.
        Any = "any",
        /// ADS1292 only.
        Ads1292 = "ads1292",
        /// ADS1292R only.
        Ads1292r = "ads1292r",
    }
}

choices! {
    /// Kind of lead-off current.
    LeadOffMode {
        /// Direct current.
        Dc = "dc",
        /// Alternating current at a quarter of the sample rate.
        Ac = "ac",
    }
}

choices! {
    /// What runs the network.
    EngineChoice {
        /// Whatever is faster.
        Auto = "auto",
        /// The processor.
        Cpu = "cpu",
        /// The GPU.
        Gpu = "gpu",
    }
}

choices! {
    /// Which beats get a map as they come.
    ExplainBeats {
        /// None; any stored beat later, when somebody asks.
        OnRequest = "on-request",
        /// Every beat.
        All = "all",
        /// Those not called N, and unclassifiable ones.
        Abnormal = "abnormal",
        /// Those of a class that is not probable enough, and unclassifiable ones.
        LowConfidence = "low-confidence",
    }
}

choices! {
    /// How beats are explained.
    ExplainMethod {
        /// Grad-CAM over the last feature maps.
        GradCam = "gradcam",
        /// Grad-CAM over an earlier, finer layer.
        GradCamFine = "gradcam-fine",
        /// SHAP values.
        Shap = "shap",
    }
}

choices! {
    /// SQLite's `synchronous` in WAL mode.
    Synchronous {
        /// A power cut may lose the last transactions, never the database.
        Normal = "normal",
        /// Every transaction is on the medium before the next begins.
        Full = "full",
    }
}

choices! {
    /// Least severity that is logged.
    LogLevel {
        /// Failures.
        Error = "error",
        /// And what may become one.
        Warn = "warn",
        /// And what the service does.
        Info = "info",
        /// And details for finding a fault.
        Debug = "debug",
        /// And everything else.
        Trace = "trace",
    }
}

/// Channel the beats are found in and cut from.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ChannelChoice {
    /// The better of the two at any time.
    Auto,
    /// Channel 1 or 2.
    Fixed(u8),
}

impl Serialize for ChannelChoice {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        match self {
            Self::Auto => serializer.serialize_str("auto"),
            Self::Fixed(channel) => serializer.serialize_u8(*channel),
        }
    }
}

/// Below which probability of its class a beat is unclassifiable.
#[derive(Debug, Clone, Copy, PartialEq)]
pub enum ConfidenceLimit {
    /// The limit in the model's file, or none.
    OfModel,
    /// This one, 0 to 1; 0 is none.
    Below(f64),
}

impl Serialize for ConfidenceLimit {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        match self {
            Self::OfModel => serializer.serialize_str("model"),
            Self::Below(probability) => serializer.serialize_f64(*probability),
        }
    }
}

/// A GPIO line, or none where the pin is tied in hardware.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct GpioLine(pub Option<u32>);

impl Serialize for GpioLine {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        match self.0 {
            None => serializer.serialize_str("none"),
            Some(line) => serializer.serialize_u32(line),
        }
    }
}

/// Permission bits of the socket, spelt in octal, e.g. `"0660"`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct SocketMode(pub u32);

impl fmt::Display for SocketMode {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(formatter, "{:04o}", self.0)
    }
}

impl Serialize for SocketMode {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(self)
    }
}
