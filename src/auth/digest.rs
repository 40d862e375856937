//! Scheme `digest`: a user is known by the hash of name and password (`DigestAuthenticationProvider`).

use base64::{Engine, engine::general_purpose::STANDARD};
use sha1::Digest;

/// The hash of the digest scheme (`zookeeper.DigestAuthenticationProvider.digestAlg`).
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub enum DigestAlgorithm {
    /// MD5.
    Md5,
    /// SHA-1, unless set otherwise.
    #[default]
    Sha1,
    /// SHA-224.
    Sha224,
    /// SHA-256.
    Sha256,
    /// SHA-384.
    Sha384,
    /// SHA-512.
    Sha512,
    /// SHA-512/224.
    Sha512_224,
    /// SHA-512/256.
    Sha512_256,
    /// SHA3-224.
    Sha3_224,
    /// SHA3-256.
    Sha3_256,
    /// SHA3-384.
    Sha3_384,
    /// SHA3-512.
    Sha3_512,
}

impl DigestAlgorithm {
    /// The names a Java runtime knows without further providers, in any case of letters (MD2 left out).
    pub const NAMES: &'static [(&'static str, Self)] = &[
        ("SHA1", Self::Sha1),
        ("SHA-1", Self::Sha1),
        ("SHA", Self::Sha1),
        ("MD5", Self::Md5),
        ("SHA-224", Self::Sha224),
        ("SHA-256", Self::Sha256),
        ("SHA-384", Self::Sha384),
        ("SHA-512", Self::Sha512),
        ("SHA-512/224", Self::Sha512_224),
        ("SHA-512/256", Self::Sha512_256),
        ("SHA3-224", Self::Sha3_224),
        ("SHA3-256", Self::Sha3_256),
        ("SHA3-384", Self::Sha3_384),
        ("SHA3-512", Self::Sha3_512),
    ];

    /// The algorithm of a name in the configuration; a server does not start with an unknown one.
    pub fn from_name(name: &str) -> Option<Self> {
        Self::NAMES
            .iter()
            .find(|(known, _)| known.eq_ignore_ascii_case(name))
            .map(|(_, algorithm)| *algorithm)
    }

    /// The hash in base64.
    fn hash(self, input: &[u8]) -> String {
        fn base64<D: Digest>(input: &[u8]) -> String {
            STANDARD.encode(D::digest(input))
        }
        match self {
            Self::Md5 => base64::<md5::Md5>(input),
            Self::Sha1 => base64::<sha1::Sha1>(input),
            Self::Sha224 => base64::<sha2::Sha224>(input),
            Self::Sha256 => base64::<sha2::Sha256>(input),
            Self::Sha384 => base64::<sha2::Sha384>(input),
            Self::Sha512 => base64::<sha2::Sha512>(input),
            Self::Sha512_224 => base64::<sha2::Sha512_224>(input),
            Self::Sha512_256 => base64::<sha2::Sha512_256>(input),
            Self::Sha3_224 => base64::<sha3::Sha3_224>(input),
            Self::Sha3_256 => base64::<sha3::Sha3_256>(input),
            Self::Sha3_384 => base64::<sha3::Sha3_384>(input),
            Self::Sha3_512 => base64::<sha3::Sha3_512>(input),
        }
    }
}

/// The id of a user: the name, and the hash of name and password together. Without a colon all of it is the name.
pub fn generate_digest(algorithm: DigestAlgorithm, user_and_password: &str) -> String {
    let user = user_and_password.split(':').next().unwrap_or_default();
    format!("{user}:{}", algorithm.hash(user_and_password.as_bytes()))
}

