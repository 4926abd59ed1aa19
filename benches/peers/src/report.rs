//! The table.

use std::fmt;

use crate::contender::{Contender, Task};
use crate::race::median;

/// One network, batch and number of threads.
pub(crate) struct Row {
    network: String,
    batch: usize,
    threads: usize,
    cells: Vec<Cell>,
    /// Multiply-adds of a beat, times two.
    operations: f64,
}

struct Cell {
    name: String,
    /// Median microseconds a beat.
    us: f64,
    /// Median over the rounds of this one's time over ours.
    ratio: f64,
}

impl Row {
    /// `times` in seconds a call, our own first.
    pub(crate) fn new(
        task: &Task,
        contenders: &[Box<dyn Contender>],
        times: Vec<Vec<f64>>,
    ) -> Self {
        let cells = contenders
            .iter()
            .zip(&times)
            .map(|(contender, own)| Cell {
                name: contender.name(),
                us: median(own.iter().copied()) * 1e6 / task.batch as f64,
                ratio: median(own.iter().zip(&times[0]).map(|(time, ours)| time / ours)),
            })
            .collect();
        Self {
            network: task.network.clone(),
            batch: task.batch,
            threads: task.threads,
            cells,
            operations: 2.0 * task.model.description().macs_per_beat() as f64,
        }
    }

    /// Time of the fastest peer over ours.
    fn advantage(&self) -> f64 {
        self.cells[1..]
            .iter()
            .map(|cell| cell.ratio)
            .fold(f64::INFINITY, f64::min)
    }

    fn cells(&self) -> impl Iterator<Item = String> {
        self.cells.iter().enumerate().map(|(index, cell)| {
            if index == 0 {
                let gflops = self.operations / cell.us * 1e-3;
                format!("{:.2} ({gflops:.0} GFLOP/s)", cell.us)
            } else {
                format!("{:.2} ({:.2})", cell.us, cell.ratio)
            }
        })
    }
}

impl fmt::Display for Row {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(
            f,
            "{}, batch {}, {} thread(s):",
            self.network, self.batch, self.threads
        )?;
        for (cell, text) in self.cells.iter().zip(self.cells()) {
            write!(f, "\n  {:28} {text}", cell.name)?;
        }
        write!(
            f,
            "\n  {:28} {:.2}",
            "fastest peer / ours",
            self.advantage()
        )
    }
}

/// Prints all rows; `versions` and the machine with them.
pub(crate) fn print(rows: &[Row], versions: &str, markdown: bool) {
    if markdown {
        let names: Vec<&str> = rows.first().map_or_else(Vec::new, |row| {
            row.cells.iter().map(|cell| cell.name.as_str()).collect()
        });
        println!(
            "| network | threads | batch | {} | fastest peer / ours |",
            names.join(" | ")
        );
        println!("|{}", " --- |".repeat(names.len() + 4));
        for row in rows {
            let cells: Vec<String> = row.cells().collect();
            println!(
                "| {} | {} | {} | {} | {:.2} |",
                row.network,
                row.threads,
                row.batch,
                cells.join(" | "),
                row.advantage()
            );
        }
        println!();
    }
    println!("Microseconds a beat, median; in brackets the time over ours, median of the rounds.");
    println!("{versions}; {}", processor());
}

fn processor() -> String {
    let text = std::fs::read_to_string("/proc/cpuinfo").unwrap_or_default();
    let field = |name: &str| {
        text.lines()
            .find_map(|line| line.strip_prefix(name)?.split_once(':'))
            .map(|(_, value)| value.trim().to_owned())
    };
    let name = field("model name").unwrap_or_else(|| std::env::consts::ARCH.to_owned());
    let processors = std::thread::available_parallelism().map_or(1, usize::from);
    match field("model\t") {
        Some(model) => format!("{name}, model {model}, {processors} processor(s)"),
        None => format!("{name}, {processors} processor(s)"),
    }
}
