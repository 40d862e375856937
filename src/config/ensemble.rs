//! From checked settings to what a member of an ensemble is told.

use super::error::ConfigError;
use super::members::List;
use super::model::{Election, Ensemble, Leading, Links, LocalSessions, MultiAddress, Observers, QuorumSasl};
use super::rules::{self, Int};
use super::settings::{Given, Settings};
use super::table::{Key, When, auth::*, client::TICK_TIME, ensemble::*, storage::DATA_DIR, tls::FIPS_MODE};
use super::tls;
use crate::membership::{Membership, MembershipError, Role};
use oxkeeper_codec::ServerId;
use std::path::PathBuf;

/// What a member of the listed servers is told, `Some(None)` for a standalone server, `None` after what is wrong was noted.
/// `my_id` is the number in `dataDir/myid`, if there is such a file.
pub(super) fn build(settings: &mut Settings, list: &List, my_id: Option<i64>) -> Option<Option<Ensemble>> {
    let Some(asked_by) = &list.asked_by else { return Some(None) };
    let my_id = settings.note(|settings| own_id(settings, list, my_id));
    let membership = settings.note(|settings| membership(settings, list, asked_by));
    settings.note(|settings| check_addresses(settings, list));
    if let Some(membership) = &membership {
        settings.note(|settings| check_oracle(settings, membership));
    }
    let init_timeout_ms = settings.note(|settings| ticks(settings, &INIT_LIMIT));
    let sync_timeout_ms = settings.note(|settings| ticks(settings, &SYNC_LIMIT));
    // What is wrong with the rest is told even when these are.
    let (init_ms, sync_ms) = (init_timeout_ms.unwrap_or_default(), sync_timeout_ms.unwrap_or_default());
    let links = settings.note(|settings| links(settings, init_ms, sync_ms));
    let election = settings.note(|settings| election(settings, sync_ms));
    let leading = settings.note(|settings| leading(settings));
    let observers = settings.note(|settings| observers(settings));
    let keep_connections = settings.note(|settings| settings.get(&KEEP_CONNECTIONS));
    let local_sessions = settings.note(|settings| local_sessions(settings));
    let multi_address = settings.note(|settings| multi_address(settings));
    let tls = settings.note(|settings| tls::quorum(settings));
    let sasl = settings.note(|settings| sasl(settings));
    let listen_on_all_addresses = settings.note(|settings| settings.get(&LISTEN_ON_ALL));
    let standalone_enabled = settings.note(|settings| settings.get(&STANDALONE_ENABLED));
    let dynamic_file = settings.note(|settings| settings.given(&DYNAMIC_CONFIG_FILE));
    let (_, _, my_id, membership) = (init_timeout_ms?, sync_timeout_ms?, my_id?, membership?);
    remark(settings, asked_by, my_id, &membership);
    Some(Some(Ensemble {
        my_id,
        membership,
        last_seen: None,
        standalone_enabled: standalone_enabled?,
        files: None,
        dynamic_file: dynamic_file?.map(PathBuf::from),
        listen_on_all_addresses: listen_on_all_addresses?,
        links: links?,
        election: election?,
        leading: leading?,
        observers: observers?,
        local_sessions: local_sessions?,
        keep_connections: keep_connections?,
        multi_address: multi_address?,
        tls: tls?,
        sasl: sasl?,
    }))
}

/// Logins among members; `None` if they do without.
fn sasl(settings: &Settings) -> Result<Option<QuorumSasl>, ConfigError> {
    let (logs_in, is_required) = (settings.get(&LEARNER_SASL)?, settings.get(&SERVER_SASL)?);
    if !settings.get(&QUORUM_SASL)? {
        for (asked, key) in [(logs_in, &LEARNER_SASL), (is_required, &SERVER_SASL)] {
            if asked {
                return Err(settings.find_or_default(key).conflict("it needs quorum.auth.enableSasl=true"));
            }
        }
        return Ok(None);
    }
    if is_required && !logs_in {
        let problem = "it needs quorum.auth.learnerRequireSasl=true: members would not let each other in";
        return Err(settings.find_or_default(&SERVER_SASL).conflict(problem));
    }
    let asked = settings.find_or_default(&QUORUM_SASL);
    if settings.given(&JAAS_FILE)?.flatten().is_none() {
        return Err(asked.conflict("it needs java.security.auth.login.config, the JAAS file"));
    }
    Ok(Some(QuorumSasl {
        logs_in,
        is_required,
        learner_section: settings.get(&LEARNER_SECTION)?.unwrap_or_default(),
        server_section: settings.get(&SERVER_SECTION)?.unwrap_or_default(),
        is_fips: settings.get(&FIPS_MODE)?,
        service_principal: settings.get(&SERVICE_PRINCIPAL)?.unwrap_or_default(),
        realm: settings.given(&SERVER_REALM)?.flatten(),
        canonical_hosts: settings.get(&CANONICAL_HOSTS)?,
    }))
}

