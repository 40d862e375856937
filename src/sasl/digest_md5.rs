//! DIGEST-MD5 (RFC 2831), both ends, as Java speaks it (`com.sun.security.sasl.digest`): quality of protection `auth`, text in
//! UTF-8, no second login without a challenge.
//!
//! What goes over the wire: the server's challenge (`realm="..",nonce="..",charset=utf-8,algorithm=md5-sess`); the client's
//! response (`charset=utf-8,username="..",realm="..",nonce="..",nc=00000001,cnonce="..",digest-uri="..",maxbuf=65536,
//! response=..,qop=auth`); the server's proof (`rspauth=..`).

use md5::{Digest, Md5};
use std::{borrow::Cow, collections::BTreeMap, fmt};

/// A longer token is none.
const TOKEN_MAX_BYTES: usize = 4096;
/// There is one challenge to a response.
const NONCE_COUNT: &str = "00000001";

/// Why somebody is not let in, or has not proven who it is.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum DigestError {
    /// A token that does not read as a list of directives.
    #[error("it is no token of DIGEST-MD5, at byte {at}")]
    Malformed {
        /// Where.
        at: usize,
    },
    /// A directive is missing, or is not what was agreed on.
    #[error("its token lacks {0}, or has another one than was agreed on")]
    Directive(&'static str),
    /// Nobody has that name.
    #[error("there is no user of that name")]
    UnknownUser,
    /// The password is another one.
    #[error("the password is wrong")]
    WrongPassword,
    /// All that there was to say has been said.
    #[error("the exchange is over already")]
    Over,
}

/// What comes next.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Next {
    /// This is to be sent, and an answer will come.
    Send(Vec<u8>),
    /// This is to be sent, and the user is known.
    Done {
        /// The last token.
        token: Vec<u8>,
        /// Who has logged in.
        user: String,
    },
}

/// The end that lets in.
#[derive(Clone)]
pub struct Server {
    realm: String,
    uri: String,
    nonce: String,
    state: State,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum State {
    Begins,
    Challenged,
    Over,
}

impl fmt::Debug for Server {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Server").field("state", &self.state).finish_non_exhaustive()
    }
}

impl Server {
    /// For `protocol` at a server of this name, which is its realm, too. `nonce`: text that nobody can foresee.
    pub fn new(protocol: &str, name: &str, nonce: String) -> Self {
        let (realm, uri) = (name.to_owned(), format!("{protocol}/{name}"));
        Self { realm, uri, nonce, state: State::Begins }
    }

    /// Takes what the client has sent; the first is not looked at. `password`: that of a user, if there is one.
    ///
    /// # Errors
    /// The client is not let in. Nothing more is to be taken from it.
    pub fn step(
        &mut self,
        token: &[u8],
        password: impl FnOnce(&str) -> Option<String>,
    ) -> Result<Next, DigestError> {
        match std::mem::replace(&mut self.state, State::Over) {
            State::Begins => {
                self.state = State::Challenged;
                let Self { realm, nonce, .. } = self;
                let challenge =
                    format!("realm=\"{realm}\",nonce=\"{nonce}\",charset=utf-8,algorithm=md5-sess");
                Ok(Next::Send(challenge.into_bytes()))
            }
            State::Challenged => self.judge(token, password),
            State::Over => Err(DigestError::Over),
        }
    }

