//! Quorums: which sets of members decide (`QuorumMaj`, `QuorumHierarchical`).
//!
//! Invariant: any two quorums of one configuration have a member in common; so have a quorum of [`Quorums`] and one of
//! each configuration in it.

use crate::membership::Membership;
use oxkeeper_codec::ServerId;
use std::collections::{BTreeMap, BTreeSet};

/// Members that have said something.
pub type Members = BTreeSet<ServerId>;

/// When a set of voters is a quorum.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Quorum {
    /// More than half of these.
    Majority(Members),
    /// More than half of the weight in each of more than half of the groups that weigh anything.
    Groups(Vec<BTreeMap<ServerId, i64>>),
}

impl Quorum {
    /// Whether the members in `set` decide. Others than voters do not count.
    pub fn is_met_by(&self, set: &Members) -> bool {
        match self {
            Self::Majority(voters) => voters.intersection(set).count() > voters.len() / 2,
            Self::Groups(groups) => {
                let weight = |group: &BTreeMap<ServerId, i64>, of: &dyn Fn(&ServerId) -> bool| -> i64 {
                    group.iter().filter(|(id, _)| of(id)).map(|(_, weight)| weight).sum()
                };
                let heavy: Vec<_> = groups.iter().filter(|group| weight(group, &|_| true) > 0).collect();
                let met = |group: &BTreeMap<ServerId, i64>| {
                    weight(group, &|id| set.contains(id)) > weight(group, &|_| true) / 2
                };
                heavy.iter().filter(|group| met(group)).count() > heavy.len() / 2
            }
        }
    }

    /// Whether the member votes, with whatever weight.
    pub fn is_voter(&self, id: ServerId) -> bool {
        match self {
            Self::Majority(voters) => voters.contains(&id),
            Self::Groups(groups) => groups.iter().any(|group| group.contains_key(&id)),
        }
    }

    /// Whether the member may lead: its vote weighs something.
    pub fn can_lead(&self, id: ServerId) -> bool {
        match self {
            Self::Majority(voters) => voters.contains(&id),
            Self::Groups(groups) => {
                groups.iter().any(|group| group.get(&id).is_some_and(|&weight| weight > 0))
            }
        }
    }

    /// All voters, in the order of their ids.
    pub fn voters(&self) -> Members {
        match self {
            Self::Majority(voters) => voters.clone(),
            Self::Groups(groups) => groups.iter().flat_map(BTreeMap::keys).copied().collect(),
        }
    }
}

impl From<&Membership> for Quorum {
    fn from(membership: &Membership) -> Self {
        match membership.groups() {
            Some(groups) => Self::Groups(groups),
            None => Self::Majority(membership.participants().collect()),
        }
    }
}

/// The quorum in force, and while the ensemble changes, the next one beside it: both have to be met.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Quorums {
    /// In force.
    pub current: Quorum,
    /// Proposed, and not committed yet.
    pub next: Option<Quorum>,
}

impl Quorums {
    /// One quorum, and no change under way.
    pub const fn one(current: Quorum) -> Self {
        Self { current, next: None }
    }

    /// Whether the members in `set` decide.
    pub fn are_met_by(&self, set: &Members) -> bool {
        self.current.is_met_by(set) && self.next.as_ref().is_none_or(|next| next.is_met_by(set))
    }

    /// Whether the member votes in either.
    pub fn is_voter(&self, id: ServerId) -> bool {
        self.current.is_voter(id) || self.next.as_ref().is_some_and(|next| next.is_voter(id))
    }

    /// Whether the member may lead: in either, for one that votes in the next alone may be the only one that has what was
    /// committed since the change.
    pub fn can_lead(&self, id: ServerId) -> bool {
        self.current.can_lead(id) || self.next.as_ref().is_some_and(|next| next.can_lead(id))
    }

    /// All voters of both, in the order of their ids.
    pub fn voters(&self) -> Members {
        let mut voters = self.current.voters();
        voters.extend(self.next.iter().flat_map(Quorum::voters));
        voters
    }

