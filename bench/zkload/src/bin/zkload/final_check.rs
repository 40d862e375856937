//! Whether everything that was acknowledged is there, looked up through a new session after a run.

use crate::client::Client;
use crate::names;
use crate::options::Options;
use zkload::wire::{GET, STAT_LEN, path_watch, value};

/// How many znodes of `create-many` have their data compared.
const SAMPLED: u64 = 1000;
const LIMIT_SECS: f64 = 60.0;

/// Sum of the versions of all znodes: every acknowledged set must be in it.
pub(crate) fn sum_versions(options: &Options) -> Result<u64, String> {
    let mut client = Client::open(&options.servers[0])?;
    client.sync()?;
    let (mut sum, mut bad) = (0u64, 0u64);
    client.stats(
        options.znodes,
        LIMIT_SECS,
        |i| names::znode(&options.root, i),
        |_, stat| match stat {
            Ok(stat) => sum += stat.version() as u64,
            Err(_) => bad += 1,
        },
    )?;
    client.close();
    if bad > 0 {
        return Err(format!("{bad} znodes unreadable at the end"));
    }
    Ok(sum)
}

/// After create-many: every parent has its exact share of children, and 1,000 sampled znodes
/// carry the right data.
pub(crate) fn bulk(options: &Options) -> Result<(), String> {
    let mut client = Client::open(&options.servers[0])?;
    client.sync()?;
    let mut bad = None;
    let total = count_children(options, &mut client, &mut bad)?;
    compare_sample(options, &mut client, &mut bad)?;
    client.close();
    match bad {
        Some(bad) => Err(bad),
        None if total != options.count => Err(format!("{total} znodes, expected {}", options.count)),
        None => Ok(()),
    }
}

/// Notes the first parent with another number of children than its share, and counts them all.
fn count_children(options: &Options, client: &mut Client, bad: &mut Option<String>) -> Result<u64, String> {
    let mut total = 0u64;
    client.stats(
        options.parents,
        LIMIT_SECS,
        |p| names::parent(&options.root, p),
        |p, stat| {
            let want = share(options.count, options.parents as u64, p as u64) as i64;
            let got = stat.map_or_else(i64::from, |stat| i64::from(stat.num_children()));
            if got != want && bad.is_none() {
                *bad = Some(format!("parent {p}: {got} children, expected {want}"));
            }
            total += got.max(0) as u64;
        },
    )?;
    Ok(total)
}

/// How many of `count` znodes parent `p` gets when `parents` take turns.
fn share(count: u64, parents: u64, p: u64) -> u64 {
    count / parents + u64::from(p < count % parents)
}

/// Notes the first znode of an evenly spread sample with other data than it was given.
fn compare_sample(options: &Options, client: &mut Client, bad: &mut Option<String>) -> Result<(), String> {
    let n = options.count.min(SAMPLED);
    let pick = |i: usize| i as u64 * options.count / n;
    let path = |i: usize| names::bulk(&options.root, options.parents, pick(i));
    let size = options.value_size;
    client.batch(
        n as usize,
        LIMIT_SECS,
        |w, xid, i| path_watch(w, xid, GET, path(i).as_bytes(), false),
        |i, err, body| {
            let want = value(pick(i) as usize, size);
            let good = err == 0 && body.len() == 4 + size + STAT_LEN && body[4..4 + size] == want[..];
            if !good && bad.is_none() {
                *bad = Some(format!("{}: err {err} or wrong data", path(i)));
            }
        },
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn shares_differ_by_one_at_most_and_sum_up() {
        let shares: Vec<u64> = (0..4).map(|p| share(10, 4, p)).collect();
        assert_eq!(shares, [3, 3, 2, 2]);
        assert_eq!(share(8, 4, 3), 2);
    }
}
