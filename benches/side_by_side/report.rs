//! The table at the end: each figure, its bound, and whether it was met.

#[derive(Default)]
pub struct Report {
    rows: Vec<Row>,
}

struct Row {
    name: String,
    measured: String,
    bound: String,
    met: bool,
}

impl Report {
    pub fn at_least(&mut self, name: &str, measured: f64, bound: f64, aim: Option<f64>) {
        let aim = aim.map_or(String::new(), |aim| format!(", aim {aim:.2}"));
        self.rows.push(Row {
            name: name.to_owned(),
            measured: format!("{measured:.2}"),
            bound: format!("≥ {bound:.2}{aim}"),
            met: measured >= bound,
        });
    }

    pub fn at_most(&mut self, name: &str, measured: f64, bound: f64, unit: &str) {
        self.rows.push(Row {
            name: name.to_owned(),
            measured: format!("{measured:.2} {unit}"),
            bound: format!("≤ {bound:.2} {unit}"),
            met: measured <= bound,
        });
    }

    pub fn print(&self) {
        println!("\n{:<64} {:>12}   {:<22} met", "figure", "measured", "bound");
        for row in &self.rows {
            let met = if row.met { "yes" } else { "NO" };
            println!("{:<64} {:>12}   {:<22} {met}", row.name, row.measured, row.bound);
        }
    }

    pub fn all_met(&self) -> bool {
        self.rows.iter().all(|row| row.met)
    }
}

/// The middle value; of two middle values the lower one.
pub fn median(mut values: Vec<f64>) -> f64 {
    assert!(!values.is_empty(), "a median of nothing");
    values.sort_by(f64::total_cmp);
    values[(values.len() - 1) / 2]
}
