//! No lock twice: the ephemeral znode of a lock is created only when the last one is deleted, or its session is over; and
//! whoever is told that it has the lock has it in the history.

use super::{Fact, Property, Verdict, require};
use oxkeeper_codec::{
    SessionId, Zxid,
    txn::{LoggedTxn, Txn},
};
use std::collections::BTreeMap;

/// The znode of the lock.
pub(crate) const LOCK: &str = "/lock";

/// See the module.
#[derive(Debug, Default)]
pub(super) struct OneLock {
    /// The last transaction that was looked at: each once, whoever delivers it first.
    last: Zxid,
    holder: Option<SessionId>,
    /// Who has got it with which transaction.
    locked: BTreeMap<Zxid, SessionId>,
}

impl OneLock {
    fn apply(&mut self, zxid: Zxid, logged: &LoggedTxn) -> Verdict {
        let session = logged.header.client_id;
        match &logged.txn {
            Txn::Create(create) if &*create.path == LOCK => {
                self.locked.insert(zxid, session);
                let other = self.holder.replace(session);
                require(other.is_none(), || format!("{zxid}: {session} has the lock, and {other:?} as well"))
            }
            Txn::Delete(delete) if &*delete.path == LOCK => {
                let holder = self.holder.take();
                require(holder.is_some(), || format!("{zxid}: {session} gives back what nobody has"))
            }
            Txn::CloseSession(_) => {
                self.holder.take_if(|holder| *holder == session);
                Ok(())
            }
            _ => Ok(()),
        }
    }
}

impl Property for OneLock {
    fn see(&mut self, fact: &Fact<'_>) -> Verdict {
        match *fact {
            Fact::Delivers { delivered, from, .. } => {
                for (zxid, txn) in &delivered[from..] {
                    if *zxid > self.last
                        && let Ok(logged) = LoggedTxn::from_bytes(txn)
                    {
                        self.last = *zxid;
                        self.apply(*zxid, &logged)?;
                    }
                }
                Ok(())
            }
            Fact::Locks { session, zxid } => require(self.locked.get(&zxid) == Some(&session), || {
                format!("session {session} is told that it has the lock since {zxid}, and has not")
            }),
            _ => Ok(()),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::{
        super::testing::{delivers, refuses},
        *,
    };
    use crate::disk::Entry;
    use oxkeeper_codec::{
        OpCode,
        records::{CreateTxn, TxnHeader},
    };

    fn locks(session: i64, counter: i64) -> Entry {
        let zxid = Zxid(Zxid::begin_of(1).0 + counter);
        let client_id = SessionId(session);
        let header = TxnHeader { client_id, cxid: 1, zxid, time: 0, op: OpCode::CREATE };
        let txn = Txn::Create(CreateTxn {
            path: LOCK.into(),
            data: None,
            acl: Vec::new(),
            ephemeral: true,
            parent_cversion: 1,
        });
        let mut bytes = Vec::new();
        LoggedTxn { header, txn, digest: None }.encode(&mut bytes);
        (zxid, bytes.into())
    }

    #[test]
    fn a_lock_that_two_have_is_refused() {
        let both = [locks(1, 1), locks(2, 2)];
        refuses(OneLock::default(), &[delivers(1, &both[..1]), delivers(1, &both)]);
    }

    #[test]
    fn who_is_told_so_must_have_it() {
        let one = [locks(1, 1)];
        let told = |session| Fact::Locks { session: SessionId(session), zxid: one[0].0 };
        refuses(OneLock::default(), &[delivers(1, &one), told(1), told(2)]);
    }
}
