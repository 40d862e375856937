//! Java's own older stores (`sun.security.provider.JavaKeyStore`), as keytool writes them with `-storetype JKS`.
//!
//! Layout, big-endian: magic 0xFEEDFEED, version 1 or 2, number of entries (32 bits each); entries; 20 bytes of SHA-1 over
//! the password (16 bits a character), the words `Mighty Aphrodite`, and everything before. An entry: kind (32 bits: 1 a
//! key, 2 a certificate), alias, time of creation (64 bits), then for a key its length and bytes, the number of its
//! certificates and these, else one certificate. A certificate: its type (version 2), length, bytes. A text has a length of 16
//! bits before it. A key is an `EncryptedPrivateKeyInfo` whose octets are a salt of 20 bytes, the key under a
//! stream of SHA-1 hashes, and 20 bytes of SHA-1 over password and key.

use super::{KeyStore, StoreError, keys};
use pkcs8::ObjectIdentifier;
use rustls::pki_types::{CertificateDer, PrivatePkcs8KeyDer};
use sha1::{Digest, Sha1};

const MAGIC: [u8; 4] = [0xfe, 0xed, 0xfe, 0xed];
const HASH_LEN: usize = 20;
/// What stands between password and content in the last hash.
const WORDS: &[u8] = b"Mighty Aphrodite";
/// How keys are encrypted in these stores alone.
const PROTECTOR: ObjectIdentifier = ObjectIdentifier::new_unwrap("1.3.6.1.4.1.42.2.17.1.1");

/// Whether it begins as one.
pub(super) fn is_one(bytes: &[u8]) -> bool {
    bytes.starts_with(&MAGIC)
}

enum Entry {
    Key { encrypted: Vec<u8>, chain: Vec<CertificateDer<'static>> },
    Trusted(CertificateDer<'static>),
}

/// The first key with its certificates.
pub(super) fn key_store(bytes: &[u8], password: &str) -> Result<KeyStore, StoreError> {
    for entry in entries(bytes, password)? {
        if let Entry::Key { encrypted, chain } = entry {
            if chain.is_empty() {
                return Err(StoreError::NoCertificateOfKey);
            }
            let key = PrivatePkcs8KeyDer::from(decrypt(&encrypted, password)?).into();
            return Ok(KeyStore { chain, key });
        }
    }
    Err(StoreError::NoKey)
}

/// The certificates that stand alone.
pub(super) fn trusted(bytes: &[u8], password: &str) -> Result<Vec<CertificateDer<'static>>, StoreError> {
    let alone = |entry| match entry {
        Entry::Trusted(certificate) => Some(certificate),
        Entry::Key { .. } => None,
    };
    Ok(entries(bytes, password)?.into_iter().filter_map(alone).collect())
}

/// A password as it is hashed.
fn characters(password: &str) -> Vec<u8> {
    password.encode_utf16().flat_map(u16::to_be_bytes).collect()
}

/// All entries. Without a password nobody can tell whether the store is whole, and it is believed, as in Java.
fn entries(bytes: &[u8], password: &str) -> Result<Vec<Entry>, StoreError> {
    let content_len =
        bytes.len().checked_sub(HASH_LEN).ok_or_else(|| malformed(bytes.len(), "it ends too soon"))?;
    let (content, hash) = bytes.split_at(content_len);
    let expected =
        Sha1::new().chain_update(characters(password)).chain_update(WORDS).chain_update(content).finalize();
    if !password.is_empty() && expected[..] != *hash {
        return Err(StoreError::Password);
    }
    let mut reader = Reader { all: content, at: MAGIC.len() };
    let version = reader.number()?;
    if !(1..=2).contains(&version) {
        return Err(malformed(MAGIC.len(), "a version that is neither 1 nor 2"));
    }
    let count = reader.number()?;
    let mut entries = Vec::new();
    for _ in 0..count {
        let at = reader.at;
        let kind = reader.number()?;
        reader.text()?;
        reader.take(8)?;
        entries.push(match kind {
            1 => {
                let encrypted = reader.sized()?.to_vec();
                let count = reader.number()?;
                let mut chain = Vec::new();
                for _ in 0..count {
                    chain.push(reader.certificate(version)?);
                }
                Entry::Key { encrypted, chain }
            }
            2 => Entry::Trusted(reader.certificate(version)?),
            _ => return Err(malformed(at, "an entry that is neither a key nor a certificate")),
        });
    }
    Ok(entries)
}

/// A key, as it stands in an entry.
fn decrypt(encrypted: &[u8], password: &str) -> Result<Vec<u8>, StoreError> {
    let not_der =
        |error: pkcs8::der::Error| StoreError::Malformed { format: "JKS", problem: error.to_string() };
    let (scheme, octets) = keys::parts(encrypted).map_err(not_der)?;
    let scheme = scheme.oid;
    if scheme != PROTECTOR {
        let instead = "write the store anew with keytool -importkeystore -deststoretype pkcs12";
        return Err(StoreError::Unsupported { what: format!("encryption {scheme}"), instead });
    }
    let key_len = octets.len().checked_sub(2 * HASH_LEN).ok_or(StoreError::Password)?;
    let (salt, rest) = octets.split_at(HASH_LEN);
    let (key, check) = rest.split_at(key_len);
    let password = characters(password);
    let (mut plain, mut hash) = (Vec::with_capacity(key_len), salt.to_vec());
    for part in key.chunks(HASH_LEN) {
        hash = Sha1::new().chain_update(&password).chain_update(&hash).finalize().to_vec();
        plain.extend(part.iter().zip(&hash).map(|(byte, mask)| byte ^ mask));
    }
    let expected = Sha1::new().chain_update(&password).chain_update(&plain).finalize();
    if expected[..] == *check { Ok(plain) } else { Err(StoreError::Password) }
}

fn malformed(at: usize, problem: &str) -> StoreError {
    StoreError::Malformed { format: "JKS", problem: format!("{problem}, at byte {at}") }
}

struct Reader<'a> {
    all: &'a [u8],
    at: usize,
}

impl<'a> Reader<'a> {
    fn take(&mut self, len: usize) -> Result<&'a [u8], StoreError> {
        let end = self.at.checked_add(len).filter(|&end| end <= self.all.len());
        let end = end.ok_or_else(|| malformed(self.at, "it ends too soon"))?;
        let taken = &self.all[self.at..end];
        self.at = end;
        Ok(taken)
    }

    fn number(&mut self) -> Result<u32, StoreError> {
        let bytes = self.take(4)?;
        Ok(bytes.iter().fold(0, |number, &byte| number << 8 | u32::from(byte)))
    }

    fn sized(&mut self) -> Result<&'a [u8], StoreError> {
        let len = self.number()?;
        self.take(usize::try_from(len).unwrap_or(usize::MAX))
    }

    fn text(&mut self) -> Result<&'a [u8], StoreError> {
        let len = self.take(2)?.iter().fold(0, |number, &byte| number << 8 | usize::from(byte));
        self.take(len)
    }

    fn certificate(&mut self, version: u32) -> Result<CertificateDer<'static>, StoreError> {
        if version == 2 {
            self.text()?;
        }
        Ok(CertificateDer::from(self.sized()?.to_vec()))
    }
}
