//! 書類 of a case: what the ledger says about one. Its bytes lie beside the
//! ledger, under the digest.

use crate::limits::{DOCUMENT_MAX_BYTES, NAME_MAX_CHARS};
use iryonet_domain::Digest;
use iryonet_domain::text::{TextError, clean};
use serde::{Deserialize, Serialize};

/// A document.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Document {
    /// SHA-256 of its bytes.
    pub sha256: Digest,
    /// Name, as 開設届の写し.pdf.
    pub name: String,
    /// One of [`MEDIA_TYPES`].
    pub media_type: String,
    /// Its size, 1 to [`DOCUMENT_MAX_BYTES`].
    pub bytes: u64,
}

/// What documents may be: what a browser shows without running anything.
pub const MEDIA_TYPES: [&str; 4] = ["application/pdf", "image/jpeg", "image/png", "text/plain"];

/// Why a document cannot be taken.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum DocumentError {
    /// The name.
    #[error("its name cannot be taken: {0}")]
    Name(#[source] TextError),
    /// A name that leads elsewhere.
    #[error("its name {0:?} holds a slash, or begins with a dot; name the file alone")]
    Path(String),
    /// Not one of the types.
    #[error(
        "{0:?} is not taken; documents are application/pdf, image/jpeg, image/png or text/plain"
    )]
    MediaType(String),
    /// Nothing, or too much.
    #[error("it has {0} bytes; a document has 1 to 20971520 (20 MiB)")]
    Size(u64),
}

impl Document {
    /// The document as it is recorded.
    ///
    /// # Errors
    /// When its name, type or size cannot be taken.
    pub fn cleaned(&self) -> Result<Self, DocumentError> {
        if self.bytes == 0 || self.bytes > DOCUMENT_MAX_BYTES {
            return Err(DocumentError::Size(self.bytes));
        }
        if !MEDIA_TYPES.contains(&self.media_type.as_str()) {
            return Err(DocumentError::MediaType(
                self.media_type.chars().take(60).collect(),
            ));
        }
        let name = clean(&self.name, NAME_MAX_CHARS).map_err(DocumentError::Name)?;
        if name.contains(['/', '\\']) || name.starts_with('.') {
            return Err(DocumentError::Path(name));
        }
        Ok(Self {
            name,
            ..self.clone()
        })
    }
}
