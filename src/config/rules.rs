//! The kinds of values: how the text of a setting becomes a number, a flag, a choice, what is allowed, and what becomes
//! of a text that is no value ([`Otherwise`]).
//!
//! A [`Rule`] reads and describes; both sides come from the same fields, so what an error message allows is
//! what the parser takes. Numbers of settings that Java reads with `Integer.getInteger` may also be written
//! in hexadecimal (`0x10`, `#10`) or octal (`010`), as there.

use std::marker::PhantomData;

/// The largest number of a Java `int`.
pub(super) const INT_MAX: i64 = 0x7fff_ffff;
/// The smallest one.
pub(super) const INT_MIN: i64 = -INT_MAX - 1;

/// What becomes of a text that is no value of its setting.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Otherwise {
    /// The server does not start. So it is where the official parser refuses, too, and where going on would change data
    /// or who may do what.
    Refused,
    /// The setting counts as not written, with a warning. So it is where the official server goes on with the default.
    Default,
}

/// Reads one kind of value.
pub(super) trait Rule: Sync {
    /// What the text becomes.
    type Value;

    /// The value, or `None` when the text is not allowed.
    fn parse(&self, text: &str) -> Option<Self::Value>;

    /// The allowed values, for people.
    fn allowed(&self) -> String;

    /// What becomes of a text that is not allowed.
    fn otherwise(&self) -> Otherwise {
        Otherwise::Refused
    }

    /// What an operator should know about a value that is taken, but not as written.
    fn adjusted(&self, _text: &str) -> Option<String> {
        None
    }
}

/// Another rule, but what is no value of it is passed over.
pub(super) struct Lenient<R>(R);

/// `rule`, but what is no value is passed over: the official server reads the setting when it needs it, if ever.
pub(super) const fn lenient<R>(rule: R) -> Lenient<R> {
    Lenient(rule)
}

impl<R: Rule> Rule for Lenient<R> {
    type Value = R::Value;

    fn parse(&self, text: &str) -> Option<R::Value> {
        self.0.parse(text)
    }

    fn allowed(&self) -> String {
        self.0.allowed()
    }

    fn otherwise(&self) -> Otherwise {
        Otherwise::Default
    }

    fn adjusted(&self, text: &str) -> Option<String> {
        self.0.adjusted(text)
    }
}

/// A whole number in a range.
pub(super) struct Int<T> {
    min: i64,
    max: i64,
    decimal: bool,
    raise: bool,
    target: PhantomData<fn() -> T>,
}

/// A number that Java reads with `Integer.getInteger` or `Long.getLong`: what is none is passed over.
pub(super) const fn number<T>(min: i64, max: i64) -> Int<T> {
    Int { min, max, decimal: false, raise: false, target: PhantomData }
}

/// A number that Java reads with `Integer.parseInt`: decimal digits only, and anything else is refused.
pub(super) const fn decimal<T>(min: i64, max: i64) -> Int<T> {
    Int { min, max, decimal: true, raise: false, target: PhantomData }
}

impl<T> Int<T> {
    /// Lower values are raised to the minimum instead of being refused.
    pub(super) const fn raised(self) -> Self {
        Self { raise: true, ..self }
    }

    fn read(&self, text: &str) -> Option<i64> {
        let number = if self.decimal { text.parse().ok()? } else { decode(text)? };
        Some(if self.raise { i64::max(number, self.min) } else { number })
    }
}

impl<T: TryFrom<i64>> Rule for Int<T> {
    type Value = T;

    fn parse(&self, text: &str) -> Option<T> {
        let number = self.read(text)?;
        if (self.min..=self.max).contains(&number) { T::try_from(number).ok() } else { None }
    }

    fn allowed(&self) -> String {
        let lower = if self.raise { "; lower values are raised" } else { "" };
        match self.max {
            max if max == self.min => max.to_string(),
            i64::MAX if self.min == i64::MIN => "a whole number".to_owned(),
            i64::MAX => format!("a whole number from {}{lower}", self.min),
            max => format!("a whole number from {} to {max}{lower}", self.min),
        }
    }

    fn otherwise(&self) -> Otherwise {
        if self.decimal { Otherwise::Refused } else { Otherwise::Default }
    }

    fn adjusted(&self, text: &str) -> Option<String> {
        let as_written: i64 = if self.decimal { text.parse().ok()? } else { decode(text)? };
        let raised = self.raise && as_written < self.min;
        raised.then(|| format!("{as_written} is too low, {} is used", self.min))
    }
}

