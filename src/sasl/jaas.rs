//! The JAAS file: sections with login modules and their options, as Java reads it (`sun.security.provider.ConfigFile`).
//!
//! `Name { class flag option="value" ...; ... };`, with comments of both kinds of Java and of `#`; values in quotes with
//! Java's escapes, and `${property}` in them.

use std::{collections::BTreeMap, fmt};

/// A longer file is none.
const FILE_MAX_BYTES: usize = 1 << 20;
const FLAGS: [&str; 4] = ["required", "requisite", "sufficient", "optional"];

/// What is wrong with a file, and on which line (from 1).
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("line {line}: {problem}")]
pub struct JaasError {
    /// The line.
    pub line: usize,
    /// What is wrong there.
    pub problem: String,
}

/// All sections of a file.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Jaas {
    sections: BTreeMap<String, Vec<Module>>,
}

/// A login module with its options.
#[derive(Clone, PartialEq, Eq)]
pub struct Module {
    /// The name of its class.
    pub class: String,
    /// Its options by name. Some are passwords: `Debug` shows none of their values.
    pub options: BTreeMap<String, String>,
}

impl fmt::Debug for Module {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let names: Vec<&String> = self.options.keys().collect();
        f.debug_struct("Module").field("class", &self.class).field("options", &names).finish()
    }
}

impl Module {
    /// The last part of the name of its class.
    pub fn name(&self) -> &str {
        self.class.rsplit('.').next().unwrap_or_default()
    }

    /// Users and their passwords: the options `user_NAME`.
    pub fn users(&self) -> impl Iterator<Item = (&str, &str)> {
        self.options
            .iter()
            .filter_map(|(name, password)| Some((name.strip_prefix("user_")?, password.as_str())))
    }

    /// Whether an option is set to `true`.
    pub fn is_set(&self, option: &str) -> bool {
        self.options.get(option).is_some_and(|value| value.eq_ignore_ascii_case("true"))
    }
}

/// How the modules of a section log in, or let in.
#[derive(Debug)]
pub enum Way<'a> {
    /// By these names and their passwords, with DIGEST-MD5.
    Passwords(BTreeMap<String, String>),
    /// By Kerberos, as the options of this module say.
    Kerberos(&'a Module),
}

/// How the modules of a section log in, or let in. With one for Kerberos, the others do not count, as officially.
///
/// # Errors
/// The first module that is for something else.
pub fn way(modules: &[Module]) -> Result<Way<'_>, &Module> {
    if let Some(module) = modules.iter().find(|module| module.name() == "Krb5LoginModule") {
        return Ok(Way::Kerberos(module));
    }
    match modules.iter().find(|module| module.name() != "DigestLoginModule") {
        Some(other) => Err(other),
        None => {
            let users = modules.iter().flat_map(Module::users);
            Ok(Way::Passwords(users.map(|(user, password)| (user.to_owned(), password.to_owned())).collect()))
        }
    }
}

impl Jaas {
    /// Reads a file. `property`: the value of a property of the system that stands in a value as `${property}`.
    ///
    /// # Errors
    /// The line that cannot be read, and why.
    pub fn parse(text: &str, property: impl Fn(&str) -> Option<String>) -> Result<Self, JaasError> {
        if text.len() > FILE_MAX_BYTES {
            let problem = format!("the file is longer than {} MiB", FILE_MAX_BYTES >> 20);
            return Err(JaasError { line: 1, problem });
        }
        let mut parser = Parser { rest: text, line: 1, property };
        let mut jaas = Self::default();
        while let Some(name) = parser.next()? {
            let name = parser.text(name, "the name of a section")?;
            parser.expect("{")?;
            let modules = parser.modules()?;
            parser.expect(";")?;
            if jaas.sections.insert(name.clone(), modules).is_some() {
                return Err(parser.error(format!("a second section {name}")));
            }
        }
        Ok(jaas)
    }

    /// The modules of a section.
    pub fn section(&self, name: &str) -> Option<&[Module]> {
        self.sections.get(name).map(Vec::as_slice)
    }

