//! The manual pages and shell completions in `packaging/` are those of the command line.
//!
//! `ECG_WRITE_MANUAL=1 cargo test --test gateway -- manual::` writes them anew.

use std::collections::BTreeMap;
use std::fmt::Write;
use std::path::Path;

use clap::{Command, CommandFactory};
use clap_complete::Shell;
use clap_mangen::Man;
use ecg_gateway::cli::CommandLine;

const MAN: &str = "packaging/man";
const COMPLETIONS: &str = "packaging/completions";

/// What a manual page has and `--help` has not.
const FILES: &str = "\
.SH FILES
.TP
\\fI/etc/ecg\\-gateway/ecg\\-gateway.toml\\fR
Configuration of the service. Every key is there with its default and what it allows.
.TP
\\fI/var/lib/ecg\\-gateway/ecg.db\\fR
Database of the service (SQLite).
.TP
\\fI/run/ecg\\-gateway/api.sock\\fR
Socket of the service (HTTP), for members of the group \\fIecg\\-gateway\\fR.
.TP
\\fI/var/lib/ecg\\-gateway/web\\-tokens\\fR
Tokens of the page (\\fBecg\\-gateway\\-web\\-token\\fR(1)).
.SH ENVIRONMENT
.TP
\\fBECG_MODELS\\fR
A folder of weights files; \\fIFOLDER/NAME.safetensors\\fR is then a model called NAME.
";

/// The day of the newest version, from the package's change log.
fn date() -> String {
    let changelog = include_str!("../packaging/debian/changelog");
    let signed = changelog
        .lines()
        .find_map(|line| line.strip_prefix(" -- ")?.split_once(">  "));
    let (_, date) = signed.expect("a change is signed and dated");
    jiff::fmt::rfc2822::parse(date)
        .expect("an RFC 2822 date")
        .date()
        .to_string()
}

fn page(command: &Command) -> (String, Vec<u8>) {
    let name = command.get_display_name().unwrap_or(command.get_name());
    let man = Man::new(command.clone())
        .title(name)
        .date(date())
        .source(concat!("ecg-gateway ", env!("CARGO_PKG_VERSION")))
        .manual("ECG gateway");
    let mut text = Vec::new();
    man.render(&mut text).expect("rendered into memory");
    (format!("{MAN}/{}", man.get_filename()), text)
}

/// The table of `docs/exit-codes.md` in the manual's markup.
fn exit_status() -> String {
    let mut text = ".SH \"EXIT STATUS\"\n".to_owned();
    let mut codes = BTreeMap::new();
    for row in include_str!("../docs/exit-codes.md").lines() {
        let cells: Vec<&str> = row.trim_matches('|').split(" | ").map(str::trim).collect();
        if let [code, cause, ..] = cells[..]
            && let Ok(code) = code.parse::<u8>()
        {
            codes.insert(code, cause.replace('`', "").replace('-', "\\-"));
        }
    }
    for (code, cause) in codes {
        writeln!(text, ".TP\n\\fB{code}\\fR\n{cause}").expect("written into memory");
    }
    text
}

/// A page for each subcommand, and for those it has.
fn pages_below(command: &Command, files: &mut BTreeMap<String, Vec<u8>>) {
    for below in command.get_subcommands() {
        files.extend([page(below)]);
        pages_below(below, files);
    }
}

fn pages_and_completions() -> BTreeMap<String, Vec<u8>> {
    let mut command = CommandLine::command()
        .disable_help_subcommand(true)
        .version(env!("CARGO_PKG_VERSION"));
    command.build();
    let mut files = BTreeMap::new();
    pages_below(&command, &mut files);
    for text in files.values_mut() {
        text.extend_from_slice(b".SH \"SEE ALSO\"\n\\fBecg\\-gateway\\fR(1)\n");
    }
    let (name, mut text) = page(&command);
    text.extend_from_slice(exit_status().as_bytes());
    text.extend_from_slice(FILES.as_bytes());
    files.insert(name, text);

    for (shell, name) in [
        (Shell::Bash, "ecg-gateway.bash"),
        (Shell::Zsh, "_ecg-gateway"),
        (Shell::Fish, "ecg-gateway.fish"),
    ] {
        let mut text = Vec::new();
        clap_complete::generate(shell, &mut CommandLine::command(), "ecg-gateway", &mut text);
        files.insert(format!("{COMPLETIONS}/{name}"), text);
    }
    files
}

#[test]
fn the_shipped_manual_and_completions_are_those_of_the_command_line() {
    let root = Path::new(env!("CARGO_MANIFEST_DIR"));
    let expected = pages_and_completions();
    if std::env::var_os("ECG_WRITE_MANUAL").is_some() {
        for (name, text) in &expected {
            std::fs::write(root.join(name), text).expect("the project can be written");
        }
    }
    let mut wrong: Vec<String> = expected
        .iter()
        .filter(|(name, text)| std::fs::read(root.join(name)).ok().as_ref() != Some(text))
        .map(|(name, _)| name.clone())
        .collect();
    for folder in [MAN, COMPLETIONS] {
        for entry in root.join(folder).read_dir().expect("the folder is there") {
            let file = entry.expect("its entries can be read").file_name();
            let name = format!("{folder}/{}", file.to_string_lossy());
            if !expected.contains_key(&name) {
                wrong.push(format!("{name} (of no command)"));
            }
        }
    }
    assert!(
        wrong.is_empty(),
        "not what the command line says: {}; write anew with \
         ECG_WRITE_MANUAL=1 cargo test --test gateway -- manual::",
        wrong.join(", ")
    );
}