/// A number where -1 means that it is not set.
pub(super) struct Unset<T> {
    int: Int<T>,
    default: &'static str,
}

/// `int`, or `default` for -1.
pub(super) const fn unset<T>(int: Int<T>, default: &'static str) -> Unset<T> {
    Unset { int, default }
}

impl<T: TryFrom<i64>> Rule for Unset<T> {
    type Value = Option<T>;

    fn parse(&self, text: &str) -> Option<Option<T>> {
        if text == "-1" { Some(None) } else { self.int.parse(text).map(Some) }
    }

    fn allowed(&self) -> String {
        format!("{}; -1 means {}", self.int.allowed(), self.default)
    }

    fn otherwise(&self) -> Otherwise {
        self.int.otherwise()
    }

    fn adjusted(&self, text: &str) -> Option<String> {
        if text == "-1" { None } else { self.int.adjusted(text) }
    }
}

/// As Java's `Long.decode`: a sign, then decimal, `0x`/`#` hexadecimal or `0` octal digits.
fn decode(text: &str) -> Option<i64> {
    let (negative, digits) = match text.strip_prefix('-') {
        Some(rest) => (true, rest),
        None => (false, text.strip_prefix('+').unwrap_or(text)),
    };
    let hexadecimal = ["0x", "0X", "#"].iter().find_map(|prefix| digits.strip_prefix(prefix));
    let (digits, radix) = match (hexadecimal, digits.strip_prefix('0')) {
        (Some(digits), _) => (digits, 16),
        (None, Some(digits)) if !digits.is_empty() => (digits, 8),
        _ => (digits, 10),
    };
    if digits.starts_with(['+', '-']) {
        return None;
    }
    let magnitude = i128::from_str_radix(digits, radix).ok()?;
    i64::try_from(if negative { -magnitude } else { magnitude }).ok()
}

/// A number where everything below the range means "none": off, unlimited, the default.
pub(super) struct Off<T> {
    int: Int<T>,
    none: &'static str,
}

/// `int`, or `none` for every number below it.
pub(super) const fn off<T>(int: Int<T>, none: &'static str) -> Off<T> {
    Off { int, none }
}

impl<T: TryFrom<i64>> Rule for Off<T> {
    type Value = Option<T>;

    fn parse(&self, text: &str) -> Option<Option<T>> {
        if self.int.read(text)? < self.int.min { Some(None) } else { self.int.parse(text).map(Some) }
    }

    fn allowed(&self) -> String {
        format!("{}; {} or less means {}", self.int.allowed(), self.int.min - 1, self.none)
    }

    fn otherwise(&self) -> Otherwise {
        self.int.otherwise()
    }
}

/// A fraction from 0 to 1.
pub(super) struct Share;

impl Rule for Share {
    type Value = f64;

    fn parse(&self, text: &str) -> Option<f64> {
        text.parse().ok().filter(|share| (0.0..=1.0).contains(share))
    }

    fn allowed(&self) -> String {
        "a number from 0 to 1".to_owned()
    }

    fn otherwise(&self) -> Otherwise {
        Otherwise::Default
    }
}

/// A number from 0, or a negative one for off.
pub(super) struct FactorOrOff;

impl Rule for FactorOrOff {
    type Value = Option<f64>;

    fn parse(&self, text: &str) -> Option<Option<f64>> {
        let factor = text.parse::<f64>().ok().filter(|factor| factor.is_finite())?;
        Some(if factor < 0.0 { None } else { Some(factor) })
    }

    fn allowed(&self) -> String {
        "a number from 0; less means off".to_owned()
    }

    fn otherwise(&self) -> Otherwise {
        Otherwise::Default
    }
}

/// `true` or `false`, in any case; anything else is refused. So the official parser reads its own flags.
pub(super) struct Flag;

impl Rule for Flag {
    type Value = bool;

    fn parse(&self, text: &str) -> Option<bool> {
        match text.to_ascii_lowercase().as_str() {
            "true" => Some(true),
            "false" => Some(false),
            _ => None,
        }
    }

    fn allowed(&self) -> String {
        "true, false".to_owned()
    }
}

/// `true`, in any case; anything else is false. So the official server reads flags that are properties
/// (`Boolean.getBoolean`).
pub(super) struct Switch;

impl Rule for Switch {
    type Value = bool;

    fn parse(&self, text: &str) -> Option<bool> {
        Some(text.eq_ignore_ascii_case("true"))
    }

    fn allowed(&self) -> String {
        "true, false; anything else counts as false".to_owned()
    }

