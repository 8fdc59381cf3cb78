//! What specialists see of the house: what is watched and configured, in words, and nothing beyond.

use std::{
    net::IpAddr,
    sync::{Arc, Mutex},
    time::Duration,
};

use async_trait::async_trait;
use jiff::SignedDuration;
use steward_api::{
    ContainerPort, Facts, Health, Metric, Resource, ResourceId, ResourceKind, ServiceFacts,
};

use super::{Act, Scripted, Stage, answer, ask, stage, stage_probed};
use crate::{
    config::{Config, PostgresTarget},
    engine::tests::fakes::{NODE, container, now, until},
    ports::{
        BusyProcesses, Certificate, CertificateProbe, HostProbe, ListeningSocket, Looked, Lookup,
        NameProbe, Probes, ResolvedName, Sample, Sight, Store as _, TlsEndpoint, Transport, later,
    },
};

/// Has the specialists look, and gives what they saw.
async fn looked(stage: &Stage, lookups: Vec<Lookup>) -> Vec<Result<Looked, String>> {
    let mut script: Vec<_> = lookups.into_iter().map(Act::Look).collect();
    script.push(answer("Seen."));
    stage.advisor.scripts.lock().unwrap().push_back(script);
    stage.advisor.looked.lock().unwrap().clear();
    let said = stage.say(ask("Look around")).await;
    stage.over(said.conversation).await;
    stage.advisor.looked.lock().unwrap().clone()
}

fn text(looked: &Result<Looked, String>) -> String {
    looked.as_ref().unwrap().lines.join("\n")
}

