//! How much the core takes in and gives out.

use alloc::boxed::Box;
use alloc::string::ToString;

use crate::Error;

/// The limits of one request. Each is an error with its name when it is passed, never a trap.
///
/// The defaults leave room above anything seen in public registries; every one of them can be overridden.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct Limits {
    /// Bytes of one document: a manifest or a config. Distribution takes manifests of up to 4 MiB.
    pub document_bytes: usize,
    /// How deep arrays and objects may nest. Go's decoder, and so the reference, stops at 10,000.
    pub depth: usize,
    /// Layers of one manifest.
    pub layers: usize,
    /// History entries of one config, or of one schema 1 manifest.
    pub history: usize,
    /// Entries of one list or index.
    pub entries: usize,
    /// Manifests of one list or index that are converted with it; past them a platform is picked instead.
    pub converted_children: usize,
    /// Bytes of one string that is decoded: a name, a command, a digest.
    pub string_bytes: usize,
    /// Bytes of one produced document. Escaping can grow a config sevenfold: each `<` becomes `\\u003c`.
    pub output_bytes: usize,
}

impl Default for Limits {
    fn default() -> Self {
        Self {
            document_bytes: 4 * 1024 * 1024,
            depth: 10_000,
            layers: 4_096,
            history: 8_192,
            entries: 4_096,
            converted_children: 32,
            string_bytes: 4 * 1024 * 1024,
            output_bytes: 32 * 1024 * 1024,
        }
    }
}

impl Limits {
    /// Sets the limit called `name` to `value`.
    ///
    /// # Errors
    /// [`Error::UnknownLimit`] if no limit has that name.
    pub fn set(&mut self, name: &str, value: usize) -> Result<(), Error> {
        let limit = match name {
            "document-bytes" => &mut self.document_bytes,
            "depth" => &mut self.depth,
            "layers" => &mut self.layers,
            "history" => &mut self.history,
            "entries" => &mut self.entries,
            "converted-children" => &mut self.converted_children,
            "string-bytes" => &mut self.string_bytes,
            "output-bytes" => &mut self.output_bytes,
            _ => return Err(Error::UnknownLimit { name: name.to_string() }),
        };
        *limit = value;
        Ok(())
    }

    /// Checks a quantity against its limit.
    pub(crate) fn check(name: &'static str, limit: usize, actual: usize) -> Result<(), Box<Error>> {
        if actual > limit { Err(Error::LimitExceeded { name, limit, actual }.into()) } else { Ok(()) }
    }
}

/// Those that the reading of JSON keeps to.
impl From<&Limits> for downshift_json::Limits {
    fn from(limits: &Limits) -> Self {
        let Limits { document_bytes, depth, string_bytes, .. } = *limits;
        Self { document_bytes, depth, string_bytes }
    }
}
