//! What the simulated engine says: the engine's own JSON, in its own sizes.
//!
//! What flows through: a container's few numbers in, the text of an answer out. The texts are those of a real engine (20.10, API 1.41)
//! with their values replaced.

use std::fmt::Write as _;

use jiff::Timestamp;

use super::state::{LABEL, SimContainer, id, name};

/// The image of every simulated container.
pub(super) const IMAGE: &str = "registry.home.arpa/apps/service:2026.11";
const IMAGE_ID: &str = "sha256:5d89766432d0ee4bb6a1f0f3f7a9c8e2d1b0a9f8e7d6c5b4a3928170f6e5d4c3";

pub(super) const VERSION: &str = r#"{"Platform":{"Name":"Simulated Engine"},"Components":[{"Name":"Engine","Version":"20.10.24","Details":{"ApiVersion":"1.41","Arch":"amd64","BuildTime":"2026-05-07T21:09:36.000000000+00:00","Experimental":"false","GitCommit":"5d6db84","GoVersion":"go1.19.8","KernelVersion":"6.1.0","MinAPIVersion":"1.12","Os":"linux"}}],"Version":"20.10.24","ApiVersion":"1.41","MinAPIVersion":"1.12","GitCommit":"5d6db84","GoVersion":"go1.19.8","Os":"linux","Arch":"amd64","KernelVersion":"6.1.0","BuildTime":"2026-05-07T21:09:36.000000000+00:00"}"#;

pub(super) const IMAGES: &str = r#"[{"Containers":-1,"Created":1795365583,"Id":"sha256:5d89766432d0ee4bb6a1f0f3f7a9c8e2d1b0a9f8e7d6c5b4a3928170f6e5d4c3","Labels":null,"ParentId":"","RepoDigests":null,"RepoTags":["registry.home.arpa/apps/service:2026.11"],"SharedSize":-1,"Size":198227000,"VirtualSize":198227000}]"#;

pub(super) const DISK_USAGE: &str = r#"{"LayersSize":198227000,"Images":[{"Containers":1,"Created":1795365583,"Id":"sha256:5d89766432d0ee4bb6a1f0f3f7a9c8e2d1b0a9f8e7d6c5b4a3928170f6e5d4c3","Labels":null,"ParentId":"","RepoDigests":null,"RepoTags":["registry.home.arpa/apps/service:2026.11"],"SharedSize":0,"Size":198227000,"VirtualSize":198227000}],"Containers":[],"Volumes":[],"BuildCache":null,"BuilderSize":0}"#;

fn time(ns: i64) -> String {
    match ns {
        0 => "0001-01-01T00:00:00Z".to_owned(),
        _ => Timestamp::from_nanosecond(ns.into())
            .map(|at| at.to_string())
            .unwrap_or_default(),
    }
}

fn state_word(one: &SimContainer) -> &'static str {
    if one.running { "running" } else { "exited" }
}

fn health_word(one: &SimContainer) -> &'static str {
    if one.healthy { "healthy" } else { "unhealthy" }
}

/// Labels as Compose and a homelab's tools write them.
fn labels(out: &mut String, index: u32) {
    let (label, value) = LABEL;
    let (project, service) = (index / 8, index % 8);
    let _ = write!(
        out,
        r#""Labels":{{"{label}":"{value}","steward.auto_restart":"true","com.docker.compose.config-hash":"8c2f1b6f0d7f4f1c9a55b7b7c60e8c3b6f8d4e3a2b1c0d9e8f7a6b5c4d3e2f10","com.docker.compose.container-number":"1","com.docker.compose.oneoff":"False","com.docker.compose.project":"project-{project:04}","com.docker.compose.project.config_files":"/srv/compose/project-{project:04}/docker-compose.yml","com.docker.compose.project.working_dir":"/srv/compose/project-{project:04}","com.docker.compose.service":"service-{service}","com.docker.compose.version":"2.29.7","org.opencontainers.image.source":"https://git.home.arpa/apps/service","org.opencontainers.image.version":"2026.11"}}"#
    );
}

fn networks(out: &mut String, index: u32) {
    let (high, low) = (index / 250 % 250, index % 250 + 2);
    let _ = write!(
        out,
        r#""Networks":{{"project-{project:04}_default":{{"IPAMConfig":null,"Links":null,"Aliases":null,"NetworkID":"14bb08870a8f63d7b7358855a24fc87e236224fa1952fe88d9bdcd3c30c70a47","EndpointID":"f290ebcfe2146ea5e199dd1ec5dae7ed07326850cacaaf64e131e3e592b0857a","Gateway":"172.18.0.1","IPAddress":"172.18.{high}.{low}","IPPrefixLen":16,"IPv6Gateway":"","GlobalIPv6Address":"","GlobalIPv6PrefixLen":0,"MacAddress":"02:42:ac:12:{high:02x}:{low:02x}","DriverOpts":null}}}}"#,
        project = index / 8
    );
}

