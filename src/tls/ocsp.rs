//! What an authority's responder says of one certificate (OCSP, RFC 6960): what is asked, and what counts as an answer.
//!
//! As the JVM has it: certificates are named by SHA-1, there is no nonce, an answer is signed by the authority itself or by whom
//! it has given that right, and counts for as long as it says, with [`SKEW_S`] for clocks that differ.

use rustls::{
    crypto::WebPkiSupportedAlgorithms,
    pki_types::{CertificateDer, UnixTime},
};
use sha1::{Digest, Sha1};
use std::time::Duration;
use webpki::{EndEntityCert, KeyUsage, anchor_from_trusted_cert};
use x509_cert::{
    Certificate,
    der::{Any, Decode, Encode, asn1::OctetString, oid::ObjectIdentifier},
    spki::AlgorithmIdentifierOwned,
};
use x509_ocsp::{
    BasicOcspResponse, CertId, CertStatus, OcspRequest, OcspResponse, OcspResponseStatus, Request,
    TbsRequest, Version,
};

/// So much clocks may differ, in seconds, as in the JVM.
pub(super) const SKEW_S: i64 = 15 * 60;
const SHA1: ObjectIdentifier = ObjectIdentifier::new_unwrap("1.3.14.3.2.26");
const BASIC: ObjectIdentifier = ObjectIdentifier::new_unwrap("1.3.6.1.5.5.7.48.1.1");
/// 1.3.6.1.5.5.7.3.9, may sign answers.
const MAY_SIGN: &[u8] = b"\x2b\x06\x01\x05\x05\x07\x03\x09";

/// What a responder says.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Status {
    Good,
    Revoked,
}

/// The question about one certificate.
pub(super) struct Question<'a> {
    issuer: &'a CertificateDer<'a>,
    id: CertId,
}

impl<'a> Question<'a> {
    /// About a certificate that `issuer` has signed. `None`: one of them does not read as a certificate.
    pub(super) fn new(certificate: &CertificateDer<'_>, issuer: &'a CertificateDer<'a>) -> Option<Self> {
        let (asked, by) = (Certificate::from_der(certificate).ok()?, Certificate::from_der(issuer).ok()?);
        let hash = |bytes: &[u8]| OctetString::new(Sha1::digest(bytes).as_slice()).ok();
        let key = &by.tbs_certificate.subject_public_key_info.subject_public_key;
        let id = CertId {
            hash_algorithm: AlgorithmIdentifierOwned { oid: SHA1, parameters: Some(Any::null()) },
            issuer_name_hash: hash(&by.tbs_certificate.subject.to_der().ok()?)?,
            issuer_key_hash: hash(key.raw_bytes())?,
            serial_number: asked.tbs_certificate.serial_number,
        };
        Some(Self { issuer, id })
    }

    /// What is sent.
    pub(super) fn bytes(&self) -> Option<Vec<u8>> {
        let request = Request { req_cert: self.id.clone(), single_request_extensions: None };
        let tbs_request = TbsRequest {
            version: Version::V1,
            requestor_name: None,
            request_list: vec![request],
            request_extensions: None,
        };
        OcspRequest { tbs_request, optional_signature: None }.to_der().ok()
    }

    /// What an answer says of the certificate.
    ///
    /// # Errors
    /// Nothing, or nothing that counts.
    pub(super) fn answered(
        &self,
        bytes: &[u8],
        algorithms: &WebPkiSupportedAlgorithms,
        now: UnixTime,
    ) -> Result<Status, String> {
        let unreadable = |_| "its answer is none".to_owned();
        let response = OcspResponse::from_der(bytes).map_err(unreadable)?;
        if response.response_status != OcspResponseStatus::Successful {
            return Err(format!("it answers {:?}", response.response_status));
        }
        let answer = response.response_bytes.filter(|bytes| bytes.response_type == BASIC);
        let answer = answer.ok_or("it answers in another way than was asked")?;
        let answer = BasicOcspResponse::from_der(answer.response.as_bytes()).map_err(unreadable)?;
        if !self.is_signed(&answer, algorithms, now) {
            return Err("its answer is not signed by the authority, nor by whom it lets do that".to_owned());
        }
        let about = |single: &&x509_ocsp::SingleResponse| {
            let CertId { issuer_name_hash, issuer_key_hash, serial_number, .. } = &single.cert_id;
            single.cert_id.hash_algorithm.oid == SHA1
                && *issuer_name_hash == self.id.issuer_name_hash
                && *issuer_key_hash == self.id.issuer_key_hash
                && *serial_number == self.id.serial_number
        };
        let single = answer.tbs_response_data.responses.iter().find(about);
        let single = single.ok_or("it answers for other certificates alone")?;
        let (now, skew) = (Duration::from_secs(now.as_secs()), Duration::from_secs(SKEW_S.unsigned_abs()));
        let begins = single.this_update.0.to_unix_duration();
        let ends = single.next_update.as_ref().map_or(begins, |time| time.0.to_unix_duration());
        if now + skew < begins || ends + skew < now {
            return Err("its answer has run out".to_owned());
        }
        match single.cert_status {
            CertStatus::Good(_) => Ok(Status::Good),
            CertStatus::Revoked(_) => Ok(Status::Revoked),
            CertStatus::Unknown(_) => Err("it does not know the certificate".to_owned()),
        }
    }

