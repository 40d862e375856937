//! The words of the configuration as types: compression, digest algorithms, schemes, four-letter words.

/// How snapshot files are compressed (`snapshot.compression.method`).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum SnapshotCompression {
    /// Plain files.
    None,
    /// `snapshot.<zxid>.gz`.
    Gzip,
    /// `snapshot.<zxid>.snappy`.
    Snappy,
}

impl SnapshotCompression {
    pub(super) const WORDS: &'static [(&'static str, Self)] =
        &[("", Self::None), ("gz", Self::Gzip), ("snappy", Self::Snappy)];
}

/// An authentication scheme that every connection has to pass (`enforce.auth.schemes`).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum EnforcedScheme {
    /// User and password.
    Digest,
    /// The address of the client, which every connection has.
    Ip,
    /// A login by SASL.
    Sasl,
    /// The subject of a certificate.
    X509,
}

impl EnforcedScheme {
    /// As ACLs call it.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Digest => "digest",
            Self::Ip => "ip",
            Self::Sasl => "sasl",
            Self::X509 => "x509",
        }
    }
}

/// A password: it is shown nowhere.
#[derive(Clone, PartialEq, Eq)]
pub struct Secret(String);

impl Secret {
    pub(super) const fn new(text: String) -> Self {
        Self(text)
    }

    /// The text, for who compares.
    pub fn reveal(&self) -> &str {
        &self.0
    }
}

impl std::fmt::Debug for Secret {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Secret(..)")
    }
}

/// Declares the four-letter words once: the type, the list of all, the names.
macro_rules! four_letter_words {
    ($($(#[$doc:meta])* $word:ident = $name:literal,)*) => {
        /// A command of four letters on the client port.
        #[derive(Debug, Clone, Copy, PartialEq, Eq)]
        #[repr(u8)]
        pub enum FourLetterWord {
            $($(#[$doc])* $word,)*
        }

        impl FourLetterWord {
            /// All of them.
            pub const ALL: &'static [Self] = &[$(Self::$word),*];

            /// The four letters.
            pub const fn name(self) -> &'static str {
                match self {
                    $(Self::$word => $name,)*
                }
            }
        }
    };
}

four_letter_words! {
    /// The settings in use.
    Conf = "conf",
    /// Connections and sessions in full.
    Cons = "cons",
    /// Resets the connections' statistics.
    Crst = "crst",
    /// Sizes of snapshots and logs.
    Dirs = "dirs",
    /// Sessions and their ephemeral nodes.
    Dump = "dump",
    /// The environment.
    Envi = "envi",
    /// Reads the trace mask.
    Gtmk = "gtmk",
    /// Digests of the last transactions.
    Hash = "hash",
    /// Whether the server is read-only.
    Isro = "isro",
    /// Figures for monitoring.
    Mntr = "mntr",
    /// Are you OK?
    Ruok = "ruok",
    /// Resets the server's statistics.
    Srst = "srst",
    /// The server in short.
    Srvr = "srvr",
    /// The server in short, with connections.
    Stat = "stat",
    /// Sets the trace mask.
    Stmk = "stmk",
    /// Watches by session.
    Wchc = "wchc",
    /// Watches by path.
    Wchp = "wchp",
    /// Watches in figures.
    Wchs = "wchs",
}

impl FourLetterWord {
    /// The word of that name, in lower case as on the wire.
    pub fn from_name(name: &str) -> Option<Self> {
        Self::ALL.iter().copied().find(|word| word.name() == name)
    }

    const fn bit(self) -> u32 {
        1 << self as u32
    }
}

/// The four-letter words that are enabled (`4lw.commands.whitelist`). `srvr` always is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct FourLetterWords(u32);

impl FourLetterWords {
    /// Only `srvr`, which Apache's own scripts depend on.
    pub const LEAST: Self = Self(FourLetterWord::Srvr.bit());

    /// Every word: `*`.
    pub fn all() -> Self {
        FourLetterWord::ALL.iter().fold(Self::LEAST, |set, &word| set.with(word))
    }

    /// The same set with `word` in it.
    #[must_use]
    pub const fn with(self, word: FourLetterWord) -> Self {
        Self(self.0 | word.bit())
    }

    /// Whether `word` is enabled.
    pub const fn contains(self, word: FourLetterWord) -> bool {
        self.0 & word.bit() != 0
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn words_have_four_letters_and_a_bit_each() {
        const { assert!(FourLetterWord::ALL.len() <= 32) };
        for &word in FourLetterWord::ALL {
            assert_eq!(word.name().len(), 4);
            assert_eq!(FourLetterWord::from_name(word.name()), Some(word));
            assert!(FourLetterWords::all().contains(word));
            assert_eq!(FourLetterWords::LEAST.contains(word), word == FourLetterWord::Srvr);
        }
        assert_eq!(FourLetterWord::from_name("SRVR"), None);
    }
}
