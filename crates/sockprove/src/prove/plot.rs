//! Pictures of one loop, as SVG that needs nothing else.

use plotters::prelude::*;

use super::deploy::Deploy;
use super::proof::Round;
use crate::kind::Kind;

const SIZE: (u32, u32) = (1000, 260);

/// The right part of it, in which the lines are named: over the lines a legend would hide some of them.
const LEGEND: u32 = 110;

/// Colours that can be told apart by those who see fewer of them (Okabe and Ito), one for each kind of client.
const COLOURS: [RGBColor; 5] = [
    RGBColor(0, 114, 178),
    RGBColor(213, 94, 0),
    RGBColor(0, 158, 115),
    RGBColor(204, 121, 167),
    RGBColor(90, 90, 90),
];

/// What a picture could not be drawn for.
#[derive(Debug, thiserror::Error)]
#[error("cannot draw: {0}")]
pub struct PlotError(String);

/// The caption and the picture.
#[derive(Debug)]
pub(super) struct Plot {
    pub(super) caption: String,
    pub(super) svg: String,
}

/// One line.
struct Line {
    name: String,
    colour: RGBColor,
    /// Seconds since the begin of the loop, and the value.
    points: Vec<(f64, f64)>,
}

/// All pictures of this loop.
pub(super) fn plots(round: &Round) -> Result<Vec<Plot>, PlotError> {
    let latency = |name, of: fn(&crate::record::Slice) -> u32| {
        let lines = slices(round, |slice| (slice.max_us > 0).then(|| f64::from(of(slice)) / 1e3));
        (name, lines)
    };
    let all = [
        latency("latency: 99 of 100 requests took no longer, in ms", |slice| slice.p99_us),
        latency("latency: the longest, in ms", |slice| slice.max_us),
        ("answers each second", per_second(round, |slice| slice.answers)),
        ("failed requests each second", per_second(round, |slice| slice.failed)),
        ("requests in flight, by slot", in_flight(round)),
    ];
    all.into_iter()
        .filter(|(_, lines)| lines.iter().any(|line| line.points.iter().any(|(_, y)| *y > 0.0)))
        .map(|(caption, lines)| {
            let is_latency = caption.starts_with("latency");
            let svg = draw(round, &lines, is_latency).map_err(|e| PlotError(e.to_string()))?;
            Ok(Plot { caption: caption.into(), svg })
        })
        .collect()
}

fn seconds(round: &Round, ns: u64) -> f64 {
    ns.saturating_sub(round.start_ns) as f64 / 1e9
}

fn slices(round: &Round, value: impl Fn(&crate::record::Slice) -> Option<f64>) -> Vec<Line> {
    let lines = round.loads.iter().map(|load| Line {
        name: load.record.kind.word().into(),
        colour: colour(load.record.kind),
        points: load
            .record
            .slices
            .iter()
            .filter_map(|slice| Some((seconds(round, slice.at_ns), value(slice)?)))
            .collect(),
    });
    lines.collect()
}

fn per_second(round: &Round, count: fn(&crate::record::Slice) -> u64) -> Vec<Line> {
    let slices_each_second =
        round.loads.first().map_or(1.0, |load| match load.record.slices.as_slice() {
            [first, second, ..] => 1e9 / (second.at_ns - first.at_ns) as f64,
            _ => 1.0,
        });
    slices(round, |slice| Some(count(slice) as f64 * slices_each_second))
}

fn in_flight(round: &Round) -> Vec<Line> {
    let mut names: Vec<_> = round.slots.iter().map(|sample| sample.slot.as_str()).collect();
    names.sort_unstable();
    names.dedup();
    let lines = names.iter().zip(COLOURS.iter().cycle()).map(|(name, colour)| Line {
        name: (*name).into(),
        colour: *colour,
        points: round
            .slots
            .iter()
            .filter(|sample| sample.slot == *name)
            .map(|sample| (seconds(round, sample.at_ns), sample.in_flight as f64))
            .collect(),
    });
    lines.collect()
}

fn colour(kind: Kind) -> RGBColor {
    let index = Kind::ALL.iter().position(|other| *other == kind).unwrap_or_default();
    COLOURS[index]
}

