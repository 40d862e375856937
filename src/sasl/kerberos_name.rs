//! From who has logged in to an id of the scheme `sasl` (`KerberosName`, `SaslServerCallbackHandler`).

use regex::Regex;
use std::borrow::Cow;

/// A principal in its parts: `service/host@REALM`, or a plain name.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct KerberosName<'a> {
    /// The first part.
    pub service: &'a str,
    /// What stands behind the slash.
    pub host: Option<&'a str>,
    /// What stands behind the `@`.
    pub realm: Option<&'a str>,
}

/// Why a name has no id.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum RuleError {
    /// It is no principal.
    #[error("it is no name of a principal")]
    Malformed,
    /// None of the rules is for it.
    #[error("no rule of security.auth_to_local is for it")]
    NoRule,
    /// A rule makes something of it that is no simple name.
    #[error("a rule of security.auth_to_local makes something of it that is no simple name")]
    NotSimple,
    /// The rules cannot be read.
    #[error("{0}")]
    Rules(String),
}

impl<'a> KerberosName<'a> {
    /// Takes a name apart. One without `@` is a plain name, slashes included.
    ///
    /// # Errors
    /// There are several `@`, or slashes.
    pub fn parse(name: &'a str) -> Result<Self, RuleError> {
        let Some((front, realm)) = name.split_once('@') else {
            return Ok(Self { service: name, host: None, realm: None });
        };
        let (service, host) = match front.split_once('/') {
            Some((service, host)) => (service, Some(host)),
            None => (front, None),
        };
        if realm.contains(['/', '@']) || host.is_some_and(|host| host.contains('/')) {
            return Err(RuleError::Malformed);
        }
        Ok(Self { service, host, realm: Some(realm) })
    }
}

/// How ids are made of names.
#[derive(Debug, Clone)]
pub struct NameRules {
    rules: Vec<Rule>,
    default_realm: String,
    removes_host: bool,
    removes_realm: bool,
}

#[derive(Debug, Clone)]
enum Rule {
    /// Names of the default realm are what their first part is.
    Default,
    Made {
        /// Parts behind the realm.
        parts: usize,
        format: String,
        applies: Option<Regex>,
        replace: Option<Replace>,
    },
}

#[derive(Debug, Clone)]
struct Replace {
    from: Regex,
    to: String,
    all: bool,
}

impl NameRules {
    /// `rules`: of `zookeeper.security.auth_to_local`; `removes_host`, `removes_realm`: of
    /// `zookeeper.kerberos.removeHostFromPrincipal` and `removeRealmFromPrincipal`.
    ///
    /// # Errors
    /// The rules cannot be read.
    pub fn new(
        rules: &str,
        default_realm: String,
        removes_host: bool,
        removes_realm: bool,
    ) -> Result<Self, RuleError> {
        let (mut parsed, mut rest) = (Vec::new(), rules.trim());
        while !rest.is_empty() {
            let (rule, behind) = rule(rest)?;
            parsed.push(rule);
            rest = behind.trim_start();
        }
        Ok(Self { rules: parsed, default_realm, removes_host, removes_realm })
    }

    /// The id of who has logged in as `name`.
    ///
    /// # Errors
    /// No rule is for it. (The official server goes on with an id that is null.)
    pub fn id_of(&self, name: &str) -> Result<String, RuleError> {
        let parts = KerberosName::parse(name)?;
        let mut id = self.short(parts)?.into_owned();
        if let Some(host) = parts.host.filter(|_| !self.removes_host) {
            id.extend(["/", host]);
        }
        if let Some(realm) = parts.realm.filter(|_| !self.removes_realm) {
            id.extend(["@", realm]);
        }
        Ok(id)
    }

    fn short<'n>(&self, name: KerberosName<'n>) -> Result<Cow<'n, str>, RuleError> {
        let Some(realm) = name.realm else { return Ok(name.service.into()) };
        let params: Vec<&str> = [realm, name.service].into_iter().chain(name.host).collect();
        for rule in &self.rules {
            let made: Option<Cow<'n, str>> = match rule {
                Rule::Default => (realm == self.default_realm).then(|| name.service.into()),
                Rule::Made { parts, .. } if params.len() - 1 != *parts => None,
                Rule::Made { format, applies, replace, .. } => {
                    let base = formatted(format, &params).ok_or(RuleError::NotSimple)?;
                    let is_whole =
                        |regex: &Regex| regex.find(&base).is_some_and(|found| found.len() == base.len());
                    let applies = applies.as_ref().is_none_or(is_whole);
                    applies.then(|| match replace {
                        None => base.into(),
                        Some(Replace { from, to, all: true }) => {
                            from.replace_all(&base, &**to).into_owned().into()
                        }
                        Some(Replace { from, to, .. }) => from.replace(&base, &**to).into_owned().into(),
                    })
                }
            };
            match made {
                Some(made) if made.contains(['/', '@']) => return Err(RuleError::NotSimple),
                Some(made) => return Ok(made),
                None => {}
            }
        }
        Err(RuleError::NoRule)
    }
}