/// The oracle decides among two participants; among others it has no say (`QuorumOracleMaj.containsQuorum`).
/// But with its path the official server passes over groups.
fn check_oracle(settings: &mut Settings, membership: &Membership) -> Result<(), ConfigError> {
    let Some(given) = settings.find(ORACLE_PATH.spec.name).filter(|given| !given.value.is_empty()).cloned()
    else {
        return Ok(());
    };
    if membership.participants().count() == 2 {
        return Err(given.not_supported("the oracle of two servers is not available in this version"));
    }
    if membership.groups().is_some() {
        return Err(given.conflict("an oracle and groups: one of them only can say what a quorum is"));
    }
    let effect =
        "no effect: the oracle of two servers is not available in this version, and there are not two";
    settings.warnings.push(given.warning(effect));
    Ok(())
}

/// The number in `myid`, which must be listed. -1 is none (`UNSET_SERVERID`).
fn own_id(settings: &Settings, list: &List, my_id: Option<i64>) -> Result<ServerId, ConfigError> {
    let dir = settings.given(&DATA_DIR)?.ok_or_else(|| settings.missing("dataDir", "myid is in it"))?;
    let path = PathBuf::from(dir).join("myid");
    let id = my_id.filter(|&id| id != -1).map(ServerId);
    let id = id.ok_or_else(|| ConfigError::NoMyId { path: path.clone() })?;
    if list.written.contains_key(&id) { Ok(id) } else { Err(ConfigError::NotListed { path, id: id.0 }) }
}

/// All lines together. The version is the end of the dynamic file's name, or stands in `zoo.cfg`.
fn membership(settings: &Settings, list: &List, asked_by: &Given) -> Result<Membership, ConfigError> {
    let mut lines = list.lines.clone();
    for (number, given) in settings.family("weight.*") {
        let allowed = format!("a whole number from 0 to {}", rules::INT_MAX);
        lines.add(&format!("weight.{number}"), &given.value).map_err(|_| given.bad_value(allowed))?;
    }
    let dynamic = settings.given(&DYNAMIC_CONFIG_FILE)?;
    if let (None, Some(given)) = (&dynamic, settings.find("version")) {
        lines.add("version", &given.value).map_err(|_| given.bad_value("a number in hexadecimal"))?;
    }
    let membership = lines.finish().map_err(|error| contradiction(settings, list, asked_by, error))?;
    Ok(match dynamic {
        Some(name) => membership.with_version(version_of(&name)),
        None => membership,
    })
}

/// The version in the name of a dynamic file: what follows its last point, in hexadecimal, or 0.
fn version_of(name: &str) -> i64 {
    name.rsplit_once('.').and_then(|(_, end)| i64::from_str_radix(end, 16).ok()).unwrap_or(0)
}

/// The error at the line that contradicts others.
fn contradiction(settings: &Settings, list: &List, asked_by: &Given, error: MembershipError) -> ConfigError {
    let (key, problem) = match error {
        MembershipError::Conflict { key, problem } => (key, problem),
        other => (String::new(), other.to_string()),
    };
    let number = |name: &str| key.split_once('.').is_some_and(|(_, number)| same_number(number, name));
    let group = settings.family("group.*").find(|(name, _)| key.starts_with("group.") && number(name));
    let server = list.written.iter().find(|(id, _)| key == format!("server.{id}"));
    let given = group.map(|(_, given)| given).or_else(|| server.map(|(_, given)| given));
    given.unwrap_or(asked_by).conflict(problem)
}

fn same_number(a: &str, b: &str) -> bool {
    a.parse::<i64>().is_ok_and(|a| b.parse() == Ok(a))
}

/// Several addresses need the first message of election connections that can name them.
fn check_addresses(settings: &Settings, list: &List) -> Result<(), ConfigError> {
    let several = list.lines.members().iter().find(|(_, member)| member.addresses.len() > 1);
    match several {
        Some((id, _)) if !settings.get(&MULTI_ADDRESS)? => {
            Err(list.written[id].conflict("several addresses of a server need multiAddress.enabled=true"))
        }
        _ => Ok(()),
    }
}

/// As many ticks, in ms. There is no default.
fn ticks(settings: &Settings, limit: &'static Key<Int<i32>>) -> Result<u32, ConfigError> {
    let name = limit.spec.name;
    let count = settings.given(limit)?;
    let count = count.ok_or_else(|| settings.missing(name, "members of an ensemble need it, in ticks"))?;
    match u32::try_from(count) {
        Ok(count) if count > 0 => in_ms(settings, count),
        _ => {
            let allowed = format!("a whole number from 1 to {}", rules::INT_MAX);
            Err(settings.find_or_default(limit).bad_value(allowed))
        }
    }
}

fn in_ms(settings: &Settings, count: u32) -> Result<u32, ConfigError> {
    let tick_ms: u32 = settings.get(&TICK_TIME)?;
    Ok(tick_ms.saturating_mul(count).min(i32::MAX.unsigned_abs()))
}

