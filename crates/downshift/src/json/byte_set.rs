/// A set of bytes, for scanning: one look-up a byte.
pub(crate) struct ByteSet([bool; 256]);

impl ByteSet {
    #[expect(
        clippy::arithmetic_side_effects,
        clippy::indexing_slicing,
        reason = "it runs at compile time, where a panic is an error of the compiler"
    )]
    /// A set of `bytes`, and of the control characters below 0x20.
    pub(crate) const fn new(bytes: &[u8], with_control: bool) -> Self {
        let mut set = [false; 256];
        let mut rest = bytes;
        while let [byte, after @ ..] = rest {
            set[*byte as usize] = true;
            rest = after;
        }
        let mut control = 0;
        while with_control && control < 0x20 {
            set[control] = true;
            control += 1;
        }
        Self(set)
    }

    pub(crate) fn contains(&self, byte: u8) -> bool {
        self.0.get(usize::from(byte)).copied().unwrap_or(false)
    }
}
