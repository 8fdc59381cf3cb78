//! Scanning for vulnerabilities: who reads an image's files, who knows what is vulnerable, and whoever does both.
//!
//! What flows through: names of images in; files, records and reports out. What it never does: run anything that an image holds.

use std::{collections::BTreeMap, time::Duration};

use async_trait::async_trait;
use steward_api::{Package, ResourceId, Vulnerability};

/// Why a scan came to nothing.
#[derive(Debug, thiserror::Error)]
pub enum ScanError {
    /// What was to be scanned does not exist.
    #[error("there is no container and no image called {0}")]
    NotFound(String),
    /// What it needs is not on this machine, or not for this user.
    #[error("{what} is not there: {reason}")]
    Absent {
        /// What was needed.
        what: String,
        /// What is missing, and how to get it.
        reason: String,
    },
    /// The container engine did not answer or refused.
    #[error("{what} does not answer: {reason}")]
    Engine {
        /// Which engine.
        what: String,
        /// Why, and what to do about it.
        reason: String,
    },
    /// Whoever knows what is vulnerable did not answer or refused.
    #[error("{what} can't be asked: {reason}")]
    Knowledge {
        /// Who.
        what: String,
        /// Why, and what to do about it.
        reason: String,
    },
    /// It took too long.
    #[error("{what} took longer than {} s", limit.as_secs())]
    TimedOut {
        /// What did.
        what: String,
        /// How long was waited.
        limit: Duration,
    },
}

/// An image as it was found.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct FoundImage {
    /// As its containers name it, such as `nginx:1.27`.
    pub image: String,
    /// The engine's id, `sha256:…`.
    pub image_id: String,
    /// The containers made from it that are looked after.
    pub containers: Vec<ResourceId>,
    /// A container whose files can be read in the image's place; absent where none is there.
    pub readable: Option<String>,
}

/// How much of a file is wanted.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Want {
    /// All of it, up to so many bytes; a larger one is reported.
    Whole(u64),
    /// Its first so many bytes.
    Beginning(u64),
}

/// Which files are wanted: asked with a path within the image, without a leading slash.
pub type WantedFiles = fn(&str) -> Option<Want>;

/// What holds a reading back.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct ReadLimits {
    /// The most bytes that are kept of one image.
    pub kept_bytes: u64,
    /// The most files that are kept.
    pub files: usize,
    /// How long it may take.
    pub time: Duration,
}

impl Default for ReadLimits {
    /// 192 MiB in 50,000 files within ten minutes.
    fn default() -> Self {
        Self {
            kept_bytes: 192 * 1024 * 1024,
            files: 50_000,
            time: Duration::from_mins(10),
        }
    }
}

/// The wanted files of an image.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct ImageFiles {
    /// Content by path, without a leading slash.
    pub files: BTreeMap<String, Vec<u8>>,
    /// What could not be read, in words.
    pub gaps: Vec<String>,
}

/// Reads images.
#[async_trait]
pub trait ImageReader: Send + Sync + 'static {
    /// Finds what a name means: a container's name or id, or an image's.
    async fn find(&self, name: &str) -> Result<FoundImage, ScanError>;

    /// Reads the wanted files. Nothing in the image is run; what has to be made for the reading is removed again, also when the reading
    /// fails or its caller goes away.
    async fn read(
        &self,
        image: &FoundImage,
        wanted: WantedFiles,
        limits: ReadLimits,
    ) -> Result<ImageFiles, ScanError>;

    /// Waits until what was made for readings is removed.
    async fn finished(&self);
}

/// Records that may concern packages.
#[derive(Clone, Debug, Default)]
pub struct Advisories {
    /// In the Open Source Vulnerability format, as JSON by id; among them such as only tell more of others.
    pub records: BTreeMap<String, String>,
    /// The place of a package and the id of a record.
    pub pairs: Vec<(usize, String)>,
    /// Whether the versions were compared. Otherwise only the names were.
    pub are_judged: bool,
    /// Who says so, such as `OSV`.
    pub source: String,
    /// What could not be looked up, in words.
    pub gaps: Vec<String>,
}

/// Says to a person how far something is.
pub type Progress<'a> = &'a (dyn Fn(&str) + Send + Sync);

/// Knows what is vulnerable.
#[async_trait]
pub trait VulnerabilityDatabase: Send + Sync + 'static {
    /// The records that may concern these packages. What can't be looked up is listed; an error means that nothing could be.
    async fn advisories(
        &self,
        packages: &[Package],
        progress: Progress<'_>,
    ) -> Result<Advisories, ScanError>;
}

/// What a scanner of its own found.
#[derive(Clone, Debug, Default)]
pub struct ScannerReport {
    /// Who says so, such as `Trivy 0.58.1`.
    pub source: String,
    /// What the image is made of.
    pub distribution: Option<String>,
    /// How many packages were found.
    pub packages: u32,
    /// What is known, in any order.
    pub vulnerabilities: Vec<Vulnerability>,
    /// What could not be read, in words.
    pub gaps: Vec<String>,
}

/// A scanner of its own, which reads images and knows what is vulnerable.
#[async_trait]
pub trait Scanner: Send + Sync + 'static {
    /// Scans an image of the engine.
    async fn scan(&self, image: &FoundImage) -> Result<ScannerReport, ScanError>;
}
