//! Beats with their maps over them (SVG).
//!
//! Nothing depends on telling colours apart: what speaks for the class is a band around the trace,
//! wider where it counts more, and solid bars above the line; what speaks against it is hatched bars
//! below.

use std::fmt::Write as _;

use arrhythmianet::BeatClass;
use arrhythmianet::explain::Method;
use ecg_signal::{MODEL_RATE_HZ, R_INDEX, WINDOW_SAMPLES, Wave, Waves};

use super::collect::{Collected, Explained, OfClass, probability};
use crate::cli::evaluate::escaped;
use crate::cli::output::percent;

const WIDTH: f64 = 780.0;
const HEIGHT: f64 = 430.0;
const LEFT: f64 = 84.0;
/// Pixels from sample to sample.
const STEP: f64 = 5.25;
/// Top and bottom of the beat, and of the map's bars; where the waves are named.
const BEAT: (f64, f64) = (64.0, 232.0);
const WAVES_Y: f64 = 254.0;
const MAP: (f64, f64) = (278.0, 388.0);
/// Widest band around the trace, pixels.
const BAND: f64 = 22.0;

/// File name and contents of each picture.
pub(super) fn all(collected: &Collected) -> Vec<(String, String)> {
    let mut pictures = Vec::new();
    for (class, found) in collected.found() {
        if let Some(example) = &found.example {
            let name = match example.id {
                Some(id) => format!("beat-{id}.svg"),
                None => format!("beat-{}.svg", class.symbol()),
            };
            pictures.push((name, beat(example)));
        }
        if found.maps.maps() > 1 {
            let name = format!("class-{}.svg", class.symbol());
            pictures.push((name, of_class(collected, class, found)));
        }
    }
    pictures
}

fn method_name(method: Method) -> &'static str {
    match method {
        Method::GradCam => "Grad-CAM",
        Method::GradCamFine => "Grad-CAM of a finer layer",
        Method::Shap => "SHAP",
    }
}

fn beat(of: &Explained) -> String {
    let map: Vec<f64> = of.map.waveform().into_iter().map(f64::from).collect();
    let window: Vec<f64> = of.window_uv.iter().map(|&uv| f64::from(uv)).collect();
    let title = format!(
        "Called {} (p {:.2}): what speaks for {}, {}",
        of.beat.class.symbol(),
        probability(&of.beat),
        of.map.class.symbol(),
        method_name(of.map.method)
    );
    let shares = of.shares.map(|of| [of.p, of.qrs, of.t].map(f64::from));
    let mut picture = Picture::new(&title, &format!("{}; {}", of.origin, on(shares)));
    picture.map(&map, None);
    picture.trace(&window, &map);
    picture.waves(&of.waves);
    picture.finish(of.map.class)
}

fn of_class(collected: &Collected, class: BeatClass, of: &OfClass) -> String {
    let beats = of.maps.maps();
    let explained = collected.class.unwrap_or(class);
    let title = format!(
        "{beats} beats called {}: what speaks for {}, {}",
        class.symbol(),
        explained.symbol(),
        method_name(collected.method)
    );
    let subtitle = format!("mean, +- one standard deviation; {}", on(of.maps.shares()));
    let mean = of.maps.mean();
    let window: Vec<f64> = of
        .window_sum_uv
        .iter()
        .map(|sum| sum / beats as f64)
        .collect();
    let mut picture = Picture::new(&title, &subtitle);
    picture.map(&mean, Some(&of.maps.spread()));
    picture.trace(&window, &mean);
    picture.finish(explained)
}

/// Where the map's weight lies, in words.
fn on(shares: Option<[f64; 3]>) -> String {
    let Some([p, qrs, t]) = shares else {
        return "nothing speaks for it".to_owned();
    };
    format!(
        "{} % on P, {} % on QRS, {} % on ST-T",
        percent(Some(p)),
        percent(Some(qrs)),
        percent(Some(t))
    )
}

struct Picture(String);

impl Picture {
    fn new(title: &str, subtitle: &str) -> Self {
        let mut picture = Self(String::new());
        let (title, subtitle) = (escaped(title), escaped(subtitle));
        picture.put(&format!(
            "<svg xmlns=\"http://www.w3.org/2000/svg\" width=\"{WIDTH}\" height=\"{HEIGHT}\" \
             viewBox=\"0 0 {WIDTH} {HEIGHT}\" font-family=\"sans-serif\" font-size=\"13\" \
             role=\"img\"><title>{title}</title><defs><pattern id=\"against\" width=\"4\" \
             height=\"4\" patternUnits=\"userSpaceOnUse\" patternTransform=\"rotate(45)\"><path \
             d=\"M0 0V4\" stroke=\"#b34a00\" stroke-width=\"2\"/></pattern></defs>"
        ));
        picture.put(&format!(
            "<rect width=\"{WIDTH}\" height=\"{HEIGHT}\" fill=\"#ffffff\"/><text x=\"12\" y=\"24\" \
             font-size=\"16\" font-weight=\"bold\">{title}</text><text x=\"12\" \
             y=\"44\">{subtitle}</text>"
        ));
        picture
    }

    fn put(&mut self, text: &str) {
        // Writing to a string cannot fail.
        let _ = writeln!(self.0, "{text}");
    }

