//! What a session can ask, with typed answers (`ZooKeeper`, `ZooKeeperAdmin`). Each call waits for its answer.

use super::{
    driver::Deed,
    failure::Failure,
    path::{PathProblem, validate},
    session::{Answer, Session},
    watches::{Unwatched, WatchKind},
};
use bytes::Bytes;
use oxkeeper_codec::{
    Code, Decode, Encode, OpCode, Perms, Reader,
    records::{
        Acl, AddWatchRequest, ClientInfo, Create2Response, CreateRequest, CreateResponse, CreateTtlRequest,
        DeleteRequest, ExistsRequest, ExistsResponse, GetAclRequest, GetAclResponse,
        GetAllChildrenNumberRequest, GetAllChildrenNumberResponse, GetChildren2Request, GetChildren2Response,
        GetDataRequest, GetDataResponse, GetEphemeralsRequest, GetEphemeralsResponse, Id, MultiHeader,
        ReconfigRequest, RemoveWatchesRequest, SetAclRequest, SetAclResponse, SetDataRequest,
        SetDataResponse, Stat, SyncRequest, WhoAmIResponse,
    },
};
use std::{borrow::Cow, collections::VecDeque};

/// Where the membership is.
const CONFIG_PATH: &str = "/zookeeper/config";
/// So many batches of deletes are under way at a time, as officially.
const BATCHES: usize = 10;

/// Why a call has no answer.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum CallError {
    /// The path is none.
    #[error(transparent)]
    Path(#[from] PathProblem),
    /// The server, or the connection to it.
    #[error(transparent)]
    Failure(#[from] Failure),
}

impl CallError {
    /// What is wrong, if it is not the path.
    pub const fn code(&self) -> Option<Code> {
        match self {
            Self::Path(_) => None,
            Self::Failure(failure) => Some(failure.code),
        }
    }
}

/// How long a znode is to live.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Lifetime {
    /// Until it is deleted.
    Persistent,
    /// As long as its session.
    Ephemeral,
    /// Until its last child is gone.
    Container,
    /// So many ms after its last change, if it has no children.
    Ttl(i64),
}

/// What kind of znode is created (`CreateMode`).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct CreateMode {
    /// How long it lives.
    pub lifetime: Lifetime,
    /// Whether its name gets a number.
    pub sequential: bool,
}

impl CreateMode {
    const fn flags(self) -> i32 {
        match (self.lifetime, self.sequential) {
            (Lifetime::Persistent, false) => 0,
            (Lifetime::Ephemeral, false) => 1,
            (Lifetime::Persistent, true) => 2,
            (Lifetime::Ephemeral, true) => 3,
            (Lifetime::Container, _) => 4,
            (Lifetime::Ttl(_), false) => 5,
            (Lifetime::Ttl(_), true) => 6,
        }
    }
}

/// Everybody may do everything (`ZooDefs.Ids.OPEN_ACL_UNSAFE`).
pub fn open_acl() -> Vec<Acl> {
    vec![Acl { perms: Perms::ALL, id: Id { scheme: "world".into(), id: "anyone".into() } }]
}

/// A change of the ensemble; what is `None` stays.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Reconfiguration {
    /// Members to add or change, separated by commas.
    pub joining: Option<String>,
    /// Ids of members to remove, separated by commas.
    pub leaving: Option<String>,
    /// The whole of the new membership, instead of the two above.
    pub members: Option<String>,
    /// The version of the configuration that it builds on; -1 for any.
    pub version: i64,
}

type Called<T> = Result<T, CallError>;

