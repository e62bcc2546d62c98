//! Mobile networks by their codes: mobile country code (MCC) and mobile network code (MNC) of ITU-T E.212.

use std::fmt;

use crate::{Country, Number};

/// A network: its country, and which one there where that is known.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Network {
    mcc: String,
    mnc: Option<String>,
}

impl Network {
    /// `None` unless these are codes: three digits, and one to three.
    pub fn new(mcc: &str, mnc: Option<&str>) -> Option<Self> {
        let digits = |text: &str| text.bytes().all(|octet| octet.is_ascii_digit());
        let sound = mcc.len() == 3 && digits(mcc);
        let mnc = mnc.filter(|mnc| (1..=3).contains(&mnc.len()) && digits(mnc));
        sound.then(|| Self { mcc: mcc.to_owned(), mnc: mnc.map(str::to_owned) })
    }

    /// Reads `234` or `234-15`, as it is written.
    pub fn parse(text: &str) -> Option<Self> {
        match text.split_once('-') {
            Some((mcc, mnc)) => Self::new(mcc, Some(mnc)),
            None => Self::new(text, None),
        }
    }

    /// The country.
    pub fn mcc(&self) -> &str {
        &self.mcc
    }

    /// Which one there. Its length counts: 01 and 001 are two.
    pub fn mnc(&self) -> Option<&str> {
        self.mnc.as_deref()
    }
}

impl fmt::Display for Network {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &self.mnc {
            Some(mnc) => write!(f, "{}-{mnc}", self.mcc),
            None => f.write_str(&self.mcc),
        }
    }
}

/// Countries with their mobile country codes, the usual one where a country has several: ITU-T E.212, compared with the public
/// domain list mobile-broadband-provider-info 20230416, which has 152 of these countries, without a difference. Sorted.
const CODES: &str = "AC658 AD213 AE424 AF412 AG344 AI365 AL276 AM283 AO631 AR722 AS544 AT232 AU505 AW363 AX244 AZ400 BA218 BB342 BD470 \
    BE206 BF613 BG284 BH426 BI642 BJ616 BL340 BM350 BN528 BO736 BQ362 BR724 BS364 BT402 BW652 BY257 BZ702 CA302 CC505 \
    CD630 CF623 CG629 CH228 CI612 CK548 CL730 CM624 CN460 CO732 CR712 CU368 CV625 CW362 CX505 CY280 CZ230 DE262 DJ638 \
    DK238 DM366 DO370 DZ603 EC740 EE248 EG602 EH604 ER657 ES214 ET636 FI244 FJ542 FK750 FM550 FO288 FR208 GA628 GB234 \
    GD352 GE282 GF340 GG234 GH620 GI266 GL290 GM607 GN611 GP340 GQ627 GR202 GT704 GU310 GW632 GY738 HK454 HN708 HR219 \
    HT372 HU216 ID510 IE272 IL425 IM234 IN404 IO995 IQ418 IR432 IS274 IT222 JE234 JM338 JO416 JP440 KE639 KG437 KH456 \
    KI545 KM654 KN356 KP467 KR450 KW419 KY346 KZ401 LA457 LB415 LC358 LI295 LK413 LR618 LS651 LT246 LU270 LV247 LY606 \
    MA604 MC212 MD259 ME297 MF340 MG646 MH551 MK294 ML610 MM414 MN428 MO455 MP310 MQ340 MR609 MS354 MT278 MU617 MV472 \
    MW650 MX334 MY502 MZ643 NA649 NC546 NE614 NF505 NG621 NI710 NL204 NO242 NP429 NR536 NU555 NZ530 OM422 PA714 PE716 \
    PF547 PG537 PH515 PK410 PL260 PM308 PR330 PS425 PT268 PW552 PY744 QA427 RE647 RO226 RS220 RU250 RW635 SA420 SB540 \
    SC633 SD634 SE240 SG525 SH658 SI293 SJ242 SK231 SL619 SM292 SN608 SO637 SR746 SS659 ST626 SV706 SX362 SY417 SZ653 \
    TA658 TC376 TD622 TG615 TH520 TJ436 TK554 TL514 TM438 TN605 TO539 TR286 TT374 TV553 TW466 TZ640 UA255 UG641 US310 \
    UY748 UZ434 VA225 VC360 VE734 VG348 VI332 VN452 VU541 WF543 WS549 XK221 YE421 YT647 ZA655 ZM645 ZW648";

/// The mobile country code of the country that a number belongs to. Says nothing of the network: numbers are ported.
pub fn mcc(number: &Number) -> Option<&'static str> {
    let country = Country::of_digits(number.digits())?;
    let (mut low, mut high) = (0, (CODES.len() + 1) / ENTRY);
    while low < high {
        let middle = usize::midpoint(low, high);
        let entry = CODES.get(middle * ENTRY..middle * ENTRY + ENTRY - 1)?;
        match entry[..2].cmp(country.as_str()) {
            std::cmp::Ordering::Equal => return Some(&entry[2..]),
            std::cmp::Ordering::Less => low = middle + 1,
            std::cmp::Ordering::Greater => high = middle,
        }
    }
    None
}

/// Two letters, three digits, a space.
const ENTRY: usize = 6;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_number_tells_its_country() {
        for (number, expected) in [
            ("447700900117", Some("234")),
            ("14155550100", Some("310")),
            ("14165550100", Some("302")),
            ("18765550100", Some("338")),
            ("905321234567", Some("286")),
            ("77011234567", Some("401")),
            ("79161234567", Some("250")),
            ("6581234567", Some("525")),
            ("88812345678", None),
        ] {
            assert_eq!(mcc(&Number::from_carrier(number).unwrap()), expected, "{number}");
        }
        let all: Vec<&str> = CODES.split(' ').collect();
        assert!(all.is_sorted() && all.iter().all(|entry| entry.len() == ENTRY - 1), "or the search finds nothing");
    }

    #[test]
    fn a_network_is_read_as_it_is_written() {
        for text in ["234", "234-15", "310-004"] {
            assert_eq!(Network::parse(text).unwrap().to_string(), text);
        }
        for text in ["", "23", "2345", "23x", "234-1x"] {
            assert_eq!(Network::parse(text).and_then(|network| network.mnc().map(str::to_owned)), None, "{text}");
        }
        assert_eq!(Network::new("234", Some("")).unwrap().mnc(), None);
    }
}
