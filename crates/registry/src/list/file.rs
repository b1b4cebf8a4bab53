//! The file as a whole: a zip with one list in it, or the list itself.

use super::{FILE_MAX_BYTES, LINES_MAX};
use std::borrow::Cow;
use std::io::{Cursor, Read};

/// Most files within a zip that are looked at.
const ZIP_ENTRIES_MAX: usize = 64;

/// Why a file as a whole cannot be read.
#[derive(Debug, thiserror::Error)]
pub enum FileError {
    /// Nothing in it.
    #[error("the file is empty; a list of institutions is wanted")]
    Empty,
    /// Larger than any list.
    #[error("{what} has more than {FILE_MAX_BYTES} bytes; no list of institutions is as large")]
    TooLarge {
        /// The file, or what is in the zip.
        what: String,
    },
    /// More lines than any list.
    #[error("the file has more than {LINES_MAX} lines; no list of institutions has as many")]
    TooManyLines,
    /// A zip that cannot be read.
    #[error("the zip cannot be read{}; fetch the file again", in_entry(.entry))]
    Zip {
        /// Which file in it.
        entry: Option<String>,
        /// What is wrong.
        #[source]
        source: Box<dyn std::error::Error + Send + Sync>,
    },
    /// A zip without a list, or with several.
    #[error(
        "the zip holds {found}; it should hold one list, a .csv or .txt file, and nothing else"
    )]
    ZipContent {
        /// What is in it.
        found: String,
    },
    /// Text of another encoding.
    #[error(
        "the text is not in an encoding that is known here (UTF-8 or Shift_JIS): {seen}; save it as UTF-8"
    )]
    Encoding {
        /// What was seen.
        seen: String,
    },
    /// The end is missing.
    #[error("the file ends in the middle of a character, at byte {at}; fetch it again")]
    CutOff {
        /// Byte from 1.
        at: usize,
    },
}

fn in_entry(entry: &Option<String>) -> String {
    entry
        .as_ref()
        .map_or_else(String::new, |name| format!(", at {name:?} in it"))
}

/// The list itself, taken out of its zip where it is in one.
pub(super) fn content(bytes: &[u8]) -> Result<Cow<'_, [u8]>, FileError> {
    if bytes.is_empty() {
        return Err(FileError::Empty);
    }
    if bytes.len() > FILE_MAX_BYTES {
        return Err(FileError::TooLarge {
            what: "the file".to_owned(),
        });
    }
    // Local file header, or the end record of an empty archive (APPNOTE.TXT 4.3).
    if bytes.starts_with(b"PK\x03\x04") || bytes.starts_with(b"PK\x05\x06") {
        return unzip(bytes).map(Cow::Owned);
    }
    Ok(Cow::Borrowed(bytes))
}

fn unzip(bytes: &[u8]) -> Result<Vec<u8>, FileError> {
    let bad = |entry: Option<String>| {
        move |source: zip::result::ZipError| FileError::Zip {
            entry,
            source: Box::new(source),
        }
    };
    let mut archive = zip::ZipArchive::new(Cursor::new(bytes)).map_err(bad(None))?;
    if archive.len() > ZIP_ENTRIES_MAX {
        return Err(FileError::ZipContent {
            found: format!("{} files", archive.len()),
        });
    }
    let mut lists = Vec::new();
    let mut others = Vec::new();
    for index in 0..archive.len() {
        let entry = archive.by_index_raw(index).map_err(bad(None))?;
        // Names of old Japanese tools are Shift_JIS; only the ending matters.
        let name = String::from_utf8_lossy(entry.name_raw()).into_owned();
        let lower = name.to_ascii_lowercase();
        let is_list = lower.ends_with(".csv") || lower.ends_with(".txt");
        if entry.is_dir() || lower.starts_with("__macosx/") {
            continue;
        }
        if is_list {
            lists.push((index, name));
        } else {
            others.push(name);
        }
    }
    let [(index, name)] = lists.as_slice() else {
        let names: Vec<String> = lists
            .iter()
            .map(|(_, name)| name)
            .chain(&others)
            .take(5)
            .map(|name| format!("{:?}", name.chars().take(60).collect::<String>()))
            .collect();
        return Err(FileError::ZipContent {
            found: if names.is_empty() {
                "no file".to_owned()
            } else {
                format!(
                    "{} lists, {} in all: {}",
                    lists.len(),
                    lists.len() + others.len(),
                    names.join(", ")
                )
            },
        });
    };
    let entry = archive.by_index(*index).map_err(bad(Some(name.clone())))?;
    let mut out = Vec::new();
    // What the archive says about its size is not believed.
    entry
        .take(FILE_MAX_BYTES as u64 + 1)
        .read_to_end(&mut out)
        .map_err(|source| FileError::Zip {
            entry: Some(name.clone()),
            source: Box::new(source),
        })?;
    if out.len() > FILE_MAX_BYTES {
        return Err(FileError::TooLarge {
            what: format!("{name:?} in the zip"),
        });
    }
    if out.is_empty() {
        return Err(FileError::Empty);
    }
    Ok(out)
}
