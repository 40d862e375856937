//! PEM files: blocks of base64 between dashed lines, with whatever text around them (`PemReader`).

use super::{KeyStore, StoreError, keys};
use base64::{Engine, engine::general_purpose::STANDARD};
use rustls::pki_types::{
    CertificateDer, PrivateKeyDer,
    pem::{Error, PemObject},
};

const FORMAT: &str = "PEM";

fn malformed(error: &Error) -> StoreError {
    StoreError::Malformed { format: FORMAT, problem: format!("{error:?}") }
}

/// The one key and all certificates of a file. The password is for a key that is encrypted; another one needs none.
pub(super) fn key_store(bytes: &[u8], password: &str) -> Result<KeyStore, StoreError> {
    let key = match PrivateKeyDer::from_pem_slice(bytes) {
        _ if find(bytes, b"Proc-Type: 4,ENCRYPTED").is_some() => {
            return Err(StoreError::Unsupported {
                what: "a key that is encrypted in the traditional form".to_owned(),
                instead: "write it anew with openssl pkcs8 -topk8",
            });
        }
        Ok(key) => key,
        Err(Error::NoItemsFound) => match encrypted(bytes)? {
            Some(key) => keys::decrypt(&key, password)?,
            None => return Err(StoreError::NoKey),
        },
        Err(error) => return Err(malformed(&error)),
    };
    let chain = certificates(bytes)?;
    if chain.is_empty() { Err(StoreError::NoCertificate) } else { Ok(KeyStore { chain, key }) }
}

/// All certificates of a file.
pub(super) fn certificates(bytes: &[u8]) -> Result<Vec<CertificateDer<'static>>, StoreError> {
    CertificateDer::pem_slice_iter(bytes).collect::<Result<_, _>>().map_err(|error| malformed(&error))
}

/// The content of the first key that is encrypted.
fn encrypted(bytes: &[u8]) -> Result<Option<Vec<u8>>, StoreError> {
    const BEGIN: &[u8] = b"-----BEGIN ENCRYPTED PRIVATE KEY-----";
    const END: &[u8] = b"-----END";
    let Some(at) = find(bytes, BEGIN) else { return Ok(None) };
    let body = &bytes[at + BEGIN.len()..];
    let problem = |problem: &str| StoreError::Malformed {
        format: FORMAT,
        problem: format!("the encrypted key at byte {at} {problem}"),
    };
    let body = &body[..find(body, END).ok_or_else(|| problem("has no end"))?];
    let text: Vec<u8> = body.iter().copied().filter(|byte| !byte.is_ascii_whitespace()).collect();
    STANDARD.decode(text).map(Some).map_err(|error| problem(&format!("is no base64: {error}")))
}

fn find(bytes: &[u8], text: &[u8]) -> Option<usize> {
    bytes.windows(text.len()).position(|window| window == text)
}
