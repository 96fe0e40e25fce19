//! `docs/growth.md` and its plots.

use std::fs;
use std::path::Path;

use anyhow::{Result, anyhow};
use plotters::prelude::*;

use crate::series::Figure;

/// Writes all of it into this folder.
pub(crate) fn write(docs: &Path, figures: &[Figure]) -> Result<()> {
    let mut text = format!(
        "# How it grows\n\nWritten by `tests/grow` on {}, {}. Medians. The exponent is the steepest that a column is between its last row and any of \
         a tenth of it or less: 1 is linear, 0 constant; above 1.1 the command fails, and where a drain or its memory is not ten times as much for a hundred times as many: \
         something that does not grow would hide what does.\n\n",
        comparison::host::date(),
        comparison::host::words()?,
    );
    for figure in figures {
        text.push_str(&format!("{figure}![{}]({})\n\n", figure.title, figure.file));
        plot(&docs.join(figure.file), figure)
            .map_err(|error| anyhow!("{}: {error}", figure.file))?;
    }
    text.truncate(text.trim_end().len());
    text.push('\n');
    fs::create_dir_all(docs)?;
    Ok(fs::write(docs.join("growth.md"), text)?)
}

const COLOURS: [RGBColor; 2] = [RGBColor(31, 119, 180), RGBColor(255, 127, 14)];

/// Both axes by orders of magnitude: what is linear is a line at 45 degrees or flatter.
fn plot(path: &Path, figure: &Figure) -> Result<(), Box<dyn std::error::Error>> {
    let points = || figure.series.iter().flat_map(|series| &series.points);
    let counts = points().map(|(count, _)| *count as f64);
    let least = points().map(|(_, value)| *value).fold(f64::MAX, f64::min).max(0.001);
    let most = points().map(|(_, value)| *value).fold(least, f64::max);
    let (first, last) = (counts.clone().fold(f64::MAX, f64::min), counts.fold(0.0, f64::max));
    let root = SVGBackend::new(path, (760, 360)).into_drawing_area();
    root.fill(&WHITE)?;
    let mut chart = ChartBuilder::on(&root)
        .caption(figure.title, ("sans-serif", 18))
        .margin(12)
        .x_label_area_size(36)
        .y_label_area_size(64)
        .build_cartesian_2d(
            (first..last * 1.1).log_scale(),
            (least / 2.0..most * 2.0).log_scale(),
        )?;
    chart.configure_mesh().x_desc(figure.of).y_desc(figure.unit).draw()?;
    for (series, colour) in figure.series.iter().zip(COLOURS) {
        let line = series.points.iter().map(|(count, value)| (*count as f64, value.max(least)));
        chart
            .draw_series(LineSeries::new(line, colour.stroke_width(2)).point_size(3))?
            .label(series.name)
            .legend(move |(x, y)| PathElement::new([(x, y), (x + 18, y)], colour));
    }
    chart.configure_series_labels().background_style(WHITE).border_style(BLACK).draw()?;
    root.present()?;
    Ok(())
}
