//! The country of a number, from its first digits alone: one look into a table, because it is asked for every message.
//!
//! Where countries share a calling code, what follows it decides: the area code in North America, a range elsewhere. A few
//! ranges that one country lends to another (mobile numbers on the Channel Islands, say) count with the larger one.

use std::fmt;
use std::str::FromStr;
use std::sync::LazyLock;

/// A country, as ISO 3166-1 writes it with two letters.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Country([u8; 2]);

/// A text that is no country that can be called.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("not a country with numbers of its own: two letters as in ISO 3166-1, such as GB")]
pub struct UnknownCountry;

/// Calling codes with their countries; of several countries the one that most of its numbers belong to.
const CODES: &str = "1US 7RU 20EG 27ZA 30GR 31NL 32BE 33FR 34ES 36HU 39IT 40RO 41CH 43AT 44GB 45DK 46SE 47NO 48PL 49DE 51PE 52MX 53CU \
    54AR 55BR 56CL 57CO 58VE 60MY 61AU 62ID 63PH 64NZ 65SG 66TH 81JP 82KR 84VN 86CN 90TR 91IN 92PK 93AF 94LK 95MM 98IR \
    211SS 212MA 213DZ 216TN 218LY 220GM 221SN 222MR 223ML 224GN 225CI 226BF 227NE 228TG 229BJ 230MU 231LR 232SL 233GH \
    234NG 235TD 236CF 237CM 238CV 239ST 240GQ 241GA 242CG 243CD 244AO 245GW 246IO 247AC 248SC 249SD 250RW 251ET 252SO \
    253DJ 254KE 255TZ 256UG 257BI 258MZ 260ZM 261MG 262RE 263ZW 264NA 265MW 266LS 267BW 268SZ 269KM 290SH 291ER 297AW \
    298FO 299GL 350GI 351PT 352LU 353IE 354IS 355AL 356MT 357CY 358FI 359BG 370LT 371LV 372EE 373MD 374AM 375BY 376AD \
    377MC 378SM 380UA 381RS 382ME 383XK 385HR 386SI 387BA 389MK 420CZ 421SK 423LI 500FK 501BZ 502GT 503SV 504HN 505NI \
    506CR 507PA 508PM 509HT 590GP 591BO 592GY 593EC 594GF 595PY 596MQ 597SR 598UY 599CW 670TL 672NF 673BN 674NR 675PG \
    676TO 677SB 678VU 679FJ 680PW 681WF 682CK 683NU 685WS 686KI 687NC 688TV 689PF 690TK 691FM 692MH 850KP 852HK 853MO \
    855KH 856LA 880BD 886TW 960MV 961LB 962JO 963SY 964IQ 965KW 966SA 967YE 968OM 970PS 971AE 972IL 973BH 974QA 975BT \
    976MN 977NP 992TJ 993TM 994AZ 995GE 996KG 998UZ";

/// Area codes of North America and the Caribbean (calling code 1) outside of the United States.
const AREAS: &str = "204CA 226CA 236CA 242BS 246BB 249CA 250CA 257CA 263CA 264AI 268AG 273CA 284VG 289CA 306CA 340VI 343CA 345KY 354CA \
    365CA 367CA 368CA 382CA 403CA 416CA 418CA 428CA 431CA 437CA 438CA 441BM 450CA 468CA 473GD 474CA 506CA 514CA 519CA \
    548CA 579CA 581CA 584CA 587CA 600CA 604CA 613CA 622CA 633CA 639CA 647CA 649TC 658JM 664MS 670MP 671GU 672CA 683CA \
    684AS 705CA 709CA 721SX 742CA 753CA 758LC 767DM 778CA 780CA 782CA 784VC 787PR 807CA 809DO 819CA 825CA 829DO 849DO \
    867CA 868TT 869KN 873CA 876JM 879CA 902CA 905CA 939PR 942CA";

/// Longer beginnings that belong to another country than their calling code's.
const RANGES: &str = "76KZ 77KZ 3906698VA 4779SJ 441481GG 441534JE 441624IM 6189162CC 6189164CX 212528EH 262269YT 262639YT \
    35818AX 5993BQ 5994BQ 5997BQ";

/// Leading digits that [`Table::leads`] is indexed by.
const LEAD: usize = 4;
/// Stands for "look into the ranges".
const DEEPER: [u8; 2] = [0, 1];
const NONE: [u8; 2] = [0, 0];

