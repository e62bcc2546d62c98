//! A QR code as a picture in the page itself: one path, no style, black on white in both themes, since cameras want that.

use std::fmt::Write as _;

use qrcode::{Color, EcLevel, QrCode};

/// The white edge that cameras need (ISO/IEC 18004: four modules).
const EDGE: usize = 4;

/// A code, for a template to draw.
#[derive(Clone, Debug)]
pub struct Qr {
    /// Modules of a side, the edge included.
    pub side: usize,
    /// The dark modules, as the data of one path.
    pub dark: String,
}

/// The code of a text; none when the text is too long for one.
pub fn code(text: &str) -> Option<Qr> {
    let code = QrCode::with_error_correction_level(text, EcLevel::M).ok()?;
    let width = code.width();
    let mut dark = String::new();
    // A run of dark modules is one piece of the path, or the page grows heavy.
    for (row, modules) in code.to_colors().chunks(width).enumerate() {
        let mut at = 0;
        for run in modules.chunk_by(|one, next| one == next) {
            if run.first() == Some(&Color::Dark) {
                let _ = write!(dark, "M{} {}h{n}v1h-{n}z", at + EDGE, row + EDGE, n = run.len());
            }
            at += run.len();
        }
    }
    Some(Qr { side: width + 2 * EDGE, dark })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_code_is_a_square_with_its_edge() {
        let qr = code("otpauth://totp/Loudhailer:ada@example.com?secret=ABC").unwrap();
        assert!(qr.side > 2 * EDGE && qr.dark.starts_with("M4 4h7v1h-7z"), "the corner of the finder");
        assert!(code(&"x".repeat(5_000)).is_none());
    }
}