    fn judge(
        &self,
        token: &[u8],
        password: impl FnOnce(&str) -> Option<String>,
    ) -> Result<Next, DigestError> {
        let said = Directives::parse(token)?;
        let same = |name: &'static str, expected: &str| match said.get(name) {
            Some(value) if value.eq_ignore_ascii_case(expected) => Ok(()),
            _ => Err(DigestError::Directive(name)),
        };
        if said.get("nonce") != Some(&*self.nonce) {
            return Err(DigestError::Directive("nonce"));
        }
        same("nc", NONCE_COUNT)?;
        same("digest-uri", &self.uri)?;
        for (name, expected) in [("qop", "auth"), ("charset", "utf-8")] {
            if said.get(name).is_some() {
                same(name, expected)?;
            }
        }
        let realm = said.get("realm").unwrap_or_default();
        if !realm.is_empty() && realm != self.realm {
            return Err(DigestError::Directive("realm"));
        }
        let user = said.get("username").ok_or(DigestError::Directive("username"))?;
        let response = said.get("response").ok_or(DigestError::Directive("response"))?;
        let proof = Proof {
            user,
            realm,
            nonce: &self.nonce,
            cnonce: said.get("cnonce").ok_or(DigestError::Directive("cnonce"))?,
            uri: said.get("digest-uri").unwrap_or_default(),
            authorization: said.get("authzid"),
        };
        let password = password(user).ok_or(DigestError::UnknownUser)?;
        if !same_bytes(proof.of_client(&password).as_bytes(), response.as_bytes()) {
            return Err(DigestError::WrongPassword);
        }
        let token = format!("rspauth={}", proof.of_server(&password)).into_bytes();
        Ok(Next::Done { token, user: user.to_owned() })
    }
}

/// The end that logs in.
#[derive(Clone)]
pub struct Client {
    uri: String,
    user: String,
    password: String,
    cnonce: String,
    /// What the server has to prove.
    expected: Option<String>,
}

impl fmt::Debug for Client {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Client").field("uri", &self.uri).field("user", &self.user).finish_non_exhaustive()
    }
}

impl Client {
    /// For `protocol` at a server of this name. `cnonce`: text that nobody can foresee.
    pub fn new(protocol: &str, name: &str, user: String, password: String, cnonce: String) -> Self {
        Self { uri: format!("{protocol}/{name}"), user, password, cnonce, expected: None }
    }

    /// Answers the challenge.
    ///
    /// # Errors
    /// The server asks for what there is not.
    pub fn answer(&mut self, challenge: &[u8]) -> Result<Vec<u8>, DigestError> {
        let said = Directives::parse(challenge)?;
        let nonce = said.get("nonce").ok_or(DigestError::Directive("nonce"))?;
        if said.get("algorithm") != Some("md5-sess") {
            return Err(DigestError::Directive("algorithm"));
        }
        if said.get("qop").is_some_and(|qop| !qop.split(',').any(|one| one.trim() == "auth")) {
            return Err(DigestError::Directive("qop"));
        }
        let realm = said.get("realm").unwrap_or_default();
        let Self { uri, user, cnonce, .. } = &*self;
        let proof = Proof { user, realm, nonce, cnonce, uri, authorization: None };
        let response = format!(
            "charset=utf-8,username=\"{}\",realm=\"{}\",nonce=\"{}\",nc={NONCE_COUNT},cnonce=\"{cnonce}\",\
             digest-uri=\"{uri}\",maxbuf=65536,response={},qop=auth",
            quoted(user),
            quoted(realm),
            quoted(nonce),
            proof.of_client(&self.password),
        );
        let expected = proof.of_server(&self.password);
        self.expected = Some(expected);
        Ok(response.into_bytes())
    }

    /// Whether the server has the password, too.
    ///
    /// # Errors
    /// It has not proven that.
    pub fn check(&self, proof: &[u8]) -> Result<(), DigestError> {
        let said = Directives::parse(proof)?;
        match (said.get("rspauth"), &self.expected) {
            (Some(said), Some(expected)) if same_bytes(said.as_bytes(), expected.as_bytes()) => Ok(()),
            _ => Err(DigestError::Directive("rspauth")),
        }
    }
}

/// What both sides hash together with the password.
struct Proof<'a> {
    user: &'a str,
    realm: &'a str,
    nonce: &'a str,
    cnonce: &'a str,
    uri: &'a str,
    authorization: Option<&'a str>,
}

