//! The sources of the security scan, made for a configuration.
//!
//! What flows through: the configuration and the agent's own engine in, a source for each part that is scanned out. What it never does: make a
//! connection of its own where the agent has one.

use std::sync::{Arc, Mutex};

use steward_api::ScanPart;

use super::{host_addresses, image_scanner_with, own_facts, own_places, scan::edges_with};
use crate::{
    config::{Config, VulnerabilityScanner},
    integrations::docker::DockerEngine,
    ports::{ChainReader, Clock, Documents, ImageReader, Source},
    security::watch::{
        CertificateSource, ConfigurationSource, ImageSource, Keeper, PortSource, SignInSourceReader,
    },
};

/// The sources of the parts that the configuration names, as far as what they read is switched on.
pub(super) fn security_sources(
    config: &Config,
    clock: &Arc<dyn Clock>,
    documents: &Arc<dyn Documents>,
    engine: Option<Arc<DockerEngine>>,
    chains: Option<Arc<dyn ChainReader>>,
) -> Vec<Arc<dyn Source>> {
    let shared = Arc::new(config.clone());
    let keeper = Keeper {
        node: config.node.name.clone(),
        documents: Arc::clone(documents),
    };
    let edges = edges_with(engine.as_ref());
    let configurations = edges.configurations.clone();
    let mut made: Vec<Arc<dyn Source>> = Vec::new();
    for part in ScanPart::ALL
        .iter()
        .filter(|part| config.security.parts.contains(part))
    {
        match part {
            ScanPart::Vulnerabilities => {
                if let (Some(engine), Some(configurations)) = (&engine, &configurations) {
                    let reader = Arc::clone(engine) as Arc<dyn ImageReader>;
                    match image_scanner_with(config, None, Arc::clone(clock), reader) {
                        Ok(scanner) => made.push(Arc::new(ImageSource {
                            keeper: keeper.clone(),
                            clock: Arc::clone(clock),
                            configurations: Arc::clone(configurations),
                            scanner,
                            judge: judge(config),
                        })),
                        Err(error) => tracing::error!(%error, "images are not scanned"),
                    }
                }
            }
            ScanPart::Certificates => {
                if let Some(chains) = &chains {
                    made.push(Arc::new(CertificateSource {
                        config: Arc::clone(&shared),
                        clock: Arc::clone(clock),
                        chains: Arc::clone(chains),
                        configurations: configurations
                            .clone()
                            .filter(|_| config.security.certificates.published_ports),
                    }));
                }
            }
            ScanPart::Authentication => made.push(Arc::new(SignInSourceReader {
                config: Arc::clone(&shared),
                clock: Arc::clone(clock),
                edges: edges.clone(),
                own_addresses: host_addresses,
                seen: Mutex::default(),
            })),
            ScanPart::Ports => made.push(Arc::new(PortSource {
                config: Arc::clone(&shared),
                keeper: keeper.clone(),
                clock: Arc::clone(clock),
                edges: edges.clone(),
                own: own_places(config),
            })),
            ScanPart::Configuration => {
                let shared = Arc::clone(&shared);
                made.push(Arc::new(ConfigurationSource {
                    clock: Arc::clone(clock),
                    edges: edges.clone(),
                    own: Box::new(move || own_facts(&shared)),
                }));
            }
        }
    }
    made
}

/// Who judges images, in words; what one judge said does not hold for another.
fn judge(config: &Config) -> String {
    let how = &config.security.vulnerabilities;
    match how.scanner {
        VulnerabilityScanner::Trivy => "trivy".to_owned(),
        VulnerabilityScanner::Grype => "grype".to_owned(),
        VulnerabilityScanner::Osv => how.offline_directory.as_ref().map_or_else(
            || format!("osv {}", how.osv_url),
            |directory| format!("osv archive {}", directory.display()),
        ),
    }
}
