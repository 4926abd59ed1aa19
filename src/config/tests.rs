use std::collections::BTreeSet;

use std::time::Duration;

use ads1292::{
    ChannelSettings, ChipConfig, ChipModel, DataRate, Gain, InputMux, LeadOffCurrent, LeadOffMode,
    LeadOffSense, LeadOffThreshold, Loff, Reference, RightLegDrive,
};
use arrhythmianet::Rejection;
use arrhythmianet::choose::EngineChoice;
use arrhythmianet::explain::{ExplainPolicy, ExplainWhich, Method};
use clap::ValueEnum;
use ecg_signal::{ChannelChoice, Mains};
use proptest::prelude::*;
use tracing::Level;

use super::*;
use crate::acquisition::{GpioAbi, LiveOptions, Realtime};
use crate::api::{Access, ApiOptions, Named, ProxyUsers, Site, TokenName};
use crate::mapped::OverflowIds;
use crate::store::{MinFree, Outage, Retention, StoreOptions, Synchronous};

const EXAMPLE: &str = include_str!("../../ecg-gateway.example.toml");

fn error(text: &str) -> String {
    Config::from_str("c.toml", text).map_or_else(|error| error.to_string(), |_| "accepted".into())
}

/// All values: where the store asks for room compares by identity.
fn shown(config: &Config) -> String {
    format!("{config:#?}")
}

fn keys(text: &str) -> BTreeSet<String> {
    let table: toml::Table = text.parse().unwrap();
    table
        .iter()
        .flat_map(|(section, keys)| {
            keys.as_table()
                .unwrap()
                .keys()
                .map(move |key| format!("{section}.{key}"))
        })
        .collect()
}

#[test]
fn the_example_is_the_default_and_lists_every_key() {
    let example = Config::from_str("example", EXAMPLE).unwrap();
    assert_eq!(shown(&example), shown(&Config::default()));
    let empty = Config::from_str("empty", "").unwrap();
    assert_eq!(shown(&empty), shown(&example));
    // What may stand in a section is told where something else does.
    let sections = EXAMPLE.lines().filter(|line| line.starts_with('['));
    let known = sections.flat_map(|section| {
        let unknown = error(&format!("{section}\nother = 1"));
        let (_, known) = unknown.split_once("unknown key, expected one of ").unwrap();
        let section = section.trim_matches(['[', ']']);
        let names = known.split(", ").map(|key| format!("{section}.{key}"));
        names.collect::<Vec<_>>()
    });
    assert_eq!(keys(EXAMPLE), known.collect());
}

/// Replaces every value of the example by one that no key takes: the error must name the line and
/// the key, and the comment above the key must hold what the error says is allowed.
#[test]
fn the_comment_above_every_key_says_what_is_allowed() {
    let lines: Vec<&str> = EXAMPLE.lines().collect();
    let mut section = "";
    let mut failures = Vec::new();
    let mut seen = 0;
    for (index, line) in lines.iter().enumerate() {
        if let Some(name) = line
            .strip_prefix('[')
            .and_then(|rest| rest.strip_suffix(']'))
        {
            section = name;
        }
        let Some((key, _)) = line.split_once(" = ").filter(|_| !line.starts_with('#')) else {
            continue;
        };
        seen += 1;
        let changed = format!("{key} = 1979-05-27");
        let mut text = lines.clone();
        text[index] = &changed;
        let found = error(&text.join("\n"));
        let prefix = format!(
            "c.toml:{}: {section}.{key}: found 1979-05-27, expected ",
            index + 1
        );
        let Some(expected) = found.strip_prefix(&prefix) else {
            failures.push(format!("{key}: {found}"));
            continue;
        };
        let comment: Vec<&str> = lines[..index]
            .iter()
            .rev()
            .map_while(|line| line.strip_prefix('#'))
            .map(str::trim)
            .collect();
        let comment: Vec<&str> = comment.into_iter().rev().collect();
        if !comment.join(" ").contains(&format!("Allowed: {expected}.")) {
            failures.push(format!("{key}: comment lacks: Allowed: {expected}."));
        }
    }
    assert_eq!(seen, keys(EXAMPLE).len());
    assert!(failures.is_empty(), "{}", failures.join("\n"));
}

