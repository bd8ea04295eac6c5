//! Medians, ratios, and the dated record that they are written to.

use std::fs;
use std::path::PathBuf;
use std::thread;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use anyhow::{Context, Result};

use super::measure::{Cost, Costs};
use super::runtime::Runtime;
use super::workload::{Group, Workload};
use crate::workspace;

/// Everything measured in one run.
pub(super) struct Record<'a> {
    runtimes: &'a [Runtime],
    rounds: usize,
    rows: Vec<Row>,
}

struct Row {
    group: Group,
    name: String,
    costs: Vec<Costs>,
    /// What else is known of Waft's run.
    note: Option<String>,
}

impl<'a> Record<'a> {
    pub(super) fn new(runtimes: &'a [Runtime], rounds: usize) -> Self {
        Self { runtimes, rounds, rows: Vec::new() }
    }

    pub(super) fn add(&mut self, workload: &Workload, costs: Vec<Costs>, note: Option<String>) {
        self.rows.push(Row { group: workload.group, name: workload.name.clone(), costs, note });
    }

    /// Whether Waft, which stands first, failed anywhere.
    pub(super) fn waft_failed(&self) -> bool {
        self.rows.iter().any(|row| row.costs[0].failure.is_some())
    }

    /// The record as a document.
    pub(super) fn text(&self) -> String {
        let mut text = format!("# Benchmarks, {}\n\n{}\n\n", today(), machine());
        for runtime in self.runtimes {
            text.push_str(&format!("- {}\n", runtime.version));
        }
        text.push_str(&format!(
            "\nMedians over {} rounds, all runtimes in turn in each. A ratio is Waft's cost over the peer's, the median of \
             the rounds' own ratios: **under 1, Waft is faster**. Processor time first, then wall time.\n",
            self.rounds
        ));
        for group in Group::ALL {
            let rows: Vec<&Row> = self.rows.iter().filter(|row| row.group == group).collect();
            if !rows.is_empty() {
                text.push_str(&self.table(group, &rows));
            }
        }
        text
    }

    fn table(&self, group: Group, rows: &[&Row]) -> String {
        let peers: Vec<usize> = (1..self.runtimes.len())
            .filter(|&peer| {
                rows.iter().any(|row| !row.costs[peer].rounds.is_empty() || row.costs[peer].failure.is_some())
            })
            .collect();
        let mut text =
            format!("\n## {}\n\n{}\n\n| | waft, ms cpu / wall | MB |", group.name(), group.about());
        for &peer in &peers {
            text.push_str(&format!(" to {} |", self.runtimes[peer].kind.name()));
        }
        text.push_str(&format!("\n| --- | --- | --- |{}\n", " --- |".repeat(peers.len())));
        for row in rows {
            text.push_str(&format!("| {} | {} |", row.name, own_cells(&row.costs[0])));
            for &peer in &peers {
                text.push_str(&format!(" {} |", ratio_cell(&row.costs[0], &row.costs[peer])));
            }
            text.push('\n');
        }
        if rows.len() > 1 {
            text.push_str("| geometric mean | | |");
            for &peer in &peers {
                text.push_str(&format!(" {} |", mean_cell(rows, peer)));
            }
            text.push('\n');
        }
        let notes = rows.iter().filter_map(|row| Some((&row.name, row.note.as_ref()?)));
        for (at, (name, note)) in notes.enumerate() {
            text.push_str(&format!("{}- {name}: {note}\n", if at == 0 { "\n" } else { "" }));
        }
        text
    }

    /// Writes the record under today's date; a second one of the day gets a number.
    ///
    /// # Errors
    ///
    /// The file cannot be written.
    pub(super) fn write(&self) -> Result<PathBuf> {
        let folder = workspace::root().join("bench/records");
        fs::create_dir_all(&folder)?;
        let name = |n: usize| if n == 1 { format!("{}.md", today()) } else { format!("{}-{n}.md", today()) };
        let path =
            (1..).map(|n| folder.join(name(n))).find(|path| !path.exists()).expect("numbers do not end");
        fs::write(&path, self.text()).with_context(|| format!("writing {}", path.display()))?;
        Ok(path)
    }
}

fn own_cells(costs: &Costs) -> String {
    if let Some(reason) = &costs.failure {
        return format!("failed: {reason} | ");
    }
    let ms = |pick: fn(&Cost) -> Duration| {
        median(costs.rounds.iter().map(|cost| pick(cost).as_secs_f64() * 1e3).collect())
    };
    let peak = costs.rounds.iter().map(|cost| cost.peak_bytes).max().unwrap_or(0) as f64 / 1e6;
    format!("{:.0} / {:.0} | {peak:.0}", ms(|cost| cost.cpu), ms(|cost| cost.wall))
}

fn ratio_cell(ours: &Costs, theirs: &Costs) -> String {
    if theirs.failure.is_some() {
        return "failed".to_owned();
    }
    match (ratio(ours, theirs, |cost| cost.cpu), ratio(ours, theirs, |cost| cost.wall)) {
        (Some(cpu), Some(wall)) => format!("{cpu:.2} / {wall:.2}"),
        _ => "-".to_owned(),
    }
}

