//! The header of a frame (RFC 8878, 3.1.1.1) and of a skippable one (3.1.2), as data.

/// The most bytes that the start of a frame has: magic, descriptor, window, dictionary and content size.
pub(crate) const MOST_BYTES: usize = 4 + 1 + 1 + 4 + 8;

/// What the first bytes of a frame say.
pub(super) enum Start {
    /// There have to be so many to say more.
    Needs(usize),
    /// A skippable frame with so many bytes behind its header.
    Skippable(u64),
    /// A frame.
    Frame(FrameHeader),
    /// Neither.
    Other,
}

/// The header of a frame.
pub(super) struct FrameHeader {
    /// Bytes of the window.
    pub(super) window: u64,
    /// Plain bytes, if it says so. It is compared with what comes, and used for nothing else.
    pub(super) content_size: Option<u64>,
    /// Whether a checksum follows the last block.
    pub(super) has_checksum: bool,
    /// Whether it names a dictionary.
    pub(super) has_dictionary: bool,
    /// Whether the bit is set of which a decoder has to make sure that it is not.
    pub(super) has_reserved_bit: bool,
}

impl Start {
    pub(super) fn read(bytes: &[u8]) -> Self {
        match bytes {
            [0x28, 0xb5, 0x2f, 0xfd, descriptor, fields @ ..] => FrameHeader::read(*descriptor, fields),
            [first, 0x2a, 0x4d, 0x18, size @ ..] if first & 0xf0 == 0x50 => match size {
                [a, b, c, d] => Self::Skippable(u64::from(u32::from_le_bytes([*a, *b, *c, *d]))),
                _ => Self::Needs(8),
            },
            [0x28, 0xb5, 0x2f, 0xfd] => Self::Needs(5),
            [] | [0x28] | [0x28, 0xb5] | [0x28, 0xb5, 0x2f] => Self::Needs(4),
            [first] | [first, 0x2a] | [first, 0x2a, 0x4d] if first & 0xf0 == 0x50 => Self::Needs(4),
            _ => Self::Other,
        }
    }
}

impl FrameHeader {
    fn read(descriptor: u8, fields: &[u8]) -> Start {
        let is_single_segment = descriptor & 0x20 != 0;
        let window_len = usize::from(!is_single_segment);
        let dictionary_len = match descriptor & 3 {
            3 => 4,
            len => usize::from(len),
        };
        let size_len = match descriptor >> 6 {
            0 => usize::from(is_single_segment),
            1 => 2,
            2 => 4,
            _ => 8,
        };
        let (Some((window, rest)), true) = (
            fields.split_at_checked(window_len),
            fields.len() >= window_len.saturating_add(dictionary_len).saturating_add(size_len),
        ) else {
            let len = window_len.saturating_add(dictionary_len).saturating_add(size_len);
            return Start::Needs(len.saturating_add(5));
        };
        let (dictionary, size) = rest.split_at_checked(dictionary_len).unwrap_or_default();
        let content_size = (size_len > 0).then(|| {
            // Sizes of two bytes begin where those of one end.
            little_endian(size).saturating_add(if size_len == 2 { 256 } else { 0 })
        });
        let window = match window {
            [byte] => {
                let base = 1_u64 << (10_u32.saturating_add(u32::from(byte >> 3)));
                base.saturating_add((base >> 3).saturating_mul(u64::from(byte & 7)))
            }
            _ => content_size.unwrap_or_default(),
        };
        Start::Frame(Self {
            window,
            content_size,
            has_checksum: descriptor & 4 != 0,
            has_dictionary: little_endian(dictionary) != 0,
            has_reserved_bit: descriptor & 8 != 0,
        })
    }
}

fn little_endian(bytes: &[u8]) -> u64 {
    bytes.iter().rev().fold(0, |number, &byte| number << 8 | u64::from(byte))
}
