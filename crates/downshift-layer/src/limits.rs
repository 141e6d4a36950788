//! How much a layer may be, and may cost.

use alloc::string::ToString as _;

use crate::Error;

/// The limits of one layer. Each is an error with its name when it is passed.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct Limits {
    /// Bytes of the layer as it is stored: 64 GiB by default, which is more than any registry is known to take.
    pub layer_bytes: u64,
    /// Bytes of the plain tar: 128 GiB by default. Registries take blobs of up to 52 GB (Amazon's) or less.
    pub plain_bytes: u64,
    /// Plain bytes for each compressed one, once there are more than [`RATIO_FREE_BYTES`](Self::RATIO_FREE_BYTES) of them:
    /// 1,100 by default. gzip cannot pass 1,032; zstd can make 30,000, and bzip2 a million, of nothing but zeros. The
    /// [crate](crate#the-limit-ratio) says when it is judged.
    pub ratio: u64,
    /// Bytes of the window of a zstd frame, and of the dictionary of an xz stream: 128 MiB by default, the most that
    /// `zstd` and `xz` take without being told to; 8 MiB at the edge, the most of `zstd -19` and of `xz -6`.
    pub window_bytes: u64,
    /// Work, in units of about a nanosecond of a processor, for there is no clock here. Each compressed byte counts 4; each
    /// plain one 1 with gzip, 3 with zstd, 20 with xz, 32 with bzip2, and nothing in a plain layer; each member, frame or stream
    /// what it takes to begin one. 600,000,000,000 by default, which is ten minutes or 200 GB of zstd; at the edge
    /// 20,000,000,000.
    pub work: u64,
}

impl Limits {
    /// Plain bytes that may come of however few compressed ones: 256 MiB.
    pub const RATIO_FREE_BYTES: u64 = 256 * 1024 * 1024;

    /// The defaults of a server.
    #[must_use]
    pub const fn host() -> Self {
        Self {
            layer_bytes: 64 * 1024 * 1024 * 1024,
            plain_bytes: 128 * 1024 * 1024 * 1024,
            ratio: 1_100,
            window_bytes: 128 * 1024 * 1024,
            work: 600_000_000_000,
        }
    }

    /// The defaults at the edge, where a worker has 128 MB of memory and half a minute of a processor.
    #[must_use]
    pub const fn edge() -> Self {
        Self { window_bytes: 8 * 1024 * 1024, work: 20_000_000_000, ..Self::host() }
    }

    /// Sets the limit called `name` to `value`.
    ///
    /// # Errors
    /// [`Error::UnknownLimit`] if no limit has that name.
    pub fn set(&mut self, name: &str, value: u64) -> Result<(), Error> {
        let limit = match name {
            "layer-bytes" => &mut self.layer_bytes,
            "plain-bytes" => &mut self.plain_bytes,
            "ratio" => &mut self.ratio,
            "window-bytes" => &mut self.window_bytes,
            "work" => &mut self.work,
            _ => return Err(Error::UnknownLimit { name: name.to_string() }),
        };
        *limit = value;
        Ok(())
    }
}

impl Default for Limits {
    fn default() -> Self {
        Self::host()
    }
}
