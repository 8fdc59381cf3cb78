//! `Packages` as Berkeley DB's hash: pages of keys and values, a large value on a chain of pages of its own. RPM before 4.16 made these.
//! The forms are those of Berkeley DB's `db_page.h` as documented in its reference guide; numbers in the order of the machine that
//! wrote them, which the magic number tells.

use super::{MOST, bytes::slice};

const MAGIC: [u8; 4] = 0x0006_1561_u32.to_le_bytes();
const MAGIC_REVERSED: [u8; 4] = 0x0006_1561_u32.to_be_bytes();
/// Where the magic number stands in the first page.
const MAGIC_AT: usize = 12;

const PAGE_HEAD: usize = 26;
const HASH_UNSORTED: u8 = 2;
const HASH: u8 = 13;
const OVERFLOW: u8 = 7;
/// A value of a hash page that says where the value is.
const OFF_PAGE: u8 = 3;
const LONGEST: usize = 16 * 1024 * 1024;

pub(super) fn is_hash(data: &[u8]) -> bool {
    slice(data, MAGIC_AT, 4).is_some_and(|magic| magic == MAGIC || magic == MAGIC_REVERSED)
}

struct File<'a> {
    data: &'a [u8],
    page_size: usize,
    reversed: bool,
}

impl<'a> File<'a> {
    fn u16(&self, data: &[u8], at: usize) -> Option<usize> {
        let bytes: [u8; 2] = slice(data, at, 2)?.try_into().ok()?;
        Some(usize::from(if self.reversed {
            u16::from_be_bytes(bytes)
        } else {
            u16::from_le_bytes(bytes)
        }))
    }

    fn u32(&self, data: &[u8], at: usize) -> Option<usize> {
        let bytes: [u8; 4] = slice(data, at, 4)?.try_into().ok()?;
        usize::try_from(if self.reversed {
            u32::from_be_bytes(bytes)
        } else {
            u32::from_le_bytes(bytes)
        })
        .ok()
    }

    fn page(&self, number: usize) -> Option<&'a [u8]> {
        slice(
            self.data,
            number.checked_mul(self.page_size)?,
            self.page_size,
        )
    }

    /// A value on a chain of pages.
    fn chain(&self, first: usize, length: usize, left: &mut usize) -> Option<Vec<u8>> {
        if length > LONGEST {
            return None;
        }
        let mut value = Vec::new();
        let mut number = first;
        while number != 0 && value.len() < length {
            *left = left.checked_sub(1)?;
            let page = self.page(number)?;
            if *page.get(25)? != OVERFLOW {
                return None;
            }
            // On such a page this field says how many bytes it holds.
            value.extend_from_slice(slice(page, PAGE_HEAD, self.u16(page, 22)?)?);
            number = self.u32(page, 16)?;
        }
        value.truncate(length);
        (value.len() == length).then_some(value)
    }
}

/// The headers of the packages.
pub(super) fn blobs(data: &[u8]) -> Result<Vec<Vec<u8>>, String> {
    let mut file = File {
        data,
        page_size: 0,
        reversed: slice(data, MAGIC_AT, 4) == Some(&MAGIC_REVERSED[..]),
    };
    let damaged = || "its head is damaged".to_owned();
    file.page_size = file.u32(data, 20).ok_or_else(damaged)?;
    if !(512..=65_536).contains(&file.page_size) || !file.page_size.is_power_of_two() {
        return Err(damaged());
    }
    let pages = data.len() / file.page_size;
    // Each page of values once.
    let mut left = pages;
    let mut found = Vec::new();
    for number in 1..pages {
        let Some(page) = file.page(number) else { break };
        if !matches!(page.get(25), Some(&HASH | &HASH_UNSORTED)) {
            continue;
        }
        let entries = file.u16(page, 20).unwrap_or_default();
        // Keys and values take turns.
        for entry in (1..entries).step_by(2) {
            let value = || {
                let at = file.u16(page, PAGE_HEAD + 2 * entry)?;
                Some((at, *page.get(at)?))
            };
            let (at, kind) = value().ok_or("an entry is damaged")?;
            if kind != OFF_PAGE {
                // The only short value is the counter of packages.
                continue;
            }
            let mut blob = || {
                let (first, length) = (file.u32(page, at + 4)?, file.u32(page, at + 8)?);
                file.chain(first, length, &mut left)
            };
            found.push(blob().ok_or("an entry is damaged")?);
            if found.len() > MOST {
                return Err(format!("it has more than {MOST} entries"));
            }
        }
    }
    Ok(found)
}
