//! `rpmdb.sqlite`: the blobs of its table `Packages`, read straight from the file format (<https://www.sqlite.org/fileformat2.html>).
//! A data base from an image is somebody else's bytes in memory: no file is made of it and no statement runs on it.

use super::{
    MOST,
    bytes::{be_u16, be_u32, slice},
};

const HEAD: usize = 100;
const INTERIOR: u8 = 5;
const LEAF: u8 = 13;
/// The deepest tree: each level has at least a page.
const DEEPEST: usize = 32;
/// The longest blob; the kernel's package has about 1 MiB.
const LONGEST: usize = 16 * 1024 * 1024;

struct File<'a> {
    data: &'a [u8],
    page_size: usize,
    /// Of a page, without what is reserved at its end.
    usable: usize,
}

/// A value of a record, as far as it is looked at.
enum Value<'a> {
    Number(i64),
    Bytes(&'a [u8]),
    Other,
}

/// The headers of the packages.
pub(super) fn blobs(data: &[u8]) -> Result<Vec<Vec<u8>>, String> {
    let file = File::open(data).ok_or("its head is damaged")?;
    // A data base whose newest writes are in a log beside it says so in its head (bytes 18 and 19 are 2); after a checkpoint, which rpm
    // makes when it closes, the log holds nothing more.
    let mut root = None;
    file.rows(1, &mut |record| {
        let values = values(record)?;
        if let [
            Value::Bytes(b"table"),
            Value::Bytes(b"Packages"),
            _,
            Value::Number(page),
            ..,
        ] = values[..]
        {
            root = usize::try_from(page).ok();
        }
        Some(())
    })
    .ok_or("its list of tables is damaged")?;
    let root = root.ok_or("it has no table of packages")?;
    let mut found = Vec::new();
    file.rows(root, &mut |record| {
        let blob = values(record)?.into_iter().find_map(|value| match value {
            Value::Bytes(bytes) => Some(bytes.to_vec()),
            _ => None,
        })?;
        found.push(blob);
        (found.len() <= MOST).then_some(())
    })
    .ok_or("its table of packages is damaged")?;
    Ok(found)
}

impl<'a> File<'a> {
    fn open(data: &'a [u8]) -> Option<Self> {
        let page_size = match be_u16(data, 16)? {
            1 => 65_536,
            size if size >= 512 && size.is_power_of_two() => size,
            _ => return None,
        };
        let usable = page_size.checked_sub(usize::from(*data.get(20)?))?;
        (usable >= 480).then_some(Self {
            data,
            page_size,
            usable,
        })
    }

    fn page(&self, number: usize) -> Option<&'a [u8]> {
        slice(
            self.data,
            number.checked_sub(1)?.checked_mul(self.page_size)?,
            self.page_size,
        )
    }

    /// Hands each row's record to `take`, in order. `None`: the tree is damaged, or `take` will have no more.
    fn rows(&self, root: usize, take: &mut dyn FnMut(&[u8]) -> Option<()>) -> Option<()> {
        // Each page once: a tree has no more pages than the file.
        let mut left = self.data.len() / self.page_size + 1;
        self.walk(root, DEEPEST, &mut left, take)
    }

    fn walk(
        &self,
        number: usize,
        depth: usize,
        left: &mut usize,
        take: &mut dyn FnMut(&[u8]) -> Option<()>,
    ) -> Option<()> {
        *left = left.checked_sub(1)?;
        let depth = depth.checked_sub(1)?;
        let page = self.page(number)?;
        let head = if number == 1 { HEAD } else { 0 };
        let kind = *page.get(head)?;
        let cells = be_u16(page, head + 3)?;
        let pointers = head + if kind == INTERIOR { 12 } else { 8 };
        for cell in 0..cells {
            let at = be_u16(page, pointers + 2 * cell)?;
            match kind {
                INTERIOR => self.walk(be_u32(page, at)?, depth, left, take)?,
                LEAF => take(&self.record(page, at, left)?)?,
                _ => return None,
            }
        }
        if kind == INTERIOR {
            self.walk(be_u32(page, head + 8)?, depth, left, take)?;
        }
        Some(())
    }

    /// The record of a leaf's cell, with what of it is on pages of its own.
    fn record(&self, page: &[u8], at: usize, left: &mut usize) -> Option<Vec<u8>> {
        let (length, at) = varint(page, at)?;
        let (_, at) = varint(page, at)?;
        let length = usize::try_from(length)
            .ok()
            .filter(|length| *length <= LONGEST)?;
        let most_here = self.usable - 35;
        if length <= most_here {
            return slice(page, at, length).map(<[u8]>::to_vec);
        }
        let least_here = (self.usable - 12) * 32 / 255 - 23;
        let fitting = least_here + (length - least_here) % (self.usable - 4);
        let here = if fitting <= most_here {
            fitting
        } else {
            least_here
        };
        let mut record = slice(page, at, here)?.to_vec();
        let mut next = be_u32(page, at + here)?;
        while record.len() < length {
            *left = left.checked_sub(1)?;
            let page = self.page(next)?;
            let part = (length - record.len()).min(self.usable - 4);
            record.extend_from_slice(slice(page, 4, part)?);
            next = be_u32(page, 0)?;
        }
        Some(record)
    }
}

/// A number of one to nine bytes, and where what follows begins.
fn varint(data: &[u8], at: usize) -> Option<(u64, usize)> {
    let mut value = 0_u64;
    for index in 0..9 {
        let byte = *data.get(at.checked_add(index)?)?;
        if index == 8 {
            return Some((value << 8 | u64::from(byte), at + 9));
        }
        value = value << 7 | u64::from(byte & 0x7f);
        if byte & 0x80 == 0 {
            return Some((value, at + index + 1));
        }
    }
    None
}

/// The values of a record: a head of types, then the values.
fn values(record: &[u8]) -> Option<Vec<Value<'_>>> {
    let (head, mut at) = varint(record, 0)?;
    let head = usize::try_from(head)
        .ok()
        .filter(|head| *head <= record.len())?;
    let mut value_at = head;
    let mut found = Vec::new();
    while at < head {
        let (kind, next) = varint(record, at)?;
        at = next;
        let length = match kind {
            0 | 8 | 9 | 10 | 11 => 0,
            1..=4 => usize::try_from(kind).ok()?,
            5 => 6,
            6 | 7 => 8,
            _ => usize::try_from((kind - 12) / 2).ok()?,
        };
        let bytes = slice(record, value_at, length)?;
        value_at += length;
        found.push(match kind {
            1..=6 => Value::Number(bytes.iter().fold(0_i64, |number, byte| {
                number.wrapping_shl(8) | i64::from(*byte)
            })),
            8 => Value::Number(0),
            9 => Value::Number(1),
            12.. => Value::Bytes(bytes),
            _ => Value::Other,
        });
    }
    Some(found)
}
