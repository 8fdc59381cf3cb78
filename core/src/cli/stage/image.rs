//! The image of every container on the stage, made from what runs already: this executable, the libraries that it has loaded and the program that loads them.
//! So it needs no registry and nothing else on the machine; it fits every engine of the same processor architecture.

use std::{
    collections::BTreeMap,
    fs, io,
    path::{Path, PathBuf},
};

/// Where the executable stands in the image.
pub(in crate::cli) const EXECUTABLE: &str = "/steward";

/// A root file system with all that this executable needs.
pub(super) struct RootFs {
    /// As a tar archive.
    pub(super) tar: Vec<u8>,
    /// Where the libraries are, for the loader; it may look elsewhere by itself.
    pub(super) library_dirs: Vec<String>,
}

/// Packs this process's executable and libraries.
///
/// # Errors
/// Where a part can't be read; names it.
pub(super) fn of_this_executable() -> io::Result<RootFs> {
    let named = |what: &str| {
        let what = what.to_owned();
        move |error: io::Error| io::Error::new(error.kind(), format!("{what}: {error}"))
    };
    // Through /proc, so that it works also after the file was replaced by a newer one.
    let executable = fs::read("/proc/self/exe").map_err(named("can't read this executable"))?;
    let maps = fs::read_to_string("/proc/self/maps").map_err(named("/proc/self/maps"))?;

    let mut archive = tar::Builder::new(Vec::new());
    add_file(&mut archive, EXECUTABLE, &executable)?;
    let mut files: BTreeMap<PathBuf, PathBuf> = BTreeMap::new();
    if let Some(loader) = interpreter(&executable) {
        // At the very path that the kernel will look for, whatever links lead there here.
        files.insert(PathBuf::from(&loader), PathBuf::from(&loader));
        for library in mapped_libraries(&maps) {
            for name in names_of(&library) {
                files.insert(name, library.clone());
            }
        }
    }
    let mut library_dirs = Vec::new();
    for (name, file) in &files {
        let content = fs::read(file).map_err(named(&file.display().to_string()))?;
        add_file(&mut archive, &name.to_string_lossy(), &content)?;
        if let Some(dir) = name.parent().map(|dir| dir.to_string_lossy().into_owned())
            && !library_dirs.contains(&dir)
        {
            library_dirs.push(dir);
        }
    }
    // What programs expect to be there, and the directory for what is put in.
    for dir in ["tmp", "proc", "sys", "dev", "etc"] {
        let mut header = tar::Header::new_gnu();
        header.set_entry_type(tar::EntryType::Directory);
        header.set_mode(0o755);
        header.set_size(0);
        archive.append_data(&mut header, dir, io::empty())?;
    }
    Ok(RootFs {
        tar: archive.into_inner()?,
        library_dirs,
    })
}

/// An archive with one file of this absolute path.
pub(super) fn one_file(path: &str, content: &[u8], is_executable: bool) -> io::Result<Vec<u8>> {
    let mut archive = tar::Builder::new(Vec::new());
    add(
        &mut archive,
        path,
        content,
        if is_executable { 0o755 } else { 0o644 },
    )?;
    archive.into_inner()
}

fn add_file(archive: &mut tar::Builder<Vec<u8>>, path: &str, content: &[u8]) -> io::Result<()> {
    add(archive, path, content, 0o755)
}

fn add(
    archive: &mut tar::Builder<Vec<u8>>,
    path: &str,
    content: &[u8],
    mode: u32,
) -> io::Result<()> {
    let mut header = tar::Header::new_gnu();
    header.set_mode(mode);
    header.set_size(content.len() as u64);
    archive.append_data(&mut header, path.trim_start_matches('/'), content)
}

/// The shared libraries in a listing of `/proc/self/maps`: files that are mapped to be executed, other than the executable itself.
fn mapped_libraries(maps: &str) -> Vec<PathBuf> {
    let own = fs::read_link("/proc/self/exe").unwrap_or_default();
    let mut found: Vec<PathBuf> = maps
        .lines()
        .filter_map(|line| {
            // address perms offset device inode path
            let mut fields = line.split_ascii_whitespace();
            let executable = fields.nth(1)?.contains('x');
            let path = line.get(line.find(" /")? + 1..)?;
            (executable && !path.ends_with(" (deleted)")).then(|| PathBuf::from(path))
        })
        .filter(|path| *path != own && path.is_file())
        .collect();
    found.sort();
    found.dedup();
    found
}