impl Proof<'_> {
    fn of_client(&self, password: &str) -> String {
        self.proof(password, "AUTHENTICATE")
    }

    fn of_server(&self, password: &str) -> String {
        self.proof(password, "")
    }

    fn proof(&self, password: &str, method: &str) -> String {
        let Self { user, realm, nonce, cnonce, uri, authorization } = self;
        let secret = Md5::new()
            .chain_update(latin_1(user))
            .chain_update(b":")
            .chain_update(latin_1(realm))
            .chain_update(b":")
            .chain_update(latin_1(password))
            .finalize();
        let mut first = Md5::new().chain_update(secret).chain_update(format!(":{nonce}:{cnonce}"));
        if let Some(authorization) = authorization.filter(|authorization| !authorization.is_empty()) {
            first.update(format!(":{authorization}"));
        }
        let (first, second) = (hex(&first.finalize()), hex(&Md5::digest(format!("{method}:{uri}"))));
        hex(&Md5::digest(format!("{first}:{nonce}:{NONCE_COUNT}:{cnonce}:auth:{second}")))
    }
}

/// Text is hashed as ISO 8859-1 where it can be written so (RFC 2831, 2.1.2.1).
fn latin_1(text: &str) -> Cow<'_, [u8]> {
    let bytes: Option<Vec<u8>> = text.chars().map(|c| u8::try_from(u32::from(c)).ok()).collect();
    bytes.map_or(Cow::Borrowed(text.as_bytes()), Cow::Owned)
}

fn hex(bytes: &[u8]) -> String {
    const DIGITS: &[u8; 16] = b"0123456789abcdef";
    let digit = |nibble: u8| char::from(DIGITS[usize::from(nibble)]);
    bytes.iter().flat_map(|byte| [digit(byte >> 4), digit(byte & 15)]).collect()
}

fn quoted(text: &str) -> String {
    text.chars().flat_map(|c| matches!(c, '"' | '\\').then_some('\\').into_iter().chain([c])).collect()
}

/// Compares in a time that does not tell where the two differ.
fn same_bytes(one: &[u8], other: &[u8]) -> bool {
    one.len() == other.len() && one.iter().zip(other).fold(0, |sum, (a, b)| sum | (a ^ b)) == 0
}

/// Directives by name: `name=value` or `name="value"`, parted by commas.
struct Directives(BTreeMap<String, String>);

impl Directives {
    fn parse(token: &[u8]) -> Result<Self, DigestError> {
        let malformed = |at| DigestError::Malformed { at };
        if token.len() > TOKEN_MAX_BYTES {
            return Err(malformed(TOKEN_MAX_BYTES));
        }
        let text = str::from_utf8(token).map_err(|error| malformed(error.valid_up_to()))?;
        let (mut found, mut rest) = (BTreeMap::new(), text);
        loop {
            rest = rest.trim_start_matches([' ', '\t', '\r', '\n', ',']);
            if rest.is_empty() {
                return Ok(Self(found));
            }
            let here = || malformed(text.len() - rest.len());
            let (name, behind) = rest.split_once('=').ok_or_else(here)?;
            let behind = behind.trim_start();
            let (value, behind) = if let Some(inner) = behind.strip_prefix('"') {
                unquoted(inner).ok_or_else(here)?
            } else {
                let end = behind.find(',').unwrap_or(behind.len());
                (behind[..end].trim_end().to_owned(), &behind[end..])
            };
            // Twice the same is no more than a way to be understood in two ways.
            if found.insert(name.trim_end().to_ascii_lowercase(), value).is_some() {
                return Err(here());
            }
            rest = behind;
        }
    }

    fn get(&self, name: &str) -> Option<&str> {
        self.0.get(name).map(String::as_str)
    }
}

/// What stands in quotes, and what behind them.
fn unquoted(inner: &str) -> Option<(String, &str)> {
    let (mut value, mut chars) = (String::new(), inner.char_indices());
    while let Some((at, c)) = chars.next() {
        match c {
            '"' => return Some((value, &inner[at + 1..])),
            '\\' => value.push(chars.next()?.1),
            c => value.push(c),
        }
    }
    None
}

#[cfg(test)]
mod tests {
    use super::*;

    const PASSWORD: &str = "secret";

    fn server() -> Server {
        Server::new("zookeeper", "zk-sasl-md5", "bm9uY2U=".to_owned())
    }

