//! The plots of `docs/comparison.md`, as SVG.

use std::path::Path;

use anyhow::{Result, anyhow};
use plotters::coord::Shift;
use plotters::prelude::*;
use plotters::style::text_anchor::{HPos, Pos, VPos};

use crate::load::{KEEP_ALIVE, KEEP_ALIVE_2000, LOADS, ONE_SHOT};
use crate::report::Results;
use crate::rival::Rival;
use crate::sample::Sample;
use crate::summary::{Summary, median};

type Area<'a> = DrawingArea<SVGBackend<'a>, Shift>;

const WIDTH: u32 = 900;
const LABELS: i32 = 190;
const BAR: i32 = 15;
const COLOURS: [RGBColor; 2] = [RGBColor(31, 119, 180), RGBColor(255, 147, 41)];

/// A row of bars for each rival.
struct Bars<'a> {
    title: &'a str,
    /// What the bars of a row are.
    series: &'a [&'a str],
    /// Name, and each bar's value with its text.
    rows: Vec<(String, Vec<(f64, String)>)>,
}

/// Draws all of them into this folder.
///
/// # Errors
/// When a file cannot be written.
pub fn all(folder: &Path, results: &Results, rivals: &[&'static Rival]) -> Result<()> {
    throughput(results, rivals).draw(&folder.join("comparison-throughput.svg"))?;
    failed(results, rivals).draw(&folder.join("comparison-failed.svg"))?;
    latency(&folder.join("comparison-latency.svg"), results, rivals)
}

fn throughput<'a>(results: &Results, rivals: &[&'static Rival]) -> Bars<'a> {
    let row = |rival: &&'static Rival| {
        let bar = |load| {
            let own = Summary::of(&results.seen.samples, rival, &[load]);
            let value = own.median(|s| Some(s.per_second)).unwrap_or_default();
            (value, format!("{value:.0}"))
        };
        (plain(rival), vec![bar(&KEEP_ALIVE), bar(&ONE_SHOT)])
    };
    Bars {
        title: "requests each second with no swap, 64 clients at full speed",
        series: &["keep-alive", "a connection for each"],
        rows: rivals.iter().map(row).collect(),
    }
}

/// By orders of magnitude: the worst would hide all others.
fn failed<'a>(results: &Results, rivals: &[&'static Rival]) -> Bars<'a> {
    let row = |rival: &&'static Rival| {
        let own = Summary::of(&results.seen.samples, rival, &LOADS);
        let failed = own.lost().requests();
        (plain(rival), vec![((failed as f64 + 1.0).log10(), failed.to_string())])
    };
    Bars {
        title: "failed requests of all swaps and loads together (logarithmic)",
        series: &["failed"],
        rows: rivals.iter().filter(|rival| !rival.is_baseline).map(row).collect(),
    }
}

fn plain(rival: &Rival) -> String {
    rival.title.replace(['*', '`'], "")
}

impl Bars<'_> {
    fn draw(&self, path: &Path) -> Result<()> {
        let each = BAR * i32::try_from(self.series.len())? + 8;
        let height = 60 + each * i32::try_from(self.rows.len())?;
        let size = (WIDTH, u32::try_from(height)?);
        let root = SVGBackend::new(path, size).into_drawing_area();
        root.fill(&WHITE).map_err(drawing)?;
        text(&root, self.title, (10, 8), HPos::Left)?;
        for (n, name) in self.series.iter().enumerate().filter(|_| self.series.len() > 1) {
            let x = LABELS + 150 * i32::try_from(n)?;
            rectangle(&root, (x, 32), (x + 12, 44), COLOURS[n])?;
            text(&root, name, (x + 18, 31), HPos::Left)?;
        }
        let values = self.rows.iter().flat_map(|(_, bars)| bars.iter().map(|(value, _)| *value));
        let most = values.fold(f64::MIN_POSITIVE, f64::max);
        let room = f64::from(WIDTH) - f64::from(LABELS) - 90.0;
        for (row, (name, bars)) in self.rows.iter().enumerate() {
            let top = 54 + each * i32::try_from(row)?;
            let middle = top + BAR * i32::try_from(bars.len())? / 2 - 7;
            text(&root, name, (LABELS - 8, middle), HPos::Right)?;
            for (n, (value, words)) in bars.iter().enumerate() {
                let top = top + BAR * i32::try_from(n)?;
                let right = LABELS + (value / most * room) as i32;
                rectangle(
                    &root,
                    (LABELS, top),
                    (right.max(LABELS + 1), top + BAR - 2),
                    COLOURS[n],
                )?;
                text(&root, words, (right + 5, top - 1), HPos::Left)?;
            }
        }
        root.present().map_err(drawing)
    }
}

