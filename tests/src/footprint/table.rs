//! The figures as a table for docs/benchmarks.md.

use std::fmt::Write as _;

use crate::swarm::usage::median;

use super::{Cost, Row};

const HEAD: &str = "\
| 1 Hz, medians | CPU of a core | RSS | threads | open files | sent | budget |
|---|---|---|---|---|---|---|
";

/// A row a subject, a row a child, and under them the CPU of each window.
#[must_use]
pub fn table(rows: &[Row]) -> String {
    let mut text = HEAD.to_owned();
    for row in rows {
        let wire = row.wire_kib_per_second.map(|wire| format!("{wire:.2} KiB/s"));
        push(&mut text, row.subject, &row.together(), wire, &row.verdict());
        if let Some(child) = &row.child {
            push(&mut text, "… of which the GPU child", child, None, "");
        }
    }
    text.push_str("\nCPU of each window, percent: ");
    let windows = rows.iter().map(|row| {
        let cpu = row.together().cpu_percent;
        let cpu: Vec<String> = cpu.iter().map(|cpu| format!("{cpu:.3}")).collect();
        format!("{} ({})", row.subject, cpu.join(", "))
    });
    let windows: Vec<String> = windows.collect();
    text.push_str(&windows.join("; "));
    text.push('\n');
    text
}

fn push(text: &mut String, subject: &str, cost: &Cost, wire: Option<String>, verdict: &str) {
    let cpu = median(cost.cpu_percent.clone());
    let Cost { rss_mib, n_threads, n_open, .. } = cost;
    let wire = wire.unwrap_or_default();
    let _ = writeln!(
        text,
        "| {subject} | {cpu:.3} % | {rss_mib:.1} MiB | {n_threads:.0} | {n_open:.0} | {wire} | \
         {verdict} |"
    );
}

impl Row {
    /// The process with its child.
    fn together(&self) -> Cost {
        let Some(child) = &self.child else { return self.own.clone() };
        let windows = self.own.cpu_percent.iter().zip(&child.cpu_percent);
        Cost {
            cpu_percent: windows.map(|(own, child)| own + child).collect(),
            rss_mib: self.own.rss_mib + child.rss_mib,
            n_threads: self.own.n_threads + child.n_threads,
            n_open: self.own.n_open + child.n_open,
        }
    }

    fn verdict(&self) -> String {
        let of = |name: &str, unit: &str, value: f64, budget: Option<f64>| {
            let word = |budget| if value <= budget { "held" } else { "**missed**" };
            budget.map(|budget| format!("{name} ≤ {budget} {unit}: {}", word(budget)))
        };
        let cpu = median(self.together().cpu_percent);
        let wire = self.wire_kib_per_second.unwrap_or_default();
        let verdicts = [
            of("CPU", "%", cpu, self.budget.cpu_percent),
            of("RSS", "MiB", self.own.rss_mib, self.budget.rss_mib),
            of("sent", "KiB/s", wire, self.budget.wire_kib_per_second),
        ];
        verdicts.into_iter().flatten().collect::<Vec<_>>().join(", ")
    }
}

#[cfg(test)]
mod tests {
    use super::super::Budget;
    use super::*;

    #[test]
    fn a_child_counts_with_its_parent_and_a_budget_is_judged() {
        let cost = |cpu: f64, rss_mib| Cost {
            cpu_percent: vec![cpu, 9.0 * cpu, cpu],
            rss_mib,
            n_threads: 1.0,
            n_open: 10.0,
        };
        let row = Row {
            subject: "agent",
            own: cost(0.1, 5.0),
            child: Some(cost(0.2, 20.0)),
            wire_kib_per_second: Some(2.5),
            budget: Budget {
                cpu_percent: Some(0.4),
                rss_mib: Some(6.0),
                wire_kib_per_second: Some(2.0),
            },
        };
        let table = table(&[row]);
        let words = [
            "| agent | 0.300 % | 25.0 MiB | 2 | 20 | 2.50 KiB/s | ",
            "CPU ≤ 0.4 %: held, RSS ≤ 6 MiB: held, sent ≤ 2 KiB/s: **missed** |",
            "| … of which the GPU child | 0.200 % | 20.0 MiB | 1 | 10 |  |  |",
            "agent (0.300, 2.700, 0.300)",
        ];
        for word in words {
            assert!(table.contains(word), "{word} in\n{table}");
        }
    }
}