impl Session {
    /// Creates a znode, and tells its path.
    ///
    /// # Errors
    /// The path is none, or the server refuses.
    pub fn create(&self, path: &str, data: Option<Bytes>, acl: Vec<Acl>, mode: CreateMode) -> Called<String> {
        if mode.sequential {
            validate(&format!("{path}1"))?;
        } else {
            validate(path)?;
        }
        if acl.is_empty() {
            return Err(Failure { code: Code::INVALID_ACL, path: None }.into());
        }
        let (on_server, acl, flags) = (self.servers().on_server(path).into(), Some(acl), mode.flags());
        let created = match mode.lifetime {
            Lifetime::Ttl(ttl) => {
                let request = CreateTtlRequest { path: on_server, data, acl, flags, ttl };
                self.ask::<Create2Response>(OpCode::CREATE_TTL, &request, Deed::Nothing, path)?.path
            }
            lifetime => {
                let op =
                    if lifetime == Lifetime::Container { OpCode::CREATE_CONTAINER } else { OpCode::CREATE };
                let request = CreateRequest { path: on_server, data, acl, flags };
                self.ask::<CreateResponse>(op, &request, Deed::Nothing, path)?.path
            }
        };
        Ok(self.servers().off_server(&created).to_owned())
    }

    /// Deletes a znode that has this version; -1 for any.
    ///
    /// # Errors
    /// The path is none, or the server refuses.
    pub fn delete(&self, path: &str, version: i32) -> Called<()> {
        let request = DeleteRequest { path: self.checked(path)?.into(), version };
        self.send(OpCode::DELETE, &request, Deed::Nothing).wait(Some(path))?;
        Ok(())
    }

    /// Deletes them from the last to the first, so many at once. Says whether all are gone.
    pub fn delete_in_batches(&self, paths: &[String], batch: usize) -> bool {
        // The reply to a multi that fails is a success: each result in it tells of the failure.
        let is_done = |answer: Answer| {
            let first =
                answer.wait(None).ok().and_then(|body| MultiHeader::decode(&mut Reader::shared(&body)).ok());
            first.is_some_and(|header| header.op != OpCode::ERROR || header.done)
        };
        let mut under_way: VecDeque<Answer> = VecDeque::new();
        let mut all = true;
        let from_the_last: Vec<&String> = paths.iter().rev().collect();
        for some in from_the_last.chunks(batch.max(1)) {
            while under_way.len() >= BATCHES {
                all &= under_way.pop_front().is_none_or(is_done);
            }
            if !all {
                break;
            }
            let request = Deletes(some.iter().map(|path| self.servers().on_server(path)).collect());
            under_way.push_back(self.send(OpCode::MULTI, &request, Deed::Nothing));
        }
        under_way.into_iter().fold(all, |all, answer| is_done(answer) && all)
    }

    /// How a znode is, if there is one.
    ///
    /// # Errors
    /// The path is none, or the server refuses.
    pub fn exists(&self, path: &str, watch: bool) -> Called<Option<Stat>> {
        let on_server = self.checked(path)?;
        let deed = if watch { Deed::WatchExistence(on_server.clone()) } else { Deed::Nothing };
        let request = ExistsRequest { path: Cow::Owned(on_server), watch };
        match self.ask::<ExistsResponse>(OpCode::EXISTS, &request, deed, path) {
            Ok(response) => Ok(Some(response.stat)),
            Err(CallError::Failure(Failure { code: Code::NO_NODE, .. })) => Ok(None),
            Err(error) => Err(error),
        }
    }

    /// The data of a znode, and how it is.
    ///
    /// # Errors
    /// The path is none, or the server refuses.
    pub fn get_data(&self, path: &str, watch: bool) -> Called<(Option<Bytes>, Stat)> {
        let on_server = self.checked(path)?;
        self.data_of(on_server, path, watch)
    }

    /// The membership (`/zookeeper/config`, whatever the chroot).
    ///
    /// # Errors
    /// The server refuses.
    pub fn get_config(&self, watch: bool) -> Called<(Option<Bytes>, Stat)> {
        self.data_of(CONFIG_PATH.to_owned(), CONFIG_PATH, watch)
    }

    fn data_of(&self, on_server: String, path: &str, watch: bool) -> Called<(Option<Bytes>, Stat)> {
        let deed = watch_if(watch, WatchKind::Data, &on_server);
        let request = GetDataRequest { path: Cow::Owned(on_server), watch };
        let response: GetDataResponse = self.ask(OpCode::GET_DATA, &request, deed, path)?;
        Ok((response.data, response.stat))
    }

