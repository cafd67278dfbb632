//! Where scatter comes from: within groups, or between them.

/// Standard deviations of the two parts of a scatter.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Components {
    /// Within groups; `None` where every group has one value.
    pub within: Option<f64>,
    /// Between groups, of one group's true mean; without `within` it holds that, too.
    pub between: f64,
}

impl Components {
    /// The one-way analysis of variance of `groups` (Searle, Casella and McCulloch, Variance Components,
    /// 1992, section 3.6). `None` for fewer than two groups.
    pub fn of(groups: &[Vec<f64>]) -> Option<Self> {
        let groups: Vec<&Vec<f64>> = groups.iter().filter(|group| !group.is_empty()).collect();
        let (k, n) = (groups.len(), groups.iter().map(|group| group.len()).sum::<usize>());
        if k < 2 {
            return None;
        }
        let mean = |values: &[f64]| values.iter().sum::<f64>() / values.len() as f64;
        let all = mean(&groups.iter().flat_map(|group| group.iter().copied()).collect::<Vec<_>>());
        let (mut inside, mut across, mut squares) = (0.0, 0.0, 0.0);
        for group in &groups {
            let (size, centre) = (group.len() as f64, mean(group));
            inside += group.iter().map(|value| (value - centre).powi(2)).sum::<f64>();
            across += size * (centre - all).powi(2);
            squares += size * size;
        }
        let across = across / (k - 1) as f64;
        if n == k {
            return Some(Self { within: None, between: across.sqrt() });
        }
        let inside = inside / (n - k) as f64;
        // Values of a group, where all groups are alike.
        let size = (n as f64 - squares / n as f64) / (k - 1) as f64;
        let between = ((across - inside) / size).max(0.0);
        Some(Self { within: Some(inside.sqrt()), between: between.sqrt() })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::stats::Random;
    use proptest::prelude::*;

    #[test]
    fn components_that_were_put_in_are_found() {
        let mut random = Random::new(3, 0);
        let (within, between) = (0.5, 2.0);
        let groups: Vec<Vec<f64>> = (0..4_000)
            .map(|_| {
                let centre = between * random.normal();
                (0..3).map(|_| centre + within * random.normal()).collect()
            })
            .collect();
        let found = Components::of(&groups).unwrap();
        assert!((found.within.unwrap() - within).abs() < 0.02, "{found:?}");
        assert!((found.between - between).abs() < 0.06, "{found:?}");
    }

    #[test]
    fn single_values_tell_only_their_whole_scatter() {
        let found = Components::of(&[vec![1.0], vec![2.0], vec![3.0]]).unwrap();
        assert_eq!(found, Components { within: None, between: 1.0 });
        assert_eq!(Components::of(&[vec![1.0, 2.0], vec![]]), None);
    }

    proptest! {
        #[test]
        fn components_ignore_where_the_values_lie(
            groups in prop::collection::vec(prop::collection::vec(-1.0_f64..1.0, 1..4), 2..6), shift in -5.0_f64..5.0
        ) {
            let moved: Vec<Vec<f64>> =
                groups.iter().map(|group| group.iter().map(|value| value + shift).collect()).collect();
            let (a, b) = (Components::of(&groups).unwrap(), Components::of(&moved).unwrap());
            prop_assert!((a.between - b.between).abs() < 1e-6);
            prop_assert_eq!(a.within.is_some(), b.within.is_some());
        }
    }
}