    /// The names of all sections.
    pub fn names(&self) -> impl Iterator<Item = &str> {
        self.sections.keys().map(String::as_str)
    }
}

#[derive(Debug, Clone, PartialEq, Eq)]
enum Token {
    /// `{`, `}`, `;`, `=`.
    Sign(char),
    Word(String),
    Quoted(String),
}

struct Parser<'a, P> {
    rest: &'a str,
    line: usize,
    property: P,
}

impl<P: Fn(&str) -> Option<String>> Parser<'_, P> {
    fn error(&self, problem: impl Into<String>) -> JaasError {
        JaasError { line: self.line, problem: problem.into() }
    }

    fn modules(&mut self) -> Result<Vec<Module>, JaasError> {
        let mut modules = Vec::new();
        loop {
            let token = self.must("a login module or }")?;
            if token == Token::Sign('}') {
                return Ok(modules);
            }
            let class = self.text(token, "the class of a login module")?;
            let flag = self.must("a flag")?;
            let flag = self.text(flag, "a flag")?;
            if !FLAGS.contains(&flag.to_ascii_lowercase().as_str()) {
                return Err(self.error(format!("{flag} is no flag: there are {}", FLAGS.join(", "))));
            }
            let mut options = BTreeMap::new();
            loop {
                let token = self.must("an option or ;")?;
                if token == Token::Sign(';') {
                    break;
                }
                let name = self.text(token, "an option")?;
                self.expect("=")?;
                let value = self.must("a value")?;
                options.insert(name, self.text(value, "a value")?);
            }
            modules.push(Module { class, options });
        }
    }

    fn must(&mut self, what: &str) -> Result<Token, JaasError> {
        match self.next()? {
            Some(token) => Ok(token),
            None => Err(self.error(format!("the file ends where {what} should be"))),
        }
    }

    fn expect(&mut self, sign: &str) -> Result<(), JaasError> {
        match self.must(sign)? {
            Token::Sign(found) if sign.starts_with(found) => Ok(()),
            _ => Err(self.error(format!("{sign} is missing"))),
        }
    }

    fn text(&self, token: Token, what: &str) -> Result<String, JaasError> {
        match token {
            Token::Word(text) => Ok(text),
            Token::Quoted(text) => self.expand(&text),
            Token::Sign(sign) => Err(self.error(format!("{sign} where {what} should be"))),
        }
    }

    /// Puts in the properties. Nothing is said of the value, which could be a password.
    fn expand(&self, text: &str) -> Result<String, JaasError> {
        let (mut out, mut rest) = (String::new(), text);
        while let Some((before, behind)) = rest.split_once("${") {
            let (name, after) =
                behind.split_once('}').ok_or_else(|| self.error("a value with ${ and no }"))?;
            let value = match name {
                "/" => Some("/".to_owned()),
                name => (self.property)(name),
            };
            let value = value.ok_or_else(|| self.error(format!("no property is called {name}")))?;
            out.push_str(before);
            out.push_str(&value);
            rest = after;
        }
        out.push_str(rest);
        Ok(out)
    }

    fn next(&mut self) -> Result<Option<Token>, JaasError> {
        self.skip()?;
        let Some(first) = self.rest.chars().next() else { return Ok(None) };
        match first {
            '{' | '}' | ';' | '=' => {
                self.rest = &self.rest[1..];
                Ok(Some(Token::Sign(first)))
            }
            '"' | '\'' => self.quoted(first).map(Some),
            c if is_of_word(c) => {
                let end = self.rest.find(|c| !is_of_word(c)).unwrap_or(self.rest.len());
                let (word, rest) = self.rest.split_at(end);
                self.rest = rest;
                Ok(Some(Token::Word(word.to_owned())))
            }
            c => Err(self.error(format!("{c:?} has no meaning here; put it in quotes"))),
        }
    }

    /// Blanks and comments.
    fn skip(&mut self) -> Result<(), JaasError> {
        loop {
            let trimmed = self.rest.trim_start();
            self.pass(self.rest.len() - trimmed.len());
            let end = if self.rest.starts_with("//") || self.rest.starts_with('#') {
                self.rest.find('\n').unwrap_or(self.rest.len())
            } else if let Some(inner) = self.rest.strip_prefix("/*") {
                inner.find("*/").ok_or_else(|| self.error("a comment without an end"))? + 4
            } else {
                return Ok(());
            };
            self.pass(end);
        }
    }

    fn pass(&mut self, len: usize) {
        let (passed, rest) = self.rest.split_at(len);
        self.line += passed.matches('\n').count();
        self.rest = rest;
    }

    fn quoted(&mut self, quote: char) -> Result<Token, JaasError> {
        let inner = &self.rest[1..];
        let (mut value, mut chars) = (String::new(), inner.char_indices());
        while let Some((at, c)) = chars.next() {
            match c {
                c if c == quote => {
                    self.pass(1 + at + 1);
                    return Ok(Token::Quoted(value));
                }
                '\n' => break,
                '\\' => match chars.next() {
                    Some((_, 'n')) => value.push('\n'),
                    Some((_, 't')) => value.push('\t'),
                    Some((_, 'r')) => value.push('\r'),
                    Some((_, c)) => value.push(c),
                    None => break,
                },
                c => value.push(c),
            }
        }
        Err(self.error("quotes that are not closed"))
    }
}