#[test]
fn impossible_files_are_refused_with_line_and_range() {
    let rows = [
        (
            "[acquisition]\nsample_rate_hz = 300",
            "c.toml:2: acquisition.sample_rate_hz: found 300, expected one of 125, 250, 500, 1000, 2000, 4000, 8000",
        ),
        (
            "[acquisition]\n\n\nsample_rate = 500",
            "c.toml:4: acquisition.sample_rate: unknown key, expected one of sample_rate_hz, gain_ch1, gain_ch2, reference_volts, channel_names, right_leg_drive, lead_off_detection, lead_off_mode, lead_off_current_na, lead_off_threshold_percent, register_check_seconds",
        ),
        (
            "[log]\nlevel = \"info\"\n[aquisition]\ngain_ch1 = 6",
            "c.toml:3: aquisition: unknown key, expected one of device, realtime, acquisition, signal, session, model, explain, store, api, web, site, log",
        ),
        (
            "[web]\nlisten = \"0.0.0.0:8292\"",
            "c.toml:2: web.listen: found \"0.0.0.0:8292\", expected a loopback address with a port, such as \"127.0.0.1:8292\", or \"\" for none",
        ),
        (
            "[web]\nlisten = \"127.0.0.1:0\"",
            "c.toml:2: web.listen: found \"127.0.0.1:0\", expected a loopback address with a port, such as \"127.0.0.1:8292\", or \"\" for none",
        ),
        (
            "[web]\nhosts = [\"localhost:80\", \"ecg.example.org\"]",
            "c.toml:2: web.hosts: found [\"localhost:80\", \"ecg.example.org\"], expected an array of at most 16 strings, each a loopback address or localhost with a port, such as \"localhost:8292\", or \"https://\" and a host that a proxy serves with TLS",
        ),
        (
            "[web]\nsocket = \"/run/ecg-gateway/api.sock\"",
            "c.toml:2: web.socket: found \"/run/ecg-gateway/api.sock\", expected another file than api.socket_path (its default)",
        ),
        (
            "[web]\nproxy_user_header = \"x-remote-user\"\nsocket = \"web.sock\"",
            "c.toml:2: web.proxy_user_header: found \"x-remote-user\", expected web.proxy_uids beside it: the user the proxy runs as, because anybody on this machine may connect to the socket and write a header",
        ),
        (
            "[web]\nproxy_user_header = \"x-remote-user\"\nproxy_uids = [33]",
            "c.toml:2: web.proxy_user_header: found \"x-remote-user\", expected web.socket beside it: on a port anybody could write the header",
        ),
        (
            "[web]\nproxy_user_header = \"host\"",
            "c.toml:2: web.proxy_user_header: found \"host\", expected the name of a header that begins with x- or remote-, such as \"x-remote-user\", of at most 64 bytes, or \"\" for none",
        ),
        (
            "[web]\nproxy_control_users = [\"two words\"]",
            "c.toml:2: web.proxy_control_users: found [\"two words\"], expected an array of at most 64 strings of 1 to 64 letters, digits and signs of ASCII, without spaces and braces",
        ),
        (
            "[site]\ntimezone = \"../localtime\"",
            "c.toml:2: site.timezone: found \"../localtime\", expected the name of a time zone of this machine, such as \"Europe/Berlin\" (a file in /usr/share/zoneinfo), or \"\" for none",
        ),
        ("log = 3", "c.toml:1: log: found 3, expected a table [log]"),
        (
            "[[log]]\nlevel = \"info\"",
            "c.toml:1: log: found [a table], expected a table [log]",
        ),
        (
            "log.level = \"loud\"",
            "c.toml:1: log.level: found \"loud\", expected one of \"error\", \"warn\", \"info\", \"debug\", \"trace\"",
        ),
        (
            "[acquisition]\ngain_ch2 = 5",
            "c.toml:2: acquisition.gain_ch2: found 5, expected one of 1, 2, 3, 4, 6, 8, 12",
        ),
        (
            "[acquisition]\ngain_ch2 = -340282366920938463463374607431768211456",
            "c.toml:2: acquisition.gain_ch2: found -340282366920938463463374607431768211456, expected one of 1, 2, 3, 4, 6, 8, 12",
        ),
        (
            "[acquisition]\nreference_volts = nan",
            "c.toml:2: acquisition.reference_volts: found nan, expected one of 2.42, 4.033",
        ),
        (
            "[acquisition]\nchannel_names = [\"II\", \"II\"]",
            "c.toml:2: acquisition.channel_names: found [\"II\", \"II\"], expected two different names of 1 to 16 printable ASCII characters",
        ),
        (
            "[acquisition]\nchannel_names = [\"I\", 2, \"V1\"]",
            "c.toml:2: acquisition.channel_names: found [\"I\", 2, \"V1\"], expected two different names of 1 to 16 printable ASCII characters",
        ),
        (
            "[device]\nstart_line = -1",
            "c.toml:2: device.start_line: found -1, expected an integer 0 to 1023 or \"none\"",
        ),
        (
            "[device]\nspi_speed_hz = 100_000\n[acquisition]\nsample_rate_hz = 8000",
            "c.toml:2: device.spi_speed_hz: found 100000, expected at least 720000 for acquisition.sample_rate_hz = 8000 (72 bits in 4/5 of a sample's time)",
        ),
        (
            "[device]\nstart_line = 25",
            "c.toml:2: device.start_line: found 25, expected another line than device.drdy_line = 25 (its default): each pin has its own",
        ),
        (
            "[device]\ndrdy_line = 23",
            "c.toml:2: device.reset_line: found 23 (its default), expected another line than device.drdy_line = 23: each pin has its own",
        ),
        (
            "[device]\nreset_line = 7\nstart_line = 7",
            "c.toml:2: device.reset_line: found 7, expected another line than device.start_line = 7: each pin has its own",
        ),
        (
            "[device]\nspi_path = \"/dev/gpiochip0\"",
            "c.toml:2: device.gpio_chip: found \"/dev/gpiochip0\" (its default), expected another node than device.spi_path",
        ),
        (
            "[api]\nsocket_path = \"/a/ecg.db\"\n[store]\npath = \"/a/ecg.db\"",
            "c.toml:2: api.socket_path: found \"/a/ecg.db\", expected another file than the database's (store.path = \"/a/ecg.db\")",
        ),
        (
            "[api]\nsocket_path = \"/var/lib/ecg-gateway/ecg.db-wal\"",
            "c.toml:2: api.socket_path: found \"/var/lib/ecg-gateway/ecg.db-wal\", expected another file than the database's (store.path = \"/var/lib/ecg-gateway/ecg.db\" (its default), and -wal behind it)",
        ),
        (
            "[api]\nsocket_path = \"/var/lib/ecg-gateway/ecg.db.ids\"",
            "c.toml:2: api.socket_path: found \"/var/lib/ecg-gateway/ecg.db.ids\", expected another file than the database's (store.path = \"/var/lib/ecg-gateway/ecg.db\" (its default), and .ids behind it)",
        ),
        (
            "[model]\nname = \"v1-int8\"\nengine = \"gpu\"",
            "c.toml:3: model.engine: found \"gpu\", expected \"auto\" or \"cpu\" for model.name = \"v1-int8\": int8 variants run on the CPU only",
        ),
        (
            "[signal]\nchannel = 3",
            "c.toml:2: signal.channel: found 3, expected \"auto\", 1 or 2",
        ),
        (
            "[model]\nunclassifiable_below = 1.01",
            "c.toml:2: model.unclassifiable_below: found 1.01, expected \"model\" or a number 0 to 1",
        ),
        (
            "[model]\nunclassifiable_below = \"none\"",
            "c.toml:2: model.unclassifiable_below: found \"none\", expected \"model\" or a number 0 to 1",
        ),
        (
            "[model]\nname = \"v3\"",
            "c.toml:2: model.name: found \"v3\", expected \"v1\", \"v2\", \"v1-context\", \"v2-context\", one of them with -int8 behind it, or the path of a weights file ending in .safetensors",
        ),
        (
            "[model]\nengine = \"tpu\"",
            "c.toml:2: model.engine: found \"tpu\", expected one of \"auto\", \"cpu\", \"gpu\"",
        ),
        (
            "[api]\nmode = 660",
            "c.toml:2: api.mode: found 660, expected an octal string \"0600\" to \"0777\" that lets the owner read and write",
        ),
        (
            "[api]\nmode = \"0060\"",
            "c.toml:2: api.mode: found \"0060\", expected an octal string \"0600\" to \"0777\" that lets the owner read and write",
        ),
        (
            "[api]\nmode = \"0680\"",
            "c.toml:2: api.mode: found \"0680\", expected an octal string \"0600\" to \"0777\" that lets the owner read and write",
        ),
        (
            "[api]\nsocket_path = \"\"",
            "c.toml:2: api.socket_path: found \"\", expected a path of 1 to 107 bytes",
        ),
        (
            "[api]\nread_uids = [1000, 65534]",
            "c.toml:2: api.read_uids: found 65534, expected ids of single users: 65534 is the kernel's overflow id, which stands for every user that is not mapped where the gateway runs, so it would let anybody in",
        ),
        (
            "[api]\n\nread_gids = [65534]",
            "c.toml:3: api.read_gids: found 65534, expected ids of single groups: 65534 is the kernel's overflow id, which stands for every group that is not mapped where the gateway runs, so it would let anybody in",
        ),
        (
            "[api]\ncontrol_uids = [0xfffe]",
            "c.toml:2: api.control_uids: found 65534, expected ids of single users: 65534 is the kernel's overflow id, which stands for every user that is not mapped where the gateway runs, so it would let anybody in",
        ),
        (
            "[api]\ncontrol_gids = [0, 65534]",
            "c.toml:2: api.control_gids: found 65534, expected ids of single groups: 65534 is the kernel's overflow id, which stands for every group that is not mapped where the gateway runs, so it would let anybody in",
        ),
        (
            "[store]\nkeep_ecg = \"yes\"",
            "c.toml:2: store.keep_ecg: found \"yes\", expected true or false",
        ),
        (
            "[store]\nbatch_ms = 0",
            "c.toml:2: store.batch_ms: found 0, expected an integer 10 to 60000",
        ),
    ];
    let mut failures = Vec::new();
    for (text, expected) in rows {
        let found = error(text);
        if found != expected {
            failures.push(format!("found    {found}\nexpected {expected}"));
        }
    }
    assert!(failures.is_empty(), "{}", failures.join("\n"));
}