fn text(area: &Area, words: &str, at: (i32, i32), side: HPos) -> Result<()> {
    let style = ("sans-serif", 15).into_font().color(&BLACK).pos(Pos::new(side, VPos::Top));
    area.draw_text(words, &style, at).map_err(drawing)
}

fn rectangle(area: &Area, from: (i32, i32), to: (i32, i32), colour: RGBColor) -> Result<()> {
    area.draw(&Rectangle::new([from, to], colour.filled())).map_err(drawing)
}

/// The slowest answer of each tenth of a second, around the swap, for each rival: the median of the rounds.
fn latency(path: &Path, results: &Results, rivals: &[&'static Rival]) -> Result<()> {
    const COLUMNS: usize = 3;
    let lines = rivals.len().div_ceil(COLUMNS);
    let size = (WIDTH, 40 + 170 * u32::try_from(lines)?);
    let root = SVGBackend::new(path, size).into_drawing_area();
    root.fill(&WHITE).map_err(drawing)?;
    let title =
        "slowest answer in each 0.1 s, ms, at 2000 requests/s; the swap's command comes at 0 s";
    text(&root, title, (10, 8), HPos::Left)?;
    let (_, below) = root.split_vertically(30);
    for (rival, area) in rivals.iter().zip(below.split_evenly((lines, COLUMNS))) {
        let own = Summary::of(&results.seen.samples, rival, &[&KEEP_ALIVE_2000]);
        timeline(&area, &plain(rival), &around(own.samples())).map_err(|e| anyhow!("{e}"))?;
    }
    root.present().map_err(drawing)
}

/// Tenths of a second since the swap, and milliseconds.
fn around(samples: &[&Sample]) -> Vec<(f64, f64)> {
    let at = |sample: &Sample, ns: u64| (ns as f64 - sample.swap_ns as f64) / 1e8;
    let tenths = -15..=19;
    let slowest = tenths.filter_map(|tenth| {
        let in_it = |sample: &&Sample| {
            let mut slices = sample.slices.iter();
            // A slice that is not filled any more has no answers.
            let found =
                slices.find(|s| s.answers > 0 && at(sample, s.at_ns).round() as i64 == tenth);
            found.map(|slice| f64::from(slice.max_us) / 1e3)
        };
        Some((tenth as f64 / 10.0, median(samples.iter().filter_map(in_it))?))
    });
    slowest.collect()
}

fn timeline(
    area: &Area,
    title: &str,
    points: &[(f64, f64)],
) -> Result<(), DrawingAreaErrorKind<std::io::Error>> {
    let mut chart = ChartBuilder::on(area)
        .caption(title, ("sans-serif", 15))
        .margin(6)
        .x_label_area_size(18)
        .y_label_area_size(38)
        .build_cartesian_2d(-1.6..2.0, (0.1..1000.0).log_scale())?;
    chart
        .configure_mesh()
        .light_line_style(WHITE)
        .x_labels(5)
        .y_labels(5)
        .x_label_formatter(&|x| format!("{x:.0}"))
        .y_label_formatter(&|y| format!("{y}"))
        .draw()?;
    chart.draw_series(LineSeries::new(points.iter().copied(), COLOURS[0].stroke_width(2)))?;
    let swap = LineSeries::new([(0.0, 0.1), (0.0, 1000.0)], COLOURS[1].stroke_width(1));
    chart.draw_series(swap)?;
    Ok(())
}

fn drawing<E: std::error::Error + Send + Sync>(error: DrawingAreaErrorKind<E>) -> anyhow::Error {
    anyhow!("cannot draw: {error}")
}
