//! Texts of official servers, and texts of any kind.

use super::*;
use proptest::prelude::*;

/// What the official server makes of a text, as [`Membership`] does.
const OFFICIAL: &str = include_str!("../../../compat-tests/config/memberships.tsv");

#[track_caller]
fn parsed(text: &str) -> Membership {
    Membership::parse(text).unwrap_or_else(|error| panic!("{error}, for {text:?}"))
}

/// The text is refused, with this message.
#[track_caller]
fn refused(text: &str, message: &str) {
    let error = Membership::parse(text).expect_err(text).to_string();
    assert_eq!(error, message, "for {text:?}");
}

#[test]
fn texts_are_taken_and_written_as_by_the_official_server() {
    let rows = OFFICIAL.lines().filter(|row| !row.starts_with('#'));
    let rows: Vec<_> = rows.map(|row| row.split_once('\t').expect("two columns")).collect();
    assert!(rows.len() > 60, "{} rows", rows.len());
    for (text, official) in rows {
        let read = Membership::parse(&text.replace("\\n", "\n"));
        let written =
            read.map_or_else(|_| "refuses".to_owned(), |read| read.to_string().replace('\n', "\\n"));
        assert_eq!(written, official, "for {text}");
    }
}

/// `NEWLEADER` and notifications of an ensemble of three.
#[test]
fn a_text_has_no_line_end_at_its_end() {
    let text = "server.1=127.0.0.1:40001:40011:participant\nserver.2=127.0.0.1:40002:40012:participant\n\
                server.3=127.0.0.1:40003:40013:participant\nversion=0";
    assert_eq!(text.len(), 138);
    assert_eq!(parsed(text).to_string(), text);
}

/// `conf` on each of three running servers (3.9.5) with these lines in their `zoo.cfg`.
#[test]
fn the_text_of_a_running_ensemble() {
    let lines = "server.1=127.0.0.1:41553:51935;127.0.0.1:47415\nserver.2=[::1]:38797:45255:participant;[::]:56567\n\
                 server.3=localhost:48169:45091;48101\nserver.17=127.0.0.1:60109:50011:observer\ngroup.1=1:2:3\n\
                 weight.3=0";
    let conf = "server.1=127.0.0.1:41553:51935:participant;127.0.0.1:47415\n\
                server.17=127.0.0.1:60109:50011:observer\n\
                server.2=[0:0:0:0:0:0:0:1]:38797:45255:participant;[0:0:0:0:0:0:0:0]:56567\n\
                server.3=localhost:48169:45091:participant;0.0.0.0:48101\ngroup.1=1:2:3\nweight.1=1\nweight.2=1\n\
                weight.3=0\nversion=0";
    assert_eq!(parsed(lines).to_string(), conf);
    assert_eq!(parsed(conf), parsed(lines));
}

#[test]
fn a_dynamic_file_is_sorted_and_has_no_version() {
    let text = "server.10=a:1:2;2181\nserver.2=b:1:2\nserver.1=c:1:2\ngroup.1=1:2:10\nversion=100000002";
    // As texts: "server.10=" is before "server.1=".
    let file = "group.1=1:2:10\nserver.10=a:1:2:participant;0.0.0.0:2181\nserver.1=c:1:2:participant\n\
                server.2=b:1:2:participant\nweight.10=1\nweight.1=1\nweight.2=1";
    let membership = parsed(text);
    assert_eq!(membership.dynamic_file(), file);
    assert_eq!(parsed(file).with_version(membership.version()), membership);
}

#[test]
fn a_member_has_addresses_a_role_and_perhaps_a_port_for_clients() {
    let membership = parsed("server.5=b:1:2|[::1]:3:4:observer;[::]:2181\nserver.6=c:5:6");
    let addresses = |host: &str, quorum_port, election_port| Addresses {
        host: host.to_owned(),
        quorum_port,
        election_port,
    };
    let observer = Member {
        addresses: vec![addresses("0:0:0:0:0:0:0:1", 3, 4), addresses("b", 1, 2)],
        role: Role::Observer,
        client: Some(HostPort { host: "0:0:0:0:0:0:0:0".to_owned(), port: 2181 }),
    };
    assert_eq!(membership.member(ServerId(5)), Some(&observer));
    assert_eq!(membership.participants().collect::<Vec<_>>(), [ServerId(6)]);
    assert_eq!(membership.members().count(), 2);
    assert_eq!((membership.groups(), membership.version()), (None, 0));
}

#[test]
fn with_a_group_or_a_weight_groups_decide() {
    let group = |members: &[(i64, i64)]| members.iter().map(|&(id, weight)| (ServerId(id), weight)).collect();
    let servers = "server.1=a:1:2\nserver.2=b:1:2\nserver.3=c:1:2\nserver.4=d:1:2:observer\n";
    let groups = parsed(&format!("{servers}group.2=3\ngroup.1=1:2\nweight.2=0\nweight.9=4")).groups();
    assert_eq!(groups, Some(vec![group(&[(1, 1), (2, 0)]), group(&[(3, 1)])]));
    let nowhere = "server.1: is not in a group; with groups or weights, each participant is in one";
    refused(&format!("{servers}weight.1=1"), nowhere);
}