type Drawing<'a> = DrawingArea<SVGBackend<'a>, plotters::coord::Shift>;

fn draw(
    round: &Round,
    lines: &[Line],
    logarithmic: bool,
) -> Result<String, Box<dyn std::error::Error>> {
    let mut svg = String::new();
    {
        let root = SVGBackend::with_string(&mut svg, SIZE).into_drawing_area();
        let (chart, names) = root.split_horizontally(SIZE.0 - LEGEND);
        let most = lines.iter().flat_map(|line| &line.points).map(|(_, y)| *y).fold(0.0, f64::max);
        if logarithmic {
            draw_on(&chart, round, lines, (0.01..most.max(1.0) * 1.5).log_scale())?;
        } else {
            let range: std::ops::Range<f64> = 0.0..most * 1.1;
            draw_on(&chart, round, lines, range)?;
        }
        name(&names, lines)?;
        root.present()?;
    }
    Ok(svg)
}

fn draw_on<Y>(
    root: &Drawing<'_>,
    round: &Round,
    lines: &[Line],
    range: Y,
) -> Result<(), Box<dyn std::error::Error>>
where
    Y: plotters::coord::ranged1d::AsRangedCoord<Value = f64>,
    Y::CoordDescType: plotters::coord::ranged1d::ValueFormatter<f64>,
{
    let end = seconds(round, round.end_ns);
    let mut chart = ChartBuilder::on(root)
        .margin(8)
        .x_label_area_size(28)
        .y_label_area_size(60)
        .build_cartesian_2d(0.0..end, range)?;
    let (bottom, top) = {
        let range = chart.y_range();
        (range.start, range.end)
    };
    for (from, to, shade) in round.deploys.iter().flat_map(|deploy| shades(round, deploy)) {
        chart.draw_series([Rectangle::new([(from, bottom), (to, top)], shade.filled())])?;
    }
    chart
        .configure_mesh()
        .light_line_style(TRANSPARENT)
        .bold_line_style(BLACK.mix(0.1))
        .x_desc("seconds")
        .x_label_formatter(&|x| format!("{x:.0}"))
        .y_label_formatter(&|y| short(*y))
        .draw()?;
    for line in lines {
        let points = line.points.iter().copied();
        chart.draw_series(LineSeries::new(points, line.colour.stroke_width(1)))?;
    }
    Ok(())
}

/// A line of text for each line, from the top.
fn name(area: &Drawing<'_>, lines: &[Line]) -> Result<(), Box<dyn std::error::Error>> {
    for (line, y) in lines.iter().zip((20..).step_by(20)) {
        let stroke = line.colour.stroke_width(2);
        area.draw(&PathElement::new([(4, y), (22, y)], stroke))?;
        area.draw(&Text::new(line.name.as_str(), (28, y - 6), ("sans-serif", 13)))?;
    }
    Ok(())
}

/// The time of a deploy, and darker that in which users go from one slot to the other.
fn shades(round: &Round, deploy: &Deploy) -> Vec<(f64, f64, RGBAColor)> {
    let at = |ns| seconds(round, ns);
    let mut shades = vec![(at(deploy.began_ns), at(deploy.ended_ns), BLACK.mix(0.06))];
    let step = |name: &str| deploy.steps.iter().find(|step| step.step == name);
    if let Some(start) = step("start") {
        shades.push((at(start.from_ns), at(start.to_ns), RGBColor(230, 159, 0).mix(0.35)));
    }
    if let (Some(open), Some(close)) = (step("open"), step("close")) {
        shades.push((at(open.from_ns), at(close.to_ns), RGBColor(86, 180, 233).mix(0.6)));
    }
    if let Some(retire) = step("retire") {
        shades.push((at(retire.from_ns), at(retire.to_ns), RGBColor(86, 180, 233).mix(0.25)));
    }
    shades
}

/// A number as short as it can be.
fn short(value: f64) -> String {
    match value {
        v if v >= 1e6 => format!("{:.1} M", v / 1e6),
        v if v >= 1e4 => format!("{:.0} k", v / 1e3),
        v if v >= 1e3 => format!("{:.1} k", v / 1e3),
        v if v >= 10.0 || v == 0.0 => format!("{v:.0}"),
        v => format!("{v}"),
    }
}