#[tokio::test(flavor = "multi_thread")]
async fn a_resource_is_told_with_what_is_around_it_and_wrong_with_it() {
    let stage = stage(Vec::new(), |config| {
        config.autonomy.level = steward_api::Autonomy::Ask;
    })
    .await;
    stage.source.edit("web", Health::Healthy, |facts| {
        facts.image = "nginx:1.27".to_owned();
        facts.ports = vec![ContainerPort {
            container: 80,
            published: Some(8080),
            published_on: Some("0.0.0.0".to_owned()),
        }];
        facts.memory_limit_bytes = Some(512 * 1024 * 1024);
        facts.health_output = Some("GET /health: password=hunter2hunter2".to_owned());
    });
    stage.source.dies("web");
    *stage.source.log.lock().unwrap() = (0..300)
        .map(|number| format!("line {number} password=hunter2hunter2"))
        .collect();
    until("the incident", || {
        let view = stage.rig.handle.view();
        (view.open_tasks.len() == 1).then_some(())
    })
    .await;
    let seen = looked(
        &stage,
        vec![
            Lookup::Resource(container("web")),
            Lookup::Log {
                id: container("web"),
                lines: 5,
            },
            Lookup::Incidents {
                id: Some(container("web")),
                hours: 24,
            },
            Lookup::Incidents {
                id: Some(container("db")),
                hours: 24,
            },
            Lookup::Tasks,
            Lookup::Resource(container("invented")),
            Lookup::Log {
                id: ResourceId::host("elsewhere"),
                lines: 5,
            },
            Lookup::Database(container("web")),
            Lookup::Names,
            Lookup::Certificates,
            Lookup::Processes,
            Lookup::Ports,
        ],
    )
    .await;
    let resource = text(&seen[0]);
    for part in [
        "n/container/web: unhealthy",
        "image nginx:1.27",
        "port 80 published as 8080 on all addresses",
        "limits: memory 512.0 MiB",
        "incident ",
    ] {
        assert!(resource.contains(part), "{part} is not in {resource}");
    }
    assert!(!resource.contains("hunter2"), "{resource}");
    assert_eq!(seen[0].as_ref().unwrap().sight, Sight::Configuration);
    let log = seen[1].as_ref().unwrap();
    assert_eq!(log.sight, Sight::Log);
    assert!(log.lines.len() <= 200, "{}", log.lines.len());
    let log = text(&seen[1]);
    assert!(log.ends_with("line 299 password=•••"), "{log}");
    assert!(!log.contains("hunter2"), "{log}");
    let incidents = text(&seen[2]);
    assert!(
        incidents.contains("not over") && incidents.contains("cause: "),
        "{incidents}"
    );
    assert_eq!(text(&seen[3]), "no incident in the last 24 h");
    assert!(text(&seen[4]).contains("waits for a person"));
    for (index, words) in [
        (5, "not among the resources"),
        (6, "not among the resources"),
        (7, "is not a database"),
        (8, "network.enabled"),
        (9, "nothing here reads certificates"),
        (10, "host.enabled"),
        (11, "host.enabled"),
    ] {
        let error = seen[index].as_ref().unwrap_err();
        assert!(error.contains(words), "{error}");
    }
    stage.rig.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_metric_is_told_in_short_with_its_course() {
    let stage = stage(Vec::new(), |_| {}).await;
    let end = now();
    let samples: Vec<_> = (0..240)
        .map(|minute| Sample {
            resource: container("web"),
            metric: Metric::CpuPercent,
            at: later(end, -SignedDuration::from_mins(240 - minute)),
            value: if minute < 180 { 10.0 } else { 50.0 },
        })
        .collect();
    stage.rig.store.record(&samples).await.unwrap();
    let seen = looked(
        &stage,
        vec![
            Lookup::Metrics {
                id: container("web"),
                metric: Metric::CpuPercent,
                hours: 4,
            },
            Lookup::Metrics {
                id: container("web"),
                metric: Metric::Load1,
                hours: 4,
            },
        ],
    )
    .await;
    let shown = text(&seen[0]);
    assert!(shown.starts_with("last 50.0 %"), "{shown}");
    assert!(
        shown.contains("lowest 10.0 %") && shown.contains("highest 50.0 %"),
        "{shown}"
    );
    assert!(
        shown.contains("normal at this hour is not known"),
        "{shown}"
    );
    assert!(
        shown.contains("mean of each quarter of that time: 10.0 %, 10.0 %, 1")
            && shown.ends_with(", 50.0 %"),
        "{shown}"
    );
    let error = seen[1].as_ref().unwrap_err();
    assert!(error.contains("no reading of load1"), "{error}");
    stage.rig.stop().await;
}

/// What looks closer, and what it was asked to look at.
#[derive(Default)]
struct Lens {
    names: Mutex<Vec<String>>,
    endpoints: Mutex<Vec<TlsEndpoint>>,
}

#[async_trait]
impl NameProbe for Lens {
    async fn resolve(&self, names: &[String]) -> Vec<ResolvedName> {
        *self.names.lock().unwrap() = names.to_vec();
        names
            .iter()
            .map(|name| ResolvedName {
                name: name.clone(),
                addresses: if name == "wiki.home" {
                    Ok(vec![IpAddr::from([192, 0, 2, 7])])
                } else {
                    Err("there is no such name".to_owned())
                },
                took: Duration::from_millis(3),
            })
            .collect()
    }
}

#[async_trait]
impl CertificateProbe for Lens {
    async fn certificate(&self, endpoint: &TlsEndpoint) -> Result<Certificate, String> {
        self.endpoints.lock().unwrap().push(endpoint.clone());
        Ok(Certificate {
            names: vec![endpoint.host.clone()],
            issuer: "CN=The House".to_owned(),
            is_self_signed: false,
            not_before: later(now(), -SignedDuration::from_hours(24 * 90)),
            not_after: later(now(), -SignedDuration::from_hours(24 * 3)),
            fault: Some("the TLS certificate has expired".to_owned()),
            protocol: "TLSv1.3".to_owned(),
        })
    }
}

#[async_trait]
impl HostProbe for Lens {
    async fn processes(&self) -> Result<BusyProcesses, String> {
        Ok(BusyProcesses::default())
    }

    async fn sockets(&self) -> Result<Vec<ListeningSocket>, String> {
        Ok(vec![
            ListeningSocket {
                transport: Transport::Tcp,
                address: IpAddr::from([0, 0, 0, 0]),
                port: 22,
                program: Some("sshd".to_owned()),
            },
            ListeningSocket {
                transport: Transport::Udp,
                address: IpAddr::from([127, 0, 0, 1]),
                port: 53,
                program: None,
            },
        ])
    }
}

fn service(name: &str, url: &str) -> Resource {
    Resource {
        id: ResourceId::new(NODE, ResourceKind::Service, name),
        health: Health::Healthy,
        reason: String::new(),
        depends_on: Vec::new(),
        runs_on: None,
        facts: Facts::Service(ServiceFacts {
            url: url.to_owned(),
            ..ServiceFacts::default()
        }),
        metrics: Default::default(),
        read_at: now(),
    }
}

fn watch_some(config: &mut Config) {
    config.network.dns_names = vec!["example.org".to_owned()];
    config.network.outside = vec!["1.1.1.1:443".to_owned(), "router.home:80".to_owned()];
    config.databases.postgres = vec![PostgresTarget {
        name: "main".to_owned(),
        url: "postgres://app:hunter2@db.home:5432/app".to_owned().into(),
        container: None,
    }];
}

#[tokio::test(flavor = "multi_thread")]
async fn only_what_is_watched_or_configured_is_looked_at_closer() {
    let lens = Arc::new(Lens::default());
    let probes = Probes {
        names: Some(Arc::clone(&lens) as Arc<dyn NameProbe>),
        certificates: Some(Arc::clone(&lens) as Arc<dyn CertificateProbe>),
        chains: None,
        host: Some(Arc::clone(&lens) as Arc<dyn HostProbe>),
    };
    let stage = stage_probed(Scripted::new(Vec::new()), probes, watch_some).await;
    {
        let mut resources = stage.source.resources.lock().unwrap();
        for service in [
            service("wiki", "https://Wiki.home/health"),
            service("own", "https://127.0.0.1:8443/"),
            service("plain", "http://plain.home/"),
        ] {
            resources.insert(service.id.clone(), service);
        }
    }
    stage.source.edit("web", Health::Healthy, |facts| {
        facts.ports = vec![ContainerPort {
            container: 80,
            published: Some(8080),
            published_on: Some("127.0.0.1".to_owned()),
        }];
    });
    until("the services", || {
        let view = stage.rig.handle.view();
        let id = ResourceId::new(NODE, ResourceKind::Service, "wiki");
        let is_published = view
            .resources
            .get(&container("web"))?
            .container()?
            .ports
            .len()
            == 1;
        (is_published && view.resources.contains_key(&id)).then_some(())
    })
    .await;
    let seen = looked(
        &stage,
        vec![Lookup::Names, Lookup::Certificates, Lookup::Ports],
    )
    .await;
    assert_eq!(
        *lens.names.lock().unwrap(),
        [
            "db.home",
            "example.org",
            "plain.home",
            "router.home",
            "wiki.home"
        ]
    );
    let names = text(&seen[0]);
    assert!(names.contains("wiki.home: 192.0.2.7 (3 ms)"), "{names}");
    assert!(
        names.contains("db.home: not resolved, there is no such name"),
        "{names}"
    );
    assert!(!names.contains("hunter2"), "{names}");

    let asked: Vec<_> = lens
        .endpoints
        .lock()
        .unwrap()
        .iter()
        .map(ToString::to_string)
        .collect();
    assert_eq!(asked, ["127.0.0.1:8443", "wiki.home:443"]);
    let certificates = text(&seen[1]);
    assert!(
        certificates.contains(
            "wiki.home:443: clients refuse its certificate: the TLS certificate has expired"
        ) && certificates.contains("expired 3 days ago"),
        "{certificates}"
    );
    assert_eq!(seen[1].as_ref().unwrap().sight, Sight::Security);
    assert_eq!(
        seen[2].as_ref().unwrap().lines,
        [
            "tcp 22 on all addresses: sshd",
            "udp 53 on 127.0.0.1, this machine only: program not known",
            "n/container/web publishes its port 80 as 8080 on 127.0.0.1",
        ]
    );
    stage.rig.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn what_may_be_proposed_is_what_could_be_planned_now() {
    let script = vec![
        Act::Offers(container("web")),
        Act::Offers(container("invented")),
        answer("Seen."),
    ];
    let stage = stage(vec![script], |_| {}).await;
    let said = stage.say(ask("What can be done?")).await;
    stage.over(said.conversation).await;
    let seen = stage.advisor.looked.lock().unwrap().clone();
    let offered = &seen[0].as_ref().unwrap().lines;
    assert_eq!(
        offered,
        &["restart_container", "stop_container", "clear_tmp"]
    );
    assert!(
        seen[1]
            .as_ref()
            .unwrap_err()
            .contains("not among the resources")
    );
    stage.rig.stop().await;
}
