//! What a reading of a part of the security scan found, and what readings keep for those after them.
//!
//! What flows through: results as plain data, to the loop; documents by name, to the store and back. What it never does: hold a secret.

use async_trait::async_trait;
use jiff::Timestamp;
use steward_api::{
    CertificateScan, ConfigurationRisk, ImageScan, OpenPort, ScanPart, SignInSource,
};

use super::StoreError;

/// What one reading of a part found.
#[derive(Clone, Debug, PartialEq)]
pub struct PartFound {
    /// What was found.
    pub found: Found,
    /// What could not be read, each in words with what to do.
    pub gaps: Vec<String>,
}

/// What was found, by part.
#[derive(Clone, Debug, PartialEq)]
pub enum Found {
    /// Vulnerabilities by image.
    Images(Vec<ImageScan>),
    /// Certificates, the first to end first.
    Certificates(Vec<CertificateScan>),
    /// Failed attempts to sign in, by source.
    SignIns(Vec<SignInSource>),
    /// Ports.
    Ports(Vec<OpenPort>),
    /// Risks of configuration.
    Risks(Vec<ConfigurationRisk>),
}

impl Found {
    /// Of which part it is.
    pub const fn part(&self) -> ScanPart {
        match self {
            Self::Images(_) => ScanPart::Vulnerabilities,
            Self::Certificates(_) => ScanPart::Certificates,
            Self::SignIns(_) => ScanPart::Authentication,
            Self::Ports(_) => ScanPart::Ports,
            Self::Risks(_) => ScanPart::Configuration,
        }
    }
}

/// Keeps documents by name, beside the journal: what can be read anew, or a person said. One that is lost costs time, never truth.
#[async_trait]
pub trait Documents: Send + Sync + 'static {
    /// The document of this name, where there is one.
    async fn kept(&self, node: &str, name: &str) -> Result<Option<String>, StoreError>;
    /// Keeps a document in the place of the one before.
    async fn keep(
        &self,
        node: &str,
        name: &str,
        at: Timestamp,
        text: &str,
    ) -> Result<(), StoreError>;
    /// Forgets the documents whose names begin so and that were kept before then.
    async fn forget(
        &self,
        node: &str,
        name_begins: &str,
        before: Timestamp,
    ) -> Result<(), StoreError>;
}
