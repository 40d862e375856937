//! From `Krb5LoginModule` in a JAAS file to what lets in, and logs in, by Kerberos.

use super::{Acceptor, Initiator, Kerberos, Tickets};
use crate::{sasl::Module, topics};
use std::fs::File;

/// The options that say something here, or nothing that matters here. The others are told of.
const OPTIONS: [&str; 15] = [
    "principal",
    "useKeyTab",
    "keyTab",
    "useTicketCache",
    "ticketCache",
    "renewTGT",
    "storeKey",
    "doNotPrompt",
    "isInitiator",
    "refreshKrb5Config",
    "useFirstPass",
    "tryFirstPass",
    "storePass",
    "clearPass",
    "debug",
];

/// What lets in by this module, and the principal that it is.
///
/// # Errors
/// What is wrong with it.
pub fn acceptor<'m>(kerberos: &Kerberos, module: &'m Module) -> Result<(Acceptor, &'m str), String> {
    tell_unknown(module);
    let principal = principal(module).ok_or("the option principal is missing")?;
    if principal == "*" {
        return Err("a server is one principal, not any (principal=\"*\")".to_owned());
    }
    if !module.is_set("useKeyTab") {
        return Err("a server needs its key: useKeyTab=true, with keyTab and principal".to_owned());
    }
    let keytab = keytab(module)?;
    let acceptor = kerberos.acceptor(principal, keytab);
    let acceptor = acceptor.map_err(|error| {
        format!("{principal} has no key in {}: {error}", keytab.unwrap_or("the system's keytab"))
    })?;
    Ok((acceptor, principal))
}

/// What logs in by this module. Tickets are had when they are needed: a KDC that is not there yet keeps nobody from starting.
///
/// # Errors
/// What is wrong with it.
pub fn initiator(kerberos: &Kerberos, module: &Module) -> Result<Initiator, String> {
    tell_unknown(module);
    let principal = principal(module).map(str::to_owned);
    let tickets = if module.is_set("useKeyTab") {
        if principal.is_none() {
            return Err("the option principal is missing".to_owned());
        }
        Tickets::Keytab(keytab(module)?.map(str::to_owned))
    } else if module.is_set("useTicketCache") {
        Tickets::Cache(module.options.get("ticketCache").cloned())
    } else {
        return Err(
            "useKeyTab=true or useTicketCache=true is needed: nobody is asked for a password".to_owned()
        );
    };
    Ok(Initiator::new(kerberos.clone(), principal, tickets))
}

fn principal(module: &Module) -> Option<&str> {
    module.options.get("principal").map(String::as_str).filter(|principal| !principal.is_empty())
}

/// The file of keys, which can be read; `None`: the system's.
fn keytab(module: &Module) -> Result<Option<&str>, String> {
    let Some(named) = module.options.get("keyTab") else { return Ok(None) };
    let path = named.strip_prefix("FILE:").unwrap_or(named);
    File::open(path).map_err(|error| format!("keyTab {path}: cannot read it: {error}"))?;
    Ok(Some(path))
}

fn tell_unknown(module: &Module) {
    let names = module.options.keys().map(String::as_str).filter(|name| !OPTIONS.contains(name));
    let names = names.collect::<Vec<_>>().join(", ");
    if !names.is_empty() {
        tracing::warn!(target: topics::AUTH, module = module.class, names, "options of the JAAS file that have no effect");
    }
}
