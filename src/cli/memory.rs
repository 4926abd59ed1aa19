//! Whether what the configuration allows fits into the memory the service may have.

use super::failure::{Cause, Failure};
use crate::api::{CONNECTION_BYTES, EXTRA_CONNECTIONS, MOST_STRANGERS};
use crate::config::Config;
use crate::service::MemoryLimit;
use crate::store::Outage;

/// Everything else, MiB: program, model, stacks (locked as a whole), the database's caches, rows on
/// their way. Some 35 MiB on a processor alone; a GPU driver takes more.
const OTHER_MIB: u64 = 64;

/// What the configuration may come to need.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct Need {
    outage_mib: u64,
    answers_mib: u64,
    max_connections: u64,
    /// Browsers that have not signed in.
    strangers: u64,
}

impl Need {
    fn from_config(config: &Config) -> Self {
        let outage_bytes = match config.store.options.outage {
            Outage::Bridge { most_bytes, .. } => most_bytes,
            Outage::GiveUpAfter(_) => 0,
        };
        Self {
            outage_mib: outage_bytes as u64 >> 20,
            answers_mib: config.api.answer_bytes as u64 >> 20,
            max_connections: config.api.max_connections as u64,
            strangers: match (&config.web.listen, &config.web.socket) {
                (None, None) => 0,
                _ => MOST_STRANGERS as u64,
            },
        }
    }

    fn connections_mib(self) -> u64 {
        ((self.max_connections + self.strangers + EXTRA_CONNECTIONS) * CONNECTION_BYTES)
            .div_ceil(1 << 20)
    }

    fn mib(self) -> u64 {
        OTHER_MIB + self.outage_mib + self.answers_mib + self.connections_mib()
    }

    /// What is wrong with it where so much is allowed, if anything.
    fn problem(self, limit_mib: u64) -> Option<String> {
        let Self {
            outage_mib,
            answers_mib,
            max_connections,
            ..
        } = self;
        (self.mib() > limit_mib).then(|| {
            format!(
                "store.outage_mib = {outage_mib}, api.answers_mib = {answers_mib} and \
                 api.max_connections = {max_connections} ({} MiB) may need {} MiB with {OTHER_MIB} \
                 MiB for everything else, but the service may have {limit_mib} MiB",
                self.connections_mib(),
                self.mib(),
            )
        })
    }
}

/// Refuses what could only end with the kernel killing the daemon.
pub(super) fn check(file: &std::path::Path, config: &Config) -> Result<(), Failure> {
    let need = Need::from_config(config);
    match MemoryLimit::for_this_process() {
        Ok(Some(MemoryLimit { bytes, file: of })) => {
            let limit_mib = bytes >> 20;
            if let Some(problem) = need.problem(limit_mib) {
                let (file, of) = (file.display(), of.display());
                return Err(Failure::new(
                    Cause::Configuration,
                    format!(
                        "{file}: {problem} ({of}): lower one of the three, or raise MemoryMax= of the unit"
                    ),
                ));
            }
            tracing::info!(
                limit_mib,
                most_needed_mib = need.mib(),
                "the memory that may be needed fits into the limit"
            );
        }
        Ok(None) => tracing::info!(most_needed_mib = need.mib(), "no memory limit"),
        Err(why) => tracing::info!(
            most_needed_mib = need.mib(),
            why,
            "whether that fits into the memory limit cannot be known"
        ),
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    /// `MemoryMax=` of the shipped unit, MiB.
    fn unit_limit_mib() -> u64 {
        let unit = include_str!("../../systemd/ecg-gateway.service");
        let line = unit
            .lines()
            .find_map(|line| line.strip_prefix("MemoryMax="));
        line.unwrap().strip_suffix('M').unwrap().parse().unwrap()
    }

    #[test]
    fn the_shipped_configuration_fits_into_the_shipped_unit_and_not_everything_does() {
        let limit_mib = unit_limit_mib();
        let default = Need::from_config(&Config::default());
        assert_eq!(default.problem(limit_mib), None);
        let raised = [
            Need {
                max_connections: 1_024,
                ..default
            },
            Need {
                outage_mib: 200,
                ..default
            },
            Need {
                answers_mib: 200,
                ..default
            },
        ];
        for need in raised {
            let problem = need.problem(limit_mib).unwrap();
            for key in ["store.outage_mib", "api.answers_mib", "api.max_connections"] {
                assert!(problem.contains(key), "{problem}");
            }
        }
        // browsers that have not signed in come to it
        let with_page = Need {
            strangers: MOST_STRANGERS as u64,
            ..default
        };
        assert!(with_page.mib() > default.mib());
        assert_eq!(with_page.problem(limit_mib), None);
        // to the last MiB
        assert_eq!(default.problem(default.mib()), None);
        assert!(default.problem(default.mib() - 1).is_some());
    }

    #[test]
    fn the_pages_name_the_figures() {
        let page = include_str!("../../docs/operations.md");
        let default = Need::from_config(&Config::default());
        for text in [
            format!("{OTHER_MIB} MiB for everything else"),
            format!("{} KiB each", CONNECTION_BYTES >> 10),
            format!("come to {} MiB", default.mib()),
        ] {
            assert!(page.contains(&text), "{text}");
        }
    }
}
