//! Makes the znodes that a run needs. The root may be there already, nothing else may.

use crate::client::Client;
use crate::names;
use crate::options::Options;
use zkload::wire::{NODE_EXISTS, create, value};

const CREATE_LIMIT_SECS: f64 = 120.0;

/// The root and its znodes with their values, as load, watch and failover want them.
pub(crate) fn znodes(options: &Options) -> Result<(), String> {
    let paths = names::znodes(&options.root, options.znodes);
    below_root(options, &paths, |i| value(i, options.value_size))
}

/// The root and the parents below it, as create-many wants them.
pub(crate) fn parents(options: &Options) -> Result<(), String> {
    let paths: Vec<String> = (0..options.parents).map(|p| names::parent(&options.root, p)).collect();
    below_root(options, &paths, |_| Vec::new())
}

fn below_root(options: &Options, paths: &[String], data: impl Fn(usize) -> Vec<u8>) -> Result<(), String> {
    let mut client = Client::open(&options.servers[0])?;
    create_all(&mut client, &names::ancestors(&options.root), |_| Vec::new(), &[0, NODE_EXISTS])?;
    create_all(&mut client, paths, data, &[0])?;
    client.close();
    Ok(())
}

/// Creates all `paths`; each error code must be among the `accepted` ones.
fn create_all(
    client: &mut Client,
    paths: &[String],
    data: impl Fn(usize) -> Vec<u8>,
    accepted: &[i32],
) -> Result<(), String> {
    let mut bad: Option<String> = None;
    client.batch(
        paths.len(),
        CREATE_LIMIT_SECS,
        |w, xid, i| create(w, xid, paths[i].as_bytes(), &data(i), 0),
        |i, err, _| {
            if !accepted.contains(&err) && bad.is_none() {
                bad = Some(format!("create {}: err {err}", paths[i]));
            }
        },
    )?;
    bad.map_or(Ok(()), Err)
}