fn links(settings: &Settings, init_ms: u32, sync_ms: u32) -> Result<Links, ConfigError> {
    let connect = u32::try_from(settings.get(&CONNECT_LIMIT)?).unwrap_or(0);
    Ok(Links {
        init_timeout_ms: init_ms,
        sync_timeout_ms: sync_ms,
        connect_timeout_ms: if connect > 0 { in_ms(settings, connect)? } else { init_ms },
        connect_retry_delay_ms: settings.get(&CONNECT_RETRY_DELAY)?,
        no_delay_to_leader: settings.get(&FOLLOWER_NO_DELAY)?,
        no_delay_to_learners: settings.get(&LEADER_NO_DELAY)?,
    })
}

fn election(settings: &Settings, sync_ms: u32) -> Result<Election, ConfigError> {
    let attempts = settings.get(&ELECTION_BIND_RETRIES)?;
    Ok(Election {
        bind_attempts: if attempts > 0 { Some(attempts) } else { None },
        connect_timeout_ms: settings.get(&CNX_TIMEOUT)?,
        silence_timeout_ms: settings.get(&QUORUM_CNXN_TIMEOUT)?.unwrap_or(sync_ms),
        keep_alive: settings.get(&ELECTION_KEEP_ALIVE)?,
        min_notification_ms: settings.get(&MIN_NOTIFICATION)?,
        max_notification_ms: settings.get(&MAX_NOTIFICATION)?,
    })
}

fn leading(settings: &Settings) -> Result<Leading, ConfigError> {
    Ok(Leading {
        serves_clients: settings.get(&LEADER_SERVES)?,
        max_epoch_wait_ms: settings.get(&EPOCH_WAIT)?,
        max_snap_syncs: settings.get(&SNAP_SYNCS)?,
        max_diff_syncs: settings.get(&DIFF_SYNCS)?,
        ack_sample: settings.get(&ACK_LOGGING)?,
        force_snapshot_sync: settings.get(&FORCE_SNAPSHOT_SYNC)?,
    })
}

fn observers(settings: &Settings) -> Result<Observers, ConfigError> {
    let port = settings.get(&OBSERVER_MASTER_PORT)?;
    let master_port = if port > 0 {
        let given = settings.find_or_default(&OBSERVER_MASTER_PORT);
        Some(u16::try_from(port).map_err(|_| given.bad_value("a port from 1 to 65535, or 0 for off"))?)
    } else {
        None
    };
    Ok(Observers {
        write_log: match settings.given(&OBSERVER_SYNC_ENABLED)? {
            Some(enabled) => enabled,
            None => settings.get(&SYNC_ENABLED)?,
        },
        master_port,
        master_size_limit_bytes: settings.get(&OBSERVER_MASTER_SIZE)?,
        reconnect_delay_ms: settings.get(&OBSERVER_RECONNECT)?,
        election_delay_ms: settings.get(&OBSERVER_ELECTION)?,
    })
}

fn local_sessions(settings: &Settings) -> Result<LocalSessions, ConfigError> {
    Ok(LocalSessions { enabled: settings.get(&LOCAL_SESSIONS)?, upgrading: settings.get(&LOCAL_UPGRADING)? })
}

fn multi_address(settings: &Settings) -> Result<MultiAddress, ConfigError> {
    Ok(MultiAddress {
        enabled: settings.get(&MULTI_ADDRESS)?,
        check_reachability: settings.get(&REACHABILITY_CHECK)?,
        reachability_timeout_ms: u32::try_from(settings.get(&REACHABILITY_TIMEOUT)?).unwrap_or(0),
    })
}

/// A setting, when it asks for something, and what to say then.
type NotYet = (&'static str, When, &'static str);

/// Settings of members that this version takes without doing what they ask for.
pub(super) const NOT_YET: [NotYet; 3] = [
    ("fastleader.minNotificationInterval", When::Given, "no effect: elections here wait for no interval"),
    ("fastleader.maxNotificationInterval", When::Given, "no effect: elections here wait for no interval"),
    (
        "multiAddress.reachabilityCheckEnabled",
        When::Given,
        "no effect: addresses are tried one shortly after the other",
    ),
];

/// What the official server warns of, too; and what is not to be had.
fn remark(settings: &mut Settings, asked_by: &Given, my_id: ServerId, membership: &Membership) {
    let advice = match membership.participants().count() {
        ..=2 => Some("no failure of a server is tolerated: that needs at least 3 participants"),
        count if count % 2 == 0 => Some("an odd number of participants tolerates as many failures"),
        _ => None,
    };
    settings.warnings.extend(advice.map(|advice| asked_by.warning(advice)));
    for (name, when, effect) in NOT_YET {
        let asked = settings.find(name).filter(|given| when.applies(&given.value));
        let asked = asked.map(|given| given.warning(effect));
        settings.warnings.extend(asked);
    }
    let role = membership.member(my_id).map_or(Role::Participant, |member| member.role);
    let given = settings.find_or_default(&PEER_TYPE);
    if settings.get(&PEER_TYPE).is_ok_and(|written| written != role) {
        settings.warnings.push(given.warning(format!("the list of servers says {role}, which counts")));
    }
}
