//! What a run has cost, at the prices that the deployment states.

use crate::model::{Cost, CostItem};

/// US dollars.
#[derive(Debug, Clone, Copy, Default, PartialEq)]
pub struct Prices {
    pub lambda_gb_second: f64,
    pub state_transition: f64,
    pub glue_dpu_hour: f64,
    pub redshift_rpu_hour: f64,
}

#[derive(Debug, Clone, Copy, Default, PartialEq)]
pub struct Usage {
    pub lambda_gb_seconds: f64,
    /// Whether the functions of the splits are among them.
    pub has_splits: bool,
    pub transitions: u64,
    pub glue_dpu_seconds: Option<f64>,
    pub redshift_rpu_seconds: Option<f64>,
}

/// Redshift Serverless bills at least so many seconds each time it wakes.
/// Source: "Billing for Amazon Redshift Serverless", Amazon Redshift Management Guide.
const REDSHIFT_SECONDS: f64 = 60.0;

/// What a load uses of a warehouse that does nothing else.
pub fn rpu_seconds(base_rpus: f64, load_seconds: Option<f64>) -> f64 {
    base_rpus * load_seconds.unwrap_or_default().max(REDSHIFT_SECONDS)
}

const SECONDS_AN_HOUR: f64 = 3600.0;

pub fn cost(usage: &Usage, prices: &Prices) -> Cost {
    #[expect(clippy::cast_precision_loss, reason = "some thousand")]
    let transitions = usage.transitions as f64;
    let mut items = vec![
        item("AWS Lambda", usage.lambda_gb_seconds, "GB-seconds", prices.lambda_gb_second),
        item("AWS Step Functions", transitions, "state transitions", prices.state_transition),
    ];
    let glue = usage.glue_dpu_seconds.map(|used| item("AWS Glue", used / SECONDS_AN_HOUR, "DPU-hours", prices.glue_dpu_hour));
    let redshift = |used: f64| item("Amazon Redshift Serverless", used / SECONDS_AN_HOUR, "RPU-hours", prices.redshift_rpu_hour);
    items.extend(glue);
    items.extend(usage.redshift_rpu_seconds.map(redshift));
    Cost { total: items.iter().map(|item| item.dollars).sum(), items, note: note(usage) }
}

fn item(what: &str, quantity: f64, unit: &str, price: f64) -> CostItem {
    CostItem { what: what.to_owned(), quantity, unit: unit.to_owned(), price, dollars: quantity * price }
}

fn note(usage: &Usage) -> String {
    let mut words = vec![
        "At the prices that the deployment states.",
        "Lambda: the time of each call, from its start to its answer, by the function's memory; the report itself is left out.",
        "Step Functions: states entered and tasks tried again, and one for each split.",
    ];
    if !usage.has_splits {
        words.push("The time of the splits is not known, and not in it.");
    }
    match usage.redshift_rpu_seconds {
        Some(_) => words.push(
            "Redshift is an estimate: the base capacity for as long as the load's transaction took, a minute at least; a warehouse that scales up, or was awake for others, differs.",
        ),
        None => words.push("Redshift is not in it."),
    }
    words.push("S3, KMS, logs and what Azure asks for data that leaves it are not in it.");
    words.join(" ")
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    const PRICES: Prices =
        Prices { lambda_gb_second: 0.0000133334, state_transition: 0.000025, glue_dpu_hour: 0.44, redshift_rpu_hour: 0.375 };

    #[test]
    fn what_is_used_is_paid_for() {
        let usage = Usage {
            lambda_gb_seconds: 70.0,
            has_splits: true,
            transitions: 43,
            glue_dpu_seconds: Some(240.0),
            redshift_rpu_seconds: Some(rpu_seconds(8.0, Some(120.0))),
        };
        let cost = cost(&usage, &PRICES);
        let dollars: Vec<String> = cost.items.iter().map(|item| format!("{} {:.4}", item.what, item.dollars)).collect();
        let expected = ["AWS Lambda 0.0009", "AWS Step Functions 0.0011", "AWS Glue 0.0293", "Amazon Redshift Serverless 0.1000"];
        assert_eq!(dollars, expected);
        assert_eq!(format!("{:.4}", cost.total), "0.1313");
    }

    #[test]
    fn what_is_not_known_is_left_out_and_said_so() {
        let check = |usage: Usage, items: usize, says: &[&str]| {
            let cost = cost(&usage, &PRICES);
            assert_eq!(cost.items.len(), items);
            for words in says {
                assert!(cost.note.contains(words), "{}", cost.note);
            }
        };
        check(Usage::default(), 2, &["splits is not known", "Redshift is not in it"]);
        check(Usage { has_splits: true, redshift_rpu_seconds: Some(480.0), ..Usage::default() }, 3, &["Redshift is an estimate"]);
        let known = cost(&Usage { has_splits: true, ..Usage::default() }, &PRICES);
        assert!(!known.note.contains("is not known"), "{}", known.note);
    }

    #[test]
    fn a_warehouse_that_wakes_is_paid_for_a_minute() {
        let check = |load_seconds: Option<f64>, expected: f64| assert!((rpu_seconds(8.0, load_seconds) - expected).abs() < 1e-9);
        check(None, 480.0);
        check(Some(12.5), 480.0);
        check(Some(60.0), 480.0);
        check(Some(90.0), 720.0);
    }

    proptest! {
        /// The total is the sum of what is listed, and each of that is quantity by price.
        #[test]
        fn adds_up(lambda in 0.0..1e9, transitions in 0u64..1_000_000, glue in proptest::option::of(0.0..1e7), redshift in proptest::option::of(0.0..1e7)) {
            let usage = Usage { lambda_gb_seconds: lambda, has_splits: true, transitions, glue_dpu_seconds: glue, redshift_rpu_seconds: redshift };
            let cost = cost(&usage, &PRICES);
            let sum: f64 = cost.items.iter().map(|item| item.quantity * item.price).sum();
            prop_assert!((cost.total - sum).abs() <= 1e-9 * sum.max(1.0));
            prop_assert_eq!(cost.items.len(), 2 + usize::from(glue.is_some()) + usize::from(redshift.is_some()));
        }
    }
}
