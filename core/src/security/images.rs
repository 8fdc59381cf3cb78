//! Scanning one image for known vulnerabilities: its files are read, its packages told from them, and their records judged.
//!
//! What flows through: a name in, the contract's [`ImageScan`] out. What it never does: take what could not be read for clean; each gap
//! is told.

use std::{collections::BTreeSet, sync::Arc, time::Duration};

use steward_api::ImageScan;

use crate::{
    ports::{
        Clock, FoundImage, ImageReader, Progress, ReadLimits, ScanError, Scanner,
        VulnerabilityDatabase,
    },
    security::{
        osv,
        packages::{self, Inventory},
    },
};

/// Who judges.
#[derive(Clone)]
pub enum Judge {
    /// A data base of records; the image is read here.
    Database(Arc<dyn VulnerabilityDatabase>),
    /// A scanner of its own.
    Scanner(Arc<dyn Scanner>),
}

/// What a scan of images needs.
#[derive(Clone)]
pub struct ImageScanner {
    /// Finds and reads images.
    pub reader: Arc<dyn ImageReader>,
    /// Says what is vulnerable.
    pub judge: Judge,
    /// CVE ids that are known to have been used in attacks.
    pub exploited: Arc<BTreeSet<String>>,
    /// What is not known from the outset, such as a catalogue that can't be read; told with every scan.
    pub gaps: Vec<String>,
    /// How long one image may take.
    pub timeout: Duration,
    /// The time.
    pub clock: Arc<dyn Clock>,
}

impl std::fmt::Debug for ImageScanner {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("ImageScanner").finish_non_exhaustive()
    }
}

impl ImageScanner {
    /// Scans the image that a container's or an image's name means.
    ///
    /// # Errors
    /// Where there is no such thing, or nothing could be read or judged.
    pub async fn scan(&self, name: &str, progress: Progress<'_>) -> Result<ImageScan, ScanError> {
        let image = self.reader.find(name).await?;
        self.scan_found(image, progress).await
    }

    /// Scans an image that was found before. One id has to be scanned only once, whatever number of containers it has.
    ///
    /// # Errors
    /// Where nothing could be read or judged.
    pub async fn scan_found(
        &self,
        image: FoundImage,
        progress: Progress<'_>,
    ) -> Result<ImageScan, ScanError> {
        self.in_time(self.judged(image, progress)).await
    }

    async fn judged(
        &self,
        image: FoundImage,
        progress: Progress<'_>,
    ) -> Result<ImageScan, ScanError> {
        let mut scan = match &self.judge {
            Judge::Scanner(scanner) => {
                progress(&format!("having {} scanned", image.image));
                let report = scanner.scan(&image).await?;
                let mut scan = self.result(image, report.source);
                scan.distribution = report.distribution;
                scan.packages = report.packages;
                scan.vulnerabilities = report.vulnerabilities;
                scan.gaps.extend(report.gaps);
                for one in &mut scan.vulnerabilities {
                    one.known_exploited |= self.exploited.contains(&one.id)
                        || one.aliases.iter().any(|id| self.exploited.contains(id));
                }
                osv::in_order(&mut scan.vulnerabilities);
                scan
            }
            Judge::Database(_) => {
                progress(&format!("reading {}", image.image));
                let inventory = self.read(&image).await?;
                return self.told(image, &inventory, progress).await;
            }
        };
        scan.scanned_at = self.clock.now();
        Ok(scan)
    }

    /// What an image is made of. One id has to be read only once.
    ///
    /// # Errors
    /// Where nothing could be read.
    pub async fn inventory(&self, image: &FoundImage) -> Result<Inventory, ScanError> {
        self.in_time(self.read(image)).await
    }

    /// What is known of an image whose packages are known. Asks the data base, and nobody else.
    ///
    /// # Errors
    /// Where the data base can't be asked, or a scanner of its own judges.
    pub async fn matched(
        &self,
        image: FoundImage,
        inventory: &Inventory,
        progress: Progress<'_>,
    ) -> Result<ImageScan, ScanError> {
        self.in_time(self.told(image, inventory, progress)).await
    }

    async fn in_time<T>(
        &self,
        work: impl Future<Output = Result<T, ScanError>>,
    ) -> Result<T, ScanError> {
        tokio::time::timeout(self.timeout, work)
            .await
            .unwrap_or_else(|_| {
                Err(ScanError::TimedOut {
                    what: "scanning the image".to_owned(),
                    limit: self.timeout,
                })
            })
    }

    async fn read(&self, image: &FoundImage) -> Result<Inventory, ScanError> {
        let limits = ReadLimits {
            time: self.timeout,
            ..ReadLimits::default()
        };
        let read = self.reader.read(image, packages::wanted, limits).await?;
        let mut inventory = packages::inventory(&read.files);
        if inventory.packages.is_empty() && inventory.gaps.is_empty() && read.gaps.is_empty() {
            inventory.gaps.push(
                "no record of any package was found in it: what it is made of can't be told"
                    .to_owned(),
            );
        }
        inventory.gaps.splice(0..0, read.gaps);
        Ok(inventory)
    }

    async fn told(
        &self,
        image: FoundImage,
        inventory: &Inventory,
        progress: Progress<'_>,
    ) -> Result<ImageScan, ScanError> {
        let Judge::Database(database) = &self.judge else {
            return Err(ScanError::Knowledge {
                what: "the scanner".to_owned(),
                reason: "it reads images itself".to_owned(),
            });
        };
        let mut told = if inventory.packages.is_empty() {
            Default::default()
        } else {
            database.advisories(&inventory.packages, progress).await?
        };
        let outcome = osv::findings(&inventory.packages, &told, &self.exploited);
        let mut scan = self.result(image, std::mem::take(&mut told.source));
        scan.distribution.clone_from(&inventory.distribution);
        scan.packages = u32::try_from(inventory.packages.len()).unwrap_or(u32::MAX);
        scan.vulnerabilities = outcome.vulnerabilities;
        scan.gaps.extend(inventory.gaps.iter().cloned());
        scan.gaps.extend(told.gaps);
        scan.gaps.extend(outcome.gaps);
        scan.scanned_at = self.clock.now();
        Ok(scan)
    }

    fn result(&self, image: FoundImage, source: String) -> ImageScan {
        ImageScan {
            image: image.image,
            image_id: image.image_id,
            containers: image.containers,
            distribution: None,
            packages: 0,
            source: if source.is_empty() {
                "nobody was asked".to_owned()
            } else {
                source
            },
            scanned_at: self.clock.now(),
            vulnerabilities: Vec::new(),
            gaps: self.gaps.clone(),
        }
    }
}