    fn adjusted(&self, text: &str) -> Option<String> {
        let clear = Flag.parse(text).is_some();
        (!clear).then(|| format!("{} is neither true nor false, and counts as false", shown(text)))
    }
}

/// A value in a message.
pub(super) fn shown(text: &str) -> String {
    if text.is_empty() { "nothing".to_owned() } else { format!("{text:?}") }
}

/// Any text; nothing at all means that it is not set.
pub(super) struct Text;

impl Rule for Text {
    type Value = Option<String>;

    fn parse(&self, text: &str) -> Option<Option<String>> {
        Some(if text.is_empty() { None } else { Some(text.to_owned()) })
    }

    fn allowed(&self) -> String {
        "any text".to_owned()
    }
}

/// A host name, or an address. None at all is Java's loopback interface.
pub(super) struct Host;

impl Rule for Host {
    type Value = String;

    fn parse(&self, text: &str) -> Option<String> {
        Some(text.to_owned())
    }

    fn allowed(&self) -> String {
        "a host name, an IPv4 address, or an IPv6 address with or without brackets".to_owned()
    }

    fn adjusted(&self, text: &str) -> Option<String> {
        let everybody = "it is empty, which means this machine alone (the loopback interface), as officially";
        text.is_empty().then(|| everybody.to_owned())
    }
}

/// A path, which is never nothing: the official parser refuses that, too.
pub(super) struct Place;

impl Rule for Place {
    type Value = String;

    fn parse(&self, text: &str) -> Option<String> {
        if text.is_empty() { None } else { Some(text.to_owned()) }
    }

    fn allowed(&self) -> String {
        "a path".to_owned()
    }
}

/// Texts parted by commas; blanks around them and empty ones do not count.
pub(super) struct List;

impl Rule for List {
    type Value = Vec<String>;

    fn parse(&self, text: &str) -> Option<Vec<String>> {
        Some(text.split(',').map(str::trim).filter(|part| !part.is_empty()).map(str::to_owned).collect())
    }

    fn allowed(&self) -> String {
        "a list parted by commas".to_owned()
    }
}

/// One of a few words; anything else is refused.
pub(super) struct OneOf<T: 'static> {
    words: &'static [(&'static str, T)],
    any_case: bool,
}

/// One of `words`, in any case.
pub(super) const fn one_of<T>(words: &'static [(&'static str, T)]) -> OneOf<T> {
    OneOf { words, any_case: true }
}

/// One of `words`, spelled exactly so.
pub(super) const fn exactly<T>(words: &'static [(&'static str, T)]) -> OneOf<T> {
    OneOf { words, any_case: false }
}

impl<T: Copy + Sync> Rule for OneOf<T> {
    type Value = T;

    fn parse(&self, text: &str) -> Option<T> {
        let same = |word: &str| if self.any_case { word.eq_ignore_ascii_case(text) } else { word == text };
        self.words.iter().find(|(word, _)| same(word)).map(|&(_, value)| value)
    }

    fn allowed(&self) -> String {
        let words = self.words.iter().map(|&(word, _)| if word.is_empty() { "\"\" (none)" } else { word });
        words.collect::<Vec<_>>().join(", ")
    }
}

/// A time in milliseconds: hours when it is a bare number, or a number with `ms`, `s`, `m`, `h` or `d`.
pub(super) struct Hours;

impl Rule for Hours {
    type Value = Option<u64>;

    fn parse(&self, text: &str) -> Option<Option<u64>> {
        let digits = text.trim_end_matches(|c: char| c.is_ascii_alphabetic());
        let unit_ms: i64 = match text[digits.len()..].to_ascii_lowercase().as_str() {
            "ms" => 1,
            "s" => 1000,
            "m" => 60_000,
            "" | "h" => 3_600_000,
            "d" => 86_400_000,
            _ => return None,
        };
        let count: i64 = digits.parse::<i32>().ok()?.into();
        let interval_ms = count.checked_mul(unit_ms)?;
        Some(u64::try_from(interval_ms).ok().filter(|&ms| ms > 0))
    }