    /// Writes data where the znode has this version; -1 for any.
    ///
    /// # Errors
    /// The path is none, or the server refuses.
    pub fn set_data(&self, path: &str, data: Bytes, version: i32) -> Called<Stat> {
        let request = SetDataRequest { path: self.checked(path)?.into(), data: Some(data), version };
        Ok(self.ask::<SetDataResponse>(OpCode::SET_DATA, &request, Deed::Nothing, path)?.stat)
    }

    /// The names of the children, sorted, and how the znode is.
    ///
    /// # Errors
    /// The path is none, or the server refuses.
    pub fn get_children(&self, path: &str, watch: bool) -> Called<(Vec<String>, Stat)> {
        let on_server = self.checked(path)?;
        let deed = watch_if(watch, WatchKind::Child, &on_server);
        let request = GetChildren2Request { path: Cow::Owned(on_server), watch };
        let response: GetChildren2Response = self.ask(OpCode::GET_CHILDREN2, &request, deed, path)?;
        let mut names: Vec<String> = response.children.iter().map(|name| (**name).to_owned()).collect();
        names.sort_unstable();
        Ok((names, response.stat))
    }

    /// The ACL of a znode, and how it is.
    ///
    /// # Errors
    /// The path is none, or the server refuses.
    pub fn get_acl(&self, path: &str) -> Called<(Vec<Acl>, Stat)> {
        let request = GetAclRequest { path: Cow::Owned(self.checked(path)?) };
        let response: GetAclResponse = self.ask(OpCode::GET_ACL, &request, Deed::Nothing, path)?;
        Ok((response.acl, response.stat))
    }

    /// Writes the ACL where it has this version; -1 for any.
    ///
    /// # Errors
    /// The path is none, or the server refuses.
    pub fn set_acl(&self, path: &str, acl: Vec<Acl>, version: i32) -> Called<Stat> {
        let on_server = self.checked(path)?;
        if acl.is_empty() {
            return Err(Failure { code: Code::INVALID_ACL, path: None }.into());
        }
        let request = SetAclRequest { path: on_server.into(), acl: Some(acl), version };
        Ok(self.ask::<SetAclResponse>(OpCode::SET_ACL, &request, Deed::Nothing, path)?.stat)
    }

    /// Waits until the server has all that was written before.
    ///
    /// # Errors
    /// The path is none, or the server refuses.
    pub fn sync(&self, path: &str) -> Called<()> {
        let request = SyncRequest { path: Some(Cow::Owned(self.checked(path)?)) };
        self.send(OpCode::SYNC, &request, Deed::Nothing).wait(Some(path))?;
        Ok(())
    }

    /// How many znodes are below this one.
    ///
    /// # Errors
    /// The path is none, or the server refuses.
    pub fn all_children_number(&self, path: &str) -> Called<i32> {
        let request = GetAllChildrenNumberRequest { path: Cow::Owned(self.checked(path)?) };
        let op = OpCode::GET_ALL_CHILDREN_NUMBER;
        Ok(self.ask::<GetAllChildrenNumberResponse>(op, &request, Deed::Nothing, path)?.total_number)
    }

    /// The session's ephemerals whose paths begin like this.
    ///
    /// # Errors
    /// The path is none, or the server refuses.
    pub fn ephemerals(&self, prefix: &str) -> Called<Vec<String>> {
        let request = GetEphemeralsRequest { prefix_path: Some(Cow::Owned(self.checked(prefix)?)) };
        let op = OpCode::GET_EPHEMERALS;
        let response: GetEphemeralsResponse = self.ask(op, &request, Deed::Nothing, prefix)?;
        let paths = response.ephemerals.iter();
        Ok(paths.map(|path| self.servers().off_server(path).to_owned()).collect())
    }

    /// Whom the server takes this connection for.
    ///
    /// # Errors
    /// The server refuses.
    pub fn who_am_i(&self) -> Called<Vec<ClientInfo>> {
        let body = self.send(OpCode::WHO_AM_I, &Nothing, Deed::Nothing).wait(None)?;
        Ok(decoded::<WhoAmIResponse>(&body, None)?.client_info)
    }

