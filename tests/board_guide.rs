//! `docs/raspberry-pi.md` against the program: its configurations, commands, transcript and wiring.

use super::common::run;

const GUIDE: &str = include_str!("../docs/raspberry-pi.md");
const EXAMPLE: &str = include_str!("../ecg-gateway.example.toml");

/// The code blocks of a language, without the indentation of the list they stand in.
fn blocks(language: &str) -> Vec<String> {
    let mut blocks = Vec::new();
    let mut open: Option<(usize, String)> = None;
    for line in GUIDE.lines() {
        let text = line.trim_start();
        match &mut open {
            None if text == format!("```{language}") => {
                open = Some((line.len() - text.len(), String::new()));
            }
            None => {}
            Some(_) if text == "```" => blocks.extend(open.take().map(|(_, block)| block)),
            Some((indentation, block)) => {
                block.push_str(line.get(*indentation..).unwrap_or_default());
                block.push('\n');
            }
        }
    }
    blocks
}

#[test]
fn every_configuration_is_accepted() {
    let configurations = blocks("toml");
    assert_eq!(configurations.len(), 3, "{configurations:?}");
    let folder = tempfile::tempdir().unwrap();
    for text in configurations {
        let config = folder.path().join("ecg-gateway.toml");
        std::fs::write(&config, &text).unwrap();
        let outcome = run(["run", "--check", "--config", config.to_str().unwrap()]);
        assert_eq!(outcome.code, Some(0), "{text}{outcome:?}");
    }
}

#[test]
fn every_command_is_understood() {
    let mut commands = 0;
    for line in blocks("sh").join("").lines() {
        let line = line.strip_prefix("sudo ").unwrap_or(line);
        let Some(arguments) = line.strip_prefix("ecg-gateway ") else {
            continue;
        };
        commands += 1;
        // Help is printed only where the arguments before it were understood.
        let outcome = run(arguments.split_whitespace().chain(["--help"]));
        assert_eq!(outcome.code, Some(0), "{line}: {outcome:?}");
        assert!(outcome.stdout.contains("Usage: ecg-gateway"), "{line}");
    }
    assert_eq!(commands, 5, "commands of ecg-gateway in the guide");
}

#[test]
fn the_doctors_transcript_is_what_it_prints() {
    let transcripts = blocks("text");
    assert_eq!(transcripts.len(), 1);
    let outcome = run(["doctor", "--simulated"]);
    assert_eq!(outcome.stdout.trim_end(), transcripts[0].trim_end());
}

#[test]
fn the_wiring_is_the_default_configuration() {
    let example: toml::Table = EXAMPLE.parse().unwrap();
    let device = &example["device"];
    let cells = |pin: &str| -> Vec<&str> {
        let row = GUIDE
            .lines()
            .find(|line| line.starts_with(&format!("| {pin} |")))
            .unwrap_or_else(|| panic!("no row for {pin}"));
        row.trim_matches('|').split('|').map(str::trim).collect()
    };
    for (pin, key) in [
        ("DRDY", "drdy_line"),
        ("START", "start_line"),
        ("PWDN/RESET", "reset_line"),
    ] {
        let line = device[key].as_integer().unwrap();
        // Where the 40-pin header has that GPIO.
        let header_pin = match line {
            23 => "16",
            24 => "18",
            25 => "22",
            _ => panic!("{key} = {line}: not a line this test knows the pin of"),
        };
        let setting = format!("`{key} = {line}`");
        assert_eq!(
            cells(pin),
            [pin, header_pin, &format!("GPIO{line}"), &setting]
        );
    }
    assert_eq!(device["spi_path"].as_str(), Some("/dev/spidev0.0"));
    assert_eq!(cells("CS")[2], "GPIO8, CE0 of SPI0");
    assert_eq!(device["spi_speed_hz"].as_integer(), Some(1_000_000));
    assert!(GUIDE.contains("SPI mode 1 at 1 MHz"));
    let names = example["acquisition"]["channel_names"].as_array().unwrap();
    assert_eq!(
        (names[0].as_str(), names[1].as_str()),
        (Some("I"), Some("II"))
    );
    assert!(GUIDE.contains("channel 1 is lead I, channel 2 lead II"));
}