#[test]
fn keys_that_go_together_are_accepted() {
    for text in [
        "[device]\nstart_line = \"none\"\nreset_line = \"none\"",
        "[device]\ndrdy_line = 23\nreset_line = 25",
        "[model]\nname = \"v1-int8\"\nengine = \"auto\"",
        "[api]\nsocket_path = \"/var/lib/ecg-gateway/api.sock\"",
    ] {
        assert_eq!(error(text), "accepted", "{text}");
    }
}

/// A parser or a search that looks at all of the text for every key would take minutes.
#[test]
fn a_file_as_large_as_allowed_is_refused_at_once() {
    let most = usize::try_from(MAX_FILE_BYTES).unwrap();
    let mut text = "[device]\n".to_owned();
    for key in 0.. {
        let line = format!("k{key}=1\n");
        if text.len() + line.len() > most {
            break;
        }
        text.push_str(&line);
    }
    let began = std::time::Instant::now();
    let found = error(&text);
    let expected = "c.toml:2: device.k0: unknown key, expected one of spi_path";
    assert!(found.starts_with(expected), "{}", &found[..100]);
    let took = began.elapsed();
    assert!(took < Duration::from_secs(10), "{took:?}");
}

#[test]
fn text_that_is_no_toml_is_refused_with_its_line() {
    for (text, start) in [
        ("[device]\nspi_path = \n", "c.toml:2: not TOML: "),
        (
            "[log]\nlevel = \"info\"\nlevel = \"warn\"\n",
            "c.toml:3: not TOML: ",
        ),
        ("[log\n", "c.toml:1: not TOML: "),
    ] {
        let found = error(text);
        assert!(found.starts_with(start) && !found.contains('\n'), "{found}");
    }
}