/// Whether an ACL may name the id: two parts around one colon. Colons at the end do not count, for Java's
/// `String.split` drops empty parts there.
pub(super) fn is_valid(id: &str) -> bool {
    id.trim_end_matches(':').split(':').count() == 2
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn b121_an_id_is_two_parts_around_one_colon() {
        let valid = ["u:h", ":h", "u:h:", "u:h::", "u: ", "ü:é"];
        let invalid = ["", "u", "u:", ":", "::", "u::h", "::h", "u:h:x", "u:h:x:"];
        assert_eq!(valid.map(is_valid), [true; 6]);
        assert_eq!(invalid.map(is_valid), [false; 9]);
    }

    #[test]
    fn b127_the_id_is_the_user_and_the_hash_of_all() {
        let cases = [
            ("super:test", "super:D/InIHSb7yEEbrWz8b9l71RjZJU="),
            ("super:admin", "super:xQJmxLMiHGwaqBvst5y6rkB6HQs="),
            ("nobody", "nobody:Nl7BemdfMnO8FsdHYa2D8s8HxZo="),
            ("a:b:c", "a:cLzgnoJ6mP5qz3w+mwvPE2vDgu0="),
            (":", ":BaefBs8/Z/cm2uaNGKIpD2yaUMk="),
            ("", ":2jmj7l5rSw0yVb/vlWAYkK/YBwk="),
            ("é:ü", "é:Ztqg8TrMmzkSFpOaDBO87lu10+c="),
        ];
        for (input, id) in cases {
            assert_eq!(generate_digest(DigestAlgorithm::Sha1, input), id);
        }
    }

    #[test]
    fn b127_every_algorithm_by_its_java_name() {
        let cases = [
            ("MD5", "pasriMfeJxH/y5wk/opUWg=="),
            ("SHA1", "fyVmFCwVbTJYrznoSu1koqYEYF0="),
            ("sha-1", "fyVmFCwVbTJYrznoSu1koqYEYF0="),
            ("SHA", "fyVmFCwVbTJYrznoSu1koqYEYF0="),
            ("SHA-224", "5/BxB7nGacUX3CA0wafV2XS7GbQ54deqor/oXg=="),
            ("SHA-256", "huAluaVu3uER4LIpielGv9Qqk5x3YVDr6I2R/mXf2wE="),
            ("SHA-384", "sK3FknlHR28F5XDVFyv279SPFI+mcaciCe23ZtSFn7CeJGi9j80tCAbRDiVejZ6K"),
            (
                "SHA-512",
                "MON49O1q1UU4gzHRH8XFfdstQyTRtQRoDT+8dvk+qrZdXJegJxeoYDJfch4LeWUjXjSWIiqnKXpFYZi7tC1AZw==",
            ),
            ("SHA-512/224", "yTt2wxbXBJcyMOIehFa5UplgRq0T/nu9skYVcw=="),
            ("SHA-512/256", "Og/IurIw/GdzbFYQ/Z98uLvNTACkWBakgqXV2r5V1Zw="),
            ("SHA3-224", "RWLJ9PCRZyjMaWsFPHvSpbY168zfDgTW8akZzQ=="),
            ("sha3-256", "ukO6WgYOvbjGYGRnCevsZ2T9tQ3ynirMDLl7Q45X6Rc="),
            ("SHA3-384", "lez47SW3dbfkQSe7psLgnTgaeQNC8V3Q/V4KUvBZqSyP5PYFdLx1bSgbREtiqWkT"),
            (
                "SHA3-512",
                "WISyoZv7veYA99eCjRXIryiJS6naNSmdMrE6AO9lJ90NPVr/4b/DbXgizNO6W+B2kcZO9YDhjZzAnIXD1CvxdA==",
            ),
        ];
        for (name, hash) in cases {
            let algorithm = DigestAlgorithm::from_name(name).expect(name);
            assert_eq!(generate_digest(algorithm, "bob:secret"), format!("bob:{hash}"), "{name}");
        }
        assert_eq!(cases.len(), DigestAlgorithm::NAMES.len());
        assert_eq!(DigestAlgorithm::from_name("SHA256"), None, "Java knows no such name");
    }
}