fn mean_cell(rows: &[&Row], peer: usize) -> String {
    let mean = |pick: fn(&Cost) -> Duration| {
        geometric_mean(rows.iter().filter_map(|row| ratio(&row.costs[0], &row.costs[peer], pick)).collect())
    };
    match (mean(|cost| cost.cpu), mean(|cost| cost.wall)) {
        (Some(cpu), Some(wall)) => format!("{cpu:.2} / {wall:.2}"),
        _ => "-".to_owned(),
    }
}

/// The median of the rounds' ratios. A process too short for the kernel's clock has no ratio.
fn ratio(ours: &Costs, theirs: &Costs, pick: fn(&Cost) -> Duration) -> Option<f64> {
    let pairs = ours.rounds.iter().zip(&theirs.rounds);
    let ratios: Vec<f64> = pairs.map(|(a, b)| pick(a).as_secs_f64() / pick(b).as_secs_f64()).collect();
    (!ratios.is_empty() && ratios.iter().all(|ratio| ratio.is_finite())).then(|| median(ratios))
}

fn median(mut values: Vec<f64>) -> f64 {
    values.sort_by(f64::total_cmp);
    let middle = values.len() / 2;
    match values.len() {
        0 => f64::NAN,
        n if n % 2 == 1 => values[middle],
        _ => f64::midpoint(values[middle - 1], values[middle]),
    }
}

fn geometric_mean(values: Vec<f64>) -> Option<f64> {
    let count = values.len() as f64;
    (!values.is_empty()).then(|| (values.iter().map(|value| value.ln()).sum::<f64>() / count).exp())
}

/// The machine by its processor, its cores and how busy it was, and by nothing else.
fn machine() -> String {
    let info = fs::read_to_string("/proc/cpuinfo").unwrap_or_default();
    let field = |name: &str| {
        info.lines().find(|line| line.starts_with(name))?.split_once(": ").map(|(_, value)| value)
    };
    let model = field("model name").unwrap_or("an unknown processor");
    let cores = thread::available_parallelism().map_or(1, usize::from);
    let family = match (field("cpu family"), field("model\t")) {
        (Some(family), Some(model)) => format!(" (family {family}, model {model})"),
        _ => String::new(),
    };
    let load = fs::read_to_string("/proc/loadavg").unwrap_or_default();
    let load = load.split(' ').next().unwrap_or("unknown");
    format!("{model}{family}, {cores} cores, {}; load average {load} at the end.", std::env::consts::ARCH)
}

fn today() -> String {
    let seconds = SystemTime::now().duration_since(UNIX_EPOCH).map_or(0, |since| since.as_secs());
    date(seconds / 86_400)
}

/// The date of a day since 1970-01-01, in the Gregorian calendar.
fn date(days: u64) -> String {
    // Counted from 0000-03-01, so that the leap day is the last of its year.
    let days = days + 719_468;
    let (era, day_of_era) = (days / 146_097, days % 146_097);
    let year_of_era = (day_of_era - day_of_era / 1_460 + day_of_era / 36_524 - day_of_era / 146_096) / 365;
    let day_of_year = day_of_era - (365 * year_of_era + year_of_era / 4 - year_of_era / 100);
    let month_from_march = (5 * day_of_year + 2) / 153;
    let day = day_of_year - (153 * month_from_march + 2) / 5 + 1;
    let month = if month_from_march < 10 { month_from_march + 3 } else { month_from_march - 9 };
    let year = era * 400 + year_of_era + u64::from(month <= 2);
    format!("{year:04}-{month:02}-{day:02}")
}

#[cfg(test)]
mod tests {
    use super::*;

    fn costs(milliseconds: &[u64]) -> Costs {
        let cost = |&ms: &u64| Cost {
            wall: Duration::from_millis(ms * 2),
            cpu: Duration::from_millis(ms),
            peak_bytes: 0,
        };
        Costs { rounds: milliseconds.iter().map(cost).collect(), failure: None }
    }

    #[test]
    fn ratios_are_paired_by_round() {
        assert_eq!(ratio_cell(&costs(&[10, 40, 30]), &costs(&[10, 20, 20])), "1.50 / 1.50");
        assert_eq!(ratio_cell(&costs(&[10]), &costs(&[])), "-");
        assert_eq!(ratio_cell(&costs(&[10]), &costs(&[0])), "-");
    }

    #[test]
    fn dates_are_those_of_the_calendar() {
        assert_eq!(date(0), "1970-01-01");
        assert_eq!(date(11_016), "2000-02-29");
        assert_eq!(date(20_453), "2025-12-31");
    }

    #[test]
    fn medians_and_means() {
        assert_eq!(median(vec![3.0, 1.0, 2.0]), 2.0);
        assert_eq!(median(vec![4.0, 1.0, 2.0, 3.0]), 2.5);
        assert!((geometric_mean(vec![2.0, 8.0]).unwrap() - 4.0).abs() < 1e-12);
        assert!(geometric_mean(Vec::new()).is_none());
    }
}