#[test]
fn every_value_that_differs_from_its_default_is_read() {
    let config = Config::from_str(
        "c",
        r#"
        [device]
        spi_path = "/dev/spidev1.1"
        spi_speed_hz = 2_000_000
        gpio_chip = "/dev/gpiochip4"
        drdy_line = 5
        start_line = "none"
        reset_line = 0x06
        gpio_abi = "v1"
        chip = "ads1292r"
        [realtime]
        priority = 0
        lock_memory = false
        [acquisition]
        sample_rate_hz = 8000
        gain_ch1 = 12
        gain_ch2 = 1
        reference_volts = 4.033
        channel_names = ["MLII", "V1"]
        right_leg_drive = false
        lead_off_detection = false
        lead_off_mode = "ac"
        lead_off_current_na = 22000
        lead_off_threshold_percent = 70
        register_check_seconds = 5
        [signal]
        mains_hz = 0
        channel = 2
        [model]
        name = "mine.safetensors"
        engine = "cpu"
        unclassifiable_below = 0.85
        novelty = false
        [explain]
        beats = "low-confidence"
        method = "shap"
        low_confidence_below = 0.5
        [store]
        path = "ecg.db"
        synchronous = "full"
        batch_ms = 10
        keep_ecg = false
        ecg_block_seconds = 60
        outage_minutes = 5
        outage_mib = 64
        keep_days = 365
        keep_ecg_days = 30
        max_mib = 4096
        min_free_percent = 5
        min_free_mib = 0
        [api]
        socket_path = "api.sock"
        mode = "600"
        max_connections = 1
        answers_mib = 4
        read_uids = [1000, 1001]
        read_gids = [100]
        control_uids = [4294967294]
        control_gids = [0]
        [web]
        listen = "[::1]:9000"
        socket = "web.sock"
        hosts = ["https://ecg.example.org", "localhost:9000"]
        tokens = "tokens"
        proxy_user_header = "X-Remote-User"
        proxy_uids = [33]
        proxy_control_users = ["anna@ward"]
        proxy_read = true
        [site]
        timezone = "UTC"
        [session]
        label = "Bed 4"
        [log]
        level = "trace"
        "#,
    )
    .unwrap();
    let mut chip = ChipConfig {
        rate: DataRate::Sps8000,
        reference: Reference::Internal4V033,
        lead_off_comparators: false,
        lead_off: Loff {
            threshold: LeadOffThreshold::Percent70,
            current: LeadOffCurrent::Ua22,
            mode: LeadOffMode::Ac,
        },
        lead_off_sense: LeadOffSense::default(),
        right_leg: RightLegDrive::default(),
        ..ChipConfig::default()
    };
    for (channel, gain) in chip.channels.iter_mut().zip([Gain::X12, Gain::X1]) {
        let input = InputMux::NormalElectrode;
        *channel = ChannelSettings::On { gain, input };
    }
    let days = |days: u64| Some(Duration::from_secs(days * 86_400));
    let expected = Config {
        device: DeviceConfig {
            wiring: LiveOptions {
                spi_device: "/dev/spidev1.1".into(),
                spi_hz: 2_000_000,
                gpio_chip: "/dev/gpiochip4".into(),
                drdy_line: 5,
                start_line: None,
                reset_line: Some(6),
                gpio_abi: Some(GpioAbi::V1),
            },
            chip: Some(ChipModel::Ads1292R),
        },
        realtime: Realtime {
            priority: 0,
            lock_memory: false,
        },
        acquisition: AcquisitionConfig {
            chip,
            channel_names: ["MLII".to_owned(), "V1".to_owned()],
            register_check: Some(Duration::from_secs(5)),
        },
        signal: SignalConfig {
            mains: Mains::None,
            channel: ChannelChoice::Fixed(1),
        },
        patient_label: Some("Bed 4".to_owned()),
        model: ModelConfig {
            name: "mine.safetensors".to_owned(),
            engine: EngineChoice::Cpu,
            rejection: Rejection {
                confidence: Some(0.85),
                novelty: false,
            },
        },
        explain: ExplainPolicy::new(ExplainWhich::LowConfidence)
            .method(Method::Shap)
            .low_confidence(0.5),
        store: StoreConfig {
            path: "ecg.db".into(),
            options: StoreOptions {
                synchronous: Synchronous::Full,
                commit_after: Duration::from_millis(10),
                outage: Outage::Bridge {
                    longest: Duration::from_secs(300),
                    most_bytes: 64 << 20,
                },
                ecg_kept: false,
                retention: Retention {
                    rows: days(365),
                    ecg: days(30),
                    most_bytes: Some(4096 << 20),
                    min_free: Some(MinFree {
                        percent: 5,
                        bytes: 0,
                    }),
                },
                ..Config::default().store.options
            },
            ecg_block_seconds: 60,
        },
        api: ApiOptions {
            mode: 0o600,
            max_connections: 1,
            answer_bytes: 4 << 20,
            access: Access {
                read: Named {
                    uids: vec![1_000, 1_001],
                    gids: vec![100],
                },
                control: Named {
                    uids: vec![u32::MAX - 1],
                    gids: vec![0],
                },
                unmapped: OverflowIds::from_kernel(),
            },
            ..ApiOptions::at("api.sock")
        },
        web: WebConfig {
            listen: Some("[::1]:9000".parse().unwrap()),
            socket: Some("web.sock".into()),
            hosts: ["https://ecg.example.org", "http://localhost:9000"]
                .map(|host| Site::parse(host).unwrap())
                .to_vec(),
            tokens: Some("tokens".into()),
            proxy: Some(ProxyUsers {
                header: "x-remote-user".parse().unwrap(),
                uids: vec![33],
                control: vec![TokenName::of_user("anna@ward").unwrap()],
                read: true,
            }),
        },
        timezone: Some("UTC".to_owned()),
        log_level: Level::TRACE,
    };
    assert_eq!(shown(&config), shown(&expected));
    assert_eq!(config.session().ecg_block_seconds, None);
}

