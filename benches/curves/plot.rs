//! Draws the curves: microseconds above, bytes below, both against the length of the line.

use std::error::Error;
use std::path::Path;

use plotters::prelude::*;

use crate::Row;

const SIZE: (u32, u32) = (860, 760);
const COLOURS: [RGBColor; 6] = [
    RGBColor(0x1b, 0x5e, 0x9b),
    RGBColor(0xb4, 0x53, 0x09),
    RGBColor(0x2e, 0x7d, 0x32),
    RGBColor(0x7b, 0x3f, 0x9d),
    RGBColor(0xc0, 0x39, 0x2b),
    RGBColor(0x4a, 0x55, 0x68),
];

/// A name, and a value for each length.
type Series<'a> = (&'a str, fn(&Row) -> f64);

/// Writes the plot.
///
/// # Errors
/// When the file cannot be written.
pub(crate) fn draw(rows: &[Row], path: &Path) -> Result<(), Box<dyn Error>> {
    let area = SVGBackend::new(path, SIZE).into_drawing_area();
    area.fill(&WHITE)?;
    let (above, below) = area.split_vertically(470);
    panel(
        &above,
        rows,
        (
            "CPU against the length of the line",
            "microseconds",
            0.1..100_000.0,
        ),
        &[
            ("a poll", |row| row.poll.cost.cpu_us),
            ("an admitted request", |row| row.admitted.cost.cpu_us),
            ("a join over HTTP", |row| row.join.cpu_us),
            ("Redis: an idle exchange", |row| row.exchanged.idle_us),
            ("Redis: an exchange with 10,000 joins", |row| {
                row.exchanged.joins_us
            }),
            ("Redis: skipping the whole line", |row| {
                row.exchanged.skip_us
            }),
        ],
    )?;
    panel(
        &below,
        rows,
        ("Memory of Redis", "bytes", 0.1..100_000_000.0),
        &[
            ("the room", |row| row.exchanged.memory),
            ("each who waits", |row| {
                row.exchanged.per_visitor(row.waiting)
            }),
        ],
    )?;
    area.present()?;
    Ok(())
}

fn panel(
    area: &DrawingArea<SVGBackend<'_>, plotters::coord::Shift>,
    rows: &[Row],
    (title, unit, range): (&str, &str, std::ops::Range<f64>),
    series: &[Series<'_>],
) -> Result<(), Box<dyn Error>> {
    let mut chart = ChartBuilder::on(area)
        .caption(title, ("sans-serif", 20))
        .margin(14)
        .x_label_area_size(44)
        .y_label_area_size(76)
        .build_cartesian_2d((5.0..20_000_000.0).log_scale(), range.log_scale())?;
    chart
        .configure_mesh()
        .x_desc("waiting")
        .y_desc(unit)
        .x_label_formatter(&|value| format!("{value:.0}"))
        .y_label_formatter(&|value| format!("{value}"))
        .light_line_style(TRANSPARENT)
        .bold_line_style(BLACK.mix(0.12))
        .draw()?;
    for (&(name, value), colour) in series.iter().zip(COLOURS) {
        let points: Vec<_> = rows
            .iter()
            .map(|row| (length(row), value(row).max(0.1)))
            .collect();
        chart
            .draw_series(LineSeries::new(points.clone(), colour.stroke_width(2)))?
            .label(name)
            .legend(move |(x, y)| {
                PathElement::new(vec![(x, y), (x + 18, y)], colour.stroke_width(2))
            });
        chart.draw_series(
            points
                .into_iter()
                .map(|point| Circle::new(point, 3, colour.filled())),
        )?;
    }
    chart
        .configure_series_labels()
        .position(SeriesLabelPosition::UpperLeft)
        .background_style(WHITE.mix(0.85))
        .border_style(BLACK.mix(0.2))
        .draw()?;
    Ok(())
}

#[expect(clippy::cast_precision_loss, reason = "far fewer than 2^52 visitors")]
fn length(row: &Row) -> f64 {
    row.waiting as f64
}