    /// The greatest of the values that members vouch for, such that a quorum vouches for it or for more. Each member is listed
    /// once at most.
    pub fn agreed<T: Ord + Copy>(&self, vouched: &[(ServerId, T)]) -> Option<T> {
        let of_voters = vouched.iter().filter(|(id, _)| self.is_voter(*id)).map(|&(_, value)| value);
        let mut values: Vec<T> = of_voters.collect();
        values.sort_unstable_by(|a, b| b.cmp(a));
        if let Self { current: Quorum::Majority(voters), next: None } = self {
            // Asked with each acknowledgement.
            return values.get(voters.len() / 2).copied();
        }
        values.dedup();
        let at_least = |value: T| vouched.iter().filter(move |(_, has)| *has >= value).map(|&(id, _)| id);
        values.into_iter().find(|&value| self.are_met_by(&at_least(value).collect()))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn ids(ids: &[i64]) -> Members {
        ids.iter().copied().map(ServerId).collect()
    }

    fn groups(groups: &[&[(i64, i64)]]) -> Quorum {
        let group =
            |group: &&[(i64, i64)]| group.iter().map(|&(id, weight)| (ServerId(id), weight)).collect();
        Quorum::Groups(groups.iter().map(group).collect())
    }

    #[test]
    fn more_than_half_decide() {
        let of = |voters: &[i64], set: &[i64]| Quorum::Majority(ids(voters)).is_met_by(&ids(set));
        assert!(of(&[1], &[1]) && !of(&[1], &[]));
        assert!(of(&[1, 2, 3], &[1, 3]) && !of(&[1, 2, 3], &[2]));
        assert!(!of(&[1, 2, 3, 4], &[1, 2]) && of(&[1, 2, 3, 4], &[1, 2, 4]));
        assert!(!of(&[1, 2, 3], &[1, 7, 8, 9]), "others do not count");
    }

    #[test]
    fn a_member_of_weight_0_votes_and_decides_nothing() {
        let quorum = groups(&[&[(1, 1), (2, 1), (3, 0)]]);
        assert!(quorum.is_met_by(&ids(&[1, 2])));
        assert!(!quorum.is_met_by(&ids(&[1, 3])) && !quorum.is_met_by(&ids(&[2, 3])));
        assert!(
            quorum.is_voter(ServerId(3)) && !quorum.can_lead(ServerId(3)) && quorum.can_lead(ServerId(1))
        );
    }

    #[test]
    fn most_groups_decide_each_by_most_of_its_weight() {
        let quorum = groups(&[&[(1, 1), (2, 1), (3, 1)], &[(4, 1), (5, 1), (6, 1)], &[(7, 0)]]);
        assert!(quorum.is_met_by(&ids(&[1, 2, 4, 5])));
        assert!(!quorum.is_met_by(&ids(&[1, 2, 3, 4, 7])), "one group of two that weigh anything");
    }

    #[test]
    fn while_the_ensemble_changes_both_quorums_are_needed() {
        let of = |ids_: &[i64]| Quorum::Majority(ids(ids_));
        let quorums = Quorums { current: of(&[1, 2, 3]), next: Some(of(&[3, 4, 5])) };
        assert!(!quorums.are_met_by(&ids(&[1, 2])) && !quorums.are_met_by(&ids(&[4, 5])));
        assert!(quorums.are_met_by(&ids(&[1, 3, 4])));
        assert_eq!(quorums.voters(), ids(&[1, 2, 3, 4, 5]));
    }

    #[test]
    fn what_is_agreed_is_vouched_for_by_a_quorum() {
        let quorums = Quorums::one(Quorum::Majority(ids(&[1, 2, 3, 4, 5])));
        let vouched = |values: &[(i64, i32)]| -> Vec<(ServerId, i32)> {
            values.iter().map(|&(id, value)| (ServerId(id), value)).collect()
        };
        assert_eq!(quorums.agreed(&vouched(&[(1, 9), (2, 7), (3, 5), (4, 3), (5, 1)])), Some(5));
        assert_eq!(quorums.agreed(&vouched(&[(1, 9), (2, 7)])), None);
        assert_eq!(quorums.agreed(&vouched(&[(1, 9), (2, 9), (3, 9), (8, 10)])), Some(9));
    }

    #[test]
    fn the_lines_of_a_configuration_say_who_decides() {
        let of = |text: &str| Quorum::from(&Membership::parse(text).expect(text));
        let servers = "server.1=a:1:2\nserver.2=b:1:2\nserver.3=c:1:2\nserver.4=d:1:2:observer\n";
        assert_eq!(of(servers), Quorum::Majority(ids(&[1, 2, 3])));
        let weighed = format!("{servers}group.1=1:3\ngroup.2=2\nweight.3=0");
        assert_eq!(of(&weighed), groups(&[&[(1, 1), (3, 0)], &[(2, 1)]]));
    }

    fn any_quorum() -> impl Strategy<Value = Quorum> {
        let weights = prop::collection::btree_map((1..=6_i64).prop_map(ServerId), 0..3_i64, 0..4);
        prop_oneof![
            prop::collection::btree_set((1..=6_i64).prop_map(ServerId), 1..6).prop_map(Quorum::Majority),
            prop::collection::vec(weights, 1..4).prop_map(Quorum::Groups),
        ]
    }

    fn any_set() -> impl Strategy<Value = Members> {
        prop::collection::btree_set((1..=6_i64).prop_map(ServerId), 0..6)
    }

    proptest! {
        #[test]
        fn what_is_agreed_is_the_same_in_both_ways(
            voters in prop::collection::btree_set((1..=6_i64).prop_map(ServerId), 1..6),
            vouched in prop::collection::btree_map((1..=6_i64).prop_map(ServerId), 0..5_i32, 0..6),
        ) {
            let quorum = Quorum::Majority(voters);
            let short = Quorums::one(quorum.clone());
            let long = Quorums { next: Some(quorum.clone()), current: quorum };
            let vouched: Vec<_> = vouched.into_iter().collect();
            prop_assert_eq!(short.agreed(&vouched), long.agreed(&vouched));
        }

        #[test]
        fn two_quorums_have_a_member_in_common(quorum in any_quorum(), a in any_set(), b in any_set()) {
            // A member is in one group.
            if let Quorum::Groups(groups) = &quorum {
                let members: usize = groups.iter().map(BTreeMap::len).sum();
                prop_assume!(members == quorum.voters().len());
            }
            if quorum.is_met_by(&a) && quorum.is_met_by(&b) {
                prop_assert!(a.intersection(&b).count() > 0);
            }
        }
    }
}