#[test]
fn zero_stands_for_none() {
    let text = "[acquisition]\nregister_check_seconds = 0\n[store]\nkeep_days = 0\nmax_mib = 0\n\
                min_free_percent = 0\nmin_free_mib = 0";
    let config = Config::from_str("c", text).unwrap();
    assert_eq!(config.acquisition.register_check, None);
    assert_eq!(config.store.options.retention, Retention::default());
}

#[test]
fn every_acquisition_key_reaches_the_chip() {
    let mut seen = vec![Config::default().acquisition.chip];
    for line in [
        "sample_rate_hz = 1000",
        "gain_ch1 = 12",
        "gain_ch2 = 12",
        "reference_volts = 4.033",
        "right_leg_drive = false",
        "lead_off_detection = false",
        "lead_off_mode = \"ac\"",
        "lead_off_current_na = 22000",
        "lead_off_threshold_percent = 70",
    ] {
        let config = Config::from_str("c", &format!("[acquisition]\n{line}")).unwrap();
        let chip = config.acquisition.chip;
        assert!(!seen.contains(&chip), "{line} does not reach the chip");
        seen.push(chip);
    }
}

/// Each key that can be one of a few takes each of them, spelt as in the library and on the command line.
#[test]
fn every_choice_is_spelt_as_its_type_spells_it() {
    let engines = EngineChoice::value_variants();
    for engine in engines {
        let text = format!("[model]\nengine = \"{}\"", engine.name());
        assert_eq!(Config::from_str("c", &text).unwrap().model.engine, *engine);
    }
    for method in Method::ALL {
        let text = format!("[explain]\nmethod = \"{}\"", method.name());
        let config = Config::from_str("c", &text).unwrap();
        assert_eq!(config.explain.method, method);
    }
    for mains in [Mains::Hz50, Mains::Hz60, Mains::None] {
        let text = format!("[signal]\nmains_hz = {}", mains.hz());
        assert_eq!(Config::from_str("c", &text).unwrap().signal.mains, mains);
    }
    for (text, synchronous) in [("normal", Synchronous::Normal), ("full", Synchronous::Full)] {
        let text = format!("[store]\nsynchronous = \"{text}\"");
        let config = Config::from_str("c", &text).unwrap();
        assert_eq!(config.store.options.synchronous, synchronous);
    }
    assert_eq!(
        error("[store]\nsynchronous = \"off\""),
        "c.toml:2: store.synchronous: found \"off\", expected one of \"normal\", \"full\""
    );
}

