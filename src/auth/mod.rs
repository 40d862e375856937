//! Who may do what, as pure decisions.
//!
//! Promises: identities of a connection ([`Identities`]), how a client proves one ([`authenticate`]), which ACLs are
//! accepted and what is stored of them ([`fixup_acl`]), and whether an ACL grants something ([`check`]), all as the
//! official server decides them. Schemes: `world`, `auth`, `digest`, `ip`, `sasl`, `x509` and `super`.
//!
//! Invariants: no I/O, no clock, no state beside the connection's identities; the same arguments give the same answer
//! on every member of the ensemble. Keys and tickets are loaded elsewhere. An identity is only ever added by a
//! provider that has proven it.

mod acl;
mod digest;
mod identities;
mod ip;
mod provider;
mod sasl;
mod x509;

pub use acl::{check, fixup_acl, mask_for_reader};
pub use digest::{DigestAlgorithm, generate_digest};
pub use identities::Identities;
pub use provider::{
    AuthConfig, AuthError, Offer, authenticate, enforcement_met, is_valid_id, users, who_am_i,
};
pub use sasl::{Sasl, identify_login};
pub use x509::{X509, identify};
