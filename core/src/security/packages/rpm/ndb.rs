//! RPM's own data base, `Packages.db`: pages of slots that say where each package's blob is. All numbers little-endian.

use super::{
    MOST,
    bytes::{le_u32, slice},
};

const PAGE: usize = 4096;
const SLOT: usize = 16;
/// The file's own head takes the room of two slots.
const HEAD_SLOTS: usize = 2;
const BLOCK: usize = 16;
const BLOB_HEAD: usize = 16;
const SLOT_MAGIC: &[u8] = b"Slot";
const BLOB_MAGIC: &[u8] = b"BlbS";

/// The headers of the packages.
pub(super) fn blobs(data: &[u8]) -> Result<Vec<Vec<u8>>, String> {
    let damaged = |what: &str| format!("{what} is damaged");
    let pages = le_u32(data, 12).ok_or_else(|| damaged("its head"))?;
    if pages == 0 || pages > MOST * SLOT / PAGE + 1 {
        return Err(format!("its head tells of {pages} pages of slots"));
    }
    let mut found = Vec::new();
    let mut taken = 0_usize;
    for slot in HEAD_SLOTS..pages * (PAGE / SLOT) {
        let Some(entry) = slice(data, slot * SLOT, SLOT) else {
            return Err(damaged("its table of slots"));
        };
        if !entry.starts_with(SLOT_MAGIC) {
            return Err(damaged("its table of slots"));
        }
        let number = le_u32(entry, 4).unwrap_or_default();
        let block = le_u32(entry, 8).unwrap_or_default();
        if number == 0 || block == 0 {
            continue;
        }
        let blob = || {
            let at = block.checked_mul(BLOCK)?;
            let head = slice(data, at, BLOB_HEAD)?;
            if !head.starts_with(BLOB_MAGIC) || le_u32(head, 4)? != number {
                return None;
            }
            slice(data, at + BLOB_HEAD, le_u32(head, 12)?)
        };
        let blob = blob().ok_or_else(|| damaged("an entry"))?;
        // Slots that overlap would make more of a file than it is.
        taken = taken.saturating_add(blob.len());
        if taken > data.len() {
            return Err(damaged("its table of slots"));
        }
        found.push(blob.to_vec());
    }
    Ok(found)
}
