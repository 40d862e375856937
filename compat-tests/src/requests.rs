//! The requests of the protocol, one method each, as thin as possible.
//!
//! Record bodies are free functions so that a case can send them under another opcode, cut them or put them in a multi.
//! Their paths need not be UTF-8.

use crate::client::{Acl, Client, OPEN, Outcome, Reply};
use crate::transcript::ACL_SET;
use crate::wire::Out;

/// What a node is created with when the case does not care.
pub const DATA: Option<&[u8]> = Some(b"d");

/// CreateRequest.
#[must_use]
pub fn create_body(
    path: impl AsRef<[u8]>,
    data: Option<&[u8]>,
    acl: Option<&[Acl<'_>]>,
    flags: i32,
) -> Vec<u8> {
    acl_onto(Out::new().text(path).buf(data), acl).int(flags).done()
}

/// CreateTTLRequest.
#[must_use]
pub fn ttl_body(path: &str, flags: i32, ttl: i64) -> Vec<u8> {
    acl_onto(Out::new().str(path).buf(DATA), Some(OPEN)).int(flags).long(ttl).done()
}

/// A path and a version.
#[must_use]
pub fn delete_body(path: impl AsRef<[u8]>, version: i32) -> Vec<u8> {
    Out::new().text(path).int(version).done()
}

/// A path, data and a version.
#[must_use]
pub fn set_body(path: impl AsRef<[u8]>, data: Option<&[u8]>, version: i32) -> Vec<u8> {
    Out::new().text(path).buf(data).int(version).done()
}

/// A path and a boolean.
#[must_use]
pub fn read_body(path: impl AsRef<[u8]>, watch: u8) -> Vec<u8> {
    Out::new().text(path).byte(watch).done()
}

/// A path, an ACL and a version.
#[must_use]
pub fn set_acl_body(path: impl AsRef<[u8]>, acl: Option<&[Acl<'_>]>, version: i32) -> Vec<u8> {
    acl_onto(Out::new().text(path), acl).int(version).done()
}

/// AuthPacket.
#[must_use]
pub fn auth_body(scheme: &str, auth: &[u8]) -> Vec<u8> {
    Out::new().int(0).str(scheme).buf(Some(auth)).done()
}

/// SetWatches with data, exist and child lists, and for opcode 105 persistent and recursive ones.
#[must_use]
pub fn watches_body<P: AsRef<[u8]>>(zxid: i64, lists: &[&[P]]) -> Vec<u8> {
    lists.iter().fold(Out::new().long(zxid), |out, list| out.strs(list)).done()
}

/// The header of an operation in a multi, and the operation.
#[must_use]
pub fn part(op: i32, body: &[u8]) -> Vec<u8> {
    Out::new().int(op).byte(0).int(-1).raw(body).done()
}

/// The end of a multi.
#[must_use]
pub fn parts_end() -> Vec<u8> {
    Out::new().int(-1).byte(1).int(-1).done()
}

/// create in a multi.
#[must_use]
pub fn m_create(path: &str, flags: i32) -> Vec<u8> {
    part(1, &create_body(path, DATA, Some(OPEN), flags))
}

/// delete in a multi.
#[must_use]
pub fn m_delete(path: &str, version: i32) -> Vec<u8> {
    part(2, &delete_body(path, version))
}

/// setData in a multi.
#[must_use]
pub fn m_set(path: &str, version: i32) -> Vec<u8> {
    part(5, &set_body(path, Some(b"m"), version))
}

/// check in a multi.
#[must_use]
pub fn m_check(path: &str, version: i32) -> Vec<u8> {
    part(13, &delete_body(path, version))
}

/// An operation of a multiRead: 4 getData or 8 getChildren.
#[must_use]
pub fn m_read(op: i32, path: &str, watch: u8) -> Vec<u8> {
    part(op, &read_body(path, watch))
}

fn acl_onto(out: Out, acl: Option<&[Acl<'_>]>) -> Out {
    let Some(entries) = acl else { return out.int(-1) };
    let count = out.int(i32::try_from(entries.len()).unwrap_or(i32::MAX));
    entries.iter().fold(count, |out, (perms, scheme, id)| out.int(*perms).str(scheme).str(id))
}

impl Client {
    /// create with the data "d" and an open ACL.
    ///
    /// # Errors
    /// When no reply comes; so for every method here.
    pub fn create(&mut self, path: &str, flags: i32) -> Outcome<Reply> {
        self.create_with(path, DATA, OPEN, flags)
    }

    /// create with everything given.
    ///
    /// # Errors
    /// When no reply comes.
    pub fn create_with(
        &mut self,
        path: &str,
        data: Option<&[u8]>,
        acl: &[Acl<'_>],
        flags: i32,
    ) -> Outcome<Reply> {
        self.call(&format!("create {path:.60?} flags {flags}"), 1, &create_body(path, data, Some(acl), flags))
    }

    /// create of a persistent node with this ACL.
    ///
    /// # Errors
    /// When no reply comes.
    pub fn create_acl(&mut self, path: &str, acl: &[Acl<'_>]) -> Outcome<Reply> {
        self.call(&format!("create {path:?} acl {acl:?}"), 1, &create_body(path, DATA, Some(acl), 0))
    }

    /// create2.
    ///
    /// # Errors
    /// When no reply comes.
    pub fn create2(&mut self, path: &str, flags: i32) -> Outcome<Reply> {
        self.call(&format!("create2 {path:?} flags {flags}"), 15, &create_body(path, DATA, Some(OPEN), flags))
    }

    /// createContainer.
    ///
    /// # Errors
    /// When no reply comes.
    pub fn container(&mut self, path: &str, flags: i32) -> Outcome<Reply> {
        self.call(
            &format!("createContainer {path:?} flags {flags}"),
            19,
            &create_body(path, DATA, Some(OPEN), flags),
        )
    }

    /// createTTL.
    ///
    /// # Errors
    /// When no reply comes.
    pub fn ttl(&mut self, path: &str, flags: i32, ttl: i64) -> Outcome<Reply> {
        self.call(&format!("createTTL {path:?} flags {flags} ttl {ttl}"), 21, &ttl_body(path, flags, ttl))
    }

    /// delete.
    ///
    /// # Errors
    /// When no reply comes.
    pub fn delete(&mut self, path: &str, version: i32) -> Outcome<Reply> {
        self.call(&format!("delete {path:?} version {version}"), 2, &delete_body(path, version))
    }

    /// setData.
    ///
    /// # Errors
    /// When no reply comes.
    pub fn set(&mut self, path: &str, data: &[u8], version: i32) -> Outcome<Reply> {
        self.call(&format!("setData {path:?} version {version}"), 5, &set_body(path, Some(data), version))
    }

    /// setACL.
    ///
    /// # Errors
    /// When no reply comes.
    pub fn set_acl(&mut self, path: &str, acl: &[Acl<'_>], version: i32) -> Outcome<Reply> {
        self.call(
            &format!("setACL {path:?} {acl:?} version {version}"),
            7,
            &set_acl_body(path, Some(acl), version),
        )
    }

    /// exists.
    ///
    /// # Errors
    /// When no reply comes.
    pub fn exists(&mut self, path: &str, watch: bool) -> Outcome<Reply> {
        self.read("exists", 3, path, watch)
    }

    /// getData.
    ///
    /// # Errors
    /// When no reply comes.
    pub fn get(&mut self, path: &str, watch: bool) -> Outcome<Reply> {
        self.read("getData", 4, path, watch)
    }

    /// getChildren.
    ///
    /// # Errors
    /// When no reply comes.
    pub fn children(&mut self, path: &str, watch: bool) -> Outcome<Reply> {
        self.read("getChildren", 8, path, watch)
    }

    /// getChildren2.
    ///
    /// # Errors
    /// When no reply comes.
    pub fn children2(&mut self, path: &str, watch: bool) -> Outcome<Reply> {
        self.read("getChildren2", 12, path, watch)
    }

    fn read(&mut self, name: &str, op: i32, path: &str, watch: bool) -> Outcome<Reply> {
        let mark = if watch { " and watch" } else { "" };
        self.call(&format!("{name} {path:.60?}{mark}"), op, &read_body(path, u8::from(watch)))
    }

    /// getACL.
    ///
    /// # Errors
    /// When no reply comes.
    pub fn get_acl(&mut self, path: &str) -> Outcome<Reply> {
        self.call(&format!("getACL {path:?}"), 6, &Out::new().str(path).done())
    }

    /// getACL of a node whose entries came from a set, as those of the scheme auth do.
    ///
    /// # Errors
    /// When no reply comes.
    pub fn get_acl_set(&mut self, path: &str) -> Outcome<Reply> {
        self.post(-9, 6, &Out::new().str(path).done());
        self.reply(&format!("getACL {path:?} sorted"), ACL_SET)
    }

    /// sync.
    ///
    /// # Errors
    /// When no reply comes.
    pub fn sync(&mut self, path: &str) -> Outcome<Reply> {
        self.call(&format!("sync {path:?}"), 9, &Out::new().str(path).done())
    }

    /// ping, with the xid of official clients.
    ///
    /// # Errors
    /// When no reply comes.
    pub fn ping(&mut self) -> Outcome<Reply> {
        self.call_as(-2, "ping", 11, &[])
    }

    /// multi of operations made by [`part`] and the like.
    ///
    /// # Errors
    /// When no reply comes.
    pub fn multi(&mut self, what: &str, parts: &[Vec<u8>]) -> Outcome<Reply> {
        self.call(&format!("multi {what}"), 14, &[parts.concat(), parts_end()].concat())
    }

    /// multiRead of operations made by [`m_read`].
    ///
    /// # Errors
    /// When no reply comes.
    pub fn multi_read(&mut self, what: &str, parts: &[Vec<u8>]) -> Outcome<Reply> {
        self.call(&format!("multiRead {what}"), 22, &[parts.concat(), parts_end()].concat())
    }

    /// auth, with the xid of official clients.
    ///
    /// # Errors
    /// When no reply comes.
    pub fn auth(&mut self, scheme: &str, auth: &str) -> Outcome<Reply> {
        self.call_as(-4, &format!("auth {scheme} {auth:?}"), 100, &auth_body(scheme, auth.as_bytes()))
    }

    /// setWatches with data, exist and child lists.
    ///
    /// # Errors
    /// When no reply comes.
    pub fn set_watches(&mut self, what: &str, zxid: i64, lists: [&[&str]; 3]) -> Outcome<Reply> {
        self.call_as(-8, &format!("setWatches {what}"), 101, &watches_body(zxid, &lists))
    }

    /// addWatch.
    ///
    /// # Errors
    /// When no reply comes.
    pub fn add_watch(&mut self, path: &str, mode: i32) -> Outcome<Reply> {
        self.call(&format!("addWatch {path:?} mode {mode}"), 106, &delete_body(path, mode))
    }

    /// checkWatches.
    ///
    /// # Errors
    /// When no reply comes.
    pub fn check_watches(&mut self, path: &str, kind: i32) -> Outcome<Reply> {
        self.call(&format!("checkWatches {path:?} type {kind}"), 17, &delete_body(path, kind))
    }

    /// removeWatches.
    ///
    /// # Errors
    /// When no reply comes.
    pub fn remove_watches(&mut self, path: &str, kind: i32) -> Outcome<Reply> {
        self.call(&format!("removeWatches {path:?} type {kind}"), 18, &delete_body(path, kind))
    }

    /// getEphemerals.
    ///
    /// # Errors
    /// When no reply comes.
    pub fn ephemerals(&mut self, prefix: Option<&str>) -> Outcome<Reply> {
        self.call(
            &format!("getEphemerals {prefix:?}"),
            103,
            &Out::new().buf(prefix.map(str::as_bytes)).done(),
        )
    }

    /// getAllChildrenNumber.
    ///
    /// # Errors
    /// When no reply comes.
    pub fn descendants(&mut self, path: &str) -> Outcome<Reply> {
        self.call(&format!("getAllChildrenNumber {path:?}"), 104, &Out::new().str(path).done())
    }

    /// whoAmI.
    ///
    /// # Errors
    /// When no reply comes.
    pub fn who_am_i(&mut self) -> Outcome<Reply> {
        self.call("whoAmI", 107, &[])
    }

    /// closeSession; the connection is closed behind the reply.
    ///
    /// # Errors
    /// When no reply or no close comes.
    pub fn close(&mut self) -> Outcome<Reply> {
        let reply = self.call("closeSession", -11, &[])?;
        self.closed("after closeSession")?;
        self.forget();
        Ok(reply)
    }
}
