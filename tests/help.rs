//! The command line explains itself, and refuses what it does not know.

use std::collections::BTreeSet;

use super::common;
use super::common::run;

/// Options that scripts may rely on, of each subcommand. `--help` mentions these and no others.
const OPTIONS: [(&str, &[&str]); 15] = [
    ("web", &[]),
    ("delete", &["--database", "--session", "--yes"]),
    ("new-patient", &["--label", "--socket"]),
    ("verify", &["--head", "--json"]),
    (
        "doctor",
        &[
            "--config",
            "--electrodes",
            "--simulated",
            "--faults",
            "--json",
        ],
    ),
    (
        "demo",
        &[
            "--db",
            "--socket",
            "--serve",
            "--model",
            "--engine",
            "--mains",
            "--channel",
            "--ignore-novelty",
            "--unclassifiable-below",
            "--explain",
            "--explain-method",
            "--json",
        ],
    ),
    (
        "replay",
        &[
            "--db",
            "--socket",
            "--serve",
            "--chip",
            "--config",
            "--model",
            "--engine",
            "--mains",
            "--channel",
            "--inject",
            "--ignore-novelty",
            "--unclassifiable-below",
            "--explain",
            "--explain-method",
            "--json",
        ],
    ),
    (
        "simulate",
        &[
            "--out",
            "--from",
            "--to",
            "--signals",
            "--rate",
            "--gain",
            "--chip",
            "--faults",
            "--annotator",
            "--attribution",
            "--wall-start",
            "--json",
        ],
    ),
    (
        "evaluate",
        &[
            "--data",
            "--records",
            "--set",
            "--protocol",
            "--model",
            "--engine",
            "--mains",
            "--channel",
            "--lead",
            "--reference",
            "--learning-seconds",
            "--escape",
            "--split",
            "--unclassifiable-below",
            "--ignore-novelty",
            "--unclassifiable",
            "--detector",
            "--noise-power",
            "--noise-snr-db",
            "--noise",
            "--drop-samples",
            "--write-annotations",
            "--write-waves",
            "--explanations",
            "--out",
            "--confusion-picture",
            "--jobs",
            "--format",
            "--json",
        ],
    ),
    (
        "backup",
        &[
            "--db",
            "--config",
            "--overwrite",
            "--keep",
            "--mib-per-second",
            "--min-free-mib",
            "--json",
        ],
    ),
    ("restore", &["--db", "--config", "--check", "--json"]),
    ("record", &["--config", "--out", "--seconds", "--json"]),
    (
        "run",
        &[
            "--config",
            "--check",
            "--label",
            "--simulated",
            "--speed",
            "--faults",
            "--inject",
            "--hang-after",
        ],
    ),
    (
        "explain",
        &[
            "--demo",
            "--record",
            "--db",
            "--beat",
            "--session",
            "--limit",
            "--method",
            "--class",
            "--model",
            "--mains",
            "--pictures",
            "--json",
        ],
    ),
    (
        "bench",
        &[
            "--part",
            "--hours",
            "--quick",
            "--db",
            "--model",
            "--engine",
            "--mains",
            "--channel",
            "--ignore-novelty",
            "--unclassifiable-below",
            "--explain",
            "--explain-method",
            "--json",
        ],
    ),
];

/// Options every subcommand has.
const COMMON: [&str; 2] = ["--help", "--version"];

/// The long options that stand at the beginning of a line of help.
fn listed(help: &str) -> BTreeSet<&str> {
    let options = help.lines().filter_map(|line| {
        let line = line.trim_start();
        let short = line.get(1..4).is_some_and(|rest| rest.ends_with(", "));
        let line = if line.starts_with('-') && short {
            &line[4..]
        } else {
            line
        };
        line.starts_with("--")
            .then(|| line.split([' ', '=', '[']).next())
            .flatten()
    });
    options.collect()
}

/// Long options named anywhere in a text.
fn named(text: &str) -> BTreeSet<&str> {
    text.split(|c: char| !(c.is_ascii_alphanumeric() || c == '-'))
        .filter(|word| word.starts_with("--") && word.len() > 2)
        .collect()
}

/// The subcommands the top help lists.
fn subcommands() -> Vec<String> {
    let help = run(["--help"]).stdout;
    let (_, after) = help.split_once("Commands:\n").expect("a list of commands");
    after
        .lines()
        .take_while(|line| !line.is_empty())
        .filter(|line| line.starts_with("  ") && !line.starts_with("   "))
        .filter_map(|line| line.split_whitespace().next())
        .filter(|name| *name != "help")
        .map(str::to_owned)
        .collect()
}