#[test]
fn the_default_configuration_is_the_chips_default_set_up() {
    assert_eq!(Config::default().acquisition.chip, ChipConfig::default());
}

#[test]
fn every_built_in_model_can_be_chosen() {
    for name in arrhythmianet::builtin_models() {
        let text = format!("[model]\nname = \"{name}\"");
        assert_eq!(Config::from_str("c", &text).unwrap().model.name, name);
    }
}

#[test]
fn a_file_that_cannot_be_read_is_named() {
    let directory = tempfile::tempdir().unwrap();
    let missing = directory.path().join("absent.toml");
    let found = Config::load(&missing).unwrap_err().to_string();
    assert!(
        found.starts_with(&format!("{}: cannot be read: ", missing.display())),
        "{found}"
    );
    let typo = directory.path().join("typo.toml");
    std::fs::write(&typo, "[log]\nlvl = 1\n").unwrap();
    let found = Config::load(&typo).unwrap_err().to_string();
    assert_eq!(
        found,
        format!(
            "{}:2: log.lvl: unknown key, expected one of level",
            typo.display()
        )
    );
}

proptest! {
    #![proptest_config(ProptestConfig { failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn arbitrary_text_never_panics(text in any::<String>()) {
        let _ = Config::from_str("c", &text);
    }

    #[test]
    fn damaged_examples_never_panic(at in any::<prop::sample::Index>(), with in any::<char>()) {
        let starts: Vec<usize> = EXAMPLE.char_indices().map(|(start, _)| start).collect();
        let mut text = EXAMPLE.to_owned();
        text.insert(*at.get(&starts), with);
        let _ = Config::from_str("c", &text);
    }
}

