//! Whatever is changed of a genuine answer: it is refused, or says the same.

use std::sync::LazyLock;

use proptest::prelude::*;
use saml::{Assertion, Posted, facts};

use crate::forge::{Seal, assertion, now, read, signed, wrapped};

static GENUINE: LazyLock<Vec<(String, Assertion)>> = LazyLock::new(|| {
    let inner = signed(&assertion());
    let all = [wrapped(&inner), signed(&wrapped(&assertion())), wrapped(&Seal::default().seal(&inner))];
    all.into_iter()
        .map(|text| {
            let said = read(&text).unwrap();
            (text, said)
        })
        .collect()
});

/// Pieces that readers of XML trip over.
const PIECES: [&str; 14] = [
    "",
    "<",
    ">",
    "\"",
    "&",
    "&#0;",
    "<!-- -->",
    "<?x?>",
    "<![CDATA[x]]>",
    "<!DOCTYPE x>",
    " ",
    "\n",
    "xmlns:x=\"u\"",
    "<x/>",
];

proptest! {
    #![proptest_config(ProptestConfig::with_cases(600))]

    #[test]
    fn x_11_a_changed_answer_is_refused_or_says_the_same(
        which in 0_usize..3, at in any::<prop::sample::Index>(), cut in 0_usize..40, piece in prop::sample::select(&PIECES[..]),
    ) {
        let (text, said) = &GENUINE[which];
        let from = at.index(text.len());
        let changed = format!("{}{piece}{}", &text[..from], &text[(from + cut).min(text.len())..]);
        if let Ok(read) = read(&changed) {
            prop_assert_eq!(&read, said, "{}", changed);
        }
    }

    #[test]
    fn any_bytes_are_answered_without_a_panic(bytes: Vec<u8>) {
        prop_assert!(read(&bytes).is_err());
        prop_assert!(facts(&bytes, None, now()).is_err());
        let _ = Posted::form(&bytes);
        let _ = Posted::query(&String::from_utf8_lossy(&bytes), &[]);
    }
}
