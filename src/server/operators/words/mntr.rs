//! `mntr`: every figure, one a line (`MonitorCommand`, `DefaultMetricsProvider`).

use crate::server::{
    figures::Figures,
    operators::{
        ask::{Ask, NoAnswer},
        report::{Entry, Value, gather},
    },
};
use crate::version;
use std::fmt::Write;

/// All lines.
pub(super) fn mntr(ask: &Ask<'_>) -> Result<String, NoAnswer> {
    let mut text = String::new();
    for entry in gather(ask, version::FULL)? {
        lines(&entry, &mut text);
    }
    Ok(text)
}

/// The lines of one figure: summaries have several.
fn lines(entry: &Entry, out: &mut String) {
    let key = entry.key.as_ref().map(|key| format!("{key}_")).unwrap_or_default();
    let name = format!("{key}{}", entry.name);
    _ = match &entry.value {
        Value::Text(value) | Value::Fraction(value) => writeln!(out, "zk_{name}\t{value}"),
        Value::Gauge(value) => writeln!(out, "zk_{name}\t{value}"),
        Value::Count(value) => writeln!(out, "zk_{name}\t{value}"),
        Value::Summary(figures) => summary(&name, *figures, out),
        Value::Detailed(figures, [p50, p95, p99, p999]) => {
            _ = summary(&name, *figures, out);
            let percentiles = [("p50", p50), ("p95", p95), ("p99", p99), ("p999", p999)];
            percentiles.iter().try_for_each(|(which, value)| writeln!(out, "zk_{which}_{name}\t{value}"))
        }
    };
}

fn summary(name: &str, figures: Figures, out: &mut String) -> std::fmt::Result {
    let Figures { count, sum, min, max } = figures;
    let average = figures.average();
    writeln!(
        out,
        "zk_avg_{name}\t{average}\nzk_min_{name}\t{min}\nzk_max_{name}\t{max}\nzk_cnt_{name}\t{count}\nzk_sum_{name}\t{sum}"
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    fn shown(key: Option<&str>, value: Value) -> String {
        let mut text = String::new();
        lines(&Entry { name: "x", key: key.map(str::to_owned), value }, &mut text);
        text
    }

    #[test]
    fn each_kind_has_its_lines() {
        assert_eq!(shown(None, Value::Gauge(-1)), "zk_x\t-1\n");
        assert_eq!(shown(Some("app"), Value::Count(7)), "zk_app_x\t7\n");
        let figures = Figures { count: 2, sum: 3, min: 1, max: 2 };
        let summary = "zk_avg_x\t1.5\nzk_min_x\t1\nzk_max_x\t2\nzk_cnt_x\t2\nzk_sum_x\t3\n";
        assert_eq!(shown(None, Value::Summary(figures)), summary);
        assert_eq!(
            shown(None, Value::Detailed(figures, [1, 2, 2, 2])),
            format!("{summary}zk_p50_x\t1\nzk_p95_x\t2\nzk_p99_x\t2\nzk_p999_x\t2\n")
        );
    }
}