#[test]
fn what_is_wrong_is_named() {
    let server = "server.1=a:1:2\n";
    let form = Member::FORM;
    refused("server.1=a:1", &format!("server.1: bad value \"a:1\"; allowed: {form}"));
    refused("server.1=:1:2", &format!("server.1: bad value \":1:2\"; allowed: {form}"));
    refused("server.1=a\\\\b:1:2", &format!("server.1: bad value \"a\\b:1:2\"; allowed: {form}"));
    let key = "must be server.N, group.N or weight.N with a number N, or version";
    refused("clientPort=1", &format!("clientPort: {key}"));
    refused("server.1x=a:1:2", &format!("server.1x: {key}"));
    refused(&format!("{server}group.1=1:2"), "group.1: server 2 is no participant");
    refused(&format!("{server}group.1=1\ngroup.2=1"), "group.2: server 1 is in a group twice");
    let weights = "allowed: a whole number from 0 to 2147483647";
    refused(&format!("{server}group.1=1\nweight.1=-1"), &format!("weight.1: bad value \"-1\"; {weights}"));
    refused("version=1", "no server.N line names a participant");
    refused("a=1\nserver.1=\\u12", "line 2: \\u must be followed by four hexadecimal digits");
}

fn any_host() -> impl Strategy<Value = String> {
    prop_oneof![
        "[a-z][a-z0-9.-]{0,8}",
        any::<[u8; 4]>().prop_map(|address| std::net::Ipv4Addr::from(address).to_string()),
        any::<[u16; 8]>().prop_map(|address| format!("[{}]", std::net::Ipv6Addr::from(address))),
    ]
}

fn any_member() -> impl Strategy<Value = String> {
    let address = (any_host(), 0..65535_u16).prop_map(|(host, port)| format!("{host}:{port}:{}", port + 1));
    let client = (prop::option::of(any_host()), any::<u16>())
        .prop_map(|(host, port)| host.map_or_else(|| format!(";{port}"), |host| format!(";{host}:{port}")));
    let role = prop::sample::select(vec!["", ":participant", ":observer"]);
    (prop::collection::vec(address, 1..4), role, prop::option::of(client)).prop_map(
        |(addresses, role, client)| format!("{}{role}{}", addresses.join("|"), client.unwrap_or_default()),
    )
}

/// Members, of which at least one votes, with or without groups of all who do. A negative version is written as the
/// official server writes it, who cannot read that either.
fn any_membership() -> impl Strategy<Value = Membership> {
    let members = prop::collection::btree_map(any::<i64>(), any_member(), 1..14);
    (members, prop::option::of((1..4_i64, any::<i32>())), 0..=i64::MAX).prop_map(
        |(members, groups, version)| {
            let mut lines = Lines::default();
            for (id, member) in &members {
                lines.add(&format!("server.{id}"), member).expect(member);
            }
            lines.add("server.0", "h:1:2").expect("a member");
            let voters = lines.members().iter().filter(|(_, member)| member.role == Role::Participant);
            let voters: Vec<i64> = voters.map(|(id, _)| id.0).collect();
            if let Some((count, seed)) = groups {
                for number in 0..count {
                    let of = |id: &&i64| (**id ^ i64::from(seed)).rem_euclid(count) == number;
                    let ids: Vec<String> = voters.iter().filter(of).map(i64::to_string).collect();
                    if !ids.is_empty() {
                        lines.add(&format!("group.{number}"), &ids.join(":")).expect("a group");
                    }
                }
                lines.add("weight.0", &(seed & 0xff).to_string()).expect("a weight");
            }
            lines.finish().expect("they agree").with_version(version)
        },
    )
}

proptest! {
    #[test]
    fn what_is_written_reads_the_same(membership in any_membership()) {
        let text = membership.to_string();
        prop_assert_eq!(&parsed(&text), &membership);
        prop_assert_eq!(parsed(&text).to_string(), text);
        prop_assert_eq!(parsed(&membership.dynamic_file()).with_version(membership.version()), membership);
    }

    #[test]
    fn each_participant_is_in_one_group(membership in any_membership()) {
        let participants: Vec<ServerId> = membership.participants().collect();
        prop_assert!(!participants.is_empty());
        if let Some(groups) = membership.groups() {
            let mut grouped: Vec<ServerId> = groups.iter().flat_map(BTreeMap::keys).copied().collect();
            grouped.sort_unstable();
            prop_assert_eq!(grouped, participants);
        }
    }

    /// Whoever sends a text, it is taken or refused.
    #[test]
    fn no_text_is_too_odd(text in "((server|group|weight)\\.[0-9]?=)?[a-c0-3:;|.\\[\\]\\\\=\n -]{0,40}") {
        if let Ok(membership) = Membership::parse(&text) {
            prop_assert_eq!(parsed(&membership.to_string()), membership);
        }
    }
}