/// A library's own path and every link beside it that leads to it: the loader looks for `libc.so.6`, which may be a link to the file
/// that is mapped.
fn names_of(library: &Path) -> Vec<PathBuf> {
    let mut names = vec![library.to_path_buf()];
    let Some(dir) = library.parent() else {
        return names;
    };
    let links = fs::read_dir(dir)
        .into_iter()
        .flatten()
        .flatten()
        .filter(|entry| {
            entry.file_type().is_ok_and(|kind| kind.is_symlink())
                && fs::canonicalize(entry.path()).is_ok_and(|target| target == library)
        });
    names.extend(links.map(|entry| entry.path()));
    names
}

/// The path of the program that loads an ELF executable's libraries (its `PT_INTERP`); absent for one that is linked statically.
/// After the ELF specification, for 32 and 64 bits of little-endian machines.
fn interpreter(elf: &[u8]) -> Option<String> {
    const PT_INTERP: u64 = 3;
    let number = |at: u64, size: u64| -> Option<u64> {
        let start = usize::try_from(at).ok()?;
        let bytes = elf.get(start..start.checked_add(usize::try_from(size).ok()?)?)?;
        Some(
            bytes
                .iter()
                .rev()
                .fold(0, |sum, byte| sum << 8 | u64::from(*byte)),
        )
    };
    if elf.get(..4)? != b"\x7fELF" || elf.get(5) != Some(&1) {
        return None;
    }
    // Offsets of: table of program headers, its entry size and count; then within an entry: file offset and size of the segment.
    let wide = elf.get(4) == Some(&2);
    let (table, entry_size, count) = if wide {
        (number(0x20, 8)?, number(0x36, 2)?, number(0x38, 2)?)
    } else {
        (number(0x1c, 4)?, number(0x2a, 2)?, number(0x2c, 2)?)
    };
    (0..count).find_map(|index| {
        let entry = table.checked_add(index.checked_mul(entry_size)?)?;
        if number(entry, 4)? != PT_INTERP {
            return None;
        }
        let (offset, size) = if wide {
            (number(entry + 0x08, 8)?, number(entry + 0x20, 8)?)
        } else {
            (number(entry + 0x04, 4)?, number(entry + 0x10, 4)?)
        };
        let start = usize::try_from(offset).ok()?;
        let text = elf.get(start..start.checked_add(usize::try_from(size).ok()?)?)?;
        let text = text.split(|byte| *byte == 0).next()?;
        String::from_utf8(text.to_vec()).ok()
    })
}

#[cfg(test)]
mod tests {
    use std::io::Read as _;

    use super::*;

    #[test]
    fn the_archive_holds_the_executable_its_loader_and_its_libraries() {
        let root = of_this_executable().unwrap();
        let own = fs::read("/proc/self/exe").unwrap();
        let mut archive = tar::Archive::new(root.tar.as_slice());
        let mut names = Vec::new();
        for entry in archive.entries().unwrap() {
            let mut entry = entry.unwrap();
            let name = format!("/{}", entry.path().unwrap().display());
            if name == EXECUTABLE {
                let mut content = Vec::new();
                entry.read_to_end(&mut content).unwrap();
                assert!(content == own);
            }
            names.push(name);
        }
        assert!(names.contains(&EXECUTABLE.to_owned()));
        if let Some(loader) = interpreter(&own) {
            assert!(names.contains(&loader), "{loader} in {names:?}");
            assert!(names.iter().any(|name| name.contains("libc")), "{names:?}");
            assert!(!root.library_dirs.is_empty());
        }
    }

    #[test]
    fn nonsense_is_no_executable() {
        assert_eq!(interpreter(b""), None);
        assert_eq!(interpreter(b"#!/bin/sh"), None);
        let own = fs::read("/proc/self/exe").unwrap();
        for length in [4, 5, 40, 64, 100] {
            assert_eq!(interpreter(&own[..length]), None);
        }
        let mut wild = own[..4096.min(own.len())].to_vec();
        wild[0x20..0x28].fill(0xff);
        assert_eq!(interpreter(&wild), None);
    }

    #[test]
    fn only_executed_files_are_libraries() {
        let maps = "7f1 r-xp 0 08:01 1 /proc/self/status\n7f2 r--p 0 08:01 2 /etc/passwd\n7f3 r-xp 0 00:00 0 [vdso]\n7f4 r-xp 0 08:01 3 /gone (deleted)\n";
        let found = mapped_libraries(maps);
        assert!(!found.contains(&PathBuf::from("/etc/passwd")));
        assert!(
            !found
                .iter()
                .any(|path| path.to_string_lossy().contains("gone"))
        );
    }
}
