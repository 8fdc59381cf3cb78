//! Which models are asked, and in which order. Pure.
//!
//! Privacy comes first: a model in the house is asked before one outside. Then what the request needs (room for it, a budget for it), then
//! the price, then how quick the last answer was. A model that rests is left out. The order of the configuration decides the rest.

use jiff::Timestamp;
use steward_api::ModelClass;

/// What a request needs.
#[derive(Clone, Copy, Debug)]
pub(super) struct Need<'a> {
    /// The one model that is wished for.
    pub(super) wish: Option<&'a str>,
    /// What may still be spent.
    pub(super) left_micro_usd: u64,
}

/// A model as the router sees it.
#[derive(Clone, Debug)]
pub(super) struct Candidate<'a> {
    pub(super) name: &'a str,
    pub(super) class: ModelClass,
    pub(super) context_tokens: u64,
    /// Tokens that would go there and come back, at most.
    pub(super) tokens: u64,
    /// Why it can't be asked at all.
    pub(super) unusable: Option<&'a str>,
    /// What the request would cost at most.
    pub(super) most_micro_usd: u64,
    /// Until when it is left alone.
    pub(super) resting_until: Option<Timestamp>,
    pub(super) latency_ms: Option<u64>,
}

/// The way of a request.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct Route {
    /// Positions of the models to ask, the best first.
    pub(super) order: Vec<usize>,
    /// Those left out, with the reason.
    pub(super) left_out: Vec<(String, String)>,
}

impl Route {
    /// Why each was left out, in one line.
    pub(super) fn reasons(&self) -> String {
        self.left_out
            .iter()
            .map(|(name, why)| format!("{name}: {why}"))
            .collect::<Vec<_>>()
            .join("; ")
    }
}

/// Finds the way of a request.
pub(super) fn route(need: Need<'_>, candidates: &[Candidate<'_>]) -> Route {
    let mut found = Route::default();
    for (index, candidate) in candidates.iter().enumerate() {
        match objection(need, candidate) {
            None => found.order.push(index),
            Some(why) => found.left_out.push((candidate.name.to_owned(), why)),
        }
    }
    found.order.sort_by_key(|index| {
        let candidate = &candidates[*index];
        (
            candidate.class,
            candidate.most_micro_usd,
            // One that never answered comes after those whose answers are known to come.
            candidate.latency_ms.unwrap_or(u64::MAX),
            *index,
        )
    });
    found
}

fn objection(need: Need<'_>, candidate: &Candidate<'_>) -> Option<String> {
    if need.wish.is_some_and(|wish| wish != candidate.name) {
        return Some("another was asked for".to_owned());
    }
    if let Some(why) = candidate.unusable {
        return Some(why.to_owned());
    }
    // Whoever asks for it by name wants to know whether it is well again.
    if let Some(until) = candidate.resting_until
        && need.wish.is_none()
    {
        return Some(format!("it failed too often and rests until {until}"));
    }
    if candidate.tokens > candidate.context_tokens {
        return Some(format!(
            "it takes {} tokens, and {} are needed",
            candidate.context_tokens, candidate.tokens
        ));
    }
    if candidate.most_micro_usd > need.left_micro_usd && candidate.most_micro_usd > 0 {
        return Some("what is left of today's budget does not suffice".to_owned());
    }
    None
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn candidate(name: &str, class: ModelClass, cost: u64) -> Candidate<'_> {
        Candidate {
            name,
            class,
            context_tokens: 8000,
            tokens: 1500,
            unusable: None,
            most_micro_usd: cost,
            resting_until: None,
            latency_ms: None,
        }
    }

    const NEED: Need<'_> = Need {
        wish: None,
        left_micro_usd: 1000,
    };

    #[test]
    fn the_house_comes_before_the_cloud_then_price_then_speed() {
        let mut quick = candidate("quick", ModelClass::Cloud, 10);
        quick.latency_ms = Some(100);
        let mut slow = candidate("slow", ModelClass::Cloud, 10);
        slow.latency_ms = Some(900);
        let all = [
            slow,
            quick,
            candidate("cheap", ModelClass::Cloud, 1),
            candidate("own", ModelClass::Local, 0),
        ];
        assert_eq!(route(NEED, &all).order, [3, 2, 1, 0]);
    }

    #[test]
    fn each_one_left_out_has_its_reason() {
        let mut resting = candidate("resting", ModelClass::Local, 0);
        resting.resting_until = Some(Timestamp::UNIX_EPOCH);
        let mut small = candidate("small", ModelClass::Local, 0);
        small.context_tokens = 1024;
        let dear = candidate("dear", ModelClass::Cloud, 1001);
        let all = [resting, small, dear];
        let found = route(NEED, &all);
        assert!(found.order.is_empty());
        let reasons = found.reasons();
        for word in ["rests until", "1024 tokens", "budget"] {
            assert!(reasons.contains(word), "{reasons}");
        }
        let wished = route(
            Need {
                wish: Some("resting"),
                ..NEED
            },
            &all,
        );
        assert_eq!(wished.order, [0]);
    }

    proptest! {
        #![proptest_config(ProptestConfig { failure_persistence: None, ..ProptestConfig::default() })]

        /// Whatever the models are: none is asked that costs more than is left, and no cloud model before a local one.
        #[test]
        fn budget_and_privacy_hold(models in prop::collection::vec((any::<bool>(), 0_u64..2000, 0_u64..3000), 0..8), left in 0_u64..1500) {
            let all: Vec<_> = models.iter().map(|(cloud, cost, context)| Candidate {
                name: "m",
                class: if *cloud { ModelClass::Cloud } else { ModelClass::Local },
                context_tokens: *context,
                tokens: 1500,
                unusable: None,
                most_micro_usd: *cost,
                resting_until: None,
                latency_ms: None,
            }).collect();
            let found = route(Need { left_micro_usd: left, ..NEED }, &all);
            prop_assert_eq!(found.order.len() + found.left_out.len(), all.len());
            let classes: Vec<_> = found.order.iter().map(|index| all[*index].class).collect();
            prop_assert!(classes.is_sorted());
            prop_assert!(found.order.iter().all(|index| all[*index].most_micro_usd <= left && all[*index].context_tokens >= 1500));
        }
    }
}
