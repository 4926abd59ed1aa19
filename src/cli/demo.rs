//! `ecg-gateway demo`: the shipped traces through the whole house.

mod agreement;
mod table;

use std::io::Write;
use std::path::{Path, PathBuf};
use std::sync::atomic::AtomicBool;
use std::time::Instant;

use clap::Args;
use ecg_chain::{LabelledBeat, PipelineEvent};
use ecg_evaluate::Confusion;
use serde::Serialize;
use tempfile::TempDir;

use self::agreement::{agreement, annotated, compare};
use super::arguments::TreatmentArguments;
use super::failure::{Cause, Failure, other};
use super::live;
use super::output::{self, ByClass, text_line};
use super::session::{LoadedModel, run_trace};
use super::traces::{DEMO_TRACES, DemoTrace};
use super::wait::stop_on_signals;
use super::web;
use crate::api::{ApiOptions, ServiceState, Site, TokenName, WebTokens};
use crate::service::SessionOptions;
use crate::service::{Gateway, GatewayOptions};
use crate::store::StoreOptions;

const INTRODUCTION: &str = "ecg-gateway demo: recorded ADS1292 SPI traces -> driver -> QRS detection -> labels\n\
     ECG: MIT-BIH Arrhythmia Database (Moody and Mark 2001), DOI 10.13026/C2F305, ODC-By 1.0\n\
     This is an engineering and research system, not a medical device.";

/// Replay the shipped ECG recordings through the driver, the signal chain, the classifier, the
/// database and the socket, and compare the labels with the cardiologists' annotations.
///
/// On a terminal it ends by printing an address to open in a browser, and goes on answering until you
/// press Ctrl-C.
#[derive(Debug, Args)]
pub(super) struct Arguments {
    /// SQLite database to write [default: a new one in the folder for temporary files].
    #[arg(long, value_name = "FILE")]
    db: Option<PathBuf>,
    /// Unix socket to serve [default: beside the default database].
    #[arg(long, value_name = "PATH")]
    socket: Option<PathBuf>,
    /// Go on serving the page and the socket until interrupted, also when not on a terminal.
    #[arg(long)]
    serve: bool,
    #[command(flatten)]
    treatment: TreatmentArguments,
    /// Print one JSON object instead of tables.
    #[arg(long)]
    json: bool,
}

#[derive(Serialize)]
struct Summary {
    database: PathBuf,
    socket: PathBuf,
    model: String,
    engine: String,
    traces: Vec<TraceSummary>,
    beats: u64,
    by_class: ByClass,
    unclassifiable: u64,
    agreement: Option<f64>,
    annotated_beats: u64,
    patients_in_training: Option<bool>,
    seconds_of_ecg: f64,
    seconds: f64,
    realtime_factor: f64,
}

#[derive(Serialize)]
struct TraceSummary {
    name: &'static str,
    session: Option<i64>,
    seconds: f64,
    beats: u64,
    by_class: ByClass,
    unclassifiable: u64,
    agreement: Option<f64>,
    #[serde(skip)]
    compared: Confusion,
}

pub(super) fn run(arguments: &Arguments) -> Result<(), Failure> {
    let config = arguments.treatment.for_shipped_traces();
    let model = live::model(&config, Cause::Usage)?;
    let (database, socket) = places(arguments)?;
    let stop = stop_on_signals()?;
    let serve =
        arguments.serve || !arguments.json && std::io::IsTerminal::is_terminal(&std::io::stdout());
    let page = serve.then(Page::new).transpose()?;
    let gateway = Gateway::open(&GatewayOptions {
        database: database.clone(),
        store: StoreOptions::default(),
        socket: Some(ApiOptions {
            web: page
                .as_ref()
                .map(|page| web::on_a_free_port(page.tokens.clone())),
            ..ApiOptions::at(&socket)
        }),
    })?;
    if !arguments.json {
        text_line(INTRODUCTION)?;
        text_line(&acquaintance(&model))?;
    }
    let mut traces = Vec::new();
    let mut seconds = 0.0;
    for trace in DEMO_TRACES {
        let began = Instant::now();
        let (beats, summary) = replay_one(trace, &gateway, config.session(), &model, &stop)?;
        seconds += began.elapsed().as_secs_f64();
        if !arguments.json {
            text_line(&table::text(trace, &beats, &summary.compared))?;
        }
        traces.push(summary);
    }
    let summary = summarise(database, socket, &model, traces, seconds);
    gateway.announce(
        ServiceState::Finished,
        Some("the demo traces are replayed".to_owned()),
    );
    if arguments.json {
        output::json(&summary)?;
    } else {
        text_line(&conclusion(&summary, serve))?;
    }
    if let Some(page) = &page {
        page.print(&gateway, arguments.json)?;
        super::wait::serve_until_stopped(&stop);
    }
    gateway
        .close()
        .map_err(|error| Failure::from(error).naming_database(&summary.database))
}

/// Replays one trace; returns its beats beside the summary. The store has them all when this
/// returns, since ending the session waits for the commit.
fn replay_one(
    trace: &DemoTrace,
    gateway: &Gateway,
    options: SessionOptions,
    model: &LoadedModel,
    stop: &AtomicBool,
) -> Result<(Vec<LabelledBeat>, TraceSummary), Failure> {
    let mut beats = Vec::new();
    let (report, ended) = run_trace(
        gateway,
        trace.open()?,
        (Path::new(trace.file), options),
        model,
        stop,
        |event| {
            if let PipelineEvent::Beat(beat) = event {
                beats.push(beat.clone());
            }
        },
    )?;
    ended?;
    let compared = compare(&trace.annotations(), &beats);
    let by_class = ByClass(report.beats_by_class);
    let summary = TraceSummary {
        name: trace.name,
        session: report.session,
        seconds: report.seconds_of_ecg,
        beats: by_class.total(),
        by_class,
        unclassifiable: report.unclassifiable,
        agreement: agreement(&compared),
        compared,
    };
    Ok((beats, summary))
}