struct Table {
    /// The country of each four leading digits.
    leads: Vec<[u8; 2]>,
    /// Ranges that are longer, with their country.
    deeper: Vec<(&'static str, [u8; 2])>,
    /// Length of the calling code of each country, by its letters; 0 for what is none.
    lengths: Vec<u8>,
}

fn entries(text: &'static str) -> impl Iterator<Item = (&'static str, [u8; 2])> {
    text.split_whitespace().filter_map(|entry| {
        let (digits, letters) = entry.split_at_checked(entry.len().checked_sub(2)?)?;
        Some((digits, <[u8; 2]>::try_from(letters.as_bytes()).ok()?))
    })
}

/// The place of a country in [`Table::lengths`].
fn place(letters: [u8; 2]) -> Option<usize> {
    let letter = |octet: u8| octet.is_ascii_uppercase().then(|| usize::from(octet - b'A'));
    Some(letter(letters[0])? * 26 + letter(letters[1])?)
}

static TABLE: LazyLock<Table> = LazyLock::new(|| {
    let mut table = Table { leads: vec![NONE; 10_usize.pow(4)], deeper: Vec::new(), lengths: vec![0; 26 * 26] };
    let fill = |leads: &mut Vec<[u8; 2]>, digits: &str, country: [u8; 2]| {
        let span = 10_usize.pow(u32::try_from(LEAD - digits.len()).unwrap_or(0));
        let first = digits.parse::<usize>().unwrap_or(0) * span;
        leads[first..first + span].fill(country);
    };
    let mut called = |country: [u8; 2], code: &str| {
        if let Some(length) = place(country).and_then(|place| table.lengths.get_mut(place)) {
            *length = u8::try_from(code.len()).unwrap_or(0);
        }
    };
    for (code, country) in entries(CODES) {
        fill(&mut table.leads, code, country);
        called(country, code);
    }
    for (area, country) in entries(AREAS) {
        fill(&mut table.leads, &format!("1{area}"), country);
        called(country, "1");
    }
    for (range, country) in entries(RANGES) {
        let code = entries(CODES).find(|(code, _)| range.starts_with(code)).map_or("", |(code, _)| code);
        called(country, code);
        if range.len() <= LEAD {
            fill(&mut table.leads, range, country);
        }
    }
    for (range, country) in entries(RANGES).filter(|(range, _)| range.len() > LEAD) {
        let first = range[..LEAD].parse::<usize>().unwrap_or(0);
        if table.leads[first] != DEEPER {
            let otherwise = table.leads[first];
            table.leads[first] = DEEPER;
            table.deeper.push((&range[..LEAD], otherwise));
        }
        table.deeper.push((range, country));
    }
    // The longest first, so that the first that fits is right.
    table.deeper.sort_by_key(|(range, _)| std::cmp::Reverse(range.len()));
    table
});

impl Country {
    /// The country of an international number, given as digits alone; `None` for a calling code of no country.
    pub fn of_digits(digits: &str) -> Option<Self> {
        let lead = digits.as_bytes().get(..LEAD)?;
        let mut at = 0;
        for octet in lead {
            at = at * 10 + usize::from(octet.checked_sub(b'0').filter(|digit| *digit < 10)?);
        }
        let table = &*TABLE;
        let found = match *table.leads.get(at)? {
            DEEPER => {
                table.deeper.iter().find(|(range, _)| digits.starts_with(range)).map_or(NONE, |(_, found)| *found)
            }
            found => found,
        };
        (found != NONE).then_some(Self(found))
    }

    /// How many digits its calling code has.
    pub fn code_length(self) -> usize {
        place(self.0).and_then(|place| TABLE.lengths.get(place)).map_or(0, |length| usize::from(*length))
    }

    /// Its two letters.
    pub fn as_str(&self) -> &str {
        // Made of ASCII letters alone.
        std::str::from_utf8(&self.0).unwrap_or("")
    }
}

impl FromStr for Country {
    type Err = UnknownCountry;

    fn from_str(text: &str) -> Result<Self, UnknownCountry> {
        let letters = <[u8; 2]>::try_from(text.as_bytes()).map_err(|_| UnknownCountry)?;
        let country = Self(letters.map(|octet| octet.to_ascii_uppercase()));
        if country.code_length() > 0 { Ok(country) } else { Err(UnknownCountry) }
    }
}

impl fmt::Display for Country {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

impl fmt::Debug for Country {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

#[cfg(test)]
mod tests {
    use std::fmt::Write as _;

    use rlibphonenumber::{PHONE_NUMBER_UTIL, PhoneNumber};

    use super::*;

    fn of(digits: &str) -> Option<String> {
        Country::of_digits(digits).map(|country| country.to_string())
    }

    #[test]
    fn the_first_digits_say_the_country() {
        for (digits, expected) in [
            ("447700900117", "GB"),
            ("441534000000", "JE"),
            ("4915112345678", "DE"),
            ("14155550100", "US"),
            ("14165550100", "CA"),
            ("18765550100", "JM"),
            ("77012345678", "KZ"),
            ("79161234567", "RU"),
            ("390669812345", "VA"),
            ("390612345678", "IT"),
            ("6591234567", "SG"),
            ("599912345", "CW"),
        ] {
            assert_eq!(of(digits).as_deref(), Some(expected), "{digits}");
        }
        for nothing in ["", "1", "999", "0012345", "88812345678", "44ü", "99912345678"] {
            assert_eq!(of(nothing), None, "{nothing}");
        }
    }

    #[test]
    fn a_country_is_read_and_knows_its_code() {
        for (text, length) in [("gb", 2), ("US", 1), ("CA", 1), ("VA", 2), ("KZ", 1), ("PT", 3), ("YT", 3)] {
            assert_eq!(text.parse::<Country>().unwrap().code_length(), length, "{text}");
        }
        for text in ["", "G", "GBR", "ZZ", "ü", "XX"] {
            assert_eq!(text.parse::<Country>(), Err(UnknownCountry), "{text}");
        }
    }

    /// The tables are those of the numbers library.
    #[test]
    fn the_tables_are_the_librarys() {
        let mut codes = String::new();
        for code in 1..1000 {
            let region = PHONE_NUMBER_UTIL.get_region_for_country_code(code).map(|region| format!("{region:?}"));
            if let Some(region) = region.filter(|region| region.len() == 2 && region.as_bytes()[0].is_ascii_uppercase())
            {
                let _ = write!(codes, "{code}{region} ");
            }
        }
        let mut areas = String::new();
        for area in 200..1000 {
            let number = PhoneNumber::parse(format!("+1{area}2345678"), None).unwrap();
            let region = number.get_region_code().map(|region| format!("{region:?}"));
            if let Some(region) = region.filter(|region| region != "US") {
                let _ = write!(areas, "{area}{region} ");
            }
        }
        let plain = |text: &str| text.split_whitespace().map(str::to_owned).collect::<Vec<_>>();
        assert_eq!(plain(CODES), plain(&codes), "CODES: {codes}");
        assert_eq!(plain(AREAS), plain(&areas), "AREAS: {areas}");
    }
}