    fn allowed(&self) -> String {
        "hours, or a number with ms, s, m, h or d; 0 or less means off".to_owned()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check<R: Rule>(rule: &R, text: &str, expected: Option<R::Value>)
    where
        R::Value: PartialEq + std::fmt::Debug,
    {
        assert_eq!(rule.parse(text), expected, "for {text:?}, allowed: {}", rule.allowed());
    }

    #[test]
    fn numbers_read_as_java_reads_properties() {
        let rule = number::<u32>(0, INT_MAX);
        for (text, expected) in [("0", 0), ("+7", 7), ("0x10", 16), ("#ff", 255), ("010", 8), ("00", 0)] {
            check(&rule, text, Some(expected));
        }
        for text in [
            "",
            "x",
            "1.0",
            "1 2",
            "0x",
            "08",
            "-1",
            "2147483648",
            "--1",
            "0x-1",
            "-",
            "9".repeat(40).as_str(),
        ] {
            check(&rule, text, None);
        }
        check(&number::<i64>(i64::MIN, i64::MAX), "-0x10", Some(-16));
    }

    #[test]
    fn numbers_of_the_parser_are_decimal() {
        let rule = decimal::<u16>(0, 65535);
        check(&rule, "010", Some(10));
        check(&rule, "65535", Some(65535));
        for text in ["65536", "0x10", "", " 1"] {
            check(&rule, text, None);
        }
        assert_eq!(rule.allowed(), "a whole number from 0 to 65535");
    }

    #[test]
    fn raised_numbers_say_so() {
        let rule = number::<u32>(2, INT_MAX).raised();
        check(&rule, "-5", Some(2));
        check(&rule, "2147483648", None);
        assert_eq!(rule.adjusted("1").as_deref(), Some("1 is too low, 2 is used"));
        assert_eq!(rule.adjusted("2"), None);
        assert_eq!(rule.allowed(), "a whole number from 2 to 2147483647; lower values are raised");
    }

    #[test]
    fn off_is_everything_below() {
        let rule = off(number::<u64>(1, i64::MAX), "unlimited");
        check(&rule, "0", Some(None));
        check(&rule, "-9", Some(None));
        check(&rule, "1", Some(Some(1)));
        check(&rule, "one", None);
        assert_eq!(rule.allowed(), "a whole number from 1; 0 or less means unlimited");
    }

    #[test]
    fn minus_one_is_unset_and_less_is_raised() {
        let rule = unset(decimal::<u32>(0, INT_MAX).raised(), "2 x tickTime");
        check(&rule, "-1", Some(None));
        check(&rule, "-5", Some(Some(0)));
        check(&rule, "7", Some(Some(7)));
        check(&rule, "", None);
        assert_eq!(rule.adjusted("-1"), None);
        assert_eq!(rule.adjusted("-5").as_deref(), Some("-5 is too low, 0 is used"));
    }

    #[test]
    fn what_is_no_value_is_refused_or_passed_over() {
        assert_eq!(decimal::<u32>(0, 1).otherwise(), Otherwise::Refused);
        assert_eq!(lenient(decimal::<u32>(0, 1)).otherwise(), Otherwise::Default);
        assert_eq!(off(number::<u32>(0, 1), "off").otherwise(), Otherwise::Default);
        assert_eq!(Share.otherwise(), Otherwise::Default);
        assert_eq!(one_of(&[("", 0)]).otherwise(), Otherwise::Refused);
    }

    #[test]
    fn shares() {
        check(&Share, "0.5", Some(0.5));
        check(&FactorOrOff, "-1", Some(None));
        check(&FactorOrOff, "1.5", Some(Some(1.5)));
        for text in ["1.01", "-0.1", "NaN", "inf", ""] {
            check(&Share, text, None);
        }
        for text in ["inf", "NaN", ""] {
            check(&FactorOrOff, text, None);
        }
    }

    #[test]
    fn words() {
        check(&Flag, "TRUE", Some(true));
        check(&Flag, "yes", None);
        check(&Switch, "True", Some(true));
        check(&Switch, "yes", Some(false));
        assert_eq!(Switch.adjusted("FALSE"), None);
        assert_eq!(
            Switch.adjusted("yes").as_deref(),
            Some("\"yes\" is neither true nor false, and counts as false")
        );
        assert_eq!(
            Switch.adjusted("").as_deref(),
            Some("nothing is neither true nor false, and counts as false")
        );
        check(&one_of(&[("", 0), ("gz", 1)]), "GZ", Some(1));
        check(&exactly(&[("yes", true), ("no", false)]), "NO", None);
        check(&List, " a, ,b ", Some(vec!["a".to_owned(), "b".to_owned()]));
    }

    #[test]
    fn intervals() {
        for (text, ms) in
            [("2", 7_200_000), ("5m", 300_000), ("2H", 7_200_000), ("1d", 86_400_000), ("7ms", 7)]
        {
            check(&Hours, text, Some(Some(ms)));
        }
        check(&Hours, "0", Some(None));
        check(&Hours, "-1", Some(None));
        for text in ["", "h", "5x", "1.5h", "9223372036854775807"] {
            check(&Hours, text, None);
        }
    }
}
