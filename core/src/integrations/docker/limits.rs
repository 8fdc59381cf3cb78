//! Limits of a running container: what to ask of the engine so that exactly the wanted limits come out. Pure.
//!
//! The engine takes zero for *leave as it is*, so that limits need care: a swap limit counts memory *and* swap, and must not fall below
//! the memory limit; a CPU limit can be set in two ways that exclude each other.

use bollard::models::ContainerUpdateBody;
use steward_api::Limits;

use super::models::HostConfigModel;

/// Microseconds of the CPU quota's period where none is set; the kernel's default.
pub(super) const USUAL_PERIOD: u64 = 100_000;
/// The engine refuses less.
const LEAST_MEMORY: u64 = 6 * 1024 * 1024;
/// The engine refuses less, millicores.
const LEAST_CPU: u64 = 10;

/// The update that turns the limits in `config` into `to`. What is the same stays untouched.
///
/// # Errors
/// Where the engine can't do it live, in words.
pub(super) fn update(
    config: &HostConfigModel,
    from: Limits,
    to: Limits,
) -> Result<ContainerUpdateBody, String> {
    let mut body = ContainerUpdateBody::default();
    if from.memory_bytes != to.memory_bytes {
        memory(config, to.memory_bytes, &mut body)?;
    }
    if from.cpu_millicores != to.cpu_millicores {
        cpu(config, to.cpu_millicores, &mut body)?;
    }
    Ok(body)
}

fn memory(
    config: &HostConfigModel,
    to: Option<u64>,
    body: &mut ContainerUpdateBody,
) -> Result<(), String> {
    let Some(wanted) = to else {
        return Err(
            "Docker can't take a memory limit away from a container that exists; raise it to the host's memory instead"
                .to_owned(),
        );
    };
    if wanted < LEAST_MEMORY {
        return Err(format!(
            "a memory limit must be at least {} MiB",
            LEAST_MEMORY >> 20
        ));
    }
    let wanted = i64::try_from(wanted).map_err(|_| "the memory limit is too large".to_owned())?;
    body.memory = Some(wanted);
    // The engine refuses to raise the memory alone, even where swap is not limited.
    body.memory_swap = Some(if config.memory_swap > 0 {
        // The swap that it may use besides its memory stays as much as it was.
        let swap = config
            .memory_swap
            .saturating_sub(config.memory.max(0))
            .max(0);
        wanted.saturating_add(swap)
    } else {
        -1
    });
    Ok(())
}

fn cpu(
    config: &HostConfigModel,
    to: Option<u64>,
    body: &mut ContainerUpdateBody,
) -> Result<(), String> {
    if to.is_some_and(|wanted| wanted < LEAST_CPU) {
        return Err("a CPU limit must be at least 0.01 cores".to_owned());
    }
    if config.cpu_quota > 0 {
        let period = u64::try_from(config.cpu_period)
            .ok()
            .filter(|period| *period > 0)
            .unwrap_or(USUAL_PERIOD);
        body.cpu_quota = Some(match to {
            None => -1,
            Some(wanted) => i64::try_from(wanted.saturating_mul(period) / 1000)
                .map_err(|_| "the CPU limit is too large".to_owned())?,
        });
        return Ok(());
    }
    body.nano_cpus = Some(match to {
        Some(wanted) => i64::try_from(wanted.saturating_mul(1_000_000))
            .map_err(|_| "the CPU limit is too large".to_owned())?,
        None => {
            return Err(
                "Docker can't take a CPU limit away from a container that exists; raise it to the host's cores instead"
                    .to_owned(),
            );
        }
    });
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::integrations::docker::translate;

    const MIB: u64 = 1 << 20;

    fn to(
        config: &str,
        memory_mib: Option<u64>,
        cpu: Option<u64>,
    ) -> Result<ContainerUpdateBody, String> {
        let config: HostConfigModel = serde_json::from_str(config).unwrap();
        let wanted = Limits {
            memory_bytes: memory_mib.map(|mib| mib * MIB),
            cpu_millicores: cpu,
        };
        update(&config, translate::limits(&config), wanted)
    }

    const SWAP_AS_MUCH: &str = r#"{"Memory":67108864,"MemorySwap":134217728}"#;
    const SWAP_UNLIMITED: &str = r#"{"Memory":67108864,"MemorySwap":-1}"#;
    const NO_SWAP_ACCOUNTING: &str = r#"{"Memory":67108864}"#;

    #[test]
    fn swap_goes_with_memory_both_ways() {
        let raised = to(SWAP_AS_MUCH, Some(256), None).unwrap();
        assert_eq!(
            (raised.memory, raised.memory_swap),
            (Some(256 << 20), Some(320 << 20))
        );
        let lowered = to(SWAP_AS_MUCH, Some(32), None).unwrap();
        assert_eq!(
            (lowered.memory, lowered.memory_swap),
            (Some(32 << 20), Some(96 << 20))
        );
        for untouched in [SWAP_UNLIMITED, NO_SWAP_ACCOUNTING] {
            let body = to(untouched, Some(256), None).unwrap();
            assert_eq!((body.memory, body.memory_swap), (Some(256 << 20), Some(-1)));
        }
        assert!(
            to(SWAP_AS_MUCH, None, None)
                .unwrap_err()
                .contains("take a memory limit away")
        );
    }

    #[test]
    fn cpu_is_changed_the_way_it_was_set() {
        let nano = to(r#"{"NanoCpus":500000000}"#, None, Some(1500)).unwrap();
        assert_eq!(
            (nano.nano_cpus, nano.cpu_quota, nano.memory),
            (Some(1_500_000_000), None, None)
        );
        let quota = to(r#"{"CpuQuota":50000,"CpuPeriod":50000}"#, None, Some(1500)).unwrap();
        assert_eq!((quota.nano_cpus, quota.cpu_quota), (None, Some(75_000)));
        assert_eq!(
            to("{}", None, Some(250)).unwrap().nano_cpus,
            Some(250_000_000)
        );
        assert_eq!(
            to(r#"{"CpuQuota":50000}"#, None, None).unwrap().cpu_quota,
            Some(-1)
        );
        assert!(
            to(r#"{"NanoCpus":500000000}"#, None, None)
                .unwrap_err()
                .contains("take a CPU limit away")
        );
    }

    #[test]
    fn what_the_engine_would_refuse_is_said_before() {
        assert!(
            to(NO_SWAP_ACCOUNTING, Some(1), None)
                .unwrap_err()
                .contains("6 MiB")
        );
        assert!(to("{}", None, Some(1)).unwrap_err().contains("0.01"));
        assert_eq!(
            to(NO_SWAP_ACCOUNTING, Some(64), None).unwrap(),
            ContainerUpdateBody::default()
        );
    }
}