#[test]
fn every_subcommand_explains_every_option() {
    let mut failures = Vec::new();
    let commands = subcommands();
    for name in &commands {
        let outcome = run([name, "--help"]);
        if outcome.code != Some(0) || !outcome.stderr.is_empty() {
            failures.push(format!("{name} --help: {outcome:?}"));
        }
        let found = listed(&outcome.stdout);
        if let Some((_, options)) = OPTIONS.iter().find(|(of, _)| of == name) {
            let expected: BTreeSet<&str> = options.iter().chain(&COMMON).copied().collect();
            if found != expected {
                failures.push(format!(
                    "{name} --help lists {found:?}, expected {expected:?}"
                ));
            }
        }
        // An option without a word about it is no help.
        for option in &found {
            let next_lines = outcome.stdout.lines().skip(1).chain([""]);
            let explained = outcome.stdout.lines().zip(next_lines).any(|(line, next)| {
                let at = line.trim_start();
                let own = at.starts_with(option) || at.contains(&format!(", {option}"));
                let rest = at.split_once("  ").map_or("", |(_, words)| words);
                own && (rest.len() > 3 || next.starts_with("          "))
            });
            if !explained {
                failures.push(format!("{name} {option} is not explained"));
            }
        }
    }
    for (name, _) in OPTIONS {
        if !commands.iter().any(|command| command == name) {
            failures.push(format!("{name} is not listed by --help"));
        }
    }
    common::report(&failures);
}

#[test]
fn the_documented_options_exist() {
    let documentation = include_str!("../docs/command-line.md");
    let commands = subcommands();
    let mut failures = Vec::new();
    let mut checked = 0;
    for heading in documentation.lines().filter(|line| line.starts_with("## ")) {
        let Some(name) = commands
            .iter()
            .find(|name| heading.contains(&format!("`{name}")))
        else {
            continue;
        };
        let help = run([name, "--help"]).stdout;
        let found = listed(&help);
        for option in named(heading) {
            checked += 1;
            if !found.contains(option) {
                failures.push(format!("{name} has no {option}"));
            }
        }
    }
    assert!(checked >= 5, "{checked} options found in the headings");
    common::report(&failures);
}

#[test]
fn what_is_not_known_is_refused_with_code_2() {
    let mut failures = Vec::new();
    let commands = subcommands();
    let mut rows: Vec<Vec<&str>> = commands
        .iter()
        .map(|name| vec![name.as_str(), "--no-such-option"])
        .collect();
    rows.extend([
        vec![],
        vec!["no-such-command"],
        vec!["--no-such-option"],
        vec!["replay", "a.ecgtrace"],
        vec!["replay", "--db", "a.db"],
        vec!["replay", "a.ecgtrace", "--db", "a.db", "--serve"],
        vec!["replay", "a.ecgtrace", "--db", "a.db", "--chip", "max30003"],
        vec!["demo", "--mains", "55"],
        vec!["demo", "--engine", "tpu"],
        vec![
            "replay",
            "a.ecgtrace",
            "--db",
            "a.db",
            "--inject",
            "gpu-lost",
        ],
        vec![
            "replay",
            "a.ecgtrace",
            "--db",
            "a.db",
            "--engine",
            "cpu",
            "--inject",
            "gpu-lost@9",
        ],
        vec!["demo", "--db"],
        vec!["simulate", "100"],
        vec!["simulate", "100", "--out", "x", "--rate", "fast"],
        vec!["simulate", "100", "--out", "x", "--signals", "1"],
        vec!["simulate", "100", "--out", "x", "--signals", "1,2,3"],
        vec!["simulate", "100", "--out", "x", "--signals", "0,1"],
        vec!["replay", "a.ecgtrace", "--db", "a.db", "--channel", "3"],
        vec!["replay", "a.ecgtrace", "--db", "a.db", "--channel", "0"],
        vec!["evaluate", "--data", ".", "--channel", "0"],
        vec!["bench", "--hours", "many"],
        vec!["bench", "--part", "everything"],
        vec!["evaluate"],
        vec!["backup"],
        vec!["backup", "a.db", "--db", "b.db", "--keep", "0"],
        vec!["backup", "a.db", "--db", "b.db", "--keep", "3"], // not a folder
        vec!["backup", "a.db", "--db", "b.db", "--config", "c.toml"],
        vec!["restore", "--db", "a.db"],
        vec!["verify"],
        vec!["verify", "a.db", "--head", "1:2:3"],
        vec!["evaluate", "--data", ".", "--channel", "II"],
        vec!["evaluate", "--data", ".", "--protocol", "guess"],
        vec!["evaluate", "--data", ".", "--write-annotations", "ann"],
    ]);
    for arguments in rows {
        let outcome = run(&arguments);
        if outcome.code != Some(2) || !outcome.stdout.is_empty() || outcome.stderr.is_empty() {
            failures.push(format!("{arguments:?}: {outcome:?}"));
        }
    }
    common::report(&failures);
}

#[test]
fn the_version_is_the_crates_and_names_the_profile() {
    let outcome = run(["--version"]);
    // The folder of the program is named for the profile it was built with.
    let program = std::path::Path::new(env!("CARGO_BIN_EXE_ecg-gateway"));
    let profile = program.parent().unwrap().file_name().unwrap();
    let expected = format!(
        "ecg-gateway {} ({})\n",
        env!("CARGO_PKG_VERSION"),
        profile.to_str().unwrap()
    );
    assert_eq!((outcome.code, outcome.stdout), (Some(0), expected));
}
