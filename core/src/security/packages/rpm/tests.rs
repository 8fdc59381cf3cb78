//! Data bases of rpm in each form, made by the documented formats, whole, cut short and spoilt.

use proptest::prelude::*;

use super::*;

/// A header as rpm keeps it.
fn header(name: &str, epoch: u32, version: &str, release: &str, source: &str) -> Vec<u8> {
    let mut store = Vec::new();
    let mut index: Vec<[u32; 4]> = Vec::new();
    for (tag, value) in [
        (1000, name),
        (1001, version),
        (1002, release),
        (1044, source),
    ] {
        index.push([tag, 6, u32::try_from(store.len()).unwrap(), 1]);
        store.extend_from_slice(value.as_bytes());
        store.push(0);
    }
    while store.len() % 4 != 0 {
        store.push(0);
    }
    index.push([1003, 4, u32::try_from(store.len()).unwrap(), 1]);
    store.extend_from_slice(&epoch.to_be_bytes());
    let mut blob = Vec::new();
    blob.extend_from_slice(&u32::try_from(index.len()).unwrap().to_be_bytes());
    blob.extend_from_slice(&u32::try_from(store.len()).unwrap().to_be_bytes());
    for entry in index {
        entry
            .iter()
            .for_each(|number| blob.extend_from_slice(&number.to_be_bytes()));
    }
    blob.extend_from_slice(&store);
    blob
}

fn headers() -> Vec<Vec<u8>> {
    vec![
        header(
            "openssl-libs",
            1,
            "3.0.7",
            "27.el9",
            "openssl-3.0.7-27.el9.src.rpm",
        ),
        header(
            "glibc",
            0,
            "2.34",
            "100.el9_4.2",
            "glibc-2.34-100.el9_4.2.src.rpm",
        ),
        header("gpg-pubkey", 0, "1", "2", "(none)"),
    ]
}

/// `Packages.db`.
fn ndb(blobs: &[Vec<u8>]) -> Vec<u8> {
    let mut data = vec![0_u8; 4096];
    data[..4].copy_from_slice(b"RpmP");
    data[12..16].copy_from_slice(&1_u32.to_le_bytes());
    for slot in 2..256 {
        data[slot * 16..slot * 16 + 4].copy_from_slice(b"Slot");
    }
    for (at, blob) in blobs.iter().enumerate() {
        let number = u32::try_from(at + 1).unwrap();
        let block = u32::try_from(data.len() / 16).unwrap();
        let slot = (2 + at) * 16;
        data[slot + 4..slot + 8].copy_from_slice(&number.to_le_bytes());
        data[slot + 8..slot + 12].copy_from_slice(&block.to_le_bytes());
        data.extend_from_slice(b"BlbS");
        data.extend_from_slice(&number.to_le_bytes());
        data.extend_from_slice(&0_u32.to_le_bytes());
        data.extend_from_slice(&u32::try_from(blob.len()).unwrap().to_le_bytes());
        data.extend_from_slice(blob);
        data.resize(data.len().next_multiple_of(16), 0);
    }
    data
}

/// `Packages` of Berkeley DB, each blob on a chain of two pages.
fn berkeley(blobs: &[Vec<u8>], reversed: bool) -> Vec<u8> {
    const PAGE: usize = 512;
    let u16 = |n: usize| {
        let n = u16::try_from(n).unwrap();
        if reversed {
            n.to_be_bytes()
        } else {
            n.to_le_bytes()
        }
    };
    let u32 = |n: usize| {
        let n = u32::try_from(n).unwrap();
        if reversed {
            n.to_be_bytes()
        } else {
            n.to_le_bytes()
        }
    };
    let mut data = vec![0_u8; PAGE * 2];
    data[12..16].copy_from_slice(&u32(0x0006_1561));
    data[20..24].copy_from_slice(&u32(PAGE));
    let hash = PAGE;
    data[hash + 25] = 13;
    data[hash + 20..hash + 22].copy_from_slice(&u16(blobs.len() * 2));
    for (at, blob) in blobs.iter().enumerate() {
        let (key, value) = (200 + at * 32, 216 + at * 32);
        data[hash + 26 + at * 4..][..2].copy_from_slice(&u16(key));
        data[hash + 28 + at * 4..][..2].copy_from_slice(&u16(value));
        let first = data.len() / PAGE;
        data[hash + key] = 1;
        data[hash + value] = 3;
        data[hash + value + 4..][..4].copy_from_slice(&u32(first));
        data[hash + value + 8..][..4].copy_from_slice(&u32(blob.len()));
        let half = blob.len() / 2;
        for (part, next) in [(&blob[..half], first + 1), (&blob[half..], 0)] {
            let mut page = vec![0_u8; PAGE];
            page[16..20].copy_from_slice(&u32(next));
            page[22..24].copy_from_slice(&u16(part.len()));
            page[25] = 7;
            page[26..26 + part.len()].copy_from_slice(part);
            data.extend_from_slice(&page);
        }
    }
    data
}

fn told(data: &[u8]) -> Vec<String> {
    installed("var/lib/rpm/x", data)
        .unwrap()
        .iter()
        .map(|one| format!("{} {} {:?}", one.name, one.version, one.source))
        .collect()
}

const EXPECTED: [&str; 2] = [
    "openssl-libs 1:3.0.7-27.el9 Some(\"openssl\")",
    "glibc 2.34-100.el9_4.2 Some(\"glibc\")",
];

#[test]
fn each_form_is_read() {
    assert_eq!(told(&ndb(&headers())), EXPECTED);
    assert_eq!(told(&berkeley(&headers(), false)), EXPECTED);
    assert_eq!(told(&berkeley(&headers(), true)), EXPECTED);
}

#[test]
fn names_are_those_of_the_records() {
    let found = installed("x", &ndb(&headers())).unwrap();
    let name = |by_source| named(found.clone(), by_source)[0].name.clone();
    assert_eq!(
        (name(false), name(true)),
        ("openssl-libs".to_owned(), "openssl".to_owned())
    );
}

#[test]
fn a_data_base_cut_short_is_said_to_be_damaged_or_read_as_far_as_it_is_whole() {
    for whole in [ndb(&headers()), berkeley(&headers(), false)] {
        for length in 0..whole.len() {
            let cut = installed("x", &whole[..length]);
            assert!(cut.is_err() || cut.is_ok_and(|found| found.len() <= 2));
        }
    }
    assert_eq!(installed("x", &[]), Err("it is empty".to_owned()));
}

proptest! {
    #[test]
    fn no_damage_makes_a_reader_panic_or_run_on(
        form in 0..2_usize,
        changes in proptest::collection::vec((any::<prop::sample::Index>(), any::<u8>()), 1..40),
    ) {
        let mut data = if form == 0 { ndb(&headers()) } else { berkeley(&headers(), false) };
        for (at, byte) in changes {
            let at = at.index(data.len());
            data[at] = byte;
        }
        let _ = installed("x", &data);
    }

    #[test]
    fn nothing_behind_a_true_head_makes_a_reader_panic(rest in proptest::collection::vec(any::<u8>(), 0..3000)) {
        for head in [&b"SQLite format 3\0\x02\0\x01\x01\0\x40\x20\x20"[..], b"RpmP\0\0\0\0\0\0\0\0\x01\0\0\0", b"\0\0\0\0\0\0\0\0\0\0\0\0\x61\x15\x06\0\0\0\0\0\0\x02\0\0"] {
            let data = [head, &rest].concat();
            let _ = installed("x", &data);
        }
    }
}