fn summarise(
    database: PathBuf,
    socket: PathBuf,
    model: &LoadedModel,
    traces: Vec<TraceSummary>,
    seconds: f64,
) -> Summary {
    let mut by_class = ByClass::default();
    let mut compared = Confusion::default();
    for trace in &traces {
        by_class.add_all(trace.by_class);
        compared.merge(&trace.compared);
    }
    let seconds_of_ecg: f64 = traces.iter().map(|trace| trace.seconds).sum();
    let unclassifiable = traces.iter().map(|trace| trace.unclassifiable).sum();
    Summary {
        database,
        socket,
        model: model.name().to_owned(),
        engine: model.engine().engine().to_owned(),
        traces,
        beats: by_class.total(),
        by_class,
        unclassifiable,
        agreement: agreement(&compared),
        annotated_beats: annotated(&compared),
        patients_in_training: model.patients_shared(),
        seconds_of_ecg,
        seconds,
        realtime_factor: seconds_of_ecg / seconds,
    }
}

/// What the model has seen of these patients, since the agreement says nothing without it.
fn acquaintance(model: &LoadedModel) -> String {
    let name = model.name();
    let records: Vec<&str> = DEMO_TRACES.iter().map(DemoTrace::record).collect();
    let seen: Option<usize> = records
        .iter()
        .map(|record| model.has_seen(record).map(usize::from))
        .sum();
    let all = records.len();
    let of = |seen| {
        if seen == all {
            format!("all {all} of these")
        } else {
            format!("{seen} of these {all}")
        }
    };
    match seen {
        None => format!(
            "What model {name} was trained on is not stated in its file: it may have seen these patients."
        ),
        Some(0) => format!("Model {name} has seen none of these patients in training."),
        Some(seen) if model.knows_its_patients_only() => format!(
            "Model {name} saw most beats of {} patients in training (the paper's random split): expect \
             less agreement on strangers.",
            of(seen)
        ),
        Some(seen) => format!(
            "Model {name} was trained on the beats of {} patients, too: expect less agreement on \
             strangers.",
            of(seen)
        ),
    }
}

fn conclusion(summary: &Summary, serve: bool) -> String {
    let seen = if summary.patients_in_training == Some(true) {
        ", by a model that has seen these patients"
    } else {
        ""
    };
    let end = if serve {
        ""
    } else {
        "\nThe socket is closed now: `demo --serve` keeps it open."
    };
    format!(
        "\nAll traces: {} beats ({}{})\n\
         {} % of {} annotated beats found and labelled alike{seen}\n\
         {:.0} s of ECG in {:.2} s, {:.0} times real time, model {} on {}\n\
         Database: {}\n\
         Ask it:   curl --unix-socket {} 'http://localhost/v1/beats?class=V&limit=3'{end}",
        summary.beats,
        summary.by_class.line(),
        output::unclassifiable(summary.unclassifiable),
        output::percent(summary.agreement),
        summary.annotated_beats,
        summary.seconds_of_ecg,
        summary.seconds,
        summary.realtime_factor,
        summary.model,
        summary.engine,
        summary.database.display(),
        summary.socket.display()
    )
}

/// The page of this run, with a token and a folder of its own.
struct Page {
    tokens: WebTokens,
    name: TokenName,
    /// Goes with the run.
    _folder: TempDir,
}

impl Page {
    fn new() -> Result<Self, Failure> {
        let failed = |error| other("a folder for the page's token", error);
        let folder = tempfile::Builder::new()
            .prefix("ecg-gateway-demo-")
            .tempdir()
            .map_err(failed)?;
        let tokens = WebTokens::at(folder.path().join("web-tokens"));
        let name =
            TokenName::new("demo").ok_or_else(|| other("the page's token", "its name is none"))?;
        tokens.create(name, true)?;
        Ok(Self {
            tokens,
            name,
            _folder: folder,
        })
    }

    /// Says where the page is; on standard error where standard output is for a program.
    fn print(&self, gateway: &Gateway, json: bool) -> Result<(), Failure> {
        let mut lines = Vec::new();
        if let Some(address) = gateway.web_address() {
            let site = Site::of_port(address.port()).into_iter().next();
            let open = web::open_address(&self.tokens, self.name, site.as_ref())?;
            lines.push(format!("Open it:  {open}"));
            lines.push(format!(
                "          (for one browser, once, within 5 minutes; another one: ecg-gateway web \
                 token address {} --tokens {}{})",
                self.name,
                self.tokens.path().display(),
                site.map_or_else(String::new, |site| format!(" --at {}", site.origin())),
            ));
        }
        lines.push("Serving; press Ctrl-C to stop.".to_owned());
        for line in lines {
            if json {
                let _ = writeln!(std::io::stderr().lock(), "{line}"); // it may be closed
            } else {
                text_line(&line)?;
            }
        }
        Ok(())
    }
}

/// Where the database and the socket go.
fn places(arguments: &Arguments) -> Result<(PathBuf, PathBuf), Failure> {
    let folder = std::env::temp_dir().join(format!("ecg-gateway-demo-{}", std::process::id()));
    if arguments.db.is_none() || arguments.socket.is_none() {
        std::fs::create_dir_all(&folder).map_err(|error| other(folder.display(), error))?;
    }
    let database = arguments
        .db
        .clone()
        .unwrap_or_else(|| folder.join("demo.db"));
    let socket = arguments
        .socket
        .clone()
        .unwrap_or_else(|| folder.join("api.sock"));
    Ok((database, socket))
}
