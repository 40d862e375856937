//! SASL as the official server and its clients speak it: mechanisms as state machines, names, and the file that says who may log in.
//!
//! Promise: no I/O, no clock, no random numbers that were not handed in; bad input is an error with its place, in bounded
//! memory; no password is in any message.
//!
//! `jaas` reads the file, `digest_md5` is the mechanism for names and passwords, `gssapi` that for Kerberos, which the caller
//! brings; `kerberos_name` makes ids of principals.

mod digest_md5;
mod gssapi;
mod jaas;
mod kerberos_name;

pub use digest_md5::{Client, DigestError, Next, Server};
pub use gssapi::{Context, GssapiClient, GssapiError, GssapiNext, GssapiServer, Step};
pub use jaas::{Jaas, JaasError, Module, Way, way};
pub use kerberos_name::{KerberosName, NameRules, RuleError};