    /// Leaves a watch for good on a znode, or on it and all below it.
    ///
    /// # Errors
    /// The path is none, or the server refuses.
    pub fn add_watch(&self, path: &str, recursive: bool) -> Called<()> {
        let on_server = self.checked(path)?;
        let kind = if recursive { WatchKind::PersistentRecursive } else { WatchKind::Persistent };
        let request =
            AddWatchRequest { path: Some(Cow::Owned(on_server.clone())), mode: i32::from(recursive) };
        let deed = Deed::Watch(kind, on_server);
        self.send(OpCode::ADD_WATCH, &request, deed).wait(Some(path))?;
        Ok(())
    }

    /// Takes watches back; where `local`, also when no server can be asked.
    ///
    /// # Errors
    /// The path is none, there is no such watch, or the server refuses.
    pub fn remove_watches(&self, path: &str, which: Unwatched, local: bool) -> Called<()> {
        let on_server = self.checked(path)?;
        let request = RemoveWatchesRequest { path: Cow::Owned(on_server.clone()), kind: which.number() };
        let deed = Deed::Unwatch { which, path: on_server, local };
        self.send(OpCode::REMOVE_WATCHES, &request, deed).wait(Some(path))?;
        Ok(())
    }

    /// Changes the ensemble: the new membership, and how its znode is.
    ///
    /// # Errors
    /// The server refuses.
    pub fn reconfigure(&self, change: Reconfiguration) -> Called<(Option<Bytes>, Stat)> {
        let request = ReconfigRequest {
            joining_servers: change.joining.map(Into::into),
            leaving_servers: change.leaving.map(Into::into),
            new_members: change.members.map(Into::into),
            cur_config_id: change.version,
        };
        let body = self.send(OpCode::RECONFIG, &request, Deed::Nothing).wait(None)?;
        let response: GetDataResponse = decoded(&body, None)?;
        Ok((response.data, response.stat))
    }

    fn checked(&self, path: &str) -> Result<String, PathProblem> {
        validate(path)?;
        Ok(self.servers().on_server(path))
    }

    fn ask<T: for<'b> Decode<'b>>(
        &self,
        op: OpCode,
        request: &impl Encode,
        deed: Deed,
        path: &str,
    ) -> Called<T> {
        let body = self.send(op, request, deed).wait(Some(path))?;
        Ok(decoded(&body, Some(path))?)
    }
}

fn watch_if(watch: bool, kind: WatchKind, path: &str) -> Deed {
    if watch { Deed::Watch(kind, path.to_owned()) } else { Deed::Nothing }
}

fn decoded<T: for<'b> Decode<'b>>(body: &Bytes, path: Option<&str>) -> Result<T, Failure> {
    let failure = |_| Failure { code: Code::MARSHALLING_ERROR, path: path.map(str::to_owned) };
    T::decode(&mut Reader::shared(body)).map_err(failure)
}

/// A request without a body.
struct Nothing;

impl Encode for Nothing {
    fn encode(&self, _out: &mut Vec<u8>) {}
    fn encoded_len(&self) -> usize {
        0
    }
}

/// A multi of deletes, whatever the versions.
struct Deletes(Vec<String>);

impl Encode for Deletes {
    fn encode(&self, out: &mut Vec<u8>) {
        for path in &self.0 {
            MultiHeader { op: OpCode::DELETE, done: false, err: -1 }.encode(out);
            DeleteRequest { path: path.as_str().into(), version: -1 }.encode(out);
        }
        MultiHeader { op: OpCode::ERROR, done: true, err: -1 }.encode(out);
    }
    fn encoded_len(&self) -> usize {
        const HEADER: usize = 4 + 1 + 4;
        // A path with its length, and a version.
        let delete = |path: &String| HEADER + 4 + path.len() + 4;
        self.0.iter().map(delete).sum::<usize>() + HEADER
    }
}
