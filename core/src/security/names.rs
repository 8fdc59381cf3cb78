//! What things of the security scan are called: the sources of its parts, the resources that they report, the documents that they keep.

use steward_api::{ResourceId, ResourceKind, ScanPart};

/// The document of the ports that people accepted.
pub const ACCEPTED_PORTS: &str = "security/accepted-ports";

/// The name of the source that reads a part.
pub const fn source_name(part: ScanPart) -> &'static str {
    match part {
        ScanPart::Vulnerabilities => "security-images",
        ScanPart::Certificates => "security-certificates",
        ScanPart::Authentication => "security-sign-ins",
        ScanPart::Ports => "security-ports",
        ScanPart::Configuration => "security-configuration",
    }
}

/// The part that a source reads, where it reads one.
pub fn part_of(source: &str) -> Option<ScanPart> {
    ScanPart::ALL
        .into_iter()
        .find(|part| source_name(*part) == source)
}

/// The resource of an image, by the name that its containers give it.
pub fn image_id(node: &str, image: &str) -> ResourceId {
    ResourceId::new(node, ResourceKind::Image, image)
}

/// The resource of a certificate, by the place where it was found.
pub fn certificate_id(node: &str, place: &str) -> ResourceId {
    ResourceId::new(node, ResourceKind::Certificate, place)
}

/// The resource of signing in at a service.
pub fn sign_in_id(node: &str, service: &str) -> ResourceId {
    ResourceId::new(node, ResourceKind::SignIn, service)
}

/// The resource of a port.
pub fn port_id(node: &str, transport: &str, port: u16) -> ResourceId {
    ResourceId::new(node, ResourceKind::Port, format!("{port}/{transport}"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_part_is_known_by_its_source() {
        for part in ScanPart::ALL {
            assert_eq!(part_of(source_name(part)), Some(part));
        }
        assert_eq!(part_of("docker"), None);
    }

    #[test]
    fn an_id_with_slashes_and_colons_reads_back() {
        for id in [
            image_id("atlas", "registry.lan:5000/team/app:1.2"),
            certificate_id("atlas", "/etc/ssl/wiki.pem"),
            port_id("atlas", "tcp", 8080),
            sign_in_id("atlas", "sshd"),
        ] {
            assert_eq!(id.to_string().parse::<ResourceId>().unwrap(), id);
        }
    }
}
