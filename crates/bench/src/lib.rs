//! Figures that anybody can reproduce with one command: real namespaces, real
//! programs, ratios against a peer alternated in one run, medians.
//!
//! It must not be used by anything that serves; nothing here decides.

pub mod authority;
pub mod lab;
pub mod registry;
pub mod revoke;
pub mod throughput;

/// The middle of some measurements; of an even number, the mean of the two in
/// the middle. `None` of nothing.
#[must_use]
pub fn median(values: &[f64]) -> Option<f64> {
    let mut sorted = values.to_vec();
    sorted.sort_by(f64::total_cmp);
    let high = sorted.get(sorted.len() / 2)?;
    if sorted.len() % 2 == 1 {
        return Some(*high);
    }
    let low = sorted.get(sorted.len() / 2 - 1)?;
    Some((low + high) / 2.0)
}

#[cfg(test)]
mod tests {
    use super::median;

    #[test]
    fn the_median_is_the_middle_whatever_the_order() {
        assert_eq!(median(&[3.0, 1.0, 2.0]), Some(2.0));
        assert_eq!(median(&[4.0, 1.0, 2.0, 3.0]), Some(2.5));
        assert_eq!(median(&[]), None);
    }
}