    /// The beat, with a band around it as wide as what speaks for the class.
    fn trace(&mut self, window: &[f64], map: &[f64]) {
        let (low, high) = bounds(window);
        let span = (high - low).max(1.0);
        let y = |uv: f64| BEAT.1 - (uv - low) / span * (BEAT.1 - BEAT.0);
        let largest = map.iter().fold(0.0_f64, |most, value| most.max(*value));
        let half = |value: f64| {
            if largest > 0.0 {
                BAND / 2.0 * value.max(0.0) / largest
            } else {
                0.0
            }
        };
        let places = || window.iter().zip(map).enumerate();
        let upper = places().map(|(k, (&uv, &value))| point(x(k as f64), y(uv) - half(value)));
        let lower = places().map(|(k, (&uv, &value))| point(x(k as f64), y(uv) + half(value)));
        let lower: Vec<String> = lower.collect();
        let band: Vec<String> = upper.chain(lower.into_iter().rev()).collect();
        self.put(&format!(
            "<polygon points=\"{}\" fill=\"#e69f00\" fill-opacity=\"0.75\" stroke=\"none\"/>",
            band.join(" ")
        ));
        let line: Vec<String> = window
            .iter()
            .enumerate()
            .map(|(k, &uv)| point(x(k as f64), y(uv)))
            .collect();
        self.put(&format!(
            "<polyline points=\"{}\" fill=\"none\" stroke=\"#000000\" stroke-width=\"1.6\"/>",
            line.join(" ")
        ));
        self.put(&format!(
            "<text x=\"{:.1}\" y=\"{:.1}\" text-anchor=\"end\">{high:.0} µV</text><text \
             x=\"{:.1}\" y=\"{:.1}\" text-anchor=\"end\">{low:.0} µV</text>",
            LEFT - 6.0,
            BEAT.0 + 5.0,
            LEFT - 6.0,
            BEAT.1 + 5.0
        ));
    }

    /// The map as bars; with a spread, a whisker a bar.
    fn map(&mut self, map: &[f64], spread: Option<&[f64]>) {
        let reach = |k: usize| map[k].abs() + spread.map_or(0.0, |spread| spread[k]);
        let largest = (0..map.len()).map(reach).fold(1e-9_f64, f64::max);
        let middle = f64::midpoint(MAP.0, MAP.1);
        let scale = (MAP.1 - MAP.0) / 2.0 / largest;
        for (k, &value) in map.iter().enumerate() {
            let height = value.abs() * scale;
            let (top, fill) = if value >= 0.0 {
                (middle - height, "fill=\"#0a5a8a\"")
            } else {
                (
                    middle,
                    "fill=\"url(#against)\" stroke=\"#b34a00\" stroke-width=\"0.5\"",
                )
            };
            if height >= 0.25 {
                self.put(&format!(
                    "<rect x=\"{:.1}\" y=\"{top:.1}\" width=\"{:.1}\" height=\"{height:.1}\" \
                     {fill}/>",
                    x(k as f64) - STEP / 2.0 + 0.4,
                    STEP - 0.8
                ));
            }
            if let Some(spread) = spread {
                let (from, to) = (value - spread[k], value + spread[k]);
                self.put(&format!(
                    "<path d=\"M{:.1} {:.1}V{:.1}\" stroke=\"#808080\" stroke-width=\"0.8\"/>",
                    x(k as f64),
                    middle - from * scale,
                    middle - to * scale
                ));
            }
        }
        self.put(&format!(
            "<path d=\"M{LEFT} {middle}H{:.1}\" stroke=\"#000000\" stroke-width=\"0.8\"/>",
            x(WINDOW_SAMPLES as f64 - 1.0)
        ));
    }

    fn waves(&mut self, waves: &Waves) {
        for (name, wave) in [("P", waves.p), ("QRS", waves.qrs), ("T", waves.t)] {
            if let Some(wave) = wave {
                self.wave(name, &wave);
            }
        }
    }

    fn wave(&mut self, name: &str, wave: &Wave) {
        let at = |ms: f32| x(f64::from(ms) * f64::from(MODEL_RATE_HZ) / 1e3 + R_INDEX as f64);
        let from = at(wave.onset_ms);
        let to = wave.end_ms.map_or(x(WINDOW_SAMPLES as f64 - 1.0), at);
        // No foot where the end is not seen.
        let foot = if wave.end_ms.is_some() { "v-6" } else { "" };
        self.put(&format!(
            "<path d=\"M{from:.1} {:.1}v6H{to:.1}{foot}\" fill=\"none\" stroke=\"#000000\"/><text \
             x=\"{:.1}\" y=\"{:.1}\" text-anchor=\"middle\">{name}</text>",
            WAVES_Y - 10.0,
            f64::midpoint(from, to),
            WAVES_Y + 10.0
        ));
    }

    fn finish(mut self, class: BeatClass) -> String {
        let symbol = class.symbol();
        self.put(&format!(
            "<rect x=\"{LEFT}\" y=\"404\" width=\"12\" height=\"12\" fill=\"#0a5a8a\"/><text \
             x=\"{:.1}\" y=\"415\">for {symbol} (as the band above)</text><rect x=\"{:.1}\" y=\"404\" \
             width=\"12\" height=\"12\" fill=\"url(#against)\" stroke=\"#b34a00\" \
             stroke-width=\"0.5\"/><text x=\"{:.1}\" y=\"415\">against {symbol}</text><text \
             x=\"{:.1}\" y=\"415\" text-anchor=\"end\">0.44 s before R to 0.58 s after</text></svg>",
            LEFT + 18.0,
            LEFT + 220.0,
            LEFT + 238.0,
            WIDTH - 16.0
        ));
        self.0
    }
}

fn x(sample: f64) -> f64 {
    LEFT + sample * STEP
}

fn point(x: f64, y: f64) -> String {
    format!("{x:.1},{y:.1}")
}

fn bounds(values: &[f64]) -> (f64, f64) {
    let low = values.iter().copied().fold(f64::INFINITY, f64::min);
    let high = values.iter().copied().fold(f64::NEG_INFINITY, f64::max);
    (low, high)
}
