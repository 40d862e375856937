//! `mntr`: every figure, one a line (`MonitorCommand`, `DefaultMetricsProvider`).

use crate::{
    server::operators::{
        ask::{Ask, NoAnswer},
        report::{Entry, Shown, gather},
    },
    version,
};
use std::fmt::Write;

/// All lines.
pub(super) fn mntr(ask: &Ask<'_>) -> Result<String, NoAnswer> {
    let mut text = String::new();
    for entry in gather(ask, version::FULL)? {
        lines(&entry, &mut text);
    }
    Ok(text)
}

fn lines(entry: &Entry, text: &mut String) {
    entry.lines(|name, shown| {
        let (Shown::Text(value) | Shown::Number(value)) = shown;
        _ = writeln!(text, "zk_{name}\t{value}");
    });
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::server::{figures::Figures, operators::report::Value};

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
