//! A configuration made of another one: members join, change and leave.

use super::{Member, Membership, MembershipError, lines::Lines};
use oxkeeper_codec::ServerId;
use std::net::IpAddr;

impl Membership {
    /// These members less those that leave (ids parted by commas), with those that join or change (`server.N=...` parted by commas,
    /// each with its client port), in the same version. Only where the majority decides.
    ///
    /// # Errors
    /// What is to be changed makes no sense, or nobody is left who votes.
    pub fn changed(&self, joining: Option<&str>, leaving: Option<&str>) -> Result<Self, MembershipError> {
        if self.groups.is_some() {
            let problem = "groups of servers are changed as a whole only".to_owned();
            return Err(MembershipError::Conflict { key: "group".to_owned(), problem });
        }
        let mut members = self.members.clone();
        for id in parts(leaving) {
            let no_id = || MembershipError::Key { key: format!("server.{id}") };
            members.remove(&ServerId(id.parse().map_err(|_| no_id())?));
        }
        for line in parts(joining) {
            let (id, member) = joiner(line)?;
            let twice =
                members.iter().find(|(other, theirs)| **other != id && shares_address(&member, theirs));
            if let Some((other, _)) = twice {
                let problem = format!("has an address of server {other}");
                return Err(MembershipError::Conflict { key: format!("server.{id}"), problem });
            }
            members.insert(id, member);
        }
        Lines::of(members).finish().map(|changed| changed.with_version(self.version))
    }
}

/// What stands between commas, without blanks around it.
fn parts(text: Option<&str>) -> impl Iterator<Item = &str> {
    text.unwrap_or_default().split(',').map(str::trim).filter(|part| !part.is_empty())
}

fn joiner(line: &str) -> Result<(ServerId, Member), MembershipError> {
    let no_key = || MembershipError::Key { key: line.to_owned() };
    let (key, value) = line.split_once('=').ok_or_else(no_key)?;
    let number = key.trim().rsplit('.').next().unwrap_or_default();
    let id = number.parse().map(ServerId).map_err(|_| no_key())?;
    let member = Member::parse(value.trim()).filter(|member| member.client.is_some());
    let allowed = Member::FORM;
    member.map(|member| (id, member)).ok_or_else(|| MembershipError::Value {
        key: key.to_owned(),
        value: value.to_owned(),
        allowed,
    })
}

/// Two on one machine share its loopback and wildcard addresses (`QuorumServer.checkAddressDuplicate`).
fn shares_address(a: &Member, b: &Member) -> bool {
    let all = |member: &Member| {
        let own = member.addresses.iter();
        let ports = own.flat_map(|at| [at.quorum_port, at.election_port].map(|port| (at.host.clone(), port)));
        let client = member.client.iter().map(|at| (at.host.clone(), at.port));
        ports.chain(client).filter(|(host, _)| !is_special(host)).collect::<Vec<_>>()
    };
    let theirs = all(b);
    all(a).iter().any(|address| theirs.contains(address))
}

fn is_special(host: &str) -> bool {
    host == "localhost"
        || host.parse::<IpAddr>().is_ok_and(|address| address.is_unspecified() || address.is_loopback())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn three() -> Membership {
        let text = "server.1=a:1:2\nserver.2=b:1:2\nserver.3=c:1:2\nversion=7";
        Membership::parse(text).expect("members")
    }

    fn check(joining: &str, leaving: &str, expected: Option<&str>) {
        let changed = three().changed(Some(joining), Some(leaving)).ok().map(|changed| changed.to_string());
        assert_eq!(changed.as_deref(), expected, "for {joining:?} and {leaving:?}");
    }

    #[test]
    fn members_join_change_and_leave() {
        let (one, two) = ("server.1=a:1:2:participant\n", "server.2=b:1:2:participant\n");
        let three = "server.3=c:1:2:participant\n";
        check("", "3", Some(&format!("{one}{two}version=7")));
        check("", " 3 , 9,", Some(&format!("{one}{two}version=7")));
        let four = "server.4=d:1:2:observer;0.0.0.0:3\n";
        check("server.4=d:1:2:observer;3", "1", Some(&format!("{two}{three}{four}version=7")));
        let moved = "server.3=e:5:6:participant;h:7\n";
        check("server.3=e:5:6;h:7", "", Some(&format!("{one}{two}{moved}version=7")));
    }

    #[test]
    fn what_makes_no_sense_is_refused() {
        check("", "x", None);
        check("", "1,2,3", None);
        check("server.4=d:1:2", "", None);
        check("server.4", "", None);
        check("server.x=d:1:2;3", "", None);
        check("server.4=a:1:5;3", "", None);
        let grouped = Membership::parse("server.1=a:1:2\nserver.2=b:1:2\ngroup.1=1:2").expect("members");
        assert!(grouped.changed(None, Some("2")).is_err());
    }

    #[test]
    fn loopback_is_shared() {
        let all = "server.1=127.0.0.1:1:2;5\nserver.2=127.0.0.1:3:4;6";
        let two = Membership::parse(all).expect("members");
        assert!(two.changed(Some("server.3=127.0.0.1:1:4;5"), None).is_ok());
    }
}
