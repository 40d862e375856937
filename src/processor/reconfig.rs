//! reconfig: another configuration of the ensemble (`PrepRequestProcessor.pRequest2Txn`).

use super::{Outcome, Preparation};
use crate::{
    membership::{Member, Membership},
    tree::CONFIG_PATH,
    zab::{Members, Quorum},
};
use bytes::Bytes;
use oxkeeper_codec::{
    Code, Perms,
    records::{ReconfigRequest, SetDataTxn},
    txn::Txn,
};

/// What a leader knows of its ensemble.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct KnownEnsemble {
    /// The last configuration that was proposed.
    pub latest: Membership,
    /// Whether it is not in force yet.
    pub changing: bool,
    /// Followers that are up to date, and the leader.
    pub synced: Members,
}

impl Preparation<'_> {
    /// The order of the checks shows in the answers: whoever may not change anything still hears that the version is wrong.
    pub(super) fn reconfig(&mut self, request: &ReconfigRequest) -> Outcome {
        if !self.rules.reconfig_enabled {
            return Err(Code::RECONFIG_DISABLED);
        }
        self.check_session()?;
        // A standalone server has no members to change.
        let known = self.known.clone().ok_or(Code::UNIMPLEMENTED)?;
        if known.changing {
            return Err(Code::RECONFIG_IN_PROGRESS);
        }
        if request.cur_config_id != -1 && request.cur_config_id != known.latest.version() {
            return Err(Code::BAD_VERSION);
        }
        let next = match &request.new_members {
            Some(members) => Membership::parse(&members.replace(',', "\n")),
            None => {
                known.latest.changed(request.joining_servers.as_deref(), request.leaving_servers.as_deref())
            }
        };
        let next = next.map_err(|_| Code::BAD_ARGUMENTS)?.with_version(self.proposal.zxid.0);
        let several = |(_, member): (_, &Member)| member.addresses.len() > 1;
        if !self.rules.multi_address && next.members().any(several) {
            return Err(Code::BAD_ARGUMENTS);
        }
        if next.participants().count() < self.rules.least_voters {
            return Err(Code::BAD_ARGUMENTS);
        }
        if !Quorum::from(&next).is_met_by(&known.synced) {
            return Err(Code::NEW_CONFIG_NO_QUORUM);
        }
        let mut record = self.existing(CONFIG_PATH)?;
        self.check_acl(&record, Perms::WRITE)?;
        let data = Bytes::from(next.to_string());
        let path = CONFIG_PATH.into();
        let old_digest = self.digest_of(&record);
        (record.stat.version, record.stat.mtime) = (-1, self.proposal.time_ms);
        record.stat.mzxid = self.proposal.zxid;
        (record.data_len, record.crc) = (data.len(), self.crc(CONFIG_PATH, Some(&data)));
        self.put(&path, Some(record), old_digest);
        *self.known = Some(KnownEnsemble { latest: next, changing: true, synced: known.synced });
        Ok(Txn::Reconfig(SetDataTxn { path, data: Some(data), version: -1 }))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{
        auth::{AuthConfig, Identities},
        processor::{Known, Processor, Proposal, Rules},
        tree::{Tree, TreeOptions},
    };
    use oxkeeper_codec::{Encode, OpCode, ServerId, SessionId, Zxid};

    const THREE: &str = "server.1=a:1:2\nserver.2=b:1:2\nserver.3=c:1:2\nversion=7";

    /// What becomes of a request whose session is live or not, at a leader whose followers 1 and 2 are up to date.
    fn judged(
        request: &ReconfigRequest,
        live: bool,
        (enabled, skip_acl): (bool, bool),
        change: impl FnOnce(&mut KnownEnsemble) -> bool,
    ) -> (Txn, Option<KnownEnsemble>) {
        let mut tree = Tree::new(TreeOptions::default());
        tree.write_config(THREE, 7, 0, &mut ());
        let auth = AuthConfig { skip_acl, ..AuthConfig::default() };
        let rules = Rules { reconfig_enabled: enabled, auth, ..Rules::default() };
        let mut processor = Processor::new(rules, &tree);
        let latest = Membership::parse(THREE).expect("members");
        let synced = [1, 2].map(ServerId).into();
        let mut known = KnownEnsemble { latest, changing: false, synced };
        if change(&mut known) {
            processor.know(known);
        }
        let proposal = Proposal {
            zxid: Zxid(9),
            time_ms: 77,
            session: SessionId(1),
            xid: 1,
            identities: &Identities::none(),
            known: if live { Known::Everywhere } else { Known::Nowhere },
        };
        let mut body = Vec::new();
        request.encode(&mut body);
        let judged = processor.prepare(&tree, OpCode::RECONFIG, &body.into(), &proposal).expect("it decodes");
        (judged.logged.txn, processor.known)
    }

    /// `zoo.cfg` with them would not start a member either (`QuorumServer.initializeWithAddressString`).
    #[test]
    fn several_addresses_have_to_be_allowed() {
        let several = "server.3=c:1:2|d:1:2;2181";
        let joining =
            ReconfigRequest { joining_servers: Some(several.into()), leaving_servers: None, ..leaving("") };
        let whole = format!("server.1=a:1:2,server.2=b:1:2,{several}");
        let whole = ReconfigRequest { new_members: Some(whole.into()), leaving_servers: None, ..leaving("") };
        for request in [joining, whole] {
            let (txn, _) = judged(&request, true, (true, true), |_| true);
            assert!(matches!(txn, Txn::Error(error) if error.err == Code::BAD_ARGUMENTS));
        }
    }

    fn leaving(id: &str) -> ReconfigRequest {
        let (joining_servers, new_members) = (None, None);
        ReconfigRequest { joining_servers, leaving_servers: Some(id.into()), new_members, cur_config_id: -1 }
    }

    /// Behaviour 169: of several things that are wrong, the first in this order is told.
    #[test]
    fn checks_come_in_the_official_order() {
        let wrong = ReconfigRequest { cur_config_id: 5, ..leaving("x") };
        let right_version = ReconfigRequest { cur_config_id: 7, ..leaving("x") };
        let alone = |known: &mut KnownEnsemble| {
            known.synced.remove(&ServerId(2));
            true
        };
        let changing = |known: &mut KnownEnsemble| {
            known.changing = true;
            true
        };
        let code = |(txn, _): (Txn, Option<KnownEnsemble>)| match txn {
            Txn::Error(error) => error.err,
            other => panic!("{other:?}"),
        };
        let strict = (true, false);
        assert_eq!(code(judged(&wrong, false, (false, false), |_| false)), Code::RECONFIG_DISABLED);
        assert_eq!(code(judged(&wrong, false, strict, |_| false)), Code::SESSION_EXPIRED);
        assert_eq!(code(judged(&wrong, true, strict, |_| false)), Code::UNIMPLEMENTED);
        assert_eq!(code(judged(&wrong, true, strict, changing)), Code::RECONFIG_IN_PROGRESS);
        assert_eq!(code(judged(&wrong, true, strict, alone)), Code::BAD_VERSION);
        assert_eq!(code(judged(&right_version, true, strict, alone)), Code::BAD_ARGUMENTS);
        assert_eq!(code(judged(&leaving("1,2"), true, strict, alone)), Code::BAD_ARGUMENTS, "too few");
        assert_eq!(code(judged(&leaving("1"), true, strict, alone)), Code::NEW_CONFIG_NO_QUORUM);
        assert_eq!(code(judged(&leaving("3"), true, strict, |_| true)), Code::NO_AUTH);
    }

    #[test]
    fn a_change_is_a_transaction_and_under_way_from_then_on() {
        let two = "server.1=a:1:2:participant\nserver.2=b:1:2:participant\nversion=9";
        let whole = ReconfigRequest {
            new_members: Some("server.1=a:1:2,server.2=b:1:2".into()),
            leaving_servers: None,
            ..leaving("")
        };
        for request in [leaving("3"), whole] {
            let (txn, known) = judged(&request, true, (true, true), |_| true);
            let Txn::Reconfig(made) = txn else { panic!("{txn:?}") };
            assert_eq!((made.path.as_str(), made.version), (CONFIG_PATH, -1));
            assert_eq!(made.data.as_deref(), Some(two.as_bytes()));
            let known = known.expect("it is known");
            assert_eq!((known.changing, known.latest.to_string().as_str()), (true, two));
        }
    }
}