/// One entry of the list of containers.
pub(super) fn list_entry(out: &mut String, index: u32, one: &SimContainer) {
    let health = health_word(one);
    let status = if one.running {
        format!("Up About an hour ({health})")
    } else {
        format!("Exited ({}) 1 second ago", one.exit_code)
    };
    let _ = write!(
        out,
        r#"{{"Id":"{id}","Names":["/{name}"],"Image":"{IMAGE}","ImageID":"{IMAGE_ID}","Command":"/usr/local/bin/service --config /etc/service/config.toml","Created":1795365583,"Ports":[{{"IP":"0.0.0.0","PrivatePort":8080,"PublicPort":{port},"Type":"tcp"}}],"#,
        id = id(index),
        name = name(index),
        port = 20_000 + index % 40_000,
    );
    labels(out, index);
    let _ = write!(
        out,
        r#","State":"{state}","Status":"{status}","HostConfig":{{"NetworkMode":"project-{project:04}_default"}},"NetworkSettings":{{"#,
        state = state_word(one),
        project = index / 8,
    );
    networks(out, index);
    out.push_str(r#"},"Mounts":[{"Type":"bind","Source":"/srv/data","Destination":"/data","Mode":"rw","RW":true,"Propagation":"rprivate"}]}"#);
}

/// The answer to an inspection.
pub(super) fn inspect(index: u32, one: &SimContainer) -> String {
    let mut out = String::with_capacity(8 * 1024);
    let (id, name) = (id(index), name(index));
    let checked = time(one.started_ns.max(one.finished_ns));
    let health_exit = i32::from(!one.healthy);
    let _ = write!(
        out,
        r#"{{"Id":"{id}","Created":"2026-11-20T10:00:00.328451622Z","Path":"/usr/local/bin/service","Args":["--config","/etc/service/config.toml"],"State":{{"Status":"{status}","Running":{running},"Paused":false,"Restarting":false,"OOMKilled":{oom},"Dead":false,"Pid":{pid},"ExitCode":{exit},"Error":"","StartedAt":"{started}","FinishedAt":"{finished}","Health":{{"Status":"{health}","FailingStreak":{health_exit},"Log":[{{"Start":"{checked}","End":"{checked}","ExitCode":{health_exit},"Output":"checked http://127.0.0.1:8080/health: exit {health_exit}\n"}}]}}}},"Image":"{IMAGE_ID}","ResolvConfPath":"/var/lib/docker/containers/{id}/resolv.conf","HostnamePath":"/var/lib/docker/containers/{id}/hostname","HostsPath":"/var/lib/docker/containers/{id}/hosts","LogPath":"/var/lib/docker/containers/{id}/{id}-json.log","Name":"/{name}","RestartCount":0,"Driver":"overlay2","Platform":"linux","MountLabel":"","ProcessLabel":"","AppArmorProfile":"docker-default","ExecIDs":null,"#,
        status = state_word(one),
        running = one.running,
        oom = one.oom_killed,
        pid = if one.running { index + 100_000 } else { 0 },
        exit = one.exit_code,
        started = time(one.started_ns),
        finished = time(one.finished_ns),
        health = health_word(one),
    );
    let _ = write!(
        out,
        r#""HostConfig":{{"Binds":["/srv/data:/data:rw"],"ContainerIDFile":"","LogConfig":{{"Type":"json-file","Config":{{"max-file":"3","max-size":"10m"}}}},"NetworkMode":"project-{project:04}_default","PortBindings":{{"8080/tcp":[{{"HostIp":"","HostPort":"{port}"}}]}},"RestartPolicy":{{"Name":"no","MaximumRetryCount":0}},"AutoRemove":false,"VolumeDriver":"","VolumesFrom":[],"CapAdd":null,"CapDrop":null,"CgroupnsMode":"host","Dns":[],"DnsOptions":[],"DnsSearch":[],"ExtraHosts":null,"GroupAdd":null,"IpcMode":"private","Cgroup":"","Links":null,"OomScoreAdj":0,"PidMode":"","Privileged":false,"PublishAllPorts":false,"ReadonlyRootfs":false,"SecurityOpt":null,"UTSMode":"","UsernsMode":"","ShmSize":67108864,"Runtime":"runc","ConsoleSize":[0,0],"Isolation":"","CpuShares":0,"Memory":{memory},"NanoCpus":{nano},"CgroupParent":"","BlkioWeight":0,"BlkioWeightDevice":null,"CpuPeriod":0,"CpuQuota":0,"CpuRealtimePeriod":0,"CpuRealtimeRuntime":0,"CpusetCpus":"","CpusetMems":"","Devices":null,"DeviceCgroupRules":null,"DeviceRequests":null,"KernelMemory":0,"KernelMemoryTCP":0,"MemoryReservation":0,"MemorySwap":{memory},"MemorySwappiness":null,"OomKillDisable":false,"PidsLimit":null,"Ulimits":null,"CpuCount":0,"CpuPercent":0,"IOMaximumIOps":0,"IOMaximumBandwidth":0,"MaskedPaths":["/proc/asound","/proc/acpi","/proc/kcore","/proc/keys","/proc/latency_stats","/proc/timer_list","/proc/timer_stats","/proc/sched_debug","/proc/scsi","/sys/firmware"],"ReadonlyPaths":["/proc/bus","/proc/fs","/proc/irq","/proc/sys","/proc/sysrq-trigger"]}},"GraphDriver":{{"Data":{{"LowerDir":"/var/lib/docker/overlay2/{id}-init/diff:/var/lib/docker/overlay2/5d89766432d0ee4bb6a1f0f3f7a9c8e2/diff","MergedDir":"/var/lib/docker/overlay2/{id}/merged","UpperDir":"/var/lib/docker/overlay2/{id}/diff","WorkDir":"/var/lib/docker/overlay2/{id}/work"}},"Name":"overlay2"}},"Mounts":[{{"Type":"bind","Source":"/srv/data","Destination":"/data","Mode":"rw","RW":true,"Propagation":"rprivate"}}],"#,
        project = index / 8,
        port = 20_000 + index % 40_000,
        memory = one.memory_limit,
        nano = one.nano_cpus,
    );
    let _ = write!(
        out,
        r#""Config":{{"Hostname":"{host}","Domainname":"","User":"1000:1000","AttachStdin":false,"AttachStdout":false,"AttachStderr":false,"ExposedPorts":{{"8080/tcp":{{}}}},"Tty":false,"OpenStdin":false,"StdinOnce":false,"Env":["PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin","TZ=Europe/Berlin","LOG_LEVEL=info","SERVICE_NAME={name}","SERVICE_PORT=8080","CACHE_DIR=/var/cache/service","FEATURE_FLAGS=metrics,tracing,health"],"Cmd":["--config","/etc/service/config.toml"],"Healthcheck":{{"Test":["CMD","/usr/local/bin/service","check"],"Interval":30000000000,"Timeout":5000000000,"Retries":3}},"Image":"{IMAGE}","Volumes":null,"WorkingDir":"/srv","Entrypoint":["/usr/local/bin/service"],"OnBuild":null,"#,
        host = &id[..12],
    );
    labels(&mut out, index);
    out.push_str(r#"},"NetworkSettings":{"Bridge":"","SandboxID":"e453764c1bbff02c81549b45a55d8f27d9855ad7fcf260b154a4a450a16559a8","HairpinMode":false,"LinkLocalIPv6Address":"","LinkLocalIPv6PrefixLen":0,"Ports":{"8080/tcp":[{"HostIp":"0.0.0.0","HostPort":"20000"}]},"SandboxKey":"/var/run/docker/netns/e453764c1bbf","SecondaryIPAddresses":null,"SecondaryIPv6Addresses":null,"EndpointID":"","Gateway":"","GlobalIPv6Address":"","GlobalIPv6PrefixLen":0,"IPAddress":"","IPPrefixLen":0,"IPv6Gateway":"","MacAddress":"","#);
    networks(&mut out, index);
    out.push_str("}}");
    out
}

/// The answer to a question for statistics: one reading. A container that does not run shows zeros, as a real engine has it.
pub(super) fn stats(index: u32, one: &SimContainer, cpu_used_ns: i64, now_ns: i64) -> String {
    let mut out = String::with_capacity(2 * 1024);
    let now = time(now_ns);
    let (id, name) = (id(index), name(index));
    if !one.running {
        let zero = "0001-01-01T00:00:00Z";
        let _ = write!(
            out,
            r#"{{"read":"{zero}","preread":"{zero}","pids_stats":{{}},"blkio_stats":{{}},"num_procs":0,"storage_stats":{{}},"cpu_stats":{{"cpu_usage":{{"total_usage":0,"usage_in_kernelmode":0,"usage_in_usermode":0}},"throttling_data":{{"periods":0,"throttled_periods":0,"throttled_time":0}}}},"precpu_stats":{{"cpu_usage":{{"total_usage":0,"usage_in_kernelmode":0,"usage_in_usermode":0}},"throttling_data":{{"periods":0,"throttled_periods":0,"throttled_time":0}}}},"memory_stats":{{}},"name":"/{name}","id":"{id}"}}"#
        );
        return out;
    }
    let limit = one.memory_limit;
    let cache = limit / 20;
    let usage = limit / 100 * i64::from(one.memory_percent) + cache;
    let system = now_ns / 4;
    let half = cpu_used_ns / 2;
    let _ = write!(
        out,
        r#"{{"read":"{now}","preread":"0001-01-01T00:00:00Z","pids_stats":{{"current":9}},"blkio_stats":{{"io_service_bytes_recursive":[{{"major":254,"minor":0,"op":"Read","value":819200}},{{"major":254,"minor":0,"op":"Write","value":409600}}],"io_serviced_recursive":[],"io_queue_recursive":[],"io_service_time_recursive":[],"io_wait_time_recursive":[],"io_merged_recursive":[],"io_time_recursive":[],"sectors_recursive":[]}},"num_procs":0,"storage_stats":{{}},"cpu_stats":{{"cpu_usage":{{"total_usage":{cpu_used_ns},"percpu_usage":[{half},{half}],"usage_in_kernelmode":{half},"usage_in_usermode":{half}}},"system_cpu_usage":{system},"online_cpus":2,"throttling_data":{{"periods":0,"throttled_periods":0,"throttled_time":0}}}},"precpu_stats":{{"cpu_usage":{{"total_usage":0,"usage_in_kernelmode":0,"usage_in_usermode":0}},"throttling_data":{{"periods":0,"throttled_periods":0,"throttled_time":0}}}},"memory_stats":{{"usage":{usage},"max_usage":{usage},"stats":{{"active_anon":4096,"active_file":8192,"cache":{cache},"dirty":0,"hierarchical_memory_limit":{limit},"hierarchical_memsw_limit":{limit},"inactive_anon":49152,"inactive_file":{cache},"mapped_file":1073152,"pgfault":1512,"pgmajfault":27,"pgpgin":1565,"pgpgout":1130,"rss":53248,"rss_huge":0,"total_active_anon":4096,"total_active_file":8192,"total_cache":{cache},"total_dirty":0,"total_inactive_anon":49152,"total_inactive_file":{cache},"total_mapped_file":1073152,"total_pgfault":1512,"total_pgmajfault":27,"total_pgpgin":1565,"total_pgpgout":1130,"total_rss":53248,"total_rss_huge":0,"total_unevictable":0,"total_writeback":0,"unevictable":0,"writeback":0}},"limit":{limit}}},"name":"/{name}","id":"{id}","networks":{{"eth0":{{"rx_bytes":{rx},"rx_packets":1200,"rx_errors":0,"rx_dropped":0,"tx_bytes":{rx},"tx_packets":1100,"tx_errors":0,"tx_dropped":0}}}}}}"#,
        rx = cpu_used_ns / 1_000,
    );
    out
}

/// The engine's own description.
pub(super) fn info(total: usize, running: usize, now_ns: i64) -> String {
    let stopped = total - running;
    let now = time(now_ns);
    format!(
        r#"{{"ID":"SIMU:LATE:DENG:INEX:KRSZ:YUGG:BK4O:IJBE:AZ2I:C7ZP:QLCN:LO76","Containers":{total},"ContainersRunning":{running},"ContainersPaused":0,"ContainersStopped":{stopped},"Images":1,"Driver":"overlay2","DriverStatus":null,"Plugins":{{"Volume":["local"],"Network":["bridge","host","null"],"Authorization":null,"Log":["json-file","local","none"]}},"MemoryLimit":true,"SwapLimit":true,"CpuCfsPeriod":true,"CpuCfsQuota":true,"CPUShares":true,"CPUSet":true,"PidsLimit":true,"IPv4Forwarding":true,"Debug":false,"NFd":38,"OomKillDisable":true,"NGoroutines":48,"SystemTime":"{now}","LoggingDriver":"json-file","CgroupDriver":"cgroupfs","CgroupVersion":"1","NEventsListener":0,"KernelVersion":"6.1.0","OperatingSystem":"Debian GNU/Linux 12 (bookworm)","OSVersion":"12","OSType":"linux","Architecture":"x86_64","IndexServerAddress":"https://index.docker.io/v1/","NCPU":2,"MemTotal":25276510208,"GenericResources":null,"DockerRootDir":"/var/lib/docker","HttpProxy":"","HttpsProxy":"","NoProxy":"","Name":"simulated","Labels":[],"ExperimentalBuild":false,"ServerVersion":"20.10.24","DefaultRuntime":"runc","LiveRestoreEnabled":false,"Isolation":"","InitBinary":"docker-init","SecurityOptions":["name=seccomp,profile=default"],"Warnings":null}}"#
    )
}
