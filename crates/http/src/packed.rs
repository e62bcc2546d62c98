//! Pages travel packed with gzip: a page of fifty lines weighs an eighth.
//!
//! Packing tells an onlooker how well a page compresses, and from that a secret that stands beside text of the onlooker's own
//! can be guessed letter by letter (BREACH). So it is done where no page holds a constant secret: only answers to `GET`, in
//! which the one secret, the form's token, is another text every time ([`mask`]). A page with any other says [`AsIs`].

use std::io::Write as _;

use axum::body::{Body, HttpBody as _, to_bytes};
use axum::http::header::{ACCEPT_ENCODING, CONTENT_ENCODING, CONTENT_LENGTH, CONTENT_TYPE, VARY};
use axum::http::{HeaderMap, HeaderValue};
use axum::response::Response;
use base::{Context, hex};
use flate2::Compression;
use flate2::write::GzEncoder;

/// Marks an answer that must not be packed, since it holds a secret that is the same every time.
#[derive(Clone, Copy, Debug)]
pub struct AsIs;

/// Smaller bodies are not worth it; larger ones are no pages.
const SIZES: std::ops::RangeInclusive<u64> = 1_000..=1_000_000;

/// Whether the client reads gzip (RFC 9110 section 12.5.3).
pub(crate) fn accepts_gzip(headers: &HeaderMap) -> bool {
    let values = headers.get_all(ACCEPT_ENCODING).iter().filter_map(|value| value.to_str().ok());
    values.flat_map(|value| value.split(',')).any(|one| {
        let (coding, weight) = one.split_once(';').unwrap_or((one, ""));
        let refused =
            weight.trim().strip_prefix("q=").is_some_and(|weight| weight.parse::<f32>().unwrap_or(0.0) <= 0.0);
        coding.trim().eq_ignore_ascii_case("gzip") && !refused
    })
}

/// The page, packed; anything else as it is.
pub(crate) async fn pack(response: Response) -> Response {
    let html = response.headers().get(CONTENT_TYPE).is_some_and(|kind| kind.as_bytes().starts_with(b"text/html"));
    let size = response.body().size_hint().exact().filter(|size| SIZES.contains(size));
    let coded = response.headers().contains_key(CONTENT_ENCODING) || response.extensions().get::<AsIs>().is_some();
    let (true, Some(_), false) = (html, size, coded) else { return response };
    let (mut parts, body) = response.into_parts();
    // The body is there already and as long as it said.
    let Ok(bytes) = to_bytes(body, usize::MAX).await else { return Response::from_parts(parts, Body::empty()) };
    parts.headers.append(VARY, HeaderValue::from_static("Accept-Encoding"));
    let mut encoder = GzEncoder::new(Vec::with_capacity(bytes.len() / 4), Compression::new(5));
    match encoder.write_all(&bytes).and_then(|()| encoder.finish()) {
        Ok(packed) => {
            parts.headers.remove(CONTENT_LENGTH);
            parts.headers.insert(CONTENT_ENCODING, HeaderValue::from_static("gzip"));
            Response::from_parts(parts, Body::from(packed))
        }
        Err(_) => Response::from_parts(parts, Body::from(bytes)),
    }
}

/// What a masked token begins with; tokens themselves never do.
const MASKED: char = '~';

/// `token` under a mask that is drawn anew each time; [`unmask`] takes it off. Empty for a token that is longer than a mask.
pub(crate) fn mask(token: &str, context: &Context) -> String {
    let pad: [u8; 96] = context.random();
    if token.is_empty() || token.len() > pad.len() {
        return String::new();
    }
    let masked = token.bytes().zip(pad).map(|(letter, pad)| letter ^ pad);
    let bytes: Vec<u8> = pad.into_iter().take(token.len()).chain(masked).collect();
    format!("{MASKED}{}", hex(&bytes))
}

/// The token under the mask; what has no mask, as it is.
pub(crate) fn unmask(given: &[u8]) -> Vec<u8> {
    let Some(digits) = given.strip_prefix(MASKED.to_string().as_bytes()) else { return given.to_vec() };
    let half = |digit: &u8| char::from(*digit).to_digit(16).and_then(|half| u8::try_from(half).ok());
    let bytes: Option<Vec<u8>> =
        digits.chunks(2).map(|pair| Some((half(pair.first()?)? << 4) | half(pair.get(1)?)?)).collect();
    let bytes = bytes.unwrap_or_default();
    let (pad, masked) = bytes.split_at(bytes.len() / 2);
    pad.iter().zip(masked).map(|(pad, masked)| pad ^ masked).collect()
}

#[cfg(test)]
mod tests {
    use std::io::Read as _;
    use std::sync::Arc;

    use base::{ManualClock, SeededChance, Timestamp};
    use flate2::read::GzDecoder;

    use super::*;

    #[test]
    fn a_token_looks_different_each_time_and_is_the_same_beneath() {
        let clock = Arc::new(ManualClock::new(Timestamp::from_micros(0)));
        let context = Context::new(clock, Arc::new(SeededChance::new(7)));
        let token = "loudhailer-token_of.a session";
        let (one, other) = (mask(token, &context), mask(token, &context));
        assert_ne!(one, other);
        assert_eq!((unmask(one.as_bytes()), unmask(other.as_bytes())), (token.into(), token.into()));
        assert_eq!(unmask(token.as_bytes()), token.as_bytes(), "without a mask");
        for broken in ["~", "~0", "~0g", "~00ff0", "~é"] {
            assert_ne!(unmask(broken.as_bytes()), token.as_bytes(), "{broken}");
        }
    }

    #[tokio::test]
    async fn pages_are_packed_and_nothing_else() {
        let page = "<p>line</p>".repeat(1_000);
        let answer = |kind: &'static str, body: &str| {
            Response::builder().header(CONTENT_TYPE, kind).body(Body::from(body.to_owned())).unwrap()
        };
        let packed = pack(answer("text/html; charset=utf-8", &page)).await;
        assert_eq!(packed.headers()[CONTENT_ENCODING], "gzip");
        assert_eq!(packed.headers()[VARY], "Accept-Encoding");
        let bytes = to_bytes(packed.into_body(), 1 << 20).await.unwrap();
        let mut unpacked = String::new();
        GzDecoder::new(&*bytes).read_to_string(&mut unpacked).unwrap();
        assert!(unpacked == page && bytes.len() * 20 < page.len());
        let mut secret = answer("text/html; charset=utf-8", &page);
        secret.extensions_mut().insert(AsIs);
        for plain in [answer("application/json", &page), answer("text/html", "<p>short</p>"), secret] {
            assert!(!pack(plain).await.headers().contains_key(CONTENT_ENCODING));
        }
    }

    #[test]
    fn a_client_says_whether_it_reads_gzip() {
        let says = |value: &'static str| {
            accepts_gzip(&HeaderMap::from_iter([(ACCEPT_ENCODING, HeaderValue::from_static(value))]))
        };
        assert!(says("gzip, deflate, br") && says("br;q=1, GZIP;q=0.2"));
        assert!(!says("br") && !says("gzip;q=0") && !accepts_gzip(&HeaderMap::new()));
    }
}
