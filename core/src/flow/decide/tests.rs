//! Plans and identities under random values: what an approval binds to can't be mistaken for something else.

mod security;

use proptest::prelude::*;
use steward_api::{
    Action, ContainerCondition, ContainerRef, Limits, Plan, Precondition, ResourceId, ResourceKind,
    Step, Undo, Verification,
};

fn names() -> impl Strategy<Value = String> {
    "[a-zA-Z0-9_.-]{1,12}"
}

fn ids() -> impl Strategy<Value = ResourceId> {
    let kinds = prop::sample::select(ResourceKind::ALL.to_vec());
    // A disk's name is its mount point, with slashes and whatever else a path may hold.
    (names(), kinds, "[^\u{0}]{1,16}").prop_map(|(node, kind, name)| match kind {
        ResourceKind::Host => ResourceId::host(node),
        _ => ResourceId::new(node, kind, name),
    })
}

fn containers() -> impl Strategy<Value = ContainerRef> {
    (names(), names(), "[0-9a-f]{64}").prop_map(|(node, name, engine_id)| {
        ContainerRef::new(ResourceId::container(node, name), engine_id).unwrap()
    })
}

fn limits() -> impl Strategy<Value = Limits> {
    let memory = prop::option::of(1..u64::MAX);
    let cpu = prop::option::of(1..1_000_000_u64);
    (memory, cpu).prop_map(|(memory_bytes, cpu_millicores)| Limits {
        memory_bytes,
        cpu_millicores,
    })
}

fn actions() -> impl Strategy<Value = Action> {
    prop_oneof![
        (containers(), 0..60_u32).prop_map(|(container, grace_seconds)| Action::RestartContainer {
            container,
            grace_seconds
        }),
        containers().prop_map(|container| Action::StartContainer { container }),
        (
            containers(),
            prop::collection::vec(containers(), 0..4),
            0..60_u32
        )
            .prop_map(|(container, dependents, grace_seconds)| {
                Action::ResetConnections {
                    container,
                    dependents,
                    grace_seconds,
                }
            }),
        (containers(), limits(), limits()).prop_map(|(container, from, to)| Action::SetLimits {
            container,
            from,
            to
        }),
        (ids(), 0..400_u32).prop_map(|(engine, older_than_days)| Action::PruneStoppedContainers {
            engine,
            older_than_days
        }),
        ids().prop_map(|unit| Action::RestartUnit { unit }),
        (containers(), names(), names(), 0..60_u32).prop_map(
            |(container, image, from_image_id, grace_seconds)| Action::UpdateImage {
                container,
                image,
                from_image_id,
                grace_seconds
            }
        ),
        (containers(), names(), any::<u16>(), any::<bool>()).prop_map(
            |(container, transport, port, close)| {
                let grace_seconds = 10;
                if close {
                    Action::ClosePort {
                        container,
                        transport,
                        port,
                        grace_seconds,
                    }
                } else {
                    Action::BindPort {
                        container,
                        transport,
                        port,
                        grace_seconds,
                    }
                }
            }
        ),
        (ids(), any::<std::net::IpAddr>(), 1..9000_u32).prop_map(|(host, address, minutes)| {
            Action::BlockAddress {
                host,
                address,
                minutes,
            }
        }),
    ]
}

fn steps() -> impl Strategy<Value = Vec<Step>> {
    let step = (actions(), containers(), 0..100_u32, any::<bool>()).prop_map(
        |(action, container, seconds, can_undo)| Step {
            precondition: Precondition::Container {
                resource: container.resource.clone(),
                container_id: container.container_id.clone(),
                condition: ContainerCondition::Failing,
            },
            verification: Verification::ContainersHealthy {
                containers: vec![container.resource.clone()],
                stable_seconds: seconds,
                within_seconds: 90,
            },
            undo: if can_undo {
                Undo::Action {
                    action: Box::new(Action::StartContainer { container }),
                }
            } else {
                Undo::Impossible {
                    reason: "no".to_owned(),
                }
            },
            action,
        },
    );
    prop::collection::vec(step, 1..4)
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 64, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn equal_steps_have_equal_hashes_and_others_have_others(one in steps(), other in steps()) {
        let (a, b) = (Plan::new(one.clone()).unwrap(), Plan::new(other.clone()).unwrap());
        prop_assert_eq!(one == other, a.hash() == b.hash());
        let again = Plan::new(one).unwrap();
        prop_assert_eq!(again.hash(), a.hash());
    }

    #[test]
    fn the_order_of_steps_is_part_of_a_plan(mut steps in steps()) {
        let plan = Plan::new(steps.clone()).unwrap();
        steps.reverse();
        let reversed = Plan::new(steps.clone()).unwrap();
        prop_assert_eq!(plan.steps() == steps.as_slice(), plan.hash() == reversed.hash());
    }

    #[test]
    fn a_plan_comes_back_from_json_as_it_was(steps in steps()) {
        let plan = Plan::new(steps).unwrap();
        let text = serde_json::to_string(&plan).unwrap();
        let back: Plan = serde_json::from_str(&text).unwrap();
        prop_assert_eq!(plan, back);
    }

    /// Whichever value is changed on the way (a target, a number, a precondition, an undo), it is noticed.
    #[test]
    fn a_changed_plan_is_refused(steps in steps(), which in any::<prop::sample::Index>()) {
        let plan = Plan::new(steps).unwrap();
        let mut value = serde_json::to_value(&plan).unwrap();
        let mut places = Vec::new();
        leaves(&value["steps"], "/steps".to_owned(), &mut places);
        let place = &places[which.index(places.len())];
        let leaf = value.pointer_mut(place).unwrap();
        *leaf = match &*leaf {
            serde_json::Value::String(text) => format!("{text}x").into(),
            serde_json::Value::Number(number) => (number.as_u64().unwrap_or(1) / 2 + 1_000_003).into(),
            serde_json::Value::Null => 7.into(),
            other => other.clone(),
        };
        prop_assert!(serde_json::from_value::<Plan>(value).is_err(), "changed at {place}");
    }

    #[test]
    fn an_id_comes_back_from_its_text(id in ids()) {
        let text = id.to_string();
        prop_assert_eq!(text.parse::<ResourceId>().unwrap(), id.clone());
        let json = serde_json::to_string(&id).unwrap();
        prop_assert_eq!(serde_json::from_str::<ResourceId>(&json).unwrap(), id);
    }
}

/// The places of all plain values in a JSON text.
fn leaves(value: &serde_json::Value, place: String, places: &mut Vec<String>) {
    match value {
        serde_json::Value::Array(items) => {
            for (index, item) in items.iter().enumerate() {
                leaves(item, format!("{place}/{index}"), places);
            }
        }
        serde_json::Value::Object(fields) => {
            for (name, field) in fields {
                leaves(field, format!("{place}/{name}"), places);
            }
        }
        _ => places.push(place),
    }
}

#[test]
fn a_plan_without_steps_is_none() {
    assert!(Plan::new(Vec::new()).is_err());
    assert!(serde_json::from_str::<Plan>(r#"{"steps":[],"hash":"x"}"#).is_err());
}