    fn is_signed(
        &self,
        answer: &BasicOcspResponse,
        algorithms: &WebPkiSupportedAlgorithms,
        now: UnixTime,
    ) -> bool {
        let signed = |signer: &CertificateDer<'_>| {
            verifies(signer, answer, algorithms).is_some_and(|verifies| verifies)
        };
        let delegated = answer.certs.iter().flatten().filter_map(|certificate| certificate.to_der().ok());
        signed(self.issuer)
            || delegated
                .map(CertificateDer::from)
                .any(|signer| self.lets_sign(&signer, algorithms, now).is_some() && signed(&signer))
    }

    /// Whether the authority has given somebody the right to sign answers.
    fn lets_sign(
        &self,
        signer: &CertificateDer<'_>,
        algorithms: &WebPkiSupportedAlgorithms,
        now: UnixTime,
    ) -> Option<()> {
        let anchors = [anchor_from_trusted_cert(self.issuer).ok()?];
        let signer = EndEntityCert::try_from(signer).ok()?;
        let usage = KeyUsage::required(MAY_SIGN);
        signer.verify_for_usage(algorithms.all, &anchors, &[], now, usage, None, None).ok().map(drop)
    }
}

/// Whether an answer is signed with the key of a certificate; `None`: that cannot be told.
fn verifies(
    signer: &CertificateDer<'_>,
    answer: &BasicOcspResponse,
    algorithms: &WebPkiSupportedAlgorithms,
) -> Option<bool> {
    let signer = EndEntityCert::try_from(signer).ok()?;
    let signed = answer.tbs_response_data.to_der().ok()?;
    let signature = answer.signature.as_bytes()?;
    // Without the tag and the length of the sequence, both a byte: that is how they are named there.
    let algorithm = answer.signature_algorithm.to_der().ok()?;
    let algorithm = algorithm.get(2..)?;
    let mut named = algorithms.all.iter().filter(|known| known.signature_alg_id().as_ref() == algorithm);
    Some(named.any(|known| signer.verify_signature(*known, &signed, signature).is_ok()))
}

#[cfg(test)]
mod tests {
    use super::*;
    use rustls::{crypto::aws_lc_rs, pki_types::pem::PemObject};

    /// What good answers and bad ones come to is shown by the judge of TLS.
    #[test]
    fn what_is_no_answer_says_nothing() {
        let pem = include_bytes!("../../tests/data/tls/plain.pem");
        let own = CertificateDer::from_pem_slice(pem).expect("a certificate");
        let question = Question::new(&own, &own).expect("a question");
        let asked = question.bytes().expect("it is written");
        let read = OcspRequest::from_der(&asked).expect("it is read");
        assert_eq!(read.tbs_request.request_list.len(), 1);
        assert!(read.tbs_request.request_list[0].req_cert.hash_algorithm.oid == SHA1);
        let algorithms = aws_lc_rs::default_provider().signature_verification_algorithms;
        let answered = |bytes: &[u8]| question.answered(bytes, &algorithms, UnixTime::now());
        for (bytes, problem) in [
            (&b""[..], "its answer is none"),
            (b"nonsense", "its answer is none"),
            (&asked, "its answer is none"),
            (b"\x30\x03\x0a\x01\x03", "it answers TryLater"),
            (b"\x30\x03\x0a\x01\x00", "it answers in another way than was asked"),
        ] {
            assert_eq!(answered(bytes), Err(problem.to_owned()), "{bytes:?}");
        }
        assert!(Question::new(&CertificateDer::from(&b"nonsense"[..]), &own).is_none());
    }
}
