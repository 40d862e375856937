//! The election port.

use super::*;

#[test]
fn two_members_talk_whoever_comes_first() {
    for order in [[1, 2], [2, 1]] {
        let members = members(2);
        let [first, second] = order.map(|id| {
            let member = Member::start(id, &members);
            member.votes(&[3 - id], 10 + id);
            member
        });
        assert_eq!(first.vote_of(order[1]), 10 + order[1]);
        assert_eq!(second.vote_of(order[0]), 10 + order[0]);
        first.stop();
        second.misses(order[0]);
        second.stop();
    }
}
