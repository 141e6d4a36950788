//! Reading a layer in pieces.

use downshift_layer::{Error, Limits, Unpacked, Unpacker};

/// What came of a layer: the plain bytes, and what it has come to.
pub(crate) type Outcome = Result<(Vec<u8>, Unpacked), Error>;

/// Reads a layer at once.
pub(crate) fn read(blob: &[u8]) -> Outcome {
    read_with(blob, &Limits::host(), blob.len().max(1), 64 * 1024)
}

/// The plain bytes of a layer.
pub(crate) fn plain(blob: &[u8]) -> Vec<u8> {
    read(blob).expect("the layer is sound").0
}

/// The code of a layer's refusal.
pub(crate) fn code(blob: &[u8]) -> &'static str {
    read(blob).expect_err("the layer is not sound").code()
}

/// Reads a layer of which so many bytes come at a time, with room for so many.
pub(crate) fn read_with(blob: &[u8], limits: &Limits, piece: usize, room: usize) -> Outcome {
    let mut unpacker = Unpacker::new(limits);
    let (mut output, mut plain) = (vec![0; room], Vec::new());
    for mut piece in blob.chunks(piece) {
        loop {
            let progress = unpacker.step(piece, &mut output)?;
            plain.extend_from_slice(&output[..progress.written]);
            piece = &piece[progress.read..];
            if progress.written < output.len() {
                assert!(piece.is_empty(), "where there is room, all is read");
                break;
            }
        }
    }
    Ok((plain, unpacker.finish()?))
}
