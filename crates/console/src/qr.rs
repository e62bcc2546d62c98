//! A QR code as a picture in the page itself: one path, no style, black on white in both themes, since cameras want that.

use std::fmt::Write as _;

use qrcode::{Color, EcLevel, QrCode};

/// The white edge that cameras need (ISO/IEC 18004: four modules).
const EDGE: usize = 4;

/// The code of a text; none when the text is too long for one.
pub fn svg(text: &str) -> Option<String> {
    let code = QrCode::with_error_correction_level(text, EcLevel::M).ok()?;
    let width = code.width();
    let whole = width + 2 * EDGE;
    let mut path = String::new();
    for (at, color) in code.to_colors().into_iter().enumerate() {
        if color == Color::Dark {
            let _ = write!(path, "M{} {}h1v1h-1z", at % width + EDGE, at / width + EDGE);
        }
    }
    Some(format!(
        "<svg class=\"qr\" role=\"img\" aria-label=\"QR code for your app\" viewBox=\"0 0 {whole} {whole}\" shape-rendering=\"crispEdges\">\
         <path fill=\"#fff\" d=\"M0 0h{whole}v{whole}H0z\"/><path fill=\"#000\" d=\"{path}\"/></svg>"
    ))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_code_is_a_square_with_its_edge() {
        let svg = svg("otpauth://totp/Loudhailer:ada@example.com?secret=ABC").unwrap();
        assert!(svg.contains("viewBox=\"0 0 ") && svg.contains("M4 4h1v1h-1z"), "the corner of the finder");
        assert!(!svg.contains("style"), "the policy of the pages has no inline style");
        assert!(super::svg(&"x".repeat(5_000)).is_none());
    }
}
