//! Numbers out of bytes, by offset; `None` beyond the end.

/// So many bytes from there.
pub(super) fn slice(data: &[u8], at: usize, length: usize) -> Option<&[u8]> {
    data.get(at..at.checked_add(length)?)
}

fn array<const N: usize>(data: &[u8], at: usize) -> Option<[u8; N]> {
    slice(data, at, N)?.try_into().ok()
}

pub(super) fn be_u16(data: &[u8], at: usize) -> Option<usize> {
    array(data, at).map(|bytes| usize::from(u16::from_be_bytes(bytes)))
}

pub(super) fn be_u32(data: &[u8], at: usize) -> Option<usize> {
    array(data, at).and_then(|bytes| usize::try_from(u32::from_be_bytes(bytes)).ok())
}

pub(super) fn le_u32(data: &[u8], at: usize) -> Option<usize> {
    array(data, at).and_then(|bytes| usize::try_from(u32::from_le_bytes(bytes)).ok())
}