/// What a word is made of. (A value with anything else stands in quotes.)
fn is_of_word(c: char) -> bool {
    c.is_alphanumeric() || matches!(c, '_' | '-' | '$' | '*' | '.' | '/' | ':' | '@' | '%' | '+' | ',' | '~')
}

#[cfg(test)]
mod tests {
    use super::*;

    fn parse(text: &str) -> Result<Jaas, JaasError> {
        Jaas::parse(text, |name| (name == "user.home").then(|| "/home/zk".to_owned()))
    }

    #[test]
    fn sections_as_they_are_published() {
        let jaas = parse(
            r#"
            // of the server
            Server {
                org.apache.zookeeper.server.auth.DigestLoginModule required
                    user_super="adminsecret" # and another one
                    user_bob="bo\"b; secret";
            };
            /* a client
               with a ticket */
            Client { com.sun.security.auth.module.Krb5LoginModule required useKeyTab=true
              keyTab="${user.home}/zk.keytab" principal="zk/host@REALM" storeKey=true useTicketCache=false; };
            "#,
        )
        .expect("a good file");
        let server = &jaas.section("Server").expect("a section")[0];
        assert_eq!(server.name(), "DigestLoginModule");
        assert_eq!(server.users().collect::<Vec<_>>(), [("bob", "bo\"b; secret"), ("super", "adminsecret")]);
        let client = &jaas.section("Client").expect("a section")[0];
        assert!(client.is_set("useKeyTab") && !client.is_set("useTicketCache"));
        assert_eq!(client.options["keyTab"], "/home/zk/zk.keytab");
        assert_eq!(jaas.names().collect::<Vec<_>>(), ["Client", "Server"]);
        assert!(!format!("{jaas:?}").contains("secret"));
    }

    #[test]
    fn what_is_wrong_is_told_with_its_line() {
        for (text, line, problem) in [
            ("Server {\n x.Y required\n a=b }", 3, "} where an option should be"),
            ("Server {\n x.Y needed; };", 2, "needed is no flag"),
            ("Server {\n x.Y required a=\"b\n\"; };", 2, "quotes that are not closed"),
            ("Server {", 1, "the file ends where a login module or } should be"),
            ("Server { x.Y required; }", 1, "the file ends where ; should be"),
            ("/* x", 1, "a comment without an end"),
            ("A { };\nA { };", 2, "a second section A"),
            ("A { x.Y required a=\"${no.such}\"; };", 1, "no property is called no.such"),
            ("A { x.Y required a=(b); };", 1, "'(' has no meaning here"),
        ] {
            let error = parse(text).expect_err(text);
            assert_eq!((error.line, error.problem.starts_with(problem)), (line, true), "{error}");
        }
        assert!(parse(&"a".repeat(FILE_MAX_BYTES + 1)).is_err());
    }
}
