//! Keys that are encrypted with a password (PKCS#8, `EncryptedPrivateKeyInfo`).
//!
//! PBES2 (what openssl writes: PBKDF2 or scrypt, with AES or 3DES) is the `pkcs8` crate's; the two older schemes that Java
//! still reads are here.

use super::StoreError;
use cbc::cipher::{BlockModeDecrypt, KeyIvInit, block_padding::Pkcs7};
use md5::{Digest, Md5};
use pkcs8::{
    EncryptedPrivateKeyInfoRef, ObjectIdentifier,
    der::{AnyRef, Decode, Reader, SliceReader, asn1::OctetStringRef},
    pkcs5::pbes2::Kdf,
    spki::AlgorithmIdentifierRef,
};
use rustls::pki_types::{PrivateKeyDer, PrivatePkcs8KeyDer};

const FORMAT: &str = "PKCS#8";
/// `pbeWithMD5AndDES-CBC` (PKCS#5).
const MD5_DES: ObjectIdentifier = ObjectIdentifier::new_unwrap("1.2.840.113549.1.5.3");
/// `pbeWithSHAAnd3-KeyTripleDES-CBC` (PKCS#12).
const SHA_3DES: ObjectIdentifier = ObjectIdentifier::new_unwrap("1.2.840.113549.1.12.1.3");
/// `PBES2` (PKCS#5).
const PBES2: ObjectIdentifier = ObjectIdentifier::new_unwrap("1.2.840.113549.1.5.13");
/// More rounds than any tool writes.
const ROUNDS_MAX: u32 = 10_000_000;
/// More memory than scrypt takes as any tool writes it, and more rounds of it.
const SCRYPT_MAX_BYTES: u64 = 256 << 20;
const SCRYPT_MAX_PARALLEL: u16 = 16;

fn malformed(error: pkcs8::der::Error) -> StoreError {
    StoreError::Malformed { format: FORMAT, problem: error.to_string() }
}

/// The key in `der`, which is an `EncryptedPrivateKeyInfo`.
pub(super) fn decrypt(der: &[u8], password: &str) -> Result<PrivateKeyDer<'static>, StoreError> {
    if password.is_empty() {
        return Err(StoreError::NoPassword);
    }
    let (scheme, encrypted) = parts(der).map_err(malformed)?;
    let plain = match scheme.oid {
        MD5_DES | SHA_3DES => {
            let (salt, rounds) = salt_and_rounds(scheme.parameters).map_err(malformed)?;
            if rounds > ROUNDS_MAX {
                return Err(unsupported(format!("a key with {rounds} rounds of hashing")));
            }
            let plain = if scheme.oid == MD5_DES {
                let (key, iv) = md5_key(password, salt, rounds);
                decrypt_with::<cbc::Decryptor<des::Des>>(&key, &iv, encrypted)
            } else {
                sha_3des(password, salt, rounds, encrypted)
            };
            plain.ok_or(StoreError::Password)?
        }
        PBES2 => {
            let info = EncryptedPrivateKeyInfoRef::from_der(der).map_err(malformed)?;
            bounded(&info)?;
            let decrypted = info.encryption_algorithm.decrypt(password, info.encrypted_data.as_bytes());
            decrypted.map_err(|error| match error {
                pkcs8::pkcs5::Error::UnsupportedAlgorithm { oid } => unsupported(format!("encryption {oid}")),
                _ => StoreError::Password,
            })?
        }
        other => return Err(unsupported(format!("encryption {other}"))),
    };
    // With a wrong password what comes out may still end as padding does.
    if pkcs8::PrivateKeyInfoRef::from_der(&plain).is_err() {
        return Err(StoreError::Password);
    }
    Ok(PrivatePkcs8KeyDer::from(plain).into())
}

/// Refuses what would take for ever, or all memory.
fn bounded(info: &EncryptedPrivateKeyInfoRef<'_>) -> Result<(), StoreError> {
    match info.encryption_algorithm.pbes2().map(|parameters| &parameters.kdf) {
        Some(Kdf::Pbkdf2(kdf)) if kdf.iteration_count > ROUNDS_MAX => {
            Err(unsupported(format!("a key with {} rounds of hashing", kdf.iteration_count)))
        }
        Some(Kdf::Scrypt(kdf)) => {
            let memory = kdf.cost_parameter.saturating_mul(128 * u64::from(kdf.block_size));
            let too_much = memory > SCRYPT_MAX_BYTES || kdf.parallelization > SCRYPT_MAX_PARALLEL;
            if too_much {
                Err(unsupported(format!("a key whose scrypt takes {memory} bytes")))
            } else {
                Ok(())
            }
        }
        _ => Ok(()),
    }
}

fn unsupported(what: String) -> StoreError {
    StoreError::Unsupported { what, instead: "write the key anew with openssl pkcs8 -topk8" }
}

/// `SEQUENCE { AlgorithmIdentifier, OCTET STRING }`.
pub(super) fn parts(der: &[u8]) -> pkcs8::der::Result<(AlgorithmIdentifierRef<'_>, &[u8])> {
    SliceReader::new(der)?.sequence(|reader| {
        let scheme = AlgorithmIdentifierRef::decode(reader)?;
        let encrypted = <&OctetStringRef>::decode(reader)?;
        Ok((scheme, encrypted.as_bytes()))
    })
}

/// `SEQUENCE { OCTET STRING, INTEGER }`.
fn salt_and_rounds(parameters: Option<AnyRef<'_>>) -> pkcs8::der::Result<(&[u8], u32)> {
    let parameters = parameters.ok_or_else(|| pkcs8::der::Tag::Sequence.value_error())?;
    parameters.sequence(|reader| {
        let salt = <&OctetStringRef>::decode(reader)?;
        Ok((salt.as_bytes(), u32::decode(reader)?))
    })
}

fn decrypt_with<C: KeyIvInit + BlockModeDecrypt>(key: &[u8], iv: &[u8], encrypted: &[u8]) -> Option<Vec<u8>> {
    C::new_from_slices(key, iv).ok()?.decrypt_padded_vec::<Pkcs7>(encrypted).ok()
}

/// Key and initial vector of PBES1 with MD5: two halves of a hash of hashes (PKCS#5, PBKDF1).
fn md5_key(password: &str, salt: &[u8], rounds: u32) -> ([u8; 8], [u8; 8]) {
    let mut hash = Md5::new().chain_update(password).chain_update(salt).finalize();
    for _ in 1..rounds {
        hash = Md5::digest(hash);
    }
    let hash: [u8; 16] = hash.into();
    let (mut key, mut iv) = ([0; 8], [0; 8]);
    key.copy_from_slice(&hash[..8]);
    iv.copy_from_slice(&hash[8..]);
    (key, iv)
}

fn sha_3des(password: &str, salt: &[u8], rounds: u32, encrypted: &[u8]) -> Option<Vec<u8>> {
    use ::pkcs12::kdf::{Pkcs12KeyType, derive_key_utf8};
    let rounds = i32::try_from(rounds).ok()?;
    let derive = |what, len| derive_key_utf8::<sha1::Sha1>(password, salt, what, rounds, len).ok();
    let (key, iv) = (derive(Pkcs12KeyType::EncryptionKey, 24)?, derive(Pkcs12KeyType::Iv, 8)?);
    decrypt_with::<cbc::Decryptor<des::TdesEde3>>(&key, &iv, encrypted)
}