#[test]
fn a_label_that_is_none_is_refused_and_not_quoted() {
    let long = "Anna ".repeat(13);
    for (text, characters) in [(&*long, 65), ("Anna\\t4", 6)] {
        let error = error(&format!("[session]\nlabel = \"{text}\""));
        let expected = format!(
            "c.toml:2: session.label: found another text of {characters} characters, expected 1 to 64 \
             characters without control characters, or \"\" for none"
        );
        assert_eq!(error, expected);
    }
    let named = Config::from_str("c.toml", "[session]\nlabel = \"Ängström, Bed 4\"").unwrap();
    assert_eq!(named.patient_label.as_deref(), Some("Ängström, Bed 4"));
}

#[test]
fn a_time_zone_is_one_of_the_system() {
    let zones = tempfile::tempdir().unwrap();
    std::fs::create_dir(zones.path().join("Europe")).unwrap();
    std::fs::write(zones.path().join("Europe/Berlin"), "TZif2 and more").unwrap();
    std::fs::write(zones.path().join("tzdata.zi"), "# version").unwrap();
    std::fs::write(zones.path().join("README"), "# version").unwrap();
    let known = |name: &str| read::is_timezone(zones.path(), name);
    assert!(known("Europe/Berlin"));
    for name in [
        "Europe/Paris",
        "Europe",
        "README",
        "/Europe/Berlin",
        "Europe/../Europe/Berlin",
        "Europe//Berlin",
        "Europe/Berlin/",
        ".",
        "a b",
    ] {
        assert!(!known(name), "{name}");
    }
    // a machine without a list of zones: the form alone can be looked at
    let without = |name: &str| read::is_timezone(&zones.path().join("none"), name);
    assert!(without("America/Argentina/Buenos_Aires") && without("Etc/GMT+5"));
    assert!(!without("../localtime"));
}
