//! RPM's header: an index of tags, then a store of their values. As the data base keeps it, without the magic number before it.
//! The form is that of the RPM manual, "Package format", header section; all numbers big-endian.

use super::{
    Installed,
    bytes::{be_u32, slice},
};

const NAME: usize = 1000;
const VERSION: usize = 1001;
const RELEASE: usize = 1002;
const EPOCH: usize = 1003;
const SOURCE_RPM: usize = 1044;

const INT32: usize = 4;
const STRING: usize = 6;
const I18N_STRING: usize = 9;

/// An index has about 100 entries.
const MOST_ENTRIES: usize = 65_536;
const ENTRY: usize = 16;
/// A name or a version is short.
const LONGEST: usize = 512;

/// The package that a header tells of. `None`: it is damaged.
pub(super) fn read(blob: &[u8]) -> Option<Installed> {
    let entries = be_u32(blob, 0).filter(|count| *count <= MOST_ENTRIES)?;
    let store_length = be_u32(blob, 4)?;
    let store = slice(blob, 8 + entries * ENTRY, store_length)?;
    let (mut name, mut version, mut release, mut epoch, mut source) =
        (None, None, None, None, None);
    for entry in 0..entries {
        let at = 8 + entry * ENTRY;
        let (tag, kind, offset) = (
            be_u32(blob, at)?,
            be_u32(blob, at + 4)?,
            be_u32(blob, at + 8)?,
        );
        let place = match tag {
            NAME => &mut name,
            VERSION => &mut version,
            RELEASE => &mut release,
            SOURCE_RPM => &mut source,
            EPOCH if kind == INT32 => {
                epoch = Some(be_u32(store, offset)?);
                continue;
            }
            _ => continue,
        };
        if kind == STRING || kind == I18N_STRING {
            *place = Some(text(store, offset)?);
        }
    }
    let (version, release) = (version?, release?);
    Some(Installed {
        name: name?,
        version: match epoch {
            Some(epoch) if epoch > 0 => format!("{epoch}:{version}-{release}"),
            _ => format!("{version}-{release}"),
        },
        // `name-version-release.src.rpm`
        source: source.and_then(|file: String| {
            let mut parts = file.rsplitn(3, '-');
            let (_, _, name) = (parts.next()?, parts.next()?, parts.next()?);
            Some(name.to_owned())
        }),
    })
}

fn text(store: &[u8], offset: usize) -> Option<String> {
    let rest = store.get(offset..)?;
    let end = rest.iter().take(LONGEST).position(|byte| *byte == 0)?;
    Some(String::from_utf8_lossy(&rest[..end]).into_owned())
}