/// The first rule of a text, and what follows: `DEFAULT`, or `RULE:[n:format](match)s/from/to/g`.
fn rule(text: &str) -> Result<(Rule, &str), RuleError> {
    let bad = || RuleError::Rules(format!("security.auth_to_local: it cannot be read from here on: {text}"));
    if let Some(rest) = text.strip_prefix("DEFAULT") {
        return Ok((Rule::Default, rest));
    }
    let regex = |pattern: &str| {
        let unlike = |error| RuleError::Rules(format!("security.auth_to_local: {pattern}: {error}"));
        Regex::new(pattern).map_err(unlike)
    };
    let inner = text.strip_prefix("RULE:[").ok_or_else(bad)?;
    let (head, mut rest) = inner.split_once(']').ok_or_else(bad)?;
    let (parts, format) = head.split_once(':').ok_or_else(bad)?;
    let parts = parts.parse().map_err(|_| bad())?;
    let mut applies = None;
    if let Some(inner) = rest.strip_prefix('(') {
        let (pattern, behind) = inner.split_once(')').ok_or_else(bad)?;
        // It is for the whole of the name.
        (applies, rest) = (Some(regex(&format!("^(?:{pattern})$"))?), behind);
    }
    let mut replace = None;
    if let Some(inner) = rest.strip_prefix("s/") {
        let (from, behind) = inner.split_once('/').ok_or_else(bad)?;
        let (to, behind) = behind.split_once('/').ok_or_else(bad)?;
        let all = behind.starts_with('g');
        rest = if all { &behind[1..] } else { behind };
        replace = Some(Replace { from: regex(from)?, to: java_to_rust(to), all });
    }
    Ok((Rule::Made { parts, format: format.to_owned(), applies, replace }, rest))
}

/// `$1a` is group 1 and an `a` in Java.
fn java_to_rust(to: &str) -> String {
    let (mut out, mut chars) = (String::new(), to.chars().peekable());
    while let Some(c) = chars.next() {
        match (c, chars.peek()) {
            ('$', Some(digit)) if digit.is_ascii_digit() => {
                out.extend(["${", &digit.to_string(), "}"]);
                chars.next();
            }
            ('\\', Some(&next)) => {
                out.push(next);
                chars.next();
            }
            (c, _) => out.push(c),
        }
    }
    out
}

/// `$0` is the realm, `$1` the first part, `$2` the host.
fn formatted(format: &str, params: &[&str]) -> Option<String> {
    let (mut out, mut rest) = (String::new(), format);
    while let Some((before, behind)) = rest.split_once('$') {
        out.push_str(before);
        let digits = behind.bytes().take_while(u8::is_ascii_digit).count();
        let (number, after) = behind.split_at(digits);
        out.push_str(params.get(number.parse::<usize>().ok()?)?);
        rest = after;
    }
    out.push_str(rest);
    Some(out)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn id(rules: &str, flags: (bool, bool), name: &str) -> Result<String, RuleError> {
        NameRules::new(rules, "OXK.TEST".to_owned(), flags.0, flags.1).expect("good rules").id_of(name)
    }

    /// As seen on 3.9.5.
    #[test]
    fn hosts_and_realms_go_as_they_are_told_to() {
        for (flags, name, expected) in [
            ((false, false), "bob", "bob"),
            ((false, false), "bob/host1@OXK.TEST", "bob/host1@OXK.TEST"),
            ((true, false), "bob/host1@OXK.TEST", "bob@OXK.TEST"),
            ((false, true), "bob/host1@OXK.TEST", "bob/host1"),
            ((true, true), "bob/host1@OXK.TEST", "bob"),
            ((false, true), "alice@OXK.TEST", "alice"),
            ((false, false), "a/b/c", "a/b/c"),
        ] {
            assert_eq!(id("DEFAULT", flags, name).as_deref(), Ok(expected));
        }
        assert_eq!(id("DEFAULT", (true, true), "bob@OTHER"), Err(RuleError::NoRule));
        for name in ["a@b@c", "a/b/c@d", "a@b/c"] {
            assert_eq!(id("DEFAULT", (true, true), name), Err(RuleError::Malformed));
        }
    }

    #[test]
    fn rules_make_other_names() {
        let rules =
            "RULE:[1:$1@$0](.*@OTHER)s/@.*// RULE:[2:$1;$2](^.*;admin$)s/;admin$// RULE:[2:$2](root) DEFAULT";
        for (name, expected) in
            [("joe@OTHER", "joe"), ("joe/admin@ANY", "joe"), ("x/root@ANY", "root"), ("joe@OXK.TEST", "joe")]
        {
            assert_eq!(id(rules, (true, true), name).as_deref(), Ok(expected), "{name}");
        }
        assert_eq!(id(rules, (true, true), "joe/x@ANY"), Err(RuleError::NoRule));
        assert_eq!(id("RULE:[1:$1@$0]", (true, true), "joe@ANY"), Err(RuleError::NotSimple));
        assert_eq!(id("RULE:[1:$1]s/(.)o(.)/$2$1/g", (true, true), "joe@ANY").as_deref(), Ok("ej"));
        for bad in ["nonsense", "RULE:[x:$1]", "RULE:[1:$1", "RULE:[1:$1](", "RULE:[1:$1](*)"] {
            assert!(NameRules::new(bad, String::new(), false, false).is_err(), "{bad}");
        }
    }
}