    fn of_bob(user: &str) -> Option<String> {
        (user == "bob").then(|| PASSWORD.to_owned())
    }

    fn client(user: &str, password: &str) -> Client {
        Client::new("zookeeper", "zk-sasl-md5", user.to_owned(), password.to_owned(), "Y25vbmNl".to_owned())
    }

    fn challenged() -> (Server, Vec<u8>) {
        let mut server = server();
        let Next::Send(challenge) = server.step(b"", of_bob).expect("a challenge") else {
            panic!("too soon")
        };
        (server, challenge)
    }

    /// RFC 2831, section 4.
    #[test]
    fn the_example_of_the_rfc() {
        let proof = Proof {
            user: "chris",
            realm: "elwood.innosoft.com",
            nonce: "OA6MG9tEQGm2hh",
            cnonce: "OA6MHXh6VqTrRk",
            uri: "imap/elwood.innosoft.com",
            authorization: None,
        };
        assert_eq!(proof.of_client(PASSWORD), "d388dad90d4bbd760a152321f2143af7");
        assert_eq!(proof.of_server(PASSWORD), "ea40f60335c427b5527b84dbabcdfffd");
    }

    #[test]
    fn both_ends_prove_that_they_have_the_password() {
        let (mut server, challenge) = challenged();
        let text = "realm=\"zk-sasl-md5\",nonce=\"bm9uY2U=\",charset=utf-8,algorithm=md5-sess";
        assert_eq!(challenge, text.as_bytes());
        let mut client = client("bob", PASSWORD);
        let response = client.answer(&challenge).expect("a response");
        let Ok(Next::Done { token, user }) = server.step(&response, of_bob) else { panic!("not let in") };
        assert_eq!((user.as_str(), client.check(&token)), ("bob", Ok(())));
        assert_eq!(server.step(&response, of_bob), Err(DigestError::Over));
        assert!(client.check(b"rspauth=00").is_err());
    }

    #[test]
    fn whoever_does_not_know_the_password_is_not_let_in() {
        for (user, password, expected) in
            [("bob", "wrong", DigestError::WrongPassword), ("eve", PASSWORD, DigestError::UnknownUser)]
        {
            let (mut server, challenge) = challenged();
            let response = client(user, password).answer(&challenge).expect("a response");
            assert_eq!(server.step(&response, of_bob), Err(expected));
        }
    }

    #[test]
    fn what_was_not_agreed_on_is_refused() {
        let answered = || {
            let (server, challenge) = challenged();
            let response = client("bob", PASSWORD).answer(&challenge).expect("a response");
            (server, String::from_utf8(response).expect("text"))
        };
        for (from, to, name) in [
            ("bm9uY2U=", "b3RoZXI=", "nonce"),
            ("nc=00000001", "nc=00000002", "nc"),
            ("zookeeper/", "other/", "digest-uri"),
            ("qop=auth", "qop=auth-conf", "qop"),
            ("charset=utf-8", "charset=x", "charset"),
            ("realm=\"zk", "realm=\"x", "realm"),
        ] {
            let (mut server, response) = answered();
            let refused = server.step(response.replace(from, to).as_bytes(), of_bob);
            assert_eq!(refused, Err(DigestError::Directive(name)));
        }
        for bad in ["", "username", "username=\"bob", "nonce=\"a\",nonce=\"b\"", &"a".repeat(5000)] {
            let (mut server, _) = answered();
            assert!(server.step(bad.as_bytes(), of_bob).is_err(), "{bad}");
        }
        assert!(answered().0.step(&[0xff, 0xfe], of_bob).is_err());
    }

    #[test]
    fn names_may_hold_quotes_and_letters_of_any_alphabet() {
        for name in ["a\"b\\c", "Zürich", "Ωmega"] {
            let (mut server, challenge) = challenged();
            let response = client(name, "Zür").answer(&challenge).expect("a response");
            let done = server.step(&response, |user| (user == name).then(|| "Zür".to_owned()));
            assert!(matches!(done, Ok(Next::Done { user, .. }) if user == name));
        }
    }
}
