//! One file per mode. Each reads its own options, makes its run and ends the process with a report; none
//! knows another.

pub(crate) mod create_many;
pub(crate) mod failover;
pub(crate) mod idle;
pub(crate) mod leader;
pub(crate) mod load;
pub(crate) mod probe;
pub(crate) mod storm;
pub(crate) mod watch;
