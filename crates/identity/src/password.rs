//! Rules for people's passwords: long enough, not too long, not common, not made of what everybody knows about the
//! person (63B, ASVS 6.2). No rules about which characters: they make passwords worse.

use base::{ExposeSecret, Problem, ProblemKind, SecretString};
use unicode_normalization::UnicodeNormalization;
use zeroize::Zeroizing;

use crate::{Error, SignInRules, blocklist};

/// Characters at most.
const LONGEST: usize = 128;
/// The password as it is hashed: in NFC, so that two keyboards that compose differently agree. Nothing else is
/// changed and nothing is cut off.
pub(crate) fn normalise(password: &SecretString) -> SecretString {
    let composed: Zeroizing<String> = Zeroizing::new(password.expose_secret().nfc().collect());
    SecretString::from(composed.as_str())
}

/// Whether a password could be one of ours, for log-in: cheap limits before the expensive hash.
pub(crate) fn plausible(password: &SecretString) -> bool {
    let text = password.expose_secret();
    !text.is_empty() && text.len() <= LONGEST * 8
}

/// Checks a new password of somebody about whom `known` words are known: name, log-in, organisation. `shortest` is what the
/// rules ask of them.
pub(crate) fn check(
    rules: &SignInRules,
    shortest: usize,
    password: &SecretString,
    known: &[&str],
) -> Result<SecretString, Error> {
    let password = normalise(password);
    let text = password.expose_secret();
    let length = text.chars().count();
    let refuse = |code: &'static str, detail: String| {
        Err(Error::Password(Box::new(Problem::new(ProblemKind::Unprocessable, code, detail).at("password"))))
    };
    if length < shortest {
        return refuse(
            "password-too-short",
            format!("A password has at least {shortest} characters. A sentence of your own is easy to keep."),
        );
    }
    if length > LONGEST {
        return refuse("password-too-long", format!("A password has at most {LONGEST} characters."));
    }
    if text.chars().any(char::is_control) {
        return refuse("password-control", "A password has no control characters such as tab or line break.".into());
    }
    let missing: Vec<&str> =
        rules.password_classes.iter().filter(|class| !class.is_in(text)).map(|class| class.words()).collect();
    if !missing.is_empty() {
        return refuse(
            "password-classes",
            format!("This organisation asks for {} in a password as well.", missing.join(" and ")),
        );
    }
    let words = blocklist::words(known);
    if blocklist::is_common(text) || blocklist::is_made_of(text, &words) {
        return refuse(
            "password-common",
            "This password is one of the first that are guessed, or is made of your name, your log-in or the \
             product's name. Choose words that nobody connects with you."
                .into(),
        );
    }
    let inputs: Vec<&str> = words.iter().map(String::as_str).collect();
    if u8::from(zxcvbn::zxcvbn(text, &inputs).score()) < rules.strength() {
        return refuse(
            "password-weak",
            "This password would be guessed soon: it repeats itself, follows a pattern or uses few words. Add a \
             few unusual words."
                .into(),
        );
    }
    Ok(password)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn verdict(password: &str) -> &'static str {
        let known = ["Ada Sample", "ada@example.com", "Sample Hospital"];
        match check(&SignInRules::default(), 15, &SecretString::from(password), &known) {
            Ok(_) => "good",
            Err(Error::Password(problem)) => match &*problem.code {
                "password-too-short" => "short",
                "password-too-long" => "long",
                "password-common" => "common",
                "password-weak" => "weak",
                other => panic!("{other}"),
            },
            Err(other) => panic!("{other}"),
        }
    }

    /// X-14, ASVS 6.2: the length rules, and no rules about which characters.
    #[test]
    fn length_decides_first_and_characters_do_not() {
        assert_eq!(verdict("Tr0ub4dor&3"), "short");
        assert_eq!(verdict(&"grün wiese zaun ".repeat(9)), "long");
        assert_eq!(verdict("velvet cactus monday rowing"), "good");
        assert_eq!(verdict("übermorgen früh löwenzahn gießen"), "good");
    }

    #[test]
    fn common_and_personal_passwords_are_refused() {
        for common in [
            "passwordpassword",
            "Password1234567890",
            "123456789012345",
            "qwertyuiopasdfghjkl",
            "CorrectHorseBatteryStaple",
            "correct horse battery staple",
            "loudhailerloudhailer",
            "AdaSample2026!!",
            "ada@example.com1",
            "SampleHospital2026",
        ] {
            assert!(matches!(verdict(common), "common" | "weak"), "{common}: {}", verdict(common));
        }
        assert_eq!(verdict("aaaaaaaaaaaaaaaa"), "common");
        assert_eq!(verdict("house house house mouse"), "weak");
        assert_eq!(verdict("abcdefghijklmnop"), "common");
    }

    /// ASVS 6.2.9: the same password typed on two keyboards is the same password.
    #[test]
    fn composed_and_decomposed_letters_are_the_same_password() {
        let composed = normalise(&SecretString::from("caf\u{e9}"));
        let decomposed = normalise(&SecretString::from("cafe\u{301}"));
        assert_eq!(composed.expose_secret(), decomposed.expose_secret());
    }

    #[test]
    fn the_shortest_length_is_a_setting() {
        let rules = SignInRules { password_min_length: 8, ..SignInRules::default() };
        assert!(check(&rules, rules.shortest(false), &SecretString::from("xk7#qvw9zt"), &[]).is_ok());
        // Never below 8, whatever is set.
        let rules = SignInRules { password_min_length: 1, ..SignInRules::default() };
        assert!(check(&rules, rules.shortest(false), &SecretString::from("xk7#qvw"), &[]).is_err());
        let long = "velvet cactus monday rowing under eleven brass kettles while seven grey lanterns hum over dark water \
                    near an old mill that nobody painted since march";
        let long: String = long.chars().take(128).collect();
        assert_eq!(long.chars().count(), 128);
        assert!(check(&rules, rules.shortest(false), &SecretString::from(long), &[]).is_ok(), "128 are taken");
    }

    /// classes are asked for where they are set, and only there.
    #[test]
    fn x_10_character_classes_are_a_setting() {
        use crate::CharacterClass::{Digit, Lower, Sign, Upper};
        let rules = SignInRules { password_classes: vec![Lower, Upper, Digit, Sign], ..SignInRules::default() };
        let refused =
            check(&rules, rules.shortest(false), &SecretString::from("velvet cactus monday rowing"), &[]).unwrap_err();
        let Error::Password(problem) = refused else { panic!("{refused}") };
        assert_eq!(problem.code, "password-classes");
        assert!(problem.detail.contains("a capital letter and a digit"), "{}", problem.detail);
        assert!(!problem.detail.contains("sign"), "a space is a sign");
        assert!(
            check(&rules, rules.shortest(false), &SecretString::from("Velvet cactus monday rowing 7"), &[]).is_ok()
        );
    }
}
